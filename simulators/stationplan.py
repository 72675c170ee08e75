"""Which simulators a site file needs, with which options, and the wires between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from daq.errors import RefusedError
from daq.model.control import ControlProfile
from daq.model.scanner import ScannerProfile
from device_profiles.control import load_control
from device_profiles.controllers import Controller
from device_profiles.load import load_profile
from device_profiles.scanners import beside, load_scanner
from device_profiles.services import Device
from device_profiles.site import Site, load_site

_HERE = ("127.0.0.1", "localhost", "::1")
_KINDS = {"keithley-2470": "keithley-2400"}
"""Control profiles whose simulator has another name than they."""
_MODELS = {"keithley-2470": ("--model", "2470")}
_MOTORS = ("pi-gcs2", "tmcl", "zaber-ascii")
_VARIABLES = ("board", "device", "unit", "module")
"""Variables of control profiles that are options of the simulator, too."""
_DETECTORS = {"redpitaya-mcpha": ("redpitaya-mcpha", "mcpha")}
"""Instrument profiles with a simulator of their own: its kind, and the name of its port."""


@dataclass(frozen=True, slots=True)
class Part:
    """One simulator: its name in the site file, where it serves, and what it is run with."""

    name: str
    url: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WirePlan:
    """When `when` happens at one machine, `say` is done to another one."""

    at: str
    when: str
    to: str
    say: str


@dataclass(frozen=True, slots=True)
class Planned:
    """All simulators of a station, and the wires between them."""

    parts: tuple[Part, ...]
    wires: tuple[WirePlan, ...]


def plan(site_file: Path, *, rate_cps: float) -> Planned:
    """Return what a site file needs. Raises `ProfileError`, and `RefusedError` for what cannot be simulated."""
    site, folder = load_site(site_file), site_file.parent
    if not site.simulated:
        raise RefusedError(f"{site_file}: simulated = true is missing: what is recorded there would pass for real")
    profiles = {name: load_control(beside(said.profile, folder)) for name, said in site.controllers.items()}
    scanner = load_scanner(beside(site.scanner, folder)) if site.scanner is not None else None
    parts = [*_detectors(site, folder, rate_cps), *_controllers(site, profiles)]
    return Planned(tuple(parts), tuple(_wires(site.devices, profiles, scanner)))


def _detectors(site: Site, folder: Path, rate_cps: float) -> Iterator[Part]:
    for name, plug in site.instruments.items():
        profile = load_profile(beside(plug.profile, folder))
        for number, url in enumerate(plug.urls):
            called = f"{name}-{number}" if number else name
            kind, wire = _DETECTORS.get(profile.id, ("poisson", urlsplit(url).scheme))
            options = (
                () if kind != "poisson" else ("--profile", plug.profile, "--rate", f"{rate_cps:g}", "--seconds", "600")
            )
            yield Part(called, url, (kind, *options, "--port", f"{wire}={_port(name, url)}"))


def _controllers(site: Site, profiles: Mapping[str, ControlProfile]) -> Iterator[Part]:
    for name, said in site.controllers.items():
        profile = profiles[name]
        kind = _KINDS.get(profile.id, profile.id)
        options = [*_MODELS.get(profile.id, ()), *_options(said, profile), *_size(name, profile, site.devices)]
        yield Part(name, said.url, (kind, *options, "--port", f"tcp={_port(name, said.url)}"))


def _options(said: Controller, profile: ControlProfile) -> Iterator[str]:
    if said.serial is not None:
        yield from ("--serial", said.serial)
    for variable in _VARIABLES:
        if variable in said.variables and variable in profile.variables:
            yield from (f"--{variable}", said.variables[variable])


def _size(name: str, profile: ControlProfile, devices: Mapping[str, Device]) -> Iterator[str]:
    """Yield how many motors or heads there are: as many as channels are used, up to the highest."""
    used = [
        profile.channels.index(device.controller.channel) + 1
        for device in devices.values()
        if device.controller is not None and device.controller.name == name and device.controller.channel is not None
    ]
    if profile.id in _MOTORS and used:
        yield from ("--axes", str(max(used)))
    if profile.id == "modbus-plc":
        yield from ("--heads", str(max(used, default=1)))


def _wires(
    devices: Mapping[str, Device], profiles: Mapping[str, ControlProfile], scanner: ScannerProfile | None
) -> Iterator[WirePlan]:
    """Yield what a safety controller is wired to: motors, and the supplies of each head whose cover it watches."""
    for at in (name for name, profile in profiles.items() if profile.id == "modbus-plc"):
        for to in (name for name, profile in profiles.items() if profile.roles.axis is not None):
            yield WirePlan(at, "drive-power-off", to, "cut-power")
            yield WirePlan(at, "drive-power-on", to, "restore-power")
        for device in devices.values():
            where = device.controller
            if device.ability != "interlocks" or where is None or where.name != at or where.channel is None:
                continue
            for to in sorted(_feeding(device.head, devices, profiles, scanner)):
                yield WirePlan(at, f"cover-{where.channel}-open", to, "open-interlock")
                yield WirePlan(at, f"cover-{where.channel}-closed", to, "close-interlock")


def _feeding(
    head: str | None,
    devices: Mapping[str, Device],
    profiles: Mapping[str, ControlProfile],
    scanner: ScannerProfile | None,
) -> set[str]:
    """Return the controllers whose supplies feed a head; None: any of them."""
    found = set()
    for name, device in devices.items():
        if device.ability != "high_voltage" or device.controller is None or scanner is None:
            continue
        limits = scanner.supplies.get(device.supply or name)
        fed = limits.head if limits is not None else None
        has_interlock = "caen" in profiles[device.controller.name].id
        if has_interlock and (head is None or fed is None or fed == head):
            found.add(device.controller.name)
    return found


def _port(name: str, url: str) -> int:
    place = urlsplit(url)
    if place.hostname not in _HERE or not place.port:
        raise RefusedError(f"{name} is at {url}: only what is on this host, by tcp or udp, can be simulated")
    return place.port
