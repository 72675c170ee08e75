"""What preparing has to do with the worklist: whose data it will be, and that a person made sure of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from daq.errors import RefusedError
from daq.model.parts import Parts
from daq.model.station import Actor
from daq.model.verbs import Prepare

if TYPE_CHECKING:
    from daq.composition.studies import Linked
    from daq.model.protocol import AcquisitionProtocol


class Entries(Protocol):
    """The worklist, as who prepares knows it."""

    async def completed(self, request: Prepare) -> Prepare:
        """Return a request with who it is and what was given, where it names an entry."""
        ...

    async def begun(
        self, request: Prepare, run: str, protocol: AcquisitionProtocol, last: int, actor: Actor,
        parts: Parts | None = None,
    ) -> None:  # fmt: skip
        """Note that an acquisition is prepared for the entry that a request names. `parts`: views of its session."""
        ...

    async def dropped(self, request: Prepare, run: str) -> None:
        """Forget it: it could not be prepared after all."""
        ...


def require_patient(protocol: AcquisitionProtocol, request: Prepare, study: Linked, actor: Actor) -> None:
    """Raise `RefusedError` where the console would acquire a patient of whom nobody said who it is."""
    known = request.patient is not None or study.patient is not None
    if actor.origin == "console" and protocol.of_patient and not known:
        raise RefusedError(
            "nobody is chosen: take an entry of the worklist, or enter a patient who is not on it, or a phantom"
        )


def require_confirmed(request: Prepare, actor: Actor) -> None:
    """Raise `RefusedError` where the console prepares an entry and nobody confirmed who lies there."""
    if actor.origin == "console" and request.entry is not None and request.identity_confirmed is None:
        raise RefusedError("confirm who lies there first: ask for name and date of birth, or read the wristband")
