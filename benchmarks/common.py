"""What every benchmark shares: interleaved rounds, medians, and a row of the table."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 9


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ratio` is judged against `floor`; absolute figures are for information."""

    what: str
    figure: str
    ratio: float | None = None
    floor: float | None = None
    aim: float | None = None

    @property
    def verdict(self) -> str:
        if self.ratio is None or self.floor is None:
            return ""
        return "ok" if self.ratio >= self.floor else "BELOW"


def interleaved(
    candidates: dict[str, Callable[[], object]], *, rounds: int = ROUNDS, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Return the median seconds of each candidate, all run in turn in every round after a warm-up round."""
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, run in candidates.items():
            start = clock()
            run()
            if number:
                spent[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in spent.items()}


def load() -> str:
    """Return the load averages, to print beside figures."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())
