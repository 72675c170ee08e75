"""What the desk of the worklist needs of the station, without knowing who does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from daq.model.administration import AdministrationRecord
from daq.model.patient import PatientIdentity
from daq.model.station import Actor

if TYPE_CHECKING:
    from daq.services.worklist.kept import IdentityChange, Moved


class Acquisitions(Protocol):
    """The private files of acquisitions, also of one under way. All but `amend` block: call them in a thread."""

    def there(self, run: str) -> bool:
        """Return True for an acquisition that was recorded, or is under way."""
        ...

    def steps_done(self, run: str) -> Sequence[str]:
        """Return the names of its steps that are whole, or that a person found good."""
        ...

    def record(self, run: str) -> AdministrationRecord | None:
        """Return its administration record, None where it has none or it cannot be read."""
        ...

    def bring(self, run: str, identity: PatientIdentity, changes: Sequence[IdentityChange]) -> str:
        """Give it an identity, the wrong one kept; take countersigning over. Return what failed, else nothing."""
        ...

    def identity(self, run: str) -> PatientIdentity | None:
        """Return whose it is, None where it is nobody's or cannot be read."""
        ...

    def give(self, run: str, identity: PatientIdentity, moved: Moved) -> str:
        """Give what was recorded to another patient, the one before kept. Return what failed, else nothing."""
        ...

    async def amend(self, run: str, changes: Mapping[str, Any], reason: str, actor: Actor) -> dict[str, Any]:
        """Change its administration record, and its copies in the same study."""
        ...


class Protocols(Protocol):
    """The protocols that this station has."""

    async def known(self) -> Collection[str]:
        """Return the ids of all that there are."""
        ...

    async def fitting(self) -> list[dict[str, Any]]:
        """Return those that a patient may be acquired with here, plain data, the site's own first."""
        ...
