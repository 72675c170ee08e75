"""What controllers of a site file must obey: profiles that exist, wires that fit, devices on what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from daq.errors import ScandaqError
from daq.model.control import ControlProfile
from daq.model.finding import ABSENT, Finding, error
from daq.model.tables import close_names
from device_profiles.control import load_control
from device_profiles.controllers import Controller, OnController
from device_profiles.scanners import beside
from device_profiles.services import Device

_TELL = ("axis", "bed", "high_voltage")


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
        yield from _said_of(f"controllers.{name}", said, profile)
    for name, device in devices.items():
        if device.controller is not None:
            key = f"devices.{name}.controller"
            yield from _on_controller(key, device.ability, device.controller, controllers, profiles)
    yield from _told_by_two(controllers, devices, profiles)


def _said_of(key: str, said: Controller, profile: ControlProfile) -> Iterator[Finding]:
    """Demand variables that the profile has and that fit into a request, and a serial number that can be told."""
    for variable, text in sorted(said.variables.items()):
        if variable not in profile.variables:
            reason = close_names(variable, dict(profile.variables))
            yield error(f"{key}.variables", variable, f"the profile {profile.id} has none; {reason}")
        elif not (text.isascii() and text.isprintable()):
            yield error(f"{key}.variables.{variable}", text, "is no printable ASCII text")
    if said.serial is not None and profile.identity.without_serial:
        yield error(
            f"{key}.serial", said.serial, f"an instrument of {profile.id} has none to tell: it would be refused"
        )


def _address(text: str) -> str:
    """Return a text as it means an address: 01 and 1 are one."""
    return str(int(text)) if text.isascii() and text.isdecimal() else text


def _told_by_two(
    controllers: Mapping[str, Controller], devices: Mapping[str, Device], profiles: Mapping[str, ControlProfile]
) -> Iterator[Finding]:
    """Demand that a motor, or an output of high voltage, is one device's alone: else one moves what another names."""
    told: dict[tuple[object, ...], str] = {}
    for name, device in devices.items():
        where = device.controller
        if where is None or device.ability not in _TELL or where.name not in profiles:
            continue
        said, profile = controllers[where.name], profiles[where.name]
        variables = {name: _address(text) for name, text in {**profile.variables, **said.variables}.items()}
        place = (said.url, profile.id, tuple(sorted(variables.items())), where.channel)
        if place in told:
            reason = f"devices.{told[place]} is on this channel of this instrument already"
            yield error(f"devices.{name}.controller.channel", where.channel, reason)
        told.setdefault(place, name)


def _on_controller(
    key: str, ability: str, where: OnController, controllers: Mapping[str, Controller],
    profiles: Mapping[str, ControlProfile],
) -> Iterator[Finding]:  # fmt: skip
    if where.name not in controllers:
        yield error(f"{key}.name", where.name, close_names(where.name, dict(controllers)))
        return
    profile = profiles.get(where.name)
    if profile is None:
        return  # said elsewhere
    if where.channel is not None and where.channel not in profile.channels:
        reason = f"the profile {profile.id} has {', '.join(profile.channels) or 'no channels'}"
        yield error(f"{key}.channel", where.channel, reason)
        return
    read_by, otherwise = _read_by(ability, profile, of="device" if where.channel is None else "channel")
    if otherwise and not read_by:
        yield error(f"{key}.name", where.name, f"the profile {profile.id} {otherwise}")
    if ability != "interlocks" and where.channel is None and _of(profile, read_by) == "channel":
        yield error(f"{key}.channel", ABSENT, f"it is of a channel: say which of {', '.join(profile.channels)}")


def _read_by(ability: str, profile: ControlProfile, of: str) -> tuple[str, str]:
    """Return a value that such a device is read by, empty where there is none, and what is said of that.

    `of`: of interlocks, whether those of a channel or of the device are meant. Supplies are judged with their limits.
    """
    roles = profile.roles
    match ability:
        case "axis" | "bed":
            return "" if roles.axis is None else roles.axis.position, "is of no motion controller"
        case "high_voltage":
            return "" if roles.high_voltage is None else roles.high_voltage.output_v, ""
        case "motion_enable":
            return "" if roles.enable is None else roles.enable.held, "has no motion enable"
        case "collimator":
            return "" if roles.collimator is None else roles.collimator.value, "senses no collimator"
        case "interlocks":
            known = [role.value for role in roles.interlocks.values() if _of(profile, role.value) == of]
            return known[0] if known else "", f"knows no interlocks of a {of}"
        case _:
            return "", ""


def _of(profile: ControlProfile, value: str) -> str:
    """Return whether a value, or the value of a flag, is of a channel or of the device; empty where there is none."""
    found = profile.values.get(value.partition(".")[0])
    return "" if found is None else found.of
