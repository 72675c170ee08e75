"""Profiles whose proofs prove nothing, whose patterns never end, and whose units do not fit, are refused."""

from __future__ import annotations

import copy
import re
import tomllib
from typing import Any

import pytest

from daq.model import control_rules
from daq.model.control import ControlProfile
from daq.model.finding import errors
from daq.model.pattern_cost import why_slow
from daq.model.tables import check
from device_profiles.control import shipped_controls

SET_AND_READ_ELSEWHERE = {
    "type": "integer", "unit": "1", "set": {"send": "x"}, "limits": {"hard": [0.0, 1.0]},
    "readback": {"value": "collimator"},
}  # fmt: skip


def told(profile: str, path: str, said: Any) -> list[str]:
    """Return the errors of a shipped profile with one key changed; numbers in the path are places in a list."""
    table: Any = tomllib.loads(shipped_controls()[profile].read_text(encoding="utf-8"))
    place = table = copy.deepcopy(table)
    *way, last = path.split("/")
    for key in way:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    place[last] = said
    _, found = check(ControlProfile, table, control_rules.findings)
    return [f"{each.key}: {each.reason}" for each in errors(found)]


@pytest.mark.parametrize("name", sorted(shipped_controls()))
def test_what_is_shipped_changes_nothing_by_being_told_its_own_title(name: str) -> None:
    assert told(name, "title", "the same") == []


@pytest.mark.parametrize(
    ("profile", "path", "said", "reason"),
    [
        ("caen-n1470", "framing/read_end", "", "framing.read_end: string should have at least 1 character"),
        ("caen-n1470", "values/voltage/apart", "", "values.voltage.apart: string should have at least 1 character"),
        ("caen-n1470", "values/voltage/get/reply", "(?P<value>(a+)+)b", "values.voltage.get.reply: may try for ever"),
        ("caen-n1470", "identity/models", "(x+x+)+y", "identity.models: may try for ever"),
        ("caen-n1470", "troubles/0/reply", ".*.*.*=", "troubles[0].reply: may try 1e+09 ways with 1024 characters"),
        ("caen-n1470", "troubles/0/reply", "CH:{channel},ERR", "troubles[0].reply: {channel} is not known of every"),
        ("caen-n1470", "values/voltage_set/readback/tolerance", 1e9, "proves nothing of what goes from 0 to 8000"),
        ("caen-n1470", "values/voltage_set/readback/value", "current", "is in uA, what is set in V"),
        ("caen-n1470", "values/voltage_set/unit", "mA", "roles.high_voltage.set_v: is in mA, needed is V"),
        ("caen-n1470", "values/voltage/unit", "degC", "roles.high_voltage.output_v: is in degC, needed is V"),
        ("caen-n1470", "roles/high_voltage/max_v", "voltage", "roles.high_voltage.max_v: cannot be set"),
        ("caen-n1470", "safe_state/value", "voltage_set", "safe_state.value: is what is set; safe is what is measured"),
        ("caen-n1470", "safe_state/below", 5000.0, "safe_state.below: is not low where it goes to 8000 V"),
        ("caen-n1470", "actions/off/of", "device", "is of a channel, the action is of the device"),
        ("caen-n1470", "start_up/actions", ["off"], "start_up.actions: is said whenever a conversation begins anew"),
        ("caen-n1470", "safe_state/value", "control", "safe_state.value: is no number"),
        ("caen-n1470", "values/control/set", {"send": "x"}, "values.control.set: numbers are set"),
        ("caen-n1470", "values/status/set", {"send": "x{value}"}, "values.status.limits.hard: what is set has limits"),
        ("caen-n1470", "actions/on/confirm/reads", "yes", "actions.on.confirm.reads: a flag reads true or false"),
        ("modbus-plc", "actions/set_time/confirm/reads", "yes", "a number reads a number"),
        ("modbus-plc", "actions/arm/confirm/value", "collimator", "is of a channel, the action is of the device"),
        ("modbus-plc", "roles/alive/value", "collimator", "roles.alive.value: is of a channel"),
        ("modbus-plc", "roles/enable/held", "head_contacts.cover_closed", "roles.enable.held: is of a channel"),
        ("modbus-plc", "roles/thermometers/head/value", "collimator", "is in 1, not in degC"),
        ("modbus-plc", "values/head_temperature/unit", "K", "is in K, not in degC"),
        (
            "modbus-plc", "roles/interlocks/pad", {"value": "armed", "kind": "collision_pad", "safe_when": False},
            "roles.interlocks.pad.safe_when: of a number that is neither nobody knows what it means",
        ),
        ("modbus-plc", "variables/channel", "9", "variables: is filled in by the program"),
        ("modbus-plc", "channels", ["1", "1"], "channels: two channels of one name"),
        ("modbus-plc", "values/armed", SET_AND_READ_ELSEWHERE, "is of a channel, what is set is of the device"),
    ],
)  # fmt: skip
def test_a_proof_that_cannot_be_one_is_refused_with_a_reason(profile: str, path: str, said: Any, reason: str) -> None:
    found = told(profile, path, said)
    assert any(reason in each for each in found), found


def test_an_axis_by_visa_is_warned_of() -> None:
    table = tomllib.loads(shipped_controls()["zaber-ascii"].read_text(encoding="utf-8"))
    table["transport"]["kinds"].append("visa")
    _, found = check(ControlProfile, table, control_rules.findings)
    assert [each.severity for each in found if "a stop waits until a reading has ended" in each.reason] == ["warning"]


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+b", "(a|a)*b", "(a?a)*b", "(?:a{1,99}){1,99}b", "(a?){30}a{30}", "(?i)(a+|A)*b", r"(\w+\s?)*;", "(a*)*b",
     "(?=(a+)+b).", "(?>(a+)+b)", r"([^;]+\s*)+;", "((a{1,16}){1,16}){1,16}b", "(.|x)*y", "[^x]*.*.*y"],
)  # fmt: skip
def test_patterns_that_may_take_minutes_are_known(pattern: str) -> None:
    re.compile(pattern)
    assert why_slow(pattern, 1024)


@pytest.mark.parametrize(
    "pattern",
    ["", r"\s*(?P<value>-?\d+(\.\d+)?)\s*", r"(?P<a>[^,]+),(?P<b>[^,]+),(?P<c>.+)", r"(;-?\d+(\.\d+)?)*", "(ON|OFF)*",
     r"(\w+\s)*", "[ -~]*[0-9A-Z]\\s*", r"(VOLT|CURR)(,(VOLT|CURR))*", r"-?[0-9.]+E[-+]?\d{1,3}", "[0-9A-F]{1,64}"],
)  # fmt: skip
def test_patterns_as_instruments_need_them_pass(pattern: str) -> None:
    assert why_slow(pattern, 1024) == ""


def test_a_text_of_many_characters_allows_fewer_ways() -> None:
    assert why_slow(".*,.*,", 1024) == ""
    assert "ways with 65536 characters" in why_slow(".*,.*,", 65536)
