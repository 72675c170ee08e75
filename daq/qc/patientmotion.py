"""Whether the patient lay still while the heads turned: the centre of the counts along the body, from view to view.

Along the body the centre of a projection does not follow a sine as it does across; what it does with the angle, because
tissue absorbs more from one side than from another, is the same for every head that comes to an angle, whenever it
comes there. What is left, a slope or a step in time, is the patient. The fit has a constant for each head and two
harmonics of the angle; errors are of Poisson counts, and larger where the fit is worse than they allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.model.framed import Framed

Floats = npt.NDArray[np.float64]

FEWEST_VIEWS = 16
_FEWEST_COUNTS = 100
_HARMONICS = 2
_EDGE = 3
"""A step is looked for at least so many views away from both ends."""
_BETTER = 25.0
"""How much smaller the sum of squared residuals in units of their errors must be for a step in place of a slope."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the patient moved along the body between the first and the last view, mm: evenly, or at once.

    `step_view` is the first view after a step, None where an even drift describes it as well.
    """

    slope_mm: float
    step_mm: float
    step_view: int | None
    error_mm: float

    @property
    def largest_mm(self) -> float:
        """Return the movement that is believed."""
        return self.slope_mm if self.step_view is None else self.step_mm


def drift(series: Framed) -> Drift | None:
    """Return how the patient moved, None with too few views or counts, or where no angle of a head is known.

    `series`: projections, one slot a view.
    """
    centre, error = _centres(series)
    views = centre.shape[1]
    if views < FEWEST_VIEWS or not np.isfinite(centre).all() or any(head.angle_deg is None for head in series.heads):
        return None
    angle = np.radians(_angles_deg(series))
    fixed = [np.repeat(np.eye(len(centre))[:, [head]], views, axis=1) for head in range(len(centre))]
    fixed += [turn(n * angle) for n in range(1, _HARMONICS + 1) for turn in (np.cos, np.sin)]
    time = np.broadcast_to(np.linspace(0.0, 1.0, views), centre.shape)
    slope, error_mm, even = _fit(centre, error, fixed, time)
    steps = [
        (_fit(centre, error, fixed, np.broadcast_to(np.arange(views) >= at, centre.shape).astype(np.float64)), at)
        for at in range(_EDGE, views - _EDGE)
    ]
    (step, step_error_mm, left), at = min(steps, key=lambda found: found[0][2])
    if even - left > _BETTER * max(1.0, left / max(centre.size - len(fixed) - 1, 1)):
        return Drift(abs(slope), abs(step), at, step_error_mm)
    return Drift(abs(slope), abs(step), None, error_mm)


def _centres(series: Framed) -> tuple[Floats, Floats]:
    """Return where the middle of the counts lies along the body, mm, and its error; both [heads, views]."""
    along = series.counts.sum(axis=(1, 4), dtype=np.float64)
    y_mm = series.pixels.y0_mm + (np.arange(series.pixels.rows) + 0.5) * series.pixels.pixel_mm
    counts = along.sum(axis=2)
    enough = np.where(counts >= _FEWEST_COUNTS, counts, np.nan)
    centre = (along * y_mm).sum(axis=2) / enough
    spread = (along * (y_mm - centre[..., None]) ** 2).sum(axis=2) / enough
    return centre, np.sqrt(np.maximum(spread, series.pixels.pixel_mm**2 / 12) / enough)


def _angles_deg(series: Framed) -> Floats:
    """Return about what angle of the patient each head looked, [heads, views]; the sense of turning is that of all."""
    gantry = series.slots.gantry_deg
    if np.isfinite(gantry).all():
        turned = np.abs(np.unwrap(gantry, period=360.0) - gantry[0])
    else:
        turned = np.arange(len(gantry)) * (series.arc_deg or 360.0) / len(gantry)
    sign = -1.0 if series.rotation == "CW" else 1.0
    return np.array([(head.angle_deg or 0.0) + sign * turned for head in series.heads])  # none is None: `drift`


def _fit(centre: Floats, error: Floats, fixed: list[Floats], moved: Floats) -> tuple[float, float, float]:
    """Return the coefficient of `moved`, its error, and the sum of squared residuals in units of `error`."""
    terms = np.stack([term.reshape(-1) for term in (*fixed, moved)], axis=1)
    weighted = terms / error.reshape(-1)[:, None]
    wanted = centre.reshape(-1) / error.reshape(-1)
    found, *_ = np.linalg.lstsq(weighted, wanted, rcond=None)
    left = float(((wanted - weighted @ found) ** 2).sum())
    free = max(len(wanted) - terms.shape[1], 1)
    variance = np.linalg.pinv(weighted.T @ weighted)[-1, -1] * max(1.0, left / free)
    return float(found[-1]), float(np.sqrt(variance)), left
