"""All frames of a head as one picture: upright, one scale for all, nothing but what the list of sums names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_framed import KINDS

from daq.composition import studyframes
from daq.composition.studyframes import frames
from daq.errors import FormatError, MissingError
from daq.storage.framedfile import save_framed


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording with one dynamic series, the lowest row of whose last frame is the hottest."""
    directory = tmp_path / "run-1"
    (directory / "images").mkdir(parents=True)
    one = KINDS["dynamic"]()
    heads = tuple(replace(head, width_mm=None, height_mm=None) for head in one.heads)
    counts = np.zeros_like(one.counts)
    counts[0, 0, -1, 0, :] = 10
    save_framed(replace(one, counts=counts, heads=heads), directory / "images" / "01-flow.npz")
    (directory / "images" / "SHA256SUMS").write_text("0  01-flow.npz\n")
    return directory


def test_frames_stand_side_by_side_head_up_and_say_when_they_were(recording: Path, tmp_path: Path) -> None:
    path, about = frames(recording, "01-flow", 0, 0, tmp_path / "kept")
    with Image.open(path) as opened:
        page = np.asarray(opened)
    number, across = len(about["counts"]), about["across"]
    assert page.shape == (-(-number // across) * about["rows"], across * about["columns"])
    last = number - 1
    top, left = last // across * about["rows"], last % across * about["columns"]
    shown = page[top : top + about["rows"], left : left + about["columns"]]
    assert (shown[-1] == 0).all()  # the lowest row of counts is the lowest of the picture
    assert (shown[:-1] == 255).all()
    assert about["counts"][-1] == 10 * about["columns"]
    assert about["begin_s"][0] < about["end_s"][0] <= about["end_s"][-1]
    assert frames(recording, "01-flow", 0, 0, tmp_path / "kept")[0] == path  # made once


def test_pixels_are_added_up_where_there_are_too_many(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = frames(recording, "01-flow", 0, 0, tmp_path / "whole")[1]
    monkeypatch.setattr(studyframes, "_MOST_PIXELS", len(whole["counts"]) * whole["rows"] * whole["columns"] // 4)
    path, about = frames(recording, "01-flow", 0, 0, tmp_path / "small")
    assert (about["added_up"], about["rows"], about["columns"]) == (2, whole["rows"] // 2, whole["columns"] // 2)
    down = -(-len(about["counts"]) // about["across"])
    with Image.open(path) as opened:
        assert opened.size == (about["across"] * about["columns"], down * about["rows"])


def test_what_is_not_listed_not_there_or_no_series_is_refused_in_words(recording: Path, tmp_path: Path) -> None:
    for name, head, window in (("02-gone", 0, 0), ("../x", 0, 0), ("01-flow", 60, 0), ("01-flow", 0, 60)):
        with pytest.raises(MissingError):
            frames(recording, name, head, window, tmp_path)
    (recording / "images" / "01-flow.npz").write_bytes(b"torn")
    with pytest.raises(FormatError, match="not a file of framed pictures"):
        frames(recording, "01-flow", 0, 0, tmp_path)
