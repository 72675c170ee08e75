"""What follows from the projections of a series: their angles about the patient, sinograms, the way of the middle.

A projection at angle a sees a place x (to the patient's left), y (to the back) of the transverse plane at
s = y sin a - x cos a to the right of its middle (`daq.model.geometry.picture_axes`), whichever way the patient lies
and the heads turn: the pictures of a series are head up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError
from daq.model.framed import Framed, ImageKind
from daq.model.geometry import Rotation, patient_rotation

Floats = npt.NDArray[np.float64]
_TURN_DEG = 360.0
_FEWEST = 4
_SINE = 3


@dataclass(frozen=True, slots=True)
class Projections:
    """All projections of a window in one row: counts [n, rows, columns], angle [n], head's place [n], live time [n].

    Sorted as they were taken, head by head. Beats are added up.
    """

    counts: npt.NDArray[np.float64]
    angle_deg: Floats
    head: npt.NDArray[np.int64]
    live_s: Floats
    pixel_mm: float

    def scaled(self) -> Floats:
        """Return the counts [n, rows, columns] as if each projection had lasted as long as their mean."""
        share = np.divide(self.live_s.mean(), self.live_s, out=np.zeros_like(self.live_s), where=self.live_s > 0)
        return np.asarray(self.counts * share[:, None, None], np.float64)


@dataclass(frozen=True, slots=True)
class MotionCheck:
    """The middle of the counts of each projection, mm [n], and how far it is from where it should be.

    `up_mm` is along the patient, 0 the mean of a head's views: of a patient who lies still it stays. `across_mm`
    follows a sine of the angle, the same for all heads; `across_off_mm` is what remains. NaN where nothing was counted.
    `noise_mm` is the standard deviation of `up_mm` by counting alone, the largest of the views.
    """

    angle_deg: Floats
    head: npt.NDArray[np.int64]
    up_mm: Floats
    across_mm: Floats
    across_off_mm: Floats
    noise_mm: float

    @property
    def largest_up_mm(self) -> float:
        """Return the largest distance along the patient from the mean."""
        return _largest(self.up_mm)

    @property
    def largest_across_mm(self) -> float:
        """Return the largest distance across from the sine."""
        return _largest(self.across_off_mm)


def is_tomographic(series: Framed) -> bool:
    """Return True for projections from around the patient."""
    return series.kind in (ImageKind.TOMO, ImageKind.GATED_TOMO)


def angles_deg(series: Framed) -> Floats:
    """Return the angle about the patient of each head in each slot [heads, slots], 0 to 360, NaN where not known.

    By where the gantry stood; where that was not told, by views of equal angle over the arc.
    """
    found = np.full((len(series.heads), len(series.slots)), np.nan)
    if not len(series.slots):
        return found
    sense = 1.0 if patient_rotation(Rotation.CC, series.orientation) is Rotation.CC else -1.0
    turned = sense * (series.slots.gantry_deg - series.slots.gantry_deg[0])
    if series.rotation is not None and series.arc_deg is not None:
        about = 1.0 if series.rotation == Rotation.CC else -1.0
        views = int(series.slots.view.max()) + 1
        nominal = about * series.arc_deg / views * (series.slots.view - series.slots.view[0])
        turned = np.where(np.isfinite(turned), turned, nominal)
    elif not is_tomographic(series):
        turned = np.where(np.isfinite(turned), turned, 0.0)
    for place, head in enumerate(series.heads):
        if head.angle_deg is not None:
            found[place] = (head.angle_deg + turned) % _TURN_DEG
    return found


def projections(series: Framed, window: int = 0) -> Projections:
    """Return the projections of a window. Raises `MismatchError` where angles are not known, or there are too few."""
    angles = angles_deg(series)
    if not is_tomographic(series) or not np.isfinite(angles).all():
        raise MismatchError(f"{series.name}: at which angles its projections were taken is not known")
    views = np.unique(series.slots.view)
    if len(views) * len(series.heads) < _FEWEST:
        raise MismatchError(f"{series.name}: {len(views)} views; fewer than {_FEWEST} make no slice")
    counts, degrees, heads, live_s = [], [], [], []
    for place, head in enumerate(series.heads):
        for view in views:
            slots = np.flatnonzero(series.slots.view == view)
            counts.append(series.counts[place, window, slots].sum(axis=0, dtype=np.float64))
            degrees.append(angles[place, slots[0]])
            heads.append(place)
            live_s.append(series.slots.live_ps[slots].sum() * head.live_share / 1e12)
    return Projections(
        np.stack(counts), np.array(degrees), np.array(heads), np.array(live_s), series.pixels.pixel_mm
    )  # fmt: skip


def motion_check(taken: Projections) -> MotionCheck:
    """Return where the middle of the counts of each projection was."""
    rows, columns = taken.counts.shape[1:]
    up = (np.arange(rows) - (rows - 1) / 2) * taken.pixel_mm
    right = (np.arange(columns) - (columns - 1) / 2) * taken.pixel_mm
    total = taken.counts.sum(axis=(1, 2))
    up_mm = _mean(taken.counts.sum(axis=2), up, total)
    spread = np.sqrt(np.maximum(_mean(taken.counts.sum(axis=2), up**2, total) - up_mm**2, 0.0))
    across_mm = _mean(taken.counts.sum(axis=1), right, total)
    for head in np.unique(taken.head):
        mine = taken.head == head
        if np.isfinite(up_mm[mine]).any():
            up_mm[mine] -= np.nanmean(up_mm[mine])
    noise = spread / np.sqrt(np.where(total > 0, total, np.nan))
    noise_mm = float(np.nanmax(noise)) if np.isfinite(noise).any() else 0.0
    off = across_mm - _sine(taken.angle_deg, across_mm)
    return MotionCheck(taken.angle_deg, taken.head, up_mm, across_mm, off, noise_mm)


def _sine(angle_deg: Floats, across_mm: Floats) -> Floats:
    """Return the sine through the middles [n]: a fixed offset, and one place of the transverse plane."""
    known = np.isfinite(across_mm)
    if known.sum() <= _SINE:
        return across_mm
    angle = np.radians(angle_deg)
    terms = np.stack([np.ones_like(angle), np.sin(angle), np.cos(angle)], axis=1)
    found, *_ = np.linalg.lstsq(terms[known], across_mm[known], rcond=None)
    return np.asarray(terms @ found, np.float64)


def _mean(counts: Floats, at_mm: Floats, total: Floats) -> Floats:
    return np.asarray(np.divide(counts @ at_mm, total, out=np.full(len(total), np.nan), where=total > 0), np.float64)


def _largest(values: Floats) -> float:
    return float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
