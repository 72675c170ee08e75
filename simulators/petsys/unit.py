"""One unit as its host sees it by commands: registers, ASIC configuration, SPI and I2C buses with nothing on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from daq.errors import WireError
from daq.wire.petsys_config import (
    REGISTER_WRITTEN,
    AsicCommand,
    AsicStatus,
    Function,
    Register,
    RegisterRead,
    RegisterWrite,
    bytes_of,
    decode_asic,
    decode_i2c,
    decode_register,
    decode_spi,
    encode_asic_reply,
    encode_register_data,
)
from simulators.petsys.asics import AsicBus
from simulators.petsys.registers import PLL_UP_CLOCKS, UNIT_UP_CLOCKS, Registers

_NOTHING_THERE = 0xFF
_LINES_UP = 0b11


class AsicTrouble(Protocol):
    """What may go wrong on the configuration links."""

    def asic_status(self) -> AsicStatus:
        """Return what the next command to an ASIC is answered with; OK: what it deserves."""
        ...


class Unit:
    """A unit with so many ASICs. `time_tag` and `uptime` are clocks of 5 ns, since the last sync and since power-on.

    `syncs` counts the pulses of the sync register: the clocks of the frames begin anew with each.
    """

    def __init__(
        self, asics: int, trouble: AsicTrouble, time_tag: Callable[[], int], uptime: Callable[[], int]
    ) -> None:
        self.bus = AsicBus(asics)
        self.syncs = 0
        self.counts: Counter[str] = Counter()
        self._trouble = trouble
        self.registers = Registers(
            asics,
            {
                Register.TIME_TAG: time_tag,
                Register.DESERIALISER_STATUS: lambda: self.enabled,
                Register.DECODER_STATUS: lambda: self.enabled,
                UNIT_UP_CLOCKS: uptime,
                PLL_UP_CLOCKS: uptime,
            },
        )

    @property
    def enabled(self) -> int:
        """Return which ASICs send events, a bit each: those that are there, have power and are enabled."""
        return self.bus.present & self.registers.value(Register.ASIC_ENABLE) if self.registers.powered else 0

    def reset(self) -> None:
        """Begin as after power-on."""
        self.registers.reset()
        self.bus.reset()

    def answer(self, function: int, payload: bytes) -> bytes | None:
        """Return the payload of the reply; None: what cannot be understood is counted and not answered."""
        try:
            name = Function(function).name.lower()
            reply = getattr(self, f"_{name}")(payload)
        except (ValueError, WireError):
            self.counts["not understood"] += 1
            return None
        self.counts[name] += 1
        return bytes(reply)

    def _registers(self, payload: bytes) -> bytes:
        command = decode_register(payload)
        if isinstance(command, RegisterRead):
            return encode_register_data(self.registers.read(command.address, command.count))
        self._write(command)
        return REGISTER_WRITTEN

    def _write(self, command: RegisterWrite) -> None:
        before_sync, before_reset = self._bit(Register.SYNC), self._bit(Register.ASIC_RESET)
        had_power = self.registers.powered
        self.registers.write(command.address, command.data)
        self.syncs += before_sync and not self._bit(Register.SYNC)
        pulsed = self._bit(Register.ASIC_RESET) and not before_reset
        if pulsed or had_power != self.registers.powered:
            self.bus.reset()

    def _bit(self, address: int) -> bool:
        return bool(self.registers.value(address) & 1)

    def _asic(self, payload: bytes) -> bytes:
        command: AsicCommand = decode_asic(payload)
        status = self._trouble.asic_status()
        if status is AsicStatus.OK:
            status, value = self.bus.execute(command, powered=self.registers.powered)
            return encode_asic_reply(command.code, status, value)
        return encode_asic_reply(command.code, status)

    @staticmethod
    def _spi(payload: bytes) -> bytes:
        first, stop = decode_spi(payload).miso
        return b"\0" + bytes([_NOTHING_THERE]) * bytes_of(max(stop - first, 0)) + b"\0"

    @staticmethod
    def _i2c(payload: bytes) -> bytes:
        """Return the state of the lines after each step: nobody but the master ever pulls them down."""
        return bytes(step & _LINES_UP for step in decode_i2c(payload).steps)
