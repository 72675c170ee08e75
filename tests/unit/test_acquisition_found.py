"""What a daemon that has just started finds of the run before, on disks that are whole, damaged, empty or gone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support_run import Daemon, protocol, step

from daq.composition import restart
from daq.errors import DeadlineError, ProfileError
from daq.model.protocol import ProtocolKind, Sweep
from daq.services.acquisition import found, journal
from daq.services.acquisition.found import Found, axes_moved
from daq.services.acquisition.journal import Entry
from daq.state.acquisition import IDLE, State, Trigger


@pytest.mark.parametrize(("at", "trigger"), [(0, Trigger.FOUND_NOTHING), (1, Trigger.READOUT_LOST)])
def test_a_directory_that_is_not_there_is_nothing_only_before_the_first_step(
    tmp_path: Path, at: int, trigger: Trigger
) -> None:
    entry = Entry(state=State.ACQUIRING, directory=str(tmp_path / "unmounted"), step=at)

    seen = found.look(entry, steps=2)

    assert (seen.trigger, seen.unsealed) == (trigger, at == 1)


def test_a_storage_that_cannot_be_looked_into_does_not_keep_the_daemon_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", forbidden)

    assert found.look(Entry(state=State.ACQUIRING, directory=str(tmp_path), step=1), steps=2).unsealed


def test_a_damaged_manifest_is_interrupted_and_to_be_recovered(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")

    seen = found.look(Entry(state=State.ACQUIRING, directory=str(tmp_path), step=1), steps=2)

    assert (seen.trigger, seen.unsealed) == (Trigger.FOUND_INTERRUPTED, True)


@pytest.mark.parametrize(("ended_by", "whole"), [("disk", False), ("fault", False), ("stopped by tech", True)])
def test_what_a_person_stopped_is_completed_unless_it_had_ended_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_by: str, *, whole: bool
) -> None:
    (tmp_path / "manifest.json").touch()
    manifest = SimpleNamespace(state="sealed", ended_by=ended_by, steps=[])
    monkeypatch.setattr(found, "load_manifest", lambda _: manifest)

    seen = found.look(Entry(state=State.COMPLETING, directory=str(tmp_path), step=1), steps=2)

    assert (seen.trigger is Trigger.FOUND_COMPLETED) is whole


def test_axes_may_have_moved_to_where_a_sweep_begins() -> None:
    body = protocol(step("body", ProtocolKind.WHOLE_BODY, sweep=Sweep("bed", 5.0, 100.0, 2.0, "mm")))

    assert axes_moved(Entry(state=State.PREPARING), body)
    assert not axes_moved(Entry(state=State.PREPARING), protocol(step("a")))


class Notes:
    """An audit log that nobody reads."""

    def note(self, *_: object, **__: object) -> None:
        return


async def come(folder: Path, planner: Any, station: Any = None) -> Daemon:
    """Start a daemon on the journal of one that fell while it acquired."""
    first = Daemon(folder)
    first.machine.fire(Trigger.PREPARE, run="run-1", directory="/nowhere", runtime="/nowhere", step=0, protocol="x")
    first.machine.fire(Trigger.PREPARED)
    first.machine.fire(Trigger.START, step=1)
    first.close()
    second = Daemon(folder)
    planner.machine = second.machine
    await restart.take_over(planner, station, second.machine, Notes())  # type: ignore[arg-type]
    second.close()
    return second


class Planner:
    """Finds what the test wants."""

    def __init__(self, why: Exception | None = None) -> None:
        self.why, self.machine = why, Any
        self.told: list[Found | str] = []
        self.left = 0

    async def file_left_behind(self, but: str | None) -> None:
        assert but == "run-1"

    async def found(self, _: Entry) -> Any:
        if self.why is not None:
            raise self.why
        return SimpleNamespace(identity="run-1", protocol=protocol(step("a")), leave=self._leave)

    async def cannot_follow(self, _: Entry, why: str) -> None:
        self.told.append(why)
        self.machine.fire(Trigger.READOUT_LOST, why)

    async def found_ended(self, _: Any, seen: Found) -> None:
        self.told.append(seen)
        self.machine.fire(seen.trigger, seen.detail)

    async def _leave(self) -> None:
        self.left += 1


@pytest.mark.parametrize("why", [ProfileError("the protocol in the journal: no"), KeyError("steps")])
async def test_a_journal_that_does_not_tell_enough_does_not_keep_the_daemon_from_starting(
    tmp_path: Path, why: Exception
) -> None:
    daemon = await come(tmp_path, planner := Planner(why))

    assert daemon.state is State.INTERRUPTED
    assert len(planner.told) == 1


async def test_one_that_had_ended_and_cannot_be_looked_at_does_not_either(tmp_path: Path) -> None:
    def unreadable(_: Entry) -> Any:
        raise KeyError("from_kev")

    async def nothing(*_: object) -> None:
        await asyncio.sleep(0)

    daemon, seen = Daemon(tmp_path), list[Any]()
    for trigger in (Trigger.PREPARE, Trigger.CANNOT_PREPARE):
        daemon.machine.fire(trigger, run="run-1", step=1)
    assert daemon.state in IDLE
    assert daemon.state is not State.READY
    planner: Any = SimpleNamespace(file_left_behind=nothing, say_again=nothing, ended_before=unreadable)
    await restart.take_over(planner, SimpleNamespace(look_back=seen.append), daemon.machine, Notes())  # type: ignore[arg-type]

    assert seen == [None]
    daemon.close()


async def test_a_readout_that_lives_and_cannot_be_followed_is_not_called_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(_: object) -> None:
        await asyncio.sleep(0)
        raise DeadlineError("the readout was not done within 10 s")

    monkeypatch.setattr(restart, "look", lambda *_, **__: Found(alive=True))
    planner = Planner()

    daemon = await come(tmp_path, planner, SimpleNamespace(take_over=refuses))

    assert (daemon.state, planner.left) == (State.INTERRUPTED, 3)


async def test_after_a_power_cut_in_mid_study_nothing_resumes_and_axes_are_homed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []
    boots = iter(["before", *["after"] * 9])
    monkeypatch.setattr(journal, "machine_boot", lambda: next(boots))
    monkeypatch.setattr(found, "machine_boot", lambda: "after")
    planner = Planner()

    daemon = await come(tmp_path, planner, SimpleNamespace(lose_motion=lost.append))

    assert daemon.state is State.INTERRUPTED
    assert lost == ["the station's computer was switched off or restarted during an acquisition"]
    [seen] = planner.told
    assert isinstance(seen, Found)
    assert seen.detail.startswith(
        "the station's computer was switched off or restarted, and the recording is not there"
    )


def test_a_restart_of_the_daemon_alone_is_no_power_cut() -> None:
    assert not found.power_was_cut(Entry(machine_boot=journal.machine_boot()))
    assert not found.power_was_cut(Entry(machine_boot=""))
    assert found.power_was_cut(Entry(machine_boot="another"))
