"""A table of weights by which the likeliest place of a flash is found in a few steps.

At a point of the table the light of channel c is `E * (f + dx * df/dx + dy * df/dy)`, with f its share of light by the
response of the sensors. The three unknowns E, E dx, E dy that fit the light best, each channel weighted by one over
f + `NOISE` of the height, are sums of light times weight: these weights are the table. One step is one such fit at the
point nearest to the place so far. That is the scoring method for the likelihood of photo-electrons, the Fisher
information being worked out beforehand; see H. H. Barrett, W. C. J. Hunter et al., "Maximum-likelihood methods for
processing signals from gamma-ray detectors", IEEE Trans. Nucl. Sci. 56, 725 (2009).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import ProfileError
from daq.model.camera import MOST_CHANNELS, Sensors
from daq.model.headcalibration import LightResponse

POINT_VALUES = 4 * MOST_CHANNELS + 16
"""A point of a table: weights of the channels for E, E dx, E dy; one over f + noise; the six normal equations' numbers
ee, xx, yy, ex, ey, xy; what all channels see of a flash and its slopes along x and y, over what all sensors see of one
in the middle; seven to fill it up."""
STEPS_PER_WIDTH = 6
"""Points in the width of the light response: what is left of the error of a step is then below 2 % of the width."""
MOST_POINTS = 40_000
NOISE = 0.005
"""Variance of a channel that does not go with its light, as a share of the response's height: so that channels far
away, which see nothing but noise, count little. Positions hardly depend on it."""

Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Response:
    """What a table is made of: sensors, their light response, the channels that work."""

    sensors: Sensors
    light: LightResponse
    live: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Points float32 [rows * columns, POINT_VALUES], row after row from (x0_mm, y0_mm) on, `step_mm` apart."""

    points: npt.NDArray[np.float32]
    rows: int
    columns: int
    x0_mm: float
    y0_mm: float
    step_mm: float


def table_of(response: Response) -> Table:
    """Return the table of a response. Raises `ProfileError` for one that would be too large."""
    sensors, light = response.sensors, response.light
    step_mm = light.width_mm / STEPS_PER_WIDTH
    places = np.array([sensors.x_mm, sensors.y_mm])
    reach = np.abs(places).max(axis=1) + sensors.width_mm / 2
    columns, rows = (int(count) for count in 2 * np.ceil(reach / step_mm) + 1)
    if rows * columns > MOST_POINTS:
        raise ProfileError(
            f"a light response {light.width_mm:g} mm wide on sensors {2 * reach[0]:g} x {2 * reach[1]:g} mm takes "
            f"{rows * columns} points; at most {MOST_POINTS}"
        )
    x0_mm, y0_mm = -(columns - 1) / 2 * step_mm, -(rows - 1) / 2 * step_mm
    x, y = np.meshgrid(x0_mm + step_mm * np.arange(columns), y0_mm + step_mm * np.arange(rows))
    points = np.zeros((rows * columns, POINT_VALUES), np.float32)
    for begin in range(0, len(points), 1024):
        part = slice(begin, begin + 1024)
        points[part] = _points(x.ravel()[part], y.ravel()[part], response)
    return Table(points, rows, columns, x0_mm, y0_mm, step_mm)


def shares(light: LightResponse, places: Float64s, x_mm: Float64s, y_mm: Float64s) -> tuple[Float64s, Float64s]:
    """Return the share of flashes [n] that sensors at `places` [2, channels] see, and its slope by squared distance.

    Both float64 [n, channels].
    """
    squared = (x_mm[:, None] - places[0]) ** 2 + (y_mm[:, None] - places[1]) ** 2
    falling = 1 + squared / light.width_mm**2
    seen = light.height * falling**-light.power
    return seen + light.floor, -light.power / light.width_mm**2 * seen / falling


def _points(x_mm: Float64s, y_mm: Float64s, response: Response) -> Float64s:
    """Return points at places [n], float64 [n, POINT_VALUES]; channels that do not work weigh nothing."""
    live = list(response.live)
    places = np.array([response.sensors.x_mm, response.sensors.y_mm])[:, live]
    seen, slope = shares(response.light, places, x_mm, y_mm)
    along_x, along_y = 2 * slope * (x_mm[:, None] - places[0]), 2 * slope * (y_mm[:, None] - places[1])
    model = np.stack([seen, along_x, along_y], axis=1)
    inverse = 1 / (seen + NOISE * response.light.height)
    weighted = model * inverse[:, None, :]
    normal = weighted @ model.transpose(0, 2, 1)
    made = np.zeros((len(x_mm), POINT_VALUES))
    made[:, : 3 * MOST_CHANNELS].reshape(len(x_mm), 3, MOST_CHANNELS)[:, :, live] = np.linalg.solve(normal, weighted)
    made[:, 3 * MOST_CHANNELS : 4 * MOST_CHANNELS][:, live] = inverse
    made[:, 4 * MOST_CHANNELS : 4 * MOST_CHANNELS + 6] = normal[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    every = np.array([response.sensors.x_mm, response.sensors.y_mm])
    in_the_middle = shares(response.light, every, np.zeros(1), np.zeros(1))[0].sum()
    made[:, 4 * MOST_CHANNELS + 6 : 4 * MOST_CHANNELS + 9] = model.sum(axis=2) / in_the_middle
    return made
