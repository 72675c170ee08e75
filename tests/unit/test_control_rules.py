"""What a control profile may say of beginnings, watchdogs, interlocks and yes or no; what is refused, with a reason."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest

from daq.model import control_rules
from daq.model.control import ControlProfile
from daq.model.finding import errors
from daq.model.tables import check
from device_profiles.control import shipped_controls

PLC = tomllib.loads(shipped_controls()["modbus-plc"].read_text(encoding="utf-8"))
CAEN = tomllib.loads(shipped_controls()["caen-n1470"].read_text(encoding="utf-8"))


def found(profile: dict[str, Any], path: str, value: Any) -> list[str]:
    said = copy.deepcopy(profile)
    *way, last = path.split(".")
    place = said
    for key in way:
        place = place.setdefault(key, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    _, all_ = check(ControlProfile, said, control_rules.findings)
    return [f"{each.key}: {each.reason}" for each in errors(all_)]


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("conversation.watchdog_s", None, "conversation.watchdog_s: a watchdog has a time"),
        (
            "watchdog.heartbeat",
            "beet",
            "watchdog.heartbeat: is no safe or neutral action of the device; did you mean beat",
        ),
        ("watchdog.arm", "beta", "watchdog.arm: is no safe or neutral action of the device"),
        ("actions.arm.hazard", "moving", "watchdog.arm: is no safe or neutral action of the device"),
        ("start_up.actions", ["nothing"], "start_up.actions: is no safe or neutral action of the device"),
        ("watchdog.tripped", "armd", "watchdog.tripped: is no value; did you mean armed"),
        ("watchdog.tripped", "contacts", "watchdog.tripped: a flag is named value.flag"),
        ("values.armed.means_yes", [], "watchdog.tripped"),
        ("roles.interlocks.window", {"value": "contacts.room_door"}, "no kind of interlock"),
        ("roles.interlocks.pad", {"value": "armed", "kind": "collision_pads"}, "did you mean collision_pad"),
        ("roles.interlocks.hot", {"value": "cycles", "kind": "temperature"}, "values.cycles.means_yes says what"),
        ("roles.interlocks.hot", {"value": "contacts", "kind": "temperature", "within": [0.0, 1.0]}, "contacts"),
        (
            "roles.interlocks.hot",
            {"value": "head_temperature", "kind": "temperature", "within": [9.0, 1.0]},
            "not below",
        ),
    ],
)
def test_what_would_do_harm_or_nothing_is_refused(path: str, value: Any, reason: str) -> None:
    profile = copy.deepcopy(PLC)
    if path == "values.armed.means_yes":
        profile["watchdog"]["tripped"] = "armed"
    assert reason in "\n".join(found(profile, path, value))


def test_a_number_within_bounds_and_a_second_contact_of_a_kind_are_interlocks() -> None:
    profile = copy.deepcopy(PLC)
    profile["roles"]["interlocks"] |= {
        "cold_plate": {"value": "head_temperature", "kind": "temperature", "within": [10.0, 35.0]},
        "second_pad": {"value": "contacts.collision_pad", "kind": "collision_pad"},
    }
    _, all_ = check(ControlProfile, profile, control_rules.findings)
    assert errors(all_) == []


def test_a_beat_is_known_in_the_heartbeat_alone() -> None:
    (refused,) = found(PLC, "watchdog.heartbeat", "arm")
    assert "{beat} is not known here" in refused


def test_what_clears_a_trip_is_an_action() -> None:
    (refused,) = found(CAEN, "roles.high_voltage.clear", "clear")
    assert refused.startswith("roles.high_voltage.clear: is no action; known: on, off")
