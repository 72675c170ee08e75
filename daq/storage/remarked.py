"""Series of pictures as people remarked and corrected them (`daq.storage.remarks`); counts are never changed.

What was corrected, and by whom, stands in the notes of a series: on its contact sheet and in its DICOM object. Reasons
do not: they may say who it is about, and pictures name nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from daq.model.framed import NOT_FOR_DIAGNOSIS as MARKED
from daq.model.framed import Framed
from daq.model.geometry import Laterality
from daq.storage.remarks import COUNTS, LABEL, NOT_FOR_DIAGNOSIS, ORIENTATION, SIDE, Remark, read_remarks

_SIDES = {"L": "left", "R": "right", "": "no side"}


def remarked(series: Sequence[Framed], directory: Path) -> list[Framed]:
    """Return the series with corrected labels and sides, and sentences of what was remarked.

    Raise `FormatError` where the remarks of the recording were changed: then nobody knows what is true of it.
    """
    remarks = read_remarks(directory)
    return [_of(one, [each for each in remarks if concerns(each, one)]) for one in series] if remarks else list(series)


def said_of(directory: Path) -> list[str]:
    """Return what was remarked of a recording, in sentences without reasons, the newest of each kind and step."""
    newest = {(remark.what, remark.step): remark for remark in read_remarks(directory)}
    return [f"{'' if each.step is None else f'Step {each.step}: '}{_sentence(each)}" for each in newest.values()]


def concerns(remark: Remark, one: Framed) -> bool:
    """Return whether a remark is about a series: about one of its steps, or about all of the recording."""
    return remark.step is None or remark.step in one.steps


def _of(one: Framed, remarks: Sequence[Remark]) -> Framed:
    newest = {remark.what: remark for remark in remarks if remark.what != COUNTS}  # which is said of the study
    if not newest:
        return one
    label, side = newest.get(LABEL), newest.get(SIDE)
    said = tuple(_sentence(each) for each in newest.values())
    return replace(
        one,
        label=one.label if label is None else label.value or "",
        laterality=one.laterality if side is None else Laterality(side.value) if side.value else None,
        remarked=said,
        notes=(*said, *one.notes),
    )


def _sentence(remark: Remark) -> str:
    who = f"{remark.by} on {remark.at_utc[:10]}"
    if remark.what == NOT_FOR_DIAGNOSIS:
        return f"{MARKED}: marked so by {who}"
    if remark.what == ORIENTATION:
        return f"Corrected by {who}: the patient lay {remark.value}, not {remark.old}"
    if remark.what == SIDE:
        return f"Corrected by {who}: {_SIDES[remark.value or '']}, not {_SIDES[remark.old or '']}"
    if remark.what == LABEL:
        return f'Corrected by {who}: the view is "{remark.value}", not "{remark.old}"'
    if remark.what == COUNTS:
        return f"Of views taken twice this one counts: said by {who}"
    return f"Remarked by {who}: {remark.what}"
