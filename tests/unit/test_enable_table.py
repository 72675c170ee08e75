"""The motion enable: every pair of state and event, judged by rules that are written down again here."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import TransitionRefusedError
from daq.state.enable import ALLOWS, Button, Enable, Event, Motion, Reference

ENABLES = [Enable(button, reference) for button, reference in product(Button, Reference)]
PAIRS = list(product(ENABLES, Event))
FAULTS = (Event.EMERGENCY_STOP, Event.COLLISION_PAD, Event.FAULT, Event.POWER_LOST)
TAKES_AWAY = (*FAULTS, Event.STOP, Event.RELEASE, Event.PATIENT_MOVED)


def refused(enable: Enable, event: Event) -> bool:
    """Say by rule which events cannot happen."""
    return (
        (event is Event.HOLD and enable.button is Button.LATCHED)
        or (event is Event.LATCH and (enable.reference is not Reference.CONFIRMED or enable.button is Button.SPENT))
        or (event is Event.CONFIRMED and enable.reference is Reference.LOST)
    )


@pytest.mark.parametrize(("enable", "event"), PAIRS, ids=str)
def test_every_pair_is_either_refused_by_rule_or_leads_somewhere(enable: Enable, event: Event) -> None:
    if refused(enable, event):
        with pytest.raises(TransitionRefusedError, match=r"cannot"):
            enable.after(event)
    else:
        assert enable.after(event) in ENABLES


@pytest.mark.parametrize(("enable", "event"), list(product(ENABLES, TAKES_AWAY)), ids=str)
def test_whatever_ends_a_motion_takes_the_button_away_in_every_state(enable: Enable, event: Event) -> None:
    after = enable.after(event)

    assert after.button in (Button.OFF, Button.SPENT)
    assert [motion for motion in Motion if after.why_not(motion) is None] == []


@pytest.mark.parametrize(("enable", "event"), list(product(ENABLES, FAULTS)), ids=str)
def test_after_a_fault_positions_are_lost_in_every_state(enable: Enable, event: Event) -> None:
    assert enable.after(event).reference is Reference.LOST


@pytest.mark.parametrize("event", [event for event in TAKES_AWAY if event is not Event.RELEASE])
@pytest.mark.parametrize("reference", Reference)
def test_a_thumb_that_stays_on_the_button_enables_nothing_after_a_stop(event: Event, reference: Reference) -> None:
    spent = Enable(Button.HELD, reference).after(event)

    assert spent.after(Event.HOLD) == spent
    assert "let it go and press again" in (spent.why_not(Motion.HOMING) or "")
    assert spent.after(Event.HOLD_EXPIRED).button is Button.OFF
    assert spent.after(Event.RELEASE).after(Event.HOLD).why_not(Motion.HOMING) is None


@pytest.mark.parametrize("enable", ENABLES, ids=str)
def test_a_stop_and_a_release_leave_positions_as_they_are(enable: Enable) -> None:
    assert {enable.after(event).reference for event in (Event.STOP, Event.RELEASE)} == {enable.reference}


@pytest.mark.parametrize(("enable", "event"), PAIRS, ids=str)
def test_only_homing_and_confirming_make_positions_better(enable: Enable, event: Event) -> None:
    rank = {Reference.LOST: 0, Reference.HOMED: 1, Reference.CONFIRMED: 2}
    if refused(enable, event):
        return

    gained = rank[enable.after(event).reference] - rank[enable.reference]

    assert gained <= (1 if event in (Event.HOMED, Event.CONFIRMED) else 0)


@pytest.mark.parametrize(("enable", "event"), PAIRS, ids=str)
def test_only_pressing_presses(enable: Enable, event: Event) -> None:
    if refused(enable, event):
        return

    after = enable.after(event).button

    assert after in (enable.button, Button.OFF, Button.SPENT) or event in (Event.HOLD, Event.LATCH)


@pytest.mark.parametrize("enable", ENABLES, ids=str)
def test_a_hold_that_runs_out_lets_go_and_a_latch_does_not_run_out(enable: Enable) -> None:
    expected = Button.LATCHED if enable.button is Button.LATCHED else Button.OFF

    assert enable.after(Event.HOLD_EXPIRED).button is expected


@pytest.mark.parametrize(("enable", "motion"), list(product(ENABLES, Motion)), ids=str)
def test_every_motion_needs_its_button_and_its_trust(enable: Enable, motion: Motion) -> None:
    held = enable.button is Button.HELD
    allowed = {
        Motion.POSITIONING: held and enable.reference is not Reference.LOST,
        Motion.HOMING: held,
        Motion.RETREAT: held,
        Motion.SWEEP: enable == Enable(Button.LATCHED, Reference.CONFIRMED),
        Motion.STEP: enable == Enable(Button.LATCHED, Reference.CONFIRMED),
    }[motion]

    assert (enable.why_not(motion) is None) is allowed


def test_nothing_is_allowed_with_the_button_off_or_spent() -> None:
    assert [motion for motion in Motion if ALLOWS[motion][0] & {Button.OFF, Button.SPENT}] == []


def test_the_reason_says_what_to_do_next() -> None:
    lost = Enable(Button.HELD, Reference.LOST).why_not(Motion.POSITIONING)
    unpressed = Enable().why_not(Motion.SWEEP)

    assert lost is not None
    assert "home the axes, then confirm identity and position" in lost
    assert unpressed == "sweep needs the enable latched, it is off"


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_after_a_fault_nothing_sweeps_before_homing_confirming_and_latching_in_this_order(events: list[Event]) -> None:
    enable = Enable(Button.LATCHED).after(Event.FAULT)
    needed = [Event.HOMED, Event.CONFIRMED, Event.LATCH]

    for event in events:
        try:
            enable = enable.after(event)
        except TransitionRefusedError:
            continue
        if event in FAULTS:
            needed = [Event.HOMED, Event.CONFIRMED, Event.LATCH]
        elif needed and event is needed[0]:
            needed.pop(0)
        if needed:
            assert enable.why_not(Motion.SWEEP) is not None
