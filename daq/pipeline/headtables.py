"""What is done to the events of gamma-camera heads, as arrays for the loops: which head, its sensors, its maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from daq.errors import ProfileError
from daq.model.camera import MOST_CHANNELS, Sensors
from daq.model.headcalibration import Estimator, Grid, HeadCorrections
from daq.pipeline.headresponse import POINT_VALUES, Response, Table, table_of

EVENTS, SATURATED, PILED_UP, UNPLACED = range(4)
"""Counters of a head: events, and those without a position by cause."""
CAUSES = ("events", "saturated", "piled_up", "unplaced")

ENERGY, SHIFT_X, SHIFT_Y = range(3)
"""Maps of a head."""

AT_PEDESTAL, AT_GAIN, AT_X, AT_Y = (np.uint64(MOST_CHANNELS * part) for part in range(4))
"""Where in the row of a head its channels' pedestals begin, their gains, their x and y in mm."""

ANGER, WEIGHTED, LIKELIEST = range(3)
ESTIMATORS: dict[Estimator, int] = {"anger": ANGER, "weighted": WEIGHTED, "maximum-likelihood": LIKELIEST}
ESTIMATOR, FIRST, ROWS, COLUMNS = range(4)
"""Numbers of the plan of a head: its estimator, -1 where it has no sensors; first point, rows and columns of its
table."""
REACH_X, REACH_Y, THRESHOLD, X0, Y0, STEP, PER_MM, WIDEST, UNEXPLAINED = range(9)
"""Numbers of the rule of a head: how far from its middle a flash can be found, mm; share of the light that a channel
must have more than; place of the first point of its table, their distance, its inverse, how far a step may go, mm; how
much may be unexplained, keV, 0 where nothing is judged."""
AT_INVERSE, AT_NORMAL, AT_SEEN = (np.uint64(4 * MOST_CHANNELS + before) for before in (-MOST_CHANNELS, 0, 6))
"""Where in a point of a table what the variance of channels goes with begins, inverse; the normal equations; what all
channels see of a flash."""
WEIGHTED_BEYOND = 2.0
"""Channels count in the weighted centroid with what they have more than so many times the mean of all."""

Float32s = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """The maps of heads, one behind the other; one row and one column more than they have, so that each has a next.

    `values` float32 [all points]; `where` int64 [heads, 3, 3]: first value, rows, columns, 0 rows where there is no
    map; `frame` float32 [heads, 3, 3]: x and y of the first point in mm, points per mm; `steps` float32 [heads, 3] of
    x, y and energy, 0 where they come in none.
    """

    values: Float32s
    where: Ints
    frame: Float32s
    steps: Float32s

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
        steps = np.array([head.steps for head in heads], np.float32).reshape(-1, 3)
        return cls(np.concatenate(parts) if parts else np.zeros(1, np.float32), where, frame, steps)


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """What light is made of positions by, in rows of heads; their numbers are named above.

    `channels` float32 [heads, 4 * 64], `limit` uint16 [heads, 64]: the highest code that is no saturation; `plan` int64
    [heads, 4], `rule` float32 [heads, 9], `points` float32 [points of all tables, POINT_VALUES]; `used` [heads]:
    channels that a head has.
    """

    channels: Float32s
    limit: npt.NDArray[np.uint16]
    plan: Ints
    rule: Float32s
    points: Float32s
    used: tuple[int, ...]

    @classmethod
    def of(cls, heads: Sequence[HeadCorrections]) -> Self:
        """Return the tables of heads. Raises `ProfileError` for corrections that do not fit the sensors."""
        count = len(heads)
        channels = np.zeros((count, 4 * MOST_CHANNELS), np.float32)
        limit = np.full((count, MOST_CHANNELS), 0xFFFF, np.uint16)
        plan, rule = np.zeros((count, 4), np.int64), np.zeros((count, 9), np.float32)
        plan[:, ESTIMATOR] = -1
        tables: dict[Response, tuple[int, Table]] = {}
        for at, head in enumerate(heads):
            if head.sensors is None:
                continue
            live = live_channels(head)
            _fill(channels[at].reshape(4, MOST_CHANNELS), head, head.sensors, live)
            if head.saturated_adc is not None:
                limit[at, live] = min(head.saturated_adc - 1, 0xFFFF)
            plan[at, ESTIMATOR] = ESTIMATORS[head.estimator]
            places = np.abs([head.sensors.x_mm, head.sensors.y_mm])
            rule[at, [REACH_X, REACH_Y]] = places.max(axis=1) + head.sensors.width_mm / 2
            rule[at, THRESHOLD] = WEIGHTED_BEYOND / live.sum()
            if head.estimator == "maximum-likelihood":
                _plan_likeliest(head, live, tables, plan[at], rule[at])
        used = tuple(len(head.sensors.x_mm) if head.sensors else 0 for head in heads)
        points = [table.points for _, table in tables.values()]
        return cls(
            channels, limit, plan, rule,
            np.concatenate(points) if points else np.zeros((1, POINT_VALUES), np.float32), used,
        )  # fmt: skip


def _fill(rows: Float32s, head: HeadCorrections, sensors: Sensors, live: npt.NDArray[np.bool_]) -> None:
    used = len(sensors.x_mm)
    rows[0, :used] = _by_channel(head, "pedestal_adc", head.pedestal_adc, used, otherwise=0.0)
    rows[1, :used] = _by_channel(head, "kev_per_adc", head.kev_per_adc, used, otherwise=1.0)
    rows[1, ~live] = 0.0
    rows[2, :used], rows[3, :used] = sensors.x_mm, sensors.y_mm


def _plan_likeliest(
    head: HeadCorrections, live: npt.NDArray[np.bool_], tables: dict[Response, tuple[int, Table]], plan: Ints,
    rule: Float32s,
) -> None:  # fmt: skip
    """Write where the table of a head is, which it shares with heads that are built alike."""
    if head.sensors is None or head.light is None:
        raise ProfileError(f"head {head.head}: maximum likelihood needs the light response of its sensors")
    response = Response(head.sensors, head.light, tuple(np.flatnonzero(live).tolist()))
    if response not in tables:
        first = sum(len(table.points) for _, table in tables.values())
        tables[response] = (first, table_of(response))
    first, table = tables[response]
    plan[[FIRST, ROWS, COLUMNS]] = first, table.rows, table.columns
    rule[[X0, Y0, STEP, PER_MM]] = table.x0_mm, table.y0_mm, table.step_mm, 1.0 / table.step_mm
    rule[WIDEST] = head.light.width_mm / 2
    if head.pile_up_kev is not None:
        rule[UNEXPLAINED] = head.pile_up_kev * max(int(live.sum()) - 3, 1)


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
