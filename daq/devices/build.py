"""The devices of a station from its site file and scanner profile. Every device that is there can be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from daq.devices.abilities import Axis, Bed, Collimator, DetectorHead, Device, GateTrigger, HighVoltage
from daq.devices.instruments.collimator import ProfiledCollimator
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.roomenable import ProfiledEnable
from daq.devices.limits import AxisLimits, VoltageLimits
from daq.devices.profiled import build_profiled, supply_limits
from daq.devices.simulated.axes import SimulatedAxis, SimulatedBed
from daq.devices.simulated.collimator import SimulatedCollimator
from daq.devices.simulated.encoder import Encoders
from daq.devices.simulated.gate import SimulatedGate
from daq.devices.simulated.head import SimulatedHead
from daq.devices.simulated.safety import SafetyChain
from daq.devices.simulated.supply import SimulatedHighVoltage
from daq.devices.simulated.telling import Teller
from daq.errors import ProfileError
from daq.model.scanner import LinearAxis, RotaryAxis, ScannerProfile
from daq.wire.fers import CONTROL_PORT
from device_profiles.controllers import OnController
from device_profiles.services import Device as Plugged

AnyDevice = Device | Axis | Bed | DetectorHead | HighVoltage | GateTrigger | Collimator
_NONE: Mapping[str, Instrument] = {}
_IN_POSITION_MM = 0.1
_IN_POSITION_DEG = 0.05
_AT_ONCE_S = 1e-3
"""The trip of a supply that has no time of its own for it."""


def build_devices(
    plugged: Mapping[str, Plugged], scanner: ScannerProfile | None, instruments: Mapping[str, Instrument] = _NONE, *,
    clock: Callable[[], float] = time.monotonic, encoders: Encoders | None = None,
) -> dict[str, AnyDevice]:  # fmt: skip
    """Return the devices of a site file by name; all simulated axes share one safety chain. `instruments`: controllers.

    `encoders` know where simulated axes stood before; without, they stand at their lower ends.

    The cover of each simulated head is wired to the simulated supplies that feed it, or feed nobody knows what.
    Raise `ProfileError` for an axis that the scanner profile does not know, and for two devices on one axis.
    """
    _require_one_device_for_each_axis(plugged)
    chain = SafetyChain()
    devices = {
        name: _build(name, device, scanner, chain, clock, encoders)
        if device.controller is None
        else _on_controller(name, device, device.controller, scanner, instruments, clock)
        for name, device in plugged.items()
    }
    for name, head in devices.items():
        if isinstance(head, SimulatedHead):
            _wire(head, [devices[fed] for fed in _fed_by(plugged[name].head, plugged, scanner)])
    return devices


def head_of(name: str, device: Plugged, scanner: ScannerProfile | None) -> str | None:
    """Return the detector head that a device is of: by the site file, of a supply by the scanner profile."""
    if device.ability != "high_voltage" or scanner is None:
        return device.head
    supply = scanner.supplies.get(device.supply or name)
    return None if supply is None else supply.head


def axis_limits(axis: LinearAxis | RotaryAxis) -> AxisLimits:
    """Return the limits of an axis of a scanner profile."""
    if isinstance(axis, RotaryAxis):
        return AxisLimits(
            "deg", axis.min_deg, axis.max_deg, axis.max_speed_deg_per_s, _IN_POSITION_DEG, axis.max_overtravel_deg,
            axis.away,
        )  # fmt: skip
    return AxisLimits(
        "mm", axis.min_mm, axis.max_mm, axis.max_speed_mm_per_s, _IN_POSITION_MM, axis.max_overtravel_mm, axis.away
    )


def _build(
    name: str, device: Plugged, scanner: ScannerProfile | None, chain: SafetyChain, clock: Callable[[], float],
    encoders: Encoders | None,
) -> AnyDevice:  # fmt: skip
    match device.ability:
        case "axis" | "bed":
            return _axis(name, device, _limits(name, device, scanner), chain, clock, encoders)
        case "detector_head":
            return SimulatedHead(name, clock=clock)
        case "high_voltage":
            return _high_voltage(name, device, clock)
        case "gate_trigger":
            return SimulatedGate(name, clock=clock)
        case "collimator":
            return SimulatedCollimator(name, clock=clock)
        case _:
            raise ProfileError(f"devices.{name}: {device.ability} is of a controller")


def _axis(
    name: str, device: Plugged, limits: AxisLimits, chain: SafetyChain, clock: Callable[[], float],
    encoders: Encoders | None,
) -> SimulatedAxis:  # fmt: skip
    kind = SimulatedBed if device.ability == "bed" else SimulatedAxis
    axis, tell = device.axis or name, _tell(name, device)
    if encoders is None:
        return kind(name, limits, chain, clock=clock, tell=tell)
    stood = encoders.place(axis)
    at = None if stood is None else min(max(stood, limits.minimum), limits.maximum)
    return kind(name, limits, chain, clock=clock, at=at, tell=encoders.of(axis, tell))


def _on_controller(
    name: str, device: Plugged, where: OnController, scanner: ScannerProfile | None,
    instruments: Mapping[str, Instrument], clock: Callable[[], float],
) -> AnyDevice:  # fmt: skip
    if where.name not in instruments:
        raise ProfileError(f"devices.{name}.controller.name = {where.name!r}: the site has no such controller")
    instrument = instruments[where.name]
    if device.ability == "collimator":
        fitting = scanner.collimators if scanner is not None else {}
        codes = {collimator.code: each for each, collimator in fitting.items() if collimator.code is not None}
        return ProfiledCollimator(name, instrument, where.channel or "", codes)
    if device.ability == "motion_enable":
        return ProfiledEnable(name, instrument)
    limits: AxisLimits | VoltageLimits | None = None
    if device.ability in ("axis", "bed"):
        limits = _limits(name, device, scanner)
    elif device.ability == "high_voltage":
        limits = supply_limits(name, device.supply or name, scanner)
    prepared = _prepared(device.supply or name, scanner) if device.ability == "high_voltage" else ()
    return build_profiled(
        name, device.ability, where, instrument, limits=limits, prepared=prepared, clock=clock
    )  # fmt: skip


def _prepared(supply: str, scanner: ScannerProfile | None) -> tuple[str, ...]:
    """Return the actions that are said to a supply before it is raised, by what the scanner profile says of it."""
    said = scanner.supplies.get(supply) if scanner is not None else None
    return () if said is None or said.power_down is None else (f"power_down_{said.power_down}",)


def _high_voltage(name: str, device: Plugged, clock: Callable[[], float]) -> HighVoltage:
    if device.bias is None or device.url is None:
        return SimulatedHighVoltage(name, clock=clock)
    from daq.devices.fers import FersHighVoltage

    said, place = device.bias, urlsplit(device.url)
    limits = VoltageLimits(
        said.max_v, said.max_slope_v_per_s, said.max_step_v, said.tolerance_v, 1e-3 * said.trip_ma, _AT_ONCE_S
    )
    return FersHighVoltage(name, limits, place.hostname or "", place.port or CONTROL_PORT, serial=said.serial)


def _tell(name: str, device: Plugged) -> Teller | None:
    return Teller(device.axis or name, device.url) if device.url is not None else None


def _limits(name: str, device: Plugged, scanner: ScannerProfile | None) -> AxisLimits:
    axis = device.axis or name
    if scanner is None:
        raise ProfileError(f"devices.{name}: an {device.ability} needs a scanner profile, the site names none")
    found = scanner.axes.linear.get(axis) or scanner.axes.rotary.get(axis)
    if found is None:
        known = ", ".join([*scanner.axes.linear, *scanner.axes.rotary]) or "none"
        raise ProfileError(f"devices.{name}.axis = {axis!r}: scanner {scanner.id} has the axes {known}")
    return axis_limits(found)


def _require_one_device_for_each_axis(plugged: Mapping[str, Plugged]) -> None:
    moved: dict[str, str] = {}
    for name, device in plugged.items():
        if device.ability not in ("axis", "bed"):
            continue
        axis = device.axis or name
        if axis in moved:
            raise ProfileError(f"devices.{name}.axis = {axis!r}: {moved[axis]} moves this axis already")
        moved[axis] = name


def _fed_by(head: str | None, plugged: Mapping[str, Plugged], scanner: ScannerProfile | None) -> list[str]:
    """Return the devices that are of a head, or of nobody knows which."""
    return [name for name, device in plugged.items() if head is None or head_of(name, device, scanner) in (None, head)]


def _wire(head: SimulatedHead, devices: Iterable[AnyDevice]) -> None:
    for device in devices:
        if isinstance(device, SimulatedHighVoltage):
            head.when_opened(device.supply.interlock_opened)
