"""What is known about where axes are, and what happens when that is lost."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping

from daq.devices.abilities import Axis
from daq.errors import RefusedError
from daq.services.motion.alarming import MotionAlarms
from daq.services.motion.report import AxisStop, MotionLoss
from daq.services.motion.running import Running
from daq.services.motion.switch import EnableSwitch
from daq.state.enable import Event

_LOG = logging.getLogger(__name__)


class Trust:
    """Takes enable and trust away when motion is lost, and counts which axes were homed since.

    `drop` ends the movement under way, `moving` says whether there is one. `on_lost` is called once for each loss, at
    once, and must not wait.
    """

    def __init__(
        self,
        axes: Mapping[str, Axis],
        switch: EnableSwitch,
        alarms: MotionAlarms,
        *,
        drop: Callable[[Event, str], None],
        moving: Callable[[], bool],
    ) -> None:
        self._axes = axes
        self._switch = switch
        self._alarms = alarms
        self._drop = drop
        self._moving = moving
        self._to_home = set(axes) if switch.lost else set()
        self.on_lost: Callable[[MotionLoss], None] | None = None
        self.homed(())

    def lose(self, event: Event, why: str, axes: Iterable[str]) -> None:
        """Take enable and trust away; tell about the first loss since positions were good."""
        first, was_moving = not self._switch.lost, self._moving()
        self._drop(event, why)
        self._switch.apply(event)
        self._to_home = set(self._axes)
        self.homed(())
        if not first:
            return
        self._alarms.lost(why)
        if self.on_lost is not None:
            try:
                self.on_lost(MotionLoss(why, tuple(axes), was_moving))
            except Exception:  # noqa: BLE001 - the axes are stopped all the same
                _LOG.exception("whoever is told about a lost motion failed")

    def homed(self, axes: Iterable[str]) -> None:
        """Note axes that have found their reference; when all have, a person may confirm."""
        self._to_home -= set(axes)
        if self._switch.lost and not self._to_home:
            self._switch.apply(Event.HOMED)

    def confirm(self) -> None:
        """Take a person's word; raise `RefusedError` while an axis has no reference."""
        unhomed = [name for name, axis in self._axes.items() if axis.last is not None and not axis.homed]
        if unhomed or self._to_home:
            names = ", ".join(sorted({*unhomed, *self._to_home}))
            raise RefusedError(f"cannot confirm identity and position: {names} must be homed first")
        self._switch.apply(Event.CONFIRMED)
        self._alarms.clear_lost()

    def look_for_references(self, running: Running, refusal: RefusedError) -> None:
        """Take an axis that has no reference any more as power that was lost meanwhile."""
        unhomed = [name for name in running.axes if self._axes[name].last is not None and not self._axes[name].homed]
        if unhomed:
            self.lose(Event.POWER_LOST, str(refusal), unhomed)

    def look_back(self, running: Running) -> None:
        """See whether every axis of a movement that has ended stands, and stopped where it should."""
        for name in running.axes:
            axis = self._axes[name]
            if axis.doubtful:
                self._not_halted(f"{name} is not confirmed to stand after: {running.what}", name)
            elif running.dropped_by is not None and axis.last_halt is not None and axis.last_halt.too_far:
                self._too_far(axis.last_halt.overtravel, name)

    def judge(self, stops: Iterable[AxisStop]) -> None:
        """See how a stop of all axes went."""
        for stop in stops:
            if not stop.stands:
                self._not_halted(stop.error, stop.axis)
                continue
            self._alarms.clear_not_halted(stop.axis)
            if stop.overtravel is not None and stop.overtravel > _most(stop.max_overtravel):
                self._too_far(stop.overtravel, stop.axis)

    def _not_halted(self, why: str, axis: str) -> None:
        self._alarms.not_halted(axis, why)
        self.lose(Event.FAULT, why, (axis,))

    def _too_far(self, overtravel: float, axis: str) -> None:
        limits = self._axes[axis].limits
        why = f"{axis} went on for {overtravel:g} {limits.unit} after a stop, {limits.max_overtravel:g} is allowed"
        self._alarms.too_far(axis, why)
        self.lose(Event.FAULT, why, (axis,))


def _most(max_overtravel: float | None) -> float:
    return math.inf if max_overtravel is None else max_overtravel
