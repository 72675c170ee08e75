"""What this format allows of Arrow: flat columns of numbers, booleans, texts and bytes, uncompressed."""

from __future__ import annotations

import pyarrow as pa
from flatbuffers.table import Table


def flat_schema(message: bytes) -> pa.Schema | None:
    """Return the schema of a schema message whose checksum is right, None when it is not readable or not flat."""
    try:
        schema = pa.ipc.read_schema(pa.ipc.read_message(pa.py_buffer(message)))
    except (pa.ArrowException, OSError, ValueError):
        return None
    flat = len(schema) > 0 and all(_is_flat(field.type) for field in schema)
    return schema.remove_metadata() if flat else None


def has_offsets(schema: pa.Schema) -> bool:
    """Return True when a column is of variable length, so that its offsets have to be looked at before use."""
    return any(_is_variable(field.type) for field in schema)


def is_compressed(message: pa.Message) -> bool:
    """Return True when a record batch message says that its buffers are compressed, which this format never does.

    pyarrow has checked the structure. Source: Arrow's Message.fbs, where `header` is field 2 and its `compression` 3.
    """
    flat = bytearray(message.metadata)
    root = Table(flat, int.from_bytes(flat[:4], "little"))
    header = root.Offset(_slot(2))
    batch = Table(flat, root.Indirect(root.Pos + header)) if header else None
    return batch is not None and batch.Offset(_slot(3)) != 0


def _slot(field: int) -> int:
    """Return where a flatbuffer's vtable holds the offset of a field."""
    return 4 + 2 * field


def _is_flat(kind: pa.DataType) -> bool:
    return pa.types.is_primitive(kind) or _is_variable(kind) or pa.types.is_fixed_size_binary(kind)


def _is_variable(kind: pa.DataType) -> bool:
    types = pa.types
    return any(test(kind) for test in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary))
