"""Views that go on with earlier ones: the counts of both in one picture, where they lie over one another.

A view that was stopped and continued is two recordings, and each keeps its own pictures. Here is the one picture that
the view was to be: pixel by pixel the sum, with the live time of both. Nothing is added that was acquired otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, MissingError, RefusedError, ScandaqError
from daq.model.framed import Framed, ImageKind, Slots
from daq.storage.framed import framed_in
from daq.storage.reader import open_listmode
from daq.storage.remarks import corrected

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest

_MOST_PARTS = 10
_NEAR_DEG, _NEAR_MM = 0.5, 1.0
_PS_PER_S = 1e12
_PS_PER_NS = 1000
_SAID = "Recordings of this view whose counts are added up: "
_MOST_COUNTS = int(np.iinfo(np.uint32).max)


def added_up(series: Sequence[Framed], manifest: Manifest, directory: Path) -> tuple[list[Framed], list[str]]:
    """Return the sums of views that go on with those of an earlier recording, and why others are not added up.

    `directory`: where the recording is; the earlier one is looked for beside it and in the days beside that.
    """
    return _added_up(series, manifest, directory, _MOST_PARTS)


def _added_up(
    series: Sequence[Framed], manifest: Manifest, directory: Path, deep: int
) -> tuple[list[Framed], list[str]]:
    wanted = [one for one in series if one.kind is ImageKind.STATIC and len(one.slots) == 1]
    if manifest.continues is None or not wanted:
        return [], []
    try:
        earlier, before = _earlier(manifest.continues, directory, deep)
    except ScandaqError as why:
        return [], [f"what {manifest.acquisition_id} goes on with is not added to it: {why}"]
    sums, against = [], []
    for one in wanted:
        found = next((each for each in earlier if (each.name, each.role) == (one.name, one.role)), None)
        if found is None:
            continue  # a view that was not begun before
        why_not = _why_not(found, one)
        if why_not is not None:
            against.append(f"{one.name} of {before.acquisition_id} is not added: {why_not}")
            continue
        sums.append(_sum(found, one, before, manifest))
    return sums, against


def _earlier(identity: str, directory: Path, deep: int) -> tuple[list[Framed], Manifest]:
    """Return the series of the recording that is gone on with, its own sums in their place, and its manifest."""
    if deep <= 1:
        raise RefusedError(f"at most {_MOST_PARTS} recordings are added up")
    name = escape(identity)
    places = [directory.parent / identity, *sorted(directory.parent.parent.glob(f"*/{name}"))]
    place = next((each for each in places if each.is_dir()), None)
    if place is None:
        raise MissingError(f"{identity} is not beside it any more")
    with open_listmode(place, allow_damaged=True) as recording:
        recording.manifest = manifest = corrected(recording.manifest, place)
        if manifest.state == "open" or manifest.acquisition_id != identity:
            raise RefusedError(f"{identity} is not sealed")
        series = framed_in(recording)
    sums, against = _added_up(series, manifest, place, deep - 1)
    if against:
        raise MismatchError("; ".join(against))
    whole = {(each.name, each.role): each for each in sums}
    return [whole.get((each.name, each.role), each) for each in series], manifest


def _why_not(before: Framed, after: Framed) -> str | None:
    """Return in words why two pictures do not lie over one another; None where they do."""
    return next((words for words, differs in _differences(before, after) if differs), None)


def _differences(before: Framed, after: Framed) -> Iterator[tuple[str, bool]]:
    yield "it is marked not for diagnosis", before.not_for_diagnosis or after.not_for_diagnosis
    yield "it has other heads", [head.number for head in before.heads] != [head.number for head in after.heads]
    yield "its energy windows are others", before.windows != after.windows
    yield "its pixels are others", before.pixels != after.pixels or before.counts.shape != after.counts.shape
    yield "the patient lay otherwise", before.orientation != after.orientation
    yield "it is of another side", before.laterality != after.laterality
    yield "the heads faced something else", [head.view for head in before.heads] != [head.view for head in after.heads]
    yield "the gantry stood elsewhere", _moved(before.slots.gantry_deg, after.slots.gantry_deg, _NEAR_DEG)
    yield "the bed stood elsewhere", _moved(before.slots.bed_mm, after.slots.bed_mm, _NEAR_MM)
    most = int((before.counts.astype(np.uint64) + after.counts).max(initial=0))
    yield "a pixel would have more counts than can be held", most > _MOST_COUNTS


def _moved(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], near: float) -> bool:
    """Return whether an axis is known to have stood elsewhere."""
    return bool(np.any(np.abs(before - after) > near))  # NaN, not known, is near to everything


def _sum(before: Framed, after: Framed, of: Manifest, own: Manifest) -> Framed:
    since_ps = _zero_ps(own) - _zero_ps(of)
    begin_ps, end_ps = before.slots.begin_ps - since_ps, before.slots.end_ps - since_ps
    gap_s = float(after.slots.begin_ps[0] - end_ps[0]) / _PS_PER_S
    slots: Slots = replace(
        after.slots, begin_ps=np.minimum(begin_ps, after.slots.begin_ps),
        live_ps=before.slots.live_ps + after.slots.live_ps,
    )  # fmt: skip
    parts = (*(before.parts or (of.acquisition_id,)), own.acquisition_id)
    said = f"{_SAID}{len(parts)}, {gap_s:.0f} s between the last two"
    others = (each for each in (*before.notes, *after.notes) if not each.startswith(_SAID))
    notes = dict.fromkeys([said, *others])
    return replace(
        after, counts=(before.counts + after.counts).astype(np.uint32), outside=before.outside + after.outside,
        weighted=None, slots=slots, parts=parts, notes=tuple(notes),
        remarked=tuple(dict.fromkeys([*before.remarked, *after.remarked])),
    )  # fmt: skip


def _zero_ps(manifest: Manifest) -> int:
    """Return the time zero of a recording in the clock of its host; 0 where that is not known."""
    start_ns = manifest.time.get("start_utc_ns")
    return start_ns * _PS_PER_NS if type(start_ns) is int else 0
