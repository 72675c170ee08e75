"""The manual's page of safety, drawn from the tables themselves: `python -m daq.state.safetytable` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from daq.model.station import Role
from daq.state.acquisition import State
from daq.state.enable import ALLOWS, Button, Enable, Motion, Reference
from daq.state.interlock import GUARDED_BY, NEEDED, Command, Interlock, Kind
from daq.state.safety import NEEDS_ROLE, OUTSIDE_A_PROTOCOL, Situation, why_not

NOW_S = 100.0
_FRESH_S = 0.5
CONDITIONS: Mapping[str, tuple[bool | None, float]] = {
    "closed": (True, NOW_S),
    "open": (False, NOW_S),
    "never read": (None, NOW_S),
    "read too long ago": (True, NOW_S - 2 * _FRESH_S),
    "read in the future": (True, NOW_S + _FRESH_S),
}
"""Value and time of an interlock, by what they mean. A kind that nothing watches has neither."""
NOT_WATCHED = "not watched"

_TITLE = """# Safety table

Made by `python -m daq.state.safetytable` from `daq/state/safety.py`, `daq/state/interlock.py` and
`daq/state/enable.py`; a test keeps this page equal to them, and another one goes through every state, command, kind and
condition of an interlock, and role.

Software is not the safety function: hardware interlocks act first, and whether this program lives or not. This is what
the program refuses beside them. What is not of this table either, a device looks at itself: whether a supply is
[armed](../explanations/motion-and-safety.md#high-voltage), who it is, what its limits are; whether a movement stays
within limits and [envelope](scanner-and-site.md#envelope).
"""


def situation(
    state: State, kind: Kind | None = None, condition: str = "closed", role: Role = Role.SERVICE,
    motion: Motion | None = None,
) -> Situation:  # fmt: skip
    """Return one in which all is well but for one interlock; `motion`: with the enable pressed as it needs it."""
    told = dict.fromkeys(Kind, CONDITIONS["closed"])
    if kind is not None and condition != NOT_WATCHED:
        told[kind] = CONDITIONS[condition]
    elif kind is not None:
        del told[kind]
    interlocks = tuple(Interlock(each, each, value, read_s, _FRESH_S) for each, (value, read_s) in told.items())
    return Situation(state, role, interlocks, NOW_S, enable_for(motion), motion)


def enable_for(motion: Motion | None) -> Enable:
    """Return the enable as a kind of movement needs it."""
    if motion is None:
        return Enable()
    buttons, _ = ALLOWS[motion]
    return Enable(next(button for button in Button if button in buttons), Reference.CONFIRMED)


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_TITLE, *_by_state(), "", *_by_condition(), "", *_by_role(), "", *_by_enable(), ""])


def _by_state() -> Iterator[str]:
    yield "## State, command, interlock"
    yield ""
    yield "What must be closed and fresh for a command; `always`: nothing; `no`: not in this state, whatever is closed."
    yield ""
    yield from _table(
        "state", list(Command), {state: [_guards(state, command) for command in Command] for state in State}
    )


def _guards(state: State, command: Command) -> str:
    if why_not(command, situation(state)) is not None:
        return "no"
    kinds = [kind for kind in Kind if why_not(command, situation(state, kind, "open")) is not None]
    return ", ".join(kinds) or "always"


def _by_condition() -> Iterator[str]:
    yield "## What an interlock's condition forbids"
    yield ""
    conditions = [*CONDITIONS, NOT_WATCHED]
    yield from _table("interlock", conditions, {kind: [_forbids(kind, each) for each in conditions] for kind in Kind})
    yield ""
    both = " and ".join(sorted(NEEDED[Command.RAISE_VOLTAGE]))
    yield f"Both {both} are of the head that a supply feeds; another head's forbid nothing."


def _forbids(kind: Kind, condition: str) -> str:
    at = situation(State.READY, kind, condition)
    return ", ".join(command for command in Command if why_not(command, at) is not None)


def _by_role() -> Iterator[str]:
    yield "## Role"
    yield ""
    rows = {role.name.lower(): [_may(command, role) for command in Command] for role in Role}
    yield from _table("role", list(Command), rows)


def _may(command: Command, role: Role) -> str:
    if role < NEEDS_ROLE[command]:
        return "no"
    return "within a protocol" if command is Command.RAISE_VOLTAGE and role < OUTSIDE_A_PROTOCOL else "yes"


def _by_enable() -> Iterator[str]:
    yield "## Movements"
    yield ""
    yield "The enable that a movement needs as long as it lasts, and how far positions must be trusted."
    yield ""
    rows: dict[str, list[str]] = {
        motion: [
            ", ".join(button for button in Button if button in ALLOWS[motion][0]),
            ", ".join(reference for reference in Reference if reference in ALLOWS[motion][1]),
            ", ".join(sorted(GUARDED_BY[Command.RETREAT if motion is Motion.RETREAT else Command.MOVE])) or "none",
        ]
        for motion in Motion
    }
    yield from _table("movement", ["enable", "positions", "interlocks"], rows)
    count = len(list(product(State, Command, Kind, [*CONDITIONS, NOT_WATCHED], Role)))
    yield ""
    yield f"{count} combinations of state, command, kind and condition of an interlock, and role are tested, each."


def _table(corner: str, columns: list[str] | list[Command], rows: Mapping[str, list[str]]) -> Iterator[str]:
    yield f"| {corner} | " + " | ".join(columns) + " |"
    yield "| --- |" + " --- |" * len(columns)
    for name, cells in rows.items():
        yield f"| {name} |" + "".join(f" {cell} |" if cell else " |" for cell in cells)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its only purpose
