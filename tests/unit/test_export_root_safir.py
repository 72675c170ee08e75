"""GATE's trees, read by uproot, and SAFIR's words, read by the decoder of their profile: equal to what was recorded."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import uproot
from support_exports import MS, PAIR_TYPES, RING, pairs, recording
from support_listmode import make_directory, segment

from daq.errors import MismatchError, RefusedError
from daq.model.scanner import ScannerProfile, place, positions_mm
from daq.storage.export import export
from daq.storage.exportpairs import Wanted
from daq.storage.importing import import_file
from daq.storage.reader import open_listmode
from device_profiles.load import load_profile

SCANNER = ScannerProfile(
    schema="scanner-profile/0", id="small", title="Small", vendor="v", source="s", verified="simulated", ring=RING
)


def trees(path: Path) -> dict[str, dict[str, np.ndarray]]:
    with uproot.open(path) as file:
        return {name: file[name].arrays(library="np") for name in file.keys(cycle=False)}


def test_prompts_and_delayeds_are_trees_whose_first_detector_was_hit_first(tmp_path: Path) -> None:
    columns = pairs(500)

    made = export(recording(tmp_path, columns), tmp_path / "out.root", to="root")

    found = trees(made.file)
    assert (made.rows, made.stream, sorted(found)) == (500, "coincidences", ["Coincidences", "delay"])
    for name, kind in (("Coincidences", 0), ("delay", 1)):
        tree, rows = found[name], columns["kind"] == kind
        swapped = columns["tof_ps"][rows] < 0
        first = np.where(swapped, columns["detector_b"][rows], columns["detector_a"][rows])
        at = place(RING, first)
        assert np.array_equal(tree["rsectorID1"], at.crystal // 4)
        assert np.array_equal(tree["moduleID1"], at.ring // 2)
        assert np.array_equal(tree["crystalID1"], at.ring % 2 * 3 + at.crystal % 4)
        assert np.array_equal(tree["time1"], columns["time_ps"][rows] / 1e12)
        assert np.allclose((tree["time2"] - tree["time1"]) * 1e12, np.abs(columns["tof_ps"][rows]), atol=0.01)
        energy = np.where(swapped, columns["energy_b_kev"][rows], columns["energy_a_kev"][rows])
        assert np.allclose(tree["energy1"], energy / 1000)
        place_mm = np.stack([tree[f"globalPos{axis}1"] for axis in "XYZ"], axis=1)
        assert np.allclose(place_mm, positions_mm(RING, first), atol=1e-4)
        assert np.isnan(tree["sourcePosX1"]).all()


def test_singles_are_a_tree_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    time_ps = np.sort(rng.integers(0, 10**12, 400))
    detector = rng.integers(0, 24 * 4, 400).astype(np.uint32)
    energy = rng.uniform(400, 600, 400).astype(np.float32)
    batch = pa.record_batch({"time_ps": time_ps, "detector": detector, "energy_kev": energy})
    directory = make_directory(tmp_path / "run", [segment("singles", [batch])])

    made = export(directory, tmp_path / "out.root", to="root", wanted=Wanted(scanner=SCANNER))

    tree, real = trees(made.file)["Singles"], detector % 4 != 3
    assert (made.rows, made.left_out) == (np.count_nonzero(real), {"no crystal": np.count_nonzero(~real)})
    assert np.array_equal(tree["time"], time_ps[real] / 1e12)
    assert np.array_equal(tree["rsectorID"] * 4 + tree["crystalID"] % 3, detector[real] % 24)
    assert np.allclose(tree["energy"], energy[real] / 1000)
    with pytest.raises(RefusedError, match="pair them first, `daq listmode sort`"):
        export(directory, tmp_path / "other", to="petsird", wanted=Wanted(scanner=SCANNER))


def test_baskets_do_not_change_the_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = recording(tmp_path, pairs(700), cut=90)
    whole = trees(export(directory, tmp_path / "whole.root", to="root").file)
    monkeypatch.setattr("daq.storage.exportroot._BASKET_ROWS", 50)

    parts = trees(export(directory, tmp_path / "parts.root", to="root").file)

    for name, tree in whole.items():
        assert all(np.array_equal(values, parts[name][branch], equal_nan=True) for branch, values in tree.items())


def test_safir_words_come_back_as_the_same_rows(tmp_path: Path) -> None:
    columns = pairs(800)

    made = export(recording(tmp_path, columns), tmp_path / "out.clm.safir", to="safir")

    profile = load_profile("safir64")
    back = tmp_path / "back"
    with open_listmode(tmp_path / "run") as run:
        manifest = run.manifest.model_copy(
            update={"state": "open", "segments": [], "profile": profile.model_dump(mode="json"), "processing": None}
        )
    import_file(made.file, back, manifest, profile.layout, profile.clock)
    with open_listmode(back) as run:
        table = run.table("coincidences")
        assert run.manifest.words_by_kind["time"] == np.unique(columns["time_ps"] // MS).size
    assert made.rows == 800
    assert np.array_equal(table["time_ps"], columns["time_ps"] // MS * MS)
    assert np.array_equal(table["kind"], columns["kind"])
    for side in ("a", "b"):
        at = place(RING, columns[f"detector_{side}"])
        assert np.array_equal(table[f"detector_{side}"], at.layer << 24 | at.ring << 16 | at.crystal)
    assert made.file.read_bytes()[:32] == b"SAFIR CListModeData".ljust(32, b"\0")


def test_what_safir_cannot_say_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    columns = pairs(5)
    columns["time_ps"][0] = -1
    directory = recording(tmp_path, columns)
    wide = RING.model_copy(update={"rings": 300, "module_rings": 2})

    with pytest.raises(RefusedError, match="a time of -1 ms; SAFIR's list mode has none below zero"):
        export(directory, tmp_path / "out", to="safir")
    with pytest.raises(MismatchError, match="recorded with another ring than that of scanner small"):
        export(
            directory, tmp_path / "out", to="safir", wanted=Wanted(scanner=SCANNER.model_copy(update={"ring": wide}))
        )
    other = recording(tmp_path / "other", columns, processing=None, scanner=None)
    with pytest.raises(RefusedError, match="300 rings: SAFIR's list mode counts at most 256"):
        export(other, tmp_path / "out", to="safir", wanted=Wanted(scanner=SCANNER.model_copy(update={"ring": wide})))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "run"]


def test_an_empty_stream_of_pairs_makes_no_root_file(tmp_path: Path) -> None:
    columns = {name: np.empty(0, kind) for name, kind in PAIR_TYPES.items()}

    with pytest.raises(RefusedError, match="nothing to export as Coincidences or delay"):
        export(recording(tmp_path, columns), tmp_path / "out", to="root")
    assert export(tmp_path / "run", tmp_path / "out", to="petsird").rows == 0
    assert export(tmp_path / "run", tmp_path / "out2", to="safir").rows == 0
