"""Beats: the account of every interval, slots by time and by percent, and an ejection fraction that is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_framing import MS, Marks, S, dynamic, framed, gate, rows_of, setup, step

from daq.model.framed import Framed, ImageKind
from daq.pipeline.timetablegate import account, beats_table, judged
from simulators.camera.heart import Ecg, Heart


def beating(intervals_ms: list[float], begin_ms: float = 100.0) -> list[int]:
    return (np.cumsum([begin_ms, *intervals_ms]).astype(np.int64) * MS).tolist()


def gated(triggers_ps: list[int], end_ps: int, **said: object) -> Framed:
    marks = Marks().add("start", 0, "heart").triggers(triggers_ps).add("stop", end_ps, "time")
    one = step("heart", "gated", gate=gate(**said))
    (found,) = framed(setup(one), marks, rows_of(np.arange(0, end_ps, 10 * MS)))
    return found


def test_every_interval_is_accounted_for_by_its_cause() -> None:
    lasting = [800] * 4 + [500, 1100] + [800] * 3 + [1600] + [790, 810]
    found = gated(beating(lasting), 12 * S, skip=1)
    beats = found.beats

    assert found.kind is ImageKind.GATED
    assert beats is not None
    assert (beats.triggers, beats.accepted, beats.rejected, beats.outside) == (13, 7, 5, 2)
    assert beats.triggers == beats.accepted + beats.rejected + 1
    assert beats.by_cause == {"after_rejected": 2, "long": 2, "short": 1}
    assert (beats.low_ms, beats.high_ms) == (640.0, 960.0)
    assert beats.intervals_ms == tuple(map(float, lasting))
    assert beats.accepted_mask == (True,) * 4 + (False, False, False, True, True, False, False, True)
    assert beats.mean_ms == pytest.approx((6 * 800 + 810) / 7)
    assert int(found.slots.live_ps.sum()) == (6 * 800 + 810) * MS


def test_a_beat_that_a_pause_touches_is_dropped_and_not_judged() -> None:
    marks = Marks().add("start", 0, "heart").triggers(beating([1000] * 9))
    marks.add("pause", 3500 * MS).add("resume", 5500 * MS).add("stop", 9500 * MS, "time")
    (found,) = framed(setup(step("heart", "gated", gate=gate())), marks, rows_of(np.arange(0, 10_000, 50) * MS))

    assert found.beats is not None
    assert (found.beats.triggers, found.beats.accepted, found.beats.rejected, found.beats.outside) == (10, 6, 0, 5)
    assert found.slots.live_ps.tolist() == [6 * 125 * MS] * 8


def test_a_beat_in_which_words_are_missing_is_not_taken() -> None:
    marks = Marks().add("start", 0, "heart").triggers(beating([1000] * 4))
    marks.add("gap", 2500 * MS, source=0, value=7).add("stop", 5 * S, "time")
    (found,) = framed(setup(step("heart", "gated", gate=gate())), marks)

    assert found.beats is not None
    assert found.beats.by_cause == {"gap": 1}


@settings(deadline=None)
@given(st.lists(st.integers(300, 1500), min_size=1, max_size=40), st.sampled_from(["time", "percent"]),
       st.sampled_from(["forward", "backward"]), st.integers(2, 24))  # fmt: skip
def test_live_time_of_slots_is_the_time_of_the_beats_they_are_of(
    lasting: list[int], framing: str, direction: str, bins: int
) -> None:
    said = gate(framing=framing, direction=direction, bins=bins, learn=5)
    found = judged(np.array(beating(list(map(float, lasting)))), [(0, 10**15)], said)
    table, beats = beats_table(found, said), account([found], said)

    taken = (found.end_ps - found.begin_ps)[found.taken]
    live = table.live_ps(bins)
    assert beats.accepted + beats.rejected == len(lasting)
    assert sum(beats.by_cause.values()) == beats.rejected
    assert (table.begin_ps[1:] >= table.end_ps[:-1]).all()
    if framing == "percent":
        assert int(live.sum()) == int(taken.sum())
        assert int(np.ptp(live)) <= bins * max(len(taken), 1)
    else:
        width = (found.reference_ps or 0) // bins
        places = range(bins) if direction == "forward" else range(bins - 1, -1, -1)
        wanted = [int(np.clip(taken - place * width, 0, width).sum()) for place in range(bins)]
        assert [int(live[place]) for place in places] == wanted


def test_slots_counted_backward_end_with_the_next_beat() -> None:
    triggers = beating([1000.0, 900.0, 1000.0])
    marks = Marks().add("start", 0, "heart").triggers(triggers).add("stop", 4 * S, "time")
    late = rows_of([triggers[2] - 10 * MS, triggers[1] + 10 * MS])  # of the short beat: its last and its first moment
    slots = {}
    for direction in ("forward", "backward"):
        one = step("heart", "gated", gate=gate(framing="time", direction=direction, bins=10))
        (found,) = framed(setup(one), marks, late)
        slots[direction] = np.flatnonzero(found.counts.sum(axis=(0, 1, 3, 4))).tolist()

    assert slots == {"forward": [0, 8], "backward": [1, 9]}


def test_no_trigger_and_no_good_beat_are_said_in_words() -> None:
    assert gated([], 3 * S).notes == ("no ecg trigger came: nothing is gated",)
    fast = gated(beating([300.0] * 6), 3 * S, tolerance_percent=None, interval_ps=(600 * MS, 1000 * MS))
    assert fast.notes == ("no beat was taken: nothing is gated",)
    assert fast.beats is not None
    assert fast.beats.by_cause == {"short": 6}


@pytest.mark.parametrize("framing", ["time", "percent"])
def test_the_volume_curve_has_the_ejection_fraction_that_went_in(framing: str) -> None:
    random = np.random.default_rng(11)
    lasting = random.normal(850.0, 30.0, 200)
    triggers = beating(lasting.tolist())
    times = np.sort(random.integers(triggers[0], triggers[-1], 1_500_000))
    beat = np.searchsorted(triggers, times, "right") - 1
    phase = (times - np.array(triggers)[beat]) / (np.array([*lasting, 850.0]) * MS)[beat]
    volume = 1.0 - 0.3 * (1.0 - np.cos(2 * np.pi * phase))  # of 1 at the trigger, 0.4 in the middle: EF 60 %
    seen = times[random.random(len(times)) < volume]
    marks = Marks().add("start", 0, "heart").triggers(triggers).add("stop", triggers[-1] + S, "time")
    one = step("heart", "gated", gate=gate(framing=framing, bins=16, tolerance_percent=30.0))

    (found,) = framed(setup(one), marks, rows_of(seen))
    rate = found.counts.sum(axis=(0, 1, 3, 4)) / found.slots.live_ps
    middle = (np.arange(16) + 0.5) / 16
    blurred = 1.0 - 0.3 * (1.0 - np.sinc(1 / 16) * np.cos(2 * np.pi * middle))  # a slot is the mean over its length

    assert found.beats is not None
    assert found.beats.accepted == 200
    wanted = 1.0 - blurred.min() / blurred.max()
    assert 1.0 - rate.min() / rate.max() == pytest.approx(wanted, abs=0.015)


def test_a_gated_rotation_gives_gated_views_and_those_of_all_beats() -> None:
    said = gate(bins=4, learn=2)
    views = [step(f"heart {n + 1}/2", "spect", gate=said, positions={"gantry": 6.0 * n}) for n in range(2)]
    marks = Marks().step("heart 1/2", 0, 5 * S).step("heart 2/2", 10 * S, 15 * S)
    marks.triggers(beating([1000.0] * 14, 500.0))
    gated_views, plain = framed(setup(*views), marks, rows_of(np.arange(0, 16 * S, 10 * MS)))

    assert (gated_views.kind, plain.kind, plain.ungated) == (ImageKind.GATED_TOMO, ImageKind.TOMO, True)
    assert gated_views.slots.view.tolist() == [0] * 4 + [1] * 4
    assert gated_views.slots.time_slot.tolist() == [0, 1, 2, 3] * 2
    assert gated_views.slots.live_ps.tolist() == [S] * 8
    assert plain.slots.live_ps.tolist() == [5 * S + 1, 5 * S]
    assert gated_views.counts.sum(axis=(0, 1, 3, 4)).tolist() == [100] * 8
    assert gated_views.beats is not None
    assert (gated_views.beats.triggers, gated_views.beats.accepted, gated_views.beats.outside) == (10, 8, 4)


def test_a_dynamic_step_can_be_gated_afterwards() -> None:
    marks = Marks().add("start", 0, "flow").triggers(beating([1000.0] * 3)).add("stop", 4 * S, "time")
    (found,) = framed(setup(dynamic((4, S)), gate=gate()), marks)

    assert found.kind is ImageKind.GATED
    assert found.beats is not None
    assert found.beats.accepted == 3


@pytest.mark.parametrize("seed", [1, 2])
def test_the_account_of_beats_is_that_of_a_simulated_heart_with_arrhythmia_and_lost_triggers(seed: int) -> None:
    """A beat is taken where it and the next are heard and neither comes early; all others are short or long."""
    until = 600 * S
    heart = Heart(Ecg(bpm=75.0, variation=0.02, ectopic=0.06, lost=0.04), seed)
    truth = [one for one in heart.beats(0, until) if one.time_ps >= 0]
    triggers, _ = Heart(heart.ecg, seed).triggers(0, until)
    beats = gated(triggers.tolist(), until, tolerance_percent=20.0).beats
    assert beats is not None

    heard = [number for number, one in enumerate(truth) if one.heard]
    early = [one.early for one in truth]
    wanted = [
        "short" if after - at == 1 and early[after] else "long" if after - at > 1 or early[at] else ""
        for at, after in pairwise(heard)
    ]
    assert beats.triggers == len(heard)
    assert beats.accepted == wanted.count("") > 600
    assert beats.by_cause == {"long": wanted.count("long"), "short": wanted.count("short")}
    assert [not cause for cause in wanted] == list(beats.accepted_mask)
