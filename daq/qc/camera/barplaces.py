"""Where the quadrants of a bar phantom are: how it is turned, and the regions inside of its quadrants."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from daq.errors import RefusedError
from daq.qc.fields import FieldOfView, Floats, Mask, centres_mm

_AROUND = 24
"""Places around the middle at which bars are looked for."""
_FINE_DEG = 0.05
_COARSE_DEG = 4.0
_STANDS_OUT = 6.0
"""Of all waves looked at by chance one in 10^8 is larger: power over the mean has an exponential distribution."""
_FEWEST_PIXELS = 400
_LEAST_MM = 20.0
_EDGE_MM = 10.0
"""At the edge of the field blurred events are missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Pixels inside of a quadrant: counts, u and v along the phantom's own axes, mm [pixels]. `turn_deg`: of those."""

    counts: Floats
    u_mm: Floats
    v_mm: Floats
    x_mm: float
    y_mm: float
    turn_deg: float


def turn_deg(
    counts: Floats, pixel_mm: float, bars_mm: tuple[float, ...], *, field: FieldOfView, centre_mm: tuple[float, float]
) -> float:
    """Return how bars are turned against the pixels, 0 to 90 degrees; raise `RefusedError` where no bars are seen."""
    x, y = _plane(counts, pixel_mm)
    reach = min(field.width_mm, field.height_mm) / 2.0
    best = (0.0, 0.0, 0.0, np.zeros(0), np.zeros(0), np.zeros(0))
    for number in range(_AROUND):
        angle = 2.0 * math.pi * number / _AROUND
        at = centre_mm[0] + 0.55 * reach * math.cos(angle), centre_mm[1] + 0.55 * reach * math.sin(angle)
        inside = np.hypot(x - at[0], y - at[1]) <= 0.3 * reach
        if inside.sum() < _FEWEST_PIXELS or counts[inside].sum() <= 0.0:
            continue
        spectrum, of_noise = _power(_cut(counts, inside), float(counts[inside].sum()))
        for width in bars_mm:
            power, direction = _strongest(spectrum, pixel_mm, width)
            if power / of_noise > best[0]:
                best = (power / of_noise, direction, width, x[inside] - at[0], y[inside] - at[1], counts[inside])
    if best[0] < _STANDS_OUT**2 / 2.0:
        widths = ", ".join(f"{width:g}" for width in bars_mm)
        raise RefusedError(f"no bars of {widths} mm are seen: too few counts, another phantom, or all are blurred")
    return _exact(*best[1:]) % 90.0


def regions(
    counts: Floats, pixel_mm: float, turn: float, *, field: FieldOfView, centre_mm: tuple[float, float],
    margin_mm: float,
) -> tuple[Region, ...]:  # fmt: skip
    """Return the four squares inside of the quadrants, as large as fit the field, from the first quadrant on."""
    x, y = _plane(counts, pixel_mm)
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    u = (x - centre_mm[0]) * cosine + (y - centre_mm[1]) * sine
    v = (y - centre_mm[1]) * cosine - (x - centre_mm[0]) * sine
    size = _size(turn, field, centre_mm, margin_mm)
    found = []
    for right, up in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
        inside = (right * u >= margin_mm) & (right * u <= size) & (up * v >= margin_mm) & (up * v <= size)
        if inside.sum() < _FEWEST_PIXELS:
            raise RefusedError(
                f"{inside.sum()} pixels of {pixel_mm:g} mm lie in a quadrant; at least {_FEWEST_PIXELS} are needed"
            )
        middle = (float(x[inside].mean()), float(y[inside].mean()))
        found.append(Region(counts[inside], u[inside], v[inside], *middle, turn))
    return tuple(found)


def _size(turn: float, field: FieldOfView, centre_mm: tuple[float, float], margin_mm: float) -> float:
    """Return how far squares may reach from the middle along the phantom's axes, so that they stay in the field."""
    reach = min(field.width_mm, field.height_mm) / 2.0 - math.hypot(*centre_mm) - _EDGE_MM
    turned = math.radians(turn)
    corner = math.cos(turned) + math.sin(turned)  # of the square's outer corner, over its side, along x or y
    size = reach / corner if field.shape == "rectangle" else reach / math.sqrt(2.0)
    if size - margin_mm < _LEAST_MM:
        raise RefusedError(f"quadrants have {size - margin_mm:.0f} mm in the field; at least {_LEAST_MM:g} are needed")
    return size


def _plane(counts: Floats, pixel_mm: float) -> tuple[Floats, Floats]:
    rows, columns = counts.shape
    x, y = np.meshgrid(centres_mm(columns, pixel_mm), centres_mm(rows, pixel_mm))
    return np.asarray(x), np.asarray(y)


def _cut(counts: Floats, inside: Mask) -> Floats:
    """Return counts less their mean inside of a disc, 0 elsewhere, no larger than the disc."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.where(inside[part], counts[part] - counts[inside].mean(), 0.0)


def _power(counts: Floats, total: float) -> tuple[Floats, float]:
    """Return the power over frequencies of x and y, and what counting makes it on average."""
    size = max(256, 1 << (max(counts.shape) - 1).bit_length())
    return np.abs(np.fft.fft2(counts, (size, size))) ** 2, total


def _strongest(power: Floats, pixel_mm: float, width_mm: float) -> tuple[float, float]:
    """Return the highest power of waves with the period of such bars, and their direction in degrees."""
    size = len(power)
    directions = np.arange(0.0, 180.0, 0.5)
    frequency = size * pixel_mm / (2.0 * width_mm)
    columns = np.rint(frequency * np.cos(np.radians(directions))).astype(int) % size
    rows = np.rint(frequency * np.sin(np.radians(directions))).astype(int) % size
    found = power[rows, columns]
    top = int(np.argmax(found))
    return float(found[top]), float(directions[top])


def _exact(direction: float, width_mm: float, x: Floats, y: Floats, counts: Floats) -> float:
    """Return the direction at which waves of bars are strongest, near a first one."""
    near = direction + np.arange(-_COARSE_DEG, _COARSE_DEG + _FINE_DEG / 2, _FINE_DEG)
    ratio = counts - counts.mean()
    found = [
        abs(np.sum(ratio * np.exp(1j * math.pi / width_mm * (x * math.cos(turn) + y * math.sin(turn)))))
        for turn in np.radians(near)
    ]
    return float(near[int(np.argmax(found))])
