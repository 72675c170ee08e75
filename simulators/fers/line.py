"""The two TCP connections of one board: control with requests and replies, stream with events."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from daq.errors import RefusedError
from simulators.fers.board import OK, Board
from simulators.fers.faults import LineFaults
from simulators.fers.run import Acquisition

CONTROL, STREAM = "control", "stream"
_WRITE, _READ, _OLD_WRITE, _OLD_READ = b"ABBD", b"ABBE", b"ABBA", b"ABBC"
_SHORT, _LONG = 8, 12
_MOST_BYTES = 1 << 16
_IDLE_S = 0.002
_POLL_S = 0.05
_RECEIVE_BYTES = 1 << 16
_SEND_S = 0.02
_REPLY_S = 5.0
"""A host that does not take replies for so long has left."""
_RESET = struct.pack("ii", 1, 0)
"""Close at once, without waiting: the peer sees a connection that is reset."""

Serve = Callable[[socket.socket, threading.Event], None]


class NoRequestError(Exception):
    """Bytes on the control connection that are no request."""


def answer(board: Board, buffer: bytearray) -> bytes | None:
    """Take one request from the front of a buffer and return the reply; None: it is not whole yet.

    Raise `NoRequestError` for what is none.
    """
    code = bytes(buffer[:4])
    if len(buffer) < _SHORT:
        return None
    if code not in (_WRITE, _READ, _OLD_WRITE, _OLD_READ):
        raise NoRequestError(f"{code!r} begins no request")
    head = _SHORT if code == _OLD_READ else _LONG
    if len(buffer) < head:
        return None
    address, size = (int.from_bytes(buffer[at : at + 4], "little") for at in (4, 8))
    whole = head + (size if code == _WRITE else 0)
    if code in (_WRITE, _READ) and size > _MOST_BYTES:
        raise NoRequestError(f"a request for {size} bytes")
    if len(buffer) < whole:
        return None
    data = bytes(buffer[8 if code == _OLD_WRITE else head : whole])
    del buffer[:whole]
    if code in (_READ, _OLD_READ):
        return board.read(address, size if code == _READ else 4)
    status = board.write(address, data)
    return int(status == OK if code == _OLD_WRITE else status).to_bytes(4, "little")


class Line:
    """Serves one board: a thread per endpoint. A new connection takes the place of the one before."""

    def __init__(self, acquisition: Acquisition, faults: LineFaults, host: str, ports: dict[str, int]) -> None:
        self.acquisition = acquisition
        self._board, self._faults = acquisition.board, faults
        self._sockets = {name: _listening(host, ports.get(name, 0)) for name in (CONTROL, STREAM)}
        self._addresses = {name: endpoint.getsockname() for name, endpoint in self._sockets.items()}
        self._dead_until_s = 0.0
        self._threads: list[threading.Thread] = []
        self.sent_bytes = 0
        self.dropped_bytes = 0

    def address(self, name: str) -> tuple[str, int]:
        """Return where an endpoint is."""
        host, port = self._addresses[name]
        return str(host), int(port)

    def start(self, stop: threading.Event) -> None:
        """Serve in threads until `stop`."""
        for name, serve in ((CONTROL, self._talk), (STREAM, self._stream)):
            thread = threading.Thread(target=self._accept, args=(name, serve, stop), name=name)
            thread.start()
            self._threads.append(thread)

    def join(self) -> None:
        """Wait for the threads after `stop`."""
        for thread in self._threads:
            thread.join()
        for listening in self._sockets.values():
            listening.close()

    def step(self) -> None:
        """Let happen to the board what its time has come for."""
        run, seconds = self.acquisition.runs, self.acquisition.seconds()
        if not self.acquisition.running:
            return
        reboot = self._faults.begins("reboot", run, seconds)
        if reboot is not None:
            self._dead_until_s = time.monotonic() + (reboot.for_s or 0.0)
            self.acquisition.abort()
            self._board.reboot()
        if self._faults.begins("trip", run, seconds) is not None:
            self._board.supply.trip_at_ma = 0.0
        elif not self._faults.is_on("trip", seconds):
            self._board.supply.trip_at_ma = None

    @property
    def dead(self) -> bool:
        """Tell whether the board has no power, or begins anew."""
        return time.monotonic() < self._dead_until_s

    @property
    def unplugged(self) -> bool:
        """Tell whether nothing goes over the cable."""
        acquisition = self.acquisition
        return acquisition.running and self._faults.is_on("unplug", acquisition.seconds())

    def _accept(self, name: str, serve: Serve, stop: threading.Event) -> None:
        while not stop.is_set():
            if self.dead:
                self._sleep(name, stop)
            if not select.select([self._sockets[name]], [], [], _POLL_S)[0]:
                continue
            with contextlib.suppress(OSError):  # it left again: it may come back
                connection, _ = self._sockets[name].accept()
                with connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.settimeout(_REPLY_S)
                    serve(connection, stop)

    def _sleep(self, name: str, stop: threading.Event) -> None:
        """Let nobody connect while the board has no power."""
        host, port = self.address(name)
        self._sockets[name].close()
        while self.dead and not stop.is_set():
            stop.wait(_POLL_S)
        self._sockets[name] = _listening(host, port)

    def _replaced(self, name: str) -> bool:
        """Tell whether somebody else wants the place of who is connected."""
        return bool(select.select([self._sockets[name]], [], [], 0)[0])

    def _talk(self, connection: socket.socket, stop: threading.Event) -> None:
        buffer = bytearray()
        while not stop.is_set() and not self._replaced(CONTROL):
            if self.dead:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            if self.unplugged or not select.select([connection], [], [], _POLL_S)[0]:
                stop.wait(_IDLE_S if self.unplugged else 0)
                continue
            chunk = connection.recv(_RECEIVE_BYTES)
            if not chunk:
                return
            buffer += chunk
            if not self._reply(connection, buffer):
                return

    def _reply(self, connection: socket.socket, buffer: bytearray) -> bool:
        while buffer:
            try:
                reply = answer(self._board, buffer)
            except NoRequestError:
                self._board.counts["not understood"] += 1
                return False
            if reply is None:
                return True
            connection.sendall(reply)
        return True

    def _stream(self, connection: socket.socket, stop: threading.Event) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the name of the method is all there is
        piece = memoryview(b"")
        try:
            while not stop.is_set() and not self._replaced(STREAM):
                if self._broken():
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    return
                piece = piece or memoryview(self.acquisition.pop())
                if self.unplugged:
                    piece = self._drop(piece)
                elif piece:
                    piece = self._sent(connection, piece)
                elif _left(connection):
                    return
                if not piece:
                    stop.wait(0.0 if self.acquisition.waiting_bytes else _IDLE_S)
        finally:
            self._drop(piece)

    def _broken(self) -> bool:
        """Tell whether the stream is to be closed now."""
        acquisition = self.acquisition
        cut = acquisition.running and self._faults.begins("cut", acquisition.runs, acquisition.seconds())
        return self.dead or bool(cut)

    def _sent(self, connection: socket.socket, piece: memoryview) -> memoryview:
        """Send what the system takes of a piece; return the rest."""
        if not select.select([], [connection], [], _SEND_S)[1]:
            return piece
        with contextlib.suppress(BlockingIOError):
            count = connection.send(piece)
            self.sent_bytes += count
            self.acquisition.release(count)
            return piece[count:]
        return piece

    def _drop(self, piece: memoryview) -> memoryview:
        """Let go what cannot be sent; nothing is left of it."""
        self.dropped_bytes += len(piece)
        self.acquisition.release(len(piece))
        return memoryview(b"")


def _left(connection: socket.socket) -> bool:
    """Tell whether the peer has hung up. What it says on the stream nobody hears."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    return not connection.recv(_RECEIVE_BYTES)


def _listening(host: str, port: int) -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        endpoint.bind((host, port))
        endpoint.listen(2)
    except OSError as why:
        endpoint.close()
        raise RefusedError(f"cannot serve on {host}:{port}: {why.strerror}") from None
    return endpoint
