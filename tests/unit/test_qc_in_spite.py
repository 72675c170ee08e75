"""Use in spite of quality control: with a reason and a name, until the next result, open until it is signed off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daq.errors import AccessError, MissingError, RefusedError, ScandaqError
from daq.model.console.qc_verbs import QcAllow, QcSignOff
from daq.model.qc.figures import Level
from daq.model.station import Actor, Role
from daq.model.verbs import checked
from daq.qc.schedule import Done, Due
from daq.services.qc.spite import FILE, InSpite

NURSE, PHYSICIST = Actor("keller", "console", Role.QC), Actor("maurer", "console", Role.PHYSICIST)
WHY = "emergency: only head 1 is used"


@dataclass(slots=True)
class Station:
    """Where the flood stands, and how often screens were told to ask again."""

    state: Any = "failed"
    result: str | None = "r-1"
    changes: list[int] = field(default_factory=list)

    async def due(self, name: str) -> Sequence[Due]:
        at = datetime(2025, 1, 2, tzinfo=UTC)
        newest = None if self.result is None else Done(self.result, at, Level.SUSPENSION)
        asked = self.state != "valid"
        since = datetime(2025, 1, 3, tzinfo=UTC)
        return (Due(name, "Daily flood", self.state, newest, since, True, asked, asked, "suspension: do not use"),)


def made(tmp_path: Path, station: Station, *, alone: bool = False) -> InSpite:
    return InSpite(tmp_path, station.due, alone=alone, changed=lambda: station.changes.append(1))


def stands(result: str | None, *, test: str = "daily-flood", state: Any = "failed", since: int = 1) -> Due:
    newest = None if result is None else Done(result, datetime(2025, 1, 1, tzinfo=UTC), Level.SUSPENSION)
    return Due(test, "Daily flood", state, newest, datetime(2025, 1, since, tzinfo=UTC), True, True, True, "suspension")


def do(spite: InSpite, verb: str, actor: Actor, **args: Any) -> dict[str, Any]:
    request = {"qc-allow": QcAllow, "qc-sign-off": QcSignOff}[verb].model_validate(args)
    return asyncio.run(spite.handlers()[verb](request, actor))  # type: ignore[arg-type]


def test_what_is_allowed_holds_until_the_next_result_and_survives_a_restart(tmp_path: Path) -> None:
    station = Station()
    do(made(tmp_path, station), "qc-allow", NURSE, test="daily-flood", reason=WHY)
    after = made(tmp_path, station)
    words = after.allows(stands("r-1"))
    assert words is not None
    assert WHY in words
    assert "allowed by keller" in words
    assert after.allows(stands("r-2")) is None, "another result is another question"
    assert after.allows(stands("r-1", test="camera-background")) is None
    assert station.changes == [1]


def test_an_allowance_lapses_with_its_hours_and_stays_open_until_it_is_signed_off(tmp_path: Path) -> None:
    now = [datetime(2025, 1, 3, 6, tzinfo=UTC)]
    spite = InSpite(tmp_path, Station().due, hours=12, clock=lambda: now[0])
    first = do(spite, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    assert first["until_utc"] == "2025-01-03T18:00:00+00:00"
    with pytest.raises(RefusedError, match="allowed already, until 2025-01-03T18"):
        do(spite, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    now[0] = datetime(2025, 1, 3, 18, tzinfo=UTC)
    after = InSpite(tmp_path, Station().due, hours=12, clock=lambda: now[0])
    assert after.allows(stands("r-1")) is None
    assert [each.id for each in after.open] == [first["id"]]
    again = do(after, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    assert after.allows(stands("r-1")) is not None
    assert [each.id for each in after.open] == [again["id"], first["id"]]


def test_after_service_or_damage_what_was_allowed_before_is_another_question(tmp_path: Path) -> None:
    spite = made(tmp_path, Station("overdue"))
    do(spite, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    assert spite.allows(stands("r-1", state="overdue")) is not None
    assert spite.allows(stands("r-1", state="after-service")) is None
    station = Station("after-service")
    again = made(tmp_path, station)
    do(again, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    assert again.allows(stands("r-1", state="after-service", since=3)) is not None
    assert again.allows(stands("r-1", state="after-service", since=4)) is None, "another service"


def test_it_is_open_until_another_person_has_signed_it_off(tmp_path: Path) -> None:
    spite = made(tmp_path, Station())
    told = do(spite, "qc-allow", PHYSICIST, test="daily-flood", reason=WHY)
    with pytest.raises(RefusedError, match="maurer allowed it and cannot sign it off"):
        do(spite, "qc-sign-off", PHYSICIST, ids=[told["id"]])
    assert [each.id for each in spite.open] == [told["id"]]
    other = Actor("weber", "console", Role.PHYSICIST)
    assert do(spite, "qc-sign-off", other, ids=[told["id"]], comment="head 0 was off")["count"] == 0
    assert spite.open == ()
    assert spite.allows(stands("r-1")) is None, "signed off, it allows nothing any more"


def test_a_site_of_one_person_may_say_that_one_signs_off_ones_own(tmp_path: Path) -> None:
    spite = made(tmp_path, Station(), alone=True)
    told = do(spite, "qc-allow", PHYSICIST, test="daily-flood", reason=WHY)
    assert do(spite, "qc-sign-off", PHYSICIST, ids=[told["id"]])["signed"] == [told["id"]]


def test_what_stands_in_nobodys_way_and_what_is_allowed_already_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="stands in nobody's way"):
        do(made(tmp_path, Station("valid")), "qc-allow", NURSE, test="daily-flood", reason=WHY)
    spite = made(tmp_path, Station("never", None))
    do(spite, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    assert spite.allows(stands(None)) is not None
    with pytest.raises(RefusedError, match="allowed already"):
        do(spite, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    with pytest.raises(MissingError, match="spite-0"):
        do(spite, "qc-sign-off", PHYSICIST, ids=["spite-0"])


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\u202eb"])
def test_a_reason_is_to_be_read_by_everybody(reason: str) -> None:
    with pytest.raises(ScandaqError, match="reason"):
        checked("qc-allow", {"test": "daily-flood", "reason": reason}, NURSE)


def test_no_program_and_nobody_over_mqtt_allows_anything(tmp_path: Path) -> None:
    for origin in ("daemon", "mqtt"):
        with pytest.raises(AccessError, match="a person"):
            do(made(tmp_path, Station()), "qc-allow", Actor("x", origin, Role.QC), test="t", reason=WHY)


def test_an_acquisition_that_was_overridden_is_open_too_and_allows_nothing(tmp_path: Path) -> None:
    spite = made(tmp_path, Station())
    asyncio.run(spite.note("run-1", {"qc": "a fracture", "collimator": "sensor broken"}, ["daily-flood"], NURSE))
    asyncio.run(spite.note("run-2", {"collimator": "sensor broken"}, ["daily-flood"], NURSE))
    assert [(each.run, each.reason) for each in spite.open] == [("run-1", "a fracture")]
    assert spite.allows(stands("r-1")) is None


def test_what_rests_on_an_allowance_is_not_noted_again_and_what_does_not_is(tmp_path: Path) -> None:
    spite = made(tmp_path, Station())
    do(spite, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    words = f"{spite.allows(stands('r-1'))}; suspension: do not use"
    asyncio.run(spite.note("run-1", {"daily-flood": words}, ["daily-flood"], NURSE))
    assert [each.run for each in spite.open if each.run] == []
    asyncio.run(spite.note("run-2", {"daily-flood": "an infarction"}, ["daily-flood"], NURSE))
    assert [(each.run, each.reason) for each in spite.open if each.run] == [("run-2", "an infarction")]


def test_many_acquisitions_never_push_an_allowance_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daq.services.qc.spite._MOST", 4)
    spite = made(tmp_path, Station())
    do(spite, "qc-allow", NURSE, test="daily-flood", reason=WHY)
    for number in range(9):
        asyncio.run(spite.note(f"run-{number}", {"qc": WHY}, [], NURSE))
    assert [each.run for each in spite.open if each.run] == ["run-8", "run-7", "run-6"]
    assert spite.allows(stands("r-1")) is not None


@pytest.mark.parametrize("content", ["", "{}", '{"used": [{"id": 1}]}', '{"used": [{"nonsense": "x"}]}', "[]"])
def test_a_file_that_cannot_be_understood_is_put_aside_and_said(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    spite = made(tmp_path, Station())
    assert "cannot be read" in spite.problem
    assert (tmp_path / "qc-in-spite.damaged").read_text() == content
    assert not (tmp_path / FILE).exists()
