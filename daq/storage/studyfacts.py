"""What a recording tells of a study beside its pictures: read of its manifest, its marks, its administration record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from daq.errors import MissingError, RefusedError
from daq.qc.studyfacts import KINDS, StudyFacts
from daq.storage.patientfile import read_administration
from daq.storage.steps import steps_of

if TYPE_CHECKING:
    from daq.storage.reader import ListMode

_COLUMNS = ["time_ps", "kind", "source", "value", "value2", "text"]


def facts_in(recording: ListMode) -> StudyFacts:
    """Return what a verdict needs beside pictures. Raise what reading marks raises."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for batch in recording.batches("marks", _COLUMNS) if "marks" in recording.streams else ():
        chosen = batch.filter(pc.is_in(batch.column("kind"), value_set=pa.array(KINDS))).to_pydict()
        for name, values in chosen.items():
            columns[name] += values
    given, problem = None, ""
    try:
        given = read_administration(recording.directory).to_json()
    except MissingError:
        pass  # there is none, which is for the protocol to judge
    except RefusedError as why:
        problem = str(why)
    told = recording.manifest.model_dump(mode="json")
    if told["steps"] is None:
        told["steps"] = [step.model_dump(mode="json") for step in steps_of(recording) or ()]
    return replace(StudyFacts.of(told, columns, given), administration_problem=problem, damages=damages_in(recording))


def damages_in(recording: ListMode) -> tuple[str, ...]:
    """Return what cannot be read of the files that were looked at, and what a recovery left out within, in sentences.

    What had not reached the disk at the end of a recovered recording is none of it.
    """
    found = [f"{name}, {damage}" for name, damages in recording.damages.items() for damage in damages]
    return (*found, *(
        f"{loss['file']}, {loss['reason']}; rows {loss['first_row']} up to, not including, {loss['stop_row']} were lost"
        for loss in recording.manifest.losses if loss.get("rows_lost") and loss.get("stop_row") is not None
    ))  # fmt: skip
