"""What the limits of a scanner's supplies must obey: no more than the instrument can do, by its control profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from daq.model.control import ControlProfile, ControlValue
from daq.model.finding import Finding, error
from daq.model.scanner import SupplyLimits
from daq.model.tables import close_names
from daq.model.units import UNITS
from device_profiles.services import Device


def wrong_supplies(
    devices: Mapping[str, Device], profiles: Mapping[str, ControlProfile], limits: Mapping[str, SupplyLimits]
) -> Iterator[Finding]:
    """Demand that no supply may be asked for more than the hard limits of the instrument that it is on.

    `profiles` by controller, `limits` by the names of the scanner profile; what is missing is said elsewhere.
    """
    for name, device in devices.items():
        said = limits.get(device.supply or name)
        if device.ability != "high_voltage" or device.controller is None or said is None:
            continue
        profile = profiles.get(device.controller.name)
        if profile is not None:
            yield from _beyond(f"devices.{name}.supply", device.supply or name, said, profile)


def _beyond(key: str, supply: str, said: SupplyLimits, profile: ControlProfile) -> Iterator[Finding]:
    role = profile.roles.high_voltage
    if role is None:
        yield error(key, supply, f"the profile {profile.id} is of no supply of high voltage")
        return
    asked = (
        ("max_v", said.max_v, "V", (role.set_v, role.max_v)),
        ("max_slope_v_per_s", said.max_slope_v_per_s, "V/s", (role.slope_v_per_s, role.slope_down_v_per_s)),
        ("trip_ua", 1e-6 * said.trip_ua, "A", (role.trip_a,)),
        ("trip_s", said.trip_s, "s", (role.trip_s,)),
    )
    for what, number, unit, names in asked:
        for value in (profile.values[name] for name in names if name is not None):
            span = _hard(value, unit)
            if span is not None and not span[0] <= Fraction(repr(number)) <= span[1]:
                possible = f"{float(span[0]):g} to {float(span[1]):g} {unit}"
                yield error(
                    key, supply, f"{what} of the scanner profile is {number:g} {unit}; {profile.id} can do {possible}"
                )
                break
    if said.power_down is not None and f"power_down_{said.power_down}" not in profile.actions:
        reason = close_names(f"power_down_{said.power_down}", dict(profile.actions))
        yield error(
            key, supply, f"power_down = {said.power_down!r}: the profile {profile.id} has no such action; {reason}"
        )


def _hard(value: ControlValue, unit: str) -> tuple[Fraction, Fraction] | None:
    """Return the hard limits of a value in a unit; None where it has none, or is of something else."""
    known, wanted = UNITS.get(value.unit or "1"), UNITS[unit]
    if value.limits.hard is None or known is None or known.dimension != wanted.dimension:
        return None
    low, high = (Fraction(repr(end)) * known.factor / wanted.factor for end in value.limits.hard)
    return low, high
