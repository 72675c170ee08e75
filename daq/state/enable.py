"""The motion enable: what must be pressed for an axis to move, and what must be done after motion was lost. One table.

Two things decide. The *button*: off, held (hold-to-run, for positioning), spent (held when a stop came: it must be let
go before it counts again) or latched (pressed once in the room, for the sweeps and steps of a protocol). The
*reference*: confirmed, homed (axes know where they are, but nobody has confirmed who lies there and how) or lost.
Anything that ends a motion against somebody's will takes the button away, and nothing resumes by itself: home again,
confirm identity and position again, press again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from daq.errors import TransitionRefusedError


class Button(StrEnum):
    """What is pressed."""

    OFF = "off"
    HELD = "held"
    SPENT = "spent"
    LATCHED = "latched"


class Reference(StrEnum):
    """How far positions are to be trusted."""

    CONFIRMED = "confirmed"
    HOMED = "homed"
    LOST = "lost"


class Event(StrEnum):
    """What happens to the enable."""

    HOLD = "hold"
    RELEASE = "release"
    HOLD_EXPIRED = "hold_expired"
    LATCH = "latch"
    STOP = "stop"
    EMERGENCY_STOP = "emergency_stop"
    COLLISION_PAD = "collision_pad"
    FAULT = "fault"
    POWER_LOST = "power_lost"
    PATIENT_MOVED = "patient_moved"
    HOMED = "homed"
    """All axes have found their reference again."""
    CONFIRMED = "confirmed"
    """A person has confirmed identity and position."""


class Motion(StrEnum):
    """What kind of movement is asked for."""

    POSITIONING = "positioning"
    """A person watches and holds the button."""
    HOMING = "homing"
    RETREAT = "retreat"
    SWEEP = "sweep"
    STEP = "step"
    """From one view to the next within a protocol that moves, e.g. the stops of a SPECT."""


_B, _R = Button, Reference

_ENDS = {_B.OFF: _B.OFF, _B.HELD: _B.SPENT, _B.SPENT: _B.SPENT, _B.LATCHED: _B.OFF}

BUTTON: dict[Event, dict[Button, Button]] = {
    Event.HOLD: {_B.OFF: _B.HELD, _B.HELD: _B.HELD, _B.SPENT: _B.SPENT},
    Event.RELEASE: dict.fromkeys(Button, _B.OFF),
    Event.HOLD_EXPIRED: {**dict.fromkeys(Button, _B.OFF), _B.LATCHED: _B.LATCHED},
    Event.LATCH: {_B.OFF: _B.LATCHED, _B.HELD: _B.LATCHED, _B.LATCHED: _B.LATCHED},
    Event.STOP: _ENDS,
    Event.EMERGENCY_STOP: _ENDS,
    Event.COLLISION_PAD: _ENDS,
    Event.FAULT: _ENDS,
    Event.POWER_LOST: _ENDS,
    Event.PATIENT_MOVED: _ENDS,
    Event.HOMED: {button: button for button in Button},
    Event.CONFIRMED: {button: button for button in Button},
}
"""What an event does to the button; a pair that is missing is refused."""

_KEPT = {reference: reference for reference in Reference}

REFERENCE: dict[Event, dict[Reference, Reference]] = {
    Event.HOLD: _KEPT,
    Event.RELEASE: _KEPT,
    Event.HOLD_EXPIRED: _KEPT,
    Event.LATCH: {_R.CONFIRMED: _R.CONFIRMED},
    Event.STOP: _KEPT,
    Event.EMERGENCY_STOP: dict.fromkeys(Reference, _R.LOST),
    Event.COLLISION_PAD: dict.fromkeys(Reference, _R.LOST),
    Event.FAULT: dict.fromkeys(Reference, _R.LOST),
    Event.POWER_LOST: dict.fromkeys(Reference, _R.LOST),
    Event.PATIENT_MOVED: {_R.CONFIRMED: _R.HOMED, _R.HOMED: _R.HOMED, _R.LOST: _R.LOST},
    Event.HOMED: {_R.CONFIRMED: _R.CONFIRMED, _R.HOMED: _R.HOMED, _R.LOST: _R.HOMED},
    Event.CONFIRMED: {_R.CONFIRMED: _R.CONFIRMED, _R.HOMED: _R.CONFIRMED},
}
"""What an event does to the reference; a pair that is missing is refused."""

ALLOWS: dict[Motion, tuple[frozenset[Button], frozenset[Reference]]] = {
    Motion.POSITIONING: (frozenset({_B.HELD}), frozenset({_R.CONFIRMED, _R.HOMED})),
    Motion.HOMING: (frozenset({_B.HELD}), frozenset(Reference)),
    Motion.RETREAT: (frozenset({_B.HELD}), frozenset(Reference)),
    Motion.SWEEP: (frozenset({_B.LATCHED}), frozenset({_R.CONFIRMED})),
    Motion.STEP: (frozenset({_B.LATCHED}), frozenset({_R.CONFIRMED})),
}
"""The buttons and the references under which a movement may begin and go on."""


@dataclass(frozen=True, slots=True)
class Enable:
    """Button and reference together."""

    button: Button = Button.OFF
    reference: Reference = Reference.CONFIRMED

    def after(self, event: Event) -> Enable:
        """Return the enable after `event`; raise `TransitionRefusedError`, which says what stands against it."""
        button = BUTTON[event].get(self.button)
        reference = REFERENCE[event].get(self.reference)
        if button is None:
            raise TransitionRefusedError(
                f"cannot {event} the motion enable while it is {self.button}: release it first"
            )
        if reference is None:
            raise TransitionRefusedError(f"cannot {event}: positions are {self.reference}; {next_step(self.reference)}")
        return Enable(button, reference)

    def why_not(self, motion: Motion) -> str | None:
        """Return None where the movement is enabled, else what is missing."""
        buttons, references = ALLOWS[motion]
        if self.reference not in references:
            return f"{motion} needs positions that are {_either(references)}, they are {self.reference}: " + next_step(
                self.reference
            )
        if self.button not in buttons:
            again = ": let it go and press again" if self.button is Button.SPENT else ""
            return f"{motion} needs the enable {_either(buttons)}, it is {self.button}{again}"
        return None


def next_step(reference: Reference) -> str:
    """Return what a person has to do about a reference."""
    match reference:
        case Reference.LOST:
            return "home the axes, then confirm identity and position"
        case Reference.HOMED:
            return "confirm identity and position"
        case Reference.CONFIRMED:
            return "nothing has to be done"


def _either(names: frozenset[Button] | frozenset[Reference]) -> str:
    return " or ".join(sorted(names))
