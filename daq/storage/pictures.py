"""Images and spectra of a recording, by the function that makes them live (`daq.pipeline.framing`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from daq.errors import MismatchError, MissingError, UsageError
from daq.pipeline.facing import GANTRY
from daq.pipeline.framing import FIRST_PS, LAST_PS, Pictures, pictures_of
from daq.pipeline.framingrules import rule_of
from daq.pipeline.timetablemarks import Track
from daq.storage.recordedlayout import recorded_layout
from daq.storage.recordedprocessing import recorded_processing

if TYPE_CHECKING:
    import numpy.typing as npt

    from daq.storage.manifest import Manifest, RecordedStep
    from daq.storage.reader import ListMode

PIXELS = 256
"""Along the longer side of an image, unless told otherwise."""
_OPTIONAL = ("energy_kev", "head", "windows")
_NEEDED = ("time_ps", "x_mm", "y_mm")


@dataclass(frozen=True, slots=True)
class RecordedPictures:
    """Images and spectra of one step; `step` is None where the recording knows of none: then they are of all of it.

    `gantry_deg`: where the gantry was in the middle of the step, NaN where that was not told.
    """

    pictures: Pictures
    step: RecordedStep | None
    gantry_deg: float = math.nan


def pictures_in(
    recording: ListMode, *, step: int | None = None, most_pixels: int = PIXELS, heads: Sequence[int] = ()
) -> RecordedPictures:
    """Return images and spectra of a step, counted from 1; of a recording of one step it need not be named.

    Without `heads`, numbers, they are of all that the scanner has, or that the words can name. Pauses are left out.
    Raises `UsageError` where a step must be named, `MissingError` for one that there is not, `MismatchError` for a
    recording without positions; what reading raises.
    """
    chosen = _step(recording.manifest, step)
    if "singles" not in recording.streams:
        raise MissingError(f"{recording.directory}: no singles were stored; `daq listmode replay --out` makes them")
    stored = recording.schema("singles").names
    if not {"x_mm", "y_mm"} <= set(stored):
        raise MismatchError(f"{recording.directory}: its singles have no positions: {', '.join(stored)}")
    layout, _ = recorded_layout(recording.manifest, recording.directory)
    processing = recorded_processing(recording.manifest, recording.directory)
    rule = rule_of(layout, processing, most_pixels=most_pixels, heads=heads or heads_of(recording.manifest))
    columns = [*_NEEDED, *(name for name in _OPTIONAL if name in stored)]
    pictures = pictures_of(_parts(recording, columns), rule, spans_ps=_spans(recording, chosen))
    return RecordedPictures(pictures, chosen, _gantry_deg(recording, chosen))


def heads_of(manifest: Manifest) -> list[int]:
    """Return the numbers of the heads of the scanner that the manifest names; none where it names none."""
    return [int(head["number"]) for head in (manifest.scanner or {}).get("heads", ())]


def _step(manifest: Manifest, number: int | None) -> RecordedStep | None:
    steps = manifest.steps or []
    if number is None and len(steps) > 1:
        raise UsageError(f"the recording has {len(steps)} steps, a picture is of one: name it by --step")
    if number is None:
        return steps[0] if steps else None
    if not 1 <= number <= len(steps):
        raise MissingError(f"step {number}: the recording has {len(steps)}")
    return steps[number - 1]


def _spans(recording: ListMode, step: RecordedStep | None) -> Sequence[tuple[int, int]]:
    """Return the times in which a step counts: from its beginning to its end, without its pauses.

    A step but the first begins when the latest event has come: that one is not in it.
    """
    if step is None:
        return ((FIRST_PS, LAST_PS),)
    end_ps = LAST_PS if step.end_ps is None else step.end_ps
    since_ps = step.begin_ps + (step.number > 1)
    if not step.paused_ps:
        return ((since_ps, end_ps),)
    spans = []
    paused = False
    for kind, time_ps in _pauses(recording, step.begin_ps, end_ps):
        if kind == "pause" and not paused:
            spans.append((since_ps, time_ps))
        paused, since_ps = kind == "pause", time_ps + 1
    return (*spans, *(() if paused else ((since_ps, end_ps),)))


def _gantry_deg(recording: ListMode, step: RecordedStep | None) -> float:
    """Return where the gantry was in the middle of a step, NaN where no mark tells."""
    track = Track()
    if step is None or "marks" not in recording.streams:
        return math.nan
    table = recording.table("marks", ["kind", "time_ps", "text", "value", "value2"])
    told = table.filter(pc.and_(pc.equal(table["kind"], "position"), pc.equal(table["text"], GANTRY)))
    for mark in told.to_pylist():
        track.add(mark["time_ps"], mark["value2"], moving=mark["value"] != 0)
    return track.at(step.begin_ps + ((step.end_ps or step.begin_ps) - step.begin_ps) // 2)


def _pauses(recording: ListMode, begin_ps: int, end_ps: int) -> Iterator[tuple[str, int]]:
    for mark in recording.table("marks", ["kind", "time_ps"]).to_pylist():
        if mark["kind"] in ("pause", "resume") and begin_ps <= mark["time_ps"] <= end_ps:
            yield mark["kind"], mark["time_ps"]


def _parts(recording: ListMode, columns: list[str]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    return recording.numpy("singles", columns)
