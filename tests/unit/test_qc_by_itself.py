"""A test is done by itself at its hour where a person left source and heads in place, and nothing stands against it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support_qc_desk import TESTS, qc_test

from acquisition_protocols.load import load_protocol
from daq.errors import RefusedError
from daq.model.axissample import AxisSample
from daq.model.protocol import AcquisitionProtocol
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.auto import AutoQc, Leavings, Left, Room, due_day, moving, not_there
from daq.services.qc.ringing import Ringing

FLOOD = load_protocol("daily-flood").protocol
ZURICH = ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    ("at", "now_utc", "day"),
    [
        ("05:30", "2025-01-10T04:30:00", "2025-01-10"), ("05:30", "2025-01-10T04:29:59", None),
        ("05:30", "2025-01-10T04:59:59", "2025-01-10"), ("05:30", "2025-01-10T05:00:00", None),
        ("23:50", "2025-01-10T23:05:00", "2025-01-10"), ("00:10", "2025-01-10T23:15:00", "2025-01-11"),
        ("02:30", "2025-03-30T01:30:00", "2025-03-30"), ("02:30", "2025-03-30T00:59:00", None),
        ("02:30", "2025-10-26T00:30:00", "2025-10-26"), ("02:30", "2025-10-26T01:30:00", None),
    ],
)  # fmt: skip
def test_the_hour_comes_once_a_day_also_when_clocks_change(at: str, now_utc: str, day: str | None) -> None:
    found = due_day(at, datetime.fromisoformat(now_utc).replace(tzinfo=UTC), ZURICH)
    assert (None if found is None else found.isoformat()) == day


class Night:
    """A station at night: what a person left, what stands against it, and what was done by itself."""

    def __init__(self, folder: Path, *, left: bool = True) -> None:
        self.acquired: list[tuple[str, str | None]] = []
        self.against: str | None = None
        self.places: dict[str, float] = {"gantry": 0.0, "bed": 10.0}
        self.protocol = FLOOD
        self.refusal = ""
        self.now = datetime(2025, 1, 10, 5, 30, tzinfo=UTC)
        self.alarms, self.leavings = Alarms(Bus()), Leavings()
        self.folder = folder
        if left:
            self.leavings.put(Left("daily-flood", "S-1", "anna", "2025-01-09T18:00:00Z", dict(self.places)))
        self.auto = self.made()

    def made(self) -> AutoQc:
        async def protocol_of(_: str) -> AcquisitionProtocol:
            return self.protocol

        async def places() -> dict[str, float]:
            return self.places

        async def acquire(test: str, source: str | None) -> None:
            if self.refusal:
                raise RefusedError(self.refusal)
            self.acquired.append((test, source))

        tests = {"daily-flood": qc_test(protocol="daily-flood", auto_at="05:30"), "other": TESTS["on-demand"]}
        room = Room(protocol_of, lambda: self.against, places, acquire)
        return AutoQc(
            tests, self.leavings, room, Ringing(self.alarms), self.folder / "auto.json", zone=UTC,
            clock=lambda: self.now,
        )  # fmt: skip

    @property
    def said(self) -> str:
        return " ".join(alarm.text for alarm in self.alarms.active())


async def test_what_was_left_in_place_is_done_once_at_its_hour_whatever_is_restarted(tmp_path: Path) -> None:
    night = Night(tmp_path)
    await night.auto.look()
    await night.auto.look()
    night.auto = night.made()
    await night.auto.look()
    night.now += timedelta(minutes=29)
    await night.auto.look()

    assert (night.acquired, night.said) == ([("daily-flood", "S-1")], "")

    night.now += timedelta(days=1, minutes=-29)
    await night.auto.look()
    assert len(night.acquired) == 2


def _axis_moved(night: Night) -> None:
    night.leavings.heard(AxisSample("gantry", 0, 90.0, True))


def _places(**changed: float) -> Any:
    def change(night: Night) -> None:
        night.places = {**night.places, **changed}

    return change


def _set(name: str, value: Any) -> Any:
    return lambda night: setattr(night, name, value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_axis_moved, "gantry was moved since"), (_places(bed=12.0), "bed does not stand where it was left"),
        (_set("places", {"bed": 10.0}), "gantry does not say where it stands"),
        (_set("against", "the bed is occupied since a patient was prepared"), "a patient was prepared"),
        (_set("against", "cover was read 9 s ago, at most 1.25 s is fresh"), "9 s ago"),
        (_set("protocol", load_protocol("centre-of-rotation").protocol), "moves gantry, and nothing moves by itself"),
        (_set("protocol", load_protocol("pet-daily").protocol), "waits for a person between its steps"),
        (_set("refusal", "no background before the source"), "no background"),
        (lambda night: night.leavings.disturbed("something was acquired since"), "something was acquired since"),
    ],
)  # fmt: skip
async def test_what_stands_against_it_is_an_alarm_and_nothing_is_acquired(
    tmp_path: Path, change: Any, why: str
) -> None:
    night = Night(tmp_path)
    change(night)

    await night.auto.look()

    assert night.acquired == []
    assert why in night.said
    assert [alarm.priority for alarm in night.alarms.active()] == ["low"]


async def test_without_a_word_of_a_person_nothing_is_done_by_itself(tmp_path: Path) -> None:
    night = Night(tmp_path, left=False)
    await night.auto.look()
    assert (night.acquired, "nobody has said" in night.said) == ([], True)


async def test_where_nothing_can_be_remembered_nothing_is_done(tmp_path: Path) -> None:
    night = Night(tmp_path)
    (tmp_path / "auto.json.tmp").mkdir()
    (tmp_path / "auto.json").mkdir()
    await night.auto.look()
    assert (night.acquired, "could be done twice" in night.said) == ([], True)


def test_a_protocol_that_stands_still_may_be_done_by_itself_and_axes_may_tremble() -> None:
    assert moving(FLOOD) is None
    assert not_there({"gantry": 0.0}, {"gantry": 0.2, "bed": 3.0}) is None


def test_screens_hear_what_is_left_in_place_and_that_it_is_not_any_more() -> None:
    heard: list[list[str]] = []
    leavings = Leavings(lambda: heard.append([each["test"] for each in leavings.figures()]))
    leavings.disturbed("nothing was left")
    leavings.put(Left("daily-flood", "S-1", "anna", "2025-01-09T18:00:00Z", {}))
    leavings.disturbed("gantry was moved")
    leavings.disturbed("gantry was moved")
    assert heard == [["daily-flood"], []]
