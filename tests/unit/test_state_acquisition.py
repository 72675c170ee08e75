"""The table of states: every pair, what every state must offer, and the page drawn from it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from daq.errors import TransitionRefusedError
from daq.state.acquisition import (
    ACTIVE,
    BY_A_PERSON,
    ENDING,
    IDLE,
    RECORDING,
    TRANSITIONS,
    State,
    Trigger,
    next_state,
    possible,
)
from daq.state.diagram import page

LISTED = [(state, trigger) for state, row in TRANSITIONS.items() for trigger in row]
REFUSED = [pair for pair in product(State, Trigger) if pair not in LISTED]
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "states.md"


@pytest.mark.parametrize(("state", "trigger"), LISTED)
def test_a_listed_pair_leads_to_the_state_of_the_table(state: State, trigger: Trigger) -> None:
    assert next_state(state, trigger) is TRANSITIONS[state][trigger]


@pytest.mark.parametrize(("state", "trigger"), REFUSED)
def test_every_other_pair_is_refused_and_the_refusal_says_what_is_possible(state: State, trigger: Trigger) -> None:
    with pytest.raises(TransitionRefusedError) as refused:
        next_state(state, trigger)

    assert f"cannot {trigger} while {state}" in str(refused.value)
    assert all(verb in str(refused.value) for verb in possible(state))


def test_every_state_has_a_row_and_can_be_reached() -> None:
    reached = {State.READY}
    for _ in State:
        reached |= {after for state in reached for after in TRANSITIONS[state].values()}

    assert set(TRANSITIONS) == set(State)
    assert reached == set(State)


@pytest.mark.parametrize("state", sorted(ACTIVE - ENDING))
def test_stop_and_abort_are_possible_whenever_an_acquisition_is_under_way(state: State) -> None:
    assert {Trigger.STOP, Trigger.ABORT} <= set(possible(state))
    assert next_state(state, Trigger.STOP) in ENDING


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_a_readout_or_a_fault_may_come_upon_every_active_state_and_a_restart_find_any(state: State) -> None:
    assert {Trigger.SEALED, Trigger.READOUT_LOST} <= set(TRANSITIONS[state]) or state in RECORDING
    assert state is State.FAILING or next_state(state, Trigger.FAULT_FOUND) in {State.FAILING, State.FAULT}
    assert {Trigger.FOUND_COMPLETED, Trigger.FOUND_INTERRUPTED, Trigger.FOUND_NOTHING} <= set(TRANSITIONS[state])
    assert all(next_state(state, found) in IDLE for found in Trigger if found.startswith("found_"))


def test_losing_motion_or_the_readout_never_ends_as_completed() -> None:
    ends = set()
    for state, lost in product(ACTIVE, (Trigger.MOTION_LOST, Trigger.READOUT_LOST)):
        after = TRANSITIONS[state].get(lost, State.INTERRUPTED)
        ends.add(TRANSITIONS[after].get(Trigger.SEALED, after) if after in ENDING else after)

    assert State.COMPLETED not in ends


def test_from_every_active_state_a_stop_leads_to_rest_once_the_recording_is_sealed() -> None:
    for state in ACTIVE - ENDING:
        assert next_state(next_state(state, Trigger.STOP), Trigger.SEALED) in IDLE


def test_a_fault_is_left_by_acknowledging_alone() -> None:
    assert possible(State.FAULT) == (Trigger.ACKNOWLEDGE,)


def test_nobody_is_asked_for_anything_while_a_recording_is_sealed() -> None:
    assert all(possible(state) == () for state in ENDING)


def test_what_a_person_may_ask_for_is_what_the_verbs_are() -> None:
    assert {verb for state in State for verb in possible(state)} == set(BY_A_PERSON)


def test_the_page_of_the_manual_is_drawn_from_the_table() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run: python -m daq.state.diagram > docs/reference/states.md"
