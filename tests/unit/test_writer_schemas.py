"""Columns and packets as Arrow: types, nulls, marks by code, payloads wherever they lie."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import UsageError
from daq.listmode.blocks import BatchPlan
from daq.model.events import MARKS, STREAMS
from daq.model.packets import NO_SEQUENCE, Packets
from daq.storage.schemas import arrow_schema, record_batch

MARK_ROWS = arrow_schema("marks", list(STREAMS["marks"]))
RAW = arrow_schema("raw", list(STREAMS["raw"]))


def packets(data: bytes, places: list[tuple[int, int]], sequence: list[int], header_bytes: int = 16) -> Packets:
    rows = len(places)
    return Packets(
        data=np.frombuffer(data, np.uint8),
        offset=np.array([offset for offset, _ in places], np.int64),
        length=np.array([length for _, length in places], np.int64),
        source=np.arange(rows, dtype=np.uint16),
        sequence=np.array(sequence, np.uint64),
        arrival_ns=np.arange(rows, dtype=np.int64) - 1,
        flags=np.zeros(rows, np.uint8),
        header=np.full((rows, header_bytes), 7, np.uint8),
    )


def test_columns_come_in_the_order_of_the_model() -> None:
    schema = arrow_schema("singles", ["windows", "detector", "time_ps"])

    assert schema.names == ["time_ps", "detector", "windows"]
    assert [field.nullable for field in schema] == [False, False, False]
    assert arrow_schema("raw", list(STREAMS["raw"]), header_bytes=8).field("header").type == pa.binary(8)
    assert [field.name for field in RAW if field.nullable] == ["sequence"]


@pytest.mark.parametrize("columns", [["detector"], ["time_ps", "colour"]])
def test_missing_and_unknown_columns_are_refused(columns: list[str]) -> None:
    with pytest.raises(UsageError, match="stream singles"):
        arrow_schema("singles", columns)


def test_numpy_columns_are_used_in_place() -> None:
    times = np.arange(5)
    schema = arrow_schema("singles", ["time_ps"])

    batch = record_batch("singles", {"time_ps": times}, schema)

    assert batch.column("time_ps").buffers()[1].address == times.ctypes.data
    batch.validate(full=True)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("detector", np.array([-1], np.int64)),
        ("detector", [1 << 32]),
        ("detector", [-1]),
        ("time_ps", np.array([0.5])),
        ("time_ps", np.zeros((1, 1), np.int64)),
        ("time_ps", ["now"]),
        ("detector", [1, 2]),
    ],
)
def test_values_that_do_not_fit_are_refused(column: str, values: object) -> None:
    columns = {"time_ps": [1], "detector": [1], column: values}

    with pytest.raises(UsageError, match="singles"):
        record_batch("singles", columns, arrow_schema("singles", ["time_ps", "detector"]))  # type: ignore[arg-type]


def test_marks_are_named_by_code_or_by_word() -> None:
    rest = {"time_ps": [1, 2], "source": [0, 0], "value": [0, 0], "value2": [0.0, np.nan], "text": ["", "x"]}
    codes = np.array([0, len(MARKS) - 1], np.uint8)

    by_code = record_batch("marks", {**rest, "kind": codes}, MARK_ROWS)
    by_word = record_batch("marks", {**rest, "kind": [MARKS[0], MARKS[-1]]}, MARK_ROWS)

    assert by_code.column("kind") == by_word.column("kind")
    with pytest.raises(UsageError, match="no marks"):
        record_batch("marks", {**rest, "kind": ["start", "lunch"]}, MARK_ROWS)
    with pytest.raises(UsageError, match="code 255"):
        record_batch("marks", {**rest, "kind": np.array([0, 255], np.uint8)}, MARK_ROWS)


def test_packets_keep_their_bytes_and_an_unknown_sequence_is_null() -> None:
    batch = record_batch("raw", packets(b"abcdef", [(0, 2), (2, 0), (2, 4)], [0, NO_SEQUENCE, 9]), RAW)

    assert batch.column("data").to_pylist() == [b"ab", b"", b"cdef"]
    assert batch.column("sequence").to_pylist() == [0, None, 9]
    assert batch.column("header").to_pylist() == [b"\x07" * 16] * 3
    batch.validate(full=True)


def test_a_buffer_used_again_does_not_change_the_rows() -> None:
    memory = bytearray(b"abcd")
    batch = record_batch("raw", packets(memory, [(0, 4)], [0]), RAW)  # type: ignore[arg-type]

    memory[:] = b"____"

    assert batch.column("data").to_pylist() == [b"abcd"]


def test_headers_are_filled_with_zeros_and_never_cut() -> None:
    short = record_batch("raw", packets(b"", [(0, 0)], [0], header_bytes=4), RAW)

    assert short.column("header").to_pylist() == [b"\x07" * 4 + bytes(12)]
    with pytest.raises(UsageError, match=r"raw\.header: 20 bytes"):
        record_batch("raw", packets(b"", [(0, 0)], [0], header_bytes=20), RAW)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 90)), max_size=120))
@settings(deadline=None)
def test_payloads_are_gathered_from_anywhere(places: list[tuple[int, int]]) -> None:
    data = bytes(np.random.default_rng(1).integers(0, 256, 290, np.uint8))

    batch = record_batch("raw", packets(data, places, [0] * len(places)), RAW)

    assert batch.column("data").to_pylist() == [data[at : at + size] for at, size in places]


@pytest.mark.parametrize("place", [(-1, 2), (0, 7), (6, 1), (1, -1)])
def test_a_payload_outside_the_data_is_refused(place: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="leaves the 6 bytes"):
        record_batch("raw", packets(b"abcdef", [(0, 6), place], [0, 0]), RAW)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=6))
@settings(deadline=None)
def test_chunks_cut_anywhere_are_planned_as_their_concatenation(cuts: list[tuple[int, int]]) -> None:
    whole = pa.record_batch(
        {
            "number": pa.array(range(60), pa.int32()),
            "flag": pa.array([n % 3 == 0 for n in range(60)]),
            "text": pa.array(["x" * (n % 5) for n in range(60)]),
            "null": pa.array([n if n % 4 else None for n in range(60)], pa.uint64()),
            "data": pa.array([bytes([n]) * (n % 7) for n in range(60)], pa.large_binary()),
            "fixed": pa.array([bytes([n] * 3) for n in range(60)], pa.binary(3)),
        }
    )
    chunks = [whole.slice(start, length) for start, length in cuts]
    plan = BatchPlan.of_chunks(chunks)
    body = pa.py_buffer(bytearray(plan.body_bytes))

    plan.copy_body(memoryview(body).cast("B"))

    got = [rebuilt(plan, body, index, field) for index, field in enumerate(whole.schema)]
    assert got == [pa.concat_arrays([chunk.column(i) for chunk in chunks]).to_pylist() for i in range(6)]


def rebuilt(plan: BatchPlan, body: pa.Buffer, index: int, field: pa.Field) -> list[object]:
    """Read column `index` back through the plan's offsets, as an Arrow reader does."""
    widths = [2, 2, 3, 2, 3, 2]
    first = sum(widths[:index])
    places = plan.buffers[first : first + widths[index]]
    rows, nulls = plan.nodes[index]
    buffers = [body.slice(at, size) if size or number else None for number, (at, size) in enumerate(places)]
    return list(pa.Array.from_buffers(field.type, rows, buffers, nulls).to_pylist())
