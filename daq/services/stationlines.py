"""Lines of the audit log for what is asked of a station: who, what, about what, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from daq.model.station import Actor
from daq.model.verbs import ON_DEVICES
from daq.services.acquisition.machine import Machine
from daq.services.audit import Audit, Result
from daq.services.hiding import hiding

_ABOUT = (
    "acquisition", "calibration", "job", "protocol", "test", "source", "device", "channel", "name", "action", "volts",
    "value", "axis",
)  # fmt: skip
"""Arguments that say what a request is about, in this order."""
_REASONS = ("reason", "draft_reason")


class Redacting(Protocol):
    """What knows the patient of the run under way."""

    def redacted(self, text: str) -> str:
        """Return a text without what identifies that patient."""
        ...


class RequestLines:
    """The lines of one request, with the state of the station before it and after, or of the device it changed."""

    def __init__(
        self, audit: Audit, machine: Machine, runs: Redacting, verb: str, args: Mapping[str, object], actor: Actor
    ) -> None:
        self._audit, self._machine, self._runs = audit, machine, runs
        self._verb, self._actor = verb, actor
        self._before = str(machine.state)
        self._hide = hiding(args)
        label = args.get("what") == "label"  # what a view is called is somebody's own words, and may name a patient
        about = (key for key in _ABOUT if not (label and key == "value"))
        self._what = " ".join(str(args[key]) for key in about if args.get(key) not in (None, ""))
        self._reason = str(next((args[key] for key in _REASONS if args.get(key)), ""))

    async def write(
        self, result: Result, error: str = "", *, wait: bool = False, answer: Mapping[str, Any] | None = None
    ) -> None:
        """Write a line; `wait` until it is on the disk. `answer`: what the request was answered with."""
        entry = self._machine.entry
        known = self._runs.redacted if self._verb == "prepare" and result == "done" else self._hide
        about = " ".join(filter(None, (entry.run, known(self._what))))
        told: dict[str, Any] = {"result": result, "old": self._before, "new": str(entry.state)}
        if answer is not None and self._verb in ON_DEVICES and "new" in answer:
            told |= {"old": answer.get("old"), "new": answer.get("new")}
        told |= {"reason": known(self._reason), "error": known(error)}
        if wait:
            await self._audit.write(self._actor, self._verb, about, **told)
        else:
            self._audit.note(self._actor, self._verb, about, **told)
