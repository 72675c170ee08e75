"""What a site file names, loaded: instruments with their profiles, the scanner, who may do what."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daq.model.station import Role

if TYPE_CHECKING:
    from pathlib import Path

    from daq.devices.instruments.wiring import Controllers
    from daq.model.scanner import ScannerProfile
    from daq.services.qc.standing import Standing
    from device_profiles.schema import InstrumentProfile
    from device_profiles.services import Access, Device
    from device_profiles.site import Plug, Site


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a station has to acquire with.

    `collimator` tells what is sensed, None where nothing senses it; `places` where axes stand, by name, those that say;
    `voltages` which supplies are silent or in trouble, None where none is.
    """

    site: Site
    scanner: ScannerProfile | None
    instruments: dict[str, tuple[Plug, InstrumentProfile]]
    collimator: Callable[[], Awaitable[str | None]]
    places: Callable[[], Awaitable[dict[str, float]]]
    voltages: Callable[[], Awaitable[str | None]]
    standing: Standing | None = None
    """Where tests of quality control stand; None at a station whose scanner has none."""


def instruments(site: Site, folder: Path) -> dict[str, tuple[Plug, InstrumentProfile]]:
    """Return the instruments of a site by name, each with its profile; `folder` is that of the site file."""
    from device_profiles.load import load_profile
    from device_profiles.scanners import beside

    return {name: (plug, load_profile(beside(plug.profile, folder))) for name, plug in site.instruments.items()}


def controllers(site: Site, folder: Path) -> Controllers:
    """Return the controllers of a site by name, each with its control profile."""
    from device_profiles.control import load_control
    from device_profiles.scanners import beside

    return {name: (said, load_control(beside(said.profile, folder))) for name, said in site.controllers.items()}


def scanner(site: Site, folder: Path) -> ScannerProfile | None:
    """Return the scanner profile of a site, where it names one."""
    from device_profiles.scanners import beside, load_scanner

    return load_scanner(beside(site.scanner, folder)) if site.scanner is not None else None


def config_sha256(site: Site) -> str:
    """Return what tells one configuration from another, for the audit log."""
    from device_profiles.site import as_json

    return hashlib.sha256(json.dumps(as_json(site), sort_keys=True).encode()).hexdigest()


def roles(access: Access) -> Callable[[str, int | None], Role]:
    """Return who may do what: users of the site file by name; root and the daemon's own user may do everything.

    A user of MQTT has no number, and only what the site file gives him.
    """
    own = os.geteuid()

    def role_of(user: str, uid: int | None) -> Role:
        if uid is not None and uid in (0, own):
            return Role.SERVICE
        named = access.users.get(user)
        return Role[named.upper()] if named is not None else Role.VIEWER

    return role_of


def versions() -> dict[str, str]:
    """Return what software the daemon is made of."""
    import platform
    from importlib.metadata import version

    import daq

    names = ("aiomqtt", "pyarrow", "pydantic", "sqlalchemy")
    return {"scandaq": daq.__version__, "python": platform.python_version(), **{name: version(name) for name in names}}


def described(site: Site, found: dict[str, tuple[Plug, InstrumentProfile]], devices: dict[str, Any]) -> dict[str, Any]:
    """Return instruments and devices as `Description` has them."""
    return {
        "instruments": {
            name: {"profile": profile.id, "modality": profile.modality, "url": plug.url}
            for name, (plug, profile) in found.items()
        },
        "devices": {name: {**_placed(device), **devices.get(name, {})} for name, device in site.devices.items()},
        "controllers": {name: {"profile": said.profile, "url": said.url} for name, said in site.controllers.items()},
    }


def _placed(device: Device) -> dict[str, Any]:
    """Return what the site file says of a device: what it is, and where."""
    where = device.controller
    on = {"controller": where.name, **({"channel": where.channel} if where.channel else {})} if where else {}
    return {"ability": device.ability, "kind": device.kind, **on}
