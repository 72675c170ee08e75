from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support_catalogue import manifest, recording
from support_protocols import camera, planar
from support_study import PS_PER_S, check, facts, protocol, series, slots, step

from daq.model.framed import ImageKind
from daq.model.verdict import Check, Grade, Verdict
from daq.qc.study import judged
from daq.storage.manifest import dump_manifest
from daq.storage.reader import open_listmode
from daq.storage.studyfacts import facts_in
from device_profiles.load import load_profile

LEAST = 'minimum_counts = { counter = "singles", limit = "1 kcounts", window = "peak", head = "both" }'


def still(name, more='stop.time = "10 s"'):
    return f'[[steps]]\nname = "{name}"\nview = "ANT"\n{more}\n\n'


def given_later(more=""):
    return planar(more).replace("[instrument]", '[requirements]\nadministration = "may_follow"\n\n[instrument]')


def flat(*shape, each=1):
    return np.full(shape, each, np.uint32)


def test_a_step_that_was_not_acquired_is_named():
    made = protocol(camera(
        still("a") + still("b")
    ))  # fmt: skip
    found = check(judged([], made, facts(step())), "steps")
    assert found.grade is Grade.BAD
    assert found.text == "not acquired: b"
    assert (found.value, found.limit) == (1, 2)
    lost = check(judged([], made, facts(step(completed=False), ended_by="motion lost")), "steps")
    assert lost.text.startswith("not acquired: b; the acquisition ended early: axes were not where they should be")
    assert check(judged([], protocol(planar()), facts(step(completed=False))), "steps").text.endswith(
        ", 1 of them in part"
    )


def test_a_view_that_was_aborted_may_be_continued_only_where_nothing_moves():
    aborted = step(completed=False, ended_by="aborted by ana", end_ps=4 * PS_PER_S)
    static = check(judged([], protocol(planar()), facts(aborted)), "end")
    assert static.text == "not finished, it ended early after 4.0 s, aborted by ana: it may be continued"
    moving = protocol(planar('sweep = { axis = "bed", from = "0 mm", to = "600 mm", speed = "10 cm/min" }',
                             stop='stop.host = "10 min"', kind="whole_body"))  # fmt: skip
    assert "repeated as a new view" in check(judged([], moving, facts(aborted)), "end").text


@pytest.mark.parametrize(
    ("head", "grade"), [("both", Grade.BAD), ("either", Grade.GOOD), ("view", Grade.GOOD), ("sum", Grade.GOOD)]
)
def test_counts_are_those_of_the_heads_that_the_limit_names(head, grade):
    made = protocol(planar(LEAST.replace('"both"', f'"{head}"')))
    counts = np.stack([flat(1, 40, 40), flat(1, 20, 20).repeat(2, 1).repeat(2, 2) // 2])
    counts[1, 0, :10, :40] = 1  # 1,600 counts of head 0, 400 of head 1
    found = check(judged([series(counts)], made, facts(step())), "counts")
    assert found.grade is grade
    assert found.value == {"both": 400, "either": 1600, "view": 1600, "sum": 2000}[head]


def test_counts_of_gated_spect_are_those_of_all_beats_and_of_a_gated_view_those_of_accepted_ones():
    made = protocol(planar(LEAST.replace('"both"', '"sum"')))
    taken = series(flat(1, 1, 20, 20), kind=ImageKind.GATED_TOMO)
    every = series(flat(1, 1, 40, 40), kind=ImageKind.TOMO, ungated=True)
    found = check(judged([taken, every], made, facts(step())), "counts")
    assert (found.of, found.grade, found.value) == ("a, all beats", Grade.GOOD, 1600)
    view = check(judged([replace(taken, kind=ImageKind.GATED)], made, facts(step())), "counts")
    assert view.grade is Grade.BAD
    assert view.text.startswith("400 counts in accepted beats, all heads together; below 1,000")


def test_counts_of_a_region_are_those_of_pixels_inside_alone():
    region = LEAST.replace('"both"', '"sum", region = ["-8 mm", "-8 mm", "8 mm", "8 mm"]')
    found = check(judged([series(flat(1, 1, 40, 40))], protocol(planar(region)), facts(step())), "counts")
    assert found.value == 16


def test_events_that_are_in_no_pixel_count_like_those_that_end_a_step():
    picture = replace(series(flat(2, 1, 20, 20)), outside=np.array([[700], [500]], np.int64))
    found = check(judged([picture], protocol(planar(LEAST)), facts(step())), "counts")
    assert (found.value, found.text.split(";")[0]) == (900, "900 counts, those in no pixel too, of the head with fewer")


def test_counts_of_a_sweep_are_those_of_its_strip_and_not_what_came_beyond_the_usable_length():
    strip = replace(series(flat(2, 1, 20, 20), kind=ImageKind.WHOLE_BODY), outside=np.array([[9000], [9000]], np.int64))
    found = check(judged([strip], protocol(planar(LEAST)), facts(step())), "counts")
    assert (found.grade, found.value) == (Grade.BAD, 400)
    assert found.text.startswith("400 counts in the strip, of the head with fewer; below 1,000")
    assert strip.outside_words == "beyond the usable length, in no row"


def test_counts_of_a_window_that_was_not_framed_are_not_evaluable():
    made = protocol(planar(LEAST.replace('window = "peak"', 'window = "all"')))
    assert check(judged([series(flat(2, 1, 9, 9))], made, facts(step())), "counts").grade is Grade.NOT_EVALUABLE


def test_the_step_of_a_repetition_with_the_fewest_counts_is_named():
    made = protocol(camera(
        '[[steps]]\nname = "stop"\nrepeat = { count = 4, axis = "gantry", from = "0 deg", step = "90 deg" }\n'
        f'stop.time = "10 s"\n{LEAST.replace("both", "sum").replace("1 kcounts", "300 counts")}\n', kind="spect",
    ))  # fmt: skip
    counts = flat(1, 4, 20, 20)
    counts[0, 2] = 0
    counts[0, 2, :10] = 1
    tomo = series(counts, kind=ImageKind.TOMO, slots_of=slots(4, view=True), name="stop", steps=(1, 2, 3, 4))
    seen = facts(*(step(number, f"stop {number}/4") for number in range(1, 5)))
    found = check(judged([tomo], made, seen), "counts")
    assert (found.grade, found.value) == (Grade.BAD, 200)
    assert "stop 3/4" in found.text


def test_a_head_without_counts_in_some_views_was_lost_there():
    counts = flat(2, 6, 20, 20)
    counts[1, 3:5] = 0
    made = protocol(planar('phases = [{ frames = 6, frame = "10 s" }]', stop='stop.host = "2 min"', kind="dynamic"))
    found = check(judged([series(counts, kind=ImageKind.DYNAMIC)], made, facts(step())), "head lost")
    assert found.grade is Grade.BAD
    assert found.text == "head head 1 has no counts in 2 frames, from 4 to 5 of 6, other heads have"


def test_a_head_that_never_counted_is_not_lost_where_one_is_wanted_and_no_view_says_which():
    counts = flat(2, 1, 20, 20)
    counts[1] = 0
    flood = camera('[[steps]]\nname = "flood"\nstop.time = "10 s"\n\n', kind="qc_flood")
    seen = facts(step(name="flood"))
    one, two = (judged([series(counts)], protocol(flood.replace("heads = 2", f"heads = {n}")), seen) for n in (1, 2))
    assert [sum(each.name == "head lost" for each in found.checks) for found in (one, two)] == [0, 1]


def test_frames_that_are_cut_short_are_counted():
    made = protocol(planar('phases = [{ frames = 6, frame = "10 s" }]', stop='stop.host = "2 min"', kind="dynamic"))
    short = slots(4)
    short.live_ps[-1] -= PS_PER_S  # it spans the time that was planned
    found = check(
        judged([series(flat(2, 4, 9, 9), kind=ImageKind.DYNAMIC, slots_of=short)], made, facts(step())), "frames"
    )
    assert (found.grade, found.value, found.limit) == (Grade.BAD, 3, 6)


def test_gaps_and_silent_sources_are_told():
    silence = [(2 * PS_PER_S, "silent", 1, 0, 3.0, ""), (7 * PS_PER_S, "heard", 1, 0, 0.0, "")]
    verdict = judged([series(flat(2, 1, 9, 9))], protocol(planar()), facts(step(missing=1820), marks=silence))
    assert "1,820" in check(verdict, "gaps").text
    assert check(verdict, "silence").value == 5.0
    assert verdict.grade is Grade.DOUBTFUL


def test_a_second_paired_view_lasts_as_long_as_the_first():
    made = protocol(camera(still("left") + still("right", 'stop = { as_step = "left", host = "1 min" }')))
    alike = facts(step(1, "left"), step(2, "right", end_ps=int(20.05 * PS_PER_S)))
    other = facts(step(1, "left"), step(2, "right", end_ps=17 * PS_PER_S))
    assert check(judged([], made, alike), "paired time").grade is Grade.GOOD
    assert check(judged([], made, other), "paired time").grade is Grade.BAD


def after(minutes, injected="2026-11-22T09:00:00+00:00"):
    zero_ns = 1_795_338_000 * 10**9  # 2026-11-22T09:00Z
    clock = (0, "clock", 0xFFFF, zero_ns + int(minutes * 60e9), 0.0, "")
    return facts(step(), marks=[clock], administration={"injected_at": injected, "residual_mbq": 3.0})


def test_a_step_outside_of_its_time_after_the_injection_is_told_with_both_times():
    made = protocol(given_later('after_injection = ["1 min", "10 min"]'))
    assert check(judged([], made, after(9.9)), "after injection").grade is Grade.GOOD
    late = check(judged([], made, after(14.2)), "after injection")
    assert late.grade is Grade.DOUBTFUL
    assert late.text == "began 14.2 min after the injection; wanted 60 s to 10.0 min"
    unknown = check(judged([], made, after(5, injected=None)), "after injection")
    assert unknown.grade is Grade.NOT_EVALUABLE


def test_of_a_repetition_the_step_farthest_outside_of_its_time_is_told_alone():
    made = protocol(camera(
        '[[steps]]\nname = "stop"\nrepeat = { count = 3, axis = "gantry", from = "0 deg", step = "90 deg" }\n'
        'stop.time = "10 s"\nafter_injection = ["1 min", "10 min"]\n', kind="spect",
    ).replace("[instrument]", '[requirements]\nadministration = "may_follow"\n\n[instrument]'))  # fmt: skip
    clock = (0, "clock", 0xFFFF, 1_795_338_000 * 10**9, 0.0, "")
    begun = [
        step(n, f"stop {n}/3", begin_ps=each * PS_PER_S, end_ps=each * PS_PER_S + 1)
        for n, each in ((1, 300), (2, 700), (3, 800))
    ]
    seen = facts(*begun, marks=[clock], administration={"injected_at": "2026-11-22T09:00:00+00:00"})
    found = [each for each in judged([], made, seen).checks if each.name == "after injection"]
    assert [(each.of, each.grade, each.value) for each in found] == [("stop 3/3", Grade.DOUBTFUL, 800)]


def test_an_administration_record_without_residual_is_told():
    made = protocol(given_later())
    given = {"injected_at": "2026-11-22T09:00:00+00:00", "residual_mbq": None, "extravasation": True}
    verdict = judged([], made, facts(step(), administration=given))
    assert "residual is not measured" in check(verdict, "administration").text
    assert check(verdict, "extravasation").grade is Grade.DOUBTFUL
    assert check(judged([], made, facts(step())), "administration").grade is Grade.DOUBTFUL


def test_of_a_protocol_of_two_sessions_the_steps_of_this_one_are_asked_for():
    made = protocol(camera(still("flow") + still("late", 'session = 2\nstop.time = "10 s"')))
    second = facts(step(1, "late"), study={"session": 2})
    assert check(judged([], made, second), "steps").grade is Grade.GOOD


def test_axes_are_judged_by_the_worst_position_of_a_series():
    rotating = protocol(camera(
        '[[steps]]\nname = "stop"\nrepeat = { count = 3, axis = "gantry", from = "0 deg", step = "120 deg" }\n'
        'stop.time = "10 s"\n', kind="spect", top="\n[tolerances]\nangle = \"0.5 deg\"\n",
    ))  # fmt: skip
    marks = [
        (n * 10 * PS_PER_S, "position", 0xFFFF, 0, place, "gantry") for n, place in enumerate((359.9, 121.2, 240.0))
    ]
    seen = [step(number, f"stop {number}/3", begin_ps=(number - 1) * 10 * PS_PER_S + 1) for number in (1, 2, 3)]
    found = check(judged([], rotating, facts(*seen, marks=marks)), "position")
    assert (found.grade, found.of) == (Grade.BAD, "stop 2/3")
    assert found.value == pytest.approx(1.2)
    assert check(judged([], rotating, facts(*seen)), "position").grade is Grade.NOT_EVALUABLE


def test_the_worst_check_is_the_grade_and_comes_first_in_words():
    verdict = judged([series(flat(2, 1, 9, 9))], protocol(planar(LEAST)), facts(step(missing=1)))
    assert verdict.grade is Grade.BAD
    assert "not worth reading" in verdict.sentences[0]
    assert verdict.to_json()["grade"] == "bad"


def test_steps_that_the_hosts_clock_ended_are_told_in_one_sentence():
    made = protocol(
        camera(
            '[[steps]]\nname = "stop"\nrepeat = { count = 3, axis = "gantry", from = "0 deg", step = "120 deg" }\n'
            'stop = { time = "10 s", host = "20 s" }\n',
            kind="spect",
        )
    )
    ends = ("time", "host", "host")
    verdict = judged([], made, facts(*(step(n, f"stop {n}/3", ended_by=by) for n, by in enumerate(ends, 1))))
    found = check(verdict, "end")
    assert (found.grade, found.of, found.value) == (Grade.DOUBTFUL, "stop 2/3, stop 3/3", 2)
    assert found.text.startswith("2 of 3 ended by the host's clock")


def test_a_record_that_cannot_be_read_is_told_and_all_else_is_judged(tmp_path):
    place = recording(tmp_path, 1)
    (place / "administration.json").write_text("{")
    (place / "manifest.json").write_bytes(dump_manifest(manifest(1, segments=[])))
    with open_listmode(place) as opened:
        told = facts_in(opened)
    assert told.steps[0].name == "flood"
    found = check(judged([], protocol(given_later()), told), "administration")
    assert found.grade is Grade.DOUBTFUL
    assert "administration.json" in found.text


@pytest.mark.parametrize(("share", "told", "grade"), [
    (0.95, True, Grade.GOOD), (0.85, True, Grade.BAD), (1.0, False, Grade.NOT_EVALUABLE), (0.85, False, Grade.BAD),
])  # fmt: skip
def test_a_head_that_tells_no_dead_time_is_not_said_to_have_had_none(share, told, grade):
    made = protocol(given_later("").replace("[[steps]]", '[tolerances]\nlive = "90 %"\n\n[[steps]]', 1))
    view = series(np.full((1, 1, 4, 4), 9, np.uint32), name="flood")
    view = replace(view, heads=(replace(view.heads[0], live_share=share, live_told=told),))

    found = check(judged([view], made, facts(step(1, "flood"))), "live time")

    assert found.grade is grade
    assert told or share < 1 or "not known" in found.text


@pytest.mark.parametrize(("profile", "more", "grade"), [
    ("head-xye64", {}, Grade.NOTE), ("caen-fers-a5202", {}, Grade.NOT_EVALUABLE), ("", {}, Grade.NOT_EVALUABLE),
    ("head-xye64", {"missing": 3, "live_ps": None}, Grade.NOT_EVALUABLE),
])  # fmt: skip
def test_dead_time_that_front_ends_never_tell_is_noted_and_that_which_was_not_told_is_not_evaluable(
    profile, more, grade
):
    made = protocol(given_later("").replace("[[steps]]", '[tolerances]\nlive = "90 %"\n\n[[steps]]', 1))
    view = series(np.full((1, 1, 4, 4), 9, np.uint32))
    view = replace(view, heads=(replace(view.heads[0], live_told=False),))
    told = load_profile(profile).model_dump(mode="json") if profile else {}

    verdict = judged([view], made, facts(step(**more), profile=told))
    found = check(verdict, "live time")

    assert found.grade is grade
    assert any("dead time" in text for text in verdict.sentences)
    assert grade is not Grade.NOTE or "head-xye64 tell no dead time" in found.text
    alone = Verdict((found,))
    assert alone.grade is Grade.NOT_EVALUABLE
    assert Verdict((found, Check("counts", "", Grade.GOOD, ""))).grade is max(grade, Grade.GOOD)


def test_a_clock_that_went_back_is_told_with_the_step_in_which_it_did():
    made, steps = protocol(camera(still("a") + still("b"))), (step(), step(2, "b"))
    ahead, back = (15 * PS_PER_S, "jump", 0, 7 * PS_PER_S, 0.0, ""), (16 * PS_PER_S, "jump", 0, -15 * PS_PER_S, 0.0, "")
    found = check(judged([], made, facts(*steps, marks=[ahead, back])), "clock")
    assert (found.of, found.grade, found.value) == ("b", Grade.DOUBTFUL, 15)
    assert found.text.startswith("the clock of the front ends went back by 15.0 s, 6.0 s after it began: do not rely")


def test_what_is_noted_of_every_step_is_said_once() -> None:
    checks = (
        *(Check("live time", f"view {number}", Grade.NOTE, "no dead time is told") for number in range(4)),
        Check("counts", "view 1", Grade.BAD, "too few"),
    )

    assert Verdict(checks).sentences == ("view 1: too few", "4 times: no dead time is told")
    assert Verdict(checks[:1]).sentences == ("view 0: no dead time is told",)
