"""Recovery: everything whole, nothing else, into a new directory that verifies."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest
from support_listmode import coincidences, make_directory, marks, segment, six_batches

from daq.errors import MissingError, RefusedError
from daq.listmode.blocks import PAGE
from daq.model.ledger import Ledger, SourceLedger
from daq.storage.manifest import MANIFEST
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.verify import verify


def whole(tmp_path: Path, **changes: object) -> Path:
    made = [six_batches(), six_batches(index=1, first_row=60), segment("marks", [marks(0, 3), marks(3, 5)])]
    return make_directory(tmp_path / "run", made, **changes)


def damage(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def fingerprint(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def test_good_batches_of_a_damaged_directory_are_saved_and_the_loss_is_listed(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    damage(directory / "coincidences-00000.arrows", six_batches().messages[3][1] - PAGE)
    before = fingerprint(directory)

    manifest = recover(directory, tmp_path / "saved")

    report = verify(tmp_path / "saved")
    assert (report.verdict, report.state) == ("ok", "recovered")
    with open_listmode(tmp_path / "saved") as run:
        expected = pa.Table.from_batches([coincidences(0, 20), coincidences(30, 120)])
        assert run.table("coincidences").combine_chunks() == expected.combine_chunks()
        assert run.rows("marks") == 5
    start, end = six_batches().messages[3]
    assert manifest.losses == [
        {
            "file": "coincidences-00000.arrows",
            "stream": "coincidences",
            "start_byte": start,
            "stop_byte": end,
            "rows_lost": True,
            "first_row": 20,
            "stop_row": 30,
            "reason": manifest.losses[0]["reason"],
        }
    ]
    assert manifest.recovered_from == str(directory)
    assert manifest.ledger is None
    assert fingerprint(directory) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "saved"]


def test_bodies_are_copied_byte_for_byte(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    made = six_batches()
    damage(directory / made.entry.file, made.messages[1][1] - PAGE)

    recover(directory, tmp_path / "saved")

    saved = (tmp_path / "saved" / made.entry.file).read_bytes()
    start, end = made.messages[4]
    assert made.data[start + PAGE : end] in saved


def test_an_open_directory_becomes_a_sealed_one(tmp_path: Path) -> None:
    made = six_batches(seal=False)
    made.entry.rows, made.entry.batches = 0, 0
    directory = make_directory(tmp_path / "run", [made], state="open", sealed_utc=None, ledger=None, duration_ps=None)
    (directory / made.entry.file).write_bytes(made.data[: made.messages[5][1] - PAGE] + bytes(3 * PAGE))
    (directory / "run.jsonl").write_text('{"event": "start"}\n')
    for name in ("patient.json", "administration.json"):
        (directory / name).touch(mode=0o600)

    manifest = recover(directory, tmp_path / "saved")

    assert verify(tmp_path / "saved").verdict == "ok"
    assert open_listmode(tmp_path / "saved").rows("coincidences") == 40
    assert [(loss["first_row"], loss["stop_row"]) for loss in manifest.losses] == [(40, None)]
    assert manifest.losses[0]["reason"].startswith("not sealed: ")
    assert manifest.duration_ps == 39 * 1000 - 500
    assert (tmp_path / "saved" / "run.jsonl").read_text() == '{"event": "start"}\n'
    for name in ("patient.json", "administration.json"):
        assert (tmp_path / "saved" / name).stat().st_mode & 0o777 == 0o600


def test_a_manifest_is_made_of_what_the_segments_tell(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    (directory / MANIFEST).write_bytes(b"not json")

    manifest = recover(directory, tmp_path / "saved")

    assert (manifest.acquisition_id, manifest.profile, manifest.source, manifest.ledger) == ("test-1", {}, "", None)
    assert manifest.losses[0]["file"] == MANIFEST
    assert verify(tmp_path / "saved").verdict == "ok"
    assert open_listmode(tmp_path / "saved").rows("coincidences") == 120


def test_units_lost_on_the_disk_move_in_the_ledger_where_batches_account_for_them(tmp_path: Path) -> None:
    batches = [coincidences(10 * i, 10 * i + 10) for i in range(6)]
    made = segment("coincidences", batches, counts=lambda batch: {"source:0": batch.num_rows + 1, "prompt": 9})
    source = SourceLedger(source=0, basis="stream", sent=66, received=66, recorded=60, malformed=6)
    directory = make_directory(tmp_path / "run", [made], ledger=Ledger(unit="word", sources=(source,)))
    damage(directory / made.entry.file, made.messages[2][1] - PAGE)

    manifest = recover(directory, tmp_path / "saved")

    assert manifest.ledger is not None
    after = manifest.ledger.sources[0]
    assert (after.recorded, after.malformed, after.disk, after.balanced) == (49, 6, 11, True)
    assert manifest.model_extra is not None
    assert manifest.model_extra["recorded_units"] == {"0": 55}


def test_a_stream_without_any_schema_is_a_loss_and_the_others_are_saved(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    (directory / MANIFEST).unlink()
    damage(directory / "marks-00000.arrows", 200)

    manifest = recover(directory, tmp_path / "saved")

    assert [segment.stream for segment in manifest.segments] == ["coincidences", "coincidences"]
    assert any("no schema of stream marks is left" in loss["reason"] for loss in manifest.losses)


def test_a_lost_segment_closes_up(tmp_path: Path) -> None:
    made = [six_batches(), six_batches(index=1, first_row=60), six_batches(index=2, first_row=120)]
    directory = make_directory(tmp_path / "run", made)
    (directory / made[1].entry.file).unlink()

    manifest = recover(directory, tmp_path / "saved")

    assert [s.file for s in manifest.segments] == ["coincidences-00000.arrows", "coincidences-00001.arrows"]
    assert [(loss["first_row"], loss["stop_row"]) for loss in manifest.losses] == [(60, 120)]
    assert verify(tmp_path / "saved").verdict == "ok"


def test_recovering_twice_finds_nothing_to_do(tmp_path: Path) -> None:
    directory = whole(tmp_path, state="open")
    recover(directory, tmp_path / "saved")

    with pytest.raises(RefusedError, match="nothing to recover"):
        recover(tmp_path / "saved", tmp_path / "again")


def test_what_cannot_be_done_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    directory = whole(tmp_path, state="open")
    with pytest.raises(RefusedError, match="exists"):
        recover(directory, directory)
    with pytest.raises(RefusedError, match="no such directory to put"):
        recover(directory, tmp_path / "no" / "where")
    with pytest.raises(MissingError):
        recover(tmp_path / "nowhere", tmp_path / "saved")
    for path in directory.glob("*.arrows"):
        path.write_bytes(b"gone")
    (directory / MANIFEST).unlink()
    with pytest.raises(RefusedError, match="nothing in it can be recovered"):
        recover(directory, tmp_path / "saved")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from daq.errors import StorageFullError

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    directory = whole(tmp_path, state="open")
    monkeypatch.setattr("daq.storage.streamcopy.os.fsync", full)

    with pytest.raises(StorageFullError, match="No space left"):
        recover(directory, tmp_path / "saved")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
