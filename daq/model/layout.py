"""The event layout of a front end as data: how its words are cut into fields, times, detectors and rows.

One layout makes the decoder and the encoder (`daq.listmode`). Types are checked here; what makes a layout sensible
(overlaps, ambiguous tags, missing units ...) is in `daq.model.layout_rules`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt

from daq.model import fers
from daq.model.events import DECODED_MARKS

BitRange = Annotated[str, Field(pattern=r"^[0-9]{1,2}(:[0-9]{1,2})?$")]
"""`"hi:lo"` or `"bit"`; bit 0 is the least significant bit of the word after the byte order has been applied."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Yields = Literal["single", "prompt", "delayed", "time", "mark", "nothing"]
Target = Literal[
    "time", "energy_adc", "energy_kev", "energy_a_kev", "energy_b_kev",
    "x_mm", "y_mm", "head", "bin", "tof_ps", "value", "value2",
]  # fmt: skip


class Strict(BaseModel):
    """A frozen table that refuses unknown keys and silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_RATIONAL = re.compile(r"^(?=[0.]*[1-9])[0-9]{1,18}(\.[0-9]{1,18}|/0*[1-9][0-9]{0,17})?\Z")


def _rational(value: object) -> str:
    """Accept `"3125/128"`, `"10"` or an integer; a float has lost the exact tick already."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        msg = 'a rational as text or integer, e.g. "3125/128"; a float cannot be exact'
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports ValueError only
    if not _RATIONAL.match(str(value)):
        msg = 'must be a number above zero with at most 18 digits on each side, e.g. "10", "3125/128", "24.4140625"'
        raise ValueError(msg)
    return str(Fraction(value))


class Clock(Strict):
    """The clock of the front end. One tick is `tick_ps` picoseconds, a rational."""

    tick_ps: Annotated[str, BeforeValidator(_rational)]
    precision_ps: PositiveInt
    """What an event time is good for, e.g. 1 ms where only time words carry time."""
    reset_at_start: bool
    """True: tick zero is time zero. False: time zero is the first timed word after *start*."""
    start_ticks: int | None = None
    """Time carried before the first time word; None: events before it have no time and are counted `untimed`."""
    shared: bool = True
    """True: all sources count on one clock and share time zero."""

    @property
    def tick(self) -> Fraction:
        """Return the tick in picoseconds, exact."""
        return Fraction(self.tick_ps)


class BitField(Strict):
    """One field of a word. The physical value is `raw * scale + offset` in `unit`."""

    bits: BitRange
    unit: str
    to: Target | None = None
    """The column it fills; None: named for people and for digits of a detector number, stored nowhere."""
    signed: bool = False
    scale: float = 1.0
    offset: float = 0.0
    ticks: PositiveInt = 1
    """For `to = "time"`: how many clock ticks one count is."""
    wrap: PositiveInt | None = None
    """For `to = "time"`: counts before it wraps; default 2 to the width."""
    meaning: str = ""

    @property
    def high(self) -> int:
        """Return the highest bit."""
        return int(self.bits.split(":")[0])

    @property
    def low(self) -> int:
        """Return the lowest bit."""
        return int(self.bits.split(":")[-1])

    @property
    def width(self) -> int:
        """Return the number of bits."""
        return self.high - self.low + 1

    @property
    def mask(self) -> int:
        """Return the field's mask, already shifted into place."""
        return ((1 << self.width) - 1) << self.low

    @property
    def edges(self) -> tuple[float, float]:
        """Return the values half a step below the lowest raw number and half a step above the highest."""
        lowest = -(1 << (self.width - 1)) if self.signed else 0
        highest = lowest + (1 << self.width) - 1
        return (lowest - 0.5) * self.scale + self.offset, (highest + 0.5) * self.scale + self.offset


class DetectorNumber(Strict):
    """A detector number from digits of mixed radix, most significant first, then an optional lookup table.

    A digit at or above its radix, or a lookup entry of -1, makes the word malformed (`out_of_range`).
    """

    digits: tuple[Name, ...]
    radix: tuple[PositiveInt, ...]
    lookup: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """Return how many numbers the digits can express."""
        total = 1
        for radix in self.radix:
            total *= radix
        return total


class Kind(Strict):
    """One kind of word, recognised by fixed bits (`tag`: bit range -> value)."""

    yields: Yields
    tag: dict[BitRange, NonNegativeInt] = {}
    fields: dict[Name, BitField] = {}
    reserved: tuple[BitRange, ...] = ()
    """Bits without meaning: ignored when decoding, zero when encoding."""
    detector: DetectorNumber | None = None
    detector_a: DetectorNumber | None = None
    detector_b: DetectorNumber | None = None
    mark: Literal[DECODED_MARKS] | None = None  # type: ignore[valid-type]
    stored: bool = True
    """False: a time word or mark that is decoded and counted but gets no row in the marks stream."""
    meaning: str = ""

    def field_to(self, target: Target) -> BitField | None:
        """Return the field that fills `target`, if any."""
        return next((field for field in self.fields.values() if field.to == target), None)

    @property
    def tag_mask(self) -> int:
        """Return the mask of all tag bits."""
        mask = 0
        for bits in self.tag:
            mask |= bit_mask(bits)
        return mask

    @property
    def tag_value(self) -> int:
        """Return the value of all tag bits, in place."""
        value = 0
        for bits, tag in self.tag.items():
            value |= tag << int(bits.split(":")[-1])
        return value


TdcRow = tuple[NonNegativeInt, Annotated[int, Field(ge=0, le=3)], Literal["T", "E"], float, float, float, float]
"""Channel id, TAC, branch, and t0, a0, a1, a2 of one time converter: `fine = a0 + a1 q + a2 q^2`, q in clocks."""


class Tofpet2(Strict):
    """How codes of the TOFPET2 ASIC become times and energies, where `decoder` is `tofpet2`."""

    energy: Literal["qdc", "tot"] = "qdc"
    """What `energy_adc` is: the charge code EFine, or the time over threshold in units of 1/32 clock."""
    tdc_table: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """A calibration table in the vendor's format, in the folder of the profile; None: nominal converters."""
    tdc_made_utc: str = ""
    """When it was measured."""
    tdc_sha256: str = ""
    tdc: tuple[TdcRow, ...] = ()
    """The table's rows, filled in when the profile is loaded, so that a manifest holds them."""


class Mcpha(Strict):
    """How the inputs of a Red Pitaya pulse height analyser are set up and read, where `decoder` is `mcpha`."""

    inputs: Annotated[tuple[Annotated[int, Field(ge=0, le=1)], ...], Field(min_length=1, max_length=2)] = (0,)
    """Inputs that are read, in the order in which polls hold their histograms; an input is a detector number."""
    negative: bool = False
    """Pulses go below the baseline."""
    decimation: Annotated[int, Field(ge=1, le=8192)] = 4
    """Clocks of 8 ns that make one sample; below 4 every clock is one."""
    delay_samples: Annotated[int, Field(ge=0, le=65535)] = 100
    """Samples after a pulse in which no other is taken: the dead time."""
    threshold_min_adc: Annotated[int, Field(ge=0, le=4095)] = 50
    threshold_max_adc: Annotated[int, Field(ge=0, le=4095)] = 4095
    """Pulses are counted above the lower and below the upper one; those below the lower one cost no dead time."""
    poll_ms: Annotated[int, Field(ge=20, le=5000)] = 100
    """How often the histograms are read: each count gets the time of the poll that found it."""


class Fers(Strict):
    """What the events of a FERS-5200 board become, where `decoder` is `fers`.

    `events`: what gives singles. `spectroscopy`: one for each event, with the amplitudes of its channels; `timing`: one
    for each hit, `detector` = 64 times the source plus the channel, `energy_adc` the time over threshold.
    """

    events: Literal["spectroscopy", "timing"] = "spectroscopy"
    gain: fers.Gain = "auto"
    """Which code is a channel's amplitude. `auto`: that of the high gain as long as it is below `high_gain_to_adc`,
    else that of the low gain as it would be with the high one, `high_pedestal_adc + low_gain_ratio * (code -
    low_pedestal_adc)`. `low`: codes of the low gain as they are."""
    high_gain_to_adc: Annotated[int, Field(ge=1, le=1 << 14)] = 8000
    low_gain_ratio: Annotated[float, Field(gt=0, le=1000)] = 10.0
    """Codes of the high gain for one of the low one."""
    high_pedestal_adc: Annotated[float, Field(ge=0, lt=1 << 14)] = 0.0
    low_pedestal_adc: Annotated[float, Field(ge=0, lt=1 << 14)] = 0.0
    common_stop_window_ps: Annotated[int, Field(ge=0, le=10**12)] = 0
    """Of boards in common stop: how long before its time reference the window opens from which hits are timed."""
    channel_counts: bool = True
    """Whether counts of the channels' triggers become marks."""


_UNITS: dict[str | None, Literal["word", "event", "frame"]] = {
    None: "word", "tofpet2": "frame", "mcpha": "event", "fers": "event",
}  # fmt: skip


class Layout(Strict):
    """All kinds of words of one front end. Kinds are tried in the order they are written."""

    decoder: Literal["tofpet2", "mcpha", "fers"] | None = None
    """A hand-written decoder, for words that no layout can say; the kinds then say what its words are made of."""
    tofpet2: Tofpet2 | None = None
    mcpha: Mcpha | None = None
    fers: Fers | None = None
    word_bits: Literal[8, 16, 24, 32, 40, 48, 56, 64]
    byte_order: Literal["little", "big"]
    preamble_bytes: NonNegativeInt = 0
    """Bytes before the first word of a file or TCP stream; datagrams carry none."""
    preamble_begins: tuple[str, ...] = ()
    """ASCII texts one of which the preamble begins with; the first one is used for writing."""
    kinds: dict[Name, Kind]

    @property
    def word_bytes(self) -> int:
        """Return the size of a word in bytes."""
        return self.word_bits // 8

    @property
    def event_bytes(self) -> int:
        """Return how many bytes of the wire one event takes, at most where it has a usual size."""
        if self.fers is None or self.fers.events == "timing":
            return self.word_bytes
        return fers.BOTH_GAINS_BYTES if self.fers.gain == "auto" else fers.ONE_GAIN_BYTES

    @property
    def unit(self) -> Literal["word", "event", "frame"]:
        """Return what is counted of a front end that sends this."""
        return _UNITS[self.decoder]

    def fields_to(self, target: Target) -> list[BitField]:
        """Return the fields that fill a column, of all kinds of words."""
        found = (kind.field_to(target) for kind in self.kinds.values())
        return [field for field in found if field is not None]

    @property
    def carries_time(self) -> bool:
        """True when time words carry the time into the events after them."""
        return any(kind.yields == "time" for kind in self.kinds.values())


def bit_mask(bits: str) -> int:
    """Return the mask of a bit range, e.g. `"31:29"` -> 0xE0000000. An inverted range gives 0."""
    high, low = int(bits.partition(":")[0]), int(bits.rpartition(":")[2])
    return ((1 << max(high - low + 1, 0)) - 1) << low
