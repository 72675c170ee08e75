"""What a FERS-5200 board (A5202) is set to before it is started: data of a profile.

Meaning and ranges: CAEN FERSlib 1.3.0 as kept in `djanloo/pyferslib` 6a3359e, `src/FERS_configure_5202.c`,
`src/FERS_paramparser.c`; its defaults, but for the gain, of which both are taken.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from daq.model.fers import CHANNELS
from daq.model.layout import Strict

Trigger = Literal["software", "t1_in", "q_or", "t_or", "t0_in", "periodic", "logic"]
TRIGGERS: tuple[Trigger, ...] = ("software", "t1_in", "q_or", "t_or", "t0_in", "periodic", "logic")
"""By their bit in the trigger mask."""
Start = Literal["command", "t0_chain", "t1_chain"]

_Shaping = Annotated[float, Field(ge=12.5, le=87.5, multiple_of=12.5)]
_Gain = Annotated[int, Field(ge=0, le=63)]
_Fine = Annotated[int, Field(ge=0, le=15)]
_Coarse = Annotated[int, Field(ge=0, le=1023)]
_Gains = _Gain | Annotated[tuple[_Gain, ...], Field(min_length=CHANNELS, max_length=CHANNELS)]
_Fines = _Fine | Annotated[tuple[_Fine, ...], Field(min_length=CHANNELS, max_length=CHANNELS)]
_Clocks = Annotated[int, Field(ge=0, le=8 * 0xFFFF)]
"""Nanoseconds that a register of 16 bits holds in clocks of 8 ns."""


class FersBoard(Strict):
    """The settings of one board. Bias voltages are no part of it: nothing here changes them, and no reset is sent."""

    mode: Literal["spectroscopy", "spectroscopy_timing", "timing", "counting"] = "spectroscopy"
    gain: Literal["auto", "high", "low", "both"] = "both"
    """Which amplitudes are sent; `auto`: the board chooses for each channel."""
    range_bits: Literal[13, 14] = 13
    """Bits of an amplitude."""
    trigger: Annotated[tuple[Trigger, ...], Field(min_length=1)] = ("t_or",)
    """What makes an event; any of them."""
    start: Start = "command"
    """How boards of one acquisition begin: each by its own command, or the first one and by its T0 or T1 output those
    that are chained to it, with one clock of times."""
    channel_counts: bool = True
    """Whether service events bring the triggers of each channel."""
    disabled_channels: tuple[Annotated[int, Field(ge=0, lt=CHANNELS)], ...] = ()
    """Channels that are neither sent nor trigger."""
    charge_threshold: _Coarse = 250
    charge_fine: _Fines = 0
    time_threshold: _Coarse = 250
    time_fine: _Fines = 0
    high_gain: _Gains = 50
    low_gain: _Gains = 50
    high_shaping_ns: _Shaping = 25.0
    low_shaping_ns: _Shaping = 25.0
    hold_ns: _Clocks = 100
    """From a trigger to the moment at which amplitudes are held."""
    mux_clock_ns: Annotated[int, Field(ge=8, le=8 * 0x7F)] = 300
    """For each channel in turn; it makes most of the dead time."""
    trigger_hold_off_ns: _Clocks = 0
    period_ns: Annotated[int, Field(ge=0, le=8 * 0xFFFFFFFF)] = 0
    """Of the periodic trigger and of counting; 0: none."""
