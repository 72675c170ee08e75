"""What senses the collimator of a head, by a controller: a code that the scanner profile knows."""

from __future__ import annotations

from collections.abc import Mapping

from daq.devices.abilities import Identity, Quantity, Value
from daq.devices.instruments.instrument import Instrument
from daq.errors import MismatchError, ProfileError, RefusedError

NONE = "0"
"""What a sensor says while nothing is mounted; so does one that says nothing."""


class ProfiledCollimator:
    """A `Collimator`. `codes`: what the sensor says -> the name of the collimator in the scanner profile."""

    def __init__(self, name: str, instrument: Instrument, channel: str, codes: Mapping[str, str]) -> None:
        role = instrument.profile.roles.collimator
        if role is None:
            raise ProfileError(f"devices.{name}: the profile {instrument.profile.id} senses no collimator")
        if not codes:
            raise ProfileError(f"devices.{name}: no collimator of the scanner profile has a code")
        self.name = name
        self._instrument, self._value, self._codes = instrument, role.value, dict(codes)
        self._channel = channel if instrument.value(role.value).of == "channel" else ""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return the name of what is mounted."""
        return (Quantity("mounted", "", 2.0, 10.0),)

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def read(self, quantity: str) -> Value:
        """Return what is mounted; raise `RefusedError` for another quantity."""
        if quantity != "mounted":
            raise RefusedError(f"{self.name} says what is mounted, no {quantity}")
        return await self.sensed()

    async def sensed(self) -> str | None:
        """Return the name of the mounted collimator, None where there is none; raise `MismatchError` for another."""
        said = str(await self._instrument.read(self._value, self._channel)).strip()
        await self._instrument.require_alive()
        if said in ("", NONE):
            return None
        if said not in self._codes:
            known = ", ".join(f"{code} ({name})" for code, name in self._codes.items())
            raise MismatchError(
                f"{self.name} says {said!r}: no collimator of the scanner has this code; it has {known}"
            )
        return self._codes[said]
