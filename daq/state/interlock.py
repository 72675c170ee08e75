"""What interlocks allow, as one table. They mirror hardware, which acts first and without this program.

High voltage depends on the service cover and the temperature of the head it feeds, of no other head, and never on the
door of the room: a person who enters must not cost hours of drift. Lowering a voltage and stopping a motion depend on
nothing. Retreating from the patient depends on the enable alone, in every state of the interlocks; what hardware holds
fast stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an interlock watches. Its value is True while all is well."""

    SERVICE_COVER = "service_cover"
    TEMPERATURE = "temperature"
    EMERGENCY_STOP = "emergency_stop"
    COLLISION_PAD = "collision_pad"
    DRIVE_POWER = "drive_power"
    WATCHDOG = "watchdog"
    """What stops the axes when this program says nothing any more is armed, and heard from it in time."""
    ROOM_DOOR = "room_door"


class Command(StrEnum):
    """What may be asked for."""

    RAISE_VOLTAGE = "raise_voltage"
    LOWER_VOLTAGE = "lower_voltage"
    MOVE = "move"
    RETREAT = "retreat"
    STOP_MOTION = "stop_motion"


@dataclass(frozen=True, slots=True)
class Interlock:
    """One interlock as last read. `value` None: never read. Times are seconds of the host's monotonic clock.

    `head`: the detector head that it is of; None: of all of them.
    """

    name: str
    kind: Kind
    value: bool | None
    read_monotonic_s: float
    stale_s: float
    head: str | None = None

    def trouble(self, now_s: float) -> str | None:
        """Return why it does not stand for safety now, or None."""
        if self.value is None:
            return f"{self.name} was never read"
        age_s = now_s - self.read_monotonic_s
        if not 0 <= age_s <= self.stale_s:
            return f"{self.name} was read {age_s:.3g} s ago, at most {self.stale_s:g} s is fresh"
        return None if self.value else f"{self.name} is open"


GUARDED_BY: dict[Command, frozenset[Kind]] = {
    Command.RAISE_VOLTAGE: frozenset({Kind.SERVICE_COVER, Kind.TEMPERATURE}),
    Command.LOWER_VOLTAGE: frozenset(),
    Command.MOVE: frozenset({Kind.EMERGENCY_STOP, Kind.COLLISION_PAD, Kind.DRIVE_POWER, Kind.WATCHDOG}),
    Command.RETREAT: frozenset(),
    Command.STOP_MOTION: frozenset(),
}
"""Every interlock of these kinds must be true and fresh."""

NEEDED: dict[Command, frozenset[Kind]] = {
    **dict.fromkeys(Command, frozenset()),
    Command.RAISE_VOLTAGE: frozenset({Kind.SERVICE_COVER, Kind.TEMPERATURE}),
    Command.MOVE: frozenset({Kind.EMERGENCY_STOP}),
}
"""Of these kinds there must be one at all: what nobody watches is not safe."""


def of_head(interlocks: Iterable[Interlock], head: str | None) -> tuple[Interlock, ...]:
    """Return the interlocks that guard what belongs to `head`: its own, and those of no head. None: all of them."""
    return tuple(each for each in interlocks if head is None or each.head is None or each.head == head)


def permitted(command: Command, interlocks: Iterable[Interlock], now_s: float) -> str | None:
    """Return None where the interlocks allow `command` at `now_s`, else every reason against it."""
    guards = [interlock for interlock in interlocks if interlock.kind in GUARDED_BY[command]]
    missing = NEEDED[command] - {interlock.kind for interlock in guards}
    reasons = [f"no interlock of kind {kind} is known" for kind in sorted(missing)]
    reasons += [why for interlock in guards if (why := interlock.trouble(now_s)) is not None]
    return "; ".join(reasons) or None
