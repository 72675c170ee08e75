"""A terminal server with RFC 2217 before a machine's serial line: how the line is set matters, as it does on hardware.

The server half is that of pyserial. What is said on a line that is set otherwise than the machine's is not understood.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from serial.rfc2217 import PortManager


@dataclass(frozen=True, slots=True)
class LineSetting:
    """How a machine's serial line is set; `parity` as pyserial writes it."""

    baud: int
    bits: int = 8
    parity: str = "N"
    stop: float = 1


class FarPort:
    """A serial port that its far end sets. It has the names that pyserial's ports have."""

    def __init__(self) -> None:
        self.baudrate, self.bytesize, self.parity, self.stopbits = 9600, 8, "N", 1.0
        self.xonxoff = self.rtscts = self.dtr = self.rts = self.break_condition = False
        self.cts = self.dsr = self.cd = True
        self.ri = False

    def is_set_as(self, setting: LineSetting) -> bool:
        """Return whether both ends of the line understand each other."""
        here = (self.baudrate, self.bytesize, self.parity, self.stopbits)
        return here == (setting.baud, setting.bits, setting.parity, setting.stop)

    def reset_input_buffer(self) -> None:
        """Nothing waits here."""

    def reset_output_buffer(self) -> None:
        """Nothing waits here."""


class SerialServer:
    """One client of the terminal server: what it says for the line, and how the line is set."""

    def __init__(self, setting: LineSetting, writer: asyncio.StreamWriter) -> None:
        self._setting, self._writer = setting, writer
        self._port = FarPort()
        # its stubs ask for ports of its own; it needs their names alone, and of a connection `write`
        self._manager = PortManager(cast("Any", self._port), cast("Any", writer))

    def heard(self, data: bytes, line: Callable[[bytes], None]) -> None:
        """Take what came over the network; hand what is for the line on, where the line is set as it must be."""
        said = b"".join(self._manager.filter(data))
        if said and self._port.is_set_as(self._setting):
            line(said)

    def write(self, data: bytes) -> None:
        """Send what came over the line."""
        self._writer.write(b"".join(self._manager.escape(data)))
