"""Recordings of released format versions stay readable, row by row, for ever. Their files are never changed."""

import hashlib
import io
import json
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from daq.storage.export import export
from daq.storage.reader import open_listmode
from daq.storage.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden" / "listmode-1.0"
FROZEN = {
    "coincidences-00000.arrows": "6d572932b33137ded47d015b0f174f9b8cd79df6ffef4d29bbbd3a21317340f6",
    "manifest.json": "f0badad18986b2cc805a0bd5cf6f8999702333ca3551e10d618cd44751a8dc8c",
    "marks-00000.arrows": "85098d233b35e98c0488d37ac0f5219c5bdd525e081bab87f2bace66edac14a9",
    "raw-00000.arrows": "860c974b2b158d019a705850ed38d6773dd8422a235a640a7bd231628c58ea36",
}


def test_the_sample_is_the_frozen_one() -> None:
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in GOLDEN.iterdir()} == FROZEN


def test_it_verifies() -> None:
    report = verify(GOLDEN)

    assert (report.verdict, report.balanced) == ("ok", True)
    assert report.rows == {"coincidences": 24, "marks": 3, "raw": 3}


def expected_coincidences() -> dict[str, list[float]]:
    rows = range(24)
    return {
        "time_ps": [row * 1_000_003 - 5_000_000 for row in rows],
        "detector_a": [row * 13 % 4096 for row in rows],
        "detector_b": [row * 13 % 4096 + 4096 for row in rows],
        "tof_ps": [(row % 9 - 4) * 25 for row in rows],
        "energy_a_kev": [row * 0.5 + 505.25 for row in rows],
        "kind": [int(row % 5 == 0) for row in rows],
    }


def test_events_are_the_same_as_ever() -> None:
    with open_listmode(GOLDEN) as run:
        assert run.table("coincidences").to_pydict() == expected_coincidences()
        assert [batch.num_rows for batch in run.batches("coincidences")] == [10, 14]


def test_marks_are_the_same_as_ever() -> None:
    with open_listmode(GOLDEN) as run:
        marks = run.table("marks").to_pydict()

    assert np.isnan([marks["value2"][0], marks["value2"][2]]).all()
    assert marks["value2"][1] == 0.25
    del marks["value2"]
    assert marks == {
        "time_ps": [0, 1_000_000, 2_000_000],
        "kind": ["start", "time", "stop"],
        "source": [65535, 3, 65535],
        "value": [0, 7, -1],
        "text": ["", "7 \u00d7 0.25", "prompts"],
    }


def test_raw_packets_are_the_same_as_ever() -> None:
    words = struct.pack("<40Q", *(i * 0x0101_0101_0101 for i in range(40)))
    with open_listmode(GOLDEN) as run:
        assert run.table("raw").to_pydict() == {
            "source": [3, 3, 3],
            "sequence": [None, 0, 25],
            "arrival_ns": [10, 20, 30],
            "flags": [8, 1, 4],
            "header": [bytes(range(16 * i, 16 * i + 16)) for i in range(3)],
            "data": [b"GOLDEN  ", words[:200], words[200:]],
        }


def test_the_manifest_says_the_same_as_ever() -> None:
    manifest = open_listmode(GOLDEN).manifest

    assert (manifest.acquisition_id, manifest.state, manifest.simulated) == ("golden-1.0", "sealed", True)
    assert manifest.words_by_kind == {"prompt": 19, "delayed": 5, "time": 16}
    assert manifest.duration_ps == 18_000_069
    assert manifest.ledger is not None
    assert manifest.ledger.sources[0].recorded == 40


@pytest.mark.parametrize("stream", ["coincidences", "marks", "raw"])
def test_others_readers_open_a_whole_segment_as_it_is(stream: str) -> None:
    data = (GOLDEN / f"{stream}-00000.arrows").read_bytes()
    with open_listmode(GOLDEN) as run:
        expected = run.table(stream)

    theirs = pa.ipc.open_stream(data).read_all().cast(expected.schema)
    assert theirs.drop_columns([n for n in ("value2",) if stream == "marks"]).equals(
        expected.drop_columns([n for n in ("value2",) if stream == "marks"])
    )
    assert pl.read_ipc_stream(io.BytesIO(data)).height == expected.num_rows


def test_a_reader_of_a_few_lines_that_knows_the_page_alone_gets_the_same() -> None:
    """What docs/reference/list-mode-format.md promises to somebody who writes a reader, without our code."""
    import re
    import zlib

    data = (GOLDEN / "coincidences-00000.arrows").read_bytes()
    at, running, rows = 0, 0, 0
    while data[at + 4 : at + 8] != b"\0\0\0\0":
        marker, size = struct.unpack_from("<II", data, at)
        assert (marker, (size + 8) % 4096) == (0xFFFFFFFF, 0)
        header = data[at : at + 8 + size]
        text = re.search(rb'\{"listmode":"[^\x00]*', header)
        assert text is not None
        facts = json.loads(text.group(0))
        body = data[at + 8 + size : at + 8 + size + facts.get("body", 0)]
        digits = header.index(b'"crc32":"', text.start()) + len(b'"crc32":"')
        zeroed = header[:digits] + b"00000000" + header[digits + 8 :]
        crc = zlib.crc32(zeroed + body)
        assert facts["crc32"] == f"{crc:08x}"
        if "seq" in facts:
            assert facts["prev"] == f"{running:08x}"
            assert facts["first_row"] == rows
            rows += facts["rows"]
        running = zlib.crc32(struct.pack("<I", crc), running)
        at += 8 + size + len(body)
    assert (at, rows) == (len(data) - 8, 24)
    entries = json.loads((GOLDEN / "manifest.json").read_text())["segments"]
    assert [entry["crc_chain"] for entry in entries if entry["stream"] == "coincidences"] == [f"{running:08x}"]


def test_the_manifest_checksum_can_be_made_by_hand() -> None:
    import re
    import zlib

    text = (GOLDEN / "manifest.json").read_bytes()
    found = re.search(rb'"crc32": "([0-9a-f]{8})"\n\}\n$', text)
    assert found is not None
    zeroed = text[: found.start(1)] + b"00000000" + text[found.end(1) :]
    assert found.group(1) == b"%08x" % zlib.crc32(zeroed)


def test_it_can_be_exported(tmp_path: Path) -> None:
    made = export(GOLDEN, tmp_path / "golden.arrow", to="arrow")

    assert pl.read_ipc(tmp_path / "golden.arrow").to_dict(as_series=False) == expected_coincidences()
    assert made.rows == 24
    made = export(GOLDEN, tmp_path / "golden.raw", to="raw")
    assert (tmp_path / "golden.raw").read_bytes()[:8] == b"GOLDEN  "
    assert made.size_bytes == 8 + 40 * 8
