"""Reading: lazy, without copies, exact ranges, and never wrong data."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support_listmode import Made, coincidences, make_directory, marks, segment, six_batches

from daq.errors import FormatError, MissingError, RefusedError, UsageError, VerificationError
from daq.listmode.blocks import PAGE
from daq.storage.manifest import MANIFEST
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.verify import verify


def whole(tmp_path: Path, **changes: object) -> Path:
    made = [six_batches(), six_batches(index=1, first_row=60), segment("marks", [marks(0, 3), marks(3, 5)])]
    return make_directory(tmp_path / "run", made, **changes)


def rows(batches: object) -> pa.Table:
    return pa.Table.from_batches(batches)


def test_rows_come_back_in_order_over_all_segments(tmp_path: Path) -> None:
    with open_listmode(whole(tmp_path)) as run:
        assert run.streams == ("coincidences", "marks")
        assert (run.rows("coincidences"), run.rows("marks")) == (120, 5)
        assert run.table("coincidences").combine_chunks() == rows([coincidences(0, 120)])
        assert run.table("marks", ["text"]).to_pydict() == {"text": [f"mark {i}" for i in range(5)]}
        assert run.schema("coincidences").metadata is None


def test_reading_does_not_copy(tmp_path: Path) -> None:
    batch = coincidences(0, 200_000)
    directory = make_directory(tmp_path / "run", [segment("coincidences", [batch, coincidences(200_000, 400_000)])])
    total = 0
    with open_listmode(directory) as run:
        before = pa.total_allocated_bytes()

        for part in run.batches("coincidences", ["time_ps"], start_row=10, stop_row=399_990):
            total += len(part)
        for columns in run.numpy("coincidences", ["time_ps", "kind"]):
            assert not columns["time_ps"].flags.owndata
            total += len(columns["kind"])
        table = run.table("coincidences")

        assert pa.total_allocated_bytes() == before
    assert total == 799_980
    assert table.num_rows == 400_000


def test_batches_outlive_the_reader(tmp_path: Path) -> None:
    run = open_listmode(whole(tmp_path))
    first = next(run.batches("coincidences"))
    run.close()

    assert first == coincidences(0, 10)


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 0), (5, 15), (10, 20), (55, 65), (119, 500), (200, 300)])
def test_row_ranges_are_exact(tmp_path: Path, start: int, stop: int | None) -> None:
    run = open_listmode(whole(tmp_path))

    found = pa.Table.from_batches(
        run.batches("coincidences", start_row=start, stop_row=stop), run.schema("coincidences")
    )

    expected = list(range(120))[start:stop]
    assert found["time_ps"].to_pylist() == [row * 1000 - 500 for row in expected]


def test_time_ranges_choose_whole_batches_that_can_hold_them(tmp_path: Path) -> None:
    run = open_listmode(whole(tmp_path))

    found = [b.column("time_ps")[0].as_py() for b in run.batches("coincidences", start_ps=15_000, stop_ps=39_500)]

    assert found == [9_500, 19_500, 29_500]


def test_unknown_streams_and_columns_are_refused_with_what_there_is(tmp_path: Path) -> None:
    run = open_listmode(whole(tmp_path))

    with pytest.raises(MissingError, match="no stream singles; it has coincidences, marks"):
        run.rows("singles")
    with pytest.raises(UsageError, match="no column energy_kev; it has time_ps, bin, kind"):
        run.batches("coincidences", ["energy_kev"])
    with pytest.raises(MissingError, match="no such directory"):
        open_listmode(tmp_path / "elsewhere")
    with pytest.raises(MissingError, match=r"no manifest\.json"):
        open_listmode(tmp_path)


def flip(directory: Path, name: str, at: int) -> None:
    path = directory / name
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_a_damaged_batch_is_refused_when_it_is_reached(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    _, end = six_batches().messages[3]
    flip(directory, "coincidences-00000.arrows", end - PAGE)
    batches = open_listmode(directory).batches("coincidences")

    assert [next(batches).num_rows, next(batches).num_rows] == [10, 10]
    with pytest.raises(
        VerificationError, match=r"coincidences-00000\.arrows: bytes .* rows 20 up to, not including, 30"
    ):
        next(batches)


def test_with_damage_allowed_all_else_is_read_and_the_loss_is_listed(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    flip(directory, "coincidences-00000.arrows", six_batches().messages[3][1] - PAGE)
    run = open_listmode(directory, allow_damaged=True)

    found = run.table("coincidences").combine_chunks()

    assert found == rows([coincidences(0, 20), coincidences(30, 120)]).combine_chunks()
    assert [d.rows for d in run.damages["coincidences-00000.arrows"]] == [(20, 30)]
    assert pa.Table.from_batches(run.batches("coincidences", start_row=25, stop_row=35)).num_rows == 5


def test_without_check_a_flipped_bit_passes(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    flip(directory, "coincidences-00000.arrows", six_batches().messages[3][1] - PAGE)

    found = open_listmode(directory, check=False).table("coincidences")

    assert found.num_rows == 120
    assert found != rows([coincidences(0, 120)])


def test_the_schema_comes_from_the_manifest_when_its_message_is_damaged(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run", [six_batches()])
    flip(directory, "coincidences-00000.arrows", 300)
    run = open_listmode(directory, allow_damaged=True)

    assert run.table("coincidences").combine_chunks() == rows([coincidences(0, 60)])
    assert [d.rows for d in run.damages["coincidences-00000.arrows"]] == [None, None]


def test_a_segment_that_is_gone_is_damage(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    (directory / "coincidences-00001.arrows").unlink()

    with pytest.raises(VerificationError, match=r"coincidences-00001\.arrows.*the file is not there"):
        open_listmode(directory).table("coincidences")
    assert open_listmode(directory, allow_damaged=True).rows("coincidences") == 60


def test_a_segment_of_another_run_under_the_right_name_is_noticed(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "run", [six_batches()])
    other: Made = segment("coincidences", [coincidences(i, i + 10) for i in range(100, 160, 10)])
    (directory / "coincidences-00000.arrows").write_bytes(other.data)

    with pytest.raises(VerificationError, match="not the manifest's segment: checksum chain"):
        open_listmode(directory).table("coincidences")
    assert open_listmode(directory, allow_damaged=True).rows("coincidences") == 0
    report = verify(directory)
    assert [damage.rows for damage in report.segments[0].damages] == [(0, 60)]
    with pytest.raises(RefusedError, match="nothing in it can be recovered"):
        recover(directory, tmp_path / "saved")


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_a_segment_of_another_acquisition_is_not_read_even_when_it_is_damaged(tmp_path: Path, cut: int) -> None:
    directory = make_directory(tmp_path / "run", [six_batches()])
    batches = [coincidences(i, i + 10) for i in range(100, 160, 10)]
    other = segment("coincidences", batches, identity={"acquisition": "another"})
    (directory / "coincidences-00000.arrows").write_bytes(other.data[: len(other.data) - cut])

    assert open_listmode(directory, allow_damaged=True).rows("coincidences") == 0
    assert "a schema message that is not the manifest's" in " ".join(map(str, verify(directory).segments[0].damages))


def test_an_open_directory_gives_its_whole_batches(tmp_path: Path) -> None:
    made = [six_batches(), six_batches(index=1, first_row=60, seal=False)]
    directory = make_directory(tmp_path / "run", made[:1], state="open", sealed_utc=None)
    torn = made[1].data[: made[1].messages[4][1] - PAGE]
    (directory / "coincidences-00001.arrows").write_bytes(torn + bytes(8192))

    run = open_listmode(directory)

    assert run.table("coincidences").combine_chunks() == rows([coincidences(0, 90)])
    assert run.damages == {}


def test_a_manifest_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    made = six_batches()
    made.entry.file = "../coincidences-00000.arrows"
    make_directory(tmp_path / "run", [])
    directory = make_directory(tmp_path / "other", [made])

    with pytest.raises(FormatError, match="cannot be named"):
        open_listmode(directory)


def test_a_damaged_manifest_and_another_major_version_are_refused_in_words(tmp_path: Path) -> None:
    directory = whole(tmp_path)
    text = (directory / MANIFEST).read_text()
    (directory / MANIFEST).write_text(text.replace("test-profile", "toast-profile"))
    with pytest.raises(FormatError, match="CRC-32 does not match"):
        open_listmode(directory)

    (directory / MANIFEST).write_text(text.replace('"format": "1.0"', '"format": "2.0"'))
    with pytest.raises(FormatError, match=r"list-mode format 2\.0; this build reads 1\.x"):
        open_listmode(directory)


def test_columns_and_keys_of_a_later_minor_version_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = coincidences(0, 10).append_column("depth_mm", pa.array(np.ones(10, np.float32)))
    monkeypatch.setattr("daq.listmode.blocks.FORMAT_MINOR", 7)
    made = segment("coincidences", [batch])
    monkeypatch.undo()
    directory = make_directory(tmp_path / "run", [made], format="1.7", novelty={"kept": True})

    run = open_listmode(directory)

    assert run.table("coincidences").column_names == ["time_ps", "bin", "kind", "depth_mm"]
    assert run.manifest.model_extra == {"novelty": {"kept": True}}
