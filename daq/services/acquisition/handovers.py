"""What is handed over in a run: confirmed by a person, kept in the journal, put into the recording when that can be."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from daq.errors import MissingError, RefusedError, ScandaqError, TransitionRefusedError
from daq.model.geometry import PatientOrientation
from daq.model.handover import Confirmed, confirmed, unfit
from daq.model.protocol import AcquisitionProtocol, HandOver, Step
from daq.model.protocol_terms import pending
from daq.model.station import utc_now
from daq.services.acquisition.link import Link
from daq.services.acquisition.machine import Machine
from daq.state.acquisition import RECORDING, State

_LOG = logging.getLogger(__name__)
_HOW = "it is to be confirmed"
_MAY = RECORDING | {State.PREPARING, State.ARMED}


class HandOvers:
    """Knows what was confirmed, what is missing, and what the recording does not hold yet."""

    def __init__(self, protocol: AcquisitionProtocol, machine: Machine) -> None:
        self._protocol, self._machine = protocol, machine

    def before(self, step: Step) -> str | None:
        """Return in words what is missing before a step begins, None where nothing is."""
        return self._told(self._missing(step.before))

    def after(self) -> str | None:
        """Return in words what is missing after the last step, None where nothing is."""
        return self._told(self._missing(self._protocol.after))

    @property
    def confirmed(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what was confirmed, by name, as plain data."""
        return self._machine.entry.hand_overs

    def missing(self) -> tuple[HandOver, ...]:
        """Return all that nobody has confirmed."""
        return self._missing(self._protocol.hand_overs)

    def confirm(
        self, name: str | None, told: Mapping[str, Any], *, by: str, lies: PatientOrientation | None = None
    ) -> Confirmed:
        """Take a record; without a name that of the next one missing. One that was confirmed is corrected.

        `lies`: how the patient lies, where that is known, which must be so in the CT, too. Raise `MissingError` for a
        name that there is not, `RefusedError` for a record that cannot be, or be of this emission.
        """
        asked = self._asked(name)
        entry = self._machine.entry
        if entry.state not in _MAY:
            raise TransitionRefusedError(f"cannot hand over while {entry.state}")
        if asked in self._protocol.after and entry.step == 0:
            raise RefusedError(f"{asked.name!r} comes after the last step: nothing has been recorded yet")
        made = confirmed(asked, told, by=by, at_utc=utc_now())
        why = unfit(made.record, self._protocol.windows.windows, lies)
        if why is not None:
            raise RefusedError(f"hand-over {asked.name!r}: {why}")
        self._machine.note(hand_overs={**entry.hand_overs, made.name: made.model_dump(mode="json")})
        return made

    def require(self) -> None:
        """Refuse to begin what is still waited for; after the last step there is nothing to begin."""
        over = self._all_recorded
        why = self.after() if over else self.before(self._protocol.steps[self._machine.entry.step])
        if over or why is not None:
            raise RefusedError(f"cannot start: {why or 'all steps are done'}")

    async def completed(self, link: Link, status: Mapping[str, Any]) -> bool:
        """Put into the recording what it lacks; return True once a run that waited for the last of it may end."""
        try:
            await self._deliver(link, status)
        except ScandaqError as why:  # the next look tries it again
            _LOG.warning("a hand-over is not in the recording yet: %s", why)
            return False
        return self._machine.state is State.WAITING and self._all_recorded and self.after() is None

    @property
    def _all_recorded(self) -> bool:
        return self._machine.entry.step == len(self._protocol.steps)

    async def _deliver(self, link: Link, status: Mapping[str, Any]) -> None:
        there = {
            (str(each.get("name")), str(each.get("at_utc")))
            for step in status.get("steps") or ()
            for each in step.get("hand_overs") or ()
        }
        for name, record in self._machine.entry.hand_overs.items():
            try:
                made = Confirmed.model_validate_json(json.dumps(record))
            except ValueError:
                self._forget(name)
                continue
            if made.key not in there:
                await link.hand_over(made.text())

    def _forget(self, name: str) -> None:
        """Drop what the journal holds and nobody can read: a person confirms it again."""
        left = {key: record for key, record in self._machine.entry.hand_overs.items() if key != name}
        self._machine.note(f"the journal's record of {name!r} cannot be read: confirm it again", hand_overs=left)

    def _asked(self, name: str | None) -> HandOver:
        known = self._protocol.hand_overs
        found = [each for each in known if each.name == name] if name else list(self.missing()[:1])
        if found:
            return found[0]
        if not known:
            raise MissingError(f"protocol {self._protocol.id} hands nothing over")
        names = ", ".join(repr(each.name) for each in known)
        raise MissingError(f"no hand-over {name!r}; there are {names}" if name else f"all are confirmed: {names}")

    def _missing(self, hand_overs: tuple[HandOver, ...]) -> tuple[HandOver, ...]:
        return pending(hand_overs, self._machine.entry.hand_overs)

    def _told(self, missing: tuple[HandOver, ...]) -> str | None:
        return f"first {'; '.join(map(str, missing))}; {_HOW}" if missing else None
