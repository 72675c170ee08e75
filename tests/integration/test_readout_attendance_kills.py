"""Whoever watches over a readout is killed or hangs, or the readout is killed: what becomes of the steps, by state."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support_attendance import NEVER_S, WITHIN_S, fates, watching
from support_cli import call, left_in, processes_with
from support_readout import until
from support_recording import replayed_alike
from support_simulators import simulator

from daq.errors import RefusedError, UnexpectedError
from daq.readout import registry
from daq.readout.parent import ReadoutProcess
from daq.readout.registry import running
from daq.storage.listing import load_manifest
from daq.storage.manifest import Manifest
from daq.storage.verify import verify

GRACE: dict[str, Any] = {"unattended_s": 0.8, "unattended_step_s": 1.5}
FIRST: tuple[Any, ...] = ("first", False, "time", True)
START: list[list[Any]] = [["start"], ["ended"]]
MOVING: list[list[Any]] = [*START, ["step", [], {"name": "sweep", "moving": True}]]
TIMED: list[list[Any]] = [*START, ["step", ["time=4s"], {"name": "static"}]]
LAST: list[list[Any]] = [*START, ["step", ["time=1s"], {"name": "static", "last": True}]]
OPEN: list[list[Any]] = [*START, ["step", [], {"name": "by hand"}]]

Case = tuple[list[list[Any]], str, list[tuple[Any, ...]]]
KILLED: dict[str, Case] = {
    "armed": ([], "unattended", [("first", False, "unattended", False)]),
    "moving": (MOVING, "motion lost", [FIRST, ("sweep", True, "motion lost", False)]),
    "stationary": (TIMED, "unattended", [FIRST, ("static", False, "time", True)]),
    "the last": (LAST, "time", [FIRST, ("static", False, "time", True)]),
    "without a limit": (OPEN, "unattended", [FIRST, ("by hand", False, "unattended", False)]),
    "between": (START, "unattended", [FIRST]),
    "paused": ([*TIMED, ["pause"]], "unattended", [FIRST, ("static", False, "unattended", False)]),
    "moving, paused": ([*MOVING, ["pause"]], "unattended", [FIRST, ("sweep", True, "unattended", False)]),
    "sealing": ([*TIMED, ["stop"]], "operator", [FIRST, ("static", False, "operator", False)]),
}  # fmt: skip


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
    with simulator("poisson", "--profile", "siemens-petlink32", "--rate", "20000", "--seconds", "60") as poisson:
        yield poisson.ready["udp"]


def sealed(out: Path) -> Manifest:
    """Return the manifest once the readout has ended, of a recording in which everything fits."""
    until(lambda: not running(), "the end of the readout")
    manifest = load_manifest(out)
    assert (manifest.state, verify(out).verdict) == ("sealed", "ok")
    assert manifest.ledger is not None
    assert manifest.ledger.balanced
    replayed_alike(out)
    return manifest


def forget() -> None:
    """Remove what is left of a readout whose last follower was killed after its end."""
    assert len(registry.sweep(0.0)) == 1


IN_EVERY_RUN = ("armed", "moving", "stationary", "the last")


def _states(states: Iterable[str]) -> list[Any]:
    """Return the states as parameters: four of them are tried in every run of the tests, all by `make soak`."""
    return [state if state in IN_EVERY_RUN else pytest.param(state, marks=pytest.mark.soak) for state in states]


@pytest.mark.parametrize("state", _states(KILLED))
def test_whoever_watches_is_killed(front_end: str, tmp_path: Path, place: Path, state: str) -> None:
    does, ended_by, steps = KILLED[state]
    with watching(front_end, tmp_path / "run", does, step_name="first", **GRACE) as daemon:
        daemon.kill()
        daemon.wait()
        manifest = sealed(tmp_path / "run")

    assert (manifest.ended_by, fates(manifest.steps)) == (ended_by, steps)


def test_a_readout_that_nobody_ever_speaks_to_ends_by_itself(front_end: str, tmp_path: Path, place: Path) -> None:
    """Who started it died before the first word: the plan is the word."""
    with watching(front_end, tmp_path / "run", [], attend_s=0.1, unattended_s=0.2) as daemon:
        daemon.kill()
        manifest = sealed(tmp_path / "run")

    assert manifest.ended_by == "unattended"


def test_whoever_watches_hangs_during_a_sweep_and_finds_it_interrupted(
    front_end: str, tmp_path: Path, place: Path
) -> None:
    with watching(front_end, tmp_path / "run", MOVING, step_name="first") as daemon:
        daemon.send_signal(signal.SIGSTOP)
        time.sleep(WITHIN_S + 0.3)
        daemon.send_signal(signal.SIGCONT)  # soon enough to be heard before the seal, too late for the sweep
        manifest = sealed(tmp_path / "run")

    forget()
    assert manifest.ended_by == "motion lost"
    assert fates(manifest.steps) == [FIRST, ("sweep", True, "motion lost", False)]


@pytest.mark.parametrize("does", [TIMED, START], ids=["stationary", "between"])
def test_whoever_watches_hangs_while_nothing_moves_and_goes_on(
    front_end: str, tmp_path: Path, place: Path, does: list[list[Any]]
) -> None:
    with watching(front_end, tmp_path / "run", does, step_name="first", unattended_s=20.0) as daemon:
        (found,) = running()
        readout = ReadoutProcess.adopt(found.runtime)
        daemon.send_signal(signal.SIGSTOP)
        until(lambda: readout.status()["attended"] is False, "that nobody watches")
        daemon.send_signal(signal.SIGCONT)
        until(lambda: readout.status()["attended"] is True, "that somebody watches")
        until(lambda: readout.status()["step_ended_by"] == "time", "the end of the step")
        readout.step("time=200ms", name="next", last=True)
        assert readout.result()["ended_by"] == "time"
        manifest = sealed(tmp_path / "run")

    forget()
    assert fates(manifest.steps)[-1] == ("next", False, "time", True)
    assert all(step.completed for step in manifest.steps or ())


def test_a_daemon_that_returns_within_the_grace_goes_on(front_end: str, tmp_path: Path, place: Path) -> None:
    with watching(front_end, tmp_path / "run", TIMED, step_name="first", unattended_s=20.0) as daemon:
        daemon.kill()
        daemon.wait()
    (found,) = running()
    readout = ReadoutProcess.adopt(found.runtime)
    until(lambda: readout.status()["step_ended_by"] == "time", "the end of the step")
    assert readout.status()["attended"] is False
    with pytest.raises(RefusedError, match="nobody watches over it"):
        readout.step(name="sweep", moving=True)

    told = readout.attend(30.0)
    readout.step(name="sweep", moving=True)
    readout.end_step(by="the bed has arrived", completed=True)
    readout.stop(by="operator")
    readout.result()

    assert (told["attended"], told["step"], told["step_ended_by"], told["state"]) == (True, 2, "time", "recording")
    assert fates(sealed(tmp_path / "run").steps) == [
        FIRST, ("static", False, "time", True), ("sweep", True, "the bed has arrived", True),
    ]  # fmt: skip


def test_a_readout_that_was_stopped_itself_does_not_blame_whoever_watches(
    front_end: str, tmp_path: Path, place: Path
) -> None:
    with watching(front_end, tmp_path / "run", MOVING, step_name="first"):
        (found,) = running()
        assert found.pid is not None
        os.kill(found.pid, signal.SIGSTOP)
        time.sleep(1.5 * WITHIN_S)
        os.kill(found.pid, signal.SIGCONT)
        readout = ReadoutProcess.adopt(found.runtime)
        time.sleep(1.5 * WITHIN_S)
        status = readout.status()
        readout.stop(by="operator")
        readout.result()

    forget()
    assert (status["attended"], status["step_ended_by"]) == (True, None)
    assert fates(sealed(tmp_path / "run").steps) == [FIRST, ("sweep", True, "operator", True)]


LEFT: dict[str, list[tuple[Any, ...]]] = {
    "moving": [FIRST, ("sweep", True, None, False)],
    "stationary": [FIRST, ("static", False, None, False)],
    "without a limit": [FIRST, ("by hand", False, None, False)],
    "between": [FIRST],
    "paused": [FIRST, ("static", False, None, False)],
}


@pytest.mark.parametrize("state", _states(LEFT))
def test_the_readout_is_killed_and_what_is_recovered_tells_the_steps(
    front_end: str, tmp_path: Path, place: Path, state: str
) -> None:
    out = tmp_path / "run"
    with watching(front_end, out, KILLED[state][0], step_name="first", within_s=NEVER_S):
        (found,) = running()
        readout = ReadoutProcess.adopt(found.runtime)
        recorded = readout.status()["words_recorded"]
        until(lambda: readout.status()["words_recorded"] > recorded + 20_000, "a second more on the disk")
        live = readout.status()["steps"]
        assert found.pid is not None
        os.kill(found.pid, signal.SIGKILL)
        until(lambda: not running(), "the end of the readout")
    with pytest.raises(UnexpectedError, match="daq listmode recover"):
        readout.result()

    open_ = call("listmode", "info", out, "--json").json
    recovered = call("listmode", "recover", out, "--out", tmp_path / "recovered", "--json")

    assert recovered.code == 0, recovered.err
    manifest = load_manifest(tmp_path / "recovered")
    assert (manifest.state, manifest.ended_by, fates(manifest.steps)) == ("recovered", None, LEFT[state])
    assert open_["steps"] == recovered.json["steps"] == live
    assert registry.sweep(0.0) == [found.runtime]


def test_the_readout_is_killed_while_armed_and_has_left_nothing(front_end: str, tmp_path: Path, place: Path) -> None:
    with watching(front_end, tmp_path / "run", []):
        (found,) = running()
        assert found.pid is not None
        os.kill(found.pid, signal.SIGKILL)
        until(lambda: not running(), "the end of the readout")

    assert not (tmp_path / "run").exists()
    assert registry.sweep(0.0) == [found.runtime]


def test_the_readout_is_killed_between_the_mark_of_lost_motion_and_the_seal(
    front_end: str, tmp_path: Path, place: Path
) -> None:
    out = tmp_path / "run"
    with watching(front_end, out, MOVING, step_name="first") as daemon:
        (found,) = running()
        readout = ReadoutProcess.adopt(found.runtime)
        daemon.kill()
        until(lambda: readout.status()["step_ended_by"] == "motion lost", "lost motion")
        time.sleep(0.6)  # a sync or two
        assert found.pid is not None
        os.kill(found.pid, signal.SIGKILL)
        until(lambda: not running(), "the end of the readout")
    readout.close()

    recovered = call("listmode", "recover", out, "--out", tmp_path / "recovered", "--json")

    assert recovered.code == 0, recovered.err
    assert [step["ended_by"] for step in json.loads(recovered.out)["steps"]] == ["time", "motion lost"]
    assert registry.sweep(0.0) == [found.runtime]
