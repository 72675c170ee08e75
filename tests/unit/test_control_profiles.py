"""Shipped control profiles are in order; what a profile may not say is refused with key, value and reason."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from daq.cli.main import main
from daq.model import control_rules
from daq.model.control import ControlProfile
from daq.model.finding import errors
from daq.model.tables import check
from device_profiles.control import check_control, load_control, shipped_controls
from device_profiles.load import shipped_profiles

GOOD = tomllib.loads(shipped_controls()["caen-n1470"].read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", shipped_controls())
def test_a_shipped_profile_is_in_order_and_named_by_its_file(name: str) -> None:
    profile, found = check_control(shipped_controls()[name])

    assert found == []
    assert profile is not None
    assert (profile.id, ControlProfile.model_validate_json(profile.model_dump_json())) == (name, profile)
    assert name not in shipped_profiles()


@pytest.mark.parametrize(
    ("path", "value", "key", "reason"),
    [
        ("values.voltage.unit", None, "values.voltage.unit", "every number has a unit"),
        ("values.voltage.unit", "volts", "values.voltage.unit", "unknown unit"),
        ("values.voltage_set.limits", {}, "values.voltage_set.limits.hard", "what is set has limits"),
        ("values.voltage_set.readback", None, "values.voltage_set.readback", "only a reading proves"),
        ("values.voltage_set.hazard", "moving", "values.voltage_set.hazard", "target or jog of roles.axis"),
        ("values.voltage.get.reply", "VAL:([", "values.voltage.get.reply", "not a regular expression"),
        ("values.voltage.get.reply", "VAL:1", "values.voltage.get.reply", "has no group `value`"),
        ("values.voltage.get.send", "{bored}", "values.voltage.get", "{bored} is not known here; did you mean board"),
        ("values.status.flags.trip", 0, "values.status.flags", "two names for one bit"),
        ("values.max_voltage.limits.hard", [9.0, 1.0], "values.max_voltage.limits.hard", "not below the upper"),
        ("values.max_voltage.limits.warn", [1.0, 9.0], "values.max_voltage.poll_s", "that is read regularly"),
        ("values.current.limits", {"warn": [0.0, 9.0], "alarm": [1.0, 8.0]}, "values.current.limits.warn", "outside"),
        ("values.current.limits", {"warn": [0.0, 9.0], "hysteresis": 3.0}, "values.current.limits.hysteresis", "quart"),
        ("actions.on.confirm", None, "actions.on.confirm", "an acknowledgement is no proof"),
        ("actions.on.confirm.value", "status.onn", "actions.on.confirm.value", "has no such flag; did you mean on"),
        ("safe_state", None, "safe_state", "has a safe state, which is a reading"),
        ("safe_state.actions", ["on"], "safe_state.actions", 'is no action with hazard = "safe"'),
        ("roles.high_voltage.set_v", "voltage_sett", "roles.high_voltage.set_v", "did you mean voltage_set"),
        ("roles.high_voltage.switch_off", "of", "roles.high_voltage.switch_off", "is no action; did you mean off"),
        ("transport.serial", None, "transport.serial", "belongs to kinds"),
        ("framing", {"codec": "rbcp"}, "framing.codec", "does not travel by serial, tcp"),
        ("framing", {"tag": True}, "identity.ask[0]", "request and reply bear {tag}"),
        ("conversation.late_s", 0.1, "conversation.late_s", "below reply_s"),
        ("identity.ask", [{"send": "x", "reply": "y"}], "identity.ask", "has the group `model`"),
        ("channels", [], "values.voltage.of", "the profile has no channels"),
        ("values.voltage.polls", 1.0, "values.voltage.polls", "unknown key; did you mean poll_s"),
    ],
)
def test_what_a_profile_may_not_say_is_refused(path: str, value: Any, key: str, reason: str) -> None:
    tables = copy.deepcopy(GOOD)
    *way, last = path.split(".")
    inner = tables
    for name in way:
        inner = inner[name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value

    _, found = check(ControlProfile, tables, control_rules.findings)

    assert [str(each) for each in errors(found) if each.key == key and reason in each.reason], [*map(str, found)]


def test_the_command_shows_and_checks_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "show", "caen-n1470"]) == 0
    shown = capsys.readouterr().out
    assert "0 to 8000" in shown
    assert "a supply of high voltage" in shown
    assert main(["profile", "lint", "zaber-ascii"]) == 0
    broken = tmp_path / "broken.toml"
    broken.write_text(
        shipped_controls()["zaber-ascii"].read_text(encoding="utf-8").replace("late_s = 0.2", "late_s = 0")
    )
    assert main(["profile", "lint", str(broken)]) == 3
    assert "conversation.late_s = 0" in capsys.readouterr().out
    assert load_control("zaber-ascii").framing.tag
