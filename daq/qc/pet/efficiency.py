"""Efficiencies of crystals or blocks of a ring by the coincidences of a cylinder in its middle.

The model: trues of i and j = e_i e_j A(planes apart) T(places apart), all factors of it by maximum likelihood. Crystal
efficiencies by sums over fans: Badawi and Marsden, Developments in component-based normalization for 3D PET, Phys Med
Biol 1999;44:571-594 (known, not read). By maximum likelihood of all pairs, as STIR's
`ML_estimate_component_based_normalisation` does (its documentation was read), a dead block does not pull down those
that it sees; the steps are shorter than the ratios, for opposite crystals else overshoot by turns.

What goes with the cosine of the angle once around the ring cannot be told from a cylinder that is off the axis: of
radius r in a ring of radius R, a shift by d looks like efficiencies of d R / r^2, 20 % for 5 mm, 100 mm and 400 mm.
It is set to nothing, equally in all planes: singles tell it. Nor can a short cylinder be told from weak outer planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.qc.pet.ringmap import Floats

DEAD_SHARE = 0.1
"""What sees less than this share of the middle one of its row is dead."""
_ITERATIONS = 300
_STEP = 0.8
"""Power of the ratios: 1 is Jacobi's step, which swings between opposite crystals, 1/2 is sure and slow."""
_SETTLED = 0.01
"""Steps end when none is larger than that share of what counting leaves unknown of the middle one."""


@dataclass(frozen=True, slots=True, eq=False)
class Efficiencies:
    """`value` float64 [rows, places]: mean of the live ones 1, 0 where there is nothing; `noise`: 1 sigma of counting.

    `by_planes` [rows]: trues of a pair of efficiency 1 by rows apart, times `by_places` [places // 2 + 1], 1 at most.
    """

    value: Floats
    noise: Floats
    dead: npt.NDArray[np.bool_]
    by_planes: Floats
    by_places: Floats

    def expected(self, row: int, place: int) -> Floats:
        """Return the trues that the model expects of one with each of the others, float64 [rows, places]."""
        rows, places = self.value.shape
        apart = np.abs(np.arange(places) - place)
        far = self.by_places[np.minimum(apart, places - apart)]
        near = self.by_planes[np.abs(np.arange(rows) - row)]
        return np.asarray(self.value[row, place] * self.value * near[:, None] * far[None, :])


def efficiencies(
    fans: Floats, scatter: Floats, real: npt.NDArray[np.bool_], *, by_planes: Floats, by_places: Floats
) -> Efficiencies:
    """Return the efficiencies of [rows, places] by their sums over all partners.

    `fans`: prompts less delayeds of each with all others, `scatter`: prompts and delayeds, which is its variance;
    `real` is False in gaps. `by_planes` [rows], `by_places` [places // 2 + 1]: the same pairs, each once, by how far
    they are apart. Raises `RefusedError` where there is nothing to go by.
    """
    counts = np.where(real, np.maximum(fans, 0.0), 0.0)
    if not (counts.sum() > 0.0 and by_planes.sum() > 0.0 and by_places.sum() > 0.0):
        raise RefusedError("no more prompts than delayeds: there is nothing to take efficiencies of")
    planes, places = (_of_total(each, counts.sum() / 2.0) for each in (by_planes, by_places))
    value = np.where(counts > 0.0, counts / counts[counts > 0.0].mean(), 0.0) ** 0.5
    near, far = planes / planes.max(), places / places.max()
    settled = _SETTLED / math.sqrt(float(np.median(counts[counts > 0.0])))
    for _ in range(_ITERATIONS):
        near = near * _ratio(planes, _pairs_by_planes(value, near, far))
        far = far * _ratio(places, _pairs_by_places(value, near, far))
        step = _ratio(counts, value * _seen(value, near, far)) ** _STEP
        new = _without_first_harmonic(value * step, counts)
        step_most = float(np.abs(new - value).max())
        value = new
        if step_most < settled:
            break
    scale = value[value > 0.0].mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.where(counts > 0.0, np.sqrt(np.maximum(scatter, 0.0)) / counts, 0.0) * value / scale
    top = far.max()
    return Efficiencies(value / scale, noise, _dead(value, real), near * scale**2 * top, far / top)


def _of_total(pairs: Floats, total: float) -> Floats:
    """Return counts without those below 0, as many as all: else no factors fit all sums, and steps would never end."""
    kept = np.maximum(pairs, 0.0)
    return np.asarray(kept * (total / kept.sum()))


def _seen(value: Floats, near: Floats, far: Floats) -> Floats:
    """Return what each sees of all others at efficiency 1: the sum over j of e_j A T, by Fourier transforms."""
    rows, places = value.shape
    ring = np.concatenate([far, far[1 : (places + 1) // 2][::-1]])
    around = np.fft.irfft(np.fft.rfft(value, axis=1) * np.fft.rfft(ring), n=places, axis=1)
    return np.asarray(near[np.abs(np.subtract.outer(np.arange(rows), np.arange(rows)))] @ around)


def _pairs_by_planes(value: Floats, near: Floats, far: Floats) -> Floats:
    """Return the pairs that the model expects by rows apart, each pair once."""
    rows, places = value.shape
    ring = np.concatenate([far, far[1 : (places + 1) // 2][::-1]])
    around = np.fft.irfft(np.fft.rfft(value, axis=1) * np.fft.rfft(ring), n=places, axis=1)
    each = value @ around.T
    apart = np.abs(np.subtract.outer(np.arange(rows), np.arange(rows)))
    return np.asarray(np.bincount(apart.ravel(), each.ravel(), minlength=rows) / 2.0 * near)


def _pairs_by_places(value: Floats, near: Floats, far: Floats) -> Floats:
    """Return the pairs that the model expects by places apart around the ring, each pair once."""
    rows, places = value.shape
    waves = np.fft.rfft(value, axis=1)
    mixed = near[np.abs(np.subtract.outer(np.arange(rows), np.arange(rows)))] @ waves
    each = np.fft.irfft((np.conj(waves) * mixed).sum(axis=0), n=places)[: len(far)]
    once = np.ones(len(far))
    once[0] = 0.5
    if places % 2 == 0:
        once[-1] = 0.5
    return np.asarray(each * once * far)


def _ratio(found: Floats, expected: Floats) -> Floats:
    """Return found over expected; 0 where nothing was found, 1 where nothing was expected and something found."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(found <= 0.0, 0.0, np.where(expected > 0.0, found / expected, 1.0))


def _without_first_harmonic(value: Floats, weight: Floats) -> Floats:
    live = (value > 0.0) & (weight > 0.0)
    angle = 2.0 * np.pi * np.arange(value.shape[1]) / value.shape[1]
    angle = np.broadcast_to(angle, value.shape)[live]
    terms = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)])
    heavy = terms * weight[live]
    fitted = np.linalg.lstsq(heavy @ terms.T, heavy @ np.log(value[live]), rcond=None)[0]
    out = value.copy()
    out[live] /= np.exp(fitted[1] * terms[1] + fitted[2] * terms[2])
    return out


def _dead(value: Floats, real: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return True for what is below a tenth of the middle one of its row, or of all where most of the row is dead."""
    masked = np.where(real, value, np.nan)
    middle = np.fmax(np.nanmedian(masked, axis=1), np.nanmedian(masked) / 2.0)
    return np.asarray(real & (value < DEAD_SHARE * middle[:, None]))
