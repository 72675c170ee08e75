"""A Red Pitaya pulse height analyser: set up, let count, its histograms read again and again, stopped at the end.

The board counts by itself, so what the network loses is not lost: the next poll has it. Where the connection breaks it
is made again, and counting has gone on meanwhile; where the board has begun again (its timer has gone back) it is set
up anew, and the accounts say that what it had counted since the last poll is not known.

Nothing reads settings back. What can be checked is: after the set-up timers are at zero and histograms empty, and after
the start the timers run.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from daq.errors import MismatchError, RefusedError, UnreachableError
from daq.model import mcpha as m
from daq.model.layout import Mcpha
from daq.model.packets import Flag, Packets
from daq.readout.streams import WAIT_S, StreamSource
from daq.storage.accounts import Framing, unnumbered
from daq.wire import mcpha

if TYPE_CHECKING:
    from daq.readout.plan import Plan

_LOG = logging.getLogger(__name__)
_ANSWER_S = 2.0
"""A poll that takes longer is given up, and the connection with it."""
_LAST_ANSWER_S = 0.5
_RETRY_S = 0.5
_CONNECT_S = 0.5


class McphaSource(StreamSource):
    """Polls one board. Each `read` is one bounded wait; a poll that is complete is one row."""

    framing: Framing = "mcpha"

    def __init__(self, plan: Plan) -> None:
        """Connect and set the board up; it counts from the first `read` on.

        Raise `UnreachableError`, `RefusedError` where it does not empty its histograms, or for several addresses.
        """
        super().__init__(plan.layout)
        if len(plan.sources) > 1:
            raise RefusedError(f"{len(plan.sources)} sources: of boards that are polled one can be recorded at a time")
        if plan.layout.mcpha is None:
            raise MismatchError("the layout does not say how the board is to be set up")
        self._settings: Mcpha = plan.layout.mcpha
        self._address = (plan.sources[0].host, plan.sources[0].port)
        self._where = str(plan.sources[0])
        self._bytes = m.poll_bytes(len(self._settings.inputs))
        self._kept = bytearray()
        self._asked_s: float | None = None
        self._due_s = 0.0
        self._clocks = 0
        self._baseline = b""
        self._forgotten = False
        self._counts = {"polls": 0, "late_polls": 0, "stopped_polls": 0, "connections": 0, "set_ups": 0}
        self._socket: socket.socket | None = None
        try:
            self._connect(plan.connect_s)
            self._set_up()
        except OSError as why:
            self.close()
            raise UnreachableError(f"{self._where}: {why.strerror or why}") from None
        except BaseException:
            self.close()
            raise

    def read(self) -> Packets | None:
        """Return the next poll, or nothing after a wait of 50 ms; None never: a board does not end."""
        try:
            if self._socket is None:
                return self._again()
            if self._forgotten:
                return self._renew()
            if self._baseline:
                return self._begun(self._socket)
            poll = self._poll(self._socket)
        except OSError as why:
            self._lose(why.strerror or str(why))
            return self._rows()
        return self._rows() if poll is None else self._taken(poll)

    def finish(self) -> Packets:
        """Stop the board and return its last poll, with all that it counted; nothing where it cannot be reached."""
        if self._socket is None or self._baseline:
            return self._rows()
        try:
            self._socket.sendall(mcpha.run(self._settings, on=False))
            waiting = self._bytes - len(self._kept) if self._asked_s is not None else 0
            before = bytes(self._kept) + self._exactly(waiting, _LAST_ANSWER_S)
            last = self._exchange(_LAST_ANSWER_S)
        except OSError as why:
            self._lose(why.strerror or str(why))
            return self._rows()
        self._counts["polls"] += 1
        rows = [(0, before)] if before else []
        return self._rows(*rows, (int(Flag.END), last))

    def close(self) -> None:
        """Stop the board, where it is still there, and close the connection."""
        if self._socket is None:
            return
        with suppress(OSError):
            self._socket.settimeout(_LAST_ANSWER_S)
            self._socket.sendall(mcpha.run(self._settings, on=False))
        self._socket.close()
        self._socket = None

    def fileno(self) -> int:
        """Return the descriptor of the connection; -1 while there is none."""
        return self._socket.fileno() if self._socket is not None else -1

    def health(self) -> dict[str, int]:
        """Return polls, those late or with a timer that somebody else had stopped; connections made; set-ups."""
        return {f"board_{name}": count for name, count in self._counts.items()}

    def _begun(self, connection: socket.socket) -> Packets:
        """Let the board count; return the poll with which counting begins."""
        connection.sendall(mcpha.run(self._settings, on=True))
        baseline, self._baseline = self._baseline, b""
        self._due_s = time.monotonic() + 1e-3 * self._settings.poll_ms
        return self._rows((int(Flag.START), baseline))

    def _poll(self, connection: socket.socket) -> bytes | None:
        """Ask for a poll when it is due; return it when it is complete, None after a wait of 50 ms without that."""
        now_s = time.monotonic()
        if self._asked_s is None:
            if now_s < self._due_s:
                time.sleep(min(self._due_s - now_s, WAIT_S))
                return None
            connection.sendall(mcpha.ask_poll(self._settings))
            self._asked_s = now_s
            self._due_s = max(self._due_s, now_s - WAIT_S) + 1e-3 * self._settings.poll_ms
        connection.settimeout(WAIT_S)
        try:
            chunk = connection.recv(self._bytes - len(self._kept))
        except TimeoutError:
            if now_s - self._asked_s > _ANSWER_S:
                raise TimeoutError(f"no whole poll in {_ANSWER_S:g} s") from None
            return None
        if not chunk:
            raise ConnectionResetError("the board closed the connection")
        self._kept += chunk
        if len(self._kept) < self._bytes:
            return None
        poll, self._kept = bytes(self._kept), bytearray()
        self._counts["late_polls"] += time.monotonic() - self._asked_s > 1e-3 * self._settings.poll_ms
        self._asked_s = None
        return poll

    def _taken(self, poll: bytes) -> Packets:
        """Return a poll as a row; note where it shows that the board has begun again."""
        self._counts["polls"] += 1
        clocks = min(self._clocks_in(poll))
        if not clocks and not self._clocks:
            raise RefusedError(f"{self._where}: the board was told to count, and its timer stands at zero")
        self._counts["stopped_polls"] += clocks == self._clocks
        self._forgotten, self._clocks = clocks < self._clocks, clocks
        return self._rows((0, poll))

    def _renew(self) -> Packets:
        """Set a board up that has forgotten what it was told; it begins with the next read."""
        _LOG.warning("%s: the board has begun again: it is set up anew", self._where)
        try:
            self._set_up()
        except RefusedError as why:  # somebody else makes it count: the deadline of silence decides
            self._lose(str(why))
            return self._rows()
        self._forgotten = False
        return self._rows()

    def _connect(self, deadline_s: float) -> None:
        self._socket = socket.create_connection(self._address, timeout=deadline_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._counts["connections"] += 1
        self._kept, self._asked_s = bytearray(), None

    def _again(self) -> Packets:
        """Try to connect again, not too often; return nothing."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            time.sleep(min(self._due_s - now_s, WAIT_S))
            return self._rows()
        self._due_s = now_s + _RETRY_S
        with suppress(OSError):  # not yet there: the deadline of silence decides
            self._connect(_CONNECT_S)
            self._due_s = now_s
            self._forgotten = self._forgotten or not self._clocks  # it never showed that it counts
            _LOG.info("%s: connected again", self._where)
        return self._rows()

    def _lose(self, why: str) -> None:
        """Give the connection up; it is made again at the next read."""
        _LOG.warning("%s: %s; trying again every %g s", self._where, why, _RETRY_S)
        if self._socket is not None:
            self._socket.close()
        self._socket, self._asked_s = None, None
        self._kept.clear()
        self._due_s = time.monotonic()

    def _set_up(self) -> None:
        """Stop the board, set it up, empty it; keep the poll that shows it. Raise `RefusedError` where it is not so."""
        if self._socket is None:
            return
        self._socket.settimeout(_ANSWER_S)
        self._socket.sendall(mcpha.set_up(self._settings))
        self._baseline = self._exchange(_ANSWER_S)
        self._counts["set_ups"] += 1
        self._clocks = 0
        clocks = list(self._clocks_in(self._baseline))
        if any(clocks) or any(self._baseline[m.STATUS_BYTES :]):
            raise RefusedError(
                f"{self._where}: after its set-up the board shows timers {clocks} and counts that are not zero"
            )

    def _exchange(self, deadline_s: float) -> bytes:
        """Ask for a poll and return it."""
        if self._socket is None:
            raise ConnectionResetError("there is no connection")
        self._socket.sendall(mcpha.ask_poll(self._settings))
        return self._exactly(self._bytes, deadline_s)

    def _exactly(self, size: int, deadline_s: float) -> bytes:
        """Return `size` bytes; raise `OSError` where they do not come in time."""
        give_up_s = time.monotonic() + deadline_s
        found = bytearray()
        while self._socket is not None and len(found) < size:
            self._socket.settimeout(max(give_up_s - time.monotonic(), 1e-3))
            chunk = self._socket.recv(size - len(found))
            if not chunk:
                raise ConnectionResetError("the board closed the connection")
            found += chunk
        return bytes(found)

    def _clocks_in(self, poll: bytes) -> Iterator[int]:
        for number in self._settings.inputs:
            yield int.from_bytes(poll[8 * number : 8 * number + 8], "little")

    def _rows(self, *rows: tuple[int, bytes]) -> Packets:
        return unnumbered(list(rows), source=self.number, arrival_ns=time.monotonic_ns())
