"""Batches of another acquisition never pass for this one's, even where its manifest and neighbours are lost."""

from pathlib import Path

import pyarrow as pa
import pytest
from support_listmode import COINCIDENCES, Made, coincidences, make_directory, segment, six_batches

from daq.listmode.blocks import PAGE
from daq.storage.manifest import MANIFEST
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.scan import scan_segment
from daq.storage.verify import verify

NAME = "coincidences-00000.arrows"
ANOTHER = {"acquisition": "another", "profile_sha256": "0" * 64, "time": {}}


def another() -> Made:
    """Return a segment of another acquisition whose batches have the same numbers and rows, and other values."""
    batches = [coincidences(i, i + 10) for i in range(1000, 1060, 10)]
    return segment("coincidences", batches, identity=ANOTHER)


def between_two_damages() -> bytes:
    """Return our segment with batches 1 to 4 destroyed and two of the other acquisition in place of 2 and 3."""
    ours, theirs = six_batches(), another()
    (a, b), (c, d) = (ours.messages[3][0], ours.messages[4][1]), (theirs.messages[3][0], theirs.messages[4][1])
    data = bytearray(ours.data[:a] + theirs.data[c:d] + ours.data[b:])
    for place in (2, 5):
        data[ours.messages[place][1] - PAGE] ^= 1
    return bytes(data)


@pytest.mark.parametrize("with_manifest", [True, False])
def test_a_run_of_foreign_batches_between_two_damages_is_not_taken(tmp_path: Path, with_manifest: bool) -> None:
    directory = make_directory(tmp_path / "run", [six_batches()])
    (directory / NAME).write_bytes(between_two_damages())
    if not with_manifest:
        (directory / MANIFEST).unlink()

    report = verify(directory)
    recover(directory, tmp_path / "saved")

    assert report.rows == {"coincidences": 20}
    assert "a message of acquisition another" in " ".join(map(str, report.segments[0].damages))
    with open_listmode(tmp_path / "saved") as run:
        table = run.table("coincidences").combine_chunks()
    assert table == pa.Table.from_batches([coincidences(0, 10), coincidences(50, 60)]).combine_chunks()


def test_a_single_file_takes_its_acquisition_from_its_schema_message(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(between_two_damages())

    assert [batch.number - 1 for batch in scan_segment(tmp_path / NAME).batches] == [0, 5]


@pytest.mark.parametrize("named", ["test-1", "run"])
def test_a_whole_foreign_segment_is_not_taken_when_the_manifest_is_lost(tmp_path: Path, named: str) -> None:
    """The directory's name decides, else what most segments say."""
    directory = make_directory(tmp_path / named, [six_batches()])
    (directory / MANIFEST).unlink()
    foreign = segment("coincidences", [coincidences(60, 70)], index=1, first_row=60, identity=ANOTHER)
    (directory / foreign.entry.file).write_bytes(foreign.data)
    if named == "run":
        (directory / "singles-00000.arrows").write_bytes(segment("singles", [coincidences(0, 10)]).data)

    recover(directory, tmp_path / "saved")

    with open_listmode(tmp_path / "saved") as run:
        assert run.manifest.acquisition_id == "test-1"
        assert run.rows("coincidences") == 60


def test_the_schema_of_a_foreign_segment_never_names_our_columns(tmp_path: Path) -> None:
    made = six_batches()
    directory = make_directory(tmp_path / "run", [made])
    swapped = pa.schema([COINCIDENCES.field(0), COINCIDENCES.field(1).with_name("other"), COINCIDENCES.field(2)])
    head = segment("coincidences", [coincidences(0, 10)], schema=swapped).data[: made.messages[0][1]]
    (directory / NAME).write_bytes(head + made.data[made.messages[0][1] :])

    with open_listmode(directory, allow_damaged=True) as run:
        assert run.schema("coincidences") == COINCIDENCES
        assert run.table("coincidences").num_rows == 60
