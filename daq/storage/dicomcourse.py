"""The course of an acquisition in DICOM: when and how it began and ended, what was corrected, what must be known."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydicom import Dataset

from daq.model.framed import Framed, ImageKind
from daq.storage.dicomstudy import Dates
from daq.storage.dicomvalues import put, put_text, put_whole, time_of
from daq.storage.manifest import Manifest

_ENDED = {"time": "TIME", "host": "TIME", "operator": "MANU", "manual": "MANU", "beats": "TRIG"}
_COUNTERS = ("singles", "events", "prompts", "coincidences")
_FRAMES_BEGAN_BY = {"count_rate": "DENS", "gate": "TRIG"}
_STARTED = {"manual": "MANU", "automatic": "AUTO"}
_TRIGGERS = {"ecg": "EKG", "respiration": "RESP"}
_MOST_COMMENT = 10_000
_ALL_OF_IT = 0.9


def protocol_of(manifest: Manifest) -> Mapping[str, Any]:
    """Return the file of the protocol as plain data; empty where the recording has none that can be read."""
    text = (manifest.protocol or {}).get("toml")
    try:
        return tomllib.loads(text) if isinstance(text, str) else {}
    except tomllib.TOMLDecodeError:
        return {}


def _entry(framed: Framed, manifest: Manifest) -> Mapping[str, Any]:
    """Return what the protocol's file says of the step that a series is of; empty where it has none of that name."""
    entries = protocol_of(manifest).get("steps")
    of_it = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    return next((each for each in of_it if each.get("name") == framed.name), {})


def add_course(to: Dataset, framed: Framed, manifest: Manifest, dates: Dates) -> None:
    """Add when it was acquired, how it ended, what was corrected, and what a reader must know."""
    begin = dates.at(int(framed.slots.begin_ps.min()))
    for what in ("Acquisition", "Series", "Content"):
        put(to, f"{what}Date", None if begin is None else f"{begin:%Y%m%d}")
        put(to, f"{what}Time", time_of(begin))
    _add_conditions(to, framed, _entry(framed, manifest))
    corrected = list(_corrections(framed, manifest))
    if corrected:
        put(to, "CorrectedImage", corrected)
    said = ". ".join(sentence.rstrip(".") for sentence in remarks(framed, manifest))
    if said:
        put_text(to, "ImageComments", f"{said}."[:_MOST_COMMENT])


def _add_conditions(to: Dataset, framed: Framed, entry: Mapping[str, Any]) -> None:
    """Add what it began and ended by. The terms of the beginning are those of PET (PS3.3 C.8.9.1.1.6): NM has none."""
    began = _beginning(framed, entry)
    if began:
        put(to, "AcquisitionStartCondition", began)
    ended, _, limit = (framed.ended_by or "").rpartition("=")
    said = _termination(framed.ended_by or "")
    if said:
        put(to, "AcquisitionTerminationCondition", said)
    if said in ("CNTS", "TRIG") and ended and limit.isdecimal():
        put_whole(to, "AcquisitionTerminationConditionData", int(limit))
    trigger = _TRIGGERS.get(str(_table(entry, "gate").get("trigger")))
    if framed.beats is not None and trigger:
        put_text(to, "TriggerSourceOrType", trigger)


def _beginning(framed: Framed, entry: Mapping[str, Any]) -> str | None:
    """Return what frames began by in DICOM's terms; None of a recording without a protocol."""
    if framed.frame_zero_ps is not None:
        return _FRAMES_BEGAN_BY.get(str(_table(entry, "frame_zero").get("by")))
    return _STARTED.get(str(entry.get("start", "automatic"))) if entry else None


def _table(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = entry.get(key)
    return found if isinstance(found, dict) else {}


def _termination(ended_by: str) -> str | None:
    """Return how it ended in DICOM's terms; None for what has none: a lost source, a full disk."""
    if ended_by.startswith(_COUNTERS):
        return "CNTS"
    return _ENDED.get(ended_by.partition("=")[0])


def _corrections(framed: Framed, manifest: Manifest) -> Iterator[str]:
    heads = (manifest.processing or {}).get("heads") or ()
    if framed.weighted is not None:
        yield "UNIF"
    if any(head.get("energy") for head in heads):
        yield "NRGY"
    if any(head.get("shift_x") for head in heads):
        yield "LIN"


def remarks(framed: Framed, manifest: Manifest) -> Iterator[str]:
    """Yield what DICOM has no attribute for, in sentences."""
    if manifest.simulated:
        yield "SIMULATED, not a patient"
    for requirement, why in manifest.overrides.items():
        yield f"Acquired in spite of what is missing, {requirement}: {why}"
    if not framed.completed:
        yield f"Not completed: ended by {framed.ended_by or 'what is not known'}"
    yield from framed.notes
    outside = int(framed.outside.sum())
    if outside:
        yield f"{outside:,} events in the windows are {framed.outside_words}"
    if framed.strip is not None:
        few = np.flatnonzero(~framed.strip.exposed(_ALL_OF_IT))
        if len(few):
            yield f"{len(few)} of {framed.pixels.rows} rows have less than 90 % of the full exposure: {_rows(framed)}"
    short = int(np.count_nonzero(framed.slots.live_ps < 0.99 * (framed.slots.end_ps - framed.slots.begin_ps)))
    if short and framed.kind in (ImageKind.STATIC, ImageKind.DYNAMIC, ImageKind.TOMO):
        yield f"{short} of {len(framed.slots)} frames counted for less than 99 % of their time: pauses or gaps"


def _rows(framed: Framed) -> str:
    """Return the runs of rows that are not fully exposed, counted from 1 at the top."""
    strip = framed.strip
    if strip is None:
        return ""
    low = ~strip.exposed(_ALL_OF_IT)[::-1]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], low.astype(np.int8), [0]))))
    return ", ".join(f"{first + 1} to {last}" for first, last in zip(edges[::2], edges[1::2], strict=True))
