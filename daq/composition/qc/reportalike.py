"""Which results of a test may stand in one chart: of one collimator, of one source where it counts, all real or none.

A chart of several collimators, or of several sources each of which was calibrated by somebody else, would alarm at each
change of them and hide what the detector does. Simulated results say nothing of a detector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from daq.qc.trend.runlength import Floats
from daq.qc.trend.series import Series
from daq.services.catalogue.entry import moment_ms
from daq.services.qc.abilities import Kept

_PER_ACTIVITY = ("/MBq", "/kBq", "/Bq")
_IMPORTED = "imported"
_MS_PER_DAY = 86_400_000.0


@dataclass(frozen=True, slots=True)
class Alike:
    """What the results of a test are of.

    `made_with`: by the id of a result its collimator (or `imported`) and source; `left_out`: ids of those that are in
    no chart, which `remarks` give the reason of; `events`: days and words of what begins a new normal by itself.
    """

    made_with: Mapping[str, tuple[str, str]]
    left_out: frozenset[str]
    remarks: tuple[str, ...]
    events: tuple[tuple[float, str], ...]

    def parted(self, series: Series, results: Sequence[str]) -> tuple[Series, list[str]]:
        """Return the series with a column for each subject of each kind of result, newest kind first.

        `results`: ids of the rows. Also returned: the kind of each row. Of one kind alone the series is as it was.
        Sources make kinds only of what is per activity.
        """
        told = [self.kind(self.made_with.get(each, ("", "")), series.unit) for each in results]
        kinds = list(dict.fromkeys(reversed(told)))
        if len(kinds) <= 1:
            return series, told
        rows = [np.array([each == kind for each in told])[:, None] for kind in kinds]
        values = _side_by_side(series.values, rows)
        some = np.asarray(np.isfinite(values).any(axis=0), np.bool_)
        names = [named(subject, kind) for kind in kinds for subject in series.subjects]
        return replace(
            series, subjects=tuple(name for name, has in zip(names, some, strict=True) if has), values=values[:, some],
            noise=None if series.noise is None else _side_by_side(series.noise, rows)[:, some],
        ), told  # fmt: skip

    @staticmethod
    def kind(made_with: tuple[str, str], unit: str) -> str:
        """Return in words what a result was made with, as far as it counts for a figure of this unit."""
        collimator, source = made_with
        return ", ".join(each for each in (collimator, source if unit.endswith(_PER_ACTIVITY) else "") if each)


def named(subject: str, kind: str) -> str:
    """Return a subject of a chart that is of one kind of results."""
    return ", ".join(each for each in (subject, kind) if each)


def made_with(kept: Kept) -> tuple[str, str]:
    """Return collimator and source of a result, as they stand in the names of charts."""
    result = kept.result
    if not result.analysis_version:
        return _IMPORTED, ""
    serial = result.source.get("serial")
    return result.collimator or "", f"source {serial}" if serial else ""


def alike(found: Sequence[Kept]) -> Alike:
    """Return which results of a test, newest first, stand together."""
    counted = [kept for kept in found if kept.struck is None and not kept.result.obstacles]
    other = {kept.document.id for kept in counted if kept.document.simulated != counted[0].document.simulated}
    again = _analysed_again([kept for kept in counted if kept.document.id not in other])
    remarks = []
    if other:
        kind = "real" if counted[0].document.simulated else "simulated"
        remarks.append(f"{len(other)} {kind} results are in no chart: the newest result is none.")
    if again:
        remarks.append(f"{len(again)} results are in no chart: their recordings were analysed again.")
    charted = [kept for kept in reversed(counted) if kept.document.id not in other | again]
    out = {kept.document.id for kept in found if kept.struck is not None or kept.result.obstacles}
    return Alike(
        {kept.document.id: made_with(kept) for kept in found}, frozenset(out | other | again), tuple(remarks),
        tuple(_new_versions(charted)),
    )  # fmt: skip


def _side_by_side(values: Floats, rows: Sequence[npt.NDArray[np.bool_]]) -> Floats:
    return np.hstack([np.where(each, values, np.nan) for each in rows])


def _analysed_again(found: Sequence[Kept]) -> set[str]:
    """Return the results of recordings of which there is a later one: of a newer version, or entered later."""
    best: dict[tuple[str, ...], Kept] = {}
    older = set()
    for kept in found:
        recordings = tuple(sorted(str(each.get("id")) for each in kept.result.acquisitions))
        if not recordings:
            continue
        rival = best.setdefault(recordings, kept)
        if rival is not kept:
            best[recordings], loser = (kept, rival) if _age(kept) > _age(rival) else (rival, kept)
            older.add(loser.document.id)
    return older


def _age(kept: Kept) -> tuple[int, str]:
    return kept.result.analysis_version, kept.document.entered_utc


def _new_versions(oldest_first: Sequence[Kept]) -> list[tuple[float, str]]:
    """Return when the analysis itself became another: what it finds may differ for no fault of the detector."""
    found, last = [], 0
    for kept in oldest_first:
        version, at_ms = kept.result.analysis_version, moment_ms(kept.document.at_utc)
        if last and version > last and at_ms is not None:
            found.append((at_ms / _MS_PER_DAY, f"version {version} of the analysis"))
        last = max(last, version)
    return found
