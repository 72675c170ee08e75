"""The streams of a list-mode directory and their columns: names, types, meaning.

Time is int64 picoseconds from time zero; energies are keV; positions are mm. A column is absent where the detector does
not give it. Types are spelled as Arrow's; NumPy uses the same names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StreamName = Literal["raw", "singles", "coincidences", "marks"]

PROMPT = 0
DELAYED = 1
"""Values of the column `kind` in coincidences."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: Arrow type name, whether every file has it, whether rows may be null, and its meaning."""

    type: str
    meaning: str
    required: bool = False
    nullable: bool = False


STREAMS: dict[StreamName, dict[str, Column]] = {
    "raw": {
        "source": Column("uint16", "front-end source of the packet", required=True),
        "sequence": Column("uint64", "first word index of the packet", required=True, nullable=True),
        "arrival_ns": Column("int64", "host monotonic time of arrival, ns; 0 when imported", required=True),
        "flags": Column("uint8", "bits of daq.model.packets.Flag", required=True),
        "header": Column("fixed_size_binary", "framing header as received, zeros where there is none", required=True),
        "data": Column("large_binary", "the words, byte-exact", required=True),
    },
    "singles": {
        "time_ps": Column("int64", "time from time zero", required=True),
        "detector": Column("uint32", "detector number of the scanner profile"),
        "energy_kev": Column("float32", "calibrated energy"),
        "energy_adc": Column("uint16", "raw energy code where there is no calibration"),
        "windows": Column("uint16", "bit i set: inside energy window i"),
        "x_mm": Column("float32", "position on the detector, seen by it"),
        "y_mm": Column("float32", "position on the detector, seen by it"),
        "head": Column("uint8", "detector head"),
        "late": Column("bool", "arrived after its time had been passed on; never paired"),
    },
    "coincidences": {
        "time_ps": Column("int64", "time of the earlier single from time zero", required=True),
        "detector_a": Column("uint32", "lower detector number"),
        "detector_b": Column("uint32", "higher detector number"),
        "tof_ps": Column("int32", "t_b - t_a, delay removed"),
        "energy_a_kev": Column("float32", "energy in detector_a"),
        "energy_b_kev": Column("float32", "energy in detector_b"),
        "bin": Column("uint32", "bin address, e.g. PETLINK: offset in the sinogram of the header"),
        "kind": Column("uint8", "0 prompt, 1 delayed", required=True),
    },
    "marks": {
        "time_ps": Column("int64", "time from time zero", required=True),
        "kind": Column("string", "one of daq.model.events.MARKS", required=True),
        "source": Column("uint16", "front-end source", required=True),
        "value": Column("int64", "raw integer value of the mark", required=True),
        "value2": Column("float64", "physical value of the mark; NaN where there is none", required=True),
        "text": Column("string", "free text; empty where there is none", required=True),
    },
}  # fmt: skip

DECODED_MARKS = (
    "time", "singles_rate", "bed_horizontal", "bed_vertical", "gate",
    "respiratory_trigger", "cardiac_trigger", "respiratory_phase", "cardiac_phase", "control", "status",
    "dead_time", "temperature", "bias_voltage",
)  # fmt: skip
"""Marks a front end can send as words. `dead_time`: `value` = photons that triggered and were not converted since the
`dead_time` mark of the source before, `value2` = the share of that time in which it could convert. `temperature`:
`value` = which sensor, `value2` in degrees Celsius. `bias_voltage`: `value` = current in nA, `value2` in V."""

HOST_MARKS = (
    "start", "stop", "clock", "source_start", "source_end", "gap", "flush", "shed", "operator",
    "step", "pause", "resume", "jump", "motion_lost", "hand_over", "injection",
    "lossy", "silent", "heard", "position", "frame_zero", "axes",
)  # fmt: skip
"""Marks the readout writes. `clock`: `value` = UTC ns, `value2` = host monotonic ns. `gap`: `value` = missing units.
`lossy`: `value` = units of which the front end says that it lost some or all, since the `lossy` mark of the source
before, `value2` = those of which it lost all.
`silent`: a source was not heard, while others were, for `value2` seconds; `heard`: it is again. With the text `service`
it is what the front end says of itself, once a second, that is missing. Their `value` is that of all others.
`position`: where an axis was, `text` = its name, `value2` = mm or degrees, `value` = 1 while it moves,
0 where it stands. They stand behind an `axes` mark, which says after how many packets they were told.
`frame_zero`: the frames of the step begin here, not where it did; `text` says by what.
`jump`: `value` = the step of a source's clock, ps; below zero the clock of all went back, and order began anew. All
others: `value` = packets seen up to then, that of the deciding event of a `stop` included. `start` and `step`: `value2`
= 1 where axes move during the step; `stop`: 1 where who ended the step said that it is whole."""

MARKS: tuple[str, ...] = DECODED_MARKS + HOST_MARKS
"""The closed list; its order is the code used inside the decoder."""

AMPLITUDES = "amplitudes"
"""A column between decoding and calibrating only: codes of a head's channels, uint16 [rows, channels]. No file has it:
positions and energies are made of it, and can be made again of the raw words."""

NO_SOURCE = 0xFFFF
"""`source` of a mark that belongs to no single source."""
