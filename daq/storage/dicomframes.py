"""The pixels of a NM image: which frame comes when, and the vectors that say so (PS3.3 C.8.4.8).

The first row of a DICOM picture is the uppermost, that of `Framed` the lowest. Frames follow the Frame Increment
Pointer, whose last entry varies fastest: energy windows outermost, then detectors, then what the kind of image has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from daq.model.framed import Framed, ImageKind, Ints
from daq.storage.dicomvalues import put, put_decimal, put_text, put_whole, refuse

MOST_IN_PIXEL = 65_535
"""Bits Allocated of a NM image is 16 at most (PS3.3 C.8.4.7)."""
_WEIGHT = 65_536
_MOST_PIXEL_BYTES = 2**32 - 2
MOST_FRAMES = 32_767
"""A vector of 16-bit numbers is at most 65,534 bytes long (PS3.5, 7.1.2)."""

Overflow = Literal["refuse", "divide"]
Frames = npt.NDArray[np.uint16]

_POINTERS: Mapping[ImageKind, tuple[str, ...]] = MappingProxyType({
    ImageKind.STATIC: (),
    ImageKind.WHOLE_BODY: (),
    ImageKind.DYNAMIC: ("PhaseVector", "TimeSliceVector"),
    ImageKind.GATED: ("RRIntervalVector", "TimeSlotVector"),
    ImageKind.TOMO: ("RotationVector", "AngularViewVector"),
    ImageKind.GATED_TOMO: ("RotationVector", "RRIntervalVector", "TimeSlotVector", "AngularViewVector"),
})  # fmt: skip
_NUMBERS = {
    "PhaseVector": "NumberOfPhases", "RRIntervalVector": "NumberOfRRIntervals", "TimeSlotVector": "NumberOfTimeSlots",
    "RotationVector": "NumberOfRotations",
}  # fmt: skip
_SLOT_COLUMN = {
    "PhaseVector": "phase", "TimeSliceVector": "time_slice", "TimeSlotVector": "time_slot", "AngularViewVector": "view",
}  # fmt: skip
_ONE_OF_EACH = ("RotationVector", "RRIntervalVector")
"""Of what a series has one: it is one rotation, and accepted beats are of one range of intervals."""


@dataclass(frozen=True, slots=True, eq=False)
class SlotOrder:
    """The slots of a series in the order of their frames: `slots` [n], and the vectors [n] of the kind, from 1."""

    slots: Ints
    vectors: Mapping[str, Ints]


def slot_order(framed: Framed) -> SlotOrder:
    """Return in which order the slots of a series become frames. Raises `RefusedError` where they are ambiguous."""
    pointers = _POINTERS[framed.kind]
    if not pointers and len(framed.slots) != 1:
        refuse("NumberOfFrames", f"{len(framed.slots)} frames of each head and window; a {framed.kind} image has one")
    if not len(framed.slots):
        refuse("NumberOfFrames", f"{framed.name} has no frame")
    _require_room(framed)
    vectors = {name: _column(framed, name) for name in pointers}
    order = np.lexsort(tuple(vectors.values())[::-1]) if vectors else np.arange(1)
    ordered = {name: vector[order] for name, vector in vectors.items()}
    if vectors and len(np.unique(np.stack(list(ordered.values())), axis=1).T) != len(order):
        refuse("FrameIncrementPointer", f"{framed.name}: two frames have the same place in {', '.join(pointers)}")
    return SlotOrder(order.astype(np.int64), ordered)


def _require_room(framed: Framed) -> None:
    heads, windows, slots, rows, columns = framed.counts.shape
    frames = heads * windows * slots
    if frames > MOST_FRAMES:
        refuse("DetectorVector", f"{frames:,} frames of heads, windows and times; one object holds {MOST_FRAMES:,}")
    if frames * rows * columns * 2 > _MOST_PIXEL_BYTES:
        refuse("PixelData", f"{frames:,} frames of {columns} x {rows} pixels; at most {_MOST_PIXEL_BYTES:,} bytes fit")


def _column(framed: Framed, vector: str) -> Ints:
    """Return a vector of the kind [slots], numbered from 1 without holes, in the order of the slots."""
    if vector in _ONE_OF_EACH:
        return np.ones(len(framed.slots), np.int64)
    values: Ints = getattr(framed.slots, _SLOT_COLUMN[vector])
    if vector == "TimeSliceVector":  # counts anew in each phase
        return values + 1
    return np.unique(values, return_inverse=True)[1].astype(np.int64) + 1


def add_frames(to: Dataset, framed: Framed, order: SlotOrder, *, overflow: Overflow) -> None:
    """Add pixels and vectors. Raises `RefusedError` for pixels that 16 bits do not hold, unless they are divided."""
    heads, windows, _, rows, columns = framed.counts.shape
    pixels, divisor = _pixels(framed, order, overflow)
    put(to, "SamplesPerPixel", 1)
    put(to, "PhotometricInterpretation", "MONOCHROME2")
    for keyword, value in (("Rows", rows), ("Columns", columns), ("BitsAllocated", 16), ("BitsStored", 16)):
        put(to, keyword, value)
    put(to, "HighBit", 15)
    put(to, "PixelRepresentation", 0)
    put_decimal(to, "PixelSpacing", framed.pixels.pixel_mm, framed.pixels.pixel_mm)
    put_whole(to, "NumberOfFrames", len(pixels))
    said = []
    if framed.parts:
        said.append(f"Counts of the acquisitions {', '.join(framed.parts)} added up")
    if divisor > 1:
        said.append(f"Pixels are counts divided by {divisor} and rounded: the largest has more than {MOST_IN_PIXEL}")
    to.ImageType = ["DERIVED" if said else "ORIGINAL", "PRIMARY", str(framed.kind), _emission(framed)]
    if said:
        put_text(to, "DerivationDescription", ". ".join(said))
    _add_vectors(to, framed, order, heads, windows)
    _add_counts(to, framed)
    to.PixelData = pixels.astype("<u2", copy=False).tobytes()
    to["PixelData"].VR = "OW"


def _emission(framed: Framed) -> str:
    return "TRANSMISSION" if framed.role == "transmission" else "EMISSION"


def _add_counts(to: Dataset, framed: Framed) -> None:
    """Add all counts of all frames; nothing where an integer string does not hold them."""
    counts = int(framed.counts.sum(dtype=np.uint64))
    put(to, "CountsAccumulated", counts if counts < 2**31 else None)


def _add_vectors(to: Dataset, framed: Framed, order: SlotOrder, heads: int, windows: int) -> None:
    slots = len(order.slots)
    vectors: dict[str, Ints] = {
        "EnergyWindowVector": np.repeat(np.arange(1, windows + 1), heads * slots),
        "DetectorVector": np.tile(np.repeat(np.arange(1, heads + 1), slots), windows),
        **{name: np.tile(vector, heads * windows) for name, vector in order.vectors.items()},
    }
    put(to, "FrameIncrementPointer", [tag_for_keyword(name) for name in vectors])
    put(to, "NumberOfEnergyWindows", windows)
    put(to, "NumberOfDetectors", heads)
    for name, vector in vectors.items():
        put(to, name, vector.tolist())
        if name in _NUMBERS:
            put(to, _NUMBERS[name], int(vector.max()))


def _pixels(framed: Framed, order: SlotOrder, overflow: Overflow) -> tuple[Frames, int]:
    """Return the frames [frames, rows, columns], the uppermost row first, and what they were divided by."""
    whole = framed.counts if framed.weighted is None else _rounded(framed.weighted, _WEIGHT)
    largest = int(whole.max())
    divisor = 1
    if largest > MOST_IN_PIXEL:
        if overflow == "refuse":
            refuse(
                "PixelData",
                f"{framed.name}: a pixel has {largest:,} counts; 16 bits hold {MOST_IN_PIXEL:,}: use a finer matrix or "
                "shorter frames, or have counts divided",
            )
        divisor = -(-largest // MOST_IN_PIXEL)
        whole = _rounded(whole, divisor)
    frames = np.ascontiguousarray(whole.transpose(1, 0, 2, 3, 4)[:, :, order.slots, ::-1, :], np.uint16)
    return frames.reshape(-1, framed.pixels.rows, framed.pixels.columns), divisor


def _rounded(values: npt.NDArray[np.unsignedinteger], divisor: int) -> npt.NDArray[np.uint64]:
    """Return whole numbers divided and rounded, half upwards."""
    wide = values.astype(np.uint64)
    return (wide + np.uint64(divisor // 2)) // np.uint64(divisor)
