"""The motion enable that a person presses in the room, as a safety controller sees it."""

from __future__ import annotations

from daq.devices.abilities import Identity, Quantity, RoomEnable, Value
from daq.devices.instruments.instrument import Instrument
from daq.errors import ProfileError, RefusedError


class ProfiledEnable:
    """Says what is pressed: hold-to-run, or what the controller keeps latched since somebody pressed it."""

    def __init__(self, name: str, instrument: Instrument) -> None:
        role = instrument.profile.roles.enable
        if role is None:
            raise ProfileError(f"devices.{name}: the profile {instrument.profile.id} has no motion enable")
        self.name = name
        self._instrument, self._role = instrument, role

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return whether the button is held, and whether the enable is latched."""
        return (Quantity("held", "", 1.0, 3.0), Quantity("latched", "", 1.0, 3.0))

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def read(self, quantity: str) -> Value:
        """Return whether it is `held` or `latched`; raise `RefusedError` for another quantity."""
        if quantity not in ("held", "latched"):
            raise RefusedError(f"{self.name} has held and latched, no {quantity}")
        pressed = await self.pressed()
        return pressed.held if quantity == "held" else pressed.latched

    async def pressed(self) -> RoomEnable:
        """Return what is pressed now."""
        names = [name for name in (self._role.held, self._role.latched) if name is not None]
        alive = self._instrument.alive
        found = await self._instrument.read_many([*((name, "") for name in names), *alive.wanted])
        alive.look(found[-1])
        lit = [self._instrument.lit(name, value) for name, value in zip(names, found, strict=False)]
        return RoomEnable(held=lit[0], latched=len(lit) > 1 and lit[1])
