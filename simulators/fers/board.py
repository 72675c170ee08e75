"""One board: what a read of its memory returns, what a write does, what commands make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

import numpy as np

from simulators.fers.citiroc import Citirocs
from simulators.fers.flash import IDENTITY_PAGE, PEDESTAL_PAGE, Flash, Identity, pedestal_page
from simulators.fers.highvoltage import HighVoltage
from simulators.fers.registers import (
    CHANNELS,
    CONTROLLER_FIRMWARE,
    FIRMWARE,
    ChannelRegister,
    Command,
    Reading,
    Register,
    Registers,
    channel_address,
)
from simulators.fers.settings import Settings, settings_of

READY, FAIL, RUNNING = 1, 1 << 1, 1 << 2
OK, REFUSED = 0, 1
_WORD = 4
_PEDESTALS = (60, 140)
_FPGA_SCALE, _FPGA_ZERO = 4096 / 503.975, 273.15

Lock = AbstractContextManager[object]


class Acquires(Protocol):
    """What runs when a board is started. `counts` [66]: hits of the channels, T-OR, Q-OR."""

    @property
    def running(self) -> bool:
        """Tell whether events are made."""
        ...

    def command(self, command: int) -> None:
        """Carry out a command of acquisition."""
        ...

    def times_ms(self) -> tuple[int, int]:
        """Return real time and dead time of the run."""
        ...

    def counts(self) -> list[int]:
        """Return counts since the start of the run."""
        ...


class Refuses(Protocol):
    """Decides which writes go wrong."""

    def refused(self) -> bool:
        """Tell whether the next write is refused."""
        ...

    def stuck(self) -> bool:
        """Tell whether the next write is acknowledged without effect."""
        ...

    def asic_damaged(self) -> bool:
        """Tell whether the next stream into a chip arrives damaged."""
        ...


class Board:
    """Registers, flash memory, chips and bias supply of one board; every access takes the lock of all boards."""

    def __init__(self, pid: int, seconds: Callable[[], float], faults: Refuses, lock: Lock) -> None:
        rng = np.random.default_rng(pid)
        self.pid = pid
        self.pedestal_low, self.pedestal_high = rng.integers(*_PEDESTALS, (2, CHANNELS))
        self.lock = lock
        self.counts: Counter[str] = Counter()
        self.supply = HighVoltage(seconds, serial=pid % 10_000)
        self.acquisition: Acquires | None = None
        self._faults = faults
        self._failed = False
        self._identity = Identity(pid)
        self.registers = Registers(self._readings())
        self.chips = Citirocs(self.registers)
        self.flash = self._new_flash()

    def settings(self) -> Settings:
        """Return what the board is set to now."""
        with self.lock:
            return settings_of(self.registers, self.chips)

    def status(self) -> int:
        """Return the status register."""
        running = self.acquisition is not None and self.acquisition.running
        return READY | FAIL * self._failed | RUNNING * running

    def fpga_code(self) -> int:
        """Return the temperature of the FPGA as its converter says it."""
        return round((self.supply.fpga_c + _FPGA_ZERO) * _FPGA_SCALE)

    def board_code(self) -> int:
        """Return the temperature of the board in quarters of a degree."""
        return round(self.supply.board_c * 4)

    def reboot(self) -> None:
        """Begin as after power-on."""
        with self.lock:
            self.registers.reset()
            self.chips.reset()
            self.supply.reset()
            self._failed = False

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes from a register on."""
        with self.lock:
            words = [self._get(address + at) for at in range(0, size, _WORD)]
        return b"".join(word.to_bytes(_WORD, "little") for word in words)[:size]

    def write(self, address: int, data: bytes) -> int:
        """Write whole words from a register on; return 0, or another number when the board refuses."""
        with self.lock:
            if len(data) % _WORD or self._faults.refused():
                self.counts["refused"] += 1
                return REFUSED
            for at in range(0, len(data), _WORD):
                self._put(address + at, int.from_bytes(data[at : at + _WORD], "little"))
            return OK

    def _get(self, address: int) -> int:
        if address == Register.HV_REGDATA:
            return self.supply.get() & 0xFFFFFFFF
        if address == Register.SPI_DATA:
            return self.flash.get()
        return self.chips.word() if address == Register.SCBS_DATA else self.registers.get(address)

    def _put(self, address: int, value: int) -> None:
        if address == Register.COMMANDS:
            self._command(value)
        elif address == Register.SPI_DATA:
            self.flash.put(value)
        elif address == Register.HV_REGADDR:
            self.supply.choose(value)
        elif address == Register.HV_REGDATA:
            self.supply.put(value)
        elif self._faults.stuck():
            self.counts["stuck"] += 1
        elif address == Register.SCBS_DATA:
            self.chips.put_word(value)
        else:
            self.counts["written"] += 1
            self.registers.put(address, value)

    def _command(self, value: int) -> None:
        name = Command(value).name if value in set(Command) else f"command {value:#x}"
        self.counts[name.lower().replace("_", " ")] += 1
        if value == Command.RESET:
            if self.acquisition is not None:
                self.acquisition.command(Command.ACQ_STOP)
                self.acquisition.command(Command.CLEAR)
            self.registers.reset()
        elif value == Command.CONFIGURE_ASIC:
            damaged = self._faults.asic_damaged()
            self._failed = damaged
            self.chips.configure(damaged=damaged)
        elif self.acquisition is not None:
            self.acquisition.command(value)

    def _new_flash(self) -> Flash:
        pedestals = pedestal_page(self.pedestal_low.tolist(), self.pedestal_high.tolist())
        return Flash({IDENTITY_PAGE: self._identity.page(), PEDESTAL_PAGE: pedestals})

    def _readings(self) -> dict[int, Reading]:
        """Return what only the board itself sets."""
        readings: dict[int, Reading] = {
            Register.FW_REV: lambda: FIRMWARE,
            Register.CONTROLLER_FW: lambda: CONTROLLER_FIRMWARE,
            Register.ACQ_STATUS: self.status,
            Register.REAL_TIME: lambda: self._times_ms()[0],
            Register.DEAD_TIME: lambda: self._times_ms()[1],
            Register.BOARD_TEMP: self.board_code,
            Register.FPGA_TEMP: self.fpga_code,
            Register.T_OR_CNT: lambda: self._count(CHANNELS),
            Register.Q_OR_CNT: lambda: self._count(CHANNELS + 1),
            Register.HV_VMON: self.supply.monitor_v,
            Register.HV_IMON: self.supply.monitor_ma,
            Register.HV_STATUS: self.supply.status,
            Register.PID: lambda: self._identity.pid,
            Register.PCB_REV: lambda: self._identity.pcb_revision,
            Register.FERS_CODE: lambda: self._identity.code,
        }
        for channel in range(CHANNELS):
            readings[channel_address(ChannelRegister.HIT_COUNT, channel)] = partial(self._count, channel)
        return readings

    def _times_ms(self) -> tuple[int, int]:
        return self.acquisition.times_ms() if self.acquisition else (0, 0)

    def _count(self, number: int) -> int:
        return self.acquisition.counts()[number] & 0xFFFFFF if self.acquisition else 0
