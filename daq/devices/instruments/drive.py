"""A channel of a motion controller as a drive, by the role its profile gives it; the rules of moving are not here."""

from __future__ import annotations

from dataclasses import dataclass

from daq.devices.abilities import Identity, Value
from daq.devices.drive import DriveStatus
from daq.devices.instruments.instrument import Instrument
from daq.errors import MismatchError, ProfileError, RefusedError


@dataclass(frozen=True, slots=True)
class Steps:
    """How the controller's units are an axis's: `controller = (axis - zero) * per_unit`, per mm or per degree."""

    per_unit: float
    zero: float = 0.0

    def out(self, position: float) -> float:
        """Return a position of the axis in the controller's units."""
        return (position - self.zero) * self.per_unit

    def back(self, raw: float) -> float:
        """Return a position of the controller in the axis's units."""
        return raw / self.per_unit + self.zero


class ProfiledDrive:
    """A `Drive`: one channel of a controller."""

    def __init__(self, instrument: Instrument, channel: str, steps: Steps) -> None:
        role = instrument.profile.roles.axis
        if role is None:
            raise ProfileError(f"the profile {instrument.profile.id} is of no motion controller")
        self._instrument, self._channel, self._role, self._steps = instrument, channel, role, steps
        named = [role.position, role.velocity, role.moving, role.homed, *role.troubles]
        self._asked = tuple(dict.fromkeys(name.partition(".")[0] for name in named if name is not None))

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def status(self) -> DriveStatus:
        """Return what it says now."""
        role = self._role
        found = await self._instrument.read_many([(name, self._of(name)) for name in self._asked])
        said = dict(zip(self._asked, found, strict=True))
        moving = self._lit(role.moving, said) == role.moving_when
        homed = role.homed is None or self._lit(role.homed, said) == role.homed_when
        velocity = 0.0
        if role.velocity is not None:
            velocity = self._number(role.velocity, said) / role.speed_of_unit / self._steps.per_unit
        troubles = [text for name, text in role.troubles.items() if self._lit(name, said)]
        position = self._steps.back(self._number(role.position, said))
        return DriveStatus(position, velocity, moving, homed, "; ".join(troubles))

    async def start(self, target: float, speed: float) -> None:
        """Begin to move; what it says to that is an error where it refuses."""
        if self._role.speed is not None:
            await self._instrument.set(self._role.speed, self._speed(speed), self._of(self._role.speed))
        await self._instrument.set(self._role.target, self._steps.out(target), self._of(self._role.target))

    async def jog(self, velocity: float) -> None:
        """Begin to move at a signed velocity until a limit switch."""
        if self._role.jog is None:
            raise RefusedError(f"{self._instrument.name} cannot move without a target")
        await self._instrument.set(self._role.jog, self._speed(velocity), self._of(self._role.jog))

    async def start_homing(self) -> None:
        """Begin to look for the reference."""
        if self._role.home is None:
            raise RefusedError(f"{self._instrument.name} needs no reference: it has an absolute encoder")
        await self._instrument.act(self._role.home, self._channel)

    async def halt(self) -> None:
        """Stop now: said at once, though something else is being said."""
        await self._instrument.act_now(self._role.halt, self._channel)

    def _speed(self, speed: float) -> float:
        return speed * self._steps.per_unit * self._role.speed_of_unit

    def _number(self, name: str, said: dict[str, Value]) -> float:
        value = said[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MismatchError(f"{self._instrument.name}: {name} reads {value!r}, which is no number")
        return float(value)

    def _lit(self, name: str, said: dict[str, Value]) -> bool:
        word, _, flag = name.partition(".")
        if flag:
            return self._instrument.flags(word, int(said[word] or 0))[flag]
        return said[word] in self._instrument.value(word).means_yes

    def _of(self, name: str) -> str:
        return self._channel if self._instrument.value(name).of == "channel" else ""
