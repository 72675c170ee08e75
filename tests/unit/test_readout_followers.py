"""Who follows a readout: adopts it, hears its end, gives up on it, clears up after it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from support_readout import plan_of
from support_registry import WHO, held_runtime, only_place

from daq.errors import DeadlineError, MissingError, RefusedError, UnexpectedError
from daq.readout import parent, registry
from daq.readout.control import ControlServer
from daq.readout.parent import ReadoutProcess
from daq.readout.plan import CONTROL, LAST_STATUS, LOG, PLAN
from daq.readout.registry import FOLLOWED, LOCK, find, runtime_directory


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return only_place(tmp_path, monkeypatch)


@pytest.fixture
def held(place: Path) -> Iterator[tuple[Path, BinaryIO]]:
    with held_runtime() as held:
        yield held


def launched(tmp_path: Path, runtime: Path) -> ReadoutProcess:
    return ReadoutProcess.launch(plan_of(tmp_path, "udp://@127.0.0.1:9"), runtime)


def test_a_readout_that_cannot_be_started_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = runtime_directory()
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))

    with pytest.raises(UnexpectedError, match="cannot be started: No such file"):
        launched(tmp_path, runtime)

    assert not runtime.exists()


def test_a_directory_is_not_launched_into_twice(
    held: tuple[Path, BinaryIO], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, _ = held
    monkeypatch.setattr("daq.readout.locks._PATIENCE_S", 0.1)

    with pytest.raises(RefusedError, match="belongs to a readout that is running"):
        launched(tmp_path, runtime)

    assert not (runtime / PLAN).exists()
    assert find(runtime).alive


@pytest.mark.parametrize(
    ("status", "why", "stays"),
    [
        ('{"state": "failed", "error": "nobody there", "exit_code": 5}', "^nobody there$", False),
        ('{"state": "failed", "error": "a fault", "exit_code": 1}', "^a fault; its log is .*/readout.log$", True),
        ("", r"^the readout \(process \d+\) is gone: line 6 \| .* \| line 10; what it left is in", True),
        ("{", "is gone: line 6", True),
    ],
)
def test_an_adopted_end_is_told_by_what_was_left(
    held: tuple[Path, BinaryIO], status: str, why: str, stays: bool
) -> None:
    runtime, lock = held
    (runtime / LOG).write_text("".join(f"line {n}\n" for n in range(1, 11)))
    adopted = ReadoutProcess.adopt(runtime)
    assert adopted.running()
    assert adopted.status() == {"state": "starting"}
    with pytest.raises(DeadlineError, match=r"did not end within 0\.1 s"):
        adopted.result(deadline_s=0.1)

    (runtime / LAST_STATUS).write_text(status)
    lock.close()

    assert not adopted.running()
    assert adopted.status()["exit_code"] in (1, 5)
    for _ in range(2):  # asked again, it says the same again
        with pytest.raises(Exception, match=why):
            adopted.result()
    assert runtime.exists() == stays


def test_a_readout_that_never_answers_is_given_up_on(
    held: tuple[Path, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, _ = held
    monkeypatch.setattr(parent, "_START_S", -1.0)

    with (
        closing(ReadoutProcess.adopt(runtime)) as adopted,
        pytest.raises(DeadlineError, match=f"its log is in {runtime}"),
    ):
        adopted.status()


def test_two_followers_both_get_the_result_and_the_last_one_clears_up(held: tuple[Path, BinaryIO]) -> None:
    runtime, lock = held
    one, two = ReadoutProcess.adopt(runtime), ReadoutProcess.adopt(runtime)
    (runtime / LAST_STATUS).write_text('{"state": "hashed", "error": null, "exit_code": 0}')
    lock.close()

    assert one.result()["state"] == "hashed"
    assert runtime.exists()
    assert two.result()["state"] == "hashed"
    assert not runtime.exists()
    assert one.result() == two.result()


def test_whoever_follows_no_longer_leaves_nothing_behind_a_good_end(held: tuple[Path, BinaryIO]) -> None:
    runtime, lock = held
    early, late = ReadoutProcess.adopt(runtime), ReadoutProcess.adopt(runtime)
    early.close()
    assert runtime.exists()

    (runtime / LAST_STATUS).write_text('{"state": "hashed", "error": null, "exit_code": 0}')
    lock.close()
    late.close()

    assert not runtime.exists()


def test_stopping_one_that_is_gone_hits_no_process_that_has_its_number(held: tuple[Path, BinaryIO]) -> None:
    runtime, lock = held
    bystander = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    registry.sign(lock, pid=bystander.pid, **WHO)
    adopted = ReadoutProcess.adopt(runtime)
    lock.close()

    adopted.stop()
    adopted.stop(by="test")
    adopted.close()
    time.sleep(0.1)
    assert bystander.poll() is None

    bystander.kill()
    bystander.communicate()


def test_one_that_has_not_said_which_process_it_is_cannot_be_stopped_and_that_is_said(
    held: tuple[Path, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, lock = held
    registry.sign(lock, pid=None, **WHO)
    monkeypatch.setattr(parent, "_SIGNED_S", 0.1)

    with closing(ReadoutProcess.adopt(runtime)) as adopted, pytest.raises(DeadlineError, match="not stopped"):
        adopted.stop()


def test_every_command_goes_out_as_the_request_it_is(held: tuple[Path, BinaryIO]) -> None:
    runtime, _ = held
    heard: list[dict[str, Any]] = []

    def handle(request: dict[str, Any]) -> dict[str, Any]:
        heard.append(request)
        if request["do"] == "pause":
            raise MissingError("there is nothing to pause")
        return {"bytes": "0a0b"} if request["do"] == "exchange" else {"state": "recording"}

    with closing(ControlServer(runtime / CONTROL, handle)), closing(ReadoutProcess.adopt(runtime)) as readout:
        assert readout.start() == {"state": "recording"}
        readout.attend(2.0)
        readout.step("prompts=1000", "time=20s", name="angle 12")
        readout.step(name="sweep", moving=True, last=True)
        readout.end_step(by="the bed has arrived", completed=True)
        readout.motion_lost("the bed stands still")
        with pytest.raises(MissingError, match="nothing to pause"):
            readout.pause()
        readout.resume()
        readout.mark("patient moved")
        readout.mark("trigger", monotonic_ns=123)
        reply = readout.exchange(b"\xa0\x01", offset=1, mask=b"\xff", value=b"\x0b", deadline_s=0.5)
        with pytest.raises(RefusedError, match="no descriptor"):
            readout.snapshot()
        readout.stop(by="interlock")

    match = {"offset": 1, "mask": "ff", "value": "0b"}
    assert reply == b"\x0a\x0b"
    assert heard == [
        {"do": "start"},
        {"do": "attend", "within_s": 2.0},
        {"do": "step", "stop": ["prompts=1000", "time=20s"], "name": "angle 12", "moving": False, "last": False},
        {"do": "step", "stop": [], "name": "sweep", "moving": True, "last": True},
        {"do": "end_step", "by": "the bed has arrived", "completed": True},
        {"do": "motion_lost", "text": "the bed stands still"},
        {"do": "pause"},
        {"do": "resume"},
        {"do": "mark", "text": "patient moved", "kind": "operator"},
        {"do": "mark", "text": "trigger", "kind": "operator", "monotonic_ns": 123},
        {"do": "exchange", "bytes": "a001", "match": match, "deadline_s": 0.5},
        {"do": "snapshot"},
        {"do": "stop", "by": "interlock"},
    ]


def test_the_file_that_followers_lock_is_there_from_the_start(held: tuple[Path, BinaryIO]) -> None:
    runtime, _ = held

    assert sorted(path.name for path in runtime.iterdir()) == sorted([LOCK, FOLLOWED])


def test_who_stops_following_between_the_end_of_a_readout_and_that_of_its_process_clears_up() -> None:
    with held_runtime() as (runtime, _):
        child = subprocess.Popen(["/bin/sleep", "60"])
        try:
            follower = ReadoutProcess(runtime, registry.follow(runtime), child)
            (runtime / LAST_STATUS).write_text('{"state": "hashed", "error": null, "exit_code": 0}')
        except BaseException:
            child.kill()
            raise
    try:
        assert not registry.tidy(runtime)  # what the readout does when its lock is free: somebody follows
        assert follower.running()
        follower.close()
        assert not runtime.exists()
    finally:
        child.kill()
        child.wait(10.0)
