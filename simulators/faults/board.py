"""The faults that are at work now, for all runs of a simulator: given at the start, changed while it serves."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from daq.errors import UsageError
from simulators.faults.network import Fault
from simulators.faults.spec import FAULT_KINDS, FaultKind, FaultSpec, parse_fault

MAX_FAULTS = 1000
_POSSIBLE = 'possible are {"add": "loss:share=0.01"}, {"clear": true}, {"list": true}'


class Checks(Protocol):
    """What a simulator cannot have."""

    def check(self, spec: FaultSpec) -> None:
        """Raise `UsageError` for a fault that makes no sense here."""
        ...

    def refused_on(self, spec: FaultSpec, wire: str) -> str:
        """Return why a wire cannot have a fault; empty: it can."""
        ...


class FaultBoard:
    """Faults by number. Runs ask `active` often, so it is a plain attribute."""

    def __init__(
        self,
        rules: Checks,
        specs: Iterable[FaultSpec] = (),
        *,
        seed: int = 0,
        kinds: Mapping[str, FaultKind] = FAULT_KINDS,
    ) -> None:
        """Raise `UsageError` for a fault that makes no sense here."""
        self.seed = seed
        self.active = False
        self._kinds = kinds
        self._rules = rules
        self._lock = threading.Lock()
        self._faults: tuple[Fault, ...] = ()
        self._added = 0
        for spec in specs:
            self.add(spec)

    def add(self, spec: FaultSpec) -> None:
        """Put a fault to work. Raises `UsageError`."""
        self._rules.check(spec)
        with self._lock:
            if len(self._faults) >= MAX_FAULTS:
                raise UsageError(f"fault {spec.text!r}: there are {MAX_FAULTS} already")
            self._faults = (*self._faults, Fault(self._added, spec))
            self._added += 1
            self.active = True

    def clear(self) -> int:
        """Take all faults away, return how many there were."""
        with self._lock:
            gone, self._faults, self.active = len(self._faults), (), False
        return gone

    def faults(self, wire: str) -> tuple[Fault, ...]:
        """Return those that a wire (`udp` or `tcp`) can have."""
        return tuple(fault for fault in self._faults if not self._rules.refused_on(fault.spec, wire))

    def refusals(self, wire: str) -> list[str]:
        """Return why a wire cannot have what is at work, a sentence each."""
        each = [(fault.spec, self._rules.refused_on(fault.spec, wire)) for fault in self._faults]
        return [f"fault {spec.text!r}: {why}" for spec, why in each if why]

    @property
    def texts(self) -> list[str]:
        """Return the faults as they were asked for."""
        return [fault.spec.text for fault in self._faults]

    def handle(self, request: Any) -> dict[str, Any]:
        """Return the answer to a request of the control socket."""
        if not isinstance(request, dict) or len(request) != 1:
            return {"error": _POSSIBLE}
        (verb, value), *_ = request.items()
        if verb == "add" and isinstance(value, str):
            return self._answer_add(value)
        if verb == "clear" and value is True:
            return {"cleared": self.clear(), "faults": []}
        if verb == "list" and value is True:
            return {"faults": self.texts}
        return {"error": _POSSIBLE}

    def _answer_add(self, text: str) -> dict[str, Any]:
        try:
            spec = parse_fault(text, self._kinds)
            self.add(spec)
        except UsageError as why:
            return {"error": str(why)}
        return {"added": spec.text, "faults": self.texts}
