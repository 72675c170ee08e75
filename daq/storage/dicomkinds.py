"""What only some kinds of NM image have: sweep, phases, beats, rotation (PS3.3 C.8.4.9, C.8.4.12 to C.8.4.14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from pydicom import Dataset

from daq.model.framed import Beats, Framed, ImageKind, Ints
from daq.model.geometry import TURN_DEG, Rotation
from daq.storage.dicomframes import SlotOrder
from daq.storage.dicomnm import radii_mm
from daq.storage.dicomvalues import MS_PS, put, put_decimal, put_items, put_text, put_whole, refuse

PRIVATE_GROUP = 0x5343
PRIVATE_CREATOR = "SCANDAQ STRIP 1"
EXPOSURE_ELEMENT = 0x01
"""Of the private block: exposure of each row in ms, the uppermost first, VR FL."""
_EVEN = 0.5
"""Share of an angular step that a view may be off its place."""
_FRAMING = {("time", "forward"): "FORW", ("time", "backward"): "BACK", ("percent", "forward"): "PCNT"}


def _add_static(to: Dataset, framed: Framed, order: SlotOrder) -> None:
    put_whole(to, "ActualFrameDuration", int(framed.slots.live_ps[order.slots[0]]) / MS_PS)
    _add_bed(to, framed)


def _add_whole_body(to: Dataset, framed: Framed, order: SlotOrder) -> None:
    strip = framed.strip
    if strip is None:
        refuse("ScanVelocity", f"{framed.name}: a sweep of which no speed is known")
    slot = order.slots[0]
    exposure_ps = np.asarray(strip.exposure_ps, np.float64)
    put_whole(to, "ActualFrameDuration", int(framed.slots.end_ps[slot] - framed.slots.begin_ps[slot]) / MS_PS)
    put(to, "WholeBodyTechnique", "1PS")
    put_decimal(to, "ScanVelocity", strip.mean_speed_mm_per_s)
    put_whole(to, "ScanLength", int(np.count_nonzero(exposure_ps)) * framed.pixels.pixel_mm)
    private = to.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    private.add_new(EXPOSURE_ELEMENT, "FL", (exposure_ps[::-1] / MS_PS).tolist())


def _add_dynamic(to: Dataset, framed: Framed, order: SlotOrder) -> None:
    phases, before_ps = order.vectors["PhaseVector"], None
    items = []
    for phase in range(1, int(phases.max()) + 1):
        slots = order.slots[phases == phase]
        items.append(_phase(framed, slots, before_ps))
        before_ps = int(framed.slots.end_ps[slots[-1]])
    put_items(to, "PhaseInformationSequence", items)
    _add_bed(to, framed)


def _phase(framed: Framed, slots: Ints, before_ps: int | None) -> Dataset:
    """Return a phase: nominal durations in ms, those of most of its frames."""
    begin, end = framed.slots.begin_ps[slots], framed.slots.end_ps[slots]
    pauses = begin[1:] - end[:-1]
    item = Dataset()
    put_whole(item, "PhaseDelay", 0 if before_ps is None else (int(begin[0]) - before_ps) / MS_PS)
    put_whole(item, "ActualFrameDuration", float(np.median(end - begin)) / MS_PS)
    put_whole(item, "PauseBetweenFrames", float(np.median(pauses)) / MS_PS if len(pauses) else 0)
    put(item, "NumberOfFramesInPhase", len(slots))
    return item


def _add_gated(to: Dataset, framed: Framed, order: SlotOrder) -> None:
    beats = framed.beats
    if beats is None:
        refuse("GatedInformationSequence", f"{framed.name}: a gated series without an account of its beats")
    put(to, "BeatRejectionFlag", "Y" if beats.low_ms is not None or beats.high_ms is not None else "N")
    if beats.by_cause:
        put_text(to, "PVCRejection", ", ".join(f"{cause} {count}" for cause, count in sorted(beats.by_cause.items())))
    if beats.intervals_ms:
        put_whole(to, "HeartRate", 60_000 / float(np.mean(beats.intervals_ms)))
    item = Dataset()
    if beats.latency_ms is not None:
        put_decimal(item, "TriggerTime", beats.latency_ms)
    framing = _FRAMING.get((beats.framing, beats.direction))
    put_text(item, "CardiacFramingType", framing or f"{beats.framing} {beats.direction}".upper())
    put_items(item, "DataInformationSequence", [_criteria(framed, beats, order)])
    put_items(to, "GatedInformationSequence", [item])


def _criteria(framed: Framed, beats: Beats, order: SlotOrder) -> Dataset:
    if beats.bin_ms is None:
        refuse("FrameTime", f"{framed.name}: how long a frame of a beat is, is not known")
    item = Dataset()
    put_decimal(item, "FrameTime", round(beats.bin_ms, 3))
    for keyword, value in (("NominalInterval", beats.mean_ms), ("LowRRValue", beats.low_ms),
                           ("HighRRValue", beats.high_ms)):  # fmt: skip
        if value is not None:
            put_whole(item, keyword, value)
    put_whole(item, "IntervalsAcquired", beats.accepted)
    put_whole(item, "IntervalsRejected", beats.rejected)
    put_items(item, "TimeSlotInformationSequence", _time_slots(framed, order))
    return item


def _time_slots(framed: Framed, order: SlotOrder) -> list[Dataset]:
    """Return how long each part of the beat counted, over all angles, in ms."""
    live_ps = framed.slots.live_ps[order.slots]
    parts = order.vectors["TimeSlotVector"]
    items = []
    for part in range(1, int(parts.max()) + 1):
        item = Dataset()
        put_decimal(item, "TimeSlotTime", round(int(live_ps[parts == part].sum()) / MS_PS, 3))
        items.append(item)
    return items


def _add_tomo(to: Dataset, framed: Framed, order: SlotOrder) -> None:
    views = order.vectors["AngularViewVector"]
    first = order.slots[_first_of_each(views)]
    head = framed.heads[0]
    if head.angle_deg is None:
        refuse("StartAngle", f"{framed.name}: where head {head.name or head.number} stood is not known")
    if framed.rotation not in (Rotation.CC, Rotation.CW):
        refuse("RotationDirection", f"{framed.name}: {framed.rotation}; CC or CW are possible")
    step_deg = _angular_step_deg(framed, first)
    item = Dataset()
    put_decimal(item, "StartAngle", head.angle_deg)
    put_decimal(item, "AngularStep", step_deg)
    put(item, "RotationDirection", str(framed.rotation))
    put_decimal(item, "ScanArc", step_deg * len(first))  # of what was acquired, however much was asked for
    put_whole(item, "ActualFrameDuration", _view_ms(framed, order))
    radii = radii_mm(head)
    if radii:
        by_view = radii if len(radii) == 1 else tuple(radii[slot] for slot in first)
        put_decimal(item, "RadialPosition", *by_view)
    put(item, "NumberOfFramesInRotation", len(first))
    bed_mm = float(framed.slots.bed_mm[first[0]])
    if np.isfinite(bed_mm):
        put_decimal(item, "TableTraverse", bed_mm)
    put_items(to, "RotationInformationSequence", [item])
    put(to, "TypeOfDetectorMotion", "CONTINUOUS" if framed.continuous else "STEP AND SHOOT")


def _add_gated_tomo(to: Dataset, framed: Framed, order: SlotOrder) -> None:
    _add_tomo(to, framed, order)
    _add_gated(to, framed, order)


def _view_ms(framed: Framed, order: SlotOrder) -> float:
    """Return how long a view counted, most of them, all parts of the beat together."""
    views = order.vectors["AngularViewVector"]
    live_ps = np.bincount(views, weights=framed.slots.live_ps[order.slots].astype(np.float64))[1:]
    return float(np.median(live_ps)) / MS_PS


def _first_of_each(views: Ints) -> Ints:
    return np.unique(views, return_index=True)[1].astype(np.int64)


def _angular_step_deg(framed: Framed, slots: Ints) -> float:
    """Return the angle from view to view. Refuse views that are not evenly spaced: DICOM has one step for all."""
    stood = framed.slots.gantry_deg[slots]
    if len(slots) == 1 or not np.isfinite(stood).all():
        if framed.arc_deg is None:
            refuse("AngularStep", f"{framed.name}: neither the arc nor where the gantry stood is known")
        return framed.arc_deg / len(slots)
    steps = np.diff(stood)
    steps = (steps + TURN_DEG / 2) % TURN_DEG - TURN_DEG / 2
    step = float(steps.mean())
    off = np.abs(np.concatenate(([0.0], np.cumsum(steps))) - step * np.arange(len(slots)))
    if step == 0 or off.max() > _EVEN * abs(step):
        view = int(off.argmax()) + 1
        refuse(
            "AngularStep", f"{framed.name}: view {view} is {off.max():.3g} deg off equal steps of {abs(step):.4g} deg"
        )
    return round(abs(step), 4)


def _add_bed(to: Dataset, framed: Framed) -> None:
    bed_mm = float(framed.slots.bed_mm[0])
    if np.isfinite(bed_mm):
        put_decimal(to, "TableTraverse", bed_mm)


_OF_KIND: Mapping[ImageKind, Callable[[Dataset, Framed, SlotOrder], None]] = MappingProxyType({
    ImageKind.STATIC: _add_static,
    ImageKind.WHOLE_BODY: _add_whole_body,
    ImageKind.DYNAMIC: _add_dynamic,
    ImageKind.GATED: _add_gated,
    ImageKind.TOMO: _add_tomo,
    ImageKind.GATED_TOMO: _add_gated_tomo,
})  # fmt: skip


def add_kind(to: Dataset, framed: Framed, order: SlotOrder) -> None:
    """Add what the kind of the image has. Raises `RefusedError` naming the attribute that cannot be given."""
    _OF_KIND[framed.kind](to, framed, order)
    if framed.role == "transmission" and framed.kind not in (ImageKind.TOMO, ImageKind.GATED_TOMO):
        for item in to.DetectorInformationSequence:
            put(item, "DistanceSourceToDetector", None)
