"""A run as documents of the event model: valid by its own schemas, the same on the bus and in the file."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from event_model import DocumentNames, schema_validators
from jsonschema import ValidationError
from support_documents import RUN, Recorder, begun, check_run, fields, manifest, progress, reading, status

from daq.errors import RefusedError
from daq.model.rundocument import MIMETYPE, RunComposer
from daq.model.station import Alarm
from daq.storage.runrecord import RUN_FILE, read_run


async def whole_run(directory: Path, recorder: Recorder) -> str | None:
    with recorder.run(directory) as run:
        recorder.say(status("armed"), reading())
        run.open()
        begun(directory)
        recorder.say(status("acquiring"), reading(813.0), progress(0.0))
        run.step(1, "ANT", "begin")
        recorder.say(reading(None, quality="comm_fail"), progress(1.0), progress(1.5, dead_time_pct=0.2))
        run.step(1, "ANT", "end", ended_by="events", recorded_events=150)
        run.files(manifest(singles=150, marks=7))
        return await run.close("success", "events")


async def test_a_run_is_valid_by_the_schemas_of_the_event_model(tmp_path: Path) -> None:
    recorder = Recorder()

    await whole_run(tmp_path, recorder)

    check_run(recorder.documents)
    assert recorder.documents[-1][1]["exit_status"] == "success"


async def test_the_file_holds_what_the_bus_heard_and_its_hash_is_returned(tmp_path: Path) -> None:
    recorder = Recorder()

    sha256 = await whole_run(tmp_path, recorder)

    record = read_run(tmp_path)
    assert record.documents == recorder.documents
    assert (record.skipped, record.torn) == (0, False)
    assert sha256 == hashlib.sha256((tmp_path / RUN_FILE).read_bytes()).hexdigest()


async def test_the_start_names_protocol_profiles_and_software_and_no_patient(tmp_path: Path) -> None:
    recorder = Recorder()

    await whole_run(tmp_path, recorder)

    start = recorder.documents[0][1]
    assert start["protocol"] == {"id": "static", "version": "1", "sha256": "ab" * 32, "state": "draft"}
    assert start["profiles"] == {"instruments_front_end": "cd" * 32}
    assert start["operator"] == "tech"
    assert start["simulated"] is True
    assert start["administration_reference"] == "adm-7"
    assert not any("patient" in key for key in start)


async def test_a_reading_says_its_limits_unit_source_and_quality(tmp_path: Path) -> None:
    recorder = Recorder()

    await whole_run(tmp_path, recorder)

    described = next(d for name, d in recorder.documents if name == "descriptor" and d["name"] == "hv1_voltage")
    key = described["data_keys"]["hv1_voltage"]
    assert (key["units"], key["dtype"], key["source"], key["object_name"]) == ("V", "number", "hv1/voltage", "hv1")
    assert key["limits"] == {"alarm": {"low": 780.0, "high": 820.0}}
    events = [d for name, d in recorder.documents if name == "event" and d["descriptor"] == described["uid"]]
    assert [d["data"]["hv1_voltage_quality"] for d in events] == ["good", "comm_fail"]
    assert events[-1]["data"]["hv1_voltage"] is None
    assert events[0]["timestamps"]["hv1_voltage"] == pytest.approx(1795356307.123)


async def test_list_mode_files_are_named_once_with_their_rows(tmp_path: Path) -> None:
    recorder = Recorder()
    with recorder.run(tmp_path) as run:
        run.open()

        run.files(manifest(singles=150))
        run.files(manifest(singles=150, marks=7))

    resources = [d for name, d in recorder.documents if name == "stream_resource"]
    assert [d["parameters"]["rows"] for d in resources] == [150, 7]
    assert {d["mimetype"] for d in resources} == {MIMETYPE}
    assert resources[0]["uri"] == (tmp_path / "singles-00000.arrows").as_uri()
    await run.detach()
    check_run(recorder.documents)


async def test_what_another_run_says_is_not_in_this_one(tmp_path: Path) -> None:
    recorder = Recorder()
    with recorder.run(tmp_path) as run:
        run.open()
        recorder.say(progress(1.0, run="another"))
        await run.close("abort", "operator")

    assert [name for name, _ in recorder.documents] == ["start", "stop"]


async def test_alarms_are_events_with_who_acknowledged_them(tmp_path: Path) -> None:
    recorder = Recorder()
    alarm = Alarm("hv1", "trip", "high", "channel 0 tripped", "look at it", "2026-11-22T14:05:07Z")
    acknowledged = Alarm(
        "hv1", "trip", "high", "channel 0 tripped", "look at it", "2026-11-22T14:05:07Z", active=False,
        acknowledged_by="tech",
    )  # fmt: skip
    with recorder.run(tmp_path) as run:
        run.open()
        recorder.say(alarm, acknowledged)
        await run.close("fail", "fault")

    events = [d["data"] for name, d in recorder.documents if name == "event"]
    assert [(d["alarm_active"], d["alarm_acknowledged_by"]) for d in events] == [(True, ""), (False, "tech")]
    check_run(recorder.documents)


async def test_a_run_is_not_begun_over_another(tmp_path: Path) -> None:
    (tmp_path / RUN_FILE).write_text("")
    with Recorder().run(tmp_path) as run, pytest.raises(RefusedError, match=r"not begun twice"):
        run.open()


async def test_nothing_follows_the_stop(tmp_path: Path) -> None:
    recorder = Recorder()
    begun(tmp_path)
    with recorder.run(tmp_path) as run:
        run.open()
        first = await run.close("success", "events")
        recorder.say(progress(9.0))
        run.step(2, "", "begin")

        again = await run.close("fail", "asked twice")

    assert recorder.documents[-1][0] == "stop"
    assert (again, run.dropped) == (first, 1)
    assert read_run(tmp_path).documents == recorder.documents


async def test_a_run_that_never_recorded_leaves_no_file(tmp_path: Path) -> None:
    with Recorder().run(tmp_path) as run:
        run.open()

        assert await run.close("abort", "arming expired") is None

    assert not (tmp_path / RUN_FILE).exists()


def test_the_same_acquisition_has_the_same_uid_and_another_has_not() -> None:
    assert RunComposer(RUN).run_uid == RunComposer(RUN).run_uid
    assert RunComposer(RUN).run_uid != RunComposer("another").run_uid


@pytest.mark.parametrize("key", ["uid", "time"])
def test_start_fields_cannot_replace_what_the_model_needs(key: str) -> None:
    _, start = RunComposer(RUN).start(fields() | {key: "mine"}, 7.0)

    assert (start["uid"], start["time"]) == (RunComposer(RUN).run_uid, 7.0)


def test_numbers_that_json_cannot_hold_become_null() -> None:
    _, start = RunComposer(RUN).start({"a.b": [math.nan, {"c/d": math.inf}]}, 7.0)

    assert start["a_b"] == [None, {"c_d": None}]
    json.dumps(start, allow_nan=False)


def test_the_schemas_do_refuse() -> None:
    broken: dict[str, Any] = {"uid": "x", "run_start": "y", "time": 1.0, "exit_status": "fine"}

    with pytest.raises(ValidationError, match="fine"):
        schema_validators[DocumentNames.stop].validate(broken)
