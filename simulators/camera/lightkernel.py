"""Codes of channels for flashes of light, compiled."""

from __future__ import annotations

import math
from typing import Any

from daq.model.kernel import kernel, spliced
from simulators.pet.paths import unit

HEIGHT, WIDTH, POWER, FLOOR, PER_KEV, EXCESS, INTRINSIC, PER_ELECTRON, FULL_SCALE = range(9)
"""Places in `output`."""
AT_X, AT_Y, GAIN, DRIFT, PEDESTAL, NOISE = range(6)
"""Places in a row of `channels`."""

_SIGMA = 2.3548200450309493
_REFERENCE_KEV = 140.511
_FEW = 20.0


@spliced
def _counted(rng: Any, mean: Any, deviate: Any) -> Any:
    """Return a number of Poisson's distribution; of many, a normal one whose third moment is set right.

    R. A. Fisher and E. A. Cornish, Technometrics 2, 209 (1960): mean + sqrt(mean) z + (z^2 - 1) / 6.
    """
    if mean > _FEW:
        return math.floor(mean + math.sqrt(mean) * deviate + (deviate * deviate - 1.0) / 6.0 + 0.5)
    limit, product, count = math.exp(-mean), unit(rng), 0.0
    while product > limit:
        product *= unit(rng)
        count += 1.0
    return count


@spliced
def _share(squared_mm2: Any, output: Any) -> Any:
    """Return what a sensor sees of a flash at a distance."""
    around = 1.0 + squared_mm2 / (output[WIDTH] * output[WIDTH])
    falling = around * math.sqrt(around) if output[POWER] == 1.5 else around ** output[POWER]  # noqa: PLR2004
    return output[HEIGHT] / falling + output[FLOOR]


@kernel("void(uint64[::1], float32[:, ::1], float64[::1], float64[::1], float64[:, ::1], uint16[:, ::1])")
def flash(rng: Any, places: Any, hours: Any, output: Any, channels: Any, codes: Any) -> None:
    """Fill `codes` [n, channels] for `places` [n, 6]: x, y, keV of a flash, and of what is added to it.

    `hours` [n]: for how long gains have drifted.
    """
    for row in range(places.shape[0]):
        x, y, energy = places[row, 0], places[row, 1], places[row, 2]
        added_x, added_y, added = places[row, 3], places[row, 4], places[row, 5]
        radius = math.sqrt(-2.0 * math.log(unit(rng)))
        spread = output[INTRINSIC] / _SIGMA * math.sqrt(_REFERENCE_KEV / energy) if energy > 0.0 else 0.0
        bright = output[PER_KEV] * max(1.0 + spread * radius * math.cos(2.0 * math.pi * unit(rng)), 0.0)
        for channel in range(channels.shape[0]):
            at_x, at_y = channels[channel, AT_X], channels[channel, AT_Y]
            mean = bright * energy * _share((x - at_x) ** 2 + (y - at_y) ** 2, output)
            if added > 0.0:
                mean += output[PER_KEV] * added * _share((added_x - at_x) ** 2 + (added_y - at_y) ** 2, output)
            radius, angle = math.sqrt(-2.0 * math.log(unit(rng))), 2.0 * math.pi * unit(rng)
            one, other = radius * math.cos(angle), radius * math.sin(angle)
            counted = mean + (_counted(rng, mean, one) - mean) * math.sqrt(output[EXCESS])
            gain = channels[channel, GAIN] * (1.0 + channels[channel, DRIFT] * hours[row])
            code = (
                channels[channel, PEDESTAL] + gain * output[PER_ELECTRON] * counted + channels[channel, NOISE] * other
            )
            codes[row, channel] = min(max(math.floor(code + 0.5), 0.0), output[FULL_SCALE])
