"""Channels of a head made equal: pedestals, dead and noisy channels, gains, and how light spreads, by a flood.

The model of an event: code of channel c = pedestal + energy * share(distance to c) / kev_per_adc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.camera import Crystal, Sensors
from daq.model.headcalibration import LightResponse
from daq.qc.fields import Floats

DEAD_SHARE = 0.1
"""A channel that sees less than this share of what the middle channel sees is dead."""
NOISY = 8.0
"""A channel whose pedestal scatters so many times more than that of the middle channel is noisy."""
FEWEST_FAR = 200
"""Events that a pedestal is taken of."""
_CLIPPED_LEAST = 10
_POWER = 1.5
"""A small flat face sees solid angle as (1 + (r / h)^2)^-1.5."""
_COLLECTED = 0.7
_WIDTHS = np.geomspace(0.5, 2.0, 41)
_POWERS = np.linspace(1.0, 2.5, 16)


@dataclass(frozen=True, slots=True, eq=False)
class Pedestals:
    """Codes without light: mean and standard deviation of each channel, float64 [channels]."""

    mean_adc: Floats
    sigma_adc: Floats


def pedestals_of(codes: npt.NDArray[Any]) -> Pedestals:
    """Return the pedestals by events without light [events, channels]; raise `RefusedError` for fewer than 200."""
    if len(codes) < FEWEST_FAR:
        raise RefusedError(f"{len(codes)} events without light; a pedestal is taken of {FEWEST_FAR} or more")
    return Pedestals(_trimmed(np.asarray(codes, np.float64)), _half_width(codes))


def pedestals_far_from_light(codes: npt.NDArray[Any], sensors: Sensors) -> Pedestals:
    """Return the pedestals by the events of a flood whose brightest channel is far from each channel.

    Far is the farthest quarter. What light reaches so far is counted to the pedestal: a recording without light is
    better. Raises `RefusedError` where a channel has fewer than 200 such events.
    """
    x, y = np.array(sensors.x_mm), np.array(sensors.y_mm)
    count = len(x)
    part = np.asarray(codes[:, :count], np.float64)
    brightest = np.argmax(part - np.median(part, axis=0), axis=1)
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    mean, sigma = np.empty(count), np.empty(count)
    for channel in range(count):
        far = apart[channel][brightest] >= np.quantile(apart[channel], 0.75)
        if far.sum() < FEWEST_FAR:
            raise RefusedError(f"channel {channel}: {far.sum()} events are far from it; {FEWEST_FAR} are needed")
        mean[channel] = _trimmed(part[far, channel : channel + 1])[0]
        sigma[channel] = _half_width(part[far, channel : channel + 1])[0]
    return Pedestals(mean, sigma)


def bad_channels(light: npt.NDArray[Any], pedestals: Pedestals) -> tuple[int, ...]:
    """Return dead and noisy channels by codes above pedestals of a flood [events, channels]."""
    mean = np.asarray(light, np.float64).mean(axis=0)
    sigma = pedestals.sigma_adc
    bad = (mean < DEAD_SHARE * np.median(mean)) | (sigma > NOISY * max(float(np.median(sigma)), 0.5))
    return tuple(int(channel) for channel in np.flatnonzero(bad))


def clipped_adc(codes: npt.NDArray[np.uint16]) -> int | None:
    """Return the highest code where codes pile up at it, as a converter at its end gives them; None where none do."""
    if not codes.size:
        return None
    highest = int(codes.max())
    at_end = int((codes == highest).sum())
    before = int(((codes < highest) & (codes >= highest - 64)).sum())
    return highest if at_end >= _CLIPPED_LEAST and at_end > before / 8 else None


def geometric_light(crystal: Crystal, sensors: Sensors) -> LightResponse:
    """Return the light that flat faces see behind a crystal and a light guide, to begin a fit with.

    `height` is such that all sensors together see 0.7 of a flash in the middle. It is a convention: gains go with it.
    """
    depth_mm = crystal.thickness_mm / 2 + sensors.light_guide_mm
    return _scaled(float(np.hypot(depth_mm, sensors.width_mm / 2)), _POWER, sensors)


def shares(light: LightResponse, sensors: Sensors, x_mm: Floats, y_mm: Floats) -> Floats:
    """Return the share of flashes that each sensor sees, float64 [events, channels]."""
    squared = (x_mm[:, None] - np.array(sensors.x_mm)) ** 2 + (y_mm[:, None] - np.array(sensors.y_mm)) ** 2
    return np.asarray(light.height / (1 + squared / light.width_mm**2) ** light.power + light.floor)


def even_gains(light: npt.NDArray[Any], response: LightResponse, sensors: Sensors, crystal: Crystal) -> Floats:
    """Return gains that make channels alike by what each sees of an even flood, 1 on average: no position is needed.

    What a channel should see is the mean of its share over the crystal: less at the edges.
    """
    mean = np.asarray(light, np.float64).mean(axis=0)
    rng = (np.arange(48) + 0.5) / 48 - 0.5
    x, y = np.meshgrid(rng * crystal.width_mm, rng * crystal.height_mm)
    expected = shares(response, sensors, x.reshape(-1), y.reshape(-1)).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.where(mean > 0.0, expected / mean, 0.0)
    usable = gains[gains > 0.0]
    if not len(usable):
        raise RefusedError("no channel sees light of the flood")
    return np.asarray(gains / np.median(usable))


def fitted(
    light: npt.NDArray[Any], gains: Floats, x_mm: Floats, y_mm: Floats, response: LightResponse, sensors: Sensors,
    live: npt.NDArray[np.bool_],
) -> tuple[Floats, LightResponse]:  # fmt: skip
    """Return gains and light response anew, by events of one energy whose positions are known.

    `light` [events, channels] are codes above pedestals. The response is the one of a table of widths and powers that
    fits the mean light by distance best; a gain is what the response expects over what a channel gave.
    """
    scaled = np.asarray(light, np.float64) * gains
    distance = np.hypot(x_mm[:, None] - np.array(sensors.x_mm), y_mm[:, None] - np.array(sensors.y_mm))
    near = live[None, :] & (distance < 4.0 * sensors.width_mm)
    edges = np.linspace(0.0, 4.0 * sensors.width_mm, 61)
    bins = np.digitize(distance[near], edges) - 1
    counts = np.bincount(bins, minlength=60)[:60]
    means = np.bincount(bins, scaled[near], minlength=60)[:60] / np.maximum(counts, 1)
    middles = (edges[1:] + edges[:-1]) / 2
    made = _best_response(middles, means, counts, response, sensors)
    expected = shares(made, sensors, x_mm, y_mm)
    seen, wanted = (scaled * near).sum(axis=0), (expected * near).sum(axis=0)
    scale = float(seen[live].sum() / wanted[live].sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(live & (seen > 0.0), scale * wanted / seen, 1.0)
    return np.asarray(gains * change), made


def _best_response(
    middles: Floats, means: Floats, counts: npt.NDArray[np.int64], start: LightResponse, sensors: Sensors
) -> LightResponse:
    """Return the response, of a table around `start`, that fits the mean light best; its height is the convention."""
    weight = counts / np.maximum(means, 1e-3 * means.max())
    best: tuple[float, float, float] = (np.inf, start.width_mm, start.power)
    for width in start.width_mm * _WIDTHS:
        for power in _POWERS:
            form = (1 + (middles / width) ** 2) ** -power
            height = (weight * form * means).sum() / (weight * form * form).sum()
            misfit = float((weight * (means - height * form) ** 2).sum())
            best = min(best, (misfit, float(width), float(power)))
    return _scaled(best[1], best[2], sensors)


def _scaled(width_mm: float, power: float, sensors: Sensors) -> LightResponse:
    plain = LightResponse(height=1.0, width_mm=width_mm, power=power)
    total = float(shares(plain, sensors, np.zeros(1), np.zeros(1)).sum())
    return plain.model_copy(update={"height": _COLLECTED / total})


def _trimmed(values: Floats) -> Floats:
    """Return the mean of the middle half of each column: what a few flashes add does not move it."""
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    inside = (values >= low) & (values <= high)
    return np.asarray((values * inside).sum(axis=0) / inside.sum(axis=0))


def _half_width(values: npt.NDArray[Any]) -> Floats:
    """Return the standard deviation that the middle half of each column speaks of."""
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    return np.asarray((high - low) / 1.349)
