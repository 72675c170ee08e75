"""What must be so for a step to begin, and what there is to be known before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daq.errors import InterlockError
from daq.model.protocol import Step
from daq.services.acquisition.beating import Beating
from daq.services.acquisition.handovers import HandOvers
from daq.services.acquisition.mounting import Mounting
from daq.services.acquisition.uptake import UptakeTime
from daq.state.enable import Motion

if TYPE_CHECKING:
    from daq.services.motion.engine import MotionEngine


class Readiness:
    """Asks the motion enable, the trigger of beats, hand-overs, the time since the injection, the collimator."""

    def __init__(
        self, motion: MotionEngine, hand_overs: HandOvers, beating: Beating, uptake: UptakeTime, mounting: Mounting
    ) -> None:  # fmt: skip
        self._motion, self._hand_overs, self.beating, self.uptake = motion, hand_overs, beating, uptake
        self.mounting = mounting
        """Asked when a person starts: who exchanges a collimator stands beside the heads, and nothing acquires."""

    async def why_wait(self, step: Step) -> str | None:
        """Return why a person has to start this step, None where it follows by itself."""
        handed = self._hand_overs.before(step)
        if handed is not None:
            return f"; {handed}"
        if step.start == "manual":
            return "".join(f"; {said}" for said in (step.instruction, self.uptake.said(step)) if said)
        why = self.why_not_sweep(step) or await self.beating.why_not(step)
        return None if why is None else f"; {why}"

    def why_not_sweep(self, step: Step) -> str | None:
        """Return why axes must not move during this step, None where they may or do not."""
        return self._motion.enable.why_not(Motion.SWEEP) if step.sweep is not None else None

    async def require(self, step: Step) -> None:
        """Refuse what nobody has enabled, and beats that do not come, before anything is recorded of the step."""
        why = self.why_not_sweep(step)
        if why is not None:
            raise InterlockError(f"{step.name!r} cannot begin: {why}")
        await self.beating.require(step)

    def begun(self, step: Step) -> None:
        """Watch over a step that has begun."""
        self.beating.watch(step)
        self.uptake.begun(step)

    def end(self) -> None:
        """Watch over nothing any more."""
        self.beating.end()
        self.uptake.look(None)
