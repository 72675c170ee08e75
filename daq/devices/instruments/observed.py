"""What is read of an instrument and nothing else: its values at their cadence, and the interlocks it knows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from daq.devices.abilities import Identity, Quantity, Timed, Value
from daq.devices.instruments.instrument import Instrument
from daq.errors import ProfileError
from daq.model.control import ControlValue
from daq.model.controlroles import InterlockRole
from daq.state.interlock import Kind


class ProfiledInstrument:
    """Any instrument that is read, e.g. a chiller: a quantity for each value of its profile that has a cadence.

    What several devices on one instrument read at about the same time is read once, and says when it was asked for.
    """

    def __init__(self, name: str, instrument: Instrument, channel: str = "") -> None:
        self.name = name
        self._instrument, self._channel = instrument, channel

    @property
    def reply_s(self) -> float:
        """Return how long an answer may take, a lost reply and the silence after it included."""
        return self._instrument.reply_s

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return what the profile says is read regularly, of its one channel where it has one."""
        rates = {
            meter.value: math.inf if meter.max_rate_c_per_h is None else meter.max_rate_c_per_h
            for meter in self._instrument.profile.roles.thermometers.values()
        }
        return tuple(
            replace(quantity_of(name, value, poll_s), most_per_h=rates.get(name, math.inf))
            for name, value, poll_s in self._polled()
        )

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def read(self, quantity: str) -> Value:
        """Return a value of the profile, read now. Raises `VerificationError` where its program stands still."""
        found = await self._instrument.read(quantity, self._channel_of(quantity))
        await self._instrument.require_alive()
        return found

    async def read_timed(self, quantity: str) -> Timed:
        """Return a value that was asked for at most half its cadence ago, with the time it was asked at."""
        max_age_s = 0.5 * (self._instrument.value(quantity).poll_s or 0.0)
        wanted = [(quantity, self._channel_of(quantity))]
        (timed,) = await self._instrument.read_timed(wanted, max_age_s=max_age_s)
        await self._instrument.require_alive()
        return timed

    def _polled(self) -> Iterator[tuple[str, ControlValue, float]]:
        of = "channel" if self._channel else "device"
        for name, value in self._instrument.profile.values.items():
            if value.poll_s is not None and value.of == of:
                yield name, value, value.poll_s

    def _channel_of(self, quantity: str) -> str:
        return self._channel if self._instrument.value(quantity).of == "channel" else ""


class ProfiledInterlocks(ProfiledInstrument):
    """An `InterlockSource`: the contacts that a control profile has roles for, e.g. those of a safety controller.

    On a channel they are those of this channel, e.g. the cover and the temperature of one head; else all others.
    """

    def __init__(self, name: str, instrument: Instrument, channel: str = "") -> None:
        super().__init__(name, instrument, channel)
        of = "channel" if channel else "device"
        self._roles: list[tuple[Kind, InterlockRole]] = [
            (Kind(role.kind or called), role)
            for called, role in instrument.profile.roles.interlocks.items()
            if instrument.value(role.value).of == of
        ]
        if not self._roles:
            where = f"of channel {channel}" if channel else "of the device"
            raise ProfileError(f"devices.{name}: the profile {instrument.profile.id} knows no interlocks {where}")

    @property
    def interlock_kinds(self) -> frozenset[Kind]:
        """Return which it knows, whether it answers or not."""
        return frozenset(kind for kind, _ in self._roles)

    async def interlocks(self) -> Mapping[Kind, bool]:
        """Return what they are now, each asked for after the call. Of several of one kind each must be safe.

        Raises what reading raises, and `VerificationError` where the program behind them stands still.
        """
        wanted = [(role.value, self._channel) for _, role in self._roles]
        alive = self._instrument.alive
        found = await self._instrument.read_many([*wanted, *alive.wanted])
        alive.look(found[-1])
        safe = dict.fromkeys(self.interlock_kinds, True)
        for (kind, role), value in zip(self._roles, found[: len(wanted)], strict=True):
            safe[kind] = safe[kind] and self._is_safe(role, value)
        return safe

    def _polled(self) -> Iterator[tuple[str, ControlValue, float]]:
        """Return what is no interlock by its name: these are told as such."""
        kinds = {str(kind) for kind in Kind}
        return (each for each in super()._polled() if each[0] not in kinds)

    def _is_safe(self, role: InterlockRole, value: Value) -> bool:
        if role.within is None:
            return self._instrument.lit(role.value, value) == role.safe_when
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return role.within[0] <= value <= role.within[1]


def quantity_of(name: str, value: ControlValue, poll_s: float) -> Quantity:
    """Return what a value of a profile that is read regularly is to those who read it."""
    said = value.limits
    spans = (("warning", said.warn), ("alarm", said.alarm))
    sides = {f"{which}_{side}": span[i] for which, span in spans if span for i, side in enumerate(("low", "high"))}
    limits = {side: number for side, number in sides.items() if math.isfinite(number)}
    return Quantity(
        name, value.unit or "", poll_s, value.stale_s or 5 * poll_s, limits, value.deadband,
        value.deadband if said.hysteresis is None else said.hysteresis, said.guidance, said.priority,
    )  # fmt: skip
