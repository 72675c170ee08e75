"""Quality control through a whole station: three commands for the flood, and the days on which it does not go so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support_daemon import Station
from support_protocol_texts import protocol, step
from support_qc_station import qc, qc_json, qc_station, results

from daq.errors import MissingError, RefusedError, UsageError
from daq.model.qc.documents import document_from

pytestmark = pytest.mark.timeout(240)
VIEW = protocol(
    "view", step("view", stop='stop.time = "300 ms"'),
    more='requirements.qc = [{ name = "daily-flood", maximum_age = "24 h" }]', sources=("requirements",),
)  # fmt: skip
SHEET = {
    "nuclide": "Co-57", "form": "sheet", "activity": "500 MBq", "reference": "2025-01-01T12:00:00Z",
    "certificate": "C-1", "place": "safe",
}  # fmt: skip


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with qc_station(tmp_path_factory.mktemp("station")) as made:
        made.add(VIEW)
        made.ask("qc-source", serial="S-1", fields=SHEET)
        yield made


def at_rest(daemon: Station) -> None:
    """Let nothing be under way, and somebody state that the bed is empty."""
    if daemon.status()["state"] != "ready":
        daemon.ask("acknowledge")
    daemon.ask("bed-empty")


def test_the_daily_flood_is_three_commands_and_then_patients_are_acquired(daemon: Station) -> None:
    with pytest.raises(RefusedError, match="daily-flood is needed: every day; never done"):
        daemon.prepare("view")
    refused = qc(daemon, "run", "daily-flood", "--start", code=3)
    for words in ("the bed is occupied", "a sheet of Co-57 is needed", "the register has S-1", "no background before"):
        assert words in refused

    background = qc_json(daemon, "run", "camera-background", "--bed-empty", "--start")
    flood = document_from(qc_json(daemon, "run", "daily-flood", "--source", "S-1", "--start"))

    assert (background["body"]["level"], flood.body["level"]) == ("in limits", "in limits")
    assert flood.body["source"]["activity_mbq"] < 500
    assert flood.body["statements"]["bed empty"].startswith("stated by ")
    assert flood.body["collimator"] == "LEHR"
    assert flood.body["overrides"]["draft"]
    (made_of,) = flood.body["acquisitions"]
    told = daemon.manifest(made_of["id"]).qc
    assert told is not None
    assert (told["test"], told["background"]["result"]) == ("daily-flood", background["id"])
    assert daemon.status()["bed"]["occupied"] is False

    run = daemon.armed("view")
    rests_on = daemon.status()["bed"], daemon.ask("abort")
    daemon.becomes("aborted")
    daemon.ask("acknowledge")
    assert (rests_on[0]["occupied"], rests_on[0]["why"]) == (True, "a patient was prepared")
    run = daemon.acquiring("view")
    daemon.becomes("completed")
    stood = daemon.manifest(run).qc
    assert stood is not None
    assert [(each["result"], each["sha256"]) for each in stood["valid"]] == [(flood.id, flood.sha256)]
    assert stood["missing"] == {}


def test_a_recording_analysed_offline_gives_the_same_and_stores_nothing(daemon: Station) -> None:
    newest = results(daemon, "daily-flood")["newest"]
    directory = newest["body"]["acquisitions"][0]["directory"]

    again = qc_json(daemon, "analyse", directory, "--test", "daily-flood")

    assert again["stored"] is False
    for name in ("figures", "judged", "obstacles", "source", "acquisitions"):
        assert again["result"][name] == newest["body"][name]
    daemon.ask("qc-analyse", test="daily-flood", runs=[newest["body"]["acquisitions"][0]["id"]])
    daemon.until(lambda: not results(daemon, "daily-flood")["tests"][0]["analysing"], "the analysis")
    assert results(daemon, "daily-flood")["newest"]["id"] == newest["id"]


def test_one_beyond_its_suspension_level_ends_with_6_rings_and_says_what_to_do(daemon: Station) -> None:
    at_rest(daemon)

    said = qc(daemon, "run", "too-hot", "--source", "S-1", "--start", code=6)

    assert "SUSPENSION" in said
    assert "next: Go away." in said
    alarm = daemon.alarms()["qc/level-too-hot"]
    assert (alarm["priority"], "Go away." in alarm["guidance"]) == ("medium", True)


def test_another_collimator_is_refused_until_somebody_says_why(daemon: Station) -> None:
    at_rest(daemon)
    daemon.simulate("collimator", "mount", "MEGP")

    def refusal() -> str:
        try:
            daemon.ask("qc-run", test="daily-flood", source="S-1")
        except RefusedError as why:
            return str(why)
        daemon.ask("abort")
        daemon.becomes("aborted")
        daemon.ask("acknowledge")
        return ""

    try:
        daemon.until(lambda: "MEGP is mounted" in refusal(), "MEGP to be sensed")
    finally:
        daemon.simulate("collimator", "mount", "LEHR")
    daemon.until(lambda: not refusal(), "LEHR to be sensed")


def test_what_is_looked_at_is_entered_and_judged(daemon: Station) -> None:
    def entered(*answers: bool, **told: Any) -> dict[str, Any]:
        items = {f"item_{number}": answer for number, answer in enumerate(answers, start=1)}
        return daemon.ask("qc-enter", test="e-stop", entries=items, within_s=60.0, **told)

    assert "SUSPENSION" in qc(daemon, "enter", "e-stop", "item_1=yes", "item_2=no", "--comment", "it sticks", code=6)
    assert results(daemon, "e-stop")["tests"][0]["state"] == "failed"
    assert [each["about"] for each in results(daemon, "e-stop")["tests"][0]["asks"]] == ["the pads", "the button"]
    assert entered(True, True, source="S-1")["result"]["body"]["level"] == "in limits"
    newest = results(daemon, "e-stop")["newest"]["body"]
    assert 0.0 < newest["source"]["activity_mbq"] < 500.0, "of the register, decayed"
    with pytest.raises(UsageError, match="is still to come"):
        entered(True, True, performed="2999-01-01")
    with pytest.raises(MissingError, match="not in the register"):
        entered(True, True, source="S-9")


def test_one_that_is_stopped_before_its_counts_is_not_evaluable_also_where_the_daemon_is_killed_before_its_analysis(
    daemon: Station,
) -> None:
    at_rest(daemon)
    run = str(daemon.ask("qc-run", test="daily-flood", source="S-1")["run"])
    daemon.becomes("armed")
    daemon.ask("start")
    daemon.recording()
    daemon.ask("stop")
    daemon.becomes("completed")

    daemon.restart()

    def judged() -> bool:
        newest = results(daemon, "daily-flood")["newest"]
        return bool(newest["body"]["acquisitions"][0]["id"] == run)

    daemon.until(judged, "the result", within_s=120.0)
    (test,) = results(daemon, "daily-flood")["tests"]
    newest = results(daemon, "daily-flood")["newest"]["body"]
    assert newest["level"] == "not evaluable"
    assert "before its end" in newest["obstacles"][0]
    assert (test["state"], "does not count as done" in test["ignored"][-1]) == ("valid", True)
    assert daemon.status()["bed"]["why"] == "the daemon was started"


def test_what_is_missing_of_quality_control_costs_one_reason_that_the_file_bears(daemon: Station) -> None:
    newest = results(daemon, "daily-flood")["newest"]["id"]
    daemon.ask("qc-event", what="service", text="a tube was changed", tests=["daily-flood"])
    with pytest.raises(RefusedError, match=r"qc: daily-flood is needed: service at .*it was not done since"):
        daemon.prepare("view")

    run = daemon.acquiring("view", overrides={"qc": "emergency"})
    daemon.becomes("completed")

    manifest = daemon.manifest(run)
    assert manifest.qc is not None
    assert (manifest.overrides["qc"], list(manifest.qc["missing"])) == ("emergency", ["daily-flood"])
    assert newest not in str(manifest.qc["valid"])
