"""What interlocks allow: every command with every kind in every condition."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.state.interlock import GUARDED_BY, Command, Interlock, Kind, permitted

NOW_S = 1000.0
STALE_S = 0.5
GOOD = {kind: Interlock(str(kind), kind, True, NOW_S, STALE_S) for kind in Kind}
CONDITIONS = {
    "open": (False, NOW_S),
    "never read": (None, NOW_S),
    "stale": (True, NOW_S - STALE_S - 1e-3),
    "from the future": (True, NOW_S + 1e-3),
    "not a time": (True, float("nan")),
}
GUARDS = {
    Command.RAISE_VOLTAGE: {Kind.SERVICE_COVER, Kind.TEMPERATURE},
    Command.MOVE: {Kind.EMERGENCY_STOP, Kind.COLLISION_PAD, Kind.DRIVE_POWER, Kind.WATCHDOG},
    Command.LOWER_VOLTAGE: set(),
    Command.RETREAT: set(),
    Command.STOP_MOTION: set(),
}


@pytest.mark.parametrize(("command", "kind", "condition"), list(product(Command, Kind, CONDITIONS)))
def test_one_bad_interlock_stands_against_what_it_guards_and_nothing_else(
    command: Command, kind: Kind, condition: str
) -> None:
    value, read_s = CONDITIONS[condition]
    interlocks = {**GOOD, kind: Interlock("the one", kind, value, read_s, STALE_S)}

    why = permitted(command, interlocks.values(), NOW_S)

    assert (why is not None) is (kind in GUARDS[command])
    assert why is None or why.startswith("the one ")


@pytest.mark.parametrize("command", Command)
def test_all_good_and_fresh_allows_everything(command: Command) -> None:
    assert permitted(command, GOOD.values(), NOW_S) is None
    assert permitted(command, GOOD.values(), NOW_S + STALE_S) is None


@pytest.mark.parametrize("command", [Command.LOWER_VOLTAGE, Command.STOP_MOTION, Command.RETREAT])
def test_lowering_stopping_and_retreating_need_no_interlock_at_all(command: Command) -> None:
    assert permitted(command, (), NOW_S) is None


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (Command.RAISE_VOLTAGE, Kind.SERVICE_COVER),
        (Command.RAISE_VOLTAGE, Kind.TEMPERATURE),
        (Command.MOVE, Kind.EMERGENCY_STOP),
    ],
)
def test_what_nobody_watches_is_not_safe(command: Command, kind: Kind) -> None:
    without = [interlock for interlock in GOOD.values() if interlock.kind is not kind]

    assert permitted(command, without, NOW_S) == f"no interlock of kind {kind} is known"


def test_the_door_of_the_room_guards_nothing() -> None:
    assert [command for command, kinds in GUARDED_BY.items() if Kind.ROOM_DOOR in kinds] == []


def test_one_of_two_covers_that_is_open_is_enough() -> None:
    other = Interlock("back.service_cover", Kind.SERVICE_COVER, value=False, read_monotonic_s=NOW_S, stale_s=STALE_S)

    assert permitted(Command.RAISE_VOLTAGE, [*GOOD.values(), other], NOW_S) == "back.service_cover is open"


@given(
    st.lists(
        st.builds(
            Interlock, st.just("any"), st.sampled_from(Kind), st.sampled_from([True, False, None]),
            st.floats(NOW_S - 2, NOW_S + 2), st.just(STALE_S),
        )
    ),
    st.sampled_from(Command),
)  # fmt: skip
def test_a_command_is_allowed_when_all_its_guards_are_sound_and_those_it_needs_are_there(
    interlocks: list[Interlock], command: Command
) -> None:
    guards = [interlock for interlock in interlocks if interlock.kind in GUARDS[command]]
    sound = all(guard.value and 0 <= NOW_S - guard.read_monotonic_s <= STALE_S for guard in guards)
    needed = GUARDS[command] if command is Command.RAISE_VOLTAGE else GUARDS[command] & {Kind.EMERGENCY_STOP}

    allowed = sound and needed <= {guard.kind for guard in guards}

    assert (permitted(command, interlocks, NOW_S) is None) is allowed
