"""Import, replay and export: made-up data everywhere, recorded data of real scanners where they are at hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from support_cli import Done, call, daq, petlink_file

from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode
from daq.storage.writer import ListModeWriter

MMR = "siemens-mmr/small_listmode_file.l"
MMR_SHA256 = "52d5faed"
SAFIR = "safir/point_5.clm.safir"


def imported(profile: str, file: Path, out: Path, *options: object) -> Done:
    return call("listmode", "import", "--profile", profile, file, "--out", out, "--json", *options)


def marks_of(directory: Path) -> pl.DataFrame:
    return pl.concat([pl.read_ipc_stream(path) for path in sorted(directory.glob("marks-*.arrows"))])


def coincidences_of(directory: Path) -> pl.DataFrame:
    return pl.concat([pl.read_ipc_stream(path) for path in sorted(directory.glob("coincidences-*.arrows"))])


def exported_raw(directory: Path, out: Path) -> bytes:
    done = call("listmode", "export", directory, "--to", "raw", "--out", out, "--json")
    assert done.code == 0, done.err
    data = out.read_bytes()
    assert done.json["sha256"] == hashlib.sha256(data).hexdigest()
    return data


def replay_is_equal(directory: Path) -> None:
    done = call("listmode", "replay", directory, "--json")

    assert done.code == 0, done.out
    assert done.json["equal"] is True
    assert done.json["differences"] == []


def test_the_recorded_mmr_file_is_imported_word_for_word(recorded_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "mmr"

    info = imported("siemens-petlink32", recorded_data / MMR, out).json

    words = {kind: count for kind, count in info["words_by_kind"].items() if count}
    assert words == {"prompt": 218_881, "delayed": 35_320, "time": 613, "singles": 1, "control": 1}
    assert info["rows"]["coincidences"] == 254_201
    assert info["duration_ps"] == 612 * 10**9
    (source,) = info["ledger"]["sources"]
    assert (source["basis"], source["sent"], source["recorded"]) == ("stream", 254_816, 254_816)
    assert info["ledger"]["balanced"] is True
    marks = marks_of(out)
    assert marks.filter(pl.col("kind") == "time")["value"].to_list() == list(range(613))
    assert marks.filter(pl.col("kind") == "time")["time_ps"].to_list() == [ms * 10**9 for ms in range(613)]
    assert marks["kind"].value_counts().filter(pl.col("kind").is_in(["singles_rate", "control"]))[
        "count"
    ].to_list() == [1, 1]
    events = coincidences_of(out)
    assert events.filter(pl.col("kind") == 0).height == 218_881
    assert events.filter(pl.col("kind") == 1).height == 35_320
    assert events["time_ps"].is_sorted()
    raw = exported_raw(out, tmp_path / "again.l")
    assert raw == (recorded_data / MMR).read_bytes()
    assert hashlib.sha256(raw).hexdigest().startswith(MMR_SHA256)
    assert call("listmode", "verify", out).code == 0
    replay_is_equal(out)


def test_the_recorded_safir_file_keeps_its_preamble(recorded_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "safir"
    file = recorded_data / SAFIR

    info = imported("safir64", file, out).json

    words = {kind: count for kind, count in info["words_by_kind"].items() if count}
    assert words == {"prompt": 35_844, "delayed": 43, "time": 359}
    assert sum(words.values()) == 36_246
    events = coincidences_of(out)
    assert events.filter(pl.col("kind") == 0).height == 35_844
    assert (events["detector_a"] < events["detector_b"]).all()
    assert info["ledger"]["sources"][0]["received"] == 36_246
    assert exported_raw(out, tmp_path / "again") == file.read_bytes()
    replay_is_equal(out)


def test_a_made_up_file_goes_in_and_comes_out_again(tmp_path: Path) -> None:
    data = petlink_file(tmp_path / "made-up.l")
    out = tmp_path / "not" / "there" / "yet"

    info = imported("siemens-petlink32", tmp_path / "made-up.l", out).json

    assert (info["state"], info["ended_by"], info["hashed"]) == ("sealed", "end", True)
    assert info["directory"] == str(out)
    assert {k: n for k, n in info["words_by_kind"].items() if n} == {"prompt": 800, "delayed": 200, "time": 20}
    assert info["rows"] == {"raw": 1, "coincidences": 1000, "marks": 23}
    assert coincidences_of(out)["bin"].to_list() == list(range(1000))
    assert exported_raw(out, tmp_path / "again.l") == data
    replay_is_equal(out)


def test_a_file_that_ends_within_a_word_loses_none_of_its_bytes(tmp_path: Path) -> None:
    data = petlink_file(tmp_path / "cut.l") + b"\x01\x02"
    (tmp_path / "cut.l").write_bytes(data)

    info = imported("siemens-petlink32", tmp_path / "cut.l", tmp_path / "run").json

    (source,) = info["ledger"]["sources"]
    assert (source["received"], source["recorded"], source["malformed"]) == (1021, 1020, 1)
    assert info["ledger"]["balanced"] is True
    assert exported_raw(tmp_path / "run", tmp_path / "again.l") == data
    replay_is_equal(tmp_path / "run")


def test_without_raw_the_rows_are_there_and_the_bytes_are_refused(tmp_path: Path) -> None:
    petlink_file(tmp_path / "made-up.l")

    info = imported("siemens-petlink32", tmp_path / "made-up.l", tmp_path / "run", "--no-raw").json
    export = call("listmode", "export", tmp_path / "run", "--to", "raw", "--out", tmp_path / "again.l")
    replay = call("listmode", "replay", tmp_path / "run")

    assert info["rows"] == {"coincidences": 1000, "marks": 23}
    assert info["ledger"]["sources"][0]["recorded"] == 1020
    assert info["ledger"]["balanced"] is True
    assert (export.code, replay.code) == (3, 3)
    assert "recorded without the raw stream" in export.err
    assert "recorded without the raw stream" in replay.err
    assert not (tmp_path / "again.l").exists()


def test_a_recording_derived_again_into_a_new_directory_is_the_same(tmp_path: Path) -> None:
    petlink_file(tmp_path / "made-up.l")
    imported("siemens-petlink32", tmp_path / "made-up.l", tmp_path / "run")

    done = call("listmode", "replay", tmp_path / "run", "--out", tmp_path / "second", "--json")

    assert done.code == 0, done.err
    assert call("listmode", "verify", tmp_path / "second").code == 0
    with open_listmode(tmp_path / "run") as first, open_listmode(tmp_path / "second") as second:
        for stream in first.streams:
            before = pa.Table.from_batches(list(first.batches(stream)))
            after = pa.Table.from_batches(list(second.batches(stream)))
            assert after.column_names == before.column_names
            assert after.to_pylist().__repr__() == before.to_pylist().__repr__(), stream
        assert second.manifest.ledger == first.manifest.ledger
    assert load_manifest(tmp_path / "second").software["replayed_from"] == "run"
    replay_is_equal(tmp_path / "second")


@pytest.mark.parametrize("where", ["run", "made-up.l"])
def test_nothing_is_ever_written_over(tmp_path: Path, where: str) -> None:
    data = petlink_file(tmp_path / "made-up.l")
    imported("siemens-petlink32", tmp_path / "made-up.l", tmp_path / "run")
    before = {path: path.read_bytes() for path in sorted((tmp_path / "run").iterdir())}

    again = imported("siemens-petlink32", tmp_path / "made-up.l", tmp_path / where)
    replayed = call("listmode", "replay", tmp_path / "run", "--out", tmp_path / where)

    assert (again.code, replayed.code) == (3, 3)
    assert {path: path.read_bytes() for path in sorted((tmp_path / "run").iterdir())} == before
    assert (tmp_path / "made-up.l").read_bytes() == data


def test_a_replay_finds_the_row_that_was_changed(tmp_path: Path) -> None:
    petlink_file(tmp_path / "made-up.l")
    imported("siemens-petlink32", tmp_path / "made-up.l", tmp_path / "run")
    with open_listmode(tmp_path / "run") as run:
        schemas = {stream: run.schema(stream) for stream in run.streams}
        manifest = run.manifest.model_copy(update={"state": "open", "segments": []})
        with ListModeWriter(tmp_path / "changed", manifest, schemas) as writer:
            for stream in run.streams:
                rows = pa.Table.from_batches(list(run.batches(stream))).combine_chunks()
                if stream == "coincidences":
                    bins = rows["bin"].to_numpy().copy()
                    bins[700] += 1
                    rows = rows.set_column(
                        rows.schema.get_field_index("bin"), schemas[stream].field("bin"), pa.array(bins)
                    )
                writer.write(stream, rows.to_batches()[0])

    done = call("listmode", "replay", tmp_path / "changed", "--json")
    told = call("listmode", "replay", tmp_path / "changed")

    assert (done.code, told.code) == (6, 6)
    assert done.json["equal"] is False
    assert done.json["differences"] == ["coincidences: row 700, bin: 701 stored, 700 derived again"]
    assert "FAILED" in told.out


def test_the_commands_work_as_processes_too(tmp_path: Path) -> None:
    petlink_file(tmp_path / "made-up.l")

    made = daq("listmode", "import", "--profile", "siemens-petlink32", "made-up.l", "--out", "run", cwd=tmp_path)
    replayed = daq("listmode", "replay", "run", cwd=tmp_path)

    assert (made.code, replayed.code) == (0, 0)
    assert "ledger, in words: balanced" in made.out
    assert (made.err, replayed.err) == ("", "")
    assert "equal, column for column" in replayed.out
