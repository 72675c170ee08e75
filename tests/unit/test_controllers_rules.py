"""What a site file says of instruments and cannot be: found when it is checked, not when something moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device_profiles.controllers import Controller
from device_profiles.controllers_rules import wrong_controllers
from device_profiles.services import Device

_MOTOR = {"ability": "axis", "kind": "profile"}


def found(controllers: dict[str, dict[str, Any]], devices: dict[str, dict[str, Any]] | None = None) -> list[str]:
    said = {name: Controller.model_validate(each) for name, each in controllers.items()}
    on_them = {name: Device.model_validate(each) for name, each in (devices or {}).items()}
    return [f"{each.key}: {each.reason}" for each in wrong_controllers(said, on_them, Path("/"))]


def test_a_serial_number_of_what_tells_none_is_refused_when_the_site_is_checked() -> None:
    said = {"profile": "julabo", "url": "tcp://10.0.0.5:4000", "serial": "4711"}
    (reason,) = found({"chiller": said})
    assert reason == "controllers.chiller.serial: an instrument of julabo has none to tell: it would be refused"


def test_a_variable_that_fits_into_no_request_is_refused() -> None:
    said = {"profile": "caen-n1470", "url": "tcp://10.0.0.5:1470"}
    assert found({"hv": said | {"variables": {"board": "01"}}}) == []
    for text in ("01\r\n", "\u00e9", "\0"):
        (reason,) = found({"hv": said | {"variables": {"board": text}}})
        assert reason == "controllers.hv.variables.board: is no printable ASCII text"


def test_one_motor_by_two_names_is_seen_also_where_one_says_what_is_usual() -> None:
    stage = {"profile": "zaber-ascii", "url": "tcp://10.0.0.5:4001"}
    both = {"one": stage, "two": stage | {"variables": {"device": "01"}}}
    where = {"channel": "1", "per_unit": 400.0}
    devices = {name: _MOTOR | {"controller": where | {"name": on}} for name, on in (("gantry", "one"), ("bed", "two"))}
    assert found(both, devices) == [
        "devices.bed.controller.channel: devices.gantry is on this channel of this instrument already"
    ]
