"""What NM images of all kinds say of windows, tracer and detectors: PS3.3 C.8.4.10 and C.8.4.11.

Activities are MBq at the time of injection (C.8.4.10.1.7), lengths mm, durations ms.
"""

from __future__ import annotations

import math

import numpy as np
from pydicom import Dataset

from daq.model.administration import AdministrationRecord
from daq.model.dicomcodes import NUCLIDE_CODES, ROUTE_CODES, tracer_code
from daq.model.framed import Framed, HeadSeen, ImageKind, head_first
from daq.model.orientation import Aspect, seen
from daq.model.windows import EnergyWindow
from daq.storage.dicomstudy import Dates
from daq.storage.dicomvalues import (
    put,
    put_codes,
    put_decimal,
    put_items,
    put_text,
    time_of,
)
from daq.storage.manifest import Manifest

_TURNING = (ImageKind.TOMO, ImageKind.GATED_TOMO)
_COLLIMATORS = {"parallel": "PARA", "pinhole": "PINH"}


def add_windows(to: Dataset, windows: tuple[EnergyWindow, ...]) -> None:
    """Add the energy windows; a series of all energies has one without bounds."""
    put_items(to, "EnergyWindowInformationSequence", map(_window, windows) if windows else [_named_all()])


def _window(window: EnergyWindow) -> Dataset:
    item, bounds = Dataset(), Dataset()
    put_text(item, "EnergyWindowName", window.name)
    put_decimal(bounds, "EnergyWindowLowerLimit", window.lower_kev)
    put_decimal(bounds, "EnergyWindowUpperLimit", window.upper_kev)
    put_items(item, "EnergyWindowRangeSequence", [bounds])
    return item


def _named_all() -> Dataset:
    item = Dataset()
    put_text(item, "EnergyWindowName", "all")
    return item


def add_tracer(
    to: Dataset, framed: Framed, record: AdministrationRecord | None, nuclide: str | None, dates: Dates
) -> None:
    """Add what was injected, or what the protocol is for; nothing for a transmission, whose source is another."""
    named = record.nuclide if record is not None else nuclide
    if framed.role == "transmission" or named is None:
        put_items(to, "RadiopharmaceuticalInformationSequence")
        return
    item = Dataset()
    put_codes(item, "RadionuclideCodeSequence", NUCLIDE_CODES.get(named))
    if record is not None:
        _add_administration(item, record, dates)
    put_items(to, "RadiopharmaceuticalInformationSequence", [item])


def _add_administration(item: Dataset, record: AdministrationRecord, dates: Dates) -> None:
    put_text(item, "Radiopharmaceutical", record.agent)
    tracer = tracer_code(record.agent, record.nuclide)
    if tracer is not None:
        put_codes(item, "RadiopharmaceuticalCodeSequence", tracer)
    put_text(item, "RadiopharmaceuticalRoute", record.route)
    if record.route in ROUTE_CODES:
        put_codes(item, "AdministrationRouteCodeSequence", ROUTE_CODES[record.route])
    if record.injected_at is not None:
        injected = dates.local(record.injected_at)
        put(item, "RadiopharmaceuticalStartTime", time_of(injected))
        put(item, "RadiopharmaceuticalStartDateTime", f"{injected:%Y%m%d%H%M%S.%f%z}")
    if record.net_mbq is not None:
        put_decimal(item, "RadionuclideTotalDose", record.net_mbq)


def add_detectors(to: Dataset, framed: Framed, manifest: Manifest) -> None:
    """Add an item for each head: collimator, field, where it stood and what it faced."""
    put_items(to, "DetectorInformationSequence", (_detector(framed, head, manifest) for head in framed.heads))


def _detector(framed: Framed, head: HeadSeen, manifest: Manifest) -> Dataset:
    item = Dataset()
    mounted, kind = _collimator(manifest)
    if mounted:
        put_text(item, "CollimatorGridName", mounted)
    put(item, "CollimatorType", kind)
    put(item, "FocalDistance", 0 if kind == "PARA" else None)
    if head.width_mm is not None and head.height_mm is not None:
        put(item, "FieldOfViewShape", "RECTANGLE")
        put(item, "FieldOfViewDimensions", [round(head.width_mm), round(head.height_mm)])
    _add_place(item, framed, head)
    aspect = seen(head.angle_deg, head.view, framed.laterality)
    put(item, "ImageOrientationPatient", None)
    put(item, "ImagePositionPatient", None)
    if aspect is not None:
        put_decimal(item, "ImageOrientationPatient", *aspect.image_orientation)
        corner = first_pixel_mm(framed, head, aspect)
        if corner is not None:
            put_decimal(item, "ImagePositionPatient", *corner)
        if framed.kind not in _TURNING:
            _add_view(item, aspect)
    return item


def _add_view(item: Dataset, aspect: Aspect) -> None:
    code = put_codes(item, "ViewCodeSequence", aspect.code)
    if code is not None:
        put_items(code, "ViewModifierCodeSequence")


def _add_place(item: Dataset, framed: Framed, head: HeadSeen) -> None:
    """Add angle and radius. Those of a rotation are said there; of a second head it has none, and they are said here.

    The standard would not have them here for a rotation, and has no other place for a second head.
    """
    if framed.kind in _TURNING and len(framed.heads) == 1:
        return
    if head.angle_deg is not None:
        put_decimal(item, "StartAngle", head.angle_deg)
    radii = radii_mm(head)
    if len(radii) > 1 and framed.kind in _TURNING:  # of each view, not of each part of its beats
        radii = tuple(radii[slot] for slot in np.unique(framed.slots.view, return_index=True)[1])
        put_decimal(item, "RadialPosition", *radii)
    elif radii:
        put_decimal(item, "RadialPosition", radii[0])


def radii_mm(head: HeadSeen) -> tuple[float, ...]:
    """Return the radius at each slot, a single one where it was always the same; nothing where one is not known."""
    if not head.radius_mm or not all(map(math.isfinite, head.radius_mm)):
        return ()
    return head.radius_mm[:1] if len(set(head.radius_mm)) == 1 else head.radius_mm


def first_pixel_mm(framed: Framed, head: HeadSeen, aspect: Aspect) -> tuple[float, float, float] | None:
    """Return where the centre of the first pixel of a picture is, in LPS; None where bed or radius is not known.

    The origin lies on the axis, under the middle of the detector while the bed stands at 0; the plane is the face of
    the collimator, in the first slot.
    """
    radii = radii_mm(head)
    beyond = _bed_shift_mm(framed)
    if aspect.angle_deg is None or not radii or beyond is None:
        return None
    pixels = framed.pixels
    across = pixels.x0_mm + pixels.pixel_mm / 2
    up = pixels.y0_mm + (pixels.rows - 0.5) * pixels.pixel_mm + beyond
    corner = across * np.asarray(aspect.right) - up * np.asarray(aspect.down) + radii[0] * np.asarray(aspect.towards)
    x, y, z = (round(float(part), 6) + 0.0 for part in corner)
    return x, y, z


def _bed_shift_mm(framed: Framed) -> float | None:
    """Return what is added to y of a picture to have the place on the patient; that of a sweep has it already."""
    if framed.kind is ImageKind.WHOLE_BODY:
        return 0.0
    bed_mm = float(framed.slots.bed_mm[0])
    if not math.isfinite(bed_mm):
        return None
    return -bed_mm if head_first(framed.orientation) else bed_mm


def _collimator(manifest: Manifest) -> tuple[str, str]:
    """Return name and DICOM's type of the mounted collimator; UNKN where the recording does not say."""
    mounted = manifest.calibrations.get("collimator")
    known = (manifest.scanner or {}).get("collimators") or {}
    about = known.get(mounted) if isinstance(mounted, str) else None
    if not isinstance(about, dict):
        return (mounted, "UNKN") if isinstance(mounted, str) else ("", "UNKN")
    return str(mounted), _COLLIMATORS.get(str(about.get("kind")), "UNKN")
