"""`daq study finish`, `show`, `sheet`, `quicklook`: what is made, what is kept, what is refused."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from PIL import Image
from support_cli import call
from support_recorded_view import ROWS, recording

from daq.composition import finishing, studyjobprocess
from daq.composition.finishingfolder import SUMS, changed_files, is_begun, making_in
from daq.errors import BusyError
from daq.storage.framedfile import load_framed

MADE = ["01-spots.dcm", "01-spots.npz", "contact-sheet.png", "spectrum.png", "verdict.json"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return recording(tmp_path)


def test_everything_is_made_and_hangs_together(directory: Path) -> None:
    done = call("study", "finish", directory, "--json")

    images = directory / "images"
    assert sorted(path.name for path in images.iterdir()) == sorted([*MADE, SUMS])
    assert (sorted(done.json["files"]), done.json["problems"]) == (MADE, [])
    assert done.json["series"][0]["counts"] == ROWS == int(load_framed(images / "01-spots.npz").counts.sum())
    told = json.loads((images / "verdict.json").read_bytes())
    assert told["grade"] == done.json["verdict"]["grade"]
    assert done.code == (6 if told["grade"] == "bad" else 0)
    assert changed_files(images) == []


def test_what_is_finished_is_refused_and_made_anew_only_when_asked_and_the_earlier_is_kept(directory: Path) -> None:
    call("study", "finish", directory)
    images = directory / "images"
    (images / "by-hand.txt").write_text("a person put it there")
    before = (images / "verdict.json").read_bytes()

    refused, again = call("study", "finish", directory), call("study", "finish", directory, "--again", "--json")

    assert (refused.code, "--again" in refused.err) == (3, True)
    assert sorted(again.json["files"]) == MADE
    assert (images / "before-1" / "verdict.json").read_bytes() == before
    assert sorted(path.name for path in (images / "before-1").iterdir()) == sorted([*MADE, SUMS])
    assert (images / "by-hand.txt").exists()


def test_show_tells_the_verdict_and_which_file_is_not_what_it_was(directory: Path) -> None:
    missing = call("study", "show", directory)
    nowhere = call("study", "show", directory / "nowhere")
    call("study", "finish", directory)
    whole = call("study", "show", directory, "--json")
    (directory / "images" / "contact-sheet.png").write_bytes(b"another picture")
    changed = call("study", "show", directory)

    assert (missing.code, "daq study finish" in missing.err) == (4, True)
    assert (nowhere.code, "nowhere: no list-mode directory" in nowhere.err) == (4, True)
    assert (whole.code, whole.json["changed"]) == (0, [])
    assert changed.code == 6
    assert "contact-sheet.png, CHANGED or gone" in changed.out


def test_what_cannot_be_made_is_said_and_costs_nothing_else(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(finishing, "_sheet", broken)
    done = call("study", "finish", directory, "--json")

    assert done.code == 6
    assert done.json["problems"] == ["contact-sheet.png: unexpected ValueError, a fault of this program"]
    assert sorted(done.json["files"]) == [name for name in MADE if name != "contact-sheet.png"]


def test_a_pixel_that_dicom_cannot_hold_leaves_the_other_files(tmp_path: Path) -> None:
    directory = recording(tmp_path, heaped=150_000)
    done = call("study", "finish", directory, "--json")

    assert done.code == 6
    assert [problem.split(":")[0] for problem in done.json["problems"]] == ["01-spots.dcm"]
    assert "contact-sheet.png" in done.json["files"]


def test_of_a_recording_without_positions_there_is_a_verdict_and_no_picture(tmp_path: Path) -> None:
    from support_listmode import make_directory, six_batches

    directory = make_directory(tmp_path / "run", [six_batches()])
    done = call("study", "finish", directory, "--json")

    assert list(done.json["files"]) == ["verdict.json"]
    assert json.loads((directory / "images" / "verdict.json").read_bytes())["no_pictures"]


def test_two_at_once_do_not_meet_and_what_one_left_in_the_middle_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".making").mkdir()
    (tmp_path / ".making" / "half").write_text("of an attempt that was killed")
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)

    with pytest.raises(BusyError, match="another process"), making_in(tmp_path):
        pass
    os.close(held)

    found: list[Path] = []

    def told_to_end() -> None:
        with making_in(tmp_path) as making:
            found.extend(making.iterdir())
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        told_to_end()
    assert found == list(tmp_path.iterdir()) == []


def test_what_is_asked_for_after_a_correction_waits_for_who_makes_pictures_already(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studyjobprocess, "_AGAIN_S", 0.02)
    assert not is_begun(directory)
    (directory / "images").mkdir()
    assert is_begun(directory), "it is being made: who it is may have been read already"
    asked = studyjobprocess.command({"kind": "finish", "directory": str(directory)})[-1]
    held = os.open(directory / "images", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.2, os.close, (held,)).start()

    assert studyjobprocess._KINDS["finish"](directory, json.loads(asked))[0] in (0, 6)
    assert (directory / "images" / "verdict.json").exists()

    monkeypatch.setattr(studyjobprocess, "_BUSY_S", 0.1)
    with pytest.raises(BusyError, match="another process"), making_in(directory / "images"):
        studyjobprocess._KINDS["finish"](directory, json.loads(asked))


def test_what_of_a_recording_cannot_be_read_is_bad_whatever_its_pictures_show(directory: Path, tmp_path: Path) -> None:
    without = tmp_path / "without-marks"
    shutil.copytree(directory, without)
    next(without.glob("marks*")).unlink()
    singles = next(directory.glob("singles*"))
    bytes_ = bytearray(singles.read_bytes())
    bytes_[len(bytes_) // 2] ^= 1
    singles.write_bytes(bytes_)

    flipped, blind = (call("study", "finish", each, "--json").json for each in (directory, without))

    for done, file in ((flipped, "singles-00000.arrows, "), (blind, "marks-00000.arrows, ")):
        assert done["verdict"]["grade"] == "bad"
        [told] = [check["text"] for check in done["verdict"]["checks"] if check["name"] == "recording"]
        assert told.startswith(f"the recording is damaged: {file}")
    assert flipped["series"] != []


def test_a_recording_that_is_still_open_is_refused(tmp_path: Path) -> None:
    directory = recording(tmp_path, state="open")

    assert call("study", "finish", directory).code == 3
    assert not (directory / "images").exists()


def test_what_a_ring_recorded_is_not_finished(tmp_path: Path) -> None:
    directory = recording(tmp_path, profile={"id": "ring", "modality": "pet"})

    done = call("study", "finish", directory)

    assert (done.code, "studies of cameras and probes alone are finished" in done.err) == (3, True), done.err
    assert not (directory / "images").exists()


def test_a_sheet_is_drawn_with_masks_and_levels_and_nothing_is_written_over(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    words = ["--upper", "50", "--log", "--mask", "50,80,20@ANT", "--mask=-5.5,0,3", "--colours", "hot"]
    drawn, again = (call("study", "sheet", directory, "--out", file, *words, "--json") for _ in range(2))

    assert drawn.code == 0, drawn.err
    assert drawn.json["series"][0]["kind"] == "STATIC"
    with Image.open(file) as page:
        assert page.width > 500
    assert again.code == 3


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        ("900,-20.5,5", "mask 900,-20.5,5 lies outside of every picture: there is x -"),
        ("0,0,5@CC", "no picture of view CC"),
    ],
)
def test_a_mask_outside_of_every_picture_is_refused_with_the_limits(
    directory: Path, tmp_path: Path, mask: str, says: str
) -> None:
    done = call("study", "sheet", directory, "--out", tmp_path / "sheet.png", "--mask", mask)

    assert (done.code, says in done.err) == (3, True), done.err
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--upper", "0"], "above 0 to 100"), (["--mask", "1,2"], "X,Y,RADIUS"), (["--mask", "1,2,-3"], "radius above 0"),
     (["--mask", "1,2,3@TOP"], "possible are ANT"), (["--out", "sheet.jpg"], "name it .png")],
)  # fmt: skip
def test_options_that_make_no_sense_are_usage_errors(directory: Path, words: list[str], says: str) -> None:
    done = call("study", "sheet", directory, "--out", "sheet.png", *words)

    assert (done.code, says in done.err) == (2, True)


def test_a_quick_look_without_a_rotation_or_anything_that_moves_is_refused(directory: Path, tmp_path: Path) -> None:
    page, moving = ("--out", tmp_path / "a.png"), ("--cine", tmp_path / "a.gif")

    assert [call("study", "quicklook", directory, *words).code for words in ((), page, moving)] == [2, 3, 3]
