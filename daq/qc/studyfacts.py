"""What a recording tells of itself, as plain data that a verdict is made of: steps, marks, injection, silences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US = 1000
_PS_PER_NS = 1000

KINDS = ("position", "clock", "silent", "heard", "motion_lost", "jump")
"""The marks that a verdict looks at."""
_DECODERS_TELLING = ("fers",)
"""Decoders that make `dead_time` marks of what no kind of word alone tells."""


@dataclass(frozen=True, slots=True)
class StepSeen:
    """A step as it was recorded; `daq.storage.manifest.RecordedStep` says what each field is."""

    number: int
    name: str
    begin_ps: int
    end_ps: int | None = None
    ended_by: str | None = None
    completed: bool = False
    paused_ps: int = 0
    missing: int = 0
    lossy: int = 0
    live_ps: int | None = None
    source_live_ps: Mapping[int, int] = field(default_factory=dict)
    hand_overs: tuple[str, ...] = ()

    @property
    def active_ps(self) -> int | None:
        """Return how long it counted, pauses left out; None without an end."""
        return None if self.end_ps is None else max(0, self.end_ps - self.begin_ps - self.paused_ps)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Where one axis was: [samples] times, mm or degrees, and whether it moved then; in order of time."""

    time_ps: npt.NDArray[np.int64]
    position: npt.NDArray[np.float64]
    moving: npt.NDArray[np.bool_]

    def within(self, begin_ps: int, end_ps: int) -> Track:
        """Return the samples of a stretch of time, its end left out."""
        low, high = np.searchsorted(self.time_ps, [begin_ps, end_ps])
        return Track(self.time_ps[low:high], self.position[low:high], self.moving[low:high])

    def before(self, time_ps: int) -> float | None:
        """Return where it stood at that time, by the last sample up to then; None before the first."""
        at = int(np.searchsorted(self.time_ps, time_ps, side="right"))
        return float(self.position[at - 1]) if at else None


@dataclass(frozen=True, slots=True, eq=False)
class StudyFacts:
    """All that a verdict needs beside the pictures. `zero_utc`: when time zero was, None where no clock mark tells.

    `injected_at`, `residual_known`, `extravasation` are of the administration record; without one `administered` is
    False. `silences`: begin and end of each time in which a source was not heard while others were.
    """

    steps: tuple[StepSeen, ...]
    session: int | None = None
    """Of the protocol's sessions; None: the recording does not say."""
    planned: frozenset[str] = frozenset()
    """Names of the steps that were to be taken, where some were left out when it was prepared; empty: all."""
    state: str = "sealed"
    ended_by: str | None = None
    zero_utc: datetime | None = None
    balanced: bool | None = None
    axes: Mapping[str, Track] = field(default_factory=dict)
    silences: tuple[tuple[int, int, int | None], ...] = ()
    """Source, from when, until when in ps; None: to the end."""
    motion_lost_ps: tuple[int, ...] = ()
    back: tuple[tuple[int, int], ...] = ()
    """When the clock of all front ends went back, by the clock of before, and by how much, ps."""
    damages: tuple[str, ...] = ()
    """What of the recording cannot be read, in sentences."""
    profile: str = ""
    tells_dead_time: bool = True
    """False: front ends of this profile have no words that tell it; True also where the profile is not known."""
    administration_problem: str = ""
    """Why the record that there is cannot be read."""
    administered: bool = False
    injected_at: datetime | None = None
    residual_known: bool = False
    extravasation: bool | None = None
    voided_ml: float | None = None

    @classmethod
    def of(
        cls,
        manifest: Mapping[str, Any],
        marks: Mapping[str, Sequence[Any]],
        administration: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return the facts of a manifest and its marks, both as plain data; marks by column, in order of time.

        `administration`: the record as `AdministrationRecord.to_json` gives it.
        """
        told = administration or {}
        injected_at = told.get("injected_at")
        ledger = manifest.get("ledger") or {}
        profile = manifest.get("profile") or {}
        return cls(
            steps=tuple(_step(step) for step in manifest.get("steps") or ()),
            session=(manifest.get("study") or {}).get("session"),
            planned=frozenset(str(each["name"]) for each in (manifest.get("protocol") or {}).get("plan") or ()),
            state=str(manifest.get("state")),
            ended_by=manifest.get("ended_by"),
            zero_utc=_zero(marks),
            balanced=ledger.get("balanced"),
            axes=_tracks(marks),
            silences=_silences(marks),
            motion_lost_ps=tuple(int(marks["time_ps"][at]) for at in _of_kind(marks, "motion_lost")),
            back=tuple(
                (int(marks["time_ps"][at]), -int(marks["value"][at]))
                for at in _of_kind(marks, "jump")
                if marks["value"][at] < 0
            ),
            profile=str(profile.get("id", "")),
            tells_dead_time=_tells_dead_time(profile),
            administered=administration is not None,
            injected_at=datetime.fromisoformat(injected_at) if isinstance(injected_at, str) else injected_at,
            residual_known=told.get("residual_mbq") is not None,
            extravasation=told.get("extravasation"),
            voided_ml=told.get("voided_ml"),
        )

    def utc(self, time_ps: int) -> datetime | None:
        """Return when that was, None where no clock mark tells."""
        return None if self.zero_utc is None else self.zero_utc + timedelta(microseconds=time_ps / 10**6)

    def after_injection_s(self, time_ps: int) -> float | None:
        """Return how long after the injection that was, None where one of both times is not known."""
        when = self.utc(time_ps)
        return None if when is None or self.injected_at is None else (when - self.injected_at).total_seconds()


def _tells_dead_time(profile: Mapping[str, Any]) -> bool:
    """Return False where front ends of a profile, of which the layout is known, cannot tell their dead time."""
    layout = profile.get("layout")
    if not layout or layout.get("decoder") in _DECODERS_TELLING:
        return True
    return any(kind.get("mark") == "dead_time" for kind in (layout.get("kinds") or {}).values())


def _step(told: Mapping[str, Any]) -> StepSeen:
    kept = {name: told[name] for name in StepSeen.__dataclass_fields__ if name in told and name != "hand_overs"}
    names = tuple(str(each.get("name")) for each in told.get("hand_overs") or ())
    live = {int(source): int(ps) for source, ps in (told.get("source_live_ps") or {}).items()}
    return StepSeen(**{**kept, "source_live_ps": live, "hand_overs": names})


def _of_kind(marks: Mapping[str, Sequence[Any]], kind: str) -> list[int]:
    return [at for at, name in enumerate(marks.get("kind", ())) if name == kind]


def _zero(marks: Mapping[str, Sequence[Any]]) -> datetime | None:
    """Return UTC of time zero: by the median clock mark, for one that came late tells a later time."""
    zeros = [int(marks["value"][at]) - int(marks["time_ps"][at]) // _PS_PER_NS for at in _of_kind(marks, "clock")]
    return _EPOCH + timedelta(microseconds=sorted(zeros)[len(zeros) // 2] // _NS_PER_US) if zeros else None


def _tracks(marks: Mapping[str, Sequence[Any]]) -> dict[str, Track]:
    by_axis: dict[str, list[int]] = {}
    for at in _of_kind(marks, "position"):
        by_axis.setdefault(str(marks["text"][at]), []).append(at)
    tracks = {}
    for axis, places in by_axis.items():
        time_ps = np.array([marks["time_ps"][at] for at in places], np.int64)
        order = np.argsort(time_ps, kind="stable")
        position = np.array([marks["value2"][at] for at in places], np.float64)
        moving = np.array([bool(marks["value"][at]) for at in places], np.bool_)
        tracks[axis] = Track(time_ps[order], position[order], moving[order])
    return tracks


def _silences(marks: Mapping[str, Sequence[Any]]) -> tuple[tuple[int, int, int | None], ...]:
    """Return who was not heard, from when until when; what a front end says of itself alone is left out."""
    since: dict[int, int] = {}
    found: list[tuple[int, int, int | None]] = []
    for at, kind in enumerate(marks.get("kind", ())):
        if kind not in ("silent", "heard") or marks["text"][at] == "service":
            continue
        source, time_ps = int(marks["source"][at]), int(marks["time_ps"][at])
        if kind == "silent":
            since.setdefault(source, time_ps)
        elif source in since:
            found.append((source, since.pop(source), time_ps))
    return (*found, *((source, time_ps, None) for source, time_ps in since.items()))
