"""What goes into the writer comes out of the sealed directory: by our messages, by pyarrow, by polars."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from daq.errors import DeadlineError, RefusedError, UsageError
from daq.listmode.blocks import END_OF_STREAM, Message, chain, read_message
from daq.model.ledger import Ledger
from daq.storage.files import Handle, StorageFiles
from daq.storage.manifest import MANIFEST, Manifest, parse_manifest
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter, WriterLimits

SINGLES = arrow_schema("singles", ["time_ps", "detector", "energy_kev", "late"])
MARK_ROWS = arrow_schema("marks", ["time_ps", "kind", "source", "value", "value2", "text"])
SMALL = WriterLimits(batch_bytes=16 << 10, segment_bytes=64 << 10, queue_bytes=1 << 20, batch_age_s=10)


def manifest() -> Manifest:
    return Manifest(
        acquisition_id="a-1",
        state="open",
        created_utc="2026-11-22T10:00:00+00:00",
        profile={"id": "test"},
        profile_sha256="00",
        source="test",
        time={"tick_ps": "1000"},
        segments=[],
    )


def singles(first: int, rows: int) -> dict[str, Any]:
    number = np.arange(first, first + rows)
    return {
        "time_ps": number * 1000 - 5000,
        "detector": (number % 977).astype(np.uint32),
        "energy_kev": (number % 511).astype(np.float32),
        "late": number % 3 == 0,
    }


def mark(text: str) -> dict[str, Any]:
    return {"time_ps": [-1], "kind": ["operator"], "source": [65535], "value": [7], "value2": [np.nan], "text": [text]}


def messages(path: Path) -> list[Message]:
    data = memoryview(path.read_bytes())
    found, at = [], 0
    while isinstance(message := read_message(data, at), Message):
        found.append(message)
        at = message.end
    assert bytes(data[at:]) == END_OF_STREAM
    return found


def sealed(directory: Path) -> Manifest:
    return parse_manifest((directory / MANIFEST).read_bytes(), "manifest")


def write_some(directory: Path, pieces: list[int]) -> None:
    with ListModeWriter(directory, manifest(), {"singles": SINGLES, "marks": MARK_ROWS}, limits=SMALL) as writer:
        first = 0
        for rows in pieces:
            writer.write("singles", singles(first, rows), counts={"single": rows})
            first += rows
        writer.write("marks", mark("Füße\n"))


@pytest.mark.parametrize("pieces", [[20_000], [1] * 50, [3, 4001, 0, 900, 7000, 1], [0]])
def test_polars_reads_every_row_whatever_the_cuts(tmp_path: Path, pieces: list[int]) -> None:
    write_some(tmp_path / "run", pieces)

    files = sorted((tmp_path / "run").glob("singles-*.arrows"))
    got = pl.concat([pl.read_ipc_stream(file) for file in files])

    expected = singles(0, sum(pieces))
    assert got.columns == ["time_ps", "detector", "energy_kev", "late"]
    assert all(np.array_equal(got[name].to_numpy(), values) for name, values in expected.items())


def test_pyarrow_reads_every_segment_and_its_types(tmp_path: Path) -> None:
    write_some(tmp_path / "run", [9000])

    tables = [pa.ipc.open_stream(str(file)).read_all() for file in sorted((tmp_path / "run").glob("singles-*"))]
    marks = pa.ipc.open_stream(str(tmp_path / "run" / "marks-00000.arrows")).read_all()

    assert len(tables) > 1
    assert all(table.schema.equals(SINGLES) for table in tables)
    assert [table.validate(full=True) for table in tables] == [None] * len(tables)
    assert marks.to_pylist()[0]["text"] == "Füße\n"


def test_manifest_and_messages_tell_the_same_story(tmp_path: Path) -> None:
    write_some(tmp_path / "run", [100, 9000, 1])

    told = [s for s in sealed(tmp_path / "run").segments if s.stream == "singles"]
    found = [messages(tmp_path / "run" / s.file) for s in told]

    assert sealed(tmp_path / "run").state == "sealed"
    assert [s.index for s in told] == list(range(len(told)))
    assert [s.rows for s in told] == [sum(m.facts.get("rows", 0) for m in ms) for ms in found]
    assert [s.batches for s in told] == [len(ms) - 1 for ms in found]
    assert [s.size_bytes for s in told] == [ms[-1].end + len(END_OF_STREAM) for ms in found]
    assert [s.crc_chain for s in told] == [f"{chained(ms):08x}" for ms in found]


def chained(found: list[Message]) -> int:
    so_far = 0
    for message in found:
        so_far = chain(so_far, message.crc32)
    return so_far


def test_batch_facts_number_rows_over_segments_and_give_the_times(tmp_path: Path) -> None:
    write_some(tmp_path / "run", [9000])

    batches = [m.facts for f in sorted((tmp_path / "run").glob("singles-*")) for m in messages(f) if not m.is_schema]

    starts = np.cumsum([0] + [facts["rows"] for facts in batches])
    assert [facts["first_row"] for facts in batches] == starts[:-1].tolist()
    assert batches[0]["time_ps"] == [-5000, (batches[0]["rows"] - 1) * 1000 - 5000]
    assert sum(facts["counts"].get("single", 0) for facts in batches) == 9000
    assert [facts["seq"] for facts in batches if facts["segment"] == 0] == list(range(len(messages_of_first(tmp_path))))


def messages_of_first(tmp_path: Path) -> list[Message]:
    return messages(tmp_path / "run" / "singles-00000.arrows")[1:]


def test_losses_without_rows_are_kept(tmp_path: Path) -> None:
    with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, limits=SMALL) as writer:
        writer.write("singles", singles(0, 0), losses={"gap": 12})

    schema, batch = messages(tmp_path / "run" / "singles-00000.arrows")
    assert schema.is_schema
    assert (batch.facts["rows"], batch.facts["losses"]) == (0, {"gap": 12})


def test_a_batch_closes_by_age_and_is_acknowledged_soon_after(tmp_path: Path) -> None:
    limits = WriterLimits(batch_age_s=0.05, sync_period_s=0.05)
    told = threading.Event()

    with ListModeWriter(
        tmp_path / "run",
        manifest(),
        {"singles": SINGLES},
        limits=limits,
        on_acknowledged=lambda news: told.set() if news["singles"].rows == 10 else None,
    ) as writer:
        writer.write("singles", singles(0, 10), counts={"single": 10})

        assert told.wait(5.0)
        assert writer.acknowledged == {"singles": 10}
        assert writer.acknowledged_counts == {"singles": {"single": 10}}


def test_a_ledger_function_is_asked_after_the_last_row_is_durable(tmp_path: Path) -> None:
    with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, limits=SMALL) as writer:
        writer.write("singles", singles(0, 5000))
        seen: list[int] = []

        def ledger() -> Ledger:
            seen.append(writer.acknowledged["singles"])
            return Ledger(unit="word")

        result = writer.seal(ledger=ledger, words_by_kind={"single": 5000}, duration_ps=5, ended_by="counter")

    assert seen == [5000]
    assert result == sealed(tmp_path / "run")
    assert (result.ended_by, result.words_by_kind, result.duration_ps) == ("counter", {"single": 5000}, 5)
    assert result.ledger == Ledger(unit="word")


class SlowFiles(StorageFiles):
    """A disk that writes nothing until it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()

    def write_at(self, handle: Handle, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        if offset:
            self.let.wait(20)
        super().write_at(handle, offset, buffer)


def test_a_full_queue_refuses_or_says_that_the_disk_stalls_and_nothing_taken_is_lost(tmp_path: Path) -> None:
    files = SlowFiles()
    limits = WriterLimits(batch_bytes=4096, queue_bytes=8192, buffers=2, stall_s=0.2, batch_age_s=0.01)

    with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}, files=files, limits=limits) as writer:
        taken, refused_since = 0, time.monotonic()
        while time.monotonic() - refused_since < 0.3:
            if writer.try_write("singles", singles(taken, 100)):
                taken, refused_since = taken + 100, time.monotonic()
        try:
            with pytest.raises(DeadlineError, match=r"took nothing for 0\.2 s"):
                writer.write("singles", singles(taken, 100))
        finally:
            files.let.set()
        accepted = writer.seal()

    assert taken < 10_000
    assert accepted.segments[0].rows == taken


def test_an_existing_recording_is_never_written_over(tmp_path: Path) -> None:
    write_some(tmp_path / "run", [10])
    before = (tmp_path / "run" / MANIFEST).read_bytes()

    with pytest.raises(RefusedError, match="not empty"):
        ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}).open()

    assert (tmp_path / "run" / MANIFEST).read_bytes() == before


def test_a_failing_body_still_seals_and_says_fault(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}) as writer:
            writer.write("singles", singles(0, 10))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()

    assert (sealed(tmp_path / "run").ended_by, sealed(tmp_path / "run").segments[0].rows) == ("fault", 10)


def test_after_sealing_nothing_is_taken(tmp_path: Path) -> None:
    with ListModeWriter(tmp_path / "run", manifest(), {"singles": SINGLES}) as writer:
        writer.seal()

        with pytest.raises(UsageError, match="closed"):
            writer.write("singles", singles(0, 1))


def test_nothing_but_the_recording_is_left_behind(tmp_path: Path) -> None:
    write_some(tmp_path / "run", [10])

    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "manifest.json",
        "marks-00000.arrows",
        "singles-00000.arrows",
    ]
    assert not [t for t in threading.enumerate() if t.name.startswith("listmode-")]
