"""What a driver of a motor implements: six calls without rules. `DrivenAxis` adds the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from daq.devices.abilities import Identity


@dataclass(frozen=True, slots=True)
class DriveStatus:
    """What a controller says: `position` and signed `velocity` in the axis's unit; `fault` in words, or empty.

    `note`: what else is worth telling where it stands, e.g. at a limit switch; no fault. `read_s`: when the position
    was asked for, on the monotonic clock; None where that is now.
    """

    position: float
    velocity: float
    moving: bool
    homed: bool
    fault: str = ""
    note: str = ""
    read_s: float | None = None


class Drive(Protocol):
    """A motor with its controller, as little as an axis needs. The controller stops by itself when nobody asks it.

    One whose `status` takes many questions may have a `glance` besides: a status in which all but position and movement
    is as last known. It proves that a stop was obeyed, while others on the same wire prove the same.
    """

    async def identify(self) -> Identity:
        """Return who it says it is."""

    async def status(self) -> DriveStatus:
        """Return what it says now. This also keeps a movement alive."""

    async def start(self, target: float, speed: float) -> None:
        """Begin to move to `target`, and return."""

    async def jog(self, velocity: float) -> None:
        """Begin to move at a signed velocity until a limit switch, and return."""

    async def start_homing(self) -> None:
        """Begin to look for the reference, and return."""

    async def halt(self) -> None:
        """Stop now, also while another call is under way."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long an axis waits, in seconds. The defaults keep the rules: 0.25 s to the wire, 1 s to a confirmed halt."""

    poll_s: float = 0.05
    reply_s: float = 0.25
    glance_s: float = 0.45
    """As `reply_s` after a stop, when all axes of a wire are looked at at once."""
    silent_s: float = 0.75
    """Without any answer for so long, motion is lost."""
    begin_s: float = 0.5
    """By then a controller that was told to move says that it does, or is there."""
    again_s: float = 0.02
    """Pause before a call that failed is made again."""
    wire_s: float = 0.25
    halt_s: float = 1.0
