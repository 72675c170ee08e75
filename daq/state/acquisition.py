"""The states of an acquisition and what leads from one to another. Everything that affects them is in this table.

A transition is a pair of state and trigger. Pairs that are not in the table are refused, whoever asks. Consoles show
`possible(state)`, the manual's diagram is drawn from the table (`daq.state.diagram`).

Stopping has four forms, which differ in what the recording is called afterwards: `completing` ends as *completed*,
`interrupting` as *interrupted* (something outside ended it: motion lost, a readout gone), `aborting` as *aborted*
(given up before anything counted) and `failing` as *fault*, which a person must acknowledge.
"""

from __future__ import annotations

from enum import StrEnum

from daq.errors import TransitionRefusedError


class State(StrEnum):
    """Where the station is."""

    READY = "ready"
    PREPARING = "preparing"
    """Checks, sets devices, positions for the first step, starts the readout."""
    ARMED = "armed"
    """Everything waits for the start; nothing has been recorded."""
    ACQUIRING = "acquiring"
    POSITIONING = "positioning"
    """Axes move between two steps; what comes is outside of both."""
    WAITING = "waiting"
    """Between two steps, for a person to start the next."""
    PAUSED = "paused"
    COMPLETING = "completing"
    INTERRUPTING = "interrupting"
    ABORTING = "aborting"
    FAILING = "failing"
    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    ABORTED = "aborted"
    FAULT = "fault"


class Trigger(StrEnum):
    """What happens to an acquisition. The first seven are what a person may ask for."""

    PREPARE = "prepare"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ABORT = "abort"
    ACKNOWLEDGE = "acknowledge"

    PREPARED = "prepared"
    CANNOT_PREPARE = "cannot_prepare"
    """A check or a device refused; nothing was started."""
    CHANGE = "change"
    """What is armed is to be acquired otherwise, with another energy window: the readout is started anew."""
    ARMING_EXPIRED = "arming_expired"
    NEXT_STEP = "next_step"
    """A step has ended and the next one follows at once."""
    STEP_MOVES = "step_moves"
    """The next step needs another position."""
    STEP_WAITS = "step_waits"
    """The next step is started by a person."""
    POSITIONED = "positioned"
    ALL_STEPS_DONE = "all_steps_done"
    SEALED = "sealed"
    """The readout has sealed the recording and ended."""
    MOTION_LOST = "motion_lost"
    """A moving step lost its axis, or whoever watched over it."""
    READOUT_LOST = "readout_lost"
    """The readout has gone without sealing; its directory can be recovered."""
    FAULT_FOUND = "fault_found"
    FOUND_COMPLETED = "found_completed"
    """After a restart: the readout had finished all steps and sealed alone."""
    FOUND_INTERRUPTED = "found_interrupted"
    """After a restart: the readout had sealed alone, with steps missing."""
    FOUND_NOTHING = "found_nothing"
    """After a restart: nothing had been recorded."""


BY_A_PERSON = tuple(Trigger)[:7]

IDLE = frozenset({State.READY, State.COMPLETED, State.INTERRUPTED, State.ABORTED, State.FAULT})
"""No acquisition is under way."""
ACTIVE = frozenset(State) - IDLE
RECORDING = frozenset({State.ACQUIRING, State.POSITIONING, State.WAITING, State.PAUSED})
"""The readout records. What it takes between steps and while paused is kept, outside of them."""
ENDING = frozenset({State.COMPLETING, State.INTERRUPTING, State.ABORTING, State.FAILING})

_BEGIN = {Trigger.PREPARE: State.PREPARING, Trigger.FAULT_FOUND: State.FAULT}
_DISMISS = {**_BEGIN, Trigger.ACKNOWLEDGE: State.READY}
_BEFORE_DATA = {
    Trigger.STOP: State.ABORTING,
    Trigger.ABORT: State.ABORTING,
    Trigger.MOTION_LOST: State.FAILING,
    Trigger.READOUT_LOST: State.ABORTED,
    Trigger.FAULT_FOUND: State.FAILING,
    Trigger.FOUND_COMPLETED: State.ABORTED,
    Trigger.FOUND_INTERRUPTED: State.ABORTED,
    Trigger.FOUND_NOTHING: State.ABORTED,
}
_WITH_DATA = {
    Trigger.STOP: State.COMPLETING,
    Trigger.ABORT: State.ABORTING,
    Trigger.ALL_STEPS_DONE: State.COMPLETING,
    Trigger.SEALED: State.INTERRUPTED,  # not asked for: its disk is full, its front end fell silent
    Trigger.MOTION_LOST: State.INTERRUPTING,
    Trigger.READOUT_LOST: State.INTERRUPTED,
    Trigger.FAULT_FOUND: State.FAILING,
    Trigger.FOUND_COMPLETED: State.COMPLETED,
    Trigger.FOUND_INTERRUPTED: State.INTERRUPTED,
    Trigger.FOUND_NOTHING: State.ABORTED,
}


def _ends_as(end: State, **others: State) -> dict[Trigger, State]:
    """Return the row of a state that waits for the recording to be sealed."""
    return {
        Trigger.SEALED: end,
        Trigger.READOUT_LOST: State.FAULT if end is State.FAULT else State.INTERRUPTED,
        Trigger.FOUND_COMPLETED: end,
        Trigger.FOUND_INTERRUPTED: end,
        Trigger.FOUND_NOTHING: State.FAULT if end is State.FAULT else State.ABORTED,
        **{Trigger(name): state for name, state in others.items()},
    }


TRANSITIONS: dict[State, dict[Trigger, State]] = {
    State.READY: _BEGIN,
    State.PREPARING: {
        **_BEFORE_DATA,
        Trigger.PREPARED: State.ARMED,
        Trigger.CANNOT_PREPARE: State.ABORTED,
        Trigger.SEALED: State.ABORTED,
    },
    State.ARMED: {
        **_BEFORE_DATA,
        Trigger.START: State.ACQUIRING,
        Trigger.CHANGE: State.PREPARING,
        Trigger.ARMING_EXPIRED: State.ABORTING,
        Trigger.SEALED: State.ABORTED,
    },
    State.ACQUIRING: {
        **_WITH_DATA,
        Trigger.PAUSE: State.PAUSED,
        Trigger.NEXT_STEP: State.ACQUIRING,
        Trigger.STEP_MOVES: State.POSITIONING,
        Trigger.STEP_WAITS: State.WAITING,
    },
    State.POSITIONING: {**_WITH_DATA, Trigger.POSITIONED: State.ACQUIRING, Trigger.PAUSE: State.PAUSED},
    State.WAITING: {**_WITH_DATA, Trigger.START: State.ACQUIRING, Trigger.STEP_MOVES: State.POSITIONING},
    State.PAUSED: {**_WITH_DATA, Trigger.RESUME: State.ACQUIRING, Trigger.STEP_MOVES: State.POSITIONING},
    State.COMPLETING: _ends_as(State.COMPLETED, motion_lost=State.INTERRUPTING, fault_found=State.FAILING),
    State.INTERRUPTING: _ends_as(State.INTERRUPTED, fault_found=State.FAILING),
    State.ABORTING: _ends_as(State.ABORTED, fault_found=State.FAILING),
    State.FAILING: _ends_as(State.FAULT),
    State.COMPLETED: _DISMISS,
    State.INTERRUPTED: _DISMISS,
    State.ABORTED: _DISMISS,
    State.FAULT: {Trigger.ACKNOWLEDGE: State.READY, Trigger.FAULT_FOUND: State.FAULT},
}


def next_state(state: State, trigger: Trigger) -> State:
    """Return the state after `trigger`; raise `TransitionRefusedError`, which says what is possible instead."""
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        legal = ", ".join(possible(state)) or "nothing but waiting"
        raise TransitionRefusedError(f"cannot {trigger} while {state}; possible: {legal}") from None


def possible(state: State) -> tuple[Trigger, ...]:
    """Return what a person may ask for in this state. Stopping motion and lowering energy are possible in every one."""
    return tuple(trigger for trigger in BY_A_PERSON if trigger in TRANSITIONS[state])
