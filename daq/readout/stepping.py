"""The steps of a readout: begun and ended as it is told, and what becomes of them when nobody watches.

Everything but `attend` and `figures` is for the processing thread, between two slices.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from daq.errors import RefusedError
from daq.model.stop import StopCondition
from daq.readout.attendance import Attendance, Deed, Phase
from daq.readout.plan import Plan
from daq.storage.recording import Recording
from daq.storage.steps import MOTION_LOST, UNATTENDED

MOST_STEPS = 4096
"""Of one recording: its manifest and its status name them all."""
_AFTER_LOSS_S = 0.9
"""How long a recording goes on when its motion was lost, so that it shows how the axis came to rest."""
_NOBODY = "nobody watches over it any more"


@dataclass(frozen=True, slots=True)
class Step:
    """A step to begin. `last`: what ends it ends the recording."""

    condition: StopCondition
    name: str = ""
    moving: bool = False
    last: bool = False

    def __str__(self) -> str:
        """Return the text of its mark."""
        return f"{self.name}: {self.condition}" if self.name else str(self.condition)

    @property
    def promised_s(self) -> float:
        """Return after how many seconds a clock ends it, the host's or the detector's; 0 where none does.

        The detector's does not while its frames wait for something that may never come.
        """
        timed = self.condition.duration_ps is not None and self.condition.zero is None
        detector_s = (self.condition.duration_ps or 0) / 1e12 if timed else None
        return min((each for each in (self.condition.host_s, detector_s) if each is not None), default=0.0)


class Stepping:
    """Which step a readout is in, and who watches over it."""

    def __init__(
        self, plan: Plan, begun: Callable[[StopCondition], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`begun` is told the limits of each step after the first."""
        self._begun = begun
        self._clock = clock
        self._step = Step(plan.stop, plan.step_name, moving=plan.moving, last=plan.single_step)
        self._lost_s: float | None = None
        self._lapses = 0
        self.number = 1
        self.attendance = Attendance(grace_s=plan.unattended_s, step_s=plan.unattended_step_s, clock=clock)

    @property
    def ends_with_step(self) -> bool:
        """True when the present step is the last one."""
        return self._step.last

    def require_watched(self, step: Step | None = None) -> None:
        """Refuse a moving step, by default the present one, that nobody watches over."""
        if (step or self._step).moving and self.attendance.attended is not True:
            raise RefusedError("axes move during this step, and nobody watches over it: attend first")

    def begin(self, recording: Recording, step: Step) -> None:
        """Begin another step; raise `RefusedError` where it must not begin."""
        self._require_motion()
        self.require_watched(step)
        if self.number >= MOST_STEPS:
            raise RefusedError(f"step {self.number + 1}: a recording has at most {MOST_STEPS}")
        recording.note(recording.derivation.step(step.condition, str(step), moving=step.moving))
        self._step, self._lapses = step, self.attendance.lease.lapses
        self.number += 1
        self._begun(step.condition)

    def end(self, recording: Recording, by: str, *, completed: bool) -> None:
        """End the step, if it lasts."""
        recording.note(recording.derivation.stop_now(by, whole=completed))

    def pause(self, recording: Recording) -> None:
        """Stop counting; raise `RefusedError` when motion was lost."""
        self._require_motion()
        recording.note(recording.derivation.pause())

    def resume(self, recording: Recording) -> None:
        """Count again; raise `RefusedError` when motion was lost, or nobody watched over axes during the pause."""
        self._require_motion()
        if self._step.moving and self.attendance.lease.lapses != self._lapses:
            raise RefusedError("nobody watched while this moving step was paused: it is not continued")
        recording.note(recording.derivation.resume())

    def lose_motion(self, recording: Recording, text: str) -> None:
        """End the step as interrupted, and the recording soon after."""
        recording.note(recording.derivation.motion_lost(text))
        self._lost_s = self._lost_s or self._clock()

    def unattended_armed(self) -> bool:
        """Return True when an armed readout has waited long enough for somebody to come back."""
        return self.attendance.deed(Phase.ARMED) is Deed.END

    def why_to_stop(self, recording: Recording) -> str | None:
        """Do what is due because nobody watches; return why the recording is to be stopped, None when it goes on."""
        deed = self.attendance.deed(self._phase(recording), promised_s=self._step.promised_s)
        if deed is Deed.LOSE_MOTION:
            self.lose_motion(recording, _NOBODY)
        if self._lost_s is not None:
            return MOTION_LOST if self._clock() - self._lost_s >= _AFTER_LOSS_S else None
        if deed is Deed.END:
            return UNATTENDED
        return recording.stopped_by if self.ends_with_step else None

    def figures(self, recording: Recording | None) -> dict[str, Any]:
        """Return what the status says of the steps."""
        return {
            "attended": self.attendance.attended,
            "step": self.number,
            "step_ended_by": recording.stopped_by if recording else None,
            "frames_wait": recording.derivation.frames_wait if recording else self._step.condition.zero is not None,
        }

    def counts_to_go(self, recording: Recording | None) -> dict[str, int]:
        """Return how many counts are still to come until each limit of the present step, by the limit's counter."""
        live = recording.derivation.counts if recording else {}
        return {name: max(0, limit - live.get(name, 0)) for name, limit in self._step.condition.counts.items()}

    def _phase(self, recording: Recording) -> Phase:
        derivation = recording.derivation
        if derivation.motion_was_lost:
            return Phase.ENDING
        if derivation.stopped is not None or derivation.paused:
            return Phase.IDLE
        return Phase.MOVING if self._step.moving else Phase.STATIONARY

    def _require_motion(self) -> None:
        if self._lost_s is not None:
            raise RefusedError("motion was lost: this recording ends, and nothing in it goes on")
