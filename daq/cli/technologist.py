"""Somebody at a simulated station: presses the enable, starts what waits for a person, confirms what is handed over."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.transports.localclient import LocalClient

ASK_S = 60.0
_LOOK_S = 0.15
_HOLD_S = 120.0
_SENSED_S = 2.5
"""A plug is sensed once it has been in for two seconds."""
_HELD_UP = re.compile(r"cannot move (?P<where>.+): \S+ needs the enable held")
"""What the station says while it waits for somebody who holds the enable."""
_MOST_REFUSALS = 40
"""A start that is refused so often one after the other, for some six seconds, nobody here can make possible."""
_CT: dict[str, Any] = {
    "what": "ct_attenuation", "frame_of_reference_uid": "2.25.1", "ct_series_uid": "2.25.2", "orientation": "HFS",
    "table_height_mm": 0.0, "table_traverse_mm": 1000.0, "table_sag_mm": 0.0, "registration_id": "simulated",
    "registration_date": "2026-01-01", "kvp": 120.0, "emission_energy_kev": 140.5,
    "hu_to_mu_per_cm": [[-1000.0, 0.0], [0.0, 0.154], [1000.0, 0.27]], "arms": "down", "breathing": "shallow",
    "contrast": "none",
}  # fmt: skip
"""The CT of a simulated patient, for emission of Tc-99m."""
_OVERLAY = {"what": "overlay_check", "overlay": "aligned"}
_RESTS = ("ready", "completed", "interrupted", "aborted", "fault")


class Technologist:
    """Takes a simulated station through a protocol. `say` hears what is done and why."""

    def __init__(self, client: LocalClient, say: Callable[[str], None], *, reason: str) -> None:
        self._client, self._say, self._reason = client, say, reason
        self._told = ""
        self._refusals = 0
        self.injected = True
        """Set to False where the injection is to be noted at the first start."""
        self.inject: Callable[[], None] | None = None
        """Injects the simulated patient, at the first start."""
        self.left: str | None = None
        """What is left of the dose, with its unit, to be noted once it is injected; None: nothing is."""

    def status(self) -> dict[str, Any]:
        """Return what the station says of itself."""
        return self._client.ask("status", within_s=ASK_S)

    def mount(self, collimator: str) -> None:
        """Exchange the collimator, and wait until it is sensed."""
        self._client.ask("simulate", {"device": "collimator", "action": "mount", "value": collimator}, within_s=ASK_S)
        time.sleep(_SENSED_S)

    def acquire(self, asked: Mapping[str, Any], *, within_s: float) -> dict[str, Any]:
        """Prepare, and see it through to its end; return the last status. Raises `DeadlineError`, what is refused."""
        from daq.errors import DeadlineError

        self._client.ask("prepare", dict(asked), within_s=ASK_S)
        until_s = time.monotonic() + within_s
        while (status := self.status())["state"] not in _RESTS:
            if time.monotonic() > until_s:
                raise DeadlineError(f"the demonstration is still {status['state']} after {within_s:g} s")
            self._attend(status)
            time.sleep(_LOOK_S)
        return status

    def _attend(self, status: Mapping[str, Any]) -> None:
        """Do what the station waits for."""
        from daq.errors import ScandaqError

        if status.get("detail") and status["detail"] != self._told:
            self._told = str(status["detail"])
            self._say(f"  {_doing(self._told)}")
        doing = {
            "preparing": self._let_it_move, "positioning": self._let_it_move, "armed": self._start,
            "waiting": self._start, "paused": self._resume,
            "acquiring": self._measure_what_is_left,
        }.get(status["state"])  # fmt: skip
        try:
            if doing is not None:
                doing(status)
            self._refusals = 0
        except ScandaqError as why:  # it went on by itself meanwhile; what is wrong shows in the next status, or stays
            if "hand-over" in str(why):
                self._hand_over()
            self._refusals += status["state"] == "armed"
            if self._refusals >= _MOST_REFUSALS:
                raise

    def _hand_over(self) -> None:
        """State the record of a simulated CT, or that CT and emission were looked at over each other."""
        from daq.errors import ScandaqError

        for record, told in ((_CT, "stating the record of the CT"), (_OVERLAY, "CT and emission are aligned")):
            with suppress(ScandaqError):  # it is the other one that is missing
                self._client.ask("hand-over", {"record": record, "reason": self._reason}, within_s=ASK_S)
                self._say(f"  {told}")
                return

    def _let_it_move(self, status: Mapping[str, Any]) -> None:
        """Hold the enable in the room until the axes stand where they should; a latched one is let go first."""
        if status["motion"]["enable"] == "latched" and "enable held" in str(status.get("detail")):
            self._press("release")
        if not status["motion"]["moving"] and status["motion"]["enable"] in ("off", "spent"):
            self._press("hold", _HOLD_S)

    def _start(self, status: Mapping[str, Any]) -> None:
        del status
        self._press("latch")
        if not self.injected:
            self._client.ask("injected-now", {"reason": self._reason}, within_s=ASK_S)
            self.injected = True
        self._client.ask("start", {"reason": self._reason}, within_s=ASK_S)
        if self.inject is not None:
            self.inject()
            self.inject = None

    def _measure_what_is_left(self, status: Mapping[str, Any]) -> None:
        """Note the residual of the syringe, as soon as the step records in which it was injected."""
        del status
        if self.left is not None and self.injected:
            self._client.ask("residual", {"activity": self.left, "reason": self._reason}, within_s=ASK_S)
            self._say(f"  the syringe holds {self.left} still: noted as the residual")
            self.left = None

    def _resume(self, status: Mapping[str, Any]) -> None:
        del status
        self._press("latch")
        self._client.ask("resume", {"reason": self._reason}, within_s=ASK_S)

    def _press(self, action: str, value: float | None = None) -> None:
        from daq.errors import TransitionRefusedError

        with suppress(TransitionRefusedError):  # it is latched already
            self._client.ask("simulate", {"device": "enable", "action": action, "value": value}, within_s=ASK_S)


def _doing(detail: str) -> str:
    """Return what is done about a detail where the technologist answers it, else the detail itself."""
    held_up = _HELD_UP.match(detail)
    return detail if held_up is None else f"holding the enable while {held_up['where'].replace(' to ', ' goes to ')}"
