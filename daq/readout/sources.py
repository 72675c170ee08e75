"""Where packets come from: a UDP socket, a TCP connection, a file. Each `read` is one bounded wait."""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np

from daq.errors import MismatchError, MissingError, RefusedError, UnreachableError
from daq.model.layout import Layout
from daq.model.packets import Packets
from daq.readout.plan import Plan, SourceAddress
from daq.storage.accounting import Framing, unnumbered
from daq.wire import native
from daq.wire.native_batch import packets_of, unframed_packets_of
from daq.wire.stream import StreamFramer

_LOG = logging.getLogger(__name__)

WAIT_S = 0.05
READ_BYTES = 1 << 20
_REQUEST_PERIOD_S = 0.5
_SO_RCVBUFFORCE = 33


class Source(Protocol):
    """A source of packets. `lossless`: the sender waits when we do; `silent_ok`: nothing need come (a file)."""

    framing: Framing
    lossless: bool

    def read(self) -> Packets | None:
        """Return packets (perhaps none after a wait of 50 ms), or None at the end of the stream."""
        ...

    def health(self) -> dict[str, int]:
        """Return figures of the socket: buffer bytes asked and granted, kernel drops."""
        ...

    def close(self) -> None:
        """Close it; reading is over."""
        ...


def open_source(plan: Plan) -> Source:
    """Open the source of the plan, or raise `UnreachableError` or `MissingError` in words."""
    if plan.source.kind == "udp":
        return UdpSource(plan)
    return (TcpSource if plan.source.kind == "tcp" else FileSource)(plan)


class _Stream:
    """What TCP and file have in common: a framer that cuts bytes into rows."""

    framing: Framing = "stream"
    lossless = True

    def __init__(self, layout: Layout) -> None:
        self._framer = StreamFramer(layout.word_bytes, layout.preamble_bytes, layout.preamble_begins)
        self._finished = False

    def rows(self, chunk: bytes) -> Packets:
        return unnumbered(self._framer.feed(chunk), source=0, arrival_ns=time.monotonic_ns())

    def last_rows(self) -> Packets | None:
        if self._finished:
            return None
        self._finished = True
        return self.left_over()

    def left_over(self) -> Packets:
        return unnumbered(self._framer.finish(), source=0, arrival_ns=time.monotonic_ns())

    def health(self) -> dict[str, int]:
        return {}


class FileSource(_Stream):
    """A file in the front end's wire format, read to its end."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.layout)
        path = Path(plan.source.path)
        self._path = path
        try:
            if not path.is_file() and path.exists():
                raise RefusedError(f"{path}: not a regular file")
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise MissingError(f"{path}: no such file") from None
        except OSError as why:
            raise RefusedError(f"{path}: {why.strerror}") from None

    def read(self) -> Packets | None:
        """Return the next MiB."""
        try:
            chunk = self._file.read(READ_BYTES)
        except OSError as why:
            raise RefusedError(f"{self._path}: {why.strerror} while reading, at byte {self._file.tell()}") from None
        return self.rows(chunk) if chunk else self.last_rows()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TcpSource(_Stream):
    """A TCP connection to a front end. A slow reader slows the sender: nothing is lost here."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.layout)
        where = f"tcp://{plan.source.host}:{plan.source.port}"
        try:
            self._socket = socket.create_connection((plan.source.host, plan.source.port), timeout=plan.connect_s)
        except (OSError, UnicodeError) as why:
            raise UnreachableError(f"{where}: {getattr(why, 'strerror', None) or why}") from None
        self._socket.settimeout(WAIT_S)
        self._where = where
        self._broken: str | None = None

    def read(self) -> Packets | None:
        """Return what came, up to a MiB; None after the front end closed the connection."""
        if self._broken:
            raise UnreachableError(f"{self._where}: the front end broke the connection: {self._broken}")
        try:
            chunk = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return self.rows(b"")
        except OSError as why:
            self._broken = why.strerror or str(why)
            with suppress(MismatchError):  # broken within the preamble: that it broke is the better reason
                return self.left_over()
            return self.read()
        return self.rows(chunk) if chunk else self.last_rows()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class UdpSource:
    """Datagrams of one front end, which is asked for them, or of whoever pushes to our port.

    Datagrams of any other sender than the front end that was asked are dropped by the kernel: the socket is connected.
    """

    lossless = False
    _MOST_DATAGRAMS = 512
    _BUFFER_BYTES = 1 << 20
    _MOST_DATAGRAM_BYTES = 1 << 16

    def __init__(self, plan: Plan) -> None:
        self.framing: Framing = "native" if plan.datagram_framing == "native" else "none"
        self._word_bytes = plan.layout.word_bytes
        self._parse = packets_of if self.framing == "native" else unframed_packets_of
        self._buffer = bytearray(self._BUFFER_BYTES)
        self._asking = not plan.source.listen
        self._next_request_s = 0.0
        self._where = f"udp://{'@' if plan.source.listen else ''}{plan.source.host}:{plan.source.port}"
        self._socket = _open_udp(plan.source, self._where)
        self._asked_bytes = plan.socket_buffer_bytes
        self._granted_bytes = _enlarge(self._socket, plan.socket_buffer_bytes)
        self._inode = os.fstat(self._socket.fileno()).st_ino

    def read(self) -> Packets | None:
        """Return the datagrams that are there, up to 512 or a MiB; wait up to 50 ms for the first one."""
        self._ask()
        lengths, arrivals = self._receive()
        if lengths:
            self._asking = False
        length = np.array(lengths, np.int64)
        offset = np.cumsum(length) - length
        data = np.frombuffer(self._buffer, np.uint8, int(length.sum())).copy()
        return self._parse(data, offset, length, np.array(arrivals, np.int64), self._word_bytes)

    def _receive(self) -> tuple[list[int], list[int]]:
        """Fill the buffer, one datagram behind the other; return their lengths and arrival times."""
        view = memoryview(self._buffer)
        lengths: list[int] = []
        arrivals: list[int] = []
        at = 0
        self._socket.settimeout(WAIT_S)
        try:
            while len(lengths) < self._MOST_DATAGRAMS and at + self._MOST_DATAGRAM_BYTES <= len(view):
                size = self._socket.recv_into(view[at:])
                arrivals.append(time.monotonic_ns())
                lengths.append(size)
                at += size
                if len(lengths) == 1:
                    self._socket.settimeout(0.0)
        except (TimeoutError, BlockingIOError):
            pass
        except OSError as why:  # the network's answer to a request of ours: nobody there just now; the deadlines decide
            _LOG.info("%s: %s", self._where, why.strerror)
        return lengths, arrivals

    def health(self) -> dict[str, int]:
        """Return the socket buffer asked for and granted, in bytes, and the datagrams the kernel dropped."""
        return {
            "socket_buffer_asked_bytes": self._asked_bytes,
            "socket_buffer_bytes": self._granted_bytes,
            "kernel_drops": _kernel_drops(self._inode),
        }

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _ask(self) -> None:
        if not self._asking or time.monotonic() < self._next_request_s:
            return
        self._next_request_s = time.monotonic() + _REQUEST_PERIOD_S
        try:
            self._socket.send(native.request())
        except OSError as why:  # as above: asked again in half a second, until the connect deadline
            _LOG.info("%s: %s", self._where, why.strerror)


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


def _kernel_drops(inode: int) -> int:
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if int(fields[9]) == inode:
                return int(fields[12])
    return 0
