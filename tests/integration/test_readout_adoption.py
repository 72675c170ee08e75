"""Readouts outlive who started them, are found by others, and do not get into each other's way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_cli import call, daq, done, left_in, processes_with, started
from support_readout import free_port, until
from support_simulators import ROOT, simulator

from daq.errors import UnexpectedError
from daq.readout import registry
from daq.readout.parent import ReadoutProcess
from daq.readout.registry import running, stale, sweep
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode
from daq.storage.verify import verify

PROFILE = "siemens-petlink32"
PARENT = """
import os, signal, subprocess, sys, time
from daq import composition
from device_profiles.load import load_profile

url, out, stop, dies = sys.argv[1:]
plan, runtime = composition.plan_recording(
    load_profile("siemens-petlink32"), sources=[url], stop_texts=[stop], out=out,
    storage=None, store_raw=True, stall_s=20.0, simulated=True,
)
if dies == "before the start":
    subprocess.Popen = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
readout = composition.start_readout(plan, runtime)
if dies == "right after the start":
    os.kill(os.getpid(), signal.SIGKILL)
print("started", flush=True)
time.sleep(60.0)
"""
ADOPTER = """
import json, sys, time
from daq.readout.parent import ReadoutProcess
from daq.readout.registry import running

(found,) = running()
readout = ReadoutProcess.adopt(found.runtime)
while readout.status()["state"] != "recording":
    time.sleep(0.02)
readout.mark(sys.argv[1])
print(json.dumps(readout.result()))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the runtime directories of a test are; nothing is left there, and no process."""
    folder = tmp_path / "session"
    folder.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(registry, "_places", lambda: [folder / "scandaq"])
    yield folder / "scandaq"
    try:
        until(lambda: not left_in(folder), f"an empty {folder}: {left_in(folder)}")
        until(lambda: processes_with(str(tmp_path)) == [], "no process")
    finally:
        for pid in processes_with(f"daq.readout\0{folder}"):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def front_end() -> Iterator[str]:
    """The address of a front end that goes on for a minute."""
    with simulator("poisson", "--profile", PROFILE, "--rate", "20000", "--seconds", "60") as poisson:
        yield poisson.ready["udp"]


@contextmanager
def script(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def killed_parent(url: str, out: Path, *, stop: str = "time=2s", dies: str = "while it records") -> None:
    """Let a process start a readout and die by SIGKILL."""
    with script(PARENT, url, out, stop, dies) as process:
        assert process.stdout is not None
        if dies == "while it records":
            assert process.stdout.readline() == "started\n"
            until(lambda: bool(running()), "a readout")
            until((out / "raw-00000.arrows").exists, "a recording")
            process.kill()
        assert process.wait(20.0) == -signal.SIGKILL


def adopted() -> ReadoutProcess:
    (found,) = running()
    return ReadoutProcess.adopt(found.runtime)


def recording(readout: ReadoutProcess) -> dict[str, Any]:
    until(lambda: readout.status().get("counts_live", {}).get("events", 0) > 0, "events")
    return readout.status()


def marks(directory: Path, kind: str) -> list[str]:
    with open_listmode(directory) as recorded:
        rows = [row for batch in recorded.batches("marks") for row in batch.to_pylist()]
    return [row["text"] for row in rows if row["kind"] == kind]


@pytest.mark.parametrize("dies", ["right after the start", "while it records"])
def test_a_readout_whose_parent_was_killed_is_found_asked_and_heard_to_its_end(
    front_end: str, tmp_path: Path, place: Path, dies: str
) -> None:
    killed_parent(front_end, tmp_path / "run", dies=dies)

    (found,) = running()
    assert (found.directory, found.acquisition_id) == (str(tmp_path / "run"), "run")
    assert processes_with(f"daq.readout\0{place}") == [found.pid]
    readout = ReadoutProcess.adopt(found.runtime)
    assert readout.pid == found.pid
    assert recording(readout)["state"] == "recording"
    readout.mark("found again")
    result = readout.result()

    assert (result["state"], result["ended_by"], result["error"]) == ("hashed", "time", None)
    assert running() == stale() == []
    assert marks(tmp_path / "run", "operator") == ["found again"]
    assert verify(tmp_path / "run", sha256=True).verdict == "ok"
    ledger = load_manifest(tmp_path / "run").ledger
    assert ledger is not None
    assert ledger.balanced


def test_a_parent_killed_before_the_start_leaves_no_readout_and_no_riddle(
    front_end: str, tmp_path: Path, place: Path
) -> None:
    killed_parent(front_end, tmp_path / "run", dies="before the start")

    assert running() == []
    (left,) = stale()
    assert left.acquisition_id == "run"
    with pytest.raises(UnexpectedError, match="the readout was never started"):
        ReadoutProcess.adopt(left.runtime).result()
    assert sweep(0.0) == [left.runtime]


def test_two_processes_adopt_at_once_and_both_hear_the_end(front_end: str, tmp_path: Path, place: Path) -> None:
    killed_parent(front_end, tmp_path / "run", stop="time=4s", dies="right after the start")

    with script(ADOPTER, "first") as first, script(ADOPTER, "second") as second:
        results = [json.loads(adopter.communicate(timeout=60.0)[0]) for adopter in (first, second)]

    assert results[0] == results[1]
    assert (results[0]["state"], results[0]["ended_by"]) == ("hashed", "time")
    assert sorted(marks(tmp_path / "run", "operator")) == ["first", "second"]


@pytest.mark.parametrize("by", [None, "operator"])
def test_an_adopted_readout_is_stopped_in_order(front_end: str, tmp_path: Path, place: Path, by: str | None) -> None:
    killed_parent(front_end, tmp_path / "run", stop="time=60s")
    readout = adopted()

    readout.stop(by=by)

    assert readout.result()["ended_by"] == "operator"
    assert load_manifest(tmp_path / "run").state == "sealed"


def test_a_stop_comes_through_when_nobody_answers_the_control_socket(
    front_end: str, tmp_path: Path, place: Path
) -> None:
    killed_parent(front_end, tmp_path / "run", stop="time=60s")
    readout = adopted()
    assert readout.pid is not None
    os.kill(readout.pid, signal.SIGSTOP)

    readout.stop(by="operator")
    os.kill(readout.pid, signal.SIGCONT)

    assert readout.result()["ended_by"] == "operator"


def test_a_readout_killed_hard_is_told_as_gone_and_what_it_wrote_recovers(
    front_end: str, tmp_path: Path, place: Path
) -> None:
    killed_parent(front_end, tmp_path / "run", stop="time=60s")
    readout = adopted()
    recording(readout)
    until(lambda: (tmp_path / "run" / "raw-00000.arrows").stat().st_size > 8192, "rows on the disk")
    assert readout.pid is not None
    os.kill(readout.pid, signal.SIGKILL)
    until(lambda: not readout.running(), "the end")

    assert running() == []
    (left,) = stale()
    assert str(left).startswith(
        f"the readout (process {readout.pid}), which was to record run in {tmp_path}/run, is gone"
    )
    assert readout.status()["state"] == "gone"
    with pytest.raises(
        UnexpectedError, match=rf"\(process {readout.pid}\) is gone: .*daq listmode recover {tmp_path}/run"
    ):
        readout.result()
    recovered = call("listmode", "recover", tmp_path / "run", "--out", tmp_path / "recovered", "--json")
    assert recovered.code == 0, recovered.err
    assert recovered.json["rows"]["raw"] > 0

    assert (left.runtime / "readout.log").exists()
    assert sweep(3600.0) == []
    assert sweep(0.0) == [left.runtime]


def test_a_refusal_that_nobody_heard_is_kept_for_who_asks(tmp_path: Path, place: Path) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"  # nobody listens there
    killed_parent(url, tmp_path / "run", dies="right after the start")
    until(lambda: not running(), "the end of the readout")

    (left,) = stale()
    with pytest.raises(Exception, match="Connection refused") as refused:
        ReadoutProcess.adopt(left.runtime).result()

    assert getattr(refused.value, "exit_code", None) == 5


# Two at once


def test_two_readouts_on_one_port_the_second_is_refused(tmp_path: Path, place: Path) -> None:
    port = free_port()
    url = f"udp://@127.0.0.1:{port}"
    arguments = ("record", "--profile", PROFILE, "--source", url)
    with started(*arguments, "--out", tmp_path / "first", "--stall", "60", "--json") as first:
        until((tmp_path / "first" / "raw-00000.arrows").exists, "the first recording")

        second = daq(*arguments, "--out", tmp_path / "second", "--json")
        everywhere = daq(*arguments[:-1], f"udp://@:{port}", "--out", tmp_path / "second", "--json")

        assert (second.code, second.out) == (5, "")
        assert second.err == f"daq: {url}: Address already in use\n"
        assert everywhere.code == 5
        assert not (tmp_path / "second").exists()
        with simulator("poisson", "--profile", PROFILE, "--rate", "20000", "--seconds", "0.2",
                       "--to", f"127.0.0.1:{port}"):  # fmt: skip
            made = done(first)

    assert made.code == 0, made.err
    assert made.json["ledger"]["balanced"] is True
    assert made.json["ended_by"] == "end"


def test_two_readouts_of_one_front_end_are_each_served_and_get_nothing_of_the_other(
    tmp_path: Path, place: Path
) -> None:
    options = ("--profile", PROFILE, "--rate", "50000", "--seconds", "1", "--truth", tmp_path / "truth.json")
    with simulator("poisson", *options) as front_end:
        arguments = ("record", "--profile", PROFILE, "--source", front_end.ready["udp"], "--stall", "30", "--json")
        with (
            started(*arguments, "--out", tmp_path / "first") as first,
            started(*arguments, "--out", tmp_path / "second") as second,
        ):
            made = [done(first), done(second)]
        truth = json.loads((tmp_path / "truth.json").read_text())

    assert [result.code for result in made] == [0, 0], made
    assert truth["run"] == 2
    for result, name in zip(made, ("first", "second"), strict=True):
        (source,) = result.json["ledger"]["sources"]
        assert (source["sent"], source["recorded"], source["balanced"]) == (truth["words"], truth["words"], True)
        assert source["beside"]["duplicates"] == 0
        assert call("listmode", "export", tmp_path / name, "--to", "raw", "--out", tmp_path / f"{name}.l").code == 0
    assert (tmp_path / "first.l").read_bytes() == (tmp_path / "second.l").read_bytes()
