"""What the console knows of the room: what happened to alarms, and that a patient lies on the bed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from daq.errors import RefusedError
from daq.model.console.room_verbs import AlarmHistory
from daq.model.qc.verbs import BedEmpty
from daq.model.station import Actor, Alarm, Priority, Reading, Role
from daq.services import alarmhistory
from daq.services.alarmhistory import MOST, AlarmLog
from daq.services.alarms import Alarms
from daq.services.bedwatch import BedWatch
from daq.services.bus import Bus
from daq.services.qc.auto import Leavings
from daq.services.qc.bed import Bed
from daq.services.qc.desk import Desk, Surroundings
from daq.state.acquisition import State
from daq.storage.happenings import MOST_BYTES, append_happenings, load_happenings

ANNA = Actor("anna", "console", Role.TECHNOLOGIST)
AT = "2031-01-01T00:00:00.000Z"


def line(number: int, **changed: Any) -> dict[str, Any]:
    return {"number": number, "at_utc": AT, "device": "bed", "name": "limit", "priority": "low", "text": "t",
            "guidance": "g", "what": "came", "by": "", **changed}  # fmt: skip


class History:
    def __init__(self, folder: Path) -> None:
        self.bus = Bus()
        self.alarms = Alarms(self.bus)
        self.log = AlarmLog(self.bus, folder / "happened.jsonl", dropped=lambda: self.alarms.dropped)

    def ring(self, name: str, priority: Priority = "medium") -> None:
        self.alarms.raise_("bed", name, priority=priority, text=f"{name} is wrong", guidance="look")

    def told(self, **asked: Any) -> list[tuple[str, str, str]]:
        return [(each["name"], each["what"], each["by"]) for each in self.page(**asked)["happened"]]

    def page(self, **asked: Any) -> dict[str, Any]:
        return self.log.page(AlarmHistory(**asked))


async def test_what_happens_to_an_alarm_is_told_the_newest_first(tmp_path: Path) -> None:
    room = History(tmp_path)
    with room.bus.listening(room.log.hear):
        room.ring("limit")
        room.ring("limit", "high")
        room.alarms.acknowledge("bed", "limit", ANNA)
        room.alarms.clear("bed", "limit")
        room.alarms._bounds = room.alarms._bounds.__class__(quiet_s=0.0)
        room.alarms.flush()

    assert room.told() == [
        ("limit", "over", ""), ("limit", "acknowledged", "anna"), ("limit", "worse", ""), ("limit", "came", ""),
    ]  # fmt: skip


async def test_a_page_of_the_history_ends_where_the_next_begins(tmp_path: Path) -> None:
    room = History(tmp_path)
    with room.bus.listening(room.log.hear):
        for number in range(5):
            room.ring(f"a{number}", "low" if number % 2 else "high")

    first = room.page(limit=3)
    assert [each["name"] for each in first["happened"]] == ["a4", "a3", "a2"]
    second = room.page(limit=3, before=first["before"])
    assert ([each["name"] for each in second["happened"]], second["before"]) == (["a1", "a0"], None)
    assert [name for name, _, _ in room.told(priority="low")] == ["a3", "a1"]


async def test_a_thousand_alarms_in_a_second_are_kept_or_counted(tmp_path: Path) -> None:
    room = History(tmp_path)
    with room.bus.listening(room.log.hear):
        for number in range(1000):
            room.ring(f"a{number}")

    page = room.page(limit=1)
    assert page["dropped"] == 500
    assert page["kept"] == len(room.alarms.active()) == 500


async def test_the_history_is_bounded_and_outlives_the_daemon(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(alarmhistory, "_WRITE_S", 0.01)
    first = History(tmp_path)
    running = asyncio.create_task(first.log.run())
    await asyncio.sleep(0)
    first.ring("limit")
    async with asyncio.timeout(5):
        while first.log._waiting or not first.log._kept:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})

    second = History(tmp_path)
    second.ring("pad")
    running = asyncio.create_task(second.log.run())
    async with asyncio.timeout(5):
        while len(second.told()) < 2:
            await asyncio.sleep(0.01)
    assert [(each["name"], each["number"]) for each in second.page()["happened"]] == [("pad", 2), ("limit", 1)]
    running.cancel()
    await asyncio.wait({running})
    assert second.log._kept.maxlen == MOST


async def test_a_disk_that_refuses_the_history_loses_nothing_that_is_in_memory(tmp_path: Path) -> None:
    room = History(tmp_path)
    (tmp_path / "happened.jsonl").mkdir()
    with room.bus.listening(room.log.hear):
        room.ring("limit")

    assert await room.log._write() is False
    assert room.told() == [("limit", "came", "")]
    assert len(room.log._waiting) == 1


def test_torn_and_foreign_lines_of_the_history_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "happened.jsonl"
    append_happenings(path, [line(1)])
    with path.open("ab") as file:
        file.write(b'{"number": 2, "at_')
    append_happenings(path, [line(3), line(4, by=7)])

    lines, foreign = load_happenings(path, 10)

    assert ([each["number"] for each in lines], foreign) == ([1, 3], 2)


def test_a_full_history_is_put_aside_and_still_read(tmp_path: Path) -> None:
    path = tmp_path / "happened.jsonl"
    append_happenings(path, [line(1, text="x" * MOST_BYTES)])
    append_happenings(path, [line(2)])

    assert path.with_name("happened.jsonl.1").exists()
    assert json.loads(path.read_bytes())["number"] == 2
    assert [each["number"] for each in load_happenings(path, 10)[0]] == [1, 2]


class Watched:
    def __init__(self, idle_s: float = 1200.0) -> None:
        self.bus, self.bed, self.state, self.now_s = Bus(), Bed(), State.READY, 0.0
        self.alarms = Alarms(self.bus)
        self.watch = BedWatch(
            self.bed, lambda: self.state, self.bus, self.alarms, idle_s=idle_s, clock=lambda: self.now_s
        )
        self.bed.listeners.append(lambda _: self.watch.look())

    def after(self, seconds: float) -> list[Alarm]:
        self.now_s += seconds
        self.watch.look()
        return self.alarms.active()

    def said(self) -> list[Any]:
        return [each.value for each in self.bus.newest() if isinstance(each, Reading) and each.name == "on_bed"]


def test_a_patient_is_on_the_bed_from_when_one_is_prepared_until_a_person_says_otherwise() -> None:
    room = Watched()
    room.watch.look()
    assert room.said() == [False]

    room.bed.patient_lies_down()
    assert (room.bed.occupied, room.bed.figures()["patient"], room.said()) == (True, True, [True])

    room.bed.state_empty(ANNA)
    assert (room.bed.occupied, room.bed.patient, room.said()) == (False, False, [False])


def test_somebody_is_called_where_a_patient_lies_on_the_bed_and_nothing_is_acquired() -> None:
    room = Watched()
    room.bed.patient_lies_down()
    assert room.after(1199.0) == []

    (alarm,) = room.after(2.0)
    assert (alarm.priority, alarm.text) == (
        "medium", "a patient is on the bed, and nothing has been acquired for 20 minutes",
    )  # fmt: skip

    room.bed.state_empty(ANNA)
    assert not room.alarms.active()[0].active


@pytest.mark.parametrize("state", [State.ACQUIRING, State.POSITIONING])
def test_time_in_which_something_is_acquired_is_not_idle(state: State) -> None:
    room = Watched(idle_s=60.0)
    room.bed.patient_lies_down()
    room.after(59.0)
    room.state = state
    assert room.after(1000.0) == []
    room.state = State.COMPLETED
    assert room.after(1.0) == []
    assert room.after(59.0) == []
    assert len(room.after(1.0)) == 1


def test_a_bed_without_a_patient_calls_nobody_however_long_nobody_says_that_it_is_empty() -> None:
    room = Watched(idle_s=60.0)

    assert room.bed.occupied
    assert room.after(1e6) == []


def test_a_daemon_that_comes_back_still_knows_that_a_patient_lies_there() -> None:
    bed = Bed(patient=True)

    assert bed.figures()["why"] == "a patient was prepared, before the daemon was started"
    assert bed.patient


async def test_a_patient_does_not_leave_the_bed_while_the_acquisition_is_under_way() -> None:
    room, never, state = Watched(), cast("Any", None), ["acquiring"]
    around = Surroundings(
        room.bus, room.alarms, lambda: True, never, never, lambda *_: None, under_way=lambda: bool(state)
    )
    desk = Desk(never, never, room.bed, never, Leavings(), around)
    room.bed.patient_lies_down()

    with pytest.raises(RefusedError, match="stop it before the patient leaves"):
        await desk._bed_empty(BedEmpty(), ANNA)
    assert room.bed.patient

    state.clear()
    assert (await desk._bed_empty(BedEmpty(), ANNA))["bed"]["patient"] is False
