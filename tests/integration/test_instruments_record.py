from __future__ import annotations

import json
from pathlib import Path

import pytest
from support_replay import replayed
from support_simulators import simulator

from daq.cli.main import main
from daq.devices.instruments.against import against
from daq.devices.instruments.recording import record
from daq.errors import MismatchError, ScandaqError
from daq.model.control import ControlProfile
from daq.model.controlrecord import Exchanged, Understood
from daq.storage.controlrecords import read_control_record
from device_profiles.control import load_control


def hasty(name: str) -> ControlProfile:
    """Return a profile whose replies are never late."""
    known = load_control(name)
    return known.model_copy(update={"conversation": known.conversation.model_copy(update={"late_s": 0.1})})


async def test_a_recorded_conversation_is_a_test_of_its_profile_also_where_requests_bear_a_number() -> None:
    profile = hasty("zaber-ascii")
    with simulator("zaber-ascii", "--axes", "2") as simulated:
        made = await record(profile, str(simulated.ready["tcp"]))
        other = profile.model_copy(update={"identity": profile.identity.model_copy(update={"models": "OTHER"})})
        with pytest.raises(MismatchError, match="is there; the profile"):
            await record(other, str(simulated.ready["tcp"]))
    assert [each for each in against(profile, made) if each.severity == "error"] == []
    said = {line.say for line in made.lines if isinstance(line, Exchanged)}
    assert not [each for each in said if any(word in each for word in (" move", " stop", " set "))]


async def test_a_recorded_supply_answers_again_as_it_did_then() -> None:
    profile = hasty("caen-n1470")
    with simulator("caen-n1470", "--serial", "4711") as simulated:
        made = await record(profile, str(simulated.ready["tcp"]))
    assert [each for each in against(profile, made) if each.severity == "error"] == []
    assert not [line for line in made.lines if isinstance(line, Exchanged) and "CMD:SET" in line.say]
    supply, link = replayed(profile, made)
    assert (await supply.identify()).serial == "4711"
    read = [line for line in made.lines if isinstance(line, Understood) and line.how == "get"]
    assert len(read) > 30
    for line in read:
        assert await supply.read(line.read, line.channel) == line.value
    assert link.unknown == []
    with pytest.raises(ScandaqError, match="no reply to"):
        await supply.set("max_voltage", 1000.0, "0")  # nobody said that then
    assert link.unknown == [b"$BD:00,CMD:SET,CH:0,PAR:MAXV,VAL:1000\r\n"]


def test_the_command_records_what_is_there_and_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "supply.jsonl"
    with simulator("rigol-dp832", "--load-ohm", "10") as simulated:
        url = str(simulated.ready["tcp"])
        asked = ["profile", "record", "rigol-dp832", "--url", url, "--out", str(out)]
        assert main([*asked, "--rounds", "2", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["model"], told["serial"], len(told["readings"])) == ("DP832", "DP8C1234567890", 42)
        assert main(asked) == 3
        assert "a recording does not replace another one" in capsys.readouterr().err
    assert main(["profile", "lint", "rigol-dp832", "--against", str(out)]) == 0
    assert read_control_record(out).head.url == url
    other = ["profile", "record", "rigol-dp832", "--out", str(tmp_path / "other")]
    assert main([*other, "--url", url]) == 5  # it is gone
    assert main([*other, "--url", "ftp://x"]) == 2
    capsys.readouterr()
    assert main([*other, "--url", "udp://127.0.0.1:1"]) == 2
    assert "the profile rigol-dp832 knows serial, tcp, visa" in capsys.readouterr().err
    assert main([*other[:-1], str(tmp_path / "no" / "other"), "--url", url]) == 4  # before anything is asked
    assert main([*other, "--url", url, "--variable", "board=1"]) == 2
