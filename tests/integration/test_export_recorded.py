"""Recordings of real scanners through the exports, read back by others: a Biograph mMR, and the example of SAFIR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from support_cli import call
from support_exports import check_petsird, events_of, read_petsird

from daq.listmode.interfile import parse_header
from daq.listmode.petsird_geometry import detection_bins
from daq.model.scanner import Ring, are_virtual, may_pair, place
from daq.storage.exportpairs import PairSource, Wanted
from daq.storage.reader import open_listmode
from device_profiles.scanners import load_scanner

PROMPTS, DELAYEDS = 218_881, 35_320
HEADER = "siemens-mmr/PET_ACQ_small.l.hdr.STIR"


def imported(profile: str, file: Path, out: Path) -> Path:
    done = call("listmode", "import", "--profile", profile, file, "--out", out, "--json")
    assert done.code == 0, done.err
    return out


def exported(directory: Path, to: str, out: Path, *options: object) -> dict[str, Any]:
    done = call("listmode", "export", directory, "--to", to, "--out", out, "--json", *options)
    assert done.code == 0, done.err
    return done.json


def mmr_options(recorded_data: Path) -> tuple[object, ...]:
    return "--scanner", "siemens-mmr", "--header", recorded_data / HEADER


def mmr_ring() -> Ring:
    ring = load_scanner("siemens-mmr").ring
    assert ring is not None
    return ring


@pytest.fixture
def mmr(recorded_data: Path, tmp_path: Path) -> Path:
    return imported("siemens-petlink32", recorded_data / "siemens-mmr/small_listmode_file.l", tmp_path / "mmr")


def mmr_pairs(recorded_data: Path, mmr: Path) -> dict[str, np.ndarray]:
    header = parse_header((recorded_data / HEADER).read_text(), HEADER)
    with open_listmode(mmr) as run:
        source = PairSource(run, Wanted(scanner=load_scanner("siemens-mmr"), header=header))
        runs = [{name: np.array(column) for name, column in columns.items()} for columns in source.runs()]
    return {name: np.concatenate([columns[name] for columns in runs]) for name in runs[0]}


def test_no_coincidence_of_the_mmr_lies_in_a_gap_and_all_may_pair(recorded_data: Path, mmr: Path) -> None:
    """The gaps are every ninth position: any other way to read addresses puts a ninth of the events there."""
    pairs, ring = mmr_pairs(recorded_data, mmr), mmr_ring()
    a, b = pairs["detector_a"], pairs["detector_b"]

    assert len(a) == PROMPTS + DELAYEDS
    assert not are_virtual(ring, a).any()
    assert not are_virtual(ring, b).any()
    assert may_pair(ring, a, b).all()
    assert np.abs(place(ring, a).ring - place(ring, b).ring).max() == 60  # the header's maximum ring difference


def test_the_mmr_as_petsird_has_every_coincidence(recorded_data: Path, mmr: Path, tmp_path: Path) -> None:
    out = tmp_path / "mmr.petsird"
    options = (*mmr_options(recorded_data), "--half-window", "2.93 ns")

    made = exported(mmr, "petsird", out, *options)

    header, blocks = read_petsird(out)
    prompts, delayeds = events_of(blocks, "prompt_events"), events_of(blocks, "delayed_events")
    assert (made["rows"], made["left_out"], len(prompts), len(delayeds)) == (PROMPTS + DELAYEDS, {}, PROMPTS, DELAYEDS)
    assert check_petsird(header, blocks) == []
    assert [block.time_interval.stop for block in blocks] == [100, 200, 300, 400, 500, 600, 613]
    assert any("segment table has 837 planes" in note for note in made["notes"])
    pairs, bins = mmr_pairs(recorded_data, mmr), detection_bins(mmr_ring())
    prompt = pairs["kind"] == 0
    mine = np.sort([bins[pairs["detector_a"][prompt]], bins[pairs["detector_b"][prompt]]], axis=0)[::-1].T
    assert np.array_equal(np.array(prompts)[:, 1:3], mine)


def test_the_mmr_as_root_has_the_crystals_of_its_pairs(recorded_data: Path, mmr: Path, tmp_path: Path) -> None:
    exported(mmr, "root", tmp_path / "mmr.root", *mmr_options(recorded_data))

    pairs = mmr_pairs(recorded_data, mmr)
    with uproot.open(tmp_path / "mmr.root") as file:
        counts = file["Coincidences"].num_entries, file["delay"].num_entries
        names = ("rsectorID1", "moduleID1", "crystalID1")
        rsector, module, crystal = (file["Coincidences"][name].array(library="np") for name in names)
    assert counts == (PROMPTS, DELAYEDS)
    at = place(mmr_ring(), pairs["detector_a"][pairs["kind"] == 0])
    assert np.array_equal(rsector * 9 + crystal % 8, at.crystal)
    assert np.array_equal(module * 8 + crystal // 8, at.ring)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "it is not recorded where its detectors are; name the scanner profile (--scanner)"),
        (("--scanner", "siemens-mmr"), "are bin addresses; give the Interfile header that came with them (--header)"),
        (("--scanner", "safir-virtual"), "distance between rings: the header says 4.0625 mm"),
        (("--scanner", "dual-head"), "scanner dual-head has heads and no ring"),
    ],
)
def test_the_mmr_without_what_explains_it_is_refused(
    options: tuple[str, ...], words: str, recorded_data: Path, mmr: Path, tmp_path: Path
) -> None:
    header = ("--header", recorded_data / HEADER) if "safir-virtual" in options else ()

    done = call("listmode", "export", mmr, "--to", "petsird", "--out", tmp_path / "out", *options, *header)

    assert (done.code, words in done.err) == (3, True), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["mmr"]


def test_the_safir_example_comes_back_but_for_the_order_of_its_detectors(recorded_data: Path, tmp_path: Path) -> None:
    original = recorded_data / "safir/point_5.clm.safir"
    first = imported("safir64", original, tmp_path / "first")
    exported(first, "safir", tmp_path / "again.clm.safir", "--scanner", "safir-virtual")
    second = imported("safir64", tmp_path / "again.clm.safir", tmp_path / "second")

    with open_listmode(first) as one, open_listmode(second) as other:
        assert one.table("coincidences").equals(other.table("coincidences"))
        assert one.manifest.words_by_kind == other.manifest.words_by_kind
    theirs, ours = (np.fromfile(path, "<u8", offset=32) for path in (original, tmp_path / "again.clm.safir"))
    parts = [(0, 8, 8), (16, 32, 16), (48, 52, 4)]
    exchanged = theirs & (~np.uint64(0) << 56)
    for a, b, width in parts:
        mask = np.uint64((1 << width) - 1)
        exchanged |= (theirs >> a & mask) << b | (theirs >> b & mask) << a
    assert np.all((ours == theirs) | (ours == exchanged))
