"""Tests that a person enters: check lists, figures, clocks, speeds, angles; and triggers from recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from daq.errors import MissingError, RefusedError, UsageError
from daq.model.qc import entered as e
from daq.model.qc.analyses_entered import DIMENSIONS
from daq.model.qc.figures import Curve, Figure, Findings
from daq.qc.enteredactivity import deviation_percent
from daq.qc.enteredgates import Triggers, triggers
from daq.storage.reader import open_listmode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from daq.composition.qc.material import Material

_MOST_SHOWN = 200


def or_obstacle(found: Callable[[], Findings]) -> Findings:
    """Return what was found; what stands against it as an obstacle."""
    try:
        return found()
    except (RefusedError, UsageError, MissingError) as why:
        return Findings(obstacles=(str(why),))


def checklist(material: Material) -> Findings:
    """Return how many items were answered by no.

    An unanswered item makes the test say nothing, unless another was answered by no already.
    """
    return or_obstacle(lambda: _checklist(material))


def _checklist(material: Material) -> Findings:
    items = material.test.items
    names = tuple(f"item_{number}" for number in range(1, len(items) + 1))
    if not items:
        raise RefusedError(f"{material.name}: the scanner profile names no items to look at")
    e.require_known(material.entries, names)
    answers = [e.answer(material.entries, name) for name in names]
    failed = [item for item, said in zip(items, answers, strict=True) if said is False]
    open_ones = [item for item, said in zip(items, answers, strict=True) if said is None]
    sentences = tuple(f"not answered: {item[:_MOST_SHOWN]}" for item in open_ones)
    if open_ones and not failed:
        return Findings(obstacles=sentences)
    return Findings(
        figures=(Figure.of("items_failed", float(len(failed)), "1"),),
        remarks=(*(f"no: {item[:_MOST_SHOWN]}" for item in failed), *sentences),
    )


def figures(material: Material) -> Findings:
    """Return the figures as entered, each under the name of its dimension, its own name as the subject."""
    return or_obstacle(lambda: _figures(material))


def _figures(material: Material) -> Findings:
    wanted = {name: e.names(material.test.parameters.get(name)) for name in DIMENSIONS}
    known = tuple(each for names in wanted.values() for each in names)
    if not known:
        raise RefusedError(f"{material.name}: its parameters name nothing to enter")
    e.require_known(material.entries, known)
    return Findings(
        figures=tuple(
            Figure(name, DIMENSIONS[name], names,
                   tuple(e.quantity(material.entries, each, DIMENSIONS[name]) for each in names))
            for name, names in wanted.items()
            if names
        )
    )  # fmt: skip


def clocks(material: Material) -> Findings:
    """Return the offset of each clock: entered as `+1.2 s`, or as two times, shown and true, with a semicolon."""
    return or_obstacle(lambda: _clocks(material))


def _clocks(material: Material) -> Findings:
    names = e.names(material.test.parameters.get("clocks"))
    if not names:
        raise RefusedError(f"{material.name}: `clocks` names none")
    e.require_known(material.entries, names)
    return Findings(figures=(Figure("offset", "s", names, tuple(_offset_s(material, name) for name in names)),))


def _offset_s(material: Material, name: str) -> float:
    if ";" not in str(e.entry(material.entries, name)):
        return e.quantity(material.entries, name, "s")
    times = e.moments(material.entries, name)
    if len(times) != 2:  # noqa: PLR2004 - shown and true
        raise RefusedError(f"{name}: {len(times)} times; wanted are the one shown and the true one")
    return (times[0] - times[1]).total_seconds()


def bed_speed(material: Material) -> Findings:
    """Return how far measured speeds are from those that were set."""
    return or_obstacle(lambda: _bed_speed(material))


def _bed_speed(material: Material) -> Findings:
    e.require_known(material.entries, ("set", "distances", "times"))
    wanted = e.quantities(material.entries, "set", "mm/s")
    distances, times = (e.quantities(material.entries, *each) for each in (("distances", "mm"), ("times", "s")))
    if not len(wanted) == len(distances) == len(times) or not all(time > 0 for time in times):
        raise RefusedError(
            f"{len(wanted)} speeds, {len(distances)} distances and {len(times)} times: each needs the others, and each "
            "time must be above zero"
        )
    speeds = tuple(way / time for way, time in zip(distances, times, strict=True))
    off = [deviation_percent(speed, said) for speed, said in zip(speeds, wanted, strict=True)]
    subjects = tuple(f"{number}: {said:g} mm/s" for number, said in enumerate(wanted, 1))
    return Findings(
        figures=(Figure.of("speed_error", max(map(abs, off)), "%"), Figure("speed", "mm/s", subjects, speeds))
    )


def gantry_angle(material: Material) -> Findings:
    """Return the largest deviation of an angle from the one that was set, the shorter way round."""
    return or_obstacle(lambda: _gantry_angle(material))


def _gantry_angle(material: Material) -> Findings:
    e.require_known(material.entries, ("set", "measured"))
    said, seen = (np.array(e.quantities(material.entries, name, "deg")) for name in ("set", "measured"))
    if len(said) != len(seen):
        raise RefusedError(f"{len(said)} angles were set and {len(seen)} measured: each needs the other")
    off = (seen - said + 180.0) % 360.0 - 180.0
    return Findings(
        figures=(Figure.of("angle_error", float(np.abs(off).max()), "deg"),),
        curves=(Curve("Gantry angle", said, off, "set, deg", "measured - set, deg"),),
    )


def gate_trigger(material: Material) -> Findings:
    """Return what the triggers of recordings are like beside those of a generator. Each recording is one subject."""
    kind = str(material.test.parameters.get("kind", "cardiac_trigger"))
    interval_ms = material.number("interval_ms", 0.0)
    found = []
    for directory in material.recordings:
        times = _marks(directory, kind)
        try:
            found.append(triggers(times, interval_ms))
        except RefusedError as why:
            return Findings(obstacles=(f"marks {kind}: {why}",))
    return Findings(figures=_trigger_figures(found, interval_ms))


def _marks(directory: Path, kind: str) -> npt.NDArray[np.int64]:
    """Return the times of the marks of a kind, in order."""
    times: list[int] = []
    with open_listmode(directory) as recording:
        for batch in recording.batches("marks", ["time_ps", "kind"]) if "marks" in recording.streams else ():
            times += batch.filter(pc.equal(batch.column("kind"), kind)).column("time_ps").to_pylist()
    return np.sort(np.array(times, np.int64))


def _trigger_figures(found: list[Triggers], interval_ms: float) -> tuple[Figure, ...]:
    subjects = tuple(f"recording {number}" for number in range(1, len(found) + 1)) if len(found) > 1 else ("",)
    noise = [one.jitter_ms / np.sqrt(one.intervals) for one in found]
    due = [one.intervals + one.missed for one in found]
    counts = tuple(float(one.intervals) for one in found)
    return (
        Figure("interval", "ms", subjects, tuple(one.interval_ms for one in found), tuple(map(float, noise)), counts),
        Figure("interval_error", "%", subjects, tuple(deviation_percent(one.interval_ms, interval_ms) for one in found),
               tuple(float(100.0 * each / interval_ms) for each in noise), counts),
        Figure("jitter", "ms", subjects, tuple(one.jitter_ms for one in found),
               tuple(float(one.jitter_ms / np.sqrt(2.0 * one.intervals)) for one in found), counts),
        Figure("missed", "%", subjects, tuple(100.0 * one.missed / n for one, n in zip(found, due, strict=True))),
        Figure("extra", "%", subjects, tuple(100.0 * one.extra / n for one, n in zip(found, due, strict=True))),
    )  # fmt: skip
