"""Alarms on the disk: they survive a restart, bad files and a full disk."""

from __future__ import annotations

import asyncio
import errno
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support_alarms import ANNA, Station

from daq.model.station import Alarm, payload
from daq.services.alarms import AlarmBounds, Alarms
from daq.services.bus import Bus
from daq.storage.alarmfile import dump_alarms, load_alarms
from daq.storage.files import StorageFiles

DEADLINE_S = 30.0


async def saved(station: Station) -> None:
    assert await station.alarms.save_now()


async def test_alarms_survive_a_restart_and_one_that_nobody_confirms_counts_as_gone(tmp_path: Path) -> None:
    file = tmp_path / "alarms.json"
    before = Station(file)
    before.hot("high")
    before.alarms.raise_("bed", "stop", priority="low", text="pressed", guidance="release it")
    before.alarms.acknowledge("bed", "stop", ANNA)
    await saved(before)

    after = Station(file)
    assert after.shown() == [("temperature", True, None), ("stop", True, "anna")]
    assert len(after.said) == 2
    after.later(61)

    assert after.shown() == [("temperature", False, None)]


async def test_an_acknowledgement_holds_over_a_restart_where_the_cause_is_confirmed(tmp_path: Path) -> None:
    file = tmp_path / "alarms.json"
    before = Station(file)
    since = before.hot().since_utc
    before.alarms.acknowledge("head-1", "temperature", ANNA)
    await saved(before)

    after = Station(file)
    after.hot()
    after.later(61)

    assert after.shown() == [("temperature", True, "anna")]
    assert after.alarms.active()[0].since_utc == since


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"schema": "alarms/2", "alarms": []}', b"\xff\xfe", b"[" * 100_000, b'{"schema":"alarms/1"}'],
    ids=["empty", "cut", "list", "version", "bytes", "nested", "without"],
)
def test_a_file_that_is_not_ours_is_put_aside_and_said(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "alarms.json"
    file.write_bytes(content)

    station = Station(file)

    assert station.shown() == [("file", False, None)]
    (aside,) = tmp_path.glob("alarms.json.damaged-*")
    assert aside.read_bytes() == content


@pytest.mark.parametrize(
    "entry", [5, {}, {"device": "x"}, {**payload(Alarm("a", "b", "low", "t", "g", "s")), "active": 1}]
)
def test_entries_that_are_no_alarms_are_counted(tmp_path: Path, entry: object) -> None:
    file = tmp_path / "alarms.json"
    good = payload(Alarm("a", "b", "low", "t", "g", "s"))
    file.write_text(json.dumps({"schema": "alarms/1", "alarms": [entry, good]}))

    alarms, foreign = load_alarms(file, 10)

    assert ([alarm.name for alarm in alarms], foreign) == (["b"], 1)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    alarms = [Alarm("ä", "b", "high", "t", "g", "2026-11-22T00:00:00.000Z", acknowledged_by="anna", latched=False)]
    (tmp_path / "alarms.json").write_bytes(dump_alarms(alarms))

    assert load_alarms(tmp_path / "alarms.json", 10) == (alarms, 0)


class RefusingRename(StorageFiles):
    refuses = True

    def rename_durably(self, data: bytes, path: Path) -> None:
        if self.refuses:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().rename_durably(data, path)


async def test_a_disk_that_refuses_is_an_alarm_that_ends_when_the_file_is_written(tmp_path: Path) -> None:
    files = RefusingRename()
    alarms = Alarms(Bus(), tmp_path / "alarms.json", files=files)
    alarms.raise_("x", "y", priority="high", text="t", guidance="g")

    assert not await alarms.save_now()
    names = [alarm.name for alarm in alarms.active()]
    files.refuses = False
    assert await alarms.save_now()

    assert names == ["y", "file"]
    assert [alarm.name for alarm in alarms.active()] == ["y"]
    assert alarms.save_failures == 1


async def test_the_service_keeps_the_file_and_says_what_was_deferred(tmp_path: Path) -> None:
    bus, said = Bus(), list[Any]()
    file = tmp_path / "alarms.json"
    alarms = Alarms(bus, file, bounds=AlarmBounds(quiet_s=0.05, save_s=0.02))
    with bus.listening(said.append):
        task = asyncio.create_task(alarms.run(), name="alarms")
        alarms.raise_("x", "y", priority="high", text="one", guidance="g")
        alarms.raise_("x", "y", priority="high", text="two", guidance="g")
        async with asyncio.timeout(DEADLINE_S):
            while not (file.exists() and b"two" in file.read_bytes() and said[-1].text == "two"):
                await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    assert [alarm.text for alarm in said] == ["one", "two"]


async def test_the_last_change_is_kept_when_the_service_ends(tmp_path: Path) -> None:
    file = tmp_path / "alarms.json"
    alarms = Alarms(Bus(), file, bounds=AlarmBounds(save_s=1000.0))
    alarms._next_save_s += 1000.0
    task = asyncio.create_task(alarms.run(), name="alarms")
    await asyncio.sleep(0)
    alarms.raise_("x", "y", priority="high", text="one", guidance="g")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert [alarm.name for alarm in load_alarms(file, 10)[0]] == ["y"]
