"""Leave to raise a voltage: who has it, up to what, until when, and for which supply on which connection."""

from __future__ import annotations

import math
from collections.abc import Callable

from daq.devices.abilities import Identity, Permit
from daq.errors import AccessError, InterlockError, MismatchError, RefusedError, UsageError
from daq.model.station import Actor
from daq.state.interlock import Command
from daq.state.safety import require_role

_LONGEST_S = 3600.0


class Permits:
    """Keeps the one permit of a supply, and who the supply is. Time is that of `clock`, in s."""

    def __init__(self, name: str, expected: Identity | None, clock: Callable[[], float]) -> None:
        self._name = name
        self._expected = expected
        self._clock = clock
        self._permit: Permit | None = None

    def require_access(self, actor: Actor, protocol_max_v: float | None) -> None:
        """Raise `AccessError` for who may not raise, `RefusedError` while the permit is another's."""
        try:
            require_role(Command.RAISE_VOLTAGE, actor.role, within_protocol=protocol_max_v is not None)
        except AccessError as why:
            raise AccessError(f"{actor.user} may not raise {self._name}: {why}") from None
        self._require_not_anothers(actor)

    def verify(self, identity: Identity) -> None:
        """Take the first identity as that of this supply; raise `MismatchError` for another one afterwards."""
        if self._expected is None:
            self._expected = identity
        if (identity.vendor, identity.model, identity.serial) != (
            self._expected.vendor, self._expected.model, self._expected.serial,
        ):  # fmt: skip
            raise MismatchError(f"{self._name} is {identity}, expected is {self._expected}")

    def give(self, actor: Actor, max_v: float, valid_s: float, connection: int) -> Permit:
        """Return a new permit."""
        if not (math.isfinite(valid_s) and 0 < valid_s <= _LONGEST_S):
            raise UsageError(f"a permit lasts more than 0 and at most {_LONGEST_S:g} s, not {valid_s}")
        self._require_not_anothers(actor)  # another may have come while the supply was asked
        self._permit = Permit(actor, max_v, self._clock() + valid_s, connection)
        return self._permit

    def take_back(self) -> None:
        """Forget the permit."""
        self._permit = None

    def require(self, actor: Actor | None, connection: int) -> Permit:
        """Return the permit; raise `InterlockError` or `AccessError` where it does not hold for this actor now."""
        permit = self._permit
        if permit is None:
            raise InterlockError(f"{self._name} is not armed: arm it before it is raised")
        if self._clock() > permit.expires_s:
            late_s = self._clock() - permit.expires_s
            raise InterlockError(f"{self._name} is not armed any more: that expired {late_s:.1f} s ago")
        if actor is None or (actor.user, actor.origin) != (permit.owner.user, permit.owner.origin):
            who = "nobody" if actor is None else f"{actor.user} ({actor.origin})"
            raise AccessError(f"{self._name} is armed by {permit.owner.user} ({permit.owner.origin}), not by {who}")
        self.require_present(permit, connection)
        return permit

    def require_present(self, permit: Permit, connection: int) -> None:
        """Raise `RefusedError` where this permit was taken back, `InterlockError` where the connection is another.

        That it has expired is no matter here: what began in time may end.
        """
        if self._permit is not permit:
            raise RefusedError(f"the permit for {self._name} was taken back")
        if connection != permit.connection:
            raise InterlockError(f"{self._name} was connected anew since it was armed: arm it again")

    def _require_not_anothers(self, actor: Actor) -> None:
        permit = self._permit
        if permit is None or self._clock() > permit.expires_s:
            return
        if (actor.user, actor.origin) != (permit.owner.user, permit.owner.origin):
            left_s = permit.expires_s - self._clock()
            raise RefusedError(f"{self._name} is armed by {permit.owner.user} for another {left_s:.0f} s")
