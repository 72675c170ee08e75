"""The bias supply of a board, a CAEN A7585: it ramps, limits, trips and measures.

Numbers and units of its registers: CAEN FERSlib 1.3.0, `FERS_HV_*` in `src/FERSlib.c`. Voltages are V * 10000, currents
mA * 10000. Range 20 to 85 V, at most 10 mA: data sheet of the A7585. The current that detectors draw, the temperatures
and what the supply does beyond a limit (it keeps the old setting) are this model's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum

SCALE = 10_000
LEAST_V, MOST_V = 20.0, 85.0
MOST_MA = 10.0
_BREAKDOWN_V, _USUAL_V = 52.0, 55.0
_MA_PER_V = 0.02
"""64 silicon photomultipliers at some hundred thousand dark counts per second and mm2."""
_LEAKAGE_MA_PER_V = 0.0005
_DEFAULT_RAMP_V_PER_S = 10.0
_DETECTOR_C, _SUPPLY_C, _BOARD_C, _FPGA_C = 24.5, 31.0, 36.0, 48.0
_WARMTH_C = 3.0
_WARMING_S = 600.0
_TEMPERATURE_SCALE = 256 / SCALE
_FEEDBACK = 2
_REFERENCE_C = 25.0
_READ = 0x10000


class Item(IntEnum):
    """Registers of the supply."""

    ON = 0
    MODE = 1
    SET_V = 2
    RAMP = 3
    LIMIT_MA = 5
    FEEDBACK_MV_PER_C = 28
    RAMPING = 32
    SUPPLY_TEMPERATURE = 228
    MONITOR_V = 231
    MONITOR_MA = 232
    DETECTOR_TEMPERATURE = 234
    OVER_VOLTAGE = 249
    OVER_CURRENT = 250
    FIRMWARE = 252
    SERIAL = 254


class HighVoltage:
    """One supply. `seconds`: time that passes for it; `serial`: its own number."""

    def __init__(self, seconds: Callable[[], float], serial: int) -> None:
        self._seconds = seconds
        self._serial = serial
        self.trip_at_ma: float | None = None
        self.reset()

    def reset(self) -> None:
        """Begin as after power-on: off, at 0 V."""
        self.on, self.over_current, self.over_voltage = False, False, False
        self._set_v, self._limit_ma, self._ramp = LEAST_V, 1.0, _DEFAULT_RAMP_V_PER_S
        self._others: dict[int, int] = {}
        self._output_v = 0.0
        self._then_s = self._began_s = self._seconds()
        self._latched = 0
        self._chosen = 0

    @property
    def output_v(self) -> float:
        """Return the voltage at the output now."""
        self._ramp_on()
        return self._output_v

    @property
    def current_ma(self) -> float:
        """Return what the detectors draw now."""
        volts = self.output_v
        return volts * _LEAKAGE_MA_PER_V + max(0.0, volts - _BREAKDOWN_V) * _MA_PER_V

    @property
    def gain(self) -> float:
        """Return the gain of detectors on this supply, 1 at the usual voltage: it goes with what is above breakdown."""
        return max(0.0, self.output_v - _BREAKDOWN_V) / (_USUAL_V - _BREAKDOWN_V)

    @property
    def ramping(self) -> bool:
        """Tell whether the output is on its way."""
        return abs(self.output_v - self._target()) > 1 / SCALE

    def choose(self, value: int) -> None:
        """Take what is written to the address register: a register, and bit 16 to read it."""
        self._chosen = value & 0xFF
        if value & _READ:
            self._latched = self._get(self._chosen)

    def put(self, value: int) -> None:
        """Take what is written to the data register."""
        number, self._latched = self._chosen, value
        if number == Item.ON:
            self._ramp_on()
            self.on = bool(value & 1)
            self.over_current = self.over_current and not self.on
        elif number == Item.SET_V and LEAST_V * SCALE <= value <= MOST_V * SCALE:
            self._ramp_on()
            self._set_v = value / SCALE
        elif number == Item.LIMIT_MA and value < MOST_MA * SCALE:
            self._limit_ma = value / SCALE
        elif number == Item.RAMP and value:
            self._ramp_on()
            self._ramp = value / SCALE
        elif number not in set(Item) or number in {Item.MODE, Item.FEEDBACK_MV_PER_C}:
            self._others[number] = value

    def get(self) -> int:
        """Return what the data register holds: what was read or written last."""
        return self._latched

    def monitor_v(self) -> int:
        """Return the voltage in V * 10000."""
        return round(self.output_v * SCALE)

    def monitor_ma(self) -> int:
        """Return the current in mA * 10000."""
        return round(self.current_ma * SCALE)

    def status(self) -> int:
        """Return temperatures and states as one word."""
        volts = self.output_v
        states = (self.on, abs(volts - self._target()) > 1 / SCALE, self.over_current, self.over_voltage)
        bits = sum(bool(state) << 26 + k for k, state in enumerate(states))
        return bits | _code(self.supply_c) << 13 | _code(self.detector_c)

    @property
    def warmth(self) -> float:
        """Return how far the board has warmed up, 0 to 1."""
        return 1.0 - math.exp2(-(self._seconds() - self._began_s) / _WARMING_S)

    @property
    def detector_c(self) -> float:
        """Return the temperature at the detector."""
        return _DETECTOR_C + 0.2 * _WARMTH_C * self.warmth

    @property
    def supply_c(self) -> float:
        """Return the temperature of the supply."""
        return _SUPPLY_C + _WARMTH_C * self.warmth

    @property
    def board_c(self) -> float:
        """Return the temperature of the board."""
        return _BOARD_C + _WARMTH_C * self.warmth

    @property
    def fpga_c(self) -> float:
        """Return the temperature of the FPGA."""
        return _FPGA_C + _WARMTH_C * self.warmth

    def _target(self) -> float:
        if not self.on:
            return 0.0
        feedback_v = 0.0
        if self._others.get(Item.MODE) == _FEEDBACK:
            per_c = _signed(self._others.get(Item.FEEDBACK_MV_PER_C, 0)) / SCALE / 1000
            feedback_v = per_c * (self.detector_c - _REFERENCE_C)
        return min(self._set_v + feedback_v, MOST_V)

    def _ramp_on(self) -> None:
        """Move the output as far as it came since the last look; switch it off beyond the limit of the current."""
        now_s = self._seconds()
        step_v, self._then_s = (now_s - self._then_s) * self._ramp, now_s
        target = self._target()
        away = target - self._output_v
        self._output_v = target if abs(away) <= step_v else self._output_v + (step_v if away > 0 else -step_v)
        drawn_ma = max(0.0, self._output_v - _BREAKDOWN_V) * _MA_PER_V + self._output_v * _LEAKAGE_MA_PER_V
        limit_ma = min(self._limit_ma, self.trip_at_ma if self.trip_at_ma is not None else self._limit_ma)
        if self.on and drawn_ma > limit_ma:
            self.on, self.over_current = False, True

    def _get(self, number: int) -> int:
        readings: dict[int, float] = {
            Item.ON: self.on, Item.SET_V: self._set_v * SCALE, Item.RAMP: self._ramp * SCALE,
            Item.LIMIT_MA: self._limit_ma * SCALE, Item.RAMPING: self.ramping, Item.MONITOR_V: self.monitor_v(),
            Item.MONITOR_MA: self.monitor_ma(), Item.SUPPLY_TEMPERATURE: self.supply_c * SCALE,
            Item.DETECTOR_TEMPERATURE: self.detector_c * SCALE, Item.OVER_CURRENT: self.over_current,
            Item.OVER_VOLTAGE: self.over_voltage, Item.FIRMWARE: 0x0102, Item.SERIAL: self._serial,
        }  # fmt: skip
        return round(readings.get(number, self._others.get(number, 0)))


def _code(temperature_c: float) -> int:
    return max(0, min(round(temperature_c / _TEMPERATURE_SCALE), 0x1FFF))


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
