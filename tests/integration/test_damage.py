"""Damage anywhere: exactly the touched batches are lost and named, the others read back, nothing wrong is returned.

The oracle is simple: a batch is whole when its message's bytes still stand, in one piece, in the file.
"""

import io
import os
import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_listmode import Made, coincidences, make_directory, marks, segment, six_batches

from daq.errors import FormatError, ScandaqError, VerificationError
from daq.listmode.blocks import CONTINUATION, PAGE, BatchPlan, batch_header, chain, facts_json, read_message
from daq.storage.info import describe, info_text
from daq.storage.manifest import MANIFEST, dump_manifest, parse_manifest
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.scan import scan_segment
from daq.storage.verify import Report, verify

MADE = [six_batches(), six_batches(index=1, first_row=60), segment("marks", [marks(0, 3), marks(3, 5)])]
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
Harm = Callable[[bytes], bytes]


def flip(at: int, bit: int) -> Harm:
    return lambda data: data[: at % len(data)] + bytes([data[at % len(data)] ^ 1 << bit]) + data[at % len(data) + 1 :]


def cut(at: int, size: int) -> Harm:
    return lambda data: data[: at % len(data)] + data[at % len(data) + size :]


def insert(at: int, more: bytes) -> Harm:
    return lambda data: data[: at % len(data)] + more + data[at % len(data) :]


def truncate(at: int, zeros: int) -> Harm:
    return lambda data: data[: at % len(data)] + bytes(zeros)


def zero_pages(page: int, count: int) -> Harm:
    def harm(data: bytes) -> bytes:
        start = page * PAGE % len(data)
        stop = min(start + count * PAGE, len(data))
        return data[:start] + bytes(stop - start) + data[stop:]

    return harm


def move(start: int, size: int, to: int) -> Harm:
    def harm(data: bytes) -> bytes:
        a = start % len(data)
        rest = data[:a] + data[a + size :]
        return insert(to, data[a : a + size])(rest) if rest else data

    return harm


def replace(new: bytes) -> Harm:
    return lambda _: new


offsets = st.one_of(st.integers(0, 60_000), st.integers(0, 14).map(lambda page: page * PAGE))
sizes = st.one_of(st.integers(1, 12_000), st.integers(1, 4).map(lambda pages: pages * PAGE))
harms = st.one_of(
    st.builds(flip, offsets, st.integers(0, 7)),
    st.builds(cut, offsets, sizes),
    st.builds(
        insert, offsets, st.one_of(st.binary(min_size=1, max_size=300), sizes.map(bytes), st.just(CONTINUATION * 2))
    ),
    st.builds(truncate, offsets, st.sampled_from([0, 8, PAGE, 10_000])),
    st.builds(zero_pages, st.integers(0, 14), st.integers(1, 3)),
    st.builds(move, offsets, sizes, offsets),
)


def whole_rows(made: Made, data: bytes, first_row: int) -> list[tuple[int, int]]:
    """Return the row ranges of batches whose message stands in `data`."""
    ranges, row = [], first_row
    for start, end in made.messages[1:]:
        found = read_message(memoryview(made.data), start)
        assert not isinstance(found, str)
        rows = found.facts["rows"]
        if made.data[start:end] in data:
            ranges.append((row, row + rows))
        row += rows
    return ranges


def lost_rows(report: Report) -> set[int]:
    lost: set[int] = set()
    for found in report.segments:
        for damage in found.damages:
            if damage.rows is not None:
                first, stop = damage.rows
                assert first is not None
                assert stop is not None
                lost |= set(range(first, stop))
    return lost


@EXAMPLES
@given(st.lists(harms, min_size=1, max_size=3), st.integers(0, 1))
def test_exactly_the_damaged_batches_are_lost_and_named(many: list[Harm], which: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = make_directory(Path(name) / "run", MADE[:2])
        data = MADE[which].data
        for harm in many:
            data = harm(data) if data else data
        (directory / MADE[which].entry.file).write_bytes(data)
        ranges = whole_rows(MADE[which], data, 60 * which) + whole_rows(
            MADE[1 - which], MADE[1 - which].data, 60 - 60 * which
        )
        expected = pa.Table.from_batches([coincidences(a, b) for a, b in sorted(ranges)], MADE_SCHEMA)

        report = verify(directory)
        with open_listmode(directory, allow_damaged=True) as run:
            read = run.table("coincidences")

        assert read.combine_chunks() == expected.combine_chunks()
        assert lost_rows(report) == set(range(120)) - {row for a, b in ranges for row in range(a, b)}
        if data == MADE[which].data:
            assert report.verdict == "ok"
            return
        assert report.verdict == "damaged"
        with pytest.raises(VerificationError), open_listmode(directory) as run:
            run.table("coincidences")
        saved = Path(name) / "saved"
        recover(directory, saved)
        assert verify(saved).verdict == "ok"
        with open_listmode(saved) as run:
            assert run.table("coincidences").combine_chunks() == expected.combine_chunks()


MADE_SCHEMA = coincidences(0, 0).schema


def test_every_byte_of_headers_and_seal_matters(tmp_path: Path) -> None:
    made = segment("coincidences", [coincidences(0, 10), coincidences(10, 20)])
    path = tmp_path / made.entry.file
    path.write_bytes(made.data)
    (_, schema_end), first, second = made.messages
    headers = [*range(schema_end), *range(first[0], first[0] + PAGE), *range(second[0], second[0] + PAGE)]
    lost = {0: None, 1: (0, 10), 2: (10, 20)}
    with path.open("r+b", buffering=0) as file:
        for at in [*headers, *range(second[1], len(made.data))]:
            os.pwrite(file.fileno(), bytes([made.data[at] ^ 1 << at % 8]), at)
            found = scan_segment(path, expected=made.entry)
            os.pwrite(file.fileno(), made.data[at : at + 1], at)

            hit = next((i for i, (a, b) in enumerate(made.messages) if a <= at < b), None)
            assert found.damages, at
            assert [b.number for b in found.batches] == [n for n in (1, 2) if n != hit], at
            rows = [damage.rows for damage in found.damages if damage.rows is not None]
            assert rows == ([] if hit is None or lost[hit] is None else [lost[hit]]), at
    assert scan_segment(path, expected=made.entry).damages == ()


def test_every_flipped_byte_of_the_manifest_is_refused_and_recovered_from(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run", MADE)
    text = (directory / MANIFEST).read_bytes()
    for at in range(len(text)):
        changed = text[:at] + bytes([text[at] ^ 1 << at % 8]) + text[at + 1 :]
        with pytest.raises(FormatError):
            parse_manifest(changed, MANIFEST)
    (directory / MANIFEST).write_bytes(text[: len(text) // 2])
    assert verify(directory).rows == {"coincidences": 120, "marks": 5}
    recover(directory, tmp_path / "saved")
    assert verify(tmp_path / "saved").rows == {"coincidences": 120, "marks": 5}


@EXAMPLES
@given(
    st.lists(st.one_of(harms, st.builds(replace, st.binary(max_size=5000))), min_size=1, max_size=3),
    st.sampled_from([MANIFEST, *(made.entry.file for made in MADE)]),
    st.sampled_from(["sealed", "open"]),
)
def test_no_bytes_give_a_traceback_or_wrong_rows(many: list[Harm], file: str, state: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = make_directory(Path(name) / "run", MADE, state=state)
        data = (directory / file).read_bytes()
        for harm in many:
            data = harm(data) if data else data
        (directory / file).write_bytes(data)

        for use in (use_verify, use_info, use_reader, use_recover):
            with suppress(ScandaqError):
                use(directory)


def use_verify(directory: Path) -> None:
    assert verify(directory).verdict in ("ok", "damaged", "unsealed")


def use_info(directory: Path) -> None:
    assert info_text(describe(directory))


def use_reader(directory: Path) -> None:
    with open_listmode(directory, allow_damaged=True) as run:
        for batch in run.batches("coincidences"):
            row = (batch.column("time_ps")[0].as_py() + 500) // 1000
            assert batch == coincidences(row, row + batch.num_rows)


def use_recover(directory: Path) -> None:
    out = directory.with_name("saved")
    recover(directory, out)
    assert verify(out).verdict == "ok"


def hostile_batch(facts: dict[str, Any], batch: pa.RecordBatch, **plan: Any) -> bytes:
    """A record batch whose checksum is right and whose flatbuffer tells lies."""
    honest = BatchPlan.of(batch)
    body = bytearray(honest.body_bytes)
    honest.copy_body(memoryview(body))
    fields = {name: getattr(honest, name) for name in ("rows", "nodes", "buffers", "body_bytes")}
    header, _ = batch_header(BatchPlan(**{**fields, **plan, "sources": ()}), facts, body)
    return header + bytes(body)


LIES: list[dict[str, Any]] = [
    {"rows": 1 << 40},
    {"rows": -1},
    {"nodes": ((10, 0), (10, 0))},
    {"nodes": ((1 << 60, 0), (10, 0), (10, 0))},
    {"nodes": ((-5, 7), (10, 0), (10, 0))},
    {"buffers": ((0, 0), (0, 1 << 50), (0, 0), (128, 40), (0, 0), (192, 10))},
    {"buffers": ((0, 0), (1 << 50, 80), (0, 0), (128, 40), (0, 0), (192, 10))},
    {"buffers": ((0, 0), (-64, 80), (0, 0), (128, 40), (0, 0), (192, 10))},
    {"buffers": ((0, 0),)},
    {"buffers": ((0, 0), (0, 8), (0, 0), (128, 40), (0, 0), (192, 10))},
]


@pytest.mark.parametrize("lie", range(len(LIES)))
def test_a_batch_that_lies_with_a_right_checksum_is_refused_in_words(tmp_path: Path, lie: int) -> None:
    head = MADE[0].data[: MADE[0].messages[0][1]]
    found = read_message(memoryview(MADE[0].data), MADE[0].messages[1][0])
    assert not isinstance(found, str)
    facts = {key: value for key, value in found.facts.items() if key not in ("listmode", "crc32", "body")}
    data = head + hostile_batch(facts, coincidences(0, 10), **LIES[lie]) + MADE[0].data[-8:]
    directory = make_directory(tmp_path / "run", [MADE[0]], state="open")
    (directory / MADE[0].entry.file).write_bytes(data)

    with pytest.raises(FormatError, match="batch 0"), open_listmode(directory, allow_damaged=True) as run:
        run.table("coincidences")


def compressed_batch(facts: dict[str, Any], batch: pa.RecordBatch) -> bytes:
    """A record batch with a right checksum whose few bytes grow large in memory."""
    pad, body = 0, 0
    for _ in range(5):
        line = facts_json({**facts, "body": body})
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_batch(batch, custom_metadata={"scandaq": line, "pad": " " * pad})
        stream = sink.getvalue()
        message = bytearray(stream[8 + int.from_bytes(stream[4:8], "little") : -8])
        header = 8 + int.from_bytes(message[4:8], "little")
        size = -(-(len(message) - header) // PAGE) * PAGE
        if header % PAGE == 0 and size == body:
            break
        pad, body = pad + -header % PAGE, size
    message += bytes(header + body - len(message))
    digits = message.index(b'"crc32":"00000000"') + 9
    message[digits : digits + 8] = b"%08x" % zlib.crc32(message)
    return bytes(message)


def test_a_compressed_batch_is_refused_before_it_grows(tmp_path: Path) -> None:
    rows = 100_000
    batch = pa.record_batch([pa.array([0] * rows, pa.int64())], ["time_ps"])
    head = segment("coincidences", [batch]).data
    head = head[: 8 + int.from_bytes(head[4:8], "little")]
    found = read_message(memoryview(head), 0)
    assert not isinstance(found, str)
    facts = {"stream": "coincidences", "acquisition": "test-1", "segment": 0, "seq": 0, "rows": rows, "first_row": 0}
    data = head + compressed_batch({**facts, "prev": f"{chain(0, found.crc32):08x}"}, batch)
    directory = make_directory(tmp_path / "run", [], state="open")
    (directory / "coincidences-00000.arrows").write_bytes(data)
    assert len(data) < 5 * PAGE

    with pytest.raises(FormatError, match="batch 0 is compressed"), open_listmode(directory) as run:
        run.table("coincidences")


SCHEMAS = {
    "no columns": pa.schema([]),
    "other types": pa.schema([("time_ps", pa.string()), ("bin", pa.float64()), ("kind", pa.int64())]),
    "too many columns": pa.schema([(f"c{i}", pa.int64()) for i in range(30)]),
    "nested": pa.schema([("time_ps", pa.list_(pa.int64())), ("bin", pa.uint32()), ("kind", pa.uint8())]),
    "dictionary": pa.schema(
        [("time_ps", pa.dictionary(pa.int32(), pa.string())), ("bin", pa.uint32()), ("kind", pa.uint8())]
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_that_does_not_fit_its_batches_is_refused_in_words(tmp_path: Path, name: str) -> None:
    made = segment("coincidences", [coincidences(0, 10)], schema=SCHEMAS[name])
    directory = make_directory(tmp_path / "run", [made])

    with (
        pytest.raises(FormatError, match=r"no schema|no record batch of its schema"),
        open_listmode(directory, allow_damaged=True) as run,
    ):
        run.table("coincidences")


def test_offsets_that_point_outside_are_refused(tmp_path: Path) -> None:
    batch = marks(0, 3)
    plan = BatchPlan.of(batch)
    body = bytearray(plan.body_bytes)
    plan.copy_body(memoryview(body))
    start = plan.buffers[3][0]
    body[start : start + 16] = struct.pack("<4i", 0, 4, 0x0FFFFFFF, 0x7FFFFFFF)
    found = read_message(memoryview(MADE[2].data), 0)
    assert not isinstance(found, str)
    prev = f"{chain(0, found.crc32):08x}"
    facts = {"stream": "marks", "acquisition": "test-1", "segment": 0, "seq": 0, "rows": 3, "first_row": 0}
    facts["prev"] = prev
    header, _ = batch_header(plan, facts, body)
    directory = make_directory(tmp_path / "run", [], state="open")
    head = MADE[2].data[: MADE[2].messages[0][1]]
    (directory / "marks-00000.arrows").write_bytes(head + header + body)

    with (
        pytest.raises(FormatError, match="batch 0 is no record batch of its schema"),
        open_listmode(directory, allow_damaged=True) as run,
    ):
        run.table("marks").to_pydict()


NAMED = {"file": "marks-00000.arrows", "stream": "marks", "index": 0}
MANIFEST_LIES: list[dict[str, Any]] = [
    {"segments": 5}, {"segments": [{"file": "x"}]}, {"ledger": {"unit": "word", "sources": 5}}, {"ledger": []},
    {"ledger": {"unit": "word", "sources": [5]}}, {"state": "fine"}, {"losses": [1]}, {"words_by_kind": {"a": "b"}},
    {"duration_ps": 1e400}, {"time": []}, {"profile": None}, {"format": {}}, {"format": "1"}, {"format": "1.0.0"},
    {"losses": [{}]}, {"losses": [{"rows_lost": True}]}, {"profile": {"id": [1]}}, {"duration_ps": 10**400},
    {"segments": [{**NAMED, "schema_message": "?", "crc_chain": "x"}]},
    {"segments": [{**NAMED, "schema_message": "", "batches": 10**30}]},
    {"segments": [{**NAMED, "schema_message": "", "rows": -5}]},
]  # fmt: skip


@pytest.mark.parametrize("lie", range(len(MANIFEST_LIES)))
def test_a_manifest_that_lies_with_a_right_checksum_gives_a_sentence(tmp_path: Path, lie: int) -> None:
    directory = make_directory(tmp_path / "run", MADE)
    (directory / MANIFEST).write_bytes(forged(directory, MANIFEST_LIES[lie]))

    for use in (use_verify, use_info, use_reader, use_recover):
        with suppress(ScandaqError):
            use(directory)


def forged(directory: Path, changes: dict[str, Any]) -> bytes:
    """Return the directory's manifest with `changes` and a right checksum, whatever a model would say."""
    manifest = parse_manifest((directory / MANIFEST).read_bytes(), MANIFEST)

    class Forged:
        def model_dump(self, mode: str) -> dict[str, Any]:
            return {**manifest.model_dump(mode=mode), **changes}

    return dump_manifest(Forged())  # type: ignore[arg-type]


def test_random_manifests_give_a_sentence() -> None:
    rng = random.Random(3)
    pieces = [
        b"{",
        b"}",
        b"[",
        b'"format": "1.0"',
        b'"crc32": "',
        b"00000000",
        b'"',
        b",",
        b":",
        b"1e999",
        b"\xff",
        b"null",
    ]
    for _ in range(2000):
        text = b"".join(rng.choice(pieces) for _ in range(rng.randrange(30)))
        with pytest.raises(FormatError):
            parse_manifest(text, MANIFEST)
    with pytest.raises(FormatError):
        parse_manifest(b"[" * 100_000, MANIFEST)
