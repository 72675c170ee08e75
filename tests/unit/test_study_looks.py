"""Live pictures of a study: the series of the present step as it grows, and what there is to say of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support_study_looks import COLUMNS, LAYOUT, S, look_of, mark, protocol_text, singles

from daq.composition import new_manifest
from daq.errors import FormatError
from daq.model.processing import Processing
from daq.readout.studydeclaration import INTERVALS, MOST_SHOWN, study_look
from daq.readout.studylooks import KEYS, StudyLooks
from device_profiles.load import load_profile

MS = 10**9


def begun(*names: str, moving: bool = False) -> StudyLooks:
    """Return the looks of a protocol whose first step has begun."""
    looks = StudyLooks(look_of(*names))
    first = looks.look.setup.steps[0].name
    looks.note_marks(mark("start", 0, text=first, value2=1.0 if moving else float("nan")))
    return looks


def told(looks: StudyLooks) -> dict[str, Any]:
    values = looks.values()
    about = json.loads(str(values["study"]))
    shape = about.get("shape") or [0]
    counts = values["study_counts"]
    assert isinstance(counts, np.ndarray)
    assert not counts[int(np.prod(shape)) :].any()
    return {**values, "about": about, "counts": counts[: int(np.prod(shape))].reshape(shape)}


def test_a_view_grows_with_the_events_of_its_step() -> None:
    looks = begun("view")
    looks.see(singles([1, 2, 3], x_mm=5.0, y_mm=-12.0))
    looks.see(singles([4], head=1))

    shown = told(looks)

    assert tuple(shown["about"]) == ("step", "series", "shape", *KEYS[3:])
    assert set(shown["about"]) == set(KEYS)
    assert shown["counts"].shape == (2, 1, 1, 64, 64)
    assert shown["counts"].sum(axis=(1, 2, 3, 4)).tolist() == [3, 1]
    assert shown["about"]["series"]["kind"] == "STATIC"
    looks.note_marks(mark("step", 10, text="view: end"))
    looks.see(singles([11, 12]))
    assert told(looks)["counts"].sum() == 2


def test_frames_that_wait_show_nothing_and_begin_with_the_event_that_began_them() -> None:
    looks = begun("flow")
    looks.see(singles([100 * MS, 480 * MS, 490 * MS]))
    before = told(looks)
    looks.note_marks(mark("frame_zero", 485 * MS, text="a bolus"))
    looks.see(singles([500 * MS, 790 * MS]))
    first = told(looks)
    looks.see(singles([1100 * MS]))
    second = told(looks)

    assert (before["counts"].sum(), before["about"]["frames_wait"]) == (0, True)
    assert (first["counts"].sum(), first["about"]["frames_wait"], first["about"]["slot"]) == (1, False, 1)
    assert first["about"]["slots"]["begin_ps"] == [785 * MS]
    assert first["about"]["series"]["counts"] == 3
    assert (second["about"]["slot"], second["counts"].sum(), second["about"]["planned"]) == (2, 1, 3)


def test_what_is_kept_while_frames_wait_is_of_the_last_seconds() -> None:
    looks = begun("flow")
    for tenth in range(200):
        looks.see(singles([tenth * S // 10] * 100))

    assert 11 * 100 <= len(looks._rows) <= 22 * 100


def test_of_a_rotation_the_present_projection_is_shown() -> None:
    looks = begun("around")
    looks.note_marks(mark("step", 10, text="around 2/3: time=1s"))
    looks.see(singles([11, 12, 13]))
    looks.note_marks(mark("step", 20, text="around 3/3: time=1s"))
    looks.see(singles([21, 22]))

    shown = told(looks)

    assert (shown["about"]["slot"], shown["about"]["series"]["slots"], shown["counts"].sum()) == (2, 3, 2)


def test_a_strip_tells_the_exposure_of_its_rows() -> None:
    looks = begun("body", moving=True)
    for ms in range(0, 1100, 50):
        looks.note_marks(mark("position", ms * MS, text="bed", value=1, value2=ms / 10))
    looks.see(singles([500 * MS, 999 * MS]))
    looks.see(singles([1051 * MS]))
    looks.complete()

    shown = told(looks)
    exposure, about = shown["study_exposure_ps"], shown["about"]["strip"]

    assert shown["counts"].sum() == 2  # where the bed was at the third nobody knows
    assert about["mean_speed_mm_per_s"] == pytest.approx(100.0)
    assert about["full_ps"] == pytest.approx(4 * S, rel=0.01)
    assert exposure[: about["rows"]].max() == pytest.approx(1050 * MS, rel=0.01)
    assert len(exposure) == about["rows"] == shown["counts"].shape[3]


def test_a_beat_is_shown_with_its_account_and_the_histogram_of_intervals() -> None:
    looks = begun("heart")
    for ms in (0, 800, 1600, 3100, 3900):
        looks.note_marks(mark("cardiac_trigger", ms * MS))
    for ms in (10, 810, 1610, 3110, 3950):
        looks.see(singles([ms * MS]))

    shown = told(looks)
    histogram = shown["study_intervals"]

    assert shown["counts"].shape[2] == 8
    assert shown["counts"].sum(axis=(0, 1, 3, 4)).tolist() == [3, 0, 0, 0, 0, 0, 0, 0]
    assert (shown["about"]["beats"]["accepted"], shown["about"]["beats"]["by_cause"]) == (3, {"long": 1})
    assert histogram.shape == (2, INTERVALS)
    assert np.flatnonzero(histogram[0]).tolist() == [80]
    assert np.flatnonzero(histogram[1]).tolist() == [150]


def test_rows_that_were_not_looked_at_are_counted_for_the_step() -> None:
    looks = begun("view")
    looks.skip(singles([1, 2, 3]))
    skipped = told(looks)["about"]["skipped"]
    looks.note_marks(mark("step", 10, text="view: end"))

    assert (skipped, told(looks)["about"]["skipped"]) == (3, 0)


def test_a_step_of_which_no_picture_can_be_made_is_said_and_ends_nothing() -> None:
    looks = begun("huge", "view")
    looks.see(singles([1]))
    about = told(looks)["about"]

    assert about["series"] is None
    assert "10,000 frames" in json.dumps(about["omitted"])
    assert looks.warning is not None
    looks.note_marks(mark("step", 10, text="view: end"))
    looks.see(singles([11]))
    assert "10,000 frames" in told(looks)["about"]["omitted"]


def test_pictures_are_made_of_fewer_pixels_until_all_can_be_shown() -> None:
    look = look_of("view", "body", "heart")

    assert look.omitted == {}
    assert look.cells <= MOST_SHOWN
    assert look.cells == 2 * 8 * 32 * 32
    assert (look.rows, look.interval_bin_ms) == (83, 10)  # 300 mm and a field of 400 mm, in pixels of 540 mm / 64


def test_without_a_protocol_or_without_places_nothing_is_shown_and_a_damaged_one_is_refused() -> None:
    profile = load_profile("head-xye64")
    manifest = new_manifest(profile, identity="run", source="test", stop="end", simulated=True)
    without = study_look(COLUMNS, manifest, LAYOUT, Processing(), "here")
    manifest.protocol = {"toml": protocol_text("view")}
    shown = study_look(COLUMNS, manifest, LAYOUT, Processing(), "here")
    nowhere = study_look(["time_ps", "energy_kev"], manifest, LAYOUT, Processing(), "here")
    manifest.protocol = {"toml": "no protocol"}

    assert (without, nowhere) == (None, None)
    assert shown is not None
    assert shown.setup.steps[0].name == "view"
    with pytest.raises(FormatError, match="here: the protocol in its manifest cannot be read"):
        study_look(COLUMNS, manifest, LAYOUT, Processing(), "here")
