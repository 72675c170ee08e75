"""The way of the axes to where a step begins, which a person in the room enables."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from daq.errors import InterlockError, MotionError
from daq.model.protocol import Step
from daq.state.enable import Motion

if TYPE_CHECKING:
    from daq.services.motion.engine import MotionEngine

_ENABLE_POLL_S = 0.25
_MOST_TRIES = 3


def targets_of(step: Step) -> dict[str, float]:
    """Return where axes must stand for the step to begin."""
    sweep = {step.sweep.axis: step.sweep.begin} if step.sweep is not None else {}
    return {**sweep, **step.positions}


async def reach(
    engine: MotionEngine, step: Step, motion: Motion, *, within_s: float, note: Callable[[str], None]
) -> None:
    """Move to where the step begins; wait for the motion enable, which a person gives in the room.

    One axis after the other: those first that go away from the patient, those last that come nearer.
    Whoever lets go of it on the way stops the axes; they go on when it is pressed again. `note` hears what is waited
    for. Raise `MotionError` where axes do not stay where they went.
    """
    targets = targets_of(step)
    said, arrived = "", 0
    deadline_s = time.monotonic() + within_s
    while targets and not await engine.is_at(targets):
        if arrived == _MOST_TRIES:
            raise MotionError(f"axes do not stay where {step.name!r} begins")
        try:
            await engine.position(await engine.where.away_first(targets), motion=motion)
            arrived += 1
        except (InterlockError, MotionError) as why:
            patient = isinstance(why, InterlockError) or engine.let_go
            if not patient or time.monotonic() > deadline_s:
                raise
            if str(why) != said:
                said = str(why)
                note(said)
            await asyncio.sleep(_ENABLE_POLL_S)
