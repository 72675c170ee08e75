"""The verdict on a directory: ok, unsealed or damaged, and by whose word."""

from pathlib import Path

import pytest
from support_listmode import coincidences, make_directory, make_manifest, marks, segment, six_batches

from daq.errors import FormatError, MissingError
from daq.model.ledger import Ledger, SourceLedger
from daq.storage.manifest import MANIFEST, dump_manifest
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.verify import sha256_of, verify


def whole(tmp_path: Path, **changes: object) -> Path:
    made = [six_batches(), six_batches(index=1, first_row=60), segment("marks", [marks(0, 3), marks(3, 5)])]
    return make_directory(tmp_path / "run", made, **changes)


def test_a_whole_sealed_directory_is_ok(tmp_path: Path) -> None:
    report = verify(whole(tmp_path))

    assert (report.verdict, report.state, report.problems, report.balanced) == ("ok", "sealed", (), True)
    assert report.rows == {"coincidences": 120, "marks": 5}
    assert [s.batches for s in report.segments] == [6, 6, 2]


def test_a_damaged_segment_is_named_with_its_rows(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    path = directory / "coincidences-00001.arrows"
    path.write_bytes(path.read_bytes()[: six_batches(index=1, first_row=60).messages[5][0] + 10])

    report = verify(directory)

    assert report.verdict == "damaged"
    assert [d.rows for d in report.segments[1].damages] == [(100, 120)]


def test_an_open_directory_is_unsealed_and_its_torn_end_no_damage(tmp_path: Path) -> None:
    made = six_batches(seal=False)
    made.entry.rows, made.entry.batches = 20, 2
    directory = make_directory(tmp_path / "run", [made], state="open", sealed_utc=None, ledger=None)
    (directory / made.entry.file).write_bytes(made.data[:-5000] + bytes(9000))

    report = verify(directory)

    assert (report.verdict, report.segments[0].damages, report.segments[0].batches) == ("unsealed", (), 5)
    assert report.segments[0].tail is not None


def test_acknowledged_batches_that_are_gone_are_damage_even_in_an_open_directory(tmp_path: Path) -> None:
    made = six_batches(seal=False)
    directory = make_directory(tmp_path / "run", [made], state="open", sealed_utc=None)
    (directory / made.entry.file).write_bytes(made.data[: made.messages[4][0]])

    report = verify(directory)

    assert report.verdict == "damaged"
    assert [d.rows for d in report.segments[0].damages] == [(30, 60)]


@pytest.mark.parametrize("manifest", [None, b"", b"{}", b"[]", b"\xff\xfe", b'{"format": "1.0", "crc32": "00000000"}'])
def test_without_a_usable_manifest_the_segments_are_verified_all_the_same(
    tmp_path: Path, manifest: bytes | None
) -> None:
    directory = whole(tmp_path)
    if manifest is None:
        (directory / MANIFEST).unlink()
    else:
        (directory / MANIFEST).write_bytes(manifest)

    report = verify(directory)

    assert (report.verdict, report.state, report.balanced) == ("damaged", None, None)
    assert report.rows == {"coincidences": 120, "marks": 5}
    assert MANIFEST in report.problems[0]


def test_a_missing_segment_is_said_with_and_without_a_manifest(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    extra = six_batches(index=2, first_row=120)
    (directory / "coincidences-00001.arrows").unlink()
    assert verify(directory).segments[1].problems == ("the file is not there, 60 rows are lost",)

    (directory / extra.entry.file).write_bytes(extra.data)
    (directory / MANIFEST).unlink()
    assert "segments 1 to 1 of coincidences are not there" in verify(directory).problems


def test_a_segment_that_nobody_named_is_a_contradiction(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    (directory / "coincidences-00002.arrows").write_bytes(six_batches(index=2, first_row=120).data)

    report = verify(directory)

    assert report.verdict == "damaged"
    assert report.segments[2].problems == ("the manifest does not name this file",)


def test_totals_and_chain_are_held_against_the_manifest(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run", [six_batches()])
    other = segment("coincidences", [coincidences(0, 10), coincidences(10, 19)])
    (directory / "coincidences-00000.arrows").write_bytes(other.data)

    problems = " ".join(str(finding) for finding in verify(directory).segments[0].damages)

    assert "batches 2 to 5 are not in the file" in problems


def test_a_ledger_that_does_not_balance_is_found_by_its_sums(tmp_path: Path) -> None:
    source = SourceLedger(source=0, basis="counter", sent=61, received=60, recorded=60)

    report = verify(whole(tmp_path, ledger=Ledger(unit="word", sources=(source,))))

    assert (report.verdict, report.balanced) == ("damaged", False)
    assert "ledger" in report.problems[0]


def test_sha256_is_compared_when_asked(tmp_path: Path) -> None:
    made = six_batches()
    directory = make_directory(tmp_path / "run", [made])
    assert "holds no SHA-256" in verify(directory, sha256=True).problems[0]

    made.entry.sha256 = sha256_of(directory / made.entry.file)
    (directory / MANIFEST).write_bytes(dump_manifest(make_manifest([made.entry], hashed=True)))
    assert verify(directory, sha256=True).verdict == "ok"

    made.entry.sha256 = "0" * 64
    (directory / MANIFEST).write_bytes(dump_manifest(make_manifest([made.entry], hashed=True)))
    assert verify(directory).verdict == "ok"
    assert "SHA-256 is" in verify(directory, sha256=True).segments[0].problems[0]


def test_what_is_no_list_mode_directory_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingError, match="no such directory"):
        verify(tmp_path / "nowhere")
    with pytest.raises(MissingError, match="no list-mode directory"):
        verify(tmp_path)
    monkeypatch.setattr("daq.listmode.blocks.FORMAT_MAJOR", 2)
    directory = whole(tmp_path, format="2.0")
    monkeypatch.undo()
    with pytest.raises(FormatError, match=r"list-mode format 2\.0; this build reads 1\.x"):
        verify(directory)


@pytest.mark.parametrize("size", [None, 0, 100, 4096])
def test_a_segment_that_was_only_begun_when_the_writer_died_is_no_damage(tmp_path: Path, size: int | None) -> None:
    made = [six_batches(), six_batches(index=1, first_row=60, seal=False)]
    made[1].entry.rows, made[1].entry.batches = 0, 0
    directory = make_directory(tmp_path / "run", made, state="open", sealed_utc=None)
    path = directory / made[1].entry.file
    if size is None:
        path.unlink()
    else:
        path.write_bytes(made[1].data[:size])

    report = verify(directory)

    assert (report.verdict, report.rows) == ("unsealed", {"coincidences": 60})
    with open_listmode(directory) as run:
        assert run.rows("coincidences") == 60
    assert recover(directory, tmp_path / "saved").segments[0].rows == 60
    assert verify(tmp_path / "saved").verdict == "ok"
