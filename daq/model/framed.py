"""Pictures made of list mode: what was counted in each pixel of each frame, and what is known of each frame.

One `Framed` holds the pictures of one series: a static view, a sweep over the whole body, the frames of a dynamic
study, the beats of a gated one, the projections of SPECT. Rows and columns are as the detector sees the patient, head
up, whichever way the patient lies: column 0 is at the viewer's left, row 0 is the lowest, towards the feet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError
from daq.model.geometry import Laterality, PatientOrientation, View
from daq.model.windows import EnergyWindow

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint32]


DAMAGED = "the recording is damaged: "
"""A note of a series begins with this where counts may be missing, because they cannot be read."""
NOT_FOR_DIAGNOSIS = "NOT FOR DIAGNOSIS"
"""A note of a series begins with this where somebody marked it so."""


class ImageKind(StrEnum):
    """What a series is; the values are those of DICOM's Image Type, value 3 (PS3.3 C.8.4.9.1.1)."""

    STATIC = "STATIC"
    WHOLE_BODY = "WHOLE BODY"
    DYNAMIC = "DYNAMIC"
    GATED = "GATED"
    TOMO = "TOMO"
    GATED_TOMO = "GATED TOMO"


@dataclass(frozen=True, slots=True)
class Pixels:
    """Square pixels: column i covers `x0_mm + i * pixel_mm` up to the next, row 0 is the lowest y.

    On a detector x is across and y up, as it sees them, 0 in the middle of the field. Of a sweep y is the place on the
    patient, see `place_on_patient_mm`.
    """

    x0_mm: float
    y0_mm: float
    pixel_mm: float
    columns: int
    rows: int

    @classmethod
    def centred(cls, width_mm: float, height_mm: float, pixel_mm: float) -> Self:
        """Return the fewest pixels around the middle of the field that cover it."""
        columns, rows = (math.ceil(round(side / pixel_mm, 6)) for side in (width_mm, height_mm))
        return cls(-columns * pixel_mm / 2, -rows * pixel_mm / 2, pixel_mm, columns, rows)

    @property
    def about(self) -> dict[str, float | int]:
        """Return it as plain data."""
        return {"x0_mm": self.x0_mm, "y0_mm": self.y0_mm, "pixel_mm": self.pixel_mm,
                "columns": self.columns, "rows": self.rows}  # fmt: skip


def head_first(orientation: PatientOrientation) -> bool:
    """Return True where the patient's head goes into the gantry first."""
    return orientation.startswith("H")


def place_on_patient_mm(y_mm: float, bed_mm: float, orientation: PatientOrientation) -> float:
    """Return where along the patient, towards the head, a place of the detector looks: z of DICOM's LPS.

    0 is what lies under the middle of the detector while the bed stands at 0. The bed's position grows as it goes into
    the gantry; y of the detector points into the gantry, too.
    """
    return (y_mm - bed_mm) if head_first(orientation) else (bed_mm - y_mm)


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """What is known of each frame, all arrays [slots]. Numbers count from 0; those that do not apply are 0.

    `begin_ps`, `end_ps`: the times it spans, from time zero. `live_ps`: how long events counted in it, pauses, gaps and
    what is in other slots left out. `phase`: of a dynamic study; `time_slice` within it. `view`: of a rotation.
    `time_slot`: of a beat. `gantry_deg`, `bed_mm`: where the axes stood, NaN where that is not known.
    """

    begin_ps: Ints
    end_ps: Ints
    live_ps: Ints
    phase: Ints
    time_slice: Ints
    view: Ints
    time_slot: Ints
    gantry_deg: Floats
    bed_mm: Floats

    def __len__(self) -> int:
        return len(self.begin_ps)


@dataclass(frozen=True, slots=True)
class HeadSeen:
    """A head of a series: what it faced in its first frame, and where it stood.

    `angle_deg`: DICOM's angle about the patient. `radius_mm` [slots]: from the axis to the collimator's face, NaN where
    it is not known. `live_share`: of the time, how much it could take events; 1 where it does not say, and then
    `live_told` is False: what dead time took is not known. `doubt`: why nobody knows what it faced, or how that is not
    what the protocol says; empty where all is well. `silent_ps`: begin and end of the longest time in its steps without
    any event of it, where that is no chance.
    """

    number: int
    name: str
    angle_deg: float | None
    view: View | None
    width_mm: float | None
    height_mm: float | None
    radius_mm: tuple[float, ...] = ()
    live_share: float = 1.0
    live_told: bool = True
    doubt: str = ""
    silent_ps: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Beats:
    """The account of the beats of a gated series. Times are ms, intervals from one trigger to the next.

    `triggers = accepted + rejected + 1` where all are of one stretch; `outside`: intervals that were not judged,
    because the step began, paused or ended in them. `by_cause`: rejected intervals by cause.
    `intervals_ms` are all judged ones in order, `accepted_mask` says which of them were accepted.
    """

    triggers: int
    accepted: int
    rejected: int
    outside: int
    by_cause: Mapping[str, int]
    mean_ms: float | None
    low_ms: float | None
    high_ms: float | None
    bins: int
    bin_ms: float | None
    """Of fixed time; with framing by percent the mean."""
    framing: str
    direction: str
    latency_ms: float | None = None
    intervals_ms: tuple[float, ...] = ()
    accepted_mask: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Strip:
    """What a sweep did: [rows] `exposure_ps` is how long each row lay inside the usable length, live.

    `full_ps`: what a row gets that passed the whole length at the mean speed. Speeds are mm/s; `bed_begin_mm` to
    `bed_end_mm` is where it counted.
    """

    exposure_ps: tuple[int, ...]
    full_ps: int
    mean_speed_mm_per_s: float
    slowest_mm_per_s: float
    fastest_mm_per_s: float
    bed_begin_mm: float
    bed_end_mm: float

    def exposed(self, share: float = 0.9) -> npt.NDArray[np.bool_]:
        """Return which rows [rows] have at least that share of the full exposure; others are cut or marked."""
        return np.asarray(self.exposure_ps, np.float64) >= share * self.full_ps


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """One series. `counts` uint32 [heads, windows, slots, rows, columns], raw counts; never corrected, never scaled.

    `weighted` uint64 of the same shape in 1/65536 counts where a uniformity map exists for every head and window and it
    was asked for, else None. `outside` [heads, windows]: events of its time and windows that are in no pixel.
    `role`: `emission`, `transmission`, ... of the protocol.
    """

    name: str
    kind: ImageKind
    steps: tuple[int, ...]
    """Numbers of the recorded steps it was made of."""
    heads: tuple[HeadSeen, ...]
    windows: tuple[EnergyWindow, ...]
    pixels: Pixels
    counts: Counts
    slots: Slots
    outside: Ints
    orientation: PatientOrientation = PatientOrientation.HFS
    region: str | None = None
    laterality: Laterality | None = None
    label: str = ""
    role: str = "emission"
    weighted: npt.NDArray[np.uint64] | None = None
    strip: Strip | None = None
    beats: Beats | None = None
    rotation: str | None = None
    """About the patient, DICOM's CC or CW, of a series of projections."""
    arc_deg: float | None = None
    continuous: bool = False
    """The heads turned, or the bed moved, while it counted."""
    ungated: bool = False
    """The set of all beats beside a gated one."""
    frame_zero_ps: int | None = None
    """When frames began, where that was not when the step did."""
    ended_by: str | None = None
    completed: bool = True
    notes: tuple[str, ...] = field(default=())
    """What a reader of the pictures must know, in sentences."""
    remarked: tuple[str, ...] = ()
    """Those of the notes that people added when all was recorded: marks and corrections."""
    parts: tuple[str, ...] = ()
    """Recordings whose counts are added up in it, in order; empty of a series of one."""

    def __post_init__(self) -> None:
        wanted = (len(self.heads), max(len(self.windows), 1), len(self.slots), self.pixels.rows, self.pixels.columns)
        if self.counts.shape != wanted:
            raise MismatchError(
                f"{self.name}: counts of shape {self.counts.shape}; heads, windows, slots, rows, columns are {wanted}"
            )

    @property
    def outside_words(self) -> str:
        """Return for people where the events of `outside` are: of a sweep beyond the usable length."""
        return "beyond the usable length, in no row" if self.kind is ImageKind.WHOLE_BODY else "in no pixel"

    @property
    def not_for_diagnosis(self) -> bool:
        """Return True where somebody marked it so."""
        return any(text.startswith(NOT_FOR_DIAGNOSIS) for text in self.remarked)

    @property
    def about(self) -> dict[str, Any]:
        """Return what identifies it, without pictures, as plain data."""
        return {
            "name": self.name, "kind": str(self.kind), "steps": list(self.steps), "role": self.role,
            "heads": [head.number for head in self.heads], "windows": [window.name for window in self.windows],
            "slots": len(self.slots), "pixels": self.pixels.about, "counts": int(self.counts.sum(dtype=np.uint64)),
            "orientation": str(self.orientation), "ungated": self.ungated,
            **({"parts": list(self.parts)} if self.parts else {}),
            **({"remarked": list(self.remarked)} if self.remarked else {}),
        }  # fmt: skip
