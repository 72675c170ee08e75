"""Exports: read by others' readers, equal row by row; raw gives the front end's bytes again."""

import hashlib
import struct
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support_listmode import RAW, coincidences, make_directory, marks, raw, segment, six_batches

from daq.errors import RefusedError, StorageFullError, UsageError
from daq.listmode.blocks import PAGE
from daq.model.packets import Flag
from daq.storage.export import export

PROFILE = {
    "id": "test-profile",
    "layout": {
        "word_bits": 32,
        "byte_order": "little",
        "preamble_bytes": 16,
        "preamble_begins": ["TEST"],
        "kinds": {
            "prompt": {
                "yields": "prompt",
                "tag": {"31": 0},
                "fields": {"bin": {"bits": "30:0", "unit": "1", "to": "bin"}},
            },
            "time": {
                "yields": "time",
                "tag": {"31": 1},
                "fields": {"ms": {"bits": "30:0", "unit": "ms", "to": "time"}},
            },
        },
    },
    "clock": {"tick_ps": "1000000000", "precision_ps": 1_000_000_000, "reset_at_start": True},
}


def whole(tmp_path: Path, **changes: Any) -> Path:
    made = [six_batches(), six_batches(index=1, first_row=60), segment("marks", [marks(0, 3), marks(3, 5)])]
    return make_directory(tmp_path / "run", made, **changes)


def recording(tmp_path: Path, rows: list[dict[str, Any]], cuts: int = 2, **changes: Any) -> Path:
    batches = [raw(rows[at : at + cuts]) for at in range(0, len(rows), cuts)]
    made = segment("raw", batches, schema=RAW)
    return make_directory(tmp_path / "run", [made], **{"profile": PROFILE, "time": {"framing": "stream"}, **changes})


def datagram(first_word: int, words: list[int], **more: Any) -> dict[str, Any]:
    source = more.get("source", 0)
    header = struct.pack("<HHHHQ", 0x4E53, source, more.get("flags", 0) & 7, len(words), first_word)
    data = struct.pack(f"<{len(words)}I", *words)
    return {"sequence": first_word, "header": header, "data": data, **more}


def words_of(path: Path) -> list[int]:
    data = path.read_bytes()
    assert data[:16] == b"TEST".ljust(16, b"\0")
    return list(struct.unpack(f"<{(len(data) - 16) // 4}I", data[16:]))


def test_arrow_is_an_ipc_file_that_polars_and_pyarrow_read(tmp_path: Path) -> None:
    out = tmp_path / "events.arrow"

    made = export(whole(tmp_path), out, to="arrow")

    assert (made.stream, made.rows, made.missing) == ("coincidences", 120, ())
    expected = pa.Table.from_batches([coincidences(0, 120)])
    assert pl.scan_ipc(out).collect().to_dict(as_series=False) == expected.to_pydict()
    with pa.memory_map(str(out)) as source:
        assert pa.ipc.open_file(source).read_all().combine_chunks() == expected.combine_chunks()
    assert made.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert made.size_bytes == out.stat().st_size


def test_parquet_is_compact_and_equal_and_says_where_it_comes_from(tmp_path: Path) -> None:
    out = tmp_path / "events.parquet"

    export(whole(tmp_path), out, to="parquet")

    assert pq.read_table(out).to_pydict() == coincidences(0, 120).to_pydict()
    assert pl.read_parquet(out).height == 120
    column = pq.ParquetFile(out).metadata.row_group(0).column(0)
    assert (column.compression, "DELTA_BINARY_PACKED" in column.encodings) == ("ZSTD", True)
    assert b'"acquisition_id": "test-1"' in pq.read_schema(out).metadata[b"scandaq"]


def test_marks_are_exported_when_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "marks.parquet"

    export(whole(tmp_path), out, to="parquet", stream="marks")

    assert pq.read_table(out, columns=["text"]).to_pydict() == {"text": [f"mark {i}" for i in range(5)]}


def test_two_event_streams_need_a_choice(tmp_path: Path) -> None:
    made = [six_batches(), segment("singles", [coincidences(0, 10)])]
    directory = make_directory(tmp_path / "run", made)

    with pytest.raises(UsageError, match="singles and coincidences: say which with --stream"):
        export(directory, tmp_path / "out", to="arrow")
    assert export(directory, tmp_path / "out", to="arrow", stream="singles").rows == 10
    with pytest.raises(RefusedError, match="no stream raw"):
        export(directory, tmp_path / "out2", to="arrow", stream="raw")


def test_nothing_is_overwritten_and_no_half_file_stays(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RefusedError, match="never overwrites"):
        export(directory, tmp_path / "out", to="arrow")
    path = directory / "coincidences-00001.arrows"
    data = bytearray(path.read_bytes())
    data[-PAGE] ^= 1
    path.write_bytes(data)

    with pytest.raises(RefusedError, match="--allow-damaged exports what is whole"):
        export(directory, tmp_path / "new", to="arrow")

    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "run"]
    made = export(directory, tmp_path / "new", to="arrow", allow_damaged=True)
    assert made.rows == 110
    assert "rows 110 up to, not including, 120 are lost" in made.missing[0]


def test_an_unsealed_directory_is_refused_unless_allowed(tmp_path: Path) -> None:
    directory = whole(tmp_path, state="open")

    with pytest.raises(RefusedError, match="not sealed"):
        export(directory, tmp_path / "new", to="arrow")

    assert "not sealed" in export(directory, tmp_path / "new", to="arrow", allow_damaged=True).missing[-1]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    directory = whole(tmp_path)
    monkeypatch.setattr("daq.storage.export.os.fsync", full)

    with pytest.raises(StorageFullError, match="No space left on device"):
        export(directory, tmp_path / "new", to="arrow")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_raw_of_one_stream_is_byte_exact(tmp_path: Path) -> None:
    preamble = b"TEST and more".ljust(16, b".")
    rows = [{"flags": int(Flag.PREAMBLE), "data": preamble}, {"data": b"12345678"}, {"data": b"abcd"}]
    rows.append({"flags": int(Flag.TRUNCATED), "data": b"xy"})

    made = export(recording(tmp_path, rows), tmp_path / "out", to="raw")

    assert (tmp_path / "out").read_bytes() == preamble + b"12345678abcdxy"
    assert (made.stream, made.rows, made.notes) == ("raw", 4, ())


def test_raw_of_datagrams_leaves_out_what_is_no_word_or_came_before(tmp_path: Path) -> None:
    rows = [
        datagram(0, [1, 2, 3], flags=int(Flag.START)),
        {"flags": int(Flag.MALFORMED), "data": b"sand"},
        datagram(1, [2, 3], flags=int(Flag.DUPLICATE)),
        datagram(2, [3, 4]),
        datagram(4, [], flags=int(Flag.HEARTBEAT)),
        datagram(6, [7, 8]),
        datagram(4, [5, 6]),
    ]

    made = export(recording(tmp_path, rows, time={"framing": "native"}), tmp_path / "out", to="raw")

    assert words_of(tmp_path / "out") == [1, 2, 3, 4, 7, 8, 5, 6]
    assert "no preamble was recorded; 16 bytes beginning with b'TEST' were made" in made.notes


def test_raw_of_several_sources_is_joined_by_arrival_and_says_so(tmp_path: Path) -> None:
    rows = [datagram(0, [1]), datagram(0, [100], source=5), datagram(1, [2]), datagram(1, [101], source=5)]

    made = export(recording(tmp_path, rows, time={"framing": "native"}), tmp_path / "out", to="raw")

    assert words_of(tmp_path / "out") == [1, 100, 2, 101]
    assert "2 sources are joined in the order their packets arrived" in made.notes


def test_raw_without_a_raw_stream_or_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="recorded without the raw stream"):
        export(whole(tmp_path), tmp_path / "out", to="raw")
    directory = recording(tmp_path / "other", [datagram(0, [1])], profile={})
    with pytest.raises(RefusedError, match="no layout or no clock"):
        export(directory, tmp_path / "out", to="raw")
    with pytest.raises(UsageError, match="stream raw alone"):
        export(directory, tmp_path / "out", to="raw", stream="marks")
