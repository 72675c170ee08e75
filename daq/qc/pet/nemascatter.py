"""Scatter fraction, count losses and randoms by NEMA NU 2-2018, section 4.

Counts are taken by slice and by distance from the line source (`daq.qc.pet.nemalines`): sinograms whose maxima are
aligned and whose views are summed. What lies within 20 mm of the line above the straight line between the counts at
-20 and +20 mm is true; all else within 120 mm of the axis is scattered or random.

Here the maxima are aligned by the straight line that was fitted to all of them, to the mm and not to the bin: a
projection of a single slice has a few counts only, and the highest of its bins is a matter of chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
FIELD_MM = 120.0
STRIP_MM = 20.0
PHANTOM_ML = 22_000.0
"""Volume that the standard has activity divided by: 203 mm across, 700 mm long, rounded; unverified."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of distance from the line: `inside` of them between -20 and +20 mm, `outside` more on either side."""

    inside: int
    outside: int

    @classmethod
    def near(cls, bin_mm: float) -> Bins:
        """Return bins about as wide as asked for, so that an edge is at 20 mm. They reach 240 mm to either side."""
        if not 0.0 < bin_mm <= STRIP_MM:
            raise UsageError(f"bins of {bin_mm:g} mm: wanted is above 0, up to {STRIP_MM:g} mm")
        inside = max(2, round(2.0 * STRIP_MM / bin_mm))
        return cls(inside, int(np.ceil((2.0 * FIELD_MM - STRIP_MM) / (2.0 * STRIP_MM / inside))))

    @property
    def width_mm(self) -> float:
        """Return the width of a bin."""
        return 2.0 * STRIP_MM / self.inside

    @property
    def number(self) -> int:
        """Return how many there are."""
        return self.inside + 2 * self.outside

    @property
    def centres_mm(self) -> Floats:
        """Return the middle of each."""
        return np.asarray((np.arange(self.number) - (self.number - 1) / 2.0) * self.width_mm, np.float64)

    def profiles(self, away_mm: Floats, slices: npt.NDArray[np.int64], number: int) -> Counts:
        """Return counts [slices, bins] of lines of response by their slice and distance from the source."""
        at = np.floor(away_mm / self.width_mm + self.number / 2.0).astype(np.int64)
        inside = (at >= 0) & (at < self.number)
        flat = np.bincount(slices[inside] * self.number + at[inside], minlength=number * self.number)
        return flat.reshape(number, self.number)

    @property
    def weights(self) -> Floats:
        """Return what a count in each bin adds to the trues: 1 within the strip, less what it says of the background.

        The counts at -20 and +20 mm are the mean of the bins on either side of these edges (section 4.4.1).
        """
        weights = np.zeros(self.number)
        low, high = self.outside, self.outside + self.inside
        weights[low:high] = 1.0
        weights[[low - 1, low, high - 1, high]] -= self.inside / 4.0
        return weights


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame: counts int64 [slices, bins] of prompts, and of delayeds where they were recorded."""

    prompts: Counts
    delayeds: Counts | None
    seconds: float
    mean_activity_mbq: float


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of a frame per second, `noise` of T, S and R; `concentration_kbq_per_ml` of the phantom, mean."""

    concentration_kbq_per_ml: float
    total: float
    trues: float
    scatter: float
    randoms: float
    seconds: float
    noise: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Share:
    """A scatter fraction with its standard deviation, both from 0 to 1; `counts`: T + S that it rests on."""

    value: float
    error: float
    counts: float


def scatter_of(frames: list[Frame], bins: Bins) -> Share:
    """Return S / (T + S) of frames with delayeds: what is neither random nor true, over what is not random.

    Without delayeds (section 4.4.2) all background counts as scatter: right where randoms are below 1 % of trues.
    Raises `RefusedError` without coincidences.
    """
    prompts = np.sum([frame.prompts.sum(axis=0) for frame in frames], axis=0)
    randoms = sum(float(frame.delayeds.sum()) for frame in frames if frame.delayeds is not None)
    total = float(prompts.sum()) - randoms
    if not total > 0.0:
        raise RefusedError(f"{prompts.sum():.0f} prompts and {randoms:.0f} delayeds: no scatter fraction")
    others = 1.0 - bins.weights
    value = (float(others @ prompts) - randoms) / total
    variance = float((others - value) ** 2 @ prompts) + (1.0 - value) ** 2 * randoms
    return Share(value, float(np.sqrt(variance)) / total, total)


def by_slice(frames: list[Frame], bins: Bins) -> Floats:
    """Return the scatter fraction of each slice [slices], NaN where it has no counts."""
    prompts = np.sum([frame.prompts for frame in frames], axis=0)
    delayeds = [frame.delayeds.sum(axis=1) for frame in frames if frame.delayeds is not None]
    randoms = np.sum(delayeds, axis=0) if delayeds else np.zeros(len(prompts))
    total = prompts.sum(axis=1) - randoms
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, (prompts @ (1.0 - bins.weights) - randoms) / total, np.nan), np.float64)


def rates_of(frame: Frame, bins: Bins, scatter: Share, phantom_ml: float = PHANTOM_ML) -> Rates:
    """Return T, S and R of a frame.

    With delayeds R is theirs and S what is left (section 4.4.3). Without, R = total - T / (1 - SF) with the scatter
    fraction of low activity, and S = SF T / (1 - SF) (section 4.4.2).
    """
    prompts, weights = frame.prompts.sum(axis=0), bins.weights
    total, trues = float(prompts.sum()), float(weights @ prompts)
    if frame.delayeds is not None:
        randoms = float(frame.delayeds.sum())
        rest = total - trues - randoms
        variances = (weights**2 @ prompts, (1.0 - weights) ** 2 @ prompts + randoms, randoms)
    else:
        grown = 1.0 / (1.0 - scatter.value)
        randoms, rest = total - trues * grown, trues * (grown - 1.0)
        by_share = (trues * grown**2 * scatter.error) ** 2
        of_trues = weights**2 @ prompts
        variances = (
            of_trues, of_trues * (grown - 1.0) ** 2 + by_share, (1.0 - grown * weights) ** 2 @ prompts + by_share
        )  # fmt: skip
    second = frame.seconds
    return Rates(
        1000.0 * frame.mean_activity_mbq / phantom_ml, total / second, trues / second, rest / second, randoms / second,
        second, tuple(float(np.sqrt(each)) / second for each in variances),  # type: ignore[arg-type]
    )  # fmt: skip
