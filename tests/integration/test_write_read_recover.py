"""The real writer and the reading side together: all columns, rolled segments, a reader beside the writer, a crash."""

from pathlib import Path

import numpy as np
import pytest

from daq.errors import VerificationError
from daq.storage.info import describe
from daq.storage.manifest import Manifest
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.schemas import arrow_schema
from daq.storage.verify import verify
from daq.storage.writer import ListModeWriter, WriterLimits

COLUMNS = ["time_ps", "detector", "energy_kev", "energy_adc", "windows", "x_mm", "y_mm", "head", "late"]
LIMITS = WriterLimits(batch_bytes=8 << 10, segment_bytes=60 << 10)


def singles(start: int, stop: int) -> dict[str, np.ndarray]:
    row = np.arange(start, stop)
    return {
        "time_ps": row * 997,
        "detector": (row % 4001).astype(np.uint32),
        "energy_kev": (row * 0.25).astype(np.float32),
        "energy_adc": (row % 4096).astype(np.uint16),
        "windows": (row % 4).astype(np.uint16),
        "x_mm": (row * 0.5).astype(np.float32),
        "y_mm": (-row * 0.5).astype(np.float32),
        "head": (row % 2).astype(np.uint8),
        "late": row % 11 == 0,
    }


def writer(directory: Path) -> ListModeWriter:
    manifest = Manifest(
        acquisition_id="run",
        state="open",
        created_utc="2026-11-22T10:00:00Z",
        profile={"id": "test"},
        profile_sha256="0" * 64,
        source="test",
    )
    return ListModeWriter(directory, manifest, {"singles": arrow_schema("singles", COLUMNS)}, limits=LIMITS)


def read(directory: Path, stop: int) -> None:
    with open_listmode(directory) as run:
        assert run.rows("singles") == stop
        parts = list(run.numpy("singles", COLUMNS))
    for name, expected in singles(0, stop).items():
        assert np.array_equal(np.concatenate([part[name] for part in parts]), expected), name


def test_what_was_written_is_read_over_many_segments(tmp_path: Path) -> None:
    with writer(tmp_path / "run") as out:
        for start in range(0, 10_000, 700):
            out.write("singles", singles(start, min(start + 700, 10_000)))
        out.seal()

    assert len(describe(tmp_path / "run")["segments"]) > 3
    assert verify(tmp_path / "run").verdict == "ok"
    read(tmp_path / "run", 10_000)


def test_a_reader_beside_the_writer_sees_whole_batches_and_a_crash_can_be_recovered(tmp_path: Path) -> None:
    out = writer(tmp_path / "run").open()
    out.write("singles", singles(0, 5000))
    out.flush()
    read(tmp_path / "run", 5000)
    out.write("singles", singles(5000, 6000))
    out.abandon()

    assert verify(tmp_path / "run").verdict == "unsealed"
    assert describe(tmp_path / "run")["rows"] == {"singles": 6000}
    manifest = recover(tmp_path / "run", tmp_path / "saved")
    assert (manifest.state, manifest.losses) == ("recovered", [])
    assert verify(tmp_path / "saved").verdict == "ok"
    read(tmp_path / "saved", 6000)


def test_a_file_that_grows_while_it_is_opened_is_read_as_far_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from daq.storage import segmentreader

    out = writer(tmp_path / "run").open()
    out.write("singles", singles(0, 200))
    out.flush()
    scan = segmentreader.scan_segment

    def grow_then_scan(*arguments: object, **options: object) -> object:
        out.write("singles", singles(200, 400))
        out.flush()
        return scan(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(segmentreader, "scan_segment", grow_then_scan)
    read(tmp_path / "run", 400)
    out.abandon()


def test_a_sealed_segment_that_loses_its_last_batch_is_noticed(tmp_path: Path) -> None:
    with writer(tmp_path / "run") as out:
        out.write("singles", singles(0, 3000))
        out.seal()
    last = sorted((tmp_path / "run").glob("singles-*.arrows"))[-1]
    data = last.read_bytes()
    last.write_bytes(data[: len(data) - 8 - 4096] + data[-8:])

    assert verify(tmp_path / "run").verdict == "damaged"
    with pytest.raises(VerificationError), open_listmode(tmp_path / "run") as run:
        run.table("singles")
