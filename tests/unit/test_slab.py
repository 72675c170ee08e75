"""A slab is written to the disk as it lies in memory: readers of Arrow find in it what was put in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_listmode import RAW, make_manifest
from support_slabs import Row, packets_from, rows_of, rows_of_batches

from daq.errors import ScandaqError, StorageFailedError
from daq.listmode.blocks import END_OF_STREAM, PAGE, batch_header, schema_message
from daq.model.events import STREAMS, StreamName
from daq.storage import slab as slab_module
from daq.storage.batches import HEADROOM
from daq.storage.files import Buffer, Handle, StorageFiles
from daq.storage.rawpackets import packets_from_raw
from daq.storage.reader import open_listmode
from daq.storage.schemas import arrow_schema
from daq.storage.slab import BODY_BYTES, DATA_BYTES, MAX_PACKETS, SLAB_BYTES, Slab
from daq.storage.verify import verify
from daq.storage.writer import ListModeWriter, WriterLimits

SHARED = Slab()  # 4 MiB take a while to touch
NUMBERED = Row(7, 12_345, 1_000_000_007, 1, bytes(range(16)), b"some words")
BARE = Row(65_535, None, -5, 16, bytes(16), b"\x00\xffgarbage")


def filled(rows: list[Row], slab: Slab = SHARED) -> Slab:
    slab.clear()
    packets = packets_from(rows)
    for index in range(len(packets)):
        assert slab.room_for(len(rows[index].data))
        slab.append(packets, index)
    return slab


def batch_of(slab: Slab) -> pa.RecordBatch:
    """Close the slab and return the batch that pyarrow finds in its memory."""
    plan = slab.close()
    body = slab.memory[HEADROOM : HEADROOM + plan.body_bytes]
    header, _ = batch_header(plan, {"stream": "raw", "rows": plan.rows}, body)
    stream = b"".join([schema_message(RAW, {"kind": "schema"}), header, body, END_OF_STREAM])
    (batch,) = pa.ipc.open_stream(stream).read_all().to_batches() or [pa.RecordBatch.from_pylist([], schema=RAW)]
    batch.validate(full=True)
    return batch


def some_rows(count: int, size: int) -> list[Row]:
    """Rows that differ in everything, every third without a number."""
    noise = np.random.default_rng(count).integers(0, 256, count * size, np.uint8).tobytes()
    return [
        Row(
            n % 4096,
            n * 364 if n % 3 else None,
            10**12 + n,
            n % 256,
            n.to_bytes(16, "big"),
            noise[n * size : (n + 1) * size],
        )
        for n in range(count)
    ]


rows = st.builds(
    Row,
    st.integers(0, 65_535),
    st.none() | st.integers(0, 2**64 - 2),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 255),
    st.binary(min_size=16, max_size=16),
    st.binary(max_size=200),
)


@settings(deadline=None, max_examples=100)
@given(st.lists(rows, min_size=1, max_size=70))
def test_arrow_reads_from_a_slab_what_was_put_in(content: list[Row]) -> None:
    batch = batch_of(filled(content))

    assert batch.schema.equals(arrow_schema("raw", list(STREAMS["raw"])), check_metadata=False)
    assert rows_of_batches([batch]) == content
    assert rows_of(packets_from_raw(batch)) == content


@pytest.mark.parametrize(
    "content",
    [
        [NUMBERED],
        [BARE],
        [NUMBERED, BARE],
        [BARE] * 9,
        [NUMBERED] * 8,
        [NUMBERED._replace(data=b"")] * 3,
        [NUMBERED._replace(data=b""), BARE._replace(data=b"")],
    ],
    ids=["number", "no number", "both", "none numbered", "all numbered", "no bytes", "no bytes, one number"],
)
def test_nulls_and_packets_without_bytes_keep_their_places(content: list[Row]) -> None:
    batch = batch_of(filled(content))

    assert rows_of_batches([batch]) == content
    assert batch.column("sequence").null_count == sum(row.sequence is None for row in content)


@pytest.mark.parametrize(
    ("count", "size"),
    [(MAX_PACKETS, 0), (MAX_PACKETS, 16), (MAX_PACKETS, DATA_BYTES // MAX_PACKETS), (2739, 1456), (61, 64 << 10)],
)
def test_a_full_slab_fits_and_is_read_back(count: int, size: int) -> None:
    content = some_rows(count, size)
    slab = filled(content)

    plan = slab.close()

    assert plan.rows == count
    assert plan.body_bytes % PAGE == 0
    assert plan.body_bytes <= BODY_BYTES
    assert rows_of_batches([batch_of(slab)]) == content


def test_a_slab_filled_to_its_last_byte_is_full_and_read_back() -> None:
    content = some_rows(60, 64 << 10)
    rest = DATA_BYTES - 60 * (64 << 10)
    slab = filled([*content, NUMBERED._replace(data=bytes(rest))])

    room = [slab.room_for(size) for size in (0, 1)]

    assert room == [True, False]
    assert rows_of_batches([batch_of(slab)])[-1].data == bytes(rest)


def test_a_slab_of_as_many_packets_as_it_takes_has_no_room_for_an_empty_one() -> None:
    slab = filled([NUMBERED._replace(data=b"")] * MAX_PACKETS)

    assert not slab.room_for(0)


def test_nothing_of_what_was_in_a_slab_before_is_in_the_gaps_of_what_is_written() -> None:
    slab = filled([NUMBERED._replace(data=b"\xff" * 1400, header=b"\xff" * 16)] * 2000)
    slab.close()

    plan = filled([NUMBERED, BARE], slab).close()
    body = np.frombuffer(slab.memory, np.uint8, plan.body_bytes, HEADROOM).copy()
    for at, size in plan.buffers:
        body[at : at + size] = 0

    assert plan.body_bytes == PAGE
    assert not body.any()


def test_a_slab_lies_in_the_memory_it_is_given_and_begins_on_a_page() -> None:
    slab = filled([NUMBERED])

    assert slab.memory.nbytes == SLAB_BYTES
    assert bytes(slab.memory[HEADROOM : HEADROOM + 10]) == b"some words"
    assert slab.data.ctypes.data % PAGE == 0


def test_a_view_shows_some_of_the_packets_and_takes_flags() -> None:
    slab = filled([NUMBERED, BARE, NUMBERED._replace(source=9)])

    view = slab.view(1, 3)
    view.flags[1] = 32

    assert rows_of(view) == [BARE, NUMBERED._replace(source=9, flags=32)]
    assert rows_of_batches([batch_of(slab)])[2].flags == 32


def test_a_cleared_slab_is_as_new() -> None:
    slab = filled([NUMBERED])
    slab.words, slab.counts, slab.keeps_data = {7: 2}, {"source:7": 2}, False

    slab.clear()

    assert (slab.packets, slab.words, slab.counts, slab.keeps_data) == (0, {}, {}, True)
    assert rows_of_batches([batch_of(filled([BARE], slab))]) == [BARE]


class SlowFiles(StorageFiles):
    """Writes when it is allowed to, and fails when it is told to."""

    def __init__(self) -> None:
        self.allowed = threading.Event()
        self.allowed.set()
        self.broken = False

    def write_at(self, handle: Handle, offset: int, buffer: Buffer) -> None:
        assert self.allowed.wait(20.0)
        if self.broken and handle.path.suffix == ".arrows":
            raise OSError(5, "made up by a test")
        super().write_at(handle, offset, buffer)


@pytest.fixture
def files() -> SlowFiles:
    return SlowFiles()


@pytest.fixture
def writer(tmp_path: Path, files: SlowFiles) -> Iterator[ListModeWriter]:
    schemas: dict[StreamName, pa.Schema] = {"raw": arrow_schema("raw", list(STREAMS["raw"]))}
    limits = WriterLimits(batch_age_s=60.0, sync_period_s=0.02, buffers=4, batch_bytes=1 << 16)
    with ListModeWriter(tmp_path / "run", make_manifest([]), schemas, files=files, limits=limits) as opened:
        yield opened


def whole(writer: ListModeWriter, slab: Slab, given_back: list[Slab]) -> None:
    counts = {"source:7": 3}
    writer.write_whole("raw", slab.close(), slab.memory, lambda: given_back.append(slab), counts=counts, losses={})


def test_the_projects_reader_finds_slabs_and_rows_in_the_order_in_which_they_were_written(
    tmp_path: Path, writer: ListModeWriter
) -> None:
    content = some_rows(300, 50)
    given_back: list[Slab] = []
    slabs = [filled(content[:100], Slab()), filled(content[150:], Slab())]
    whole(writer, slabs[0], given_back)
    writer.write("raw", packets_from(content[100:150]), counts={"source:7": 1})
    whole(writer, slabs[1], given_back)

    writer.seal()

    assert given_back == slabs
    assert writer.acknowledged == {"raw": 300}
    assert writer.acknowledged_counts == {"raw": {"source:7": 7}}
    assert verify(tmp_path / "run").verdict == "ok"
    with open_listmode(tmp_path / "run") as recording:
        assert rows_of_batches(recording.batches("raw")) == content
        assert rows_of_batches(recording.batches("raw", start_row=120)) == content[120:]
    with pa.ipc.open_stream(str(tmp_path / "run" / "raw-00000.arrows")) as stream:
        assert rows_of_batches(stream.read_all().to_batches()) == content


def test_a_slab_is_the_writers_until_its_bytes_are_written(writer: ListModeWriter, files: SlowFiles) -> None:
    given_back: list[Slab] = []
    slab = filled([NUMBERED], Slab())
    files.allowed.clear()

    whole(writer, slab, given_back)
    time.sleep(0.1)
    before = list(given_back)
    files.allowed.set()
    writer.flush()

    assert before == []
    assert given_back == [slab]


def test_slabs_come_back_from_a_disk_that_fails_and_no_more_are_taken(writer: ListModeWriter, files: SlowFiles) -> None:
    given_back: list[Slab] = []
    slabs = [filled([NUMBERED], Slab()) for _ in range(8)]
    files.allowed.clear()
    files.broken = True

    for slab in slabs:
        whole(writer, slab, given_back)
    files.allowed.set()
    with pytest.raises(ScandaqError, match="made up by a test"):
        writer.flush()
    with pytest.raises(StorageFailedError):
        whole(writer, SHARED, given_back)
    files.broken = False  # the end is written by a disk that has recovered
    writer.seal()

    assert sorted(map(id, given_back)) == sorted(map(id, slabs))


def test_the_sizes_leave_room_for_the_columns_of_a_full_slab() -> None:
    column_bytes = sum([2, 8, 8, 1, 16, 8]) * MAX_PACKETS + 8 + MAX_PACKETS // 8
    gaps = 64 * 12 + PAGE

    assert slab_module.DATA_BYTES + column_bytes + gaps <= slab_module.BODY_BYTES
