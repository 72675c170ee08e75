"""A channel of an instrument as a supply, by the role its profile gives it; the rules of raising are not here."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from daq.devices.abilities import Identity, Value
from daq.devices.instruments.instrument import Instrument
from daq.devices.supply import Protection, SupplyStatus
from daq.errors import MismatchError, ProfileError
from daq.model.controlroles import SupplyRole
from daq.model.units import UNITS

_ASK_S = 0.5


class ProfiledSupply:
    """A `Supply`: one channel. What is set above the hard limits of the profile is refused before it is said."""

    def __init__(self, instrument: Instrument, channel: str = "") -> None:
        role = instrument.profile.roles.high_voltage
        if role is None:
            raise ProfileError(f"the profile {instrument.profile.id} is of no supply of high voltage")
        self._instrument, self._channel, self._role = instrument, channel, role
        self._flags = tuple(dict.fromkeys([role.on, *role.troubles]))

    @property
    def reply_s(self) -> float:
        """Return how long an answer may take: one reply that is lost, the silence after it, and being asked again."""
        conversation = self._instrument.profile.conversation
        return _ASK_S + 2 * (conversation.reply_s + conversation.late_s)

    @property
    def connection(self) -> int:
        """Return a number that changes whenever it had to say anew who it is."""
        return self._instrument.session.connection

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def status(self) -> SupplyStatus:
        """Return what it says now."""
        role = self._role
        words = tuple(dict.fromkeys(name.partition(".")[0] for name in self._flags))
        numbers = (role.output_v, role.set_v, role.current_a)
        found = await self._instrument.read_many([(name, self._of(name)) for name in (*numbers, *words)])
        output, told, current = (
            self._si(name, value, unit) for name, value, unit in zip(numbers, found, ("V", "V", "A"), strict=False)
        )
        lit = self._lit(words, found[3:])
        trouble = "; ".join(text for name, text in role.troubles.items() if lit[name])
        return SupplyStatus(output, told, current, lit[role.on], trouble)

    async def set_v(self, volts: float) -> None:
        """Set the voltage that the output goes to while it is on, and read it back."""
        await self._set(self._role.set_v, volts, "V")

    async def switch_on(self) -> None:
        """Switch on, confirmed."""
        await self._instrument.act(self._role.switch_on, self._channel)

    async def switch_off(self) -> None:
        """Switch off, confirmed; the output goes down at its slope."""
        await self._instrument.act(self._role.switch_off, self._channel)

    async def protect(self, protection: Protection) -> None:
        """Write its own limits, and read them back."""
        for name, number, unit in self._limits(protection):
            await self._set(name, number, unit)

    async def protection(self) -> Protection:
        """Read its own limits back; what it has no limit of is taken from the profile's."""
        role = self._role
        names = [name for name in (role.max_v, role.slope_v_per_s, role.trip_a, role.trip_s) if name is not None]
        found = dict(zip(names, await self._instrument.read_many([(n, self._of(n)) for n in names]), strict=True))
        return Protection(
            self._si(role.max_v, found[role.max_v], "V") if role.max_v else self._most(role.set_v),
            self._si(role.slope_v_per_s, found[role.slope_v_per_s], "V/s"),
            self._si(role.trip_a, found[role.trip_a], "A"),
            self._si(role.trip_s, found[role.trip_s], "s") if role.trip_s else 0.0,
        )

    def _limits(self, protection: Protection) -> Sequence[tuple[str, float, str]]:
        role: SupplyRole = self._role
        wanted = (
            (role.max_v, protection.max_v, "V"), (role.slope_v_per_s, protection.slope_v_per_s, "V/s"),
            (role.slope_down_v_per_s, protection.slope_v_per_s, "V/s"), (role.trip_a, protection.trip_a, "A"),
            (role.trip_s, protection.trip_s, "s"),
        )  # fmt: skip
        return [(name, number, unit) for name, number, unit in wanted if name is not None]

    async def _set(self, name: str, number: float, unit: str) -> None:
        await self._instrument.set(name, float(Fraction(number) / self._factor(name, unit)), self._of(name))

    def _si(self, name: str, value: Value, unit: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MismatchError(f"{self._instrument.name}: {name} reads {value!r}, which is no number of {unit}")
        return float(Fraction(value) * self._factor(name, unit))

    def _factor(self, name: str, unit: str) -> Fraction:
        known, wanted = UNITS[self._instrument.value(name).unit or "1"], UNITS[unit]
        if known.dimension != wanted.dimension:
            raise ProfileError(f"{name} of {self._instrument.profile.id} is in {known.dimension}, needed is {unit}")
        return known.factor / wanted.factor

    def _lit(self, words: Sequence[str], bits: Sequence[Value]) -> dict[str, bool]:
        found = {
            f"{word}.{flag}": lit
            for word, value in zip(words, bits, strict=True)
            for flag, lit in self._instrument.flags(word, int(value or 0)).items()
        }
        return {name: found[name] for name in self._flags}

    def _most(self, name: str) -> float:
        hard = self._instrument.value(name).limits.hard
        if hard is None:
            raise ProfileError(f"{name} of {self._instrument.profile.id} has no hard limit")
        return self._si(name, hard[1], "V")

    def _of(self, name: str) -> str:
        return self._channel if self._instrument.value(name).of == "channel" else ""
