"""When an acquisition has ended the daemon has its pictures and its verdict made, and a failure costs nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step

from daq.composition.finishingfolder import SUMS, changed_files
from daq.storage.verify import verify

BRIEF = protocol("brief", step("view", stop='stop.time = "300 ms"'))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end() as address:
        yield address


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[Station]:
    with station(tmp_path_factory.mktemp("station"), url, finish="true") as made:
        made.add(BRIEF)
        yield made.start()


def finished(daemon: Station, run: str) -> Path:
    images = daemon.directory(run) / "images"
    daemon.until((images / "verdict.json").exists, "the verdict", within_s=60.0)
    return images


def test_pictures_and_verdict_are_there_when_it_has_ended_and_the_audit_log_has_their_sum(daemon: Station) -> None:
    called_off = daemon.armed("brief")
    daemon.ask("abort")
    daemon.becomes("aborted")
    daemon.ask("acknowledge")
    run = daemon.armed("brief")
    daemon.ask("start")
    daemon.becomes("completed")
    images = finished(daemon, run)

    def told() -> list[str]:
        return [line["new"] for line in daemon.audit_lines() if line["verb"] == "finish"]

    daemon.until(lambda: bool(told()), "the line of the audit log")
    names = {path.name for path in images.iterdir()}
    assert names == {"01-view.dcm", "01-view.npz", "contact-sheet.png", "spectrum.png", "verdict.json", SUMS}
    assert not (daemon.directory(called_off) / "images").exists()
    assert not changed_files(images)
    assert hashlib.sha256((images / SUMS).read_bytes()).hexdigest() in told()[0]
    assert json.loads((images / "verdict.json").read_bytes())["problems"] == []
    assert verify(daemon.directory(run), sha256=True).verdict == "ok"


def test_what_is_not_finished_when_a_daemon_ends_is_finished_by_the_next_one(daemon: Station) -> None:
    run = daemon.armed("brief")
    daemon.ask("start")
    daemon.becomes("completed")
    assert daemon.end() == 0
    shutil.rmtree(daemon.directory(run) / "images", ignore_errors=True)

    daemon.start()

    assert (finished(daemon, run) / "contact-sheet.png").exists()


def test_where_pictures_cannot_be_made_an_alarm_says_what_to_do_and_the_recording_is_whole(daemon: Station) -> None:
    run = daemon.armed("brief")
    daemon.ask("start")
    daemon.until(lambda: any(daemon.storage.glob(f"*/{run}")), "the recording's directory")
    (daemon.directory(run) / "images").write_text("in the way")
    daemon.becomes("completed")

    name = f"study/not-finished-{run}"
    daemon.until(lambda: name in daemon.alarms(), "the alarm", lambda: str(daemon.alarms()))
    assert "daq study finish" in daemon.alarms()[name]["details"]
    assert verify(daemon.directory(run)).verdict == "ok"
