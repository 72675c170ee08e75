"""Verdicts on what moved: sweeps, rotations, gates, and the patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support_protocols import camera, planar
from support_study import check, facts, protocol, series, slots, step

from daq.model.framed import Beats, ImageKind, Strip
from daq.model.verdict import Grade
from daq.qc.patientmotion import drift
from daq.qc.study import judged

SWEEP = """sweep = { axis = "bed", from = "0 mm", to = "600 mm", speed = "12 cm/min", \
speed_range = ["10 cm/min", "15 cm/min"] }
"""
LIMITS = '\n[tolerances]\nspeed = "5 %"\nexposure = "90 %"\nposition = "5 mm"\n'
SWEPT = protocol(
    planar(SWEEP, stop='stop.host = "10 min"', kind="whole_body").replace("[instrument]", LIMITS + "\n[instrument]")
)


def swept(exposure, *, mean=2.0, slowest=1.98, fastest=2.03, to_mm=600.0, by=SWEPT):
    strip = Strip(tuple(exposure), 20 * 10**12, mean, slowest, fastest, 0.0, to_mm)
    counts = np.ones((2, 1, len(exposure), 8), np.uint32)
    return judged([series(counts, kind=ImageKind.WHOLE_BODY, strip=strip)], by, facts(step()))


def ramped(rows=60, ramp=10):
    up = np.linspace(0.1, 1.0, ramp)
    return (np.concatenate([up, np.ones(rows - 2 * ramp), up[::-1]]) * 20e12).astype(int).tolist()


def test_a_sweep_as_asked_for_is_good_and_its_ends_are_told():
    verdict = swept(ramped())
    assert {check(verdict, name).grade for name in ("speed", "speed range", "length", "exposure")} == {Grade.GOOD}
    assert "rows at the feet's end" in check(verdict, "exposure").text
    assert "12.0 cm/min" in check(verdict, "speed").text


def test_a_bed_that_slips_in_mid_sweep_leaves_rows_without_exposure():
    slipped = ramped()
    slipped[30:34] = [10 * 10**12] * 4
    found = check(swept(slipped), "exposure")
    assert (found.grade, found.value) == (Grade.BAD, pytest.approx(50))
    assert "slipped" in found.text


@pytest.mark.parametrize(("share", "grade"), [(0.89, Grade.BAD), (0.91, Grade.GOOD)])
def test_rows_under_90_percent_are_told_though_the_protocol_says_nothing_of_exposure(share, grade):
    dim = ramped()
    dim[30] = int(20e12 * share)
    silent = protocol(planar(SWEEP, stop='stop.host = "10 min"', kind="whole_body"))
    found = check(swept(dim, by=silent), "exposure")
    assert (found.grade, found.limit) == (grade, 90)


def test_a_bed_that_stood_in_mid_sweep_exposes_rows_for_longer():
    stood = ramped()
    stood[30] = 35 * 10**12
    assert check(swept(stood), "exposure").value == pytest.approx(175)


def test_a_sweep_shorter_than_the_head_tells_how_much_exposure_there_is_at_most():
    found = check(swept([5 * 10**12, 12 * 10**12, 6 * 10**12]), "exposure")
    assert (found.grade, found.value, found.limit, found.unit) == (Grade.BAD, pytest.approx(60), pytest.approx(90), "%")
    assert found.text == "no row has 90 % of the full exposure, at most 60 %"


def test_speed_and_length_outside_of_what_the_protocol_takes_are_told():
    assert check(swept(ramped(), slowest=1.85), "speed").grade is Grade.BAD
    assert check(swept(ramped(), mean=3.0), "speed range").grade is Grade.BAD
    assert check(swept(ramped(), mean=1.6), "speed range").grade is Grade.BAD  # 9.6 of 10 to 15 cm/min
    short = check(swept(ramped(), to_mm=412.0), "length")
    assert (short.grade, short.text) == (Grade.BAD, "41.2 cm of 60.0 cm were swept")


GATED = protocol(
    planar(
        'gate = { trigger = "ecg", bins = 16, framing = "percent", tolerance = "20 %" }',
        stop='stop = { beats = 100, host = "20 min" }', kind="gated",
    ).replace("[instrument]", '\n[tolerances]\nrejected_beats = "15 %"\n\n[instrument]')
)  # fmt: skip


def gated(beats):
    counts = np.ones((2, 16, 8, 8), np.uint32)
    return judged([series(counts, kind=ImageKind.GATED, beats=beats)], GATED, facts(step()))


def heart(accepted, rejected, intervals=None):
    told = intervals or [(850.0, True)] * accepted + [(500.0, False)] * rejected
    return Beats(
        triggers=accepted + rejected + 1, accepted=accepted, rejected=rejected, outside=0, by_cause={"short": rejected},
        mean_ms=850.0, low_ms=680.0, high_ms=1020.0, bins=16, bin_ms=53.1, framing="percent", direction="forward",
        intervals_ms=tuple(ms for ms, _ in told), accepted_mask=tuple(ok for _, ok in told),
    )  # fmt: skip


def test_a_gated_step_without_any_r_wave_is_bad():
    assert check(gated(heart(0, 0)), "beats").grade is Grade.BAD
    found = check(gated(replace(heart(0, 0), triggers=0)), "triggers")
    assert (found.grade, found.text) == (Grade.BAD, "no R wave came: nothing is gated")


def test_rejected_beats_are_judged_by_the_protocols_share_and_told_by_cause():
    assert check(gated(heart(190, 10)), "beats").grade is Grade.GOOD
    found = check(gated(heart(150, 50)), "beats")
    assert found.grade is Grade.BAD
    assert found.text == "150 of 200 beats accepted, 71 per minute; 25.0 % rejected: 50 short"


def test_too_few_accepted_beats_and_a_long_arrhythmia_are_told():
    assert check(gated(heart(60, 2)), "beats wanted").grade is Grade.BAD
    fibrillating = heart(200, 130, [(850.0, True)] * 100 + [(500.0, False)] * 130 + [(850.0, True)] * 100)
    assert check(gated(fibrillating), "long rejection").value == pytest.approx(65.0)
    spread = heart(200, 130, [(850.0, True), (500.0, False)] * 130)
    assert not [each for each in gated(spread).checks if each.name == "long rejection"]


@pytest.mark.parametrize(("lasted_s", "grade"), [(170.2, None), (176.0, Grade.DOUBTFUL), (300.0, Grade.BAD)])
def test_time_without_any_r_wave_at_the_end_of_a_step_is_told(lasted_s, grade):
    counts = np.ones((2, 16, 8, 8), np.uint32)
    told = [series(counts, kind=ImageKind.GATED, beats=replace(heart(200, 0), outside=2))]
    checks = judged(told, GATED, facts(step(end_ps=round(lasted_s * 1e12)))).checks
    found = [each for each in checks if each.name == "lost triggers"]
    assert [each.grade for each in found] == ([] if grade is None else [grade])
    if grade is Grade.BAD:
        assert found[0].text == "for 128 s of 300 s no R wave came: what was counted then belongs to no beat"


def test_time_without_any_r_wave_in_the_midst_of_a_step_is_told_though_it_is_one_long_interval():
    intervals = [(850.0, True)] * 13 + [(12_000.0, False)] + [(850.0, True)] * 6
    told = replace(heart(19, 1, intervals), outside=2, triggers=21)
    counts = np.ones((2, 16, 8, 8), np.uint32)
    view = series(counts, kind=ImageKind.GATED, beats=told)
    found = check(judged([view], GATED, facts(step(end_ps=29 * 10**12))), "lost triggers")
    assert (found.grade, found.text) == (
        Grade.BAD, "for 11 s of 29 s no R wave came: what was counted then belongs to no beat"
    )  # fmt: skip


def projections(views=60, *, moved_mm=0.0, at=None, heads=2, counts=20_000, arc=180.0, seed=4):
    """Return projections of a body with a hot spot in front and one behind, along which the patient moves."""
    rows = 64
    y = (np.arange(rows) + 0.5) * 4 - 128
    pictures = np.zeros((heads, views, rows, 8))
    for head in range(heads):
        angle = np.radians(np.arange(views) * arc / views + 180 * head)
        time = np.linspace(0, 1, views) if at is None else (np.arange(views) >= at).astype(float)
        for view in range(views):
            front, back = 1 + 0.5 * np.cos(angle[view]), 1 - 0.5 * np.cos(angle[view])
            shift = moved_mm * time[view]
            shape = front * np.exp(-(((y - 30 - shift) / 15) ** 2)) + back * np.exp(-(((y + 40 - shift) / 25) ** 2))
            pictures[head, view] = (shape / shape.sum() * counts / 8)[:, None]
    drawn = np.random.default_rng(seed).poisson(pictures).astype(np.uint32)
    turned = slots(views, each_s=20.0, view=True, gantry_deg=np.arange(views) * arc / views)
    return series(drawn, kind=ImageKind.TOMO, slots_of=turned, rotation="CC", arc_deg=arc, angles_deg=[0.0, 180.0])


def test_a_patient_who_lay_still_does_not_move_whatever_the_body_absorbs():
    found = drift(projections())
    assert found.largest_mm < 4 * found.error_mm
    assert found.error_mm < 0.7


@pytest.mark.parametrize("moved_mm", [-12.0, 12.0])
def test_an_even_drift_and_a_sudden_step_are_told_apart_and_measured(moved_mm):
    even = drift(projections(moved_mm=moved_mm))
    assert even.step_view is None
    assert even.largest_mm == pytest.approx(12.0, abs=4 * even.error_mm)
    sudden = drift(projections(moved_mm=moved_mm, at=37))
    assert sudden.step_view == 37
    assert sudden.largest_mm == pytest.approx(12.0, abs=4 * sudden.error_mm)


SPECT = protocol(
    camera(
        '[[steps]]\nname = "stop"\nrepeat = { count = 60, axis = "gantry", from = "0 deg", step = "3 deg" }\n'
        'stop.time = "20 s"\n',
        kind="spect", top='\n[tolerances]\ndrift = "6 mm"\n',
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("moved_mm", "counts", "grade"),
    [(0.0, 20_000, Grade.GOOD), (14.0, 20_000, Grade.BAD), (14.0, 60, Grade.NOT_EVALUABLE)],
)
def test_patient_motion_is_judged_by_the_protocols_limit_where_counts_suffice(moved_mm, counts, grade):
    found = judged([projections(moved_mm=moved_mm, at=20, counts=counts)], SPECT, facts())
    assert check(found, "patient motion").grade is grade


def test_a_continuous_rotation_that_stalls_is_seen_in_the_times_of_its_views():
    turning = replace(projections(), continuous=True)
    made = protocol(
        camera(
            '[[steps]]\nname = "turn"\nsweep = { axis = "gantry", from = "0 deg", to = "180 deg", '
            'speed = "0.15 deg/s", views = 60 }\nstop.host = "30 min"\n',
            kind="spect", top='\n[tolerances]\nspeed = "5 %"\n',
        )
    )  # fmt: skip
    steady = judged([replace(turning, steps=(1,))], made, facts(step(1, "turn")))
    assert check(steady, "rotation speed").grade is Grade.GOOD
    assert check(steady, "projections").grade is Grade.GOOD
    stalled = replace(turning, slots=slots(60, each_s=20.0, view=True))
    stalled.slots.end_ps[36] += 9 * 10**12
    found = check(judged([stalled], made, facts(step(1, "turn"))), "rotation speed")
    assert (found.grade, round(found.value)) == (Grade.BAD, 31)


def test_views_of_a_gated_rotation_without_a_beat_or_with_less_time_are_told():
    def tomo(live_s):
        views = len(live_s)
        times = slots(views * 8, view=True)
        each = np.repeat(np.array(live_s) * 10**12 // 8, 8).astype(np.int64)
        made = replace(times, view=np.repeat(np.arange(views), 8), live_ps=each)
        counts = np.ones((2, views * 8, 8, 8), np.uint32)
        gated_tomo = series(counts, kind=ImageKind.GATED_TOMO, slots_of=made, beats=heart(100, 2))
        return check(judged([gated_tomo], GATED, facts(step())), "time per angle")

    assert tomo([20.0, 20.5, 19.8, 20.0]).grade is Grade.GOOD
    less = tomo([20.0, 20.5, 12.0, 20.0])
    assert (less.grade, round(less.value)) == (Grade.DOUBTFUL, 40)
    assert "view 3" in less.text
    none = tomo([20.0, 0.0, 0.0, 20.0])
    assert (none.grade, none.text) == (Grade.BAD, "2 of 4 views have no accepted beat at all")
