"""Several front ends in one acquisition: packets of all of them in one order, that in which they were received.

One thread reads all of them in turn. It takes the same slabs as for one, so that raw has the packets in the order in
which they were processed, and a replay sees them in it, too. What comes from the k-th address is of source k.
"""

from __future__ import annotations

import logging
import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from typing import Self, TypeVar

import numpy as np

from daq.errors import RefusedError, ScandaqError, UnreachableError
from daq.model.events import NO_SOURCE
from daq.model.packets import Flag, Packets
from daq.readout.plan import Plan
from daq.readout.receive import ERROR, FULL, IDLE, SLICE
from daq.readout.sources import Datagrams, DatagramSource
from daq.readout.streams import NAP_S, WAIT_S, StreamSource, TcpSource
from daq.storage.accounts import unnumbered
from daq.storage.slab import Slab

Source = TypeVar("Source", DatagramSource, TcpSource)

_LOG = logging.getLogger(__name__)
_NONE = -1
_BESIDE_SUM = ("socket_buffer_asked_bytes", "socket_buffer_bytes")
"""Figures of which the smallest says more than the sum: they are judged by the rate of one front end."""


class SeveralDatagrams(Datagrams):
    """Front ends that send datagrams, each to a socket of its own.

    A front end numbers its packets by itself, and several may use the same number: only one number is taken from each
    address, the first one that came, and it becomes that of the address. Packets of others are foreign.
    """

    def __init__(self, plan: Plan) -> None:
        self.framing = plan.datagram_framing
        self._sources: list[DatagramSource] = _opened(plan, DatagramSource)
        self._poll = select.poll()
        self._number_of = {source.fileno(): number for number, source in enumerate(self._sources)}
        for fd in self._number_of:
            self._poll.register(fd, select.POLLIN)
        self._wait_ms = int(1e3 * WAIT_S)
        self._begin()

    def _begin(self) -> None:
        self._own = [_NONE] * len(self._sources)
        self._heard = [False] * len(self._sources)
        self._waiting: deque[int] = deque()
        """Numbers of sources that have something: datagrams left over when a slab was full come first."""

    def apart(self) -> Self:
        """Return a reader of the same sockets, which learns the numbers of front ends by itself and never waits."""
        twin = copy(self)
        twin._sources = [source.apart() for source in self._sources]  # noqa: SLF001 - of our kind
        twin._wait_ms = 0  # noqa: SLF001 - of our kind
        twin._begin()  # noqa: SLF001 - of our kind
        return twin

    def receive(self, slab: Slab, begin: int) -> int:
        """Add datagrams of one front end after the other; `SLICE` after each round."""
        if not self._waiting:
            ready = self._poll.poll(self._wait_ms)
            self._waiting.extend(self._number_of[fd] for fd, _ in ready)
        if not self._waiting:
            return IDLE
        while self._waiting:
            number = self._waiting[0]
            if self._receive(number, slab) == FULL:
                return FULL
            self._waiting.popleft()
        return SLICE if slab.packets > begin else ERROR

    def _receive(self, number: int, slab: Slab) -> int:
        before = slab.packets
        source = self._sources[number]
        why = source.receive(slab, before)
        if why == ERROR:
            source.clear_error()
        self._renumber(number, slab, before)
        self._heard[number] |= slab.packets > before
        return why

    def _renumber(self, number: int, slab: Slab, begin: int) -> None:
        """Give packets from `begin` on the number of their address."""
        part = slice(begin, slab.packets)
        framed = slab.flags[part] & np.uint8(Flag.MALFORMED) == 0
        if not framed.any():
            return
        told = slab.source[part]
        if self._own[number] == _NONE:
            self._own[number] = int(told[framed][0])
        others = framed & (told != self._own[number])
        slab.flags[part][others] |= np.uint8(Flag.MALFORMED)
        slab.source[part] = np.where(framed & ~others, np.uint16(number), np.uint16(NO_SOURCE))

    def ask(self, *, heard: bool) -> None:
        """Ask those front ends for their data that have not been heard yet."""
        del heard  # of any; each is asked until it is heard itself
        for number, source in enumerate(self._sources):
            source.ask(heard=self._heard[number])

    def clear_error(self) -> None:
        """Do nothing: errors were taken when they came."""

    def drain(self) -> int:
        """Throw away what came before the start; return how many datagrams."""
        return sum(source.drain() for source in self._sources)

    def ended(self) -> None:
        """Note that nothing will be read any more."""
        for source in self._sources:
            source.ended()

    def health(self) -> dict[str, int]:
        """Return the figures of all sockets together; of buffers the smallest."""
        return _together([source.health() for source in self._sources])

    def close(self) -> None:
        """Close all sockets."""
        _close_all(self._sources)


class SeveralStreams(StreamSource):
    """Streams of several front ends, read in turn as something comes; each waits when we do.

    A stream that ends, or is lost, is told from one that is silent by an empty packet flagged `END`. The others go on;
    when all have ended it is over, and an error when all were lost.
    """

    def __init__(self, plan: Plan, opened: Callable[[Plan, int], TcpSource]) -> None:
        super().__init__(plan.layout)
        self._where = [str(address) for address in plan.sources]
        self._sources = _opened(plan, opened)
        self.framing = self._sources[0].framing
        self._poll = select.poll()
        self._number_of = {source.fileno(): source.number for source in self._sources}
        for fd in self._number_of:
            self._poll.register(fd, select.POLLIN)
        self._waiting: deque[int] = deque()
        self._losses: dict[int, str] = {}
        self._reading = len(self._sources)
        self.lost = self._losses

    def read(self) -> Packets | None:
        """Return packets of one front end, none after a wait of 50 ms, or None when all streams have ended."""
        if not self._reading:
            self._require_any()
            return None
        if not self._waiting:
            if all(source.brought_few for source in self._sources):
                time.sleep(NAP_S)
            self._waiting.extend(fd for fd, _ in self._poll.poll(int(1e3 * WAIT_S)))
        if not self._waiting:
            return self.rows(b"")
        fd = self._waiting.popleft()
        source = self._sources[self._number_of[fd]]
        try:
            packets = source.read()
        except ScandaqError as why:
            _LOG.error("%s", why)
            self._losses[source.number] = str(why)
            packets = None
        return packets if packets is not None else self._ended(fd, source.number)

    def begin(self) -> None:
        """Tell all to begin, the first one last: others may wait for it. Raise when one does not."""
        for source in reversed(self._sources):
            source.begin()
        self.confirm()

    def confirm(self) -> None:
        """Look whether all have begun."""
        for source in self._sources:
            source.confirm()

    def ended(self) -> None:
        """Tell all to stop."""
        for source in self._sources:
            source.ended()

    def _ended(self, fd: int, number: int) -> Packets:
        """Return the packet that says that a stream has ended, and read it no more."""
        self._poll.unregister(fd)
        self._reading -= 1
        return unnumbered([(int(Flag.END), b"")], source=number, arrival_ns=time.monotonic_ns())

    def _require_any(self) -> None:
        if len(self._losses) == len(self._sources):
            raise UnreachableError(f"all {len(self._sources)} front ends are lost: {'; '.join(self._losses.values())}")

    def health(self) -> dict[str, int]:
        """Return the figures of all streams together."""
        return _together([source.health() for source in self._sources])

    def of_number(self, number: int) -> StreamSource:
        """Return one of the front ends."""
        if number >= len(self._sources):
            raise RefusedError(f"there is no source {number}; there are 0 to {len(self._sources) - 1}")
        return self._sources[number]

    def close(self) -> None:
        """Close all streams."""
        _close_all(self._sources)


def require_tellable(plan: Plan) -> None:
    """Raise `RefusedError` where several addresses cannot be one acquisition."""
    if len(plan.sources) == 1:
        return
    kinds = {address.kind for address in plan.sources}
    listed = ", ".join(map(str, plan.sources))
    if "file" in kinds:
        raise RefusedError(f"{listed}: files do not say what came when; several sources are front ends, not files")
    if len(kinds) > 1:
        raise RefusedError(f"{listed}: the sources of one acquisition are all udp or all tcp")
    if plan.datagram_framing == "petsys-gbe" and kinds == {"udp"}:
        raise RefusedError(f"{listed}: frames of this front end bear its own number; give one address")
    if len(set(map(str, plan.sources))) < len(plan.sources):
        raise RefusedError(f"{listed}: an address is given twice")


def _opened(plan: Plan, opened: Callable[[Plan, int], Source]) -> list[Source]:
    """Open the sources of all addresses; where one cannot be opened none stays open."""
    sources: list[Source] = []
    try:
        for number in range(len(plan.sources)):
            sources += [opened(plan, number)]
    except BaseException:
        _close_all(sources)
        raise
    return sources


def _close_all(sources: Sequence[DatagramSource | TcpSource]) -> None:
    """Close all, whatever becomes of one of them; raise the first error afterwards."""
    first: BaseException | None = None
    for source in sources:
        try:
            source.close()
        except BaseException as why:  # noqa: BLE001 - it is raised below, when the others are closed
            first = first or why
    if first is not None:
        raise first


def _together(figures: Sequence[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for each in figures for name in each)
    return {
        name: (min if name in _BESIDE_SUM else sum)(each[name] for each in figures if name in each) for name in names
    }
