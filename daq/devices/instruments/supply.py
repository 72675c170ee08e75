"""A channel of an instrument as a supply, by the role its profile gives it; the rules of raising are not here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from daq.devices.abilities import Identity, Value
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.values import digit_of
from daq.devices.supply import Protection, SupplyStatus
from daq.errors import MismatchError, ProfileError, RefusedError
from daq.model.control import ControlProfile
from daq.model.controlroles import SupplyRole
from daq.model.units import UNITS

_ASK_S = 0.5
_BYTES = 160
"""Of an exchange and its proof, both ways, generously."""


class ProfiledSupply:
    """A `Supply`: one channel. What is set above the hard limits of the profile is refused before it is said."""

    def __init__(self, instrument: Instrument, channel: str = "", *, prepared: Sequence[str] = ()) -> None:
        """Take a channel. `prepared`: harmless actions, said and confirmed whenever its limits are written."""
        role = instrument.profile.roles.high_voltage
        if role is None:
            raise ProfileError(f"the profile {instrument.profile.id} is of no supply of high voltage")
        self._instrument, self._channel, self._role = instrument, channel, role
        named = [role.on, *role.troubles] if role.on is not None else [*role.troubles]
        self._words = tuple(dict.fromkeys(name.partition(".")[0] for name in named))
        self._prepared = [*([role.prepare] if role.prepare is not None else []), *prepared]
        self._asked: Protection | None = None
        self.ramps, self.least_v = role.slope_v_per_s is not None, role.least_v
        self.reply_s = _reply_s(instrument.profile, 3 + len(self._words))

    @property
    def connection(self) -> int:
        """Return a number that changes whenever it had to say anew who it is."""
        return self._instrument.session.connection

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def status(self) -> SupplyStatus:
        """Return what it says now. One that measures only while it is on is at nothing while it is off."""
        status, _ = await self.status_timed(0.0)
        return status

    async def status_timed(self, max_age_s: float) -> tuple[SupplyStatus, float]:
        """Return what it said for this channel or for others, and when the oldest part of that was asked for."""
        role = self._role
        names = [role.set_v, *self._words, *([role.output_v, role.current_a] if role.measures_when_off else [])]
        said, asked_s = await self._read_timed(names, max_age_s)
        if not role.measures_when_off:
            if not self._on(said):
                return self._off(said), asked_s
            try:
                more, later_s = await self._read_timed([role.output_v, role.current_a], max_age_s)
            except RefusedError:  # it may have gone off between the questions
                said, asked_s = await self._read_timed(names, 0.0)
                if self._on(said):
                    raise
                return self._off(said), asked_s
            said, asked_s = said | more, min(asked_s, later_s)
        set_v, on = self._si(role.set_v, said, "V"), self._on(said)
        output_v, current_a = abs(self._si(role.output_v, said, "V")), abs(self._si(role.current_a, said, "A"))
        status = SupplyStatus(output_v, set_v if on else self._while_off(set_v), current_a, on, self._trouble(said))
        return status, asked_s

    def _off(self, said: Mapping[str, Value]) -> SupplyStatus:
        """Return how one is that is off and measures nothing then."""
        set_v = self._si(self._role.set_v, said, "V")
        return SupplyStatus(0.0, self._while_off(set_v), 0.0, on=False, trouble=self._trouble(said))

    async def set_v(self, volts: float) -> None:
        """Set the voltage that the output goes to while it is on, and read it back; the least it can for less."""
        await self._set(self._role.set_v, max(volts, self.least_v), "V")

    async def switch_on(self) -> None:
        """Switch on, confirmed; nothing is said where it has no switch."""
        if self._role.switch_on is not None:
            await self._instrument.act(self._role.switch_on, self._of_action(self._role.switch_on))

    async def switch_off(self) -> None:
        """Switch off, confirmed; the output goes down at its slope."""
        if self._role.switch_off is not None:
            await self._instrument.act(self._role.switch_off, self._of_action(self._role.switch_off))

    async def protect(self, protection: Protection) -> None:
        """Write its own limits, and read them back."""
        for name in self._prepared:
            await self._instrument.act(name, self._of_action(name))
        self._asked = protection
        for name, number, unit in self._limits(protection):
            await self._set(name, number, unit)

    async def protection(self) -> Protection:
        """Read its own limits back, as they were asked for where it holds them to its last digit.

        What it has no limit of is as it was asked for, and infinite where nothing was asked: the daemon keeps it.
        """
        role, asked = self._role, self._asked
        names = [name for name in (role.max_v, role.slope_v_per_s, role.trip_a, role.trip_s) if name is not None]
        said = await self._read(*names)

        def held(name: str | None, unit: str, wanted: float) -> float:
            if name is None:
                return wanted
            number = self._si(name, said, unit)
            off = float(digit_of(self._instrument.value(name)) * self._factor(name, unit))
            return wanted if wanted - 1.0001 * off <= number <= wanted + 1e-6 * off else number

        known = asked or Protection(math.inf, math.inf, math.inf, math.inf)
        return Protection(
            held(role.max_v, "V", known.max_v), held(role.slope_v_per_s, "V/s", known.slope_v_per_s),
            held(role.trip_a, "A", known.trip_a), held(role.trip_s, "s", known.trip_s),
        )  # fmt: skip

    def _limits(self, protection: Protection) -> Sequence[tuple[str, float, str]]:
        role: SupplyRole = self._role
        wanted = (
            (role.max_v, protection.max_v, "V"), (role.slope_v_per_s, protection.slope_v_per_s, "V/s"),
            (role.slope_down_v_per_s, protection.slope_v_per_s, "V/s"), (role.trip_a, protection.trip_a, "A"),
            (role.trip_s, protection.trip_s, "s"),
        )  # fmt: skip
        return [(name, number, unit) for name, number, unit in wanted if name is not None]

    async def _read(self, *names: str) -> dict[str, Value]:
        said, _ = await self._read_timed(names, 0.0)
        return said

    async def _read_timed(self, names: Sequence[str], max_age_s: float) -> tuple[dict[str, Value], float]:
        wanted = [(name, self._of(name)) for name in names]
        found = await self._instrument.read_timed(wanted, max_age_s=max_age_s)
        said = {name: timed.value for name, timed in zip(names, found, strict=True)}
        return said, min((timed.asked_s for timed in found), default=-math.inf)

    async def _set(self, name: str, number: float, unit: str) -> None:
        """Set, rounded down to the last digit it can hold: what is rounded up could be above a limit."""
        raw, step = float(Fraction(number) / self._factor(name, unit)), digit_of(self._instrument.value(name))
        await self._instrument.set(name, math.floor(raw / step + 1e-6) * step, self._of(name))

    def _si(self, name: str, said: Mapping[str, Value], unit: str) -> float:
        value = said[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MismatchError(f"{self._instrument.name}: {name} reads {value!r}, which is no number of {unit}")
        return float(Fraction(value) * self._factor(name, unit))

    def _factor(self, name: str, unit: str) -> Fraction:
        known, wanted = UNITS[self._instrument.value(name).unit or "1"], UNITS[unit]
        if known.dimension != wanted.dimension:
            raise ProfileError(f"{name} of {self._instrument.profile.id} is in {known.dimension}, needed is {unit}")
        return known.factor / wanted.factor

    def _on(self, said: Mapping[str, Value]) -> bool:
        if self._role.on is None:
            return self._si(self._role.set_v, said, "V") > 0
        return self._lit(self._role.on, said)

    def _trouble(self, said: Mapping[str, Value]) -> str:
        return "; ".join(text for name, text in self._role.troubles.items() if self._lit(name, said))

    def _lit(self, name: str, said: Mapping[str, Value]) -> bool:
        word, _, flag = name.partition(".")
        found = said[word]
        return self._instrument.flags(word, int(found or 0))[flag] if flag else self._instrument.lit(name, found)

    def _while_off(self, set_v: float) -> float:
        """Return what is set, where the least that can be set counts for nothing while it is off."""
        return 0.0 if set_v <= self.least_v else set_v

    def _of(self, name: str) -> str:
        return self._channel if self._instrument.value(name).of == "channel" else ""

    def _of_action(self, name: str) -> str:
        return self._channel if self._instrument.action(name).of == "channel" else ""


def _reply_s(profile: ControlProfile, asked: int) -> float:
    """Return how long an answer may take, with a lost reply in it; a supply that is silent is noticed much earlier.

    All channels of a line may be asked for the same at once, and wait for each other.
    """
    line = profile.transport.serial
    pace_s = 10 * _BYTES / line.baud if line is not None else 0.0
    rest_s = 2e-3 * profile.framing.min_gap_ms
    conversation = profile.conversation
    busy_s = max(1, len(profile.channels)) * asked * (pace_s + rest_s)
    return _ASK_S + busy_s + 2 * (conversation.reply_s + conversation.late_s)
