"""Whether beats come that a gated step can be sorted by: asked before it begins, and watched while it lasts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from daq.devices.abilities import Beats
from daq.errors import InterlockError, ScandaqError
from daq.model.protocol import Gate, Step
from daq.model.stop import BEATS, TRIGGERS
from daq.services.acquisition.progress import DEVICE
from daq.services.alarms import Alarms

_LOG = logging.getLogger(__name__)
SILENT_S = 3.0
"""Without a beat for so long there is no signal: a heart at 20 beats a minute is none of a gated study."""
_OUTSIDE_S = 60.0
_LOOK_S = 1.0
_SILENT_BREATH_S, _REJECTED_BREATH_S = 20.0, 300.0
_RECORDED, _ACCEPTED = "no-beats-recorded", "no-beats-accepted"
_LOOK_AT = "look at the electrodes, at the cable of the trigger, and at the patient"

Seen = Callable[[], Awaitable[Beats | None]]
"""Returns what the gate trigger of the station saw; None for a station without one."""


async def nobody_sees() -> None:
    """Return what a station without a gate trigger knows of beats."""


class Beating:
    """Watches the gate trigger for one run."""

    def __init__(self, seen: Seen, alarms: Alarms, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seen, self._alarms, self._clock = seen, alarms, clock
        self._outside_since_s: float | None = None
        self._outside_ms = 0.0
        """The first of them: an alarm that changes is announced each time."""
        self._task: asyncio.Task[None] | None = None
        self._triggers, self._accepted = _Grows(), _Grows()

    async def why_not(self, step: Step) -> str | None:
        """Return why a step cannot be gated now, None where nothing speaks against it, or it is not gated."""
        if step.gate is None:
            return None
        try:
            beats = await self._seen()
        except ScandaqError as why:
            return f"it is gated, and the trigger does not say whether beats come: {why}"
        silent = None if beats is None else _silent(beats)
        return None if silent is None else f"it is gated, and there is {silent}: {_LOOK_AT}"

    async def require(self, step: Step) -> None:
        """Raise `InterlockError` where a gated step would begin without beats."""
        why = await self.why_not(step)
        if why is not None:
            raise InterlockError(f"{step.name!r} cannot begin: {why}")

    def watch(self, step: Step) -> None:
        """Watch while this step lasts, in place of the one before."""
        self.end()
        if step.gate is not None:
            self._task = asyncio.create_task(self._watch(step, step.gate), name="beats")

    def end(self) -> None:
        """Watch no longer; what was only true of the step is over."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._outside_since_s = None
        self._triggers, self._accepted = _Grows(), _Grows()
        for name in ("no-beats", "beats-outside", _RECORDED, _ACCEPTED):
            self._alarms.clear(DEVICE, name)

    def recorded(self, step: Step | None, counts: Mapping[str, int]) -> None:
        """Say what the front end's own words tell of the beats of a step that records; it is what pictures are made of.

        `counts`: those of the readout's status, which must be new: `triggers` that came, `beats` that were taken.
        """
        if step is None or step.gate is None or TRIGGERS not in counts:
            return
        now_s, breathes = self._clock(), step.gate.trigger != "ecg"
        silent_s = self._triggers.rests_s(counts[TRIGGERS], now_s)
        most_s = _SILENT_BREATH_S if breathes else SILENT_S
        if silent_s > most_s:
            self._alarms.raise_(
                DEVICE, _RECORDED, priority="high", latched=False,
                text=f"no {'breath' if breathes else 'R wave'} from the front end for more than {most_s:g} s in step "
                f"{step.name!r}: what is counted now belongs to no beat",
                guidance=f"{_LOOK_AT}; where the trigger shows beats, at its cable to the front end",
            )  # fmt: skip
        else:
            self._alarms.clear(DEVICE, _RECORDED)
        rejected_s = self._accepted.rests_s(counts.get(BEATS, 0), now_s)
        most_s = _REJECTED_BREATH_S if breathes else _OUTSIDE_S
        if rejected_s > most_s:
            self._alarms.raise_(
                DEVICE, _ACCEPTED, priority="medium", latched=False,
                text=f"no beat of step {step.name!r} was accepted for more than {most_s:g} s",
                guidance="look at the patient; wait, or stop and choose another window: list mode can be gated again",
            )  # fmt: skip
        else:
            self._alarms.clear(DEVICE, _ACCEPTED)

    async def _watch(self, step: Step, gate: Gate) -> None:
        while True:
            try:
                beats = await self._seen()
            except ScandaqError as why:
                _LOG.info("whether beats come is not known: %s", why)  # its readings are stale, which is an alarm
            else:
                if beats is not None:
                    self._judge(step, gate, beats)
            await asyncio.sleep(_LOOK_S)

    def _judge(self, step: Step, gate: Gate, beats: Beats) -> None:
        silent = _silent(beats)
        if silent is None:
            self._alarms.clear(DEVICE, "no-beats")
        else:
            since = "yet" if beats.age_s is None else f"for more than {SILENT_S:g} s"
            self._alarms.raise_(
                DEVICE, "no-beats", priority="high", latched=False,
                text=f"no R wave {since} in step {step.name!r}: what is counted now belongs to no beat",
                guidance=f"{_LOOK_AT}; pause, or stop when it does not come back",
            )  # fmt: skip
        self._judge_interval(step, gate, beats, silent=silent is not None)

    def _judge_interval(self, step: Step, gate: Gate, beats: Beats, *, silent: bool) -> None:
        """Say when every interval seen for a minute lies outside of what the step accepts."""
        last_ms, accepted = beats.last_interval_ms, gate.interval_ps
        if accepted is None or last_ms is None or silent or accepted[0] <= last_ms * 1e9 <= accepted[1]:
            self._outside_since_s = None
            self._alarms.clear(DEVICE, "beats-outside")
            return
        now_s = self._clock()
        if self._outside_since_s is None:
            self._outside_since_s, self._outside_ms = now_s, last_ms
        if now_s - self._outside_since_s < _OUTSIDE_S:
            return
        low_ms, high_ms = (round(bound / 1e9) for bound in accepted)
        self._alarms.raise_(
            DEVICE, "beats-outside", priority="medium", latched=False,
            text=f"beats have been {self._outside_ms:.0f} ms apart for a minute; step {step.name!r} takes {low_ms} to "
            f"{high_ms} ms: none is accepted",
            guidance="wait for the heart to calm down, or stop and choose another window: list mode can be gated again",
        )  # fmt: skip


class _Grows:
    """Remembers since when a count has stood still."""

    def __init__(self) -> None:
        self._count = -1
        self._since_s = 0.0

    def rests_s(self, count: int, now_s: float) -> float:
        """Return for how long the count has been what it is; begins with the first that is told."""
        if count != self._count:
            self._count, self._since_s = count, now_s
        return now_s - self._since_s


def _silent(beats: Beats) -> str | None:
    """Return in words that no beats come, None where they do."""
    if beats.age_s is None:
        return "no R wave yet"
    return f"no R wave for {beats.age_s:.0f} s" if beats.age_s > SILENT_S else None
