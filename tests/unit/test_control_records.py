from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from daq.cli.main import main
from daq.devices.instruments.against import against
from daq.errors import FormatError, RefusedError
from daq.model.control import ControlProfile
from daq.model.controlrecord import ControlRecord, Exchanged, Head, Understood
from daq.storage.controlrecords import read_control_record, write_control_record
from device_profiles.control import load_control, shipped_controls

DP832 = load_control("rigol-dp832")
WHO = "RIGOL TECHNOLOGIES,DP832,DP8C1,00.01.16"


def said(say: str, got: str) -> Exchanged:
    return Exchanged(say=say, raw=False, t_s=0.1, sent=f"{say}\n".encode().hex(), got=(got[:3].encode().hex(),
                     f"{got[3:]}\n".encode().hex()))  # fmt: skip


def recording(*lines: Exchanged | Understood, model: str = "DP832") -> ControlRecord:
    head = Head.model_validate({
        "schema": "control-record/1", "profile": "rigol-dp832", "made_utc": "2026-11-23T12:00:00+00:00",
        "url": "tcp://10.0.0.5:5555", "variables": {}, "vendor": "Rigol", "model": model, "serial": "DP8C1",
        "firmware": "00.01.16",
    })  # fmt: skip
    return ControlRecord(head=head, lines=(said("*IDN?", WHO), *lines))


VOLTS = (said(":MEAS? CH2", "11.998"), Understood(read="voltage", channel="2", how="get", unit="V", value=11.998))


def changed(**changes: object) -> ControlProfile:
    """Return the profile with keys of `values.voltage` changed."""
    table = DP832.model_dump(mode="json")
    table["values"]["voltage"] |= changes
    return ControlProfile.model_validate_json(json.dumps(table))


def told(profile: ControlProfile, record: ControlRecord) -> list[str]:
    return [str(each) for each in against(profile, record) if each.severity == "error"]


def test_a_profile_fits_the_recording_that_it_made() -> None:
    assert told(DP832, recording(*VOLTS)) == []


def test_what_a_recording_says_nothing_of_is_a_warning() -> None:
    found = {each.key for each in against(DP832, recording(*VOLTS)) if each.severity == "warning"}
    assert "values.current.get" in found
    silent = [each for each in against(DP832, recording(*VOLTS)) if each.key == "values.voltage.get"]
    assert [each.reason[-12:] for each in silent] == ["of channel 1", "of channel 3"]


@pytest.mark.parametrize(
    ("profile", "record", "why"),
    [
        (changed(scale=0.001), recording(*VOLTS),
         "the recording says 11.998 V of channel 2, this profile makes 0.011998 V of the same reply"),
        (changed(unit="mV"), recording(*VOLTS), "this profile makes 11.998 mV of the same reply"),
        (changed(get={"send": ":MEAS? CH{channel}", "reply": r"(?P<value>\d+) V"}), recording(*VOLTS),
         "the instrument answered '11.998'"),
        (changed(type="integer", unit="V"), recording(*VOLTS), "'11.998' is no integer"),
        (DP832, recording(*VOLTS, model="DP711"), "the recording is of a 'DP711'"),
        (DP832.model_copy(update={"framing": DP832.framing.model_copy(update={"write_end": "\r"})}), recording(*VOLTS),
         r"is said as b'*IDN?\r'; in the recording it was b'*IDN?\n'"),
        (DP832.model_copy(update={"framing": DP832.framing.model_copy(update={"longest_reply": 2})}), recording(*VOLTS),
         "a reply without an end after"),
    ],
)  # fmt: skip
def test_a_profile_that_says_or_understands_otherwise_is_refused(
    profile: ControlProfile, record: ControlRecord, why: str
) -> None:
    found = told(profile, record)
    assert any(why in each for each in found), found


def test_a_reply_that_says_no_and_one_that_did_not_come_speak_against_nothing() -> None:
    caen = load_control("caen-n1470")
    refused = Exchanged(
        say="$BD:00,CMD:MON,CH:0,PAR:VMON", raw=False, t_s=1.0, sent=b"$BD:00,CMD:MON,CH:0,PAR:VMON\r\n".hex(),
        got=(b"#BD:00,LOC:ERR\r\n".hex(),),
    )  # fmt: skip
    silent = refused.model_copy(update={"got": ()})
    record = recording(model="N1470").model_copy(update={"lines": (refused, silent)})
    assert told(caen, record) == []


def test_a_recording_is_read_as_it_was_written_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "supply.jsonl"
    write_control_record(path, recording(*VOLTS))
    assert read_control_record(path) == recording(*VOLTS)
    with pytest.raises(RefusedError, match="a recording does not replace another one"):
        write_control_record(path, recording())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("{}", "line 1: schema: Field required"),
        ("{", "line 1: Expecting property name"),
        ('{"schema": "control-record/2"}', "line 1: schema: Input should be 'control-record/1'"),
    ],
)
def test_a_file_that_is_no_recording_says_where(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(FormatError, match=why):
        read_control_record(path)


def test_the_json_schema_takes_every_shipped_profile_and_no_unknown_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    checker = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in shipped_controls().values():
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert list(checker.iter_errors(table)) == [], path
        assert not checker.is_valid({**table, "colour": "red"})


def test_lint_against_a_recording_is_of_one_control_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "supply.jsonl"
    write_control_record(path, recording(*VOLTS))
    assert main(["profile", "lint", "rigol-dp832", "--against", str(path)]) == 0
    assert "rigol-dp832.toml: ok" in capsys.readouterr().out
    assert main(["profile", "lint", "caen-n1470", "--against", str(path)]) == 3
    assert "the recording is of a 'DP832'" in capsys.readouterr().out
    assert main(["profile", "lint", "rigol-dp832", "caen-n1470", "--against", str(path)]) == 2
    assert main(["profile", "lint", "safir64", "--against", str(path)]) == 2
    assert main(["profile", "lint", "rigol-dp832", "--against", str(tmp_path / "none")]) == 4
