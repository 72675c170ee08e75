"""How a series is shown: which letters stand around a picture, where colours end, what is masked, what a panel says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.composition.pictures import cropped, view_at
from daq.model.framed import Framed, HeadSeen, ImageKind, Pixels
from daq.model.geometry import Laterality, View
from daq.model.orientation import NO_LETTERS, letters_seen
from daq.pipeline.facing import NOT_RECORDED
from daq.storage.drawing import Colours, Shown, fitted, number_text

_SHARE_BELOW = 0.995
_PS_PER_S = 1e12
_MINUTE_S = 120.0
_ALL = 100.0
_SIDES = {Laterality.LEFT: "left", Laterality.RIGHT: "right"}


QUALITY_CONTROL = "quality_control"
"""The role of pictures of a source without a patient."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A circle of the picture in mm, x to the viewer's right, y up, over what must not decide the colours.

    `view`: of that view alone.
    """

    x_mm: float
    y_mm: float
    radius_mm: float
    view: View | None = None


@dataclass(frozen=True, slots=True)
class SheetStyle:
    """How a sheet is drawn.

    `upper_percent`: of the most in a pixel, where colours end; None lets 99.5 % of the pixels lie below.
    `most_frames`: of a dynamic study or a rotation; where there are more, neighbours are added up, or some are shown.
    """

    colours: Colours = "inverse"
    upper_percent: float | None = None
    log: bool = False
    masks: tuple[Mask, ...] = ()
    most_frames: int = 48


def letters_of(series: Framed, place: int, angle_deg: float | None = None) -> tuple[str, str, str, str]:
    """Return the letters at left, right, top and bottom of what a head sees, at `angle_deg` or in its first frame.

    They are empty where nobody said which breast it is, or how the head stood, and where nobody is on the bed.
    """
    head = series.heads[place]
    if angle_deg is not None and math.isnan(angle_deg):
        return NO_LETTERS
    at_deg = head.angle_deg if angle_deg is None else angle_deg
    unsided = head.view in (View.CC, View.MLO) and series.laterality is None
    view = head.view if angle_deg is None or unsided else None
    return letters_seen(at_deg, view, series.laterality, patient=series.role != QUALITY_CONTROL)


def view_text(series: Framed, head: HeadSeen) -> str:
    """Return the view of a head and the side of the body; the angle where it has no name, or that nobody knows it."""
    if series.role == QUALITY_CONTROL:
        return "nobody on the bed"
    view = str(head.view) if head.view is not None else view_at(head.angle_deg)
    if not view and head.doubt:
        view = f"view not known ({NOT_RECORDED})"
    if series.laterality is not None:
        view = f"{view}, {_SIDES[series.laterality]}" if view else _SIDES[series.laterality]
    return view


def head_text(series: Framed, place: int) -> str:
    """Return the number and name of a head."""
    head = series.heads[place]
    return f"head {head.number}" + (f" ({head.name})" if head.name else "")


def window_text(series: Framed, at: int) -> str:
    """Return a window with its bounds."""
    if not series.windows:
        return "all energies"
    window = series.windows[at]
    return f"{window.name}, {window.lower_kev:.4g} to {window.upper_kev:.4g} keV"


def seconds_text(ps: float) -> str:
    """Return a time for people."""
    seconds = round(ps / _PS_PER_S, 3)
    if seconds < _MINUTE_S:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def live_ps(series: Framed, place: int, slots: npt.NDArray[np.intp] | None = None) -> float:
    """Return how long the frames of a head counted, all or those of `slots`."""
    chosen = series.slots.live_ps if slots is None else series.slots.live_ps[slots]
    return float(chosen.sum()) * series.heads[place].live_share


def in_field(series: Framed, place: int, image: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Pixels]:
    """Return the part of an image [rows, columns] that lies in the head's field, and its pixels.

    A sweep has rows along the patient: all of them, and the columns of the field.
    """
    head, pixels = series.heads[place], series.pixels
    if head.width_mm is None or head.height_mm is None:
        return image, pixels
    high_mm = math.inf if series.kind is ImageKind.WHOLE_BODY else head.height_mm
    part = cropped(image, pixels, (head.width_mm, high_mm))
    if part.shape == image.shape:
        return image, pixels
    by = pixels.pixel_mm
    x0 = _first_inside(pixels.x0_mm, by, pixels.columns, head.width_mm)
    y0 = _first_inside(pixels.y0_mm, by, pixels.rows, high_mm)
    return part, Pixels(x0, y0, by, part.shape[1], part.shape[0])


def masked_by(style: SheetStyle, head: HeadSeen, pixels: Pixels) -> npt.NDArray[np.bool_] | None:
    """Return which pixels [rows, columns] lie under a mask; None where none does."""
    masks = [mask for mask in style.masks if mask.view in (None, head.view)]
    if not masks:
        return None
    across = pixels.x0_mm + (np.arange(pixels.columns) + 0.5) * pixels.pixel_mm
    up = pixels.y0_mm + (np.arange(pixels.rows) + 0.5) * pixels.pixel_mm
    found = np.zeros((pixels.rows, pixels.columns), np.bool_)
    for mask in masks:
        found |= np.hypot(across[None, :] - mask.x_mm, up[:, None] - mask.y_mm) <= mask.radius_mm
    return found if found.any() else None


def upper_of(images: list[npt.NDArray[Any]], style: SheetStyle, masked: list[npt.NDArray[np.bool_] | None]) -> float:
    """Return the value at which the colours of these images end, what is masked left out."""
    kept = [image if mask is None else image[~mask] for image, mask in zip(images, masked, strict=True)]
    values = np.concatenate([image.ravel() for image in kept]) if kept else np.zeros(1)
    most = float(values.max(initial=0))
    if most <= 0:
        return 1.0
    if style.upper_percent is not None:
        return most * style.upper_percent / _ALL
    if style.log:
        return most
    return float(np.quantile(values, _SHARE_BELOW)) or float(np.quantile(values[values > 0], _SHARE_BELOW))


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """An image that was cropped to the field and made fit for a side, with what is masked of it."""

    image: npt.NDArray[Any]
    pixels: Pixels
    masked: npt.NDArray[np.bool_] | None

    def shown(self, style: SheetStyle, upper: float, side: int, **told: Any) -> Shown:
        """Return what is drawn of it."""
        return Shown(
            self.image, self.pixels.pixel_mm, told.pop("lines", ()), upper=upper, colours=style.colours, side=side,
            log=style.log, masked=self.masked, **told,
        )  # fmt: skip


def prepared(series: Framed, place: int, image: npt.NDArray[Any], style: SheetStyle, most: int) -> Prepared:
    """Return an image [rows, columns] of a head as it is drawn, at most so many pixels a side; no count is lost."""
    part, pixels = in_field(series, place, image)
    small, by = fitted(part, most)
    pixels = Pixels(pixels.x0_mm, pixels.y0_mm, pixels.pixel_mm * by, small.shape[1], small.shape[0])
    return Prepared(small, pixels, masked_by(style, series.heads[place], pixels))


def uppers_by_time(made: Sequence[Prepared], live_s: Sequence[float], style: SheetStyle) -> list[float]:
    """Return where colours end in each of several images, so that in all of them they mean the same counts a second.

    Where one did not count, its colours end at 1.
    """
    lasted = [(one, seconds) for one, seconds in zip(made, live_s, strict=True) if seconds > 0]
    most = upper_of([one.image / seconds for one, seconds in lasted], style, [one.masked for one, _ in lasted])
    return [most * seconds if seconds > 0 else 1.0 for seconds in live_s]


def colours_text(made: Sequence[Prepared], uppers: Sequence[float], live_s: Sequence[float]) -> str:
    """Return what the colours of such images mean."""
    most = next((upper / seconds for upper, seconds in zip(uppers, live_s, strict=True) if seconds > 0), 0.0)
    return f"colours 0 to {number_text(most)} counts/s per pixel of {made[0].pixels.pixel_mm:.3g} mm" if made else ""


def _first_inside(begin_mm: float, pixel_mm: float, count: int, side_mm: float) -> float:
    """Return where the first pixel begins whose middle lies inside of a field that is `side_mm` long."""
    middles = begin_mm + (np.arange(count) + 0.5) * pixel_mm
    inside = np.flatnonzero(np.abs(middles) < side_mm / 2)
    return begin_mm + float(inside[0] if inside.size else 0) * pixel_mm
