"""Alarms of quality control: a result beyond a level, and an analysis that was not done."""

from __future__ import annotations

from daq.model.qc.documents import QcResult
from daq.model.qc.figures import Level
from daq.model.station import Priority
from daq.qc import units
from daq.qc.judgingwords import says_look
from daq.services.alarms import Alarms
from daq.services.qc.orders import Order

DEVICE = "qc"
_MOST_NAME = 80
_SHOWN = 2
_URGENCY: dict[Level, Priority] = {Level.ACTION: "low", Level.SUSPENSION: "medium"}
_USUAL = {
    Level.ACTION: "investigate before tomorrow; it may be used meanwhile",
    Level.SUSPENSION: "do not acquire patients with it before somebody who may has found out why",
}


class Ringing:
    """Rings for results and analyses. What rings for a result stays until a better one, or somebody has seen it."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._rung: dict[str, frozenset[str]] = {}
        """By alarm the heads that it rang for: a good result of another one does not end it."""

    def judged(self, identity: str, result: QcResult) -> None:
        """Ring for a result beyond its action or suspension level; one in limits ends the alarm of the one before.

        One that is not evaluable ends none, and rings where noise does not explain what it holds.
        """
        name = f"level-{result.test}"[:_MOST_NAME]
        if result.level in _URGENCY:
            found = [each.text for each in result.judged if each.level is result.level]
            head, urgency, usual = f"{result.level} level", _URGENCY[result.level], _USUAL[result.level]
        elif result.level is Level.NOT_EVALUABLE:
            found = [each.text for each in result.judged if says_look(each)]
            head, urgency, usual = "not evaluable, and yet", "medium", _USUAL[Level.SUSPENSION]
        else:
            if self._rung.get(name, frozenset()) <= units.units_of(result) | {units.ALL}:
                self._alarms.clear(DEVICE, name)
            return
        if found:
            self._rung[name] = units.suspended(result) or units.units_of(result)
            text = f"{result.test}: {head}: {_several(found)}"
            details = f"result {identity}: daq qc history {result.test}"
            self._alarms.raise_(
                DEVICE, name, priority=urgency, text=text, guidance=result.advice or usual, details=details
            )  # fmt: skip

    def not_analysed(self, order: Order, why: str) -> None:
        """Ring for an analysis that was not done, and say how it is done by hand."""
        runs = " ".join(path.name for path in order.recordings)
        name = f"not-analysed-{order.recordings[0].name if order.recordings else order.test}"[:_MOST_NAME]
        self._alarms.raise_(
            DEVICE, name, priority="medium", text=f"{order.test} has no result: {why}",
            guidance="the recording is safe; run the test again, or have service analyse it by hand",
            details=f"{runs or 'what was entered'}: daq qc analyse {runs} --test {order.test} --store",
        )  # fmt: skip
        self._alarms.clear(DEVICE, name)

    def not_done(self, test: str, why: str) -> None:
        """Ring for an automatic test that was not done."""
        self._alarms.raise_(
            DEVICE, f"auto-{test}"[:_MOST_NAME], priority="low", text=f"the automatic {test} was not done: {why}",
            guidance="run it by hand, under QC", details=f"daq qc run {test}",
        )  # fmt: skip
        self._alarms.clear(DEVICE, f"auto-{test}"[:_MOST_NAME])


def _several(found: list[str]) -> str:
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{'; '.join(found[:_SHOWN])}{more}"
