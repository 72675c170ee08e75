"""Calibrate singles: time offset, pedestal and gain of each detector, by the tables of `daq.model.calibration`.

Energies are worked out in float32, the precision of the column `energy_kev`: (code - pedestal) * gain, each step
rounded to float32. So the same codes give the same energies wherever they are calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numba import float32, int64, types, uint8, uint16, uint32, uint64

from daq.errors import RefusedError
from daq.model.calibration import Calibration
from daq.model.kernel import kernel, spliced

MOST_DETECTORS = 1 << 24
"""The highest detector number that a table may name, which bounds its memory."""

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """A calibration as arrays over detector numbers 0 to n - 1, and one entry more for all numbers above.

    `offset_ps` int64, `pedestal` and `gain` float32, `is_named` uint8, all [n + 1]; of no length where nothing is
    calibrated.
    """

    offset_ps: npt.NDArray[np.int64]
    pedestal: Float32s
    gain: Float32s
    is_named: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, calibration: Calibration | None) -> Self:
        """Return the tables of a calibration; raise `RefusedError` for one that cannot be held."""
        if calibration is None or calibration.identity or not calibration.detectors:
            none = np.empty(0, np.float32)
            return cls(np.empty(0, np.int64), none, none, np.empty(0, np.uint8))
        where = f"calibration {calibration.id}"
        numbers = np.array(calibration.detectors, np.int64)
        if int(numbers.min()) < 0 or int(numbers.max()) >= MOST_DETECTORS:
            raise RefusedError(f"{where}: detector numbers go from 0 to {MOST_DETECTORS - 1}")
        size = int(numbers.max()) + 2
        named = np.zeros(size, np.uint8)
        named[numbers] = 1
        return cls(
            _table(where, "time_offset_ps", calibration.time_offset_ps, numbers, np.zeros(size, np.int64)),
            _table(where, "pedestal_adc", calibration.pedestal_adc, numbers, np.zeros(size, np.float32)),
            _table(where, "kev_per_adc", calibration.kev_per_adc, numbers, np.ones(size, np.float32)),
            named,
        )


def calibrated(
    tables: Tables, time_ps: npt.NDArray[np.int64], detector: npt.NDArray[np.uint32], energy: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], Float32s, int]:
    """Return calibrated times and energies of singles [n] as fresh arrays, and how many a table does not name.

    `energy` are codes (uint16) or what a layout scaled (float32).
    """
    times, kev = np.array(time_ps, np.int64), np.empty(len(time_ps), np.float32)
    plain = energy if energy.dtype in (np.uint16, np.float32) else energy.astype(np.float32)
    found = _calibrate_all(
        times, np.ascontiguousarray(detector, np.uint32), np.ascontiguousarray(plain), tables.offset_ps,
        tables.pedestal, tables.gain, tables.is_named, kev,
    )  # fmt: skip
    return times, kev, int(found)


def _table(where: str, name: str, values: tuple[Any, ...], numbers: npt.NDArray[np.int64], table: Any) -> Any:
    """Fill in what a calibration says; a table that is empty changes nothing."""
    if not values:
        return table
    if len(values) != len(numbers):
        raise RefusedError(f"{where}: {name} has {len(values)} values for {len(numbers)} detectors")
    try:
        table[numbers] = np.array(values, table.dtype)
    except OverflowError:
        raise RefusedError(f"{where}: {name} has a value beyond {table.dtype}") from None
    return table


@spliced
def calibrate_rows(
    begin: int, end: int, times: Any, detectors: Any, energies: Any, offsets: Any, pedestals: Any, gains: Any,
    is_named: Any, kev: Any,
) -> int:  # fmt: skip
    """Correct times in place and fill `kev` of rows `begin` to `end`; return how many no table names."""
    if len(offsets) == 0:
        for row in range(begin, end):
            kev[uint64(row)] = float32(energies[uint64(row)])
        return 0
    last = uint32(len(offsets) - 1)
    named = 0
    for row in range(begin, end):
        at = uint64(min(detectors[uint64(row)], last))
        times[uint64(row)] -= offsets[at]
        kev[uint64(row)] = (float32(energies[uint64(row)]) - pedestals[at]) * gains[at]
        named += int64(is_named[at])
    return end - begin - named


def _signatures() -> list[Any]:
    """Return the signatures for energies as codes and as what a layout scaled."""
    plain: Any = types.Array
    return [
        int64(
            int64[::1], plain(uint32, 1, "C", readonly=True), plain(kind, 1, "C", readonly=True), int64[::1],
            float32[::1], float32[::1], uint8[::1], float32[::1],
        )
        for kind in (uint16, float32)
    ]  # fmt: skip


@kernel(*_signatures())
def _calibrate_all(times: Any, detectors: Any, energies: Any, offsets: Any, pedestals: Any, gains: Any, is_named: Any,
                   kev: Any) -> int:  # fmt: skip
    return calibrate_rows(0, len(times), times, detectors, energies, offsets, pedestals, gains, is_named, kev)
