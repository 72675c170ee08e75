"""The bias supply of a FERS-5200 board, a CAEN A7585, as sequences without IO: read, set, switch, limit.

It is reached by two registers of the board: one takes the number of a register of the supply and how its value is
meant, the other the value. Between them the board talks to it over I2C and says so in its status. Voltages are
V * 10000, currents mA * 10000. Source: CAEN FERSlib 1.3.0 as kept in `djanloo/pyferslib` 6a3359e, `src/FERSlib.c`,
`FERS_HV_*`: a read that gives 0xFFFFFFFF has failed and is made again; a setting may not be taken the first time.

Range: 20 to 85 V, below 10 mA (data sheet of the A7585). Nothing on the supply that FERSlib knows limits its voltage.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daq.errors import DeadlineError, ReadbackError, RefusedError
from daq.wire import fers as wire
from daq.wire.fers import Register, Status
from daq.wire.fers_setup import Sequence

SCALE = 10_000
LEAST_V, MOST_V = 20.0, 85.0
MOST_MA = 9.999
_READ = 1 << 16
_FIXED_POINT, _WHOLE = 1, 2
_TRIES = 5
_MOST_BUSY = 50
_FAILED = 0xFFFFFFFF
_DIRECT_SINCE = 4
"""From this firmware on the board keeps voltage, current and state in registers of its own."""


class Item(Enum):
    """Registers of the supply: number, and how the value is meant."""

    ON = (0, _WHOLE)
    SET_V = (2, _FIXED_POINT)
    RAMP = (3, _FIXED_POINT)
    LIMIT_MA = (5, _FIXED_POINT)
    RAMPING = (32, _WHOLE)
    MONITOR_V = (231, _FIXED_POINT)
    MONITOR_MA = (232, _FIXED_POINT)
    OVER_VOLTAGE = (249, _WHOLE)
    OVER_CURRENT = (250, _WHOLE)
    SERIAL = (254, _WHOLE)

    @property
    def address(self) -> int:
        """Return what the address register takes to write it."""
        number, meant = self.value
        return meant << 8 | number


@dataclass(frozen=True, slots=True)
class Bias:
    """What a supply says: `set_v` is where it goes to while it is on."""

    output_v: float
    current_ma: float
    set_v: float
    on: bool
    ramping: bool
    over_current: bool
    over_voltage: bool


@dataclass(frozen=True, slots=True)
class BiasLimits:
    """What a supply keeps by itself: the current at which it switches off, and how fast it goes."""

    limit_ma: float
    ramp_v_per_s: float


def own_serial(board: int) -> Sequence[int]:
    """Return the serial number of the supply. Raise `RefusedError` unless it is on the board of that serial number."""
    found = yield from _register(Register.PID)
    if found != board:
        raise RefusedError(f"this is board {found}, not {board}")
    return (yield from read_item(Item.SERIAL))


def board_serial() -> Sequence[tuple[int, int]]:
    """Return serial number and firmware of the board."""
    serial = yield from _register(Register.PID)
    return serial, (yield from _register(Register.FW_REV))


def read_bias(firmware: int) -> Sequence[Bias]:
    """Return what the supply says, as a board of that firmware tells it."""
    set_v = (yield from read_item(Item.SET_V)) / SCALE
    if firmware >> 8 & 0xFF >= _DIRECT_SINCE:
        output = yield from _register(Register.HV_VMON)
        current = yield from _register(Register.HV_IMON)
        state = (yield from _register(Register.HV_STATUS)) >> 26
        flags = [bool(state >> bit & 1) for bit in range(4)]
    else:
        output = yield from read_item(Item.MONITOR_V)
        current = yield from read_item(Item.MONITOR_MA)
        flags = []
        for item in (Item.ON, Item.RAMPING, Item.OVER_CURRENT, Item.OVER_VOLTAGE):
            flags.append(bool((yield from read_item(item))))
    return Bias(output / SCALE, current / SCALE, set_v, *flags)


def set_voltage(volts: float) -> Sequence[None]:
    """Set where the output goes to while it is on; raise `RefusedError` outside of the range, `ReadbackError`."""
    if not LEAST_V <= volts <= MOST_V:
        raise RefusedError(f"the bias supply gives {LEAST_V:g} to {MOST_V:g} V, or nothing: {volts:g} V is outside")
    yield from write_item(Item.SET_V, round(volts * SCALE))


def switch(*, on: bool) -> Sequence[None]:
    """Switch the output on or off. What became of it, the next look says: it may have tripped at once."""
    yield from _put(Item.ON, int(on))


def set_limits(limits: BiasLimits) -> Sequence[None]:
    """Write the limits that the supply keeps by itself, read back."""
    if not 0 < limits.limit_ma <= MOST_MA:
        raise RefusedError(f"the bias supply limits its current at up to {MOST_MA} mA, not at {limits.limit_ma:g} mA")
    yield from write_item(Item.LIMIT_MA, round(limits.limit_ma * SCALE))
    yield from write_item(Item.RAMP, round(limits.ramp_v_per_s * SCALE))


def read_limits() -> Sequence[BiasLimits]:
    """Return the limits that the supply keeps."""
    limit = yield from read_item(Item.LIMIT_MA)
    return BiasLimits(limit / SCALE, (yield from read_item(Item.RAMP)) / SCALE)


def read_item(item: Item) -> Sequence[int]:
    """Return a register of the supply; raise `ReadbackError` where five reads fail."""
    for _ in range(_TRIES):
        yield from _write(Register.HV_REGADDR, _READ | item.address)
        yield from _idle()
        found = yield from _register(Register.HV_REGDATA)
        yield from _idle()
        if found != _FAILED:
            return found
    raise ReadbackError(f"the bias supply does not tell its register {item.name.lower()}: {_TRIES} reads failed")


def write_item(item: Item, value: int) -> Sequence[None]:
    """Write a register of the supply until it holds the value; raise `ReadbackError` after five times."""
    found = -1
    for _ in range(_TRIES):
        yield from _put(item, value)
        found = yield from read_item(item)
        if found == value:
            return
    raise ReadbackError(f"the bias supply was told {item.name.lower()} = {value} and holds {found}")


def _put(item: Item, value: int) -> Sequence[None]:
    yield from _write(Register.HV_REGADDR, item.address)
    yield from _idle()
    yield from _write(Register.HV_REGDATA, value)
    yield from _idle()


def _idle() -> Sequence[None]:
    """Wait until the board has talked to the supply; raise `DeadlineError` where it does not end."""
    for _ in range(_MOST_BUSY):
        status = Status((yield from _register(Register.ACQ_STATUS)) & int(Status.I2C_BUSY | Status.I2C_FAIL))
        if Status.I2C_FAIL in status:
            raise RefusedError("the board cannot talk to its bias supply: its I2C bus failed")
        if not status:
            return
    raise DeadlineError(f"the board still talks to its bias supply after {_MOST_BUSY} looks")


def _register(register: Register) -> Sequence[int]:
    return wire.value_of((yield wire.read_register(register)))


def _write(register: Register, value: int) -> Sequence[None]:
    request = wire.write_register(register, value)
    if not wire.done(request, (yield request)):
        raise RefusedError(f"the board refused to set {register.name.lower()} to {value:#x}")


def may_be_asked(request: wire.Request) -> bool:
    """Tell whether a request disturbs no acquisition: a read, or a write to the registers of the bias supply."""
    if request.code in (wire.READ_MEMORY, wire.READ_OLD):
        return True
    return request.address in (Register.HV_REGADDR, Register.HV_REGDATA) and request.size == wire.REPLY_BYTES
