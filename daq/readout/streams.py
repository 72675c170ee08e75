"""Where streams come from: a TCP connection, a file. Each `read` is one bounded wait."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from daq.errors import MismatchError, MissingError, RefusedError, UnreachableError
from daq.model.layout import Layout
from daq.model.packets import Packets
from daq.readout.plan import Plan
from daq.storage.accounts import Framing, unnumbered
from daq.wire.framers import framer_of

WAIT_S = 0.05
READ_BYTES = 192 << 10
"""At a time. Blocks of 256 KiB and more are mapped anew each time (`daq.storage.memory`), which costs three times as
much as all else that is done to them here."""
_READ_BYTES_OF_SEVERAL = 1 << 16
"""At a time from each of several connections: what lies in them is read side by side, not one after the other."""

_FEW_BYTES = 64 << 10
NAP_S = 0.01
"""After a read that brought so few bytes more are let come for a while: what is done once for each read, and once for
each slice, costs more than all that is done to a few events. The connection's buffer holds what comes meanwhile."""


class StreamSource:
    """A TCP connection or a file: the sender waits when we do. A framer cuts the bytes into rows."""

    framing: Framing = "stream"
    lost: Mapping[int, str] = MappingProxyType({})
    """Why sources were lost in mid-acquisition, in words, by number. The loss of the only one is an error."""

    def __init__(self, layout: Layout, number: int = 0) -> None:
        """Begin without bytes. `number` is the source's in its acquisition."""
        self.number = number
        self._framer = framer_of(layout)
        self._finished = False

    def read(self) -> Packets | None:
        """Return packets (perhaps none after a wait of 50 ms), or None at the end of the stream."""
        raise NotImplementedError

    def finish(self) -> Packets:
        """Return what the front end still has, once it was stopped; nothing where it cannot be asked."""
        return self.rows(b"")

    def begin(self) -> None:
        """Tell the front end to begin: the recording does. Raise what keeps it from beginning."""

    def confirm(self) -> None:
        """Look whether the front end has begun; raise when it has not."""

    def ended(self) -> None:
        """Tell the front end to stop: nothing will be read any more."""

    def of_number(self, number: int) -> StreamSource:
        """Return the front end of a number; raise `RefusedError` where there is none."""
        if number != self.number:
            raise RefusedError(f"there is no source {number}")
        return self

    def asked(self, data: bytes, deadline_s: float) -> bytes:
        """Return the front end's reply to a request on its connection for commands; raise `RefusedError` for none."""
        del data, deadline_s
        raise RefusedError("this front end has no connection for commands")

    def close(self) -> None:
        """Close it; reading is over."""
        raise NotImplementedError

    def fileno(self) -> int:
        """Return the descriptor that tells when there is something to read."""
        raise NotImplementedError

    def health(self) -> dict[str, int]:
        """Return nothing: no buffer of a stream can overflow."""
        return {}

    def rows(self, chunk: bytes) -> Packets:
        """Return the rows that `chunk` completes."""
        return unnumbered(self._framer.feed(chunk), source=self.number, arrival_ns=time.monotonic_ns())

    def last_rows(self) -> Packets | None:
        """Return what is left at the end of the stream, then None."""
        if self._finished:
            return None
        self._finished = True
        return self.left_over()

    def left_over(self) -> Packets:
        """Return what is left of a word that was cut."""
        return unnumbered(self._framer.finish(), source=self.number, arrival_ns=time.monotonic_ns())


class FileSource(StreamSource):
    """A file in the front end's wire format, read to its end."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.layout)
        path = Path(plan.sources[0].path)
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
        """Return the next bytes."""
        try:
            chunk = self._file.read(READ_BYTES)
        except OSError as why:
            raise RefusedError(f"{self._path}: {why.strerror} while reading, at byte {self._file.tell()}") from None
        return self.rows(chunk) if chunk else self.last_rows()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TcpSource(StreamSource):
    """A TCP connection to a front end. A slow reader slows the sender: nothing is lost here."""

    def __init__(self, plan: Plan, number: int = 0) -> None:
        """Connect to the `number`-th address of the plan."""
        super().__init__(plan.layout, number)
        address = plan.sources[number]
        self._where = str(address)
        self._socket = connected(address.host, address.port, plan.connect_s, self._where)
        self._socket.settimeout(WAIT_S)
        self._read_bytes = READ_BYTES if len(plan.sources) == 1 else _READ_BYTES_OF_SEVERAL
        self._naps = len(plan.sources) == 1
        self.brought_few = False
        """The last read did."""
        self._broken: str | None = None

    def read(self) -> Packets | None:
        """Return what came, up to `READ_BYTES`; None after the front end closed the connection."""
        if self._broken:
            raise UnreachableError(f"{self._where}: the front end broke the connection: {self._broken}")
        if self._naps and self.brought_few:
            time.sleep(NAP_S)
        try:
            chunk = self._socket.recv(self._read_bytes)
            self.brought_few = len(chunk) < _FEW_BYTES
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

    def fileno(self) -> int:
        """Return the descriptor of the connection."""
        return self._socket.fileno()


def connected(host: str, port: int, wait_s: float, where: str) -> socket.socket:
    """Return a connection; raise `UnreachableError`, which says `where`, when there is none within `wait_s`."""
    try:
        return socket.create_connection((host, port), timeout=wait_s)
    except (OSError, UnicodeError) as why:
        raise UnreachableError(f"{where}: {getattr(why, 'strerror', None) or why}") from None
