"""A camera is looked at while it is recorded, and drawn afterwards: the same images, seen from the right side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support_cli import call, done, started
from support_readout import until
from support_record import attached, temporary_folder
from support_simulators import simulator

from daq.readout.liveview import LiveView
from daq.storage.pictures import pictures_in
from daq.storage.reader import open_listmode

# At the patient's left, towards the head: at the right of ANT, at the left of POST, above the middle in both.
PHANTOM = "point:Tc-99m,mbq=150,x=80,y=0,z=60"


@dataclass
class Looked:
    directory: Path
    figures: dict[str, Any]
    about: dict[str, Any]


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    folder = tmp_path_factory.mktemp("camera")
    with temporary_folder(folder) as temporary, simulator(
        "camera", "--profile", "head-xye64", "--scanner", "dual-head", "--collimator", "LEHR", "--seconds", "2",
        "--activity", PHANTOM, "--once",
    ) as front_end, started(
        "record", "--profile", "head-xye64", "--source", front_end.ready["udp"], "--scanner", "dual-head",
        "--window", "photopeak=126.4-154.6 keV", "--window", "below=100-126.4 keV", "--simulated",
        "--out", folder / "run", temporary=temporary,
    ) as process:  # fmt: skip
        views: list[LiveView] = []
        until(lambda: bool(views) or attached(temporary, views), "the live figures")
        with views[0] as view:
            ended = done(process)
            yield Looked(folder / "run", view.figures(), view.about["looks"]["camera"])
        assert ended.code == 0, ended.err


def test_what_was_seen_live_is_what_the_file_gives_pixel_for_pixel(looked: Looked) -> None:
    with open_listmode(looked.directory) as recording:
        later = pictures_in(recording, most_pixels=looked.about["frame"]["columns"]).pictures
        rows = recording.rows("singles")

    assert looked.figures["looked"]["singles_skipped"] == 0
    assert later.rule.frame.about == looked.about["frame"]
    np.testing.assert_array_equal(looked.figures["images"], later.images)
    np.testing.assert_array_equal(looked.figures["spectra"], later.spectra)
    np.testing.assert_array_equal(looked.figures["window_counts"], later.inside)
    assert later.images.sum() > 10_000
    assert later.events.sum() == rows


def test_live_figures_tell_heads_windows_and_peaks(looked: Looked) -> None:
    assert looked.about["heads"] == [0, 1]
    assert looked.about["images"] == ["photopeak", "below"]
    assert np.abs(looked.figures["peak_kev"][:, 0] - 140.5).max() < 1.0


def test_a_picture_shows_the_patients_left_at_the_right_of_ant_and_at_the_left_of_post(
    looked: Looked, tmp_path: Path
) -> None:
    shown = call(
        "listmode", "picture", looked.directory, "--out", tmp_path / "a.png", "--spectrum", tmp_path / "s.png", "--json"
    )  # fmt: skip
    assert shown.code == 0, shown.err

    assert [(head["head"], head["view"]) for head in shown.json["heads"]] == [(0, "ANT"), (1, "POST")]
    with Image.open(tmp_path / "a.png") as opened:
        ink = 255.0 - np.asarray(opened.convert("L"), np.float64)
    heads = np.array_split(ink[70:], 2, axis=0)  # below the heading, a row of panels for each head
    for head, sign in zip(heads, (1, -1), strict=True):
        panel = head[40:360, 40:480]  # inside of the frame of the first window's image
        rows, columns = np.nonzero(panel > 200)
        assert sign * (columns.mean() - panel.shape[1] / 2) > 20
        assert rows.mean() < panel.shape[0] / 2
    with Image.open(tmp_path / "s.png") as opened:
        assert opened.width > 900


def test_counts_of_a_picture_are_those_of_the_file(looked: Looked, tmp_path: Path) -> None:
    shown = call("listmode", "picture", looked.directory, "--out", tmp_path / "a.png", "--json").json
    with open_listmode(looked.directory) as recording:
        singles = recording.table("singles", ["head", "windows"])
    head, windows = (singles.column(name).to_numpy() for name in ("head", "windows"))

    assert len(shown["heads"]) == 2
    for entry in shown["heads"]:
        counted = [int(((head == entry["head"]) & (windows >> bit & 1 == 1)).sum()) for bit in range(2)]
        assert [image["counts"] for image in entry["images"]] == counted


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "nothing to draw"),
        (("--out", "a.gif"), 2, "PNG"),
        (("--out", "a.png", "--step", "2"), 4, "step 2: the recording has 1"),
        (("--out", "a.png", "--pixels", "0"), 2, "--pixels 0"),
        (("--out", "a.png", "--upper", "0"), 2, "--upper 0"),
        (("--out", "there.png"), 3, "exists"),
        (("--out", "nowhere/a.png"), 3, "cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(
    looked: Looked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.png").write_bytes(b"")
    refused = call("listmode", "picture", looked.directory, *arguments)

    assert (refused.code, words in refused.err) == (code, True), refused.err
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["there.png"]'


def test_a_ring_has_no_picture(tmp_path: Path) -> None:
    refused = call(
        "listmode", "picture", Path(__file__).parent.parent / "golden" / "listmode-1.0", "--out", tmp_path / "a.png"
    )

    assert refused.code in (3, 4), refused.err
    assert "Traceback" not in refused.err
