"""Where scheduled steps come from: what every source of a worklist can be asked, whatever is behind it.

A file is read (`FileSource`), a hospital's system would be queried (DICOM's modality worklist): both answer a query by
day, modality and station with the steps that they know, and tell in words what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from daq.model.console.worklist import ScheduledStep


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: steps that begin on `day` by the station's calendar, or all; of these modalities.

    `station`: those of this station and those of any; empty: of all.
    """

    day: date | None = None
    modalities: frozenset[str] = frozenset()
    station: str = ""

    def fits(self, step: ScheduledStep, day: date) -> bool:
        """Return True for a step that is asked for; `day`: on which it begins, by the station's calendar."""
        return (
            self.day in (None, day)
            and (not self.modalities or step.modality in self.modalities)
            and (not self.station or step.station in ("", self.station))
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What a source knows. `problems`: what is wrong with it, a sentence each, naming nobody; `read_utc`: since when.

    `revision` changes whenever the steps or the problems do.
    """

    steps: Sequence[ScheduledStep] = ()
    problems: tuple[str, ...] = ()
    read_utc: str = ""
    revision: int = 0


class WorklistSource(Protocol):
    """A source of scheduled steps. Its methods may take a while and never hold the loop."""

    async def query(self, query: Query) -> Found:
        """Return the steps that fit. What is wrong is told in `problems`; nothing is raised for a source in trouble."""
        ...

    async def find(self, key: str) -> ScheduledStep | None:
        """Return the step of a key, None where the source does not know it, or no longer."""
        ...


class NoSource:
    """Of a station without a worklist: everybody is entered by hand."""

    async def query(self, _: Query) -> Found:
        """Return nothing."""
        return Found()

    async def find(self, _: str) -> ScheduledStep | None:
        """Return None."""
        return None
