"""What the register says of a source at the time of a test: what who reads the result should know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from daq.errors import RefusedError
from daq.model.qc.sources import SourceEntry
from daq.qc.enteredpurity import UNSETTLED_PERCENT, high_energy_percent, settled_after_s
from daq.qc.sources import source_in_use

_DAY_S = 86400.0


def source_remarks(entry: SourceEntry, at: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return obstacles and remarks: disposed of by then, leak test overdue, too old, Co-56 and Co-58 in Co-57.

    Days are those of UTC.
    """
    try:
        used = source_in_use(entry, at=at, zone=UTC)
    except RefusedError as why:
        return (str(why),), ()
    return (), (*used.remarks, *_high_energy(entry, at))


def _high_energy(entry: SourceEntry, at: datetime) -> Iterator[str]:
    co56, co58 = entry.co56_percent or 0.0, entry.co58_percent or 0.0
    if entry.nuclide != "Co-57" or not co56 + co58 > 0.0:
        return
    age_s = max(0.0, (at - entry.reference_at).total_seconds())
    percent = high_energy_percent(age_s, co56, co58)
    if percent > UNSETTLED_PERCENT:
        more = (settled_after_s(co56, co58) - age_s) / _DAY_S
        yield (
            f"source {entry.serial}: it sends {percent:.1f} photons above 200 keV per 100 of 122 and 136 keV: they "
            f"pass septa and bend a flood; below {UNSETTLED_PERCENT:g} in {more:.0f} days"
        )
