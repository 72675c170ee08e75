"""The tutorials are followed to the letter, simulators and all, and print what their pages show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from support_pages import ROOT, Reader, blocks, missing_lines

from daq.pipeline.peaks import peaks_in
from daq.storage.listing import load_manifest
from daq.storage.manifest import Manifest
from daq.storage.pictures import pictures_in
from daq.storage.reader import open_listmode
from device_profiles.lint import lint

TUTORIALS = ROOT / "docs" / "tutorials"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return follow(tmp_path_factory, "first-recording.md")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return follow(tmp_path_factory, "your-detector-in-one-file.md")


@pytest.fixture(scope="module")
def point(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return follow(tmp_path_factory, "point-source-to-picture.md")


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return follow(tmp_path_factory, "peak-calibrate-acquire-look.md")


def follow(factory: pytest.TempPathFactory, name: str) -> Reader:
    reader = Reader(factory.mktemp("tutorial"), TUTORIALS / name)
    reader.follow()
    return reader


def codes(reader: Reader) -> dict[str, int]:
    """Return the exit codes other than 0."""
    return {step.command: code for step, _, code in reader.transcript if code}


def untrue(reader: Reader) -> dict[str, list[str]]:
    """Return per command the lines of the page that it did not print, and the other way round."""
    found = {step.command: missing_lines(step, printed) for step, printed, _ in reader.transcript}
    return {command: lines for command, lines in found.items() if lines}


def manifest(reader: Reader, name: str) -> Manifest:
    return load_manifest(reader.folder / name)


def rows(reader: Reader, name: str) -> dict[str, int]:
    return {segment.stream: segment.rows for segment in manifest(reader, name).segments}


def test_the_first_tutorial_prints_what_its_page_shows(first: Reader) -> None:
    assert untrue(first) == {}


def test_the_simulators_of_both_tutorials_end_by_themselves(first: Reader, own: Reader) -> None:
    assert (first.ended, own.ended) == ([0], [0])


def test_in_the_first_tutorial_only_what_is_damaged_fails(first: Reader) -> None:
    assert codes(first) == {
        "daq listmode verify hurt": 6,
        "daq listmode replay saved --out again > differences.txt": 6,
    }


def test_the_first_recording_holds_every_word_that_was_sent(first: Reader) -> None:
    ledger = manifest(first, "first").ledger

    assert ledger is not None
    (source,) = ledger.sources
    assert (source.basis, source.sent, source.recorded, source.gap) == ("counter", 248_953, 248_953, 0)
    assert ledger.balanced is True


def test_the_damage_costs_one_batch_and_is_named(first: Reader) -> None:
    saved = manifest(first, "saved")

    (loss,) = saved.losses
    assert saved.state == "recovered"
    assert loss["start_byte"] <= 2_000_000 < loss["stop_byte"]
    assert rows(first, "saved")["singles"] == 248_953 - (loss["stop_row"] - loss["first_row"])


def test_what_is_derived_again_from_raw_has_every_row(first: Reader) -> None:
    original = pl.read_ipc_stream(first.folder / "first" / "singles-00000.arrows")
    again = pl.read_ipc_stream(first.folder / "again" / "singles-00000.arrows")

    assert again.equals(original)
    assert manifest(first, "again").losses == []


def test_recovering_leaves_the_damaged_directory_as_it_was(first: Reader) -> None:
    damaged = (first.folder / "hurt" / "singles-00000.arrows").read_bytes()
    whole = (first.folder / "first" / "singles-00000.arrows").read_bytes()

    assert damaged == whole[:2_000_000] + b"OUCH" + whole[2_000_004:]


def test_the_second_tutorial_prints_what_its_page_shows(own: Reader) -> None:
    assert untrue(own) == {}


def test_in_the_second_tutorial_only_what_is_wrong_fails(own: Reader) -> None:
    refused = [code for step, _, code in own.transcript if code]

    assert refused == [3, 3, 3]


def test_the_profile_of_the_tutorial_needs_no_second_look(own: Reader) -> None:
    checked = lint(str(own.folder / "pm20.toml"))

    assert checked.findings == ()


def test_the_example_words_of_the_format_page_decode_to_its_values(own: Reader) -> None:
    photons = pl.read_ipc_stream(own.folder / "example" / "singles-00000.arrows")
    marks = pl.read_ipc_stream(own.folder / "example" / "marks-00000.arrows")

    assert photons.rows() == [(1000 * 12_500, 3 * 20 + 7, 511.0, False)]
    triggers = marks.filter(pl.col("kind") == "respiratory_trigger")
    assert triggers.select("time_ps", "value").rows() == [(80_000 * 12_500, 12)]


def test_a_clock_that_wraps_every_210_ms_is_unfolded_over_five_seconds(own: Reader) -> None:
    photons = pl.read_ipc_stream(own.folder / "module" / "singles-00000.arrows")

    assert photons.height == rows(own, "module")["singles"] == 99_945
    assert photons["time_ps"].is_sorted()
    assert photons["time_ps"][-1] == manifest(own, "module").duration_ps == 4_999_804_200_000


def test_the_ledger_of_a_tcp_recording_rests_on_the_stream(own: Reader) -> None:
    ledger = manifest(own, "module").ledger

    assert ledger is not None
    assert [(source.basis, source.sent, source.balanced) for source in ledger.sources] == [("stream", 99_945, True)]


def test_the_tutorial_of_a_point_source_finds_it_where_it_was_put(point: Reader) -> None:
    assert codes(point) == {}
    assert untrue(point) == {}


def test_the_singles_of_the_point_source_are_all_recorded_and_paired(point: Reader) -> None:
    found = manifest(point, "point")

    assert found.ledger is not None
    assert [(source.gap, source.balanced) for source in found.ledger.sources] == [(0, True)]
    assert rows(point, "point")["coincidences"] > 200_000


@pytest.mark.soak
def test_the_tutorial_of_a_gamma_camera_prints_what_its_page_shows(camera: Reader) -> None:
    assert codes(camera) == {}
    assert untrue(camera) == {}
    assert camera.ended == [0, 0]


@pytest.mark.soak
def test_the_calibrations_of_the_tutorial_bring_the_peak_to_where_it_belongs(camera: Reader) -> None:
    with open_listmode(camera.folder / "flood") as before, open_listmode(camera.folder / "spots") as after:
        peaks = [
            peaks_in(shown.spectra[0], shown.rule.axis, shown.rule.windows)[0]
            for shown in (pictures_in(before).pictures, pictures_in(after).pictures)
        ]
    used = [one["kind"] for one in manifest(camera, "spots").calibrations["heads"]]

    assert [round(peak.kev / 140.511 - 1.0, 3) for peak in peaks if peak] == [pytest.approx(0.03, abs=0.002), 0.0]
    assert sorted(used) == ["energy-map", "uniformity"]


def test_the_programs_of_the_reading_guide_run_on_the_first_recording(first: Reader) -> None:
    page = (ROOT / "docs" / "how-to" / "read-in-python-and-duckdb.md").read_text(encoding="utf-8")
    programs = [block.text for block in blocks(page) if block.language == "python"]

    printed = [
        subprocess.run(
            [sys.executable, "-c", text], cwd=first.folder, capture_output=True, text=True, check=True
        ).stdout
        for text in programs
    ]

    photons = pl.read_ipc_stream(first.folder / "first" / "singles-00000.arrows")
    energetic = str(photons.filter(pl.col("energy_kev") > 100).height)
    with_polars, with_pyarrow, with_scandaq = printed
    assert with_polars.split() == [energetic]
    assert with_pyarrow.startswith(f"{photons.height} [")
    assert energetic in with_scandaq.split()


def test_a_page_that_lies_is_found_out(tmp_path: Path) -> None:
    lying = tmp_path / "lying.md"
    lying.write_text("```console\n$ echo 12 words; echo more\n13 words\n...\n```\n")

    reader = Reader(tmp_path, lying)
    reader.follow()

    assert untrue(reader) == {"echo 12 words; echo more": ["13 words"]}
