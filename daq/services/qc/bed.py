"""The statement of a person that nobody is on the bed; of every station, also of one whose bed is no device.

Somebody is on it until a person says otherwise (nothing senses it): after every start of the daemon, and again as soon
as a patient's protocol is prepared. No sensor decides, and no program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from daq.errors import AccessError
from daq.model.station import Actor, Role, utc_now


class BedDevice(Protocol):
    """A device that wants to know it, too: `daq.devices.bed.DrivenBed`."""

    def state_empty(self, actor: Actor) -> None:
        """Take a person's word that nobody is on the bed."""

    def state_occupied(self) -> None:
        """Forget it."""


class Bed:
    """What was stated last. `occupied` until somebody states otherwise.

    `patient`: one was prepared, and nobody has said since that the patient is off the bed. Each of `listeners` hears
    at once when that changes; they must not wait.
    """

    def __init__(
        self,
        devices: Iterable[BedDevice] = (),
        *,
        clock: Callable[[], str] = utc_now,
        patient: bool = False,
    ) -> None:
        self._devices, self._clock = tuple(devices), clock
        self._patient = patient
        self.listeners: list[Callable[[bool], None]] = []
        why = "a patient was prepared, before the daemon was started" if patient else "the daemon was started"
        self._by, self._why, self._since_utc = "", why, clock()

    @property
    def occupied(self) -> bool:
        """Return True until a person states otherwise."""
        return not self._by

    @property
    def patient(self) -> bool:
        """Return True from when a patient was prepared until a person says that the patient is off the bed."""
        return self._patient

    @property
    def statement(self) -> str:
        """Return who stated that it is empty, and when; why it counts as occupied where nobody did."""
        return f"stated by {self._by} at {self._since_utc}" if self._by else f"occupied since {self._why}"

    def state_empty(self, actor: Actor) -> None:
        """Take a person's word for it. Raise `AccessError` for a viewer and for programs."""
        if actor.role < Role.TECHNOLOGIST or actor.origin == "daemon":
            raise AccessError(
                f"{actor.user} ({actor.origin}, {actor.role.name.lower()}) may not state that the bed is empty: "
                "that is for a person of the station"
            )
        for device in self._devices:
            device.state_empty(actor)
        self._by, self._since_utc = actor.user, self._clock()
        self._set_patient(now=False)

    def state_occupied(self, why: str) -> None:
        """Forget it: from now on somebody may be on the bed. `why` in words, such as `a patient was prepared`."""
        for device in self._devices:
            device.state_occupied()
        self._by, self._why, self._since_utc = "", why, self._clock()

    def patient_lies_down(self) -> None:
        """Hear that a patient is prepared: from now on a patient is on the bed."""
        self.state_occupied("a patient was prepared")
        self._set_patient(now=True)

    def _set_patient(self, *, now: bool) -> None:
        changed, self._patient = self._patient is not now, now
        for listener in self.listeners if changed else ():
            listener(now)

    def figures(self) -> dict[str, Any]:
        """Return how it is, as plain data."""
        return {"occupied": self.occupied, "patient": self._patient, "stated_by": self._by,
                "since_utc": self._since_utc, "why": "" if self._by else self._why}  # fmt: skip
