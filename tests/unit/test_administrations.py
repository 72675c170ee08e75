"""What is said of an administration afterwards: in all copies of the study, with a reason where it was known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support_catalogue import identity, recording

from daq.cli.administration import changes_of
from daq.composition.administrations import Administrations
from daq.errors import MissingError, RefusedError, UnreachableError, UsageError
from daq.model.administration import AdministrationRecord
from daq.model.patient import PatientIdentity
from daq.model.station import Actor, Role
from daq.model.verbs import Amend, Residual
from daq.services.acquisition.papers import Papers
from daq.services.catalogue.entry import Acquisition, Filter
from daq.storage.patientfile import Patient, read_administration, write_administration, write_patient

TECH = Actor("tech", "local", Role.TECHNOLOGIST)
NOW = datetime.now(UTC)
RECORD = AdministrationRecord.from_json({
    "key": "a-" + "b" * 26, "nuclide": "Tc-99m", "agent": "HDP", "lot": "L1", "assayed_mbq": 600.0,
    "assayed_at": (NOW - timedelta(hours=1)).isoformat(), "operator": "tech", "route": "intravenous",
    "injected_at": (NOW - timedelta(minutes=50)).isoformat(), "calibrator_offset_s": 120.0,
})  # fmt: skip


class Audit:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def note(self, _: Actor, verb: str, what: str, **told: Any) -> None:
        self.lines.append((verb, what, told))


class World:
    """Two sessions that have ended and, if wanted, one under way."""

    def __init__(self, folder: Path, *, running: bool = False) -> None:
        self.storage, self.audit = folder / "storage", Audit()
        self.places = [recording(self.storage, number) for number in (1, 2)]
        for place in self.places:
            write_administration(place, RECORD)
        self.live: dict[str, Papers] = {}
        if running:
            self.live["run-3"] = Papers(folder / "state", "run-3", folder / "run-3")
            self.live["run-3"].take(None, RECORD.to_json(), TECH)
        self.gone = False
        self.administrations = Administrations(self.storage, self.find, self.audit, lambda: self.live)  # type: ignore[arg-type]

    async def find(self, wanted: Filter) -> list[Acquisition]:
        if self.gone:
            raise UnreachableError("catalogue does not answer")
        assert wanted.administration_key == RECORD.key
        return [Acquisition(id=place.name, directory=str(place), state="sealed") for place in self.places]

    async def residual(self, activity: str, **more: Any) -> dict[str, Any]:
        return await self.administrations.amended(Residual(activity=activity, **more), TECH)


async def test_a_residual_is_noted_in_every_session_of_the_study(tmp_path: Path) -> None:
    world = World(tmp_path, running=True)
    told = await world.residual("12.5 MBq")
    assert sorted(told["acquisitions"]) == sorted([identity(1), identity(2), "run-3"])
    assert told["net_mbq"] == pytest.approx(572.5, abs=0.2)
    for place in world.places:
        assert read_administration(place).residual_mbq == 12.5
    again = Papers(tmp_path / "state", "run-3", tmp_path / "run-3")
    again.load()
    assert again.administration is not None
    assert again.administration.residual_mbq == 12.5
    ((verb, _, line),) = world.audit.lines
    assert (verb, line["new"]) == ("residual", "residual_at, residual_mbq")


async def test_a_residual_measured_now_has_the_time_of_the_calibrators_clock(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.residual("800 kBq", run=identity(1))
    left = read_administration(world.places[1])
    assert left.residual_mbq == 0.8
    assert left.residual_at is not None
    assert abs((left.residual_at - timedelta(seconds=120) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("activity", "why"),
    [("12.5", "has no unit"), ("0.4 mCi", "600 MBq"), ("590 MBq", "not less than the"), ("5 cm", "measures length")],
)
async def test_a_residual_that_cannot_be_is_refused_and_nothing_changes(
    tmp_path: Path, activity: str, why: str
) -> None:
    world = World(tmp_path)
    with pytest.raises(RefusedError, match=why):
        await world.residual(activity, run=identity(1))
    assert read_administration(world.places[0]) == RECORD
    assert world.audit.lines == []


async def test_a_time_that_has_not_come_is_refused_with_both_times(tmp_path: Path) -> None:
    world = World(tmp_path)
    soon = (datetime.now(UTC) + timedelta(minutes=3, seconds=50)).isoformat()  # its clock is 120 s ahead
    for later in (datetime.now(UTC) + timedelta(days=190), datetime.now(UTC) + timedelta(minutes=5)):
        says = rf"residual_at = {later.date()}T.*: later than now, 20.* more than the 2 min that clocks may .* 120 s"
        with pytest.raises(RefusedError, match=says):
            await world.residual("12 MBq", run=identity(1), at=later.isoformat())
    given = {"injected_at": (datetime.now(UTC) + timedelta(minutes=3)).isoformat()}
    with pytest.raises(RefusedError, match=r"injected_at = .*: later than now"):
        await world.administrations.amended(Amend(changes=given, run=identity(1), reason="x"), TECH)
    assert read_administration(world.places[0]) == RECORD

    await world.residual("12 MBq", run=identity(1), at=soon)


async def test_what_is_known_is_replaced_with_a_reason_only(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.residual("12 MBq", run=identity(1))
    with pytest.raises(RefusedError, match="residual_mbq, residual_at is known already: give a reason"):
        await world.residual("21 MBq", run=identity(2))
    await world.residual("21 MBq", run=identity(2), reason="digits swapped")
    assert read_administration(world.places[0]).residual_mbq == 21.0


async def test_without_a_run_under_way_the_acquisition_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(RefusedError, match="name the one whose record is meant"):
        await world.residual("12 MBq")
    with pytest.raises(MissingError):
        await world.residual("12 MBq", run="20260101T000000Z-ffffff")


async def test_without_the_catalogue_its_own_record_is_changed_and_that_is_said(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.gone = True
    told = await world.residual("12 MBq", run=identity(2))
    assert told["acquisitions"] == [identity(2)]
    assert "copies in other sessions" in told["not_found"]


async def test_an_extravasation_that_was_seen_is_amended_and_doubted(tmp_path: Path) -> None:
    world = World(tmp_path)
    told = await world.administrations.amended(Amend(changes={"extravasation": True}, run=identity(1)), TECH)
    assert any("overstates what went into circulation" in doubt for doubt in told["doubts"])
    with pytest.raises(RefusedError, match="unknown tallness"):
        await world.administrations.amended(Amend(changes={"tallness": 2}, run=identity(1)), TECH)


def test_changes_are_read_as_json_or_as_text() -> None:
    read = changes_of(["extravasation=true", "weight_kg=71.5", "site=left = antecubital"])
    assert read == {"extravasation": True, "weight_kg": 71.5, "site": "left = antecubital"}
    with pytest.raises(UsageError, match="FIELD=VALUE"):
        changes_of(["extravasation"])
    with pytest.raises(UsageError, match="given twice"):
        changes_of(["a=1", "a=2"])


async def test_a_patients_name_in_a_reason_does_not_reach_the_audit_log(tmp_path: Path) -> None:
    world = World(tmp_path)
    write_patient(world.places[0], Patient.new(PatientIdentity(name="Mustermann^Erika", patient_id="PID-1"), TECH))
    await world.residual("12 MBq", run=identity(1), reason="Mustermann was in a hurry")
    ((_, _, line),) = world.audit.lines
    assert line["reason"] == "[patient] was in a hurry"
