"""What a recording tells of a study beside its pictures: read of its manifest, its marks, its administration record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from daq.errors import MissingError, RefusedError
from daq.qc.studyfacts import KINDS, StudyFacts
from daq.storage.patientfile import read_administration

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
    return replace(
        StudyFacts.of(recording.manifest.model_dump(mode="json"), columns, given), administration_problem=problem
    )
