"""What the daemon offers to those who serve people: the console, above all.

They are built above the composition and know the daemon by this value alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from daq.model.station import Actor, Role
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bus import Bus
from daq.services.revisions import Revisions

if TYPE_CHECKING:
    from device_profiles.site import Site


class Command(Protocol):
    """Carries out a verb for somebody; raises a `ScandaqError` where it is refused or fails."""

    def __call__(self, verb: str, args: dict[str, object], actor: Actor) -> Awaitable[dict[str, object]]:
        """Return the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """What a front is given."""

    site: Site
    folder: Path
    """Of the site file; what it names without a folder lies there."""
    scanner: str
    command: Command
    bus: Bus
    alarms: Alarms
    audit: Audit
    role_of: Callable[[str, int], Role]
    readout: Callable[[], Path | None]
    """Control socket of the readout under way, whose snapshot has the live figures; None where there is none."""
    take_on: Callable[[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]], None]
    """Has the station carry out a verb by a function of the front."""
    revisions: Revisions
    """How often lists have changed that are asked for: worklist, protocols, studies ..."""


Services = Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]
Front = Callable[[Offer], Services]
"""Returns what has to run: name and coroutine function."""
