"""Devices on controllers of the site file: the roles of a control profile under the rules of axes and supplies."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from daq.devices.abilities import Identity, Quantity, Value
from daq.devices.axis import DrivenAxis
from daq.devices.bed import DrivenBed
from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.drive import ProfiledDrive, Steps
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.limits import AxisLimits, VoltageLimits
from daq.errors import ProfileError
from daq.model.control import ControlValue
from daq.model.scanner import ScannerProfile
from daq.state.interlock import Kind
from device_profiles.controllers import OnController


class ProfiledInterlocks:
    """An `InterlockSource`: the contacts that a control profile has roles for, e.g. those of a safety controller."""

    quantities: tuple[Quantity, ...] = ()

    def __init__(self, name: str, instrument: Instrument) -> None:
        self.name = name
        self._instrument = instrument
        self._roles = {Kind(kind): role for kind, role in instrument.profile.roles.interlocks.items()}
        if not self._roles:
            raise ProfileError(f"devices.{name}: the profile {instrument.profile.id} knows no interlocks")

    @property
    def interlock_kinds(self) -> frozenset[Kind]:
        """Return which it knows, whether it answers or not."""
        return frozenset(self._roles)

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def read(self, quantity: str) -> Value:
        """Return a value of the profile."""
        return await self._instrument.read(quantity)

    async def interlocks(self) -> Mapping[Kind, bool]:
        """Return what they are now, read one after the other with nothing between."""
        found = await self._instrument.read_many([(role.value, "") for role in self._roles.values()])
        lit = self._instrument.lit
        return {
            kind: lit(role.value, value) == role.safe_when
            for (kind, role), value in zip(self._roles.items(), found, strict=True)
        }


class ProfiledInstrument:
    """Any instrument that is read, e.g. a chiller: a quantity for each value of its profile that has a cadence."""

    def __init__(self, name: str, instrument: Instrument, channel: str = "") -> None:
        self.name = name
        self._instrument, self._channel = instrument, channel

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return what the profile says is read regularly, of its one channel where it has one."""
        of = "channel" if self._channel else "device"
        return tuple(
            quantity_of(name, value, value.poll_s)
            for name, value in self._instrument.profile.values.items()
            if value.poll_s is not None and value.of == of
        )

    async def identify(self) -> Identity:
        """Return who it says it is."""
        return await self._instrument.identify()

    async def read(self, quantity: str) -> Value:
        """Return a value of the profile, read now."""
        return await self._instrument.read(quantity, self._channel)


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


Built = DrivenAxis | GuardedHighVoltage | ProfiledInterlocks | ProfiledInstrument


def build_profiled(
    name: str, ability: str, where: OnController, instrument: Instrument, *, limits: AxisLimits | VoltageLimits | None,
    clock: Callable[[], float] = time.monotonic,
) -> Built:  # fmt: skip
    """Return the device; `limits` those of the scanner profile. Raises `ProfileError` where the roles do not fit."""
    channel = where.channel or ""
    if isinstance(limits, AxisLimits):
        drive = ProfiledDrive(instrument, channel, Steps(where.per_unit or 1.0, where.zero))
        return (DrivenBed if ability == "bed" else DrivenAxis)(name, limits, drive, clock=clock)
    if isinstance(limits, VoltageLimits):
        return GuardedHighVoltage(name, limits, ProfiledSupply(instrument, channel), clock=clock)
    if ability == "interlocks":
        return ProfiledInterlocks(name, instrument)
    return ProfiledInstrument(name, instrument, channel)


def supply_limits(name: str, supply: str, scanner: ScannerProfile | None) -> VoltageLimits:
    """Return the limits of a channel of high voltage. Raises `ProfileError`."""
    if scanner is None:
        raise ProfileError(f"devices.{name}: a high_voltage needs a scanner profile, the site names none")
    said = scanner.supplies.get(supply)
    if said is None:
        known = ", ".join(scanner.supplies) or "none"
        raise ProfileError(f"devices.{name}.supply = {supply!r}: scanner {scanner.id} has the supplies {known}")
    return VoltageLimits(
        said.max_v, said.max_slope_v_per_s, said.max_step_v, said.tolerance_v, 1e-6 * said.trip_ua, said.trip_s
    )
