"""Which streams a recording has, and their Arrow schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq.model.events import STREAMS, StreamName
from daq.storage.schemas import arrow_schema


def stream_schemas(
    decoded: Mapping[StreamName, list[str]], *, store_raw: bool = True, store_rows: bool = True, late: bool = False
) -> dict[StreamName, Any]:
    """Return the Arrow schema of each stream of a recording; `late`: rows are put in order.

    `decoded` are the columns that the layout fills, per stream (`daq.listmode.columns.decoded_columns`). Marks are
    stored in any case: what the host noted is nowhere else.
    """
    schemas: dict[StreamName, Any] = {}
    if store_raw:
        schemas["raw"] = arrow_schema("raw", list(STREAMS["raw"]))
    for stream, columns in decoded.items():
        if store_rows or stream == "marks":
            required = [name for name, column in STREAMS[stream].items() if column.required]
            wanted = {*columns, *required, *(["late"] if late and stream == "singles" else [])}
            schemas[stream] = arrow_schema(stream, [name for name in STREAMS[stream] if name in wanted])
    return schemas
