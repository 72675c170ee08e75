"""What is possible when: every command in every state of the station, for every role, under every interlock.

Raising a voltage and moving an axis are dangerous, so several things must be so at once, and each is a table: the state
(`ALLOWED_IN`), the role (`NEEDS_ROLE`), the enable (`daq.state.enable`) and the interlocks (`daq.state.interlock`).
Lowering a voltage and stopping a motion depend on none of them. What is armed, who a supply is and what its limits are
is not of this table: devices look at it themselves. The manual's page is drawn from here: `daq.state.safetytable`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daq.errors import AccessError, TransitionRefusedError
from daq.model.station import Role
from daq.state.acquisition import State
from daq.state.enable import Enable, Motion
from daq.state.interlock import Command, Interlock, permitted

_NOTHING_PRESSED = Enable()
_QUIET = frozenset({
    State.READY, State.PREPARING, State.ARMED, State.WAITING, State.PAUSED, State.COMPLETED, State.INTERRUPTED,
    State.ABORTED,
})  # fmt: skip

ALLOWED_IN: dict[Command, frozenset[State]] = {
    Command.RAISE_VOLTAGE: _QUIET,
    Command.LOWER_VOLTAGE: frozenset(State),
    Command.MOVE: frozenset(State),
    Command.RETREAT: frozenset(State),
    Command.STOP_MOTION: frozenset(State),
}
"""A gain that changes while photons are counted spoils them, and a fault is looked at before energy is added. Movements
follow the enable and the interlocks, whatever is acquired: who lies there has to be got out in every state."""

NEEDS_ROLE: dict[Command, Role] = {
    Command.RAISE_VOLTAGE: Role.TECHNOLOGIST,
    Command.LOWER_VOLTAGE: Role.VIEWER,
    Command.MOVE: Role.TECHNOLOGIST,
    Command.RETREAT: Role.TECHNOLOGIST,
    Command.STOP_MOTION: Role.VIEWER,
}
"""The least role. Raising without a protocol that says how far needs `OUTSIDE_A_PROTOCOL`."""
OUTSIDE_A_PROTOCOL = Role.SERVICE


@dataclass(frozen=True, slots=True)
class Situation:
    """What is so when somebody asks. `now_s` on the clock of the interlocks; `motion` of what moves alone."""

    state: State
    role: Role
    interlocks: tuple[Interlock, ...]
    now_s: float
    enable: Enable = _NOTHING_PRESSED
    motion: Motion | None = None
    within_protocol: bool = True


def why_not(command: Command, situation: Situation) -> str | None:
    """Return every reason against a command, or None where it is possible."""
    reasons = [
        _state(command, situation.state),
        _role(command, situation.role, within_protocol=situation.within_protocol),
        None if situation.motion is None else situation.enable.why_not(situation.motion),
        permitted(command, situation.interlocks, situation.now_s),
    ]
    return "; ".join(why for why in reasons if why is not None) or None


def require_state(command: Command, state: State) -> None:
    """Raise `TransitionRefusedError` where a command is not possible in this state, saying in which it is."""
    why = _state(command, state)
    if why is not None:
        raise TransitionRefusedError(why)


def require_role(command: Command, role: Role, *, within_protocol: bool) -> None:
    """Raise `AccessError` where a role may not ask for a command."""
    why = _role(command, role, within_protocol=within_protocol)
    if why is not None:
        raise AccessError(why)


def _state(command: Command, state: State) -> str | None:
    if state in ALLOWED_IN[command]:
        return None
    return f"{command} is not possible while {state}; it is while {_listed(ALLOWED_IN[command])}"


def _role(command: Command, role: Role, *, within_protocol: bool) -> str | None:
    outside = command is Command.RAISE_VOLTAGE and not within_protocol
    needed = OUTSIDE_A_PROTOCOL if outside else NEEDS_ROLE[command]
    if role >= needed:
        return None
    where = " outside of a protocol" if outside else ""
    return f"{command}{where} needs the role {needed.name.lower()}, not {role.name.lower()}"


def _listed(states: Iterable[State]) -> str:
    known = set(states)
    return ", ".join(state for state in State if state in known)
