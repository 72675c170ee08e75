"""What the console is told of an acquisition, and the views that are taken again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acquisition_protocols.load import load_protocol
from daq.errors import RefusedError
from daq.model.station import Role
from daq.model.verbs import ASKING, VERBS
from daq.qc.studyfacts import StudyFacts
from daq.qc.studysteps import matched
from daq.services.acquisition.progress import Pace
from daq.services.acquisition.telling import plain, told
from daq.services.acquisition.telling import windows as told_windows
from daq.state.acquisition import State

SPOTS = load_protocol("bone-spots").protocol


def test_of_a_protocol_the_views_that_are_named_are_taken_in_its_own_order() -> None:
    chosen = SPOTS.of_views(["head", "thorax"])

    assert [step.name for step in chosen.steps] == ["thorax", "head"]
    assert SPOTS.of_views([]) is SPOTS


def test_a_view_that_a_protocol_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(RefusedError, match=r"no step 'elbow'; there are: thorax, pelvis"):
        SPOTS.of_views(["elbow"])


def test_a_step_that_takes_as_long_as_another_is_not_taken_without_it() -> None:
    paired = load_protocol("paired-views").protocol
    follower = next(step for step in paired.steps if step.stop.as_step)

    with pytest.raises(RefusedError, match="take both"):
        paired.of_views([follower.name])


def test_a_limit_on_both_heads_is_told_with_the_counters_of_each() -> None:
    counts = plain(SPOTS.steps[0], 1)["counts"]

    assert counts["limit"] == 1_000_000
    assert counts["counter"] == "singles[photopeak]@0+1"
    assert counts["by_head"] == ["singles[photopeak]@0", "singles[photopeak]@1"]


def test_windows_are_told_in_kev() -> None:
    (window,) = told_windows(SPOTS)

    assert window == {"name": "photopeak", "lower_kev": pytest.approx(126.45), "upper_kev": pytest.approx(154.55),
                      "signed_kev": pytest.approx([126.45, 154.55]), "line_kev": 140.5}  # fmt: skip


def test_views_that_were_left_out_when_it_was_prepared_are_not_missed_by_the_verdict() -> None:
    plan = [{"name": "thorax"}, {"name": "head"}]
    facts = StudyFacts.of({"steps": [], "protocol": {"plan": plan}}, {"kind": []})

    assert [each.step.name for each in matched(SPOTS, facts)] == ["thorax", "head"]


def test_whoever_looks_may_ask_and_technologists_accept_views() -> None:
    assert "acquisition" in ASKING
    assert {verb: VERBS[verb][1] for verb in ("acquisition", "accept-view", "take-views")} == {
        "acquisition": Role.VIEWER, "accept-view": Role.TECHNOLOGIST, "take-views": Role.TECHNOLOGIST,
    }  # fmt: skip


PS = 10**12
PAUSED = {"begin_ps": 10 * PS, "end_ps": 100 * PS, "paused_ps": 30 * PS, "live_ps": 59 * PS, "completed": True}


def test_the_time_of_a_pause_is_told_apart_from_that_in_which_a_view_acquired() -> None:
    run: Any = SimpleNamespace(
        identity="r", protocol=SPOTS, last_status={"steps": [PAUSED]}, injected_at=lambda: None, armed_for_s=None,
        arming_s=900.0, steps=SimpleNamespace(between=True, counted={}, hand_overs=SimpleNamespace(confirmed={})),
    )  # fmt: skip

    first, second = told(run, State.WAITING, 1, {1})["steps"][:2]

    assert (first["took_s"], first["paused_s"], first["live_s"]) == (60.0, 30.0, 59.0)
    assert (first["accepted"], second["took_s"], second["paused_s"]) == (True, None, 0.0)


def test_a_view_that_has_ended_grows_no_older_while_somebody_looks_at_it() -> None:
    pace = Pace("r", SPOTS)
    status = {"steps": [PAUSED], "duration_ps": 100 * PS, "counts_live": {"events": 5}}

    seen = [pace.progress({**status, "duration_ps": at * PS}, now_s=at, step=1) for at in (100, 400)]

    assert [each.step_s for each in seen] == [60.0, 60.0]
    assert [each.elapsed_s for each in seen] == [100.0, 400.0]


def test_a_daemon_that_finds_a_view_under_way_knows_what_was_paused_of_it() -> None:
    status = {"steps": [{"begin_ps": 10 * PS, "paused_ps": 30 * PS}], "duration_ps": 60 * PS}

    assert Pace("r", SPOTS).progress(status, now_s=1.0, step=1).step_s == 20.0
