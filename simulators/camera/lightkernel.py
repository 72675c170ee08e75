"""Codes of channels for flashes of light, compiled.

Normal deviates are taken from a table of 65536 quantiles by 16 random bits each: a quarter of a random number, no
logarithm, and tails to 4.3 standard deviations. An event has over a hundred of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daq.model.kernel import kernel, spliced

HEIGHT, WIDTH, POWER, FLOOR, PER_KEV, EXCESS, INTRINSIC, PER_ELECTRON, FULL_SCALE = range(9)
"""Places in `output`."""
AT_X, AT_Y, GAIN, DRIFT, PEDESTAL, NOISE = range(6)
"""Places in a row of `channels`."""

_SIGMA = 2.3548200450309493
_REFERENCE_KEV = 140.511
_FEW = 4.0
_MOST = 40.0
_PER_BIT = 2.0**-32
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@spliced
def _bits(rng: Any) -> Any:
    """Return 64 random bits (splitmix64, as in `simulators.pet.paths`)."""
    rng[0] += _GOLDEN
    z = rng[0]
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@spliced
def _counted(uniform: Any, mean: Any, deviate: Any) -> Any:
    """Return a number of Poisson's distribution; of many, a real number with the same first three moments.

    E. A. Cornish and R. A. Fisher, Rev. Inst. Int. Stat. 5, 307 (1938): mean + sqrt(mean) z + (z^2 - 1) / 6. It is not
    rounded, which would add 1/12 to the variance.
    """
    if mean > _FEW:
        return max(mean + math.sqrt(mean) * deviate + (deviate * deviate - 1.0) / 6.0, 0.0)
    chance = math.exp(-mean)
    below, count = chance, 0.0
    while uniform > below and count < _MOST:
        count += 1.0
        chance *= mean / count
        below += chance
    return count


@spliced
def _share(squared_mm2: Any, output: Any) -> Any:
    """Return what a sensor sees of a flash at a distance."""
    around = 1.0 + squared_mm2 / (output[WIDTH] * output[WIDTH])
    falling = around * math.sqrt(around) if output[POWER] == 1.5 else around ** output[POWER]  # noqa: PLR2004
    return output[HEIGHT] / falling + output[FLOOR]


@spliced
def _brightness(rng: Any, energy: Any, output: Any, deviates: Any) -> Any:
    """Return photoelectrons per keV of a flash, as the crystal's light output varies from one to the next."""
    if energy <= 0.0:
        return output[PER_KEV]
    spread = output[INTRINSIC] / _SIGMA * math.sqrt(_REFERENCE_KEV / energy)
    return output[PER_KEV] * max(1.0 + spread * deviates[_bits(rng) >> np.uint64(48)], 0.0)


@kernel("void(uint64[::1], float32[:, ::1], float64[::1], float64[::1], float64[:, ::1], float32[::1], uint16[:, ::1])")
def flash(rng: Any, places: Any, hours: Any, output: Any, channels: Any, deviates: Any, codes: Any) -> None:
    """Fill `codes` [n, channels] for `places` [n, 6]: x, y, keV of a flash, and of what is added to it.

    `hours` [n]: for how long gains have drifted. `deviates` [65536]: quantiles of the standard normal distribution.
    """
    widening = math.sqrt(output[EXCESS])
    for row in range(places.shape[0]):
        x, y, energy = places[row, 0], places[row, 1], places[row, 2]
        added_x, added_y, added = places[row, 3], places[row, 4], places[row, 5]
        light = energy * _brightness(rng, energy, output, deviates)
        for channel in range(channels.shape[0]):
            at_x, at_y = channels[channel, AT_X], channels[channel, AT_Y]
            mean = light * _share((x - at_x) ** 2 + (y - at_y) ** 2, output)
            if added > 0.0:
                mean += output[PER_KEV] * added * _share((added_x - at_x) ** 2 + (added_y - at_y) ** 2, output)
            bits = _bits(rng)
            counted = _counted(
                (bits >> np.uint64(16) & np.uint64(0xFFFFFFFF)) * _PER_BIT, mean, deviates[bits >> np.uint64(48)]
            )
            gain = channels[channel, GAIN] * (1.0 + channels[channel, DRIFT] * hours[row]) * output[PER_ELECTRON]
            noise = channels[channel, NOISE] * deviates[bits & np.uint64(0xFFFF)]
            code = channels[channel, PEDESTAL] + gain * (mean + (counted - mean) * widening) + noise
            codes[row, channel] = min(max(math.floor(code + 0.5), 0.0), output[FULL_SCALE])
