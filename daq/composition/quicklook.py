"""The quick look at a rotation: sinogram, the course of the middle, slices by filtered back-projection.

It answers whether the acquisition worked while the patient still lies there. Not for diagnosis, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.composition.quicklookslices import Volume, back_projected, missing_angles
from daq.composition.sheet import heading
from daq.composition.sheetviews import SheetStyle, window_text
from daq.errors import MismatchError
from daq.model.framed import Framed, ImageKind
from daq.pipeline.tomography import MotionCheck, Projections, is_tomographic, motion_check, projections
from daq.qc.patientmotion import drift
from daq.storage.drawing import PALE, WARNING, Shown, fitted, flowed, image_panel, page, text_panel
from daq.storage.drawingcurves import Curve, Plot, plot_panel

if TYPE_CHECKING:
    from PIL.Image import Image

    from daq.storage.manifest import Manifest

NOT_FOR_DIAGNOSIS = "QUICK LOOK, NOT FOR DIAGNOSIS: nothing is corrected"
_WIDE = 1560
_SIDE = 260
_SLICES = 8
_SINOGRAM_SIDE = 260
_BLOCK = 16
_TOP_SHARE = 0.999


def quick_look(series: Sequence[Framed], manifest: Manifest, style: SheetStyle | None = None) -> Image | None:
    """Return a page for the rotations of a study; None where there is none.

    Of a gated one the beats are added up, and nothing is shown where the set of all beats is there. What cannot be
    reconstructed is named with the reason.
    """
    chosen = list(rotations(series))
    if not chosen:
        return None
    rows: list[list[Image]] = [[text_panel([NOT_FOR_DIAGNOSIS], size=_BLOCK, shade=WARNING)]]
    for one in chosen:
        rows += _rows(one, style or SheetStyle())
    return page(rows, heading(manifest, series), warning="SIMULATED" if manifest.simulated else "")


def rotations(series: Sequence[Framed]) -> Iterator[Framed]:
    """Yield the series that are looked at: rotations, and gated ones that have no set of all beats beside them."""
    ungated = {one.steps for one in series if one.kind is ImageKind.TOMO}
    for one in series:
        if is_tomographic(one) and len(one.slots) and (one.kind is ImageKind.TOMO or one.steps not in ungated):
            yield one


def _rows(series: Framed, style: SheetStyle) -> list[list[Image]]:
    rows = [[text_panel([f"{series.name}: {window_text(series, 0)}"], size=_BLOCK)]]
    try:
        taken = projections(series)
    except MismatchError as why:
        return [*rows, [text_panel([f"no slices: {why}"], shade=WARNING)]]
    rows.append([text_panel(_words(series, taken), shade=PALE)])
    check = motion_check(taken)
    rows += flowed([*_sinograms(series, taken, style), _motion_panel(series, check)], _WIDE)
    volume = back_projected(taken, series.pixels.y0_mm)
    return [*rows, *flowed(slice_panels(volume, style), _WIDE)]


def _words(series: Framed, taken: Projections) -> list[str]:
    views = len(taken.angle_deg) // len(series.heads)
    lines = [f"{views} views of {len(series.heads)} heads; ramp filter with a Hann window, no attenuation correction"]
    gap = missing_angles(taken.angle_deg)
    if gap is not None:
        lines.append(f"angles from {gap[0]:.0f} to {gap[1]:.0f} degrees (or opposite) are missing: expect streaks")
    if not series.completed:
        lines.append("the rotation was not completed")
    return lines


def _sinograms(series: Framed, taken: Projections, style: SheetStyle) -> list[Image]:
    """Return for each head the sinogram of its row with the most counts, and the sum of all columns, view by view."""
    row = int(taken.counts.sum(axis=(0, 2)).argmax())
    panels = []
    for place, head in enumerate(series.heads):
        mine = taken.counts[taken.head == place]
        at_mm = series.pixels.y0_mm + (row + 0.5) * series.pixels.pixel_mm
        by = max(1, round(mine.shape[2] / len(mine)))  # each view so often that the picture is about square
        sinogram, along = (_thinned(np.repeat(each, by, axis=0)) for each in (mine[:, row], mine.sum(axis=2)))
        along = along.T
        name = f"head {head.number}"
        for image, words in (
            (sinogram, [f"{name}: sinogram at {at_mm:.0f} mm", "across: detector; up: views in order"]),
            (along, [f"{name}: views side by side", "across: views in order; up: along the patient"]),
        ):
            side = max(image.shape)
            shown = Shown(
                image, series.pixels.pixel_mm, words, upper=float(image.max()), colours=style.colours,
                side=max(_SINOGRAM_SIDE, side), log=style.log, scale=False,
            )  # fmt: skip
            panels.append(image_panel(shown))
    return panels


def _motion_panel(series: Framed, check: MotionCheck) -> Image:
    curves = []
    for place, head in enumerate(series.heads):
        mine = check.head == place
        at = np.arange(int(mine.sum()), dtype=np.float64) + 1
        curves.append(Curve(f"head {head.number}: along the patient", at, check.up_mm[mine], dotted=True))
        curves.append(Curve("across, off a sine", at, check.across_off_mm[mine], dotted=True))
    lines = [
        "middle of the counts, mm from the mean of a head's views: where tissue absorbs it follows the angle;",
        f"a patient who moves makes a step in all heads at once; counting alone gives {check.noise_mm:.2f} mm",
        _drift_text(series),
    ]
    return plot_panel(Plot(curves, "view", "mm", lines, from_zero=False, wide=620))


def _drift_text(series: Framed) -> str:
    found = drift(series) if series.kind is ImageKind.TOMO else None
    if found is None:
        return "movement along the patient: cannot be told"
    if found.step_view is None:
        return f"movement along the patient: {found.slope_mm:.1f} mm, evenly, ± {found.error_mm:.1f} mm"
    return (
        f"movement along the patient: {found.step_mm:.1f} mm at view {found.step_view + 1}, ± {found.error_mm:.1f} mm"
    )


def slice_panels(volume: Volume, style: SheetStyle) -> list[Image]:
    """Return transverse slices from the head down, as seen from the feet, two through the middle, and all at once."""
    values = np.maximum(volume.values, 0.0)
    upper = float(np.quantile(values, _TOP_SHARE)) or float(values.max()) or 1.0
    total = values.sum(axis=(1, 2))
    busy = np.flatnonzero(total >= 0.1 * total.max()) if total.max() > 0 else np.arange(len(total))
    rows = np.unique(np.linspace(busy[-1], busy[0], min(_SLICES, len(busy))).astype(int))[::-1]
    panels = []
    for row in rows.tolist():
        words = [f"transverse, {volume.place_mm((row, 0, 0))[2]:.0f} mm up"]
        panels.append(_slice(values[row, ::-1], volume, ("R", "L", "A", "P"), words, upper, style))
    back, left = (_middle(values.sum(axis=axes)) for axes in ((0, 2), (0, 1)))
    left_mm, back_mm, _ = volume.place_mm((0, back, left))
    coronal = f"coronal, {_beside(back_mm, 'back', 'front')}"
    sagittal = f"sagittal, {_beside(left_mm, 'left', 'right')}"
    front, side = ("R", "L", "H", "F"), ("A", "P", "H", "F")
    panels.append(_slice(values[:, back], volume, front, [coronal], upper, style))
    panels.append(_slice(values[:, :, left], volume, side, [sagittal], upper, style))
    panels.append(_slice(values.max(axis=1), volume, front, ["the highest of each line, from the front"], upper, style))
    panels.append(_slice(values.max(axis=2), volume, side, ["the highest of each line, from the left"], upper, style))
    return panels


def _beside(mm: float, above: str, below: str) -> str:
    """Return where a slice lies, from the axis of rotation."""
    return "on the axis" if round(mm) == 0 else f"{abs(mm):.0f} mm to the {above if mm > 0 else below} of the axis"


def _middle(counts: npt.NDArray[np.float64]) -> int:
    """Return the place of the middle of values [n] along an axis, its centre where there are none."""
    total = float(counts.sum())
    return round(float(counts @ np.arange(len(counts))) / total) if total > 0 else len(counts) // 2


def _slice(
    image: npt.NDArray[np.float64], volume: Volume, letters: tuple[str, str, str, str], words: list[str], upper: float,
    style: SheetStyle,
) -> Image:  # fmt: skip
    return image_panel(
        Shown(
            image, volume.voxel_mm, words, letters, upper=upper, unit="a.u.", colours=style.colours, side=_SIDE,
            log=style.log,
        )
    )  # fmt: skip


def _thinned(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return an image of at most twice as many pixels a side as there is room for."""
    return np.asarray(fitted(image, 2 * _SINOGRAM_SIDE)[0], np.float64)
