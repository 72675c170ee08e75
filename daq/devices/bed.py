"""The bed: an axis, and the statement of a person that nobody lies on it."""

from __future__ import annotations

import logging

from daq.devices.axis import DrivenAxis
from daq.errors import AccessError
from daq.model.station import Actor, Role

_LOG = logging.getLogger(__name__)


class DrivenBed(DrivenAxis):
    """A `Bed` over a `Drive`. Somebody is on it until a person says otherwise; no sensor decides."""

    _stated_by = ""

    @property
    def occupied(self) -> bool:
        """Return True until somebody states otherwise."""
        return not self._stated_by

    def state_empty(self, actor: Actor) -> None:
        """Take a person's word that nobody is on the bed; raise `AccessError` for a viewer and for programs."""
        if actor.role < Role.TECHNOLOGIST or actor.origin == "daemon":
            raise AccessError(f"{actor.user} ({actor.origin}) may not state that {self.name} is empty")
        self._stated_by = actor.user
        _LOG.info("%s: stated to be empty by %s", self.name, actor.user)

    def state_occupied(self) -> None:
        """Forget it: from now on somebody may be on the bed."""
        self._stated_by = ""
