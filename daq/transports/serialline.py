"""A serial line for one program alone, read by the loop; why it cannot be opened, in words.

pyserial opens and sets it. The loop reads and writes its descriptor: no thread, and when it is closed it is free for
the next. pyserial-asyncio-fast 0.16 closes it in another thread, some time later.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import UnreachableError

if TYPE_CHECKING:
    import serial

_PARITY = {"none": "N", "even": "E", "odd": "O"}
_BY_ID = Path("/dev/serial/by-id")
_MOST_NAMED = 8
_PTY = "; a pseudo-terminal carries 8 bits without parity alone"
_CHUNK = 65536
_LOOK_S = 0.005
_GONE = (errno.EIO, errno.ENXIO, errno.ENODEV)


def opened(place: str, settings: Mapping[str, Any]) -> serial.Serial:
    """Return the line, open for this program alone. Raises `UnreachableError`.

    pyserial locks it against programs that lock, too. TIOCEXCL turns away all others but root's; a pseudo-terminal
    would keep that beyond the end of this program, as long as its other side lives, so it is spared.
    """
    import serial

    try:
        port = serial.Serial(place, exclusive=True, **settings)
    except (serial.SerialException, OSError, ValueError, OverflowError, termios.error) as why:
        raise UnreachableError(f"{place}: {_why_not(place, why)}") from None
    try:
        trouble = _unlike(port)
    except termios.error as why:  # unplugged this very moment
        port.close()
        raise UnreachableError(f"{place}: {_why_not(place, why)}") from None
    if trouble:
        port.close()
        raise UnreachableError(f"{place}: it cannot be set so: {trouble}")
    if not Path(place).resolve().is_relative_to("/dev/pts"):
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
    return port


def _unlike(port: serial.Serial) -> str:
    """Return in which the line is not as it was set; drivers, above all of pseudo-terminals, may take no notice."""
    flags = termios.tcgetattr(port.fileno())[2]
    bits = 5 + (termios.CS5, termios.CS6, termios.CS7, termios.CS8).index(flags & termios.CSIZE)
    parity = ("O" if flags & termios.PARODD else "E") if flags & termios.PARENB else "N"
    stop = 2 if flags & termios.CSTOPB else 1
    said = {"bits": (port.bytesize, bits), "parity": (port.parity, parity), "stop bits": (port.stopbits, stop)}
    unlike = [f"{what} {wanted} became {is_}" for what, (wanted, is_) in said.items() if wanted != is_]
    return ", ".join(unlike) + _PTY if unlike else ""


def _why_not(place: str, why: Exception) -> str:
    numbers = [each.args[0] for each in (why, why.__context__) if isinstance(each, termios.error)]
    match getattr(why, "errno", None) or next(iter(numbers), None):
        case errno.ENOENT | errno.ENXIO | errno.ENODEV | errno.EIO:
            return f"there is no such line; it is unplugged, or its name is another: {_lines()}"
        case errno.EAGAIN | errno.EBUSY:
            return "another program has it open; two programs on one instrument are an accident"
        case errno.EACCES | errno.EPERM:
            return "this user may not open it; on Debian the group `dialout` may"
        case errno.EINVAL:
            return f"it cannot be set so: {why}{_PTY}"
        case errno.ENOTTY:
            return "it is no serial line"
        case _:
            return str(why)


def _lines() -> str:
    names = sorted(str(each) for each in _BY_ID.iterdir()) if _BY_ID.is_dir() else []
    return ", ".join(names[:_MOST_NAMED]) or f"{_BY_ID} holds none now"


def serial_settings(line: Any) -> dict[str, object]:
    """Return how pyserial is told to set a line of a control profile."""
    return {
        "baudrate": line.baud, "bytesize": line.bits, "parity": _PARITY[line.parity], "stopbits": line.stop,
        "xonxoff": line.flow == "xon-xoff", "rtscts": line.flow == "rts-cts",
    }  # fmt: skip


def in_the_system(file: int) -> int:
    """Return how many bytes the system has taken for a line or a connection, and not got rid of."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(file, termios.TIOCOUTQ, bytes(4)))[0])
    except OSError:
        return 0  # it is gone, and so is what was to be sent


class LineTransport(asyncio.WriteTransport):
    """What asyncio wants of a transport, over the descriptor of a line."""

    def __init__(self, port: serial.Serial, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._port, self._protocol = port, protocol
        self.file: int = port.fileno()
        self._loop = asyncio.get_running_loop()
        self._left = bytearray()
        self._ended = False
        os.set_blocking(self.file, False)
        self._loop.add_reader(self.file, self._readable)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write what the system takes now, and the rest when it takes more."""
        if self._ended:
            return
        idle = not self._left
        self._left += data
        if idle:
            self._writable()

    def abort(self) -> None:
        """Close it; what was not sent is lost."""
        self._end(None)

    def is_closing(self) -> bool:
        """Return True once it is closed."""
        return self._ended

    async def drained(self, within_s: float) -> None:
        """Wait until all has left, or cannot leave in time."""
        until_s = self._loop.time() + within_s
        while not self._ended and (self._left or in_the_system(self.file)) and self._loop.time() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)  # the system tells nobody when a line is empty

    def _readable(self) -> None:
        try:
            data = os.read(self.file, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as why:
            self._end(why)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._end(OSError(errno.EIO, "it was unplugged"))

    def _writable(self) -> None:
        try:
            del self._left[: os.write(self.file, self._left)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as why:
            self._end(why)
            return
        if self._left:
            self._loop.add_writer(self.file, self._writable)
            self._protocol.pause_writing()
        elif self._loop.remove_writer(self.file):
            self._protocol.resume_writing()

    def _end(self, why: OSError | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._loop.remove_reader(self.file)
        self._loop.remove_writer(self.file)
        with contextlib.suppress(OSError, termios.error):  # closing would wait for what a halted line never takes
            termios.tcflush(self.file, termios.TCOFLUSH)
        with contextlib.suppress(OSError):  # it is closed whatever a driver says of an unplugged one
            self._port.close()
        text = "it was unplugged" if why is not None and why.errno in _GONE else str(why or "it was closed")
        self._loop.call_soon(self._protocol.connection_lost, OSError(text))
