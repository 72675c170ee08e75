"""Which streams a recording has, and their Arrow schemas."""

from __future__ import annotations

from typing import Any

from daq.listmode.decoder import Decoder
from daq.model.events import STREAMS, StreamName
from daq.storage.schemas import arrow_schema


def stream_schemas(
    decoder: Decoder, *, store_raw: bool = True, store_rows: bool = True, late: bool = False
) -> dict[StreamName, Any]:
    """Return the Arrow schema of each stream that a recording with `decoder` writes; `late`: rows are put in order.

    Marks are stored in any case: what the host noted is nowhere else.
    """
    schemas: dict[StreamName, Any] = {}
    if store_raw:
        schemas["raw"] = arrow_schema("raw", list(STREAMS["raw"]))
    for stream, columns in decoder.columns.items():
        if store_rows or stream == "marks":
            required = [name for name, column in STREAMS[stream].items() if column.required]
            wanted = {*columns, *required, *(["late"] if late and stream == "singles" else [])}
            schemas[stream] = arrow_schema(stream, [name for name in STREAMS[stream] if name in wanted])
    return schemas
