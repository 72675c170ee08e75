"""Results of one figure over time, as control charts take them, and what is asked of the charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from daq.qc.trend.estimated import FEWEST_RESULTS
from daq.qc.trend.runlength import Floats

ALL = "all together"
"""The subject of the chart of what all subjects have in common."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One figure of all its subjects, one row for each test in the order of time.

    `days`: when, in days since any fixed moment, [tests]; `values`: NaN where there is none, [tests, subjects];
    `noise`: standard deviation that counting alone gives each value, the same shape, NaN where it is not known.
    `extreme`: each value is the spread of the highest and lowest of many, as integral uniformity is.
    """

    figure: str
    unit: str
    subjects: tuple[str, ...]
    days: Floats
    values: Floats
    noise: Floats | None = None
    extreme: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """How charts are drawn up. `tests_between`: false alarms of *all* charts together, mean tests from one to the next.

    `weight`: of the newest result in an EWMA; `slack`: of a CUSUM, in standard deviations; `baseline`: the first
    results after the beginning or an event that make the normal; `horizon`: tests over which the rate is kept.
    `most_sigma`: a single result counts for no more than so many standard deviations beyond what a lasting change must
    be: one bad day is no trend, and fixed limits judge days. `from_subjects`: from so many subjects on, what they have
    in common gets a chart of its own, and each is charted against the others; `answer_share`: by how much one may
    answer otherwise than the others to what moves all, as a share of the tolerance.
    """

    tests_between: float = 250.0
    method: Literal["ewma", "cusum"] = "ewma"
    weight: float = 0.1
    slack: float = 0.5
    baseline: int = 30
    horizon: int = 250
    most_sigma: float = 4.0
    from_subjects: int = 8
    answer_share: float = 0.2

    def __post_init__(self) -> None:
        """Raise `ValueError` for what no chart can be drawn up with."""
        if self.baseline < FEWEST_RESULTS:
            raise ValueError(f"a normal of {self.baseline} results: at least {FEWEST_RESULTS} are needed")
        if not (0.02 <= self.weight <= 1.0 and 0.1 <= self.slack <= 3.0):  # noqa: PLR2004
            raise ValueError(f"weight {self.weight:g}, slack {self.slack:g}: from 0.02 to 1, and from 0.1 to 3")
        if not (self.tests_between > 0.0 and self.horizon > 0):
            raise ValueError(f"{self.tests_between:g} tests between false alarms over {self.horizon}: above 0")


def normals(days: Floats, events: Sequence[float]) -> Iterator[slice]:
    """Yield the stretches of tests between events, none of them empty: in each a new normal holds."""
    cuts = np.searchsorted(days, np.sort(np.asarray(events, dtype=np.float64)))
    edges = np.unique(np.concatenate([[0], cuts, [len(days)]]))
    for begin, end in pairwise(edges):
        yield slice(int(begin), int(end))


def chart_count(series: Sequence[Series], rule: Rule) -> int:
    """Return how many charts are drawn up of these series: over all of them the false-alarm rate is shared."""
    return sum(len(each.subjects) + (len(each.subjects) >= rule.from_subjects) for each in series)
