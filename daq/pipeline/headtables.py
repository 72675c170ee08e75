"""What is done to the events of gamma-camera heads, as arrays for the loops: which head, its sensors, its maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from daq.errors import ProfileError
from daq.model.camera import MOST_CHANNELS, Sensors
from daq.model.headcalibration import Grid, HeadCorrections

LANES = 16
"""Partial sums of a sum over channels; they divide `MOST_CHANNELS`."""
ENERGY, SHIFT_X, SHIFT_Y = range(3)
"""Maps of a head."""
SUM, X, Y = range(3)
"""Weights of a head's channels: what they add to its light, and to the moments of it."""

Float32s = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """The maps of heads, one behind the other; one row and one column more than they have, so that each has a next.

    `values` float32 [all points]; `where` int64 [heads, 3, 3]: first value, rows, columns, 0 rows where there is no
    map; `frame` float32 [heads, 3, 3]: x and y of the first point in mm, points per mm.
    """

    values: Float32s
    where: Ints
    frame: Float32s

    @classmethod
    def of(cls, heads: Sequence[HeadCorrections]) -> Self:
        """Return the maps of heads. Raises `ProfileError` for one that cannot be read or divides by nothing."""
        where, frame = np.zeros((len(heads), 3, 3), np.int64), np.zeros((len(heads), 3, 3), np.float32)
        parts: list[Float32s] = []
        for at, head in enumerate(heads):
            for kind, grid in enumerate((head.energy, head.shift_x, head.shift_y)):
                if grid is None:
                    continue
                values = _checked(head, kind, grid)
                where[at, kind] = sum(part.size for part in parts), grid.rows, grid.columns
                frame[at, kind] = grid.x0_mm, grid.y0_mm, 1.0 / grid.pitch_mm
                parts.append(np.pad(values, ((0, 1), (0, 1)), mode="edge").ravel())
        return cls(np.concatenate(parts) if parts else np.zeros(1, np.float32), where, frame)


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """The channels of heads, those that are not used or dead without weight; heads without sensors have none.

    `pedestal` and `gain` float32 [heads, channels]; `place` float32 [heads, 2, channels]: x and y in mm; `limit`
    uint16 [heads, channels]: the highest code that is no saturation; `extent` float32 [heads, 2]: how far from the
    middle a flash can be found, in mm along x and y; `used` [heads]: channels that a head has.
    """

    pedestal: Float32s
    gain: Float32s
    place: Float32s
    limit: npt.NDArray[np.uint16]
    extent: Float32s
    used: tuple[int, ...]

    @classmethod
    def of(cls, heads: Sequence[HeadCorrections]) -> Self:
        """Return the channels of heads. Raises `ProfileError` for tables that do not fit the sensors."""
        count = len(heads)
        channels = cls(
            np.zeros((count, MOST_CHANNELS), np.float32), np.zeros((count, MOST_CHANNELS), np.float32),
            np.zeros((count, 2, MOST_CHANNELS), np.float32), np.full((count, MOST_CHANNELS), 0xFFFF, np.uint16),
            np.zeros((count, 2), np.float32), tuple(len(head.sensors.x_mm) if head.sensors else 0 for head in heads),
        )  # fmt: skip
        for at, head in enumerate(heads):
            if head.sensors is not None:
                channels._fill(at, head, head.sensors)
        return channels

    def _fill(self, at: int, head: HeadCorrections, sensors: Sensors) -> None:
        used = len(sensors.x_mm)
        live = live_channels(head)
        self.place[at, 0, :used], self.place[at, 1, :used] = sensors.x_mm, sensors.y_mm
        self.pedestal[at, :used] = _by_channel(head, "pedestal_adc", head.pedestal_adc, used, otherwise=0.0)
        self.gain[at, :used] = _by_channel(head, "kev_per_adc", head.kev_per_adc, used, otherwise=1.0)
        self.gain[at, ~live] = 0.0
        if head.saturated_adc is not None:
            self.limit[at, live] = min(head.saturated_adc - 1, 0xFFFF)
        self.extent[at] = np.abs(self.place[at, :, :used]).max(axis=1) + sensors.width_mm / 2


def live_channels(head: HeadCorrections) -> npt.NDArray[np.bool_]:
    """Return which channels [MOST_CHANNELS] have a sensor that works. Raises `ProfileError` where too few do."""
    used = len(head.sensors.x_mm) if head.sensors else 0
    live = np.arange(MOST_CHANNELS) < used
    for channel in head.dead_channels:
        if channel >= used:
            raise ProfileError(f"head {head.head}: channel {channel} is said to be dead; there are 0 to {used - 1}")
        live[channel] = False
    if live.sum() < 3:  # noqa: PLR2004 - a place in a plane
        raise ProfileError(f"head {head.head}: {live.sum()} of {used} channels work; a position needs 3")
    return live


def index_of(heads: Sequence[HeadCorrections]) -> npt.NDArray[np.uint8]:
    """Return the row of each head number [256] in the tables, their number where a head is not named.

    Raises `ProfileError` for a head that is named twice, or whose number is none.
    """
    index = np.full(256, len(heads), np.uint8)
    for at, head in enumerate(heads):
        if head.head >= len(index):
            raise ProfileError(f"head {head.head}: heads have the numbers 0 to 255")
        if index[head.head] != len(heads):
            raise ProfileError(f"head {head.head}: corrections are given twice")
        index[head.head] = at
    return index


def _by_channel(
    head: HeadCorrections, name: str, values: tuple[float, ...], used: int, *, otherwise: float
) -> npt.NDArray[Any]:
    if not values:
        return np.full(used, otherwise)
    if len(values) != used:
        raise ProfileError(f"head {head.head}: {name} has {len(values)} values for {used} sensors")
    return np.array(values)


def _checked(head: HeadCorrections, kind: int, grid: Grid) -> Float32s:
    values = grid.values()
    if kind == ENERGY and not (values > 0).all():
        raise ProfileError(f"head {head.head}: its energy map holds {values.min():g}; energies are divided by it")
    return values
