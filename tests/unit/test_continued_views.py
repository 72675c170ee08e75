"""A view that was stopped and continued: one picture of both recordings, where they lie over one another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from support_cli import call
from support_recorded_view import ROWS, S_PS, recording

from daq.composition.finishing import finish
from daq.storage.framedfile import load_framed
from daq.storage.remarks import NOT_FOR_DIAGNOSIS, Remark, add_remark

GAP_S = 90
ZERO_NS = 1_785_747_600_250_000_000


def taking(storage: Path, name: str, number: int, **changes: Any) -> Path:
    """Return a sealed recording of 10 s that began so many times 100 s after the first, as the daemon lays it down."""
    made = recording(
        storage / "making", heaped=100 * number, acquisition_id=name,
        time={"start_utc_ns": ZERO_NS + number * (GAP_S + 10) * 10**9}, **changes,
    )  # fmt: skip
    place = storage / f"2026-08-0{1 + number}" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return made.rename(place)


def images(directory: Path) -> Any:
    return {file.name: load_framed(file) for file in sorted((directory / "images").glob("*.npz"))}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return taking(tmp_path, "first", 0), taking(tmp_path, "second", 1, continues="first")


def test_a_view_that_went_on_is_one_picture_too_pixel_by_pixel_the_sum(pair: tuple[Path, Path]) -> None:
    first, second = pair
    finish(first)
    done = finish(second)
    assert done.problems == []
    own, whole = images(second)["01-spots.npz"], images(second)["02-spots-all-parts.npz"]
    np.testing.assert_array_equal(whole.counts, images(first)["01-spots.npz"].counts + own.counts)
    assert int(whole.counts.sum()) == 2 * ROWS + 100
    assert whole.parts == ("first", "second")
    assert whole.slots.live_ps.tolist() == (2 * own.slots.live_ps).tolist()
    assert whole.slots.begin_ps.tolist() == [-(GAP_S + 10) * S_PS]
    assert any(note.endswith(f"2, {GAP_S} s between the last two") for note in whole.notes)
    assert list(images(first)) == ["01-spots.npz"]


def test_the_dicom_object_of_the_sum_is_derived_and_says_of_what(pair: tuple[Path, Path]) -> None:
    finish(pair[1])
    own, whole = (pydicom.dcmread(pair[1] / "images" / f"{name}.dcm") for name in ("01-spots", "02-spots-all-parts"))
    assert (own.ImageType[0], whole.ImageType[0]) == ("ORIGINAL", "DERIVED")
    assert "first, second added up" in whole.DerivationDescription
    assert whole.ActualFrameDuration == 2 * own.ActualFrameDuration == 20_000
    assert whole.CountsAccumulated == 2 * ROWS + 100
    assert int(whole.pixel_array.sum()) == 2 * ROWS + 100
    assert len({own.SOPInstanceUID, whole.SOPInstanceUID}) == len({own.SeriesInstanceUID, whole.SeriesInstanceUID}) == 2
    assert whole.AcquisitionTime != own.AcquisitionTime


def test_a_third_recording_adds_up_all_three(tmp_path: Path) -> None:
    taking(tmp_path, "first", 0)
    taking(tmp_path, "second", 1, continues="first")
    third = taking(tmp_path, "third", 2, continues="second")
    finish(third)
    whole = images(third)["02-spots-all-parts.npz"]
    assert whole.parts == ("first", "second", "third")
    assert int(whole.counts.sum()) == 3 * ROWS + 300
    assert whole.slots.live_ps[0] // S_PS == 30


def test_the_verdict_is_on_the_sum(pair: tuple[Path, Path]) -> None:
    call("study", "finish", pair[1])
    told = json.loads((pair[1] / "images" / "verdict.json").read_bytes())
    assert [each.get("parts") for each in told["series"]] == [None, ["first", "second"]]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda first: first.rename(first.parent.parent / "elsewhere"), "first is not beside it any more"),
        (
            lambda first: add_remark(first, Remark(NOT_FOR_DIAGNOSIS, "moved", "anna", "2026-08-01T10:00:00Z")),
            "spots of first is not added: it is marked not for diagnosis",
        ),
    ],
)
def test_what_cannot_be_added_says_why_and_each_recording_keeps_its_own(
    pair: tuple[Path, Path], spoil: Any, why: str
) -> None:
    spoil(pair[0])
    done = finish(pair[1])
    assert list(images(pair[1])) == ["01-spots.npz"]
    assert any(why in each for each in done.problems)


def test_pictures_that_do_not_lie_over_one_another_are_not_added(tmp_path: Path) -> None:
    taking(
        tmp_path, "first", 0, processing={"windows": [{"lower_kev": 130.0, "upper_kev": 150.0, "name": "photopeak"}]}
    )
    second = taking(tmp_path, "second", 1, continues="first")
    assert any("its energy windows are others" in each for each in finish(second).problems)
