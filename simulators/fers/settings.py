"""What the registers of a board, and the streams in its chips, ask of a run; in units of physics.

Bits: CAEN FERSlib 1.3.0, `src/FERS_configure_5202.c`. Gains of the preamplifiers are the ratio of two capacitors (data
sheet of the Citiroc 1A: feedback in steps of 25 fF, input of the low gain a tenth of that of the high gain). How much a
step of a threshold is, and where zero is, are this model's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.fers.citiroc import Citirocs
from simulators.fers.registers import CHANNELS, CLOCK_PS, ChannelRegister, Register, Registers

SPECTROSCOPY, TIMING, COUNTING, WAVEFORM = 1, 2, 4, 8
"""Bits of the acquisition mode."""
AUTO, HIGH, LOW, BOTH = range(4)
"""Choices of gain."""
COMMON_START, COMMON_STOP, STREAMING = range(3)
"""Choices of timing."""
SERVICE_SUPPLY, SERVICE_COUNTS = 1, 2
NOMINAL_GAIN = 50
_STEPS = 63
_LOW_SHARE = 0.1
_ZERO_THRESHOLD = 200
_COUNTS_PER_STEP = 2.0
_TRIGGERS = {"software": 0, "q_or": 2, "t_or": 3, "periodic": 5, "logic": 6}
_MUX_STEPS = 33
"""Periods of the multiplexer from hold to the end of a conversion: one per channel of a chip, one to begin with."""
_BITS_13, _BITS_14 = (1 << 13) - 1, (1 << 14) - 1

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Settings:
    """One run's settings. Arrays have a value per channel.

    Factors: counts of the discriminators, of the high and of the low gain per count of a signal.
    """

    mode: int
    gain: int
    timing_mode: int
    time_over_threshold: bool
    relative_time: bool
    suppress_zero_counts: bool
    start_event: bool
    service: int
    triggers: frozenset[str]
    channels: Bools
    full_scale: int
    fast_factor: Floats
    high_factor: Floats
    low_factor: Floats
    charge_threshold: Floats
    charge_mask: Bools
    time_threshold: Floats
    time_mask: Bools
    suppress_high: Ints
    suppress_low: Ints
    dead_ps: int
    hold_ps: int
    period_ps: int
    test_pattern: bool
    numbers_events: bool
    """The number of an event counts validations, here conversions, instead of triggers."""

    @property
    def energies(self) -> bool:
        """Tell whether events have amplitudes."""
        return bool(self.mode & SPECTROSCOPY)

    @property
    def hits(self) -> bool:
        """Tell whether events have times of arrival."""
        return bool(self.mode & TIMING)

    @property
    def suppresses(self) -> bool:
        """Tell whether channels with little in them are left out."""
        return self.mode == SPECTROSCOPY and bool(self.suppress_high.any() or self.suppress_low.any())


def settings_of(registers: Registers, chips: Citirocs) -> Settings:
    """Return what registers and chips ask for now."""
    control = registers.get(Register.ACQ_CTRL)
    fourteen = bool(control >> 21 & 1)
    setup = chips.setup()
    mask = registers.get(Register.TRG_MASK)
    hold_ps = registers.get(Register.HOLD_DELAY) * CLOCK_PS
    mux_ps = (registers.get(Register.AMUX_SEQ_CTRL) & 0x7F) * CLOCK_PS
    mode = control & 0xF
    conversion_ps = _MUX_STEPS * mux_ps if mode & (SPECTROSCOPY | WAVEFORM) else 0
    range_factor = 2.0 if fourteen else 1.0
    return Settings(
        mode=mode,
        gain=control >> 12 & 3,
        timing_mode=control >> 4 & 3,
        time_over_threshold=bool(control >> 8 & 3),
        relative_time=bool(registers.get(Register.ACQ_CTRL2) & 1),
        suppress_zero_counts=bool(control >> 30 & 1),
        start_event=bool(control >> 15 & 1),
        service=control >> 18 & (1 if mode == COUNTING else 3),
        triggers=frozenset(name for name, bit in _TRIGGERS.items() if mask >> bit & 1),
        channels=_bits(registers.mask(Register.CHANNEL_MASK_0, Register.CHANNEL_MASK_1)),
        full_scale=_BITS_14 if fourteen else _BITS_13,
        fast_factor=_gains(setup.hg_gain),
        high_factor=_gains(setup.hg_gain) * np.float32(range_factor),
        low_factor=_gains(setup.lg_gain) * np.float32(range_factor * _LOW_SHARE),
        charge_threshold=_threshold(setup.qd_threshold),
        charge_mask=_bits(setup.qd_mask),
        time_threshold=_threshold(setup.td_threshold),
        time_mask=_bits(registers.mask(Register.TD_MASK_0, Register.TD_MASK_1)),
        suppress_high=np.array(registers.channels(ChannelRegister.ZS_HG_THR), np.int64),
        suppress_low=np.array(registers.channels(ChannelRegister.ZS_LG_THR), np.int64),
        dead_ps=max(hold_ps + conversion_ps, registers.get(Register.TRG_HOLD_OFF) * CLOCK_PS, CLOCK_PS),
        hold_ps=hold_ps,
        period_ps=registers.get(Register.DWELL_TIME) * CLOCK_PS,
        test_pattern=bool(control >> 16 & 1),
        numbers_events=bool(control >> 26 & 1),
    )


def _bits(mask: int) -> Bools:
    return np.array([mask >> channel & 1 for channel in range(CHANNELS)], bool)


def _gains(settings: list[int]) -> Floats:
    """Return the gain of each channel in units of that at the nominal setting."""
    values = np.minimum(np.array(settings), _STEPS - 1)
    return np.asarray((_STEPS - NOMINAL_GAIN) / (_STEPS - values), np.float32)


def _threshold(values: list[int]) -> Floats:
    """Return thresholds in counts of a signal at the nominal gain."""
    return np.asarray(np.maximum(np.array(values) - _ZERO_THRESHOLD, 0) * _COUNTS_PER_STEP, np.float32)
