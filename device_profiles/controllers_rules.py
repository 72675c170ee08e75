"""What controllers of a site file must obey: profiles that exist, wires that fit, devices on what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from daq.errors import ScandaqError
from daq.model.control import ControlProfile
from daq.model.finding import Finding, error
from daq.model.tables import close_names
from device_profiles.control import load_control
from device_profiles.controllers import Controller, OnController
from device_profiles.scanners import beside
from device_profiles.services import Device


def wrong_controllers(
    controllers: Mapping[str, Controller], devices: Mapping[str, Device], folder: Path
) -> Iterator[Finding]:
    """Demand that control profiles can be loaded and fit their wires, and that devices name what is there."""
    profiles: dict[str, ControlProfile] = {}
    for name, said in controllers.items():
        try:
            profile = profiles[name] = load_control(beside(said.profile, folder))
        except ScandaqError as why:
            yield error(f"controllers.{name}.profile", said.profile, str(why))
            continue
        scheme = urlsplit(said.url).scheme
        if {"rfc2217": "serial"}.get(scheme, scheme) not in profile.transport.kinds:
            reason = f"the profile {profile.id} knows {', '.join(profile.transport.kinds)}"
            yield error(f"controllers.{name}.url", said.url, reason)
        for variable in sorted(set(said.variables) - set(profile.variables)):
            reason = close_names(variable, dict(profile.variables))
            yield error(f"controllers.{name}.variables", variable, f"the profile {profile.id} has none; {reason}")
    for name, device in devices.items():
        if device.controller is not None:
            yield from _on_controller(f"devices.{name}.controller", device.controller, controllers, profiles)


def _on_controller(
    key: str, where: OnController, controllers: Mapping[str, Controller], profiles: Mapping[str, ControlProfile]
) -> Iterator[Finding]:
    if where.name not in controllers:
        yield error(f"{key}.name", where.name, close_names(where.name, dict(controllers)))
        return
    profile = profiles.get(where.name)
    if profile is None:
        return  # said elsewhere
    if where.channel is not None and where.channel not in profile.channels:
        reason = f"the profile {profile.id} has {', '.join(profile.channels) or 'no channels'}"
        yield error(f"{key}.channel", where.channel, reason)
