"""An instrument on a network as VISA reaches it: VXI-11 (VXIbus Consortium, rev. 1.0) and HiSLIP 1.0 (IVI-6.1)."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[str], str | None]
"""What an instrument says to a line; None: nothing."""


class Instrument:
    """What both protocols share: a line goes in, a reply waits until it is fetched, a clear forgets it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.waiting = b""
        self.clears = 0
        self.mute = False
        self.wires: list[socket.socket] = []

    def heard(self, data: bytes) -> None:
        for line in data.decode().splitlines():
            said = None if self.mute else self.answer(line)
            if said is not None:
                self.waiting = said.encode() + b"\n"

    def taken(self) -> bytes:
        said, self.waiting = self.waiting, b""
        return said

    def clear(self) -> None:
        self.clears += 1
        self.waiting = b""

    def hang_up(self) -> None:
        for wire in self.wires:
            with suppress(OSError):  # it is closed already
                wire.shutdown(socket.SHUT_RDWR)
        self.wires.clear()


class _Vxi11(socketserver.BaseRequestHandler):
    """Remote procedure calls of the core channel: create_link 10, write 11, read 12, clear 15, destroy_link 23."""

    def handle(self) -> None:
        it: Instrument = self.server.it  # type: ignore[attr-defined]
        it.wires.append(self.request)
        while (size := _exactly(self.request, 4)) is not None:
            call = _exactly(self.request, int.from_bytes(size, "big") & 0x7FFFFFFF)
            if call is None:
                return
            number, procedure = struct.unpack(">I16xI", call[:24])
            reply = struct.pack(">IIIIII", number, 1, 0, 0, 0, 0) + self._done(it, procedure, call[40:])
            self.request.sendall(struct.pack(">I", 0x80000000 | len(reply)) + reply)

    def _done(self, it: Instrument, procedure: int, given: bytes) -> bytes:
        match procedure:
            case 10:
                return struct.pack(">iiII", 0, 1, 0, 4096)
            case 11:
                length = int.from_bytes(given[16:20], "big")
                it.heard(given[20 : 20 + length])
                return struct.pack(">iI", 0, length)
            case 12:
                said = it.taken()
                code, reason = (0, 4) if said else (15, 0)
                return struct.pack(">iiI", code, reason, len(said)) + said + bytes(-len(said) % 4)
            case 15:
                it.clear()
        return struct.pack(">i", 0)


class _Hislip(socketserver.BaseRequestHandler):
    """Messages of both channels; the first one on a connection says which it is."""

    def handle(self) -> None:
        it: Instrument = self.server.it  # type: ignore[attr-defined]
        it.wires.append(self.request)
        while (head := _exactly(self.request, 16)) is not None:
            _, kind, _, parameter, length = struct.unpack(">2sBBIQ", head)
            payload = _exactly(self.request, length) or b""
            if kind in (6, 7):
                it.heard(payload)
                if said := it.taken():
                    self._say(7, parameter, said)
                continue
            if kind == 19:
                it.clear()
            self._say(*{0: (1, 0x0100_0001), 17: (18, 0), 15: (16, 0, payload), 19: (23, 0), 8: (9, 0)}[kind])

    def _say(self, kind: int, parameter: int, payload: bytes = b"") -> None:
        self.request.sendall(struct.pack(">2sBBIQ", b"HS", kind, 0, parameter, len(payload)) + payload)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


@contextmanager
def visa_instrument(kind: str, answer: Answer) -> Iterator[tuple[str, Instrument]]:
    """Serve an instrument by `vxi11` or `hislip`; yield its resource name and itself."""
    with _Server(("127.0.0.1", 0), _Vxi11 if kind == "vxi11" else _Hislip) as server:
        it = server.it = Instrument(answer)  # type: ignore[attr-defined]
        port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield (f"TCPIP::127.0.0.1,{port}::inst0::INSTR" if kind == "vxi11"
                   else f"TCPIP::127.0.0.1::hislip0,{port}::INSTR"), it  # fmt: skip
        finally:
            it.hang_up()
            server.shutdown()


def _exactly(wire: socket.socket, count: int) -> bytes | None:
    got = b""
    while len(got) < count:
        try:
            more = wire.recv(count - len(got))
        except OSError:
            return None
        if not more:
            return None
        got += more
    return got
