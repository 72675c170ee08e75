"""The service that finishes acquisitions: what the process says is believed as far as it can be; what fails rings."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daq.model.station import Alarm
from daq.services import childprocess
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bus import Bus
from daq.services.childprocess import Ended
from daq.services.finishing import Finishing

GOOD = {"files": {"a.png": "00"}, "sums_sha256": "5f", "problems": [], "verdict": {"grade": "good", "sentences": []}}


class Heard:
    """Takes what the service says in place of alarms and audit log."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.rung: list[dict[str, Any]] = []
        self.cleared = 0

    def note(self, actor: object, verb: str, what: str, **told: Any) -> None:
        self.lines.append({"verb": verb, "what": what, **told})

    def raise_(self, device: str, name: str, **told: Any) -> None:
        self.rung.append({"device": device, "name": name, **told})

    def clear(self, device: str, name: str) -> None:
        self.cleared += 1

    def active(self) -> list[Alarm]:
        return []


async def after(
    script: str, folder: Path, *, times: int = 1, within_s: float = 10.0, by_hand: bool = False
) -> tuple[Finishing, Heard]:
    """Have recordings finished by a shell script, and return when all have been."""
    heard = Heard()

    def command(directory: Path) -> Sequence[str]:
        return ("/bin/sh", "-c", script, "sh", str(directory))

    service = Finishing(command, cast("Alarms", heard), cast("Audit", heard), within_s=within_s)
    for _ in range(times):
        service.put(folder / "run", by_hand=by_hand)
    running = asyncio.create_task(service.run())
    async with asyncio.timeout(30):
        while service.finished + service.failed < times:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    return service, heard


def says(told: dict[str, Any], code: int = 0) -> str:
    return f"echo '{json.dumps(told)}'; exit {code}"


async def test_what_was_made_is_in_the_audit_log_and_nothing_rings(tmp_path: Path) -> None:
    service, heard = await after(says(GOOD), tmp_path)

    assert (service.finished, service.failed, heard.rung) == (1, 0, [])
    assert heard.lines == [
        {"verb": "finish", "what": "run", "result": "done", "new": "1 files, verdict good, SHA256SUMS 5f"}
    ]


@pytest.mark.parametrize(("grade", "priority"), [("bad", "medium"), ("doubtful", "low")])
async def test_a_verdict_that_is_not_good_rings_with_its_first_sentences(
    tmp_path: Path, grade: str, priority: str
) -> None:
    verdict = {"grade": grade, "sentences": ["too few counts", "the bed slipped", "a head was lost"]}
    _, heard = await after(says({**GOOD, "verdict": verdict}), tmp_path)

    (alarm,) = heard.rung
    assert (alarm["name"], alarm["priority"], heard.cleared) == ("verdict-run", priority, 1)
    assert alarm["text"] == f"the acquisition run is {grade}: too few counts; the bed slipped; and 1 more"
    assert "daq study show" in alarm["details"]


async def test_what_a_person_ended_by_hand_is_no_urgent_alarm(tmp_path: Path) -> None:
    verdict = {"grade": "bad", "sentences": ["not acquired: LLAT"]}
    _, heard = await after(says({**GOOD, "verdict": verdict}), tmp_path, by_hand=True)

    assert [alarm["priority"] for alarm in heard.rung] == ["low"]


def test_each_acquisition_rings_by_itself_and_of_many_the_oldest_are_counted() -> None:
    alarms = Alarms(Bus())
    service = Finishing(lambda _: (), alarms, cast("Audit", Heard()))

    def judged(number: int, grade: str = "doubtful") -> None:
        told = {**GOOD, "verdict": {"grade": grade, "sentences": [f"why {number}"]}}
        service._heard(Path(f"run-{number:02d}"), Ended(0, json.dumps(told).encode(), ""))

    judged(0, "bad")
    judged(1)
    assert {alarm.name: alarm.text for alarm in alarms.active()} == {
        "verdict-run-00": "the acquisition run-00 is bad: why 0",
        "verdict-run-01": "the acquisition run-01 is doubtful: why 1",
    }  # fmt: skip

    for number in range(2, 35):
        judged(number)
    shown = {alarm.name: alarm for alarm in alarms.active()}
    counted = shown.pop("verdict")
    assert (len(shown), min(shown), counted.priority) == (32, "verdict-run-03", "medium")
    assert counted.text.startswith("3 earlier acquisitions that nobody has looked at, the newest of them: the acqui")


async def test_what_could_not_be_made_rings_and_the_rest_counts_as_done(tmp_path: Path) -> None:
    service, heard = await after(says({**GOOD, "problems": ["01-view.dcm: no weight"]}, 6), tmp_path)

    assert (service.finished, service.failed) == (1, 0)
    (rung,) = heard.rung
    assert rung["name"] == "not-finished-run"
    assert rung["text"].startswith("pictures or verdict of the acquisition run could not be made")
    assert rung["details"].startswith("run: 01-view.dcm: no weight; daq study finish ")


@pytest.mark.parametrize(
    ("script", "why"),
    [("echo 'the disk is full' >&2; exit 3", "the disk is full"), ("exit 1", "ended with code 1"),
     ("echo '{'; exit 0", "ended with code 0"), ("echo '[1]'", "ended with code 0"),
     ("kill -9 $$", "ended with code -9")],
)  # fmt: skip
async def test_a_process_that_fails_rings_with_the_reason_and_what_to_do(tmp_path: Path, script: str, why: str) -> None:
    service, heard = await after(script, tmp_path)

    assert (service.finished, service.failed) == (0, 1)
    assert why in heard.rung[0]["details"]
    assert "daq study finish" in heard.rung[0]["details"]
    assert (heard.lines[0]["result"], why in heard.lines[0]["error"]) == ("failed", True)


async def test_one_that_takes_too_long_is_killed_and_the_next_one_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(childprocess, "_END_S", 0.2)
    service, heard = await after("trap '' TERM; sleep 60 & wait", tmp_path, times=2, within_s=0.2)

    assert service.failed == 2
    assert "not done within 0.2 s" in heard.rung[0]["details"]


async def test_a_process_that_says_without_end_is_read_and_its_answer_bounded(tmp_path: Path) -> None:
    service, _ = await after("head -c 40000000 /dev/zero; head -c 1000000 /dev/zero >&2", tmp_path)

    assert service.failed == 1


async def test_a_command_that_cannot_be_started_rings(tmp_path: Path) -> None:
    heard = Heard()
    service = Finishing(lambda _: ("/no/such/program",), cast("Alarms", heard), cast("Audit", heard))
    service.put(tmp_path)
    running = asyncio.create_task(service.run())
    async with asyncio.timeout(10):
        while not service.failed:
            await asyncio.sleep(0.01)
    running.cancel()

    assert "cannot be started" in heard.rung[0]["details"]


async def test_more_than_can_wait_is_said_at_once(tmp_path: Path) -> None:
    heard = Heard()
    service = Finishing(lambda _: ("true",), cast("Alarms", heard), cast("Audit", heard))

    for _ in range(33):
        service.put(tmp_path / "run")

    assert (service.failed, "32 others wait" in heard.rung[0]["details"]) == (1, True)


async def test_told_to_end_it_ends_the_process_under_way(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    heard = SimpleNamespace()
    service = Finishing(
        lambda _: ("/bin/sh", "-c", f"echo $$ > {pid_file}; exec sleep 60"), cast("Alarms", heard), cast("Audit", heard)
    )
    service.put(tmp_path)
    running = asyncio.create_task(service.run())
    async with asyncio.timeout(10):
        while not (pid_file.exists() and pid_file.read_text().strip()):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_told_to_end_while_it_ends_a_deaf_one_it_leaves_neither_process_nor_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(childprocess, "_END_S", 0.2)
    pid_file = tmp_path / "pid"
    service, _ = await after(f"trap '' TERM; echo $$ > {pid_file}; sleep 60 & wait", tmp_path, within_s=0.2)

    assert service.failed == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    gc.collect()


async def test_a_pipe_that_outlives_its_process_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(childprocess, "_END_S", 0.1)
    service, _ = await after("setsid sleep 3 & exit 0", tmp_path, within_s=0.3)

    assert service.failed == 1
    gc.collect()
