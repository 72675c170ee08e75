"""Every state, command, interlock and role: what is possible, by rules that are written down here a second time."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from daq.errors import AccessError, TransitionRefusedError
from daq.model import control_rules
from daq.model.scanner import NeededInterlocks
from daq.model.station import Role
from daq.model.verbs import VERBS
from daq.state.acquisition import State
from daq.state.enable import Button, Enable, Motion, Reference
from daq.state.interlock import GUARDED_BY, Command, Kind
from daq.state.safety import NEEDS_ROLE, OUTSIDE_A_PROTOCOL, Situation, require_role, require_state, why_not
from daq.state.safetytable import CONDITIONS, NOT_WATCHED, page, situation

PAGE = Path(__file__).parents[2] / "docs/reference/safety-table.md"
NEVER_RAISED_IN = {"acquiring", "positioning", "completing", "interrupting", "aborting", "failing", "fault"}
GUARDS = {
    "raise_voltage": {"service_cover", "temperature"},
    "move": {"emergency_stop", "collision_pad", "drive_power", "watchdog"},
}
MUST_BE_WATCHED = {"raise_voltage": {"service_cover", "temperature"}, "move": {"emergency_stop"}}
EVERYBODYS = {"lower_voltage", "stop_motion"}


def expected(state: State, command: Command, kind: Kind, condition: str, role: Role) -> bool:
    """Return whether it should be possible, by the rules as a person would say them."""
    if command in EVERYBODYS:
        return True
    if role is Role.VIEWER or (command == "raise_voltage" and state in NEVER_RAISED_IN):
        return False
    if condition == NOT_WATCHED:
        return kind not in MUST_BE_WATCHED.get(command, set())
    return condition == "closed" or kind not in GUARDS.get(command, set())


@pytest.mark.parametrize(("state", "command"), list(product(State, Command)))
def test_what_is_possible_is_what_the_rules_say_for_every_interlock_and_role(state: State, command: Command) -> None:
    wrong = [
        (kind, condition, role)
        for kind, condition, role in product(Kind, [*CONDITIONS, NOT_WATCHED], Role)
        if (why_not(command, situation(state, kind, condition, role)) is None)
        is not expected(state, command, kind, condition, role)
    ]

    assert wrong == []


@pytest.mark.parametrize(("state", "condition"), list(product(State, [*CONDITIONS, NOT_WATCHED])))
def test_lowering_and_stopping_are_everybodys_whatever_all_interlocks_say(state: State, condition: str) -> None:
    interlocks = tuple(
        each for kind in Kind for each in situation(state, kind, condition).interlocks if each.kind is kind
    )
    for command in (Command.LOWER_VOLTAGE, Command.STOP_MOTION):
        assert why_not(command, Situation(state, Role.VIEWER, interlocks, 100.0)) is None


@pytest.mark.parametrize(("motion", "button", "reference"), list(product(Motion, Button, Reference)))
def test_every_movement_needs_its_enable(motion: Motion, button: Button, reference: Reference) -> None:
    command = Command.RETREAT if motion is Motion.RETREAT else Command.MOVE
    well = situation(State.READY)
    asked = Situation(State.READY, Role.SERVICE, well.interlocks, well.now_s, Enable(button, reference), motion)

    pressed = button == ("latched" if motion in ("sweep", "step") else "held")
    trusted = {"positioning": reference != "lost", "sweep": reference == "confirmed", "step": reference == "confirmed"}
    assert (why_not(command, asked) is None) is (pressed and trusted.get(motion, True))


def test_every_reason_is_told_at_once() -> None:
    at = situation(State.ACQUIRING, Kind.SERVICE_COVER, "open", Role.VIEWER)

    assert why_not(Command.RAISE_VOLTAGE, at) == (
        "raise_voltage is not possible while acquiring; it is while ready, preparing, armed, waiting, paused,"
        " completed, interrupted, aborted; raise_voltage needs the role technologist, not viewer; service_cover is open"
    )


@pytest.mark.parametrize("role", Role)
def test_only_service_raises_outside_of_a_protocol(role: Role) -> None:
    if role is Role.SERVICE:
        require_role(Command.RAISE_VOLTAGE, role, within_protocol=False)
        return
    with pytest.raises(AccessError, match="outside of a protocol needs the role service"):
        require_role(Command.RAISE_VOLTAGE, role, within_protocol=False)


def test_a_state_that_does_not_allow_a_command_says_which_do() -> None:
    require_state(Command.STOP_MOTION, State.FAULT)
    with pytest.raises(TransitionRefusedError, match="raise_voltage is not possible while fault"):
        require_state(Command.RAISE_VOLTAGE, State.FAULT)


def test_the_page_of_the_manual_is_drawn_from_the_tables() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), (
        "run: python -m daq.state.safetytable > docs/reference/safety-table.md"
    )


@pytest.mark.parametrize(
    ("verb", "command"),
    [
        ("stop-motion", Command.STOP_MOTION), ("lower-voltage", Command.LOWER_VOLTAGE), ("retreat", Command.RETREAT),
        ("home", Command.MOVE), ("start", Command.MOVE),
    ],
)  # fmt: skip
def test_verbs_ask_for_the_roles_of_the_table(verb: str, command: Command) -> None:
    assert VERBS[verb][1] is NEEDS_ROLE[command]


@pytest.mark.parametrize("verb", ["arm-voltage", "raise-voltage"])
def test_verbs_that_raise_a_voltage_are_outside_of_protocols(verb: str) -> None:
    assert VERBS[verb][1] is OUTSIDE_A_PROTOCOL


def test_profiles_know_the_kinds_of_interlocks_that_commands_know() -> None:
    needed = NeededInterlocks.model_fields
    kinds = {name: set(get_args(get_args(field.annotation)[0])) for name, field in needed.items()}

    assert kinds == {"move": GUARDED_BY[Command.MOVE], "raise_voltage": GUARDED_BY[Command.RAISE_VOLTAGE]}
    assert set(control_rules._INTERLOCKS) == set(Kind)
