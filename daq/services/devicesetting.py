"""Values, registers and actions of controllers that a person sets by hand: what neither energises nor moves.

What a control profile says to be energising or moving is refused before anything is said, and so is what it names in
such a role, e.g. a supply's own limits: raising and moving have rules, which keep them.
"""

from __future__ import annotations

from typing import Any

from daq.devices.abilities import Value
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.registers import Registers
from daq.errors import RefusedError
from daq.model.control import Register

_WAYS = {
    "energising": "`daq device raise` does that, by the rules of raising",
    "moving": "protocols, homing and retreat do that, while the enable is held",
}


def clearing(instrument: Instrument) -> str | None:
    """Return the action that forgets a trip or a stall, by the roles of the profile; None where it has none."""
    roles = instrument.profile.roles
    return next((role.clear for role in (roles.high_voltage, roles.axis) if role is not None and role.clear), None)


class Settings:
    """What of one instrument may be read and set by hand. Where a value and a register share a name it is the value."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.registers = Registers(instrument) if instrument.profile.registers else None

    def register(self, name: str) -> Register | None:
        """Return the register of a name; None where it is that of a value, or of nothing."""
        profile = self.instrument.profile
        return None if name in profile.values else profile.registers.get(name)

    async def read_register(self, name: str) -> Value:
        """Return what a register means, in its unit; a whole number where it has none."""
        registers = self._registers()
        return await (registers.value(name) if registers.register(name).unit else registers.read(name))

    async def set_register(self, name: str, number: float) -> Value:
        """Write a register, in its unit, and read it back; return what it held before, None where it does not say."""
        registers = self._registers()
        register = registers.register(name)
        _require_harmless(self.instrument, name, register.hazard)
        raw = (number - register.offset) / register.scale
        if register.scale == 1 and raw != round(raw):
            raise RefusedError(f"{name} of {self.instrument.name} holds whole numbers, not {number:g}")
        old = await self.read_register(name) if register.access != "write" else None
        await registers.write(name, round(raw))
        return old

    async def set_value(self, name: str, number: float, channel: str) -> Value:
        """Set a value and read it back; return what it was before, None where it does not say."""
        instrument = self.instrument
        value = instrument.value(name)
        if value.set is None:
            raise RefusedError(f"{instrument.name}: {name} can only be read")
        _require_harmless(instrument, name, value.hazard)
        self._require_free(name)
        readable = value.get is not None or value.all is not None
        old = await instrument.read(name, channel) if readable else None
        await instrument.set(name, number, channel)
        return old

    async def act(self, name: str, channel: str) -> None:
        """Do an action that makes safe or does no harm; return once it is confirmed."""
        action = self.instrument.action(name)
        _require_harmless(self.instrument, name, action.hazard)
        if action.hazard != "safe" and name != self.clearing():
            self._require_free(name)
        await self.instrument.act(name, channel)

    def clearing(self) -> str | None:
        """Return the action that forgets a trip or a stall."""
        return clearing(self.instrument)

    def _require_free(self, name: str) -> None:
        """Raise `RefusedError` for what is kept by the rules of raising or moving."""
        profile = self.instrument.profile
        for role, keeper in ((profile.roles.high_voltage, "raising"), (profile.roles.axis, "moving")):
            if role is not None and name in _named(role):
                raise RefusedError(
                    f"{name} of {self.instrument.name} is kept by the rules of {keeper}: only they set it"
                )
        watchdog = profile.watchdog
        if watchdog is not None and name in _named(watchdog):
            raise RefusedError(f"{name} of {self.instrument.name} belongs to its watchdog, which the daemon feeds")

    def _registers(self) -> Registers:
        if self.registers is None:
            raise RefusedError(f"{self.instrument.name} has no registers")
        return self.registers


def _require_harmless(instrument: Instrument, name: str, hazard: str) -> None:
    if hazard in _WAYS:
        raise RefusedError(f"{name} of {instrument.name} is {hazard}: {_WAYS[hazard]}")


def _named(section: Any) -> set[str]:
    """Return the values and actions that a section of a profile names."""
    return {text.partition(".")[0] for text in section.model_dump().values() if isinstance(text, str)}
