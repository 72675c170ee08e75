"""Uptake, kidneys, ejection fraction from series whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from support_study import PS_PER_S, series, slots

from daq.cli.study_results import _box, _pair
from daq.composition.studyresults import Kidneys, Look, Recorded, ejection, renogram, thyroid_uptakes
from daq.errors import LimitError, MissingError, UsageError
from daq.model.framed import Framed, ImageKind
from daq.qc.studyfacts import StudyFacts

HALF_LIFE_S = 13.22 * 3600
DECAY = math.log(2) / HALF_LIFE_S
GIVEN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
STUDY = "s-" + "a" * 26


def recording(name: str, after_h: float, *made: Framed, **more: Any) -> Recorded:
    facts = StudyFacts(steps=(), injected_at=GIVEN)
    told = {"half_life_s": HALF_LIFE_S, "study": STUDY, "voided_ml": None, **more}
    return Recorded(name, list(made), facts, GIVEN.timestamp() + after_h * 3600, **told)


def view(role: str, per_s: float, *, at_s: float = 0.0, after_h: float = 0.0, live: float = 1.0) -> Framed:
    """Return a static view of 120 s of a source of so many counts per second at the time of giving it."""
    seconds = 120.0
    start_s = after_h * 3600 + at_s
    counts = per_s / DECAY * (math.exp(-DECAY * start_s) - math.exp(-DECAY * (start_s + seconds))) * live
    picture = np.zeros((1, 1, 20, 20), np.uint32)
    picture[0, 0, 10, 10] = round(counts)
    times = slots(1, each_s=seconds)
    shifted = replace(times, begin_ps=times.begin_ps + int(at_s * PS_PER_S), end_ps=times.end_ps + int(at_s * PS_PER_S))
    made = series(picture, slots_of=shifted, role=role, name=role)
    return replace(made, heads=(replace(made.heads[0], live_share=live),))


def test_an_uptake_is_found_at_each_time_at_which_neck_and_thigh_were_measured() -> None:
    capsule = recording("capsule", -0.5, view("syringe", 40_000, after_h=-0.5))
    early = recording("6 h", 6, view("neck", 4_200, after_h=6, live=0.9), view("thigh", 200, at_s=300, after_h=6))
    late = recording("24 h", 24, view("neck", 8_240, after_h=24), view("thigh", 240, at_s=300, after_h=24))

    found = thyroid_uptakes([capsule, early, late], Look())

    assert [each["acquisition"] for each in found] == ["6 h", "24 h"]
    assert [each["uptake"] for each in found] == pytest.approx([0.1, 0.2], rel=1e-4)
    assert [each["after_s"] / 3600 for each in found] == pytest.approx([6, 24])
    assert found[0]["error"] == pytest.approx(0.0002, rel=0.4)
    assert [each["dead_time_told"] for each in found] == [True, True]
    silent = view("neck", 8_240, after_h=24)
    silent = replace(silent, heads=(replace(silent.heads[0], live_told=False),))
    (told,) = thyroid_uptakes([capsule, replace(late, series=[silent, late.series[1]])], Look())
    assert not told["dead_time_told"]


def test_a_neck_that_was_measured_again_counts_as_it_was_measured_last() -> None:
    capsule = recording("capsule", 0, view("syringe", 40_000))
    twice = recording("6 h", 6, view("neck", 90_000, after_h=6), view("thigh", 200, after_h=6),
                      view("neck", 4_200, at_s=600, after_h=6))  # fmt: skip

    assert thyroid_uptakes([capsule, twice], Look())[0]["uptake"] == pytest.approx(0.1, rel=1e-3)


def test_what_an_uptake_needs_is_named_where_it_is_missing() -> None:
    neck = recording("6 h", 6, view("neck", 4_200, after_h=6))
    with pytest.raises(MissingError, match="no step has the role syringe"):
        thyroid_uptakes([neck], Look())
    with pytest.raises(MissingError, match="both a neck and a thigh"):
        thyroid_uptakes([recording("capsule", 0, view("syringe", 1000)), neck], Look())
    with pytest.raises(MissingError, match="no window photo"):
        thyroid_uptakes([recording("capsule", 0, view("syringe", 1000))], Look(window="photo"))


def dynamic(left: int, right: int, around: int = 3) -> Framed:
    """Return 30 frames of 10 s, anterior and posterior, with kidneys of one picture's region each."""
    counts = np.full((2, 30, 40, 40), around, np.uint32)
    counts[1, :, 18:26, 6:12] += np.uint32(left)  # posterior: the patient's left at the viewer's left
    counts[1, :, 18:26, 28:34] += np.uint32(right)
    counts[0, :, 18:26, 28:34] += np.uint32(left // 4)
    counts[0, :, 18:26, 6:12] += np.uint32(right // 4)
    return series(counts, kind=ImageKind.DYNAMIC, slots_of=slots(30, each_s=10.0), name="renogram")


KIDNEYS = Kidneys(
    left=(-56.0, -8.0, -32.0, 24.0), right=(32.0, -8.0, 56.0, 24.0),
    left_background=(-56.0, -24.0, -32.0, -8.1), right_background=(32.0, -24.0, 56.0, -8.1),
)  # fmt: skip


@pytest.mark.parametrize("both_heads", [False, True])
def test_the_share_of_the_left_kidney_is_of_net_counts_on_the_back_or_of_both_sides(*, both_heads: bool) -> None:
    told = renogram(recording("r", 0, dynamic(24, 16)), replace(KIDNEYS, both_heads=both_heads), Look())
    assert told["left_share"] == pytest.approx(0.6)
    assert told["left_net_counts"] == pytest.approx(24 * 48 * 6 / (2 if both_heads else 1))
    assert told["between_s"] == [60.0, 120.0]


def test_injected_counts_and_what_is_left_in_the_bladder_come_with_the_views_that_tell_them() -> None:
    views = [
        dynamic(24, 16), view("syringe", 5000), view("residual", 300, at_s=3000), view("pre_void", 800, at_s=3600),
        view("post_void", 200, at_s=4500),
    ]  # fmt: skip
    one = recording("r", 0, *views, voided_ml=300.0)
    told = renogram(one, replace(KIDNEYS, bladder=(-40, -40, 40, 40)), Look())
    assert told["injected_per_s"] == pytest.approx(4700, rel=1e-4)
    assert told["residual_volume_ml"] == pytest.approx(100, rel=1e-3)
    assert told["head"] == "head 1 (head 1), POST"
    assert "residual_volume_ml" not in renogram(replace(one, voided_ml=None), KIDNEYS, Look())


def test_the_bladder_is_counted_by_the_head_that_saw_the_kidneys_unless_another_one_is_named() -> None:
    def both(role: str, front: int, back: int, at_s: float) -> Framed:
        counts = np.zeros((2, 1, 20, 20), np.uint32)
        counts[:, 0, 10, 10] = front, back
        times = slots(1, each_s=120.0)
        at_ps = int(at_s * PS_PER_S)
        later = replace(times, begin_ps=times.begin_ps + at_ps, end_ps=times.end_ps + at_ps)
        return series(counts, slots_of=later, role=role, name=role)

    views = [dynamic(24, 16), both("pre_void", 9000, 80_000, 3600), both("post_void", 9000, 20_000, 3600)]
    one = recording("r", 0, *views, voided_ml=300.0)
    asked = replace(KIDNEYS, bladder=(-40, -40, 40, 40))

    behind, third = renogram(one, asked, Look()), renogram(one, asked, Look(head=1))
    assert behind["residual_volume_ml"] == third["residual_volume_ml"] == pytest.approx(100, rel=1e-3)
    assert behind["residual_volume_head"] == "head 1 (head 1), POST"
    with pytest.raises(LimitError):
        renogram(one, asked, Look(head=0))


def test_kidneys_that_cannot_be_are_refused() -> None:
    with pytest.raises(MissingError, match="no whole frame between"):
        renogram(recording("r", 0, dynamic(24, 16)), replace(KIDNEYS, between_s=(400, 500)), Look())
    with pytest.raises(MissingError, match="no dynamic series"):
        renogram(recording("r", 0, view("syringe", 5000)), KIDNEYS, Look())
    with pytest.raises(UsageError, match="lies wholly inside"):
        renogram(recording("r", 0, dynamic(24, 16)), replace(KIDNEYS, left_background=(-50, 0, -40, 10)), Look())
    with pytest.raises(LimitError, match="have no share"):
        renogram(recording("r", 0, dynamic(0, 0)), KIDNEYS, Look())


def test_an_ejection_fraction_is_that_of_the_region_above_its_background() -> None:
    volume = 1 - 0.55 * (1 - np.cos(2 * np.pi * np.arange(16) / 16)) / 2
    counts = np.full((1, 16, 40, 40), 20, np.uint32)
    counts[0, :, 15:25, 15:25] += np.round(volume * 4000).astype(np.uint32)[:, None, None]
    gated = series(counts, kind=ImageKind.GATED, slots_of=slots(16), name="LAO")
    found, name, head = ejection(recording("g", 0, gated), (-20, -20, 20, 20), (-60, -60, -30, 60), Look())
    assert (name, head) == ("LAO", "head 0 (head 0), ANT")
    assert found.fraction.value == pytest.approx(0.55, abs=1e-3)
    with pytest.raises(MissingError, match="no gated series"):
        ejection(recording("r", 0, dynamic(1, 1)), (-20, -20, 20, 20), (-60, -60, -30, 60), Look())
    with pytest.raises(UsageError, match=r"no pixel's middle; the picture goes from -[0-9]+ to [0-9]+ mm across"):
        ejection(recording("g", 0, gated), (200, 200, 210, 210), (-60, -60, -30, 60), Look())


def test_boxes_and_times_are_read_whichever_corner_comes_first() -> None:
    assert _box("--region", "20,10,-5,-7.5") == (-5.0, -7.5, 20.0, 10.0)
    for text in ("1,2,3", "a,b,c,d", "1,2,3,inf"):
        with pytest.raises(UsageError, match="X0,Y0,X1,Y1"):
            _box("--region", text)
    with pytest.raises(UsageError, match="the first must lie before"):
        _pair("--between", "120,60")
