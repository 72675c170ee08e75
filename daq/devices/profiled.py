"""Devices on controllers of the site file: the roles of a control profile under the rules of axes and supplies."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from daq.devices.axis import DrivenAxis
from daq.devices.bed import DrivenBed
from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.instruments.drive import ProfiledDrive, Steps
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.observed import ProfiledInstrument, ProfiledInterlocks
from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.limits import AxisLimits, VoltageLimits
from daq.errors import ProfileError
from daq.model.scanner import ScannerProfile
from device_profiles.controllers import OnController

Built = DrivenAxis | GuardedHighVoltage | ProfiledInterlocks | ProfiledInstrument


def build_profiled(
    name: str, ability: str, where: OnController, instrument: Instrument, *, limits: AxisLimits | VoltageLimits | None,
    prepared: Sequence[str] = (), clock: Callable[[], float] = time.monotonic,
) -> Built:  # fmt: skip
    """Return the device; `limits` those of the scanner profile, `prepared` as a `ProfiledSupply` takes it.

    Raises `ProfileError` where the roles do not fit.
    """
    channel = where.channel or ""
    if isinstance(limits, AxisLimits):
        drive = ProfiledDrive(instrument, channel, Steps(where.per_unit or 1.0, where.zero))
        return (DrivenBed if ability == "bed" else DrivenAxis)(name, limits, drive, clock=clock)
    if isinstance(limits, VoltageLimits):
        return GuardedHighVoltage(name, limits, ProfiledSupply(instrument, channel, prepared=prepared), clock=clock)
    if ability == "interlocks":
        return ProfiledInterlocks(name, instrument, channel)
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
