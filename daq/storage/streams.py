"""Which streams a recording has, and their columns: what the layout fills, changed by what is done to singles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from daq.errors import RefusedError
from daq.listmode.columns import NUMPY_TYPES
from daq.model.events import AMPLITUDES, STREAMS, StreamName
from daq.model.processing import Processing
from daq.storage.schemas import arrow_schema

_PAIRS = ("time_ps", "detector_a", "detector_b", "tof_ps", "energy_a_kev", "energy_b_kev", "kind")


def processed_columns(
    decoded: Mapping[StreamName, list[str]], processing: Processing | None = None
) -> dict[StreamName, list[str]]:
    """Return the columns of each stream after calibration, windows and pairing, in the order of `daq.model.events`.

    `decoded` are the columns that the layout fills (`daq.listmode.columns.decoded_columns`). Raises `RefusedError` for
    amplitudes of channels of which no head makes positions: no file can hold them.
    """
    columns = {stream: list(names) for stream, names in decoded.items()}
    if "singles" not in columns:
        return columns
    singles = _placed(set(columns["singles"]), processing)
    if processing is None:
        return columns
    if not processing.is_none and singles & {"energy_adc", "energy_kev"}:
        singles = (singles - {"energy_adc"}) | {"energy_kev"}
    if processing.windows:
        singles.add("windows")
    columns["singles"] = [name for name in STREAMS["singles"] if name in singles]
    if processing.pairing is not None:
        columns["coincidences"] = list(_PAIRS)
    return columns


def _placed(singles: set[str], processing: Processing | None) -> set[str]:
    """Return the columns with positions and energies in the place of amplitudes."""
    if AMPLITUDES not in singles:
        return singles
    if processing is None or not any(head.sensors for head in processing.heads):
        raise RefusedError(
            "the front end sends amplitudes of channels: without the sensors of its heads, which a scanner profile "
            "names, no positions can be made of them"
        )
    return (singles - {AMPLITUDES}) | {"x_mm", "y_mm", "energy_kev"}


def dtypes_of(
    decoded: Mapping[StreamName, list[str]], processing: Processing | None = None
) -> dict[StreamName, dict[str, np.dtype[Any]]]:
    """Return the NumPy types of the event columns that go into the order, `late` not among them.

    Where no singles are stored all that come so far may pair, and nobody asks for their windows.
    """
    columns = processed_columns(decoded, processing)
    left_out = {"late", *(["windows"] if processing is not None and processing.singles == "none" else [])}
    return {
        stream: {name: np.dtype(NUMPY_TYPES[STREAMS[stream][name].type]) for name in columns[stream]
                 if name not in left_out}
        for stream in decoded
        if stream != "marks"
    }  # fmt: skip


def stream_schemas(
    decoded: Mapping[StreamName, list[str]], *, store_raw: bool = True, store_rows: bool = True, late: bool = False,
    processing: Processing | None = None,
) -> dict[StreamName, Any]:  # fmt: skip
    """Return the Arrow schema of each stream of a recording; `late`: rows are put in order.

    `decoded` are the columns that the layout fills, per stream (`daq.listmode.columns.decoded_columns`). Marks are
    stored in any case: what the host noted is nowhere else.
    """
    schemas: dict[StreamName, Any] = {}
    if store_raw:
        schemas["raw"] = arrow_schema("raw", list(STREAMS["raw"]))
    for stream, columns in processed_columns(decoded, processing).items():
        if stream == "marks" or (store_rows and _is_stored(stream, processing)):
            required = [name for name, column in STREAMS[stream].items() if column.required]
            wanted = {*columns, *required, *(["late"] if late and stream == "singles" else [])}
            schemas[stream] = arrow_schema(stream, [name for name in STREAMS[stream] if name in wanted])
    return schemas


def _is_stored(stream: StreamName, processing: Processing | None) -> bool:
    if processing is None:
        return True
    if stream == "singles":
        return processing.singles != "none"
    return processing.pairs or processing.pairing is None
