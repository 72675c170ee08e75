"""Arrow schemas of the streams, and record batches of what the readout produces: NumPy columns or packets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daq.errors import UsageError
from daq.model.events import MARKS, STREAMS, StreamName
from daq.model.packets import NO_SEQUENCE, Packets

HEADER_BYTES = 16
"""Width of the raw column `header` unless the framing says otherwise."""

Columns = Mapping[str, npt.NDArray[Any] | Sequence[Any]]

_MOST_LENGTHS = 64
"""More different payload lengths than this are gathered byte by byte instead of length by length."""


def arrow_schema(stream: StreamName, columns: Sequence[str], header_bytes: int = HEADER_BYTES) -> pa.Schema:
    """Return the schema of `stream` with `columns`, in the order of `daq.model.events.STREAMS`.

    Raise `UsageError` when a column is unknown or a required one is missing. `header_bytes` is for raw alone.
    """
    known = STREAMS[stream]
    unknown = [name for name in columns if name not in known]
    missing = [name for name, column in known.items() if column.required and name not in columns]
    if unknown or missing:
        raise UsageError(f"stream {stream}: unknown columns {unknown}, missing columns {missing}")
    return pa.schema(
        [
            pa.field(name, _arrow_type(column.type, header_bytes), nullable=column.nullable)
            for name, column in known.items()
            if name in columns
        ]
    )


class BatchBuilder:
    """Makes record batches of one schema; what can be known beforehand is worked out once."""

    def __init__(self, stream: StreamName, schema: pa.Schema) -> None:
        self.schema = schema
        self.row_bits = row_bits(schema)
        """Bits of a row, None where rows are unequal."""
        self._stream = stream
        self._names = frozenset(schema.names)
        self._fields = [(f.name, f"{stream}.{f.name}", f.type, _numpy_type(f.type)) for f in schema]

    def build(self, columns: Columns | Packets) -> pa.RecordBatch:
        """Return `columns` as a record batch; see `record_batch`."""
        if isinstance(columns, Packets):
            return _packets(columns, self.schema)
        if columns.keys() != self._names:
            raise UsageError(
                f"stream {self._stream}: columns {sorted(columns)}, the schema has {sorted(self.schema.names)}"
            )
        arrays = [_array(label, kind, plain, columns[name]) for name, label, kind, plain in self._fields]
        if len({len(array) for array in arrays}) > 1:
            rows = {field[0]: len(array) for field, array in zip(self._fields, arrays, strict=True)}
            raise UsageError(f"stream {self._stream}: columns of unequal length: {rows}")
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def size_bytes(self, batch: pa.RecordBatch) -> int:
        """Return the bytes of `batch`, which is of this schema."""
        return int(batch.nbytes if self.row_bits is None else batch.num_rows * self.row_bits // 8)


def record_batch(stream: StreamName, columns: Columns | Packets, schema: pa.Schema) -> pa.RecordBatch:
    """Return `columns` as a record batch of `schema`, which must name exactly the same columns.

    NumPy arrays of the right type are used in place: they must not change afterwards. Packets are copied. The marks'
    `kind` is a string or the uint8 index in `daq.model.events.MARKS`; a raw `sequence` of `NO_SEQUENCE` becomes null.
    Raise `UsageError` on unequal lengths, unknown columns or marks, and on types that do not fit without loss.
    """
    return BatchBuilder(stream, schema).build(columns)


def row_bits(schema: pa.Schema) -> int | None:
    """Return the bits that one row takes, None where texts, binary values or nulls make rows unequal."""
    if any(
        field.nullable or pa.types.is_string(field.type) or pa.types.is_large_binary(field.type) for field in schema
    ):
        return None
    return int(sum(field.type.bit_width for field in schema))


def _arrow_type(name: str, header_bytes: int) -> pa.DataType:
    if name == "fixed_size_binary":
        return pa.binary(header_bytes)
    return pa.bool_() if name == "bool" else pa.type_for_alias(name)


def _numpy_type(kind: pa.DataType) -> np.dtype[Any] | None:
    """Return the NumPy type whose vectors are Arrow's buffers as they are, None where something must be rebuilt."""
    if pa.types.is_primitive(kind) and not pa.types.is_boolean(kind):
        plain: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return plain
    return None


def _array(label: str, kind: pa.DataType, plain: np.dtype[Any] | None, values: Any) -> pa.Array:
    if label == "raw.sequence":
        return _sequence(_plain(label, np.dtype(np.uint64), values))
    if plain is not None:
        vector = _plain(label, plain, values)
        return pa.Array.from_buffers(kind, len(vector), [None, pa.py_buffer(vector)], 0)
    if label == "marks.kind":
        return _mark_kinds(values)
    if pa.types.is_boolean(kind):
        flags = _plain(label, np.dtype(np.bool_), values)
        return _flat(kind, len(flags), np.packbits(flags, bitorder="little"))
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError) as why:
        raise UsageError(f"{label}: {why}") from None


def _plain(name: str, want: np.dtype[Any], values: Any) -> npt.NDArray[Any]:
    """Return `values` as a contiguous vector of dtype `want`, in place when it is one."""
    if isinstance(values, np.ndarray) and values.dtype == want and values.ndim == 1 and values.flags.c_contiguous:
        return values
    try:
        array = np.asarray(values) if isinstance(values, np.ndarray) else np.asarray(values, want)
    except (OverflowError, ValueError, TypeError) as why:
        raise UsageError(f"{name}: {why}") from None
    if array.ndim != 1 or not np.can_cast(array.dtype, want, "safe"):
        raise UsageError(f"{name}: {array.dtype} of {array.ndim} dimensions is no vector of {want}")
    return np.ascontiguousarray(array, want)


def _flat(kind: pa.DataType, rows: int, values: npt.NDArray[Any]) -> pa.Array:
    return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(values)])


def _sequence(values: npt.NDArray[np.uint64]) -> pa.Array:
    known = values != NO_SEQUENCE
    nulls = len(values) - int(np.count_nonzero(known))
    validity = pa.py_buffer(np.packbits(known, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(pa.uint64(), len(values), [validity, pa.py_buffer(values)], nulls)


def _mark_kinds(values: Any) -> pa.Array:
    if isinstance(values, np.ndarray) and values.dtype == np.uint8:
        if len(values) and int(values.max()) >= len(MARKS):
            raise UsageError(f"marks.kind: code {int(values.max())}, the last mark is {len(MARKS) - 1}")
        return pa.array(MARKS, pa.string()).take(pa.array(values))
    unknown = sorted(set(values) - set(MARKS))
    if unknown:
        raise UsageError(f"marks.kind: {unknown} are no marks")
    return pa.array(values, pa.string())


def _packets(packets: Packets, schema: pa.Schema) -> pa.RecordBatch:
    rows = len(packets)
    width = schema.field("header").type.byte_width
    plain: dict[str, npt.NDArray[Any]] = {
        "source": np.array(packets.source, np.uint16),
        "arrival_ns": np.array(packets.arrival_ns, np.int64),
        "flags": np.array(packets.flags, np.uint8),
        "header": _headers(packets.header, rows, width),
    }
    arrays = {name: _flat(schema.field(name).type, rows, values) for name, values in plain.items()}
    arrays["sequence"] = _sequence(np.array(packets.sequence, np.uint64))
    starts = np.zeros(rows + 1, np.int64)
    np.cumsum(packets.length, out=starts[1:])
    data = gather(packets.data, packets.offset, packets.length, starts)
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(data)]
    arrays["data"] = pa.Array.from_buffers(pa.large_binary(), rows, buffers)
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)


def _headers(header: npt.NDArray[np.uint8], rows: int, width: int) -> npt.NDArray[np.uint8]:
    given = header.shape[-1]
    if given > width:
        raise UsageError(f"raw.header: {given} bytes, the schema keeps {width}")
    kept = np.zeros((rows, width), np.uint8)
    if given:
        kept[:, :given] = header
    return kept.reshape(-1)


def gather(
    data: npt.NDArray[np.uint8],
    offset: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint8]:
    """Return a copy of the payloads `data[offset[i]:offset[i] + length[i]]` one behind the other.

    `starts` is the running sum of `length`, one element longer. Raise `UsageError` when a payload leaves `data`.
    """
    total = int(starts[-1])
    if not total:
        return np.empty(0, np.uint8)
    if int(offset.min()) < 0 or int(length.min()) < 0 or int((offset + length).max()) > len(data):
        raise UsageError(f"raw.data: a payload leaves the {len(data)} bytes given")
    if np.array_equal(offset[1:], offset[:-1] + length[:-1]):
        first = int(offset[0])
        return np.array(data[first : first + total])
    sizes = np.unique(length[length > 0])
    if len(sizes) > _MOST_LENGTHS:
        index = np.repeat(offset - starts[:-1], length) + np.arange(total)
        return data[index]
    out = np.empty(total, np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view
    for size in sizes.tolist():
        rows = length == size
        windows(out, size, writeable=True)[starts[:-1][rows]] = windows(data, size)[offset[rows]]
    return out
