"""Where datagrams come from: a UDP socket. Each `receive` is one bounded wait."""

from __future__ import annotations

import logging
import os
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import astuple
from functools import partial
from types import MappingProxyType
from typing import Self

from daq.errors import MismatchError, ScandaqError, UnreachableError
from daq.model.frontend import FrontEnd
from daq.model.tofpet2_rules import chips_of
from daq.readout.petsys import PetsysLink
from daq.readout.plan import Plan, SourceAddress
from daq.readout.receive import Receiver
from daq.storage.accounts import Framing
from daq.storage.slab import Slab
from daq.wire import native
from daq.wire.petsys_setup import Unit, set_up, shut_down

_LOG = logging.getLogger(__name__)

_SLICE_MS, _LONGEST_SLICE_MS = 5.0, 20.0
_SLICE_WORDS = 50_000
_LOW_WORDS_PER_S = 2e6
"""A slice waits for so many words at the rate that is planned for: what is done once a slice costs as much for few.
At a low rate it costs more than the words do, and a slice waits as long as it may: figures are shown every 50 ms."""
_IDLE_MS = 50
_REQUEST_PERIOD_S = 0.5
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO_FIGURES = 9
_MOST_DRAINED = 1 << 20
_TRIES_AT_END = 2


class Datagrams(ABC):
    """Datagrams that nobody sends again: whoever reads them must not wait for anything else."""

    framing: Framing
    lost: Mapping[int, str] = MappingProxyType({})
    """A front end that sends no more is not told from one that has nothing to say."""

    @abstractmethod
    def receive(self, slab: Slab, begin: int) -> int:
        """Add datagrams to `slab`; return why it is time to look at those from `begin` on, as `Receiver.receive`."""

    @abstractmethod
    def ask(self, *, heard: bool) -> None:
        """Ask for data, unless they are `heard`; to be called before each `receive`."""

    @abstractmethod
    def clear_error(self) -> None:
        """Take the network's answer to something we sent: nobody there just now."""

    @abstractmethod
    def apart(self) -> Self:
        """Return a reader of the same sockets that never waits, and keeps what it learns and has left to itself.

        For what comes before the start; whoever reads with it stops before this one is read.
        """

    @abstractmethod
    def drain(self) -> int:
        """Throw away what came before the start, drops of the kernel included; return how many datagrams."""

    @abstractmethod
    def ended(self) -> None:
        """Note that nothing will be read any more: what the kernel drops from here on is nobody's loss."""

    @abstractmethod
    def health(self) -> dict[str, int]:
        """Return figures of the socket, or of all."""

    @abstractmethod
    def close(self) -> None:
        """Close the socket, or all."""


class DatagramSource(Datagrams):
    """Datagrams of one front end, which is asked for them, or of whoever pushes to our port.

    Datagrams of any other sender than the front end that was asked are dropped by the kernel: the socket is connected.
    """

    def __init__(self, plan: Plan, number: int = 0) -> None:
        """Open the socket for the `number`-th address of the plan."""
        address = plan.sources[number]
        self.framing = plan.datagram_framing
        self._asks = not address.listen
        self._next_request_s = 0.0
        self._where = str(address)
        self._socket = _open_udp(address, self._where)
        self._asked_bytes = plan.receive.socket_buffer_bytes
        self._granted_bytes = _enlarge(self._socket, self._asked_bytes)
        self._drops_before = 0
        self._drops_at_end: int | None = None
        several = len(plan.sources)
        self._receives = partial(
            Receiver, self._socket, plan.datagram_framing, plan.layout.word_bytes, gro=plan.receive.gro
        )
        self.receiver = self._receives(
            slice_ms=_slice_ms(plan) / several, idle_ms=_IDLE_MS if several == 1 else 0
        )  # fmt: skip

    def apart(self) -> Self:
        """Return a reader of the same socket, with a memory of its own, which never waits."""
        twin = copy(self)
        twin.receiver = self._receives(slice_ms=0.0, idle_ms=0)
        return twin

    def receive(self, slab: Slab, begin: int) -> int:
        """Add datagrams to `slab`; return why it is time to look at those from `begin` on."""
        return self.receiver.receive(slab, begin)

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    def ask(self, *, heard: bool) -> None:
        """Ask the front end for its data, every half second until it is heard."""
        if not self._asks or heard or time.monotonic() < self._next_request_s:
            return
        self._next_request_s = time.monotonic() + _REQUEST_PERIOD_S
        self.send(native.request())

    def send(self, datagram: bytes) -> None:
        """Send a datagram to the front end. An error of the network is not ours to decide on: the deadlines do."""
        try:
            self._socket.send(datagram)
        except OSError as why:
            _LOG.info("%s: %s", self._where, why.strerror)

    def clear_error(self) -> None:
        """Take the network's answer to something we sent: nobody there just now."""
        why = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if why:
            _LOG.info("%s: %s", self._where, os.strerror(why))

    def drain(self) -> int:
        """Throw away what came before the start, drops of the kernel included; return how many datagrams."""
        thrown = 0
        self._socket.settimeout(0.0)
        for _ in range(_MOST_DRAINED):
            try:
                self._socket.recv(1)
                thrown += 1
            except BlockingIOError:
                break
            except OSError as why:  # the network's answer to something we sent; data may lie behind it
                _LOG.info("%s: %s", self._where, why.strerror)
        self._socket.settimeout(None)
        self._drops_before = _kernel_drops(self._socket)
        return thrown

    def ended(self) -> None:
        """Note that nothing will be read any more: what the kernel drops from here on is nobody's loss."""
        self._drops_at_end = _kernel_drops(self._socket)

    def health(self) -> dict[str, int]:
        """Return the socket buffer asked for and granted, in bytes, and the datagrams the kernel dropped meanwhile."""
        dropped = _kernel_drops(self._socket) if self._drops_at_end is None else self._drops_at_end
        return {
            "socket_buffer_asked_bytes": self._asked_bytes,
            "socket_buffer_bytes": self._granted_bytes,
            "kernel_drops": dropped - self._drops_before,
            "datagrams": self.receiver.datagrams,
            "receive_calls": self.receiver.calls,
        }

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class PetsysSource(DatagramSource):
    """A PETsys front end: it is greeted, looked at and set up before its data are listened to, and told to stop after.

    Its replies during the recording are found by `exchange`.
    """

    def __init__(self, plan: Plan) -> None:
        if plan.sources[0].listen:
            raise MismatchError(
                f"profile {plan.manifest.profile.get('id')}: such a front end is asked; give its address"
            )
        super().__init__(plan)
        self._settings = plan.front_end or FrontEnd()
        self._asics = chips_of(plan.layout).get(0, 0)
        self._link = PetsysLink(self._socket, self._where)
        self._drained = 0
        try:
            self._link.greet(plan.connect_s)
            self.unit = self._set_up()
        except BaseException:
            self._socket.close()
            raise
        _LOG.info("%s: board 0x%X, firmware 0x%X, ASICs 0x%X", self._where, *astuple(self.unit))

    def ask(self, *, heard: bool) -> None:
        """Say nothing: the front end sends since it was set up."""

    def drain(self) -> int:
        """Throw away what came before the start, where the clock is set to zero once more: time begins at the start.

        What comes meanwhile is thrown away, too. Raises what `set_up` does.
        """
        before = self._link.data
        self._drained += super().drain()
        if self._settings.reset_time_tag:
            self.unit = self._set_up()
            self._drained += super().drain()
        return self._drained + self._link.data - before

    def _set_up(self) -> Unit:
        return self._link.run(set_up(self._settings, self._asics, time.monotonic))

    def health(self) -> dict[str, int]:
        """Return figures of the socket, what came before it was listened to, and the ASICs."""
        return {
            **super().health(),
            "datagrams_before_listening": self._link.data + self._drained,
            "replies_unexpected_at_setup": self._link.replies,
            "asics_enabled": self.unit.asics,
        }

    def close(self) -> None:
        """Tell the front end to stop, if it was told to begin, and close the socket. Whether it does is only logged."""
        try:
            if self._settings.enable_asics:
                self._link.run(shut_down(), tries=_TRIES_AT_END)
        except ScandaqError as why:
            _LOG.warning("%s", why)
        finally:
            super().close()


def _slice_ms(plan: Plan) -> float:
    """Return how long a slice lasts: 5 ms from 10 M words/s on, 20 ms up to 2 M words/s, 25 ms at most."""
    rate = plan.receive.rate_words_per_s
    return _LONGEST_SLICE_MS if rate <= _LOW_WORDS_PER_S else max(_SLICE_MS, 1000.0 * _SLICE_WORDS / rate)


def _open_udp(address: SourceAddress, where: str) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
        opened = socket.socket(found[0], socket.SOCK_DGRAM)
        try:
            opened.bind(found[4]) if address.listen else opened.connect(found[4])
        except OSError:
            opened.close()
            raise
    except (OSError, UnicodeError) as why:
        raise UnreachableError(f"{where}: {getattr(why, 'strerror', None) or why}") from None
    return opened


def _enlarge(udp: socket.socket, wanted_bytes: int) -> int:
    """Ask for a receive buffer, with privilege and without, and return what the kernel granted, in usable bytes."""
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, wanted_bytes)
    except PermissionError:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted_bytes)
    return udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel reports twice what it was asked for


def _kernel_drops(udp: socket.socket) -> int:
    """Return the datagrams that found the socket's buffer full: the ninth figure of `SO_MEMINFO`."""
    figures = udp.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _MEMINFO_FIGURES)
    return struct.unpack(f"{len(figures) // 4}I", figures)[-1] if len(figures) == 4 * _MEMINFO_FIGURES else 0
