"""Where an exam stands: what is acquired, what is left of it, and what may be added to it later."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support_worklist import ANNA, NOW, World, entry

from daq.errors import MissingError
from daq.model.patient import PatientIdentity
from daq.model.verbs import Prepare
from daq.services.worklist.store import Store
from daq.state.acquisition import State

WALK_IN = {"name": "Secret^Person", "patient_id": "SIM-77", "birth_date": "1970-01-31", "sex": "male"}
OTHER = {"name": "Other^Person", "patient_id": "SIM-78", "birth_date": None, "sex": "unknown"}


async def test_the_status_follows_the_acquisition(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()

    async def status() -> tuple[str, str]:
        row = (await world.ask("worklist"))["rows"][0]
        return row["status"], row["why"]

    assert await status() == ("scheduled", "")
    await world.prepared(key, "run-1", session=1, last=2)
    assert await status() == ("in preparation", "")
    await world.becomes(State.ACQUIRING)
    assert await status() == ("acquiring", "")
    await world.becomes(State.ABORTED)
    assert await status() == ("scheduled", "the last acquisition: aborted")
    await world.prepared(key, "run-2", session=1, last=2)
    await world.becomes(State.COMPLETED)
    assert await status() == ("scheduled", "session 1 is done")
    await world.prepared(key, "run-3", session=2, last=2)
    await world.becomes(State.COMPLETED)
    assert await status() == ("done", "")


async def test_a_run_is_not_taken_for_ended_before_the_station_speaks_of_it(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    request: Any = SimpleNamespace(entry=key, session=1, identity_confirmed="asked")
    await world.following.begun(request, "run-1", SimpleNamespace(id="x"), 1, ANNA)  # type: ignore[arg-type]
    await world.following._look()

    assert world.desk.known[key].status == "in preparation"
    await world.following.dropped(request, "run-1")
    assert world.desk.known[key].status == "scheduled"


async def test_what_is_acquired_again_belongs_to_the_same_study(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1")

    asked = await world.following.completed(Prepare.model_validate({"protocol": "x", "entry": key}))

    assert asked.study == "run-1"
    assert asked.patient is not None
    assert asked.patient["name"] == "SIM^Ada"


@pytest.mark.parametrize("link", ["repeats", "continues", "study"])
async def test_repeated_and_further_views_get_the_identity_that_an_emergency_is_reconciled_to(
    tmp_path: Path, link: str
) -> None:
    world = World(tmp_path, entry())
    real = await world.first()
    key = (await world.ask("worklist-emergency"))["entry"]
    await world.prepared(key, "run-1")
    await world.becomes(State.COMPLETED)
    again = Prepare.model_validate({"protocol": "x", link: "run-1"})
    world.acquisitions.identities["run-2"] = world.acquisitions.identities["run-1"]
    await world.following.begun(again, "run-2", SimpleNamespace(id="x"), 1, ANNA)  # type: ignore[arg-type]

    await world.ask("worklist-reconcile", entry=key, other=real)

    assert world.acquisitions.identities["run-2"].reveal()["patient_id"] == "SIM-0001"
    await world.following.dropped(again, "run-2")
    assert list(world.desk.known[real].runs) == ["run-1"]


PARTS = {"thorax": ["thorax"], "head": ["head"], "tomography": ["stop 1/2", "stop 2/2"]}


async def test_an_exam_of_which_one_view_is_there_has_ended_early_and_says_what_is_left(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()

    async def row() -> tuple[Any, ...]:
        told = (await world.ask("worklist"))["rows"][0]
        progress = told["progress"]
        return told["status"], progress and progress["words"], progress and progress["left"]

    await world.prepared(key, "run-1", parts=PARTS)
    assert await row() == ("in preparation", "0 of 3 views", ["thorax", "head", "stop 1/2", "stop 2/2"])
    await world.becomes(State.ACQUIRING)
    world.acquisitions.done["run-1"] = ["thorax", "stop 1/2"]
    await world.becomes(State.WAITING)
    assert await row() == ("acquiring", "1 of 3 views", ["head", "stop 1/2", "stop 2/2"])
    await world.becomes(State.COMPLETED)
    assert await row() == ("ended early", "1 of 3 views", ["head", "stop 1/2", "stop 2/2"])

    await world.prepared(key, "run-given-up", parts=PARTS)
    await world.becomes(State.ABORTED)
    assert await row() == ("ended early", "1 of 3 views", ["head", "stop 1/2", "stop 2/2"])
    await world.prepared(key, "run-2", parts=PARTS)
    await world.becomes(State.ACQUIRING)
    world.acquisitions.done["run-2"] = ["head", "stop 1/2", "stop 2/2"]
    await world.becomes(State.COMPLETED)
    assert await row() == ("done", "3 of 3 views", [])
    again = Store(world.folder / "state")
    again.open(NOW)
    assert (again.known[key].status, again.known[key].progress) == ("done", world.desk.known[key].progress)


async def test_a_view_that_a_person_finds_good_after_the_end_is_there_and_stays(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1", parts={"thorax": ["thorax"]})
    await world.becomes(State.ACQUIRING)
    await world.becomes(State.ABORTED)
    assert world.desk.known[key].status == "ended early"
    world.acquisitions.done["run-1"] = ["thorax"]
    await world.becomes(State.ABORTED)
    assert world.desk.known[key].status == "done"
    world.acquisitions.done["run-1"] = []  # a daemon that has just been started knows the recording alone
    await world.becomes(State.ABORTED)
    assert world.desk.known[key].status == "done"


async def test_an_acquisition_that_is_given_away_while_its_views_are_looked_at_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1", parts={"thorax": ["thorax"]})
    kept = world.desk.known[key]

    def given_away(_: str) -> list[str]:
        kept.runs = {}
        return ["thorax"]

    world.acquisitions.steps_done = given_away  # type: ignore[method-assign]
    await world.becomes(State.COMPLETED)
    again = Store(world.folder / "state")
    again.open(NOW)
    assert again.damaged == 0


@pytest.mark.parametrize(("acquired", "status"), [(False, "scheduled"), (True, "ended early")])
async def test_an_exam_is_scheduled_still_where_no_view_of_it_has_begun(
    tmp_path: Path, acquired: bool, status: str
) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1", parts=PARTS)
    if acquired:
        await world.becomes(State.ACQUIRING)
    await world.becomes(State.ABORTED)

    told = (await world.ask("worklist"))["rows"][0]
    assert (told["status"], told["why"]) == (status, "the last acquisition: aborted")


async def test_a_late_view_is_added_to_the_entry_of_the_exam(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1", parts=PARTS)
    await world.becomes(State.COMPLETED)

    assert await world.ask("worklist-late", run="run-1") == {"entry": key}
    request = Prepare.model_validate({"protocol": "bone-spots", "entry": key, "views": ["head"]})
    assert (await world.following.completed(request)).study == "run-1"


async def test_a_late_view_of_an_exam_that_no_entry_knows_any_more_gets_one_for_its_patient(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(MissingError, match="there is no acquisition 'old'"):
        await world.ask("worklist-late", run="old")
    world.acquisitions.identities["old"] = PatientIdentity(name="SIM^Old", patient_id="SIM-99")

    twice = await asyncio.gather(*(world.ask("worklist-late", run="old") for _ in range(2)))
    key = str(twice[0]["entry"])

    assert twice[0] == twice[1]
    told = await world.ask("worklist-entry", entry=key)
    assert (told["name"], told["status"], told["reason"]) == ("SIM^Old", "scheduled", "late view of an earlier exam")
    assert (
        await world.following.completed(Prepare.model_validate({"protocol": "bone-spots", "entry": key}))
    ).study == "old"
    assert await world.ask("worklist-late", run="old") == {"entry": key}
