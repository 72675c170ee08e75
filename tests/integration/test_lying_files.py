"""Files that lie with a right checksum: a sentence, whatever is done with them, and no wrong row."""

import io
import random
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support_damage import MADE, use_info, use_reader, use_recover, use_verify
from support_listmode import coincidences, make_directory, marks, segment

from daq.errors import FormatError, ScandaqError
from daq.listmode.blocks import PAGE, BatchPlan, batch_header, chain, facts_json, read_message
from daq.storage.manifest import MANIFEST, dump_manifest, parse_manifest
from daq.storage.reader import open_listmode


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
