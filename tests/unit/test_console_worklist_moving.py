"""Acquisitions that are given to another patient: of each it stays known of whom it was thought to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_worklist import ANNA, World, entry

from daq.errors import RefusedError
from daq.model.patient import PatientIdentity
from daq.services.worklist.kept import RunNote
from daq.services.worklist.moving import Moving

ANNA_WITH_BEN = replace(ANNA, second="ben")
RIGHT: dict[str, Any] = {"name": "Right^Person", "patient_id": "SIM-90", "birth_date": None, "sex": "unknown"}


def person(name: str, number: str) -> PatientIdentity:
    return PatientIdentity(name=name, patient_id=number, birth_date=None, sex="unknown")


def notes(*runs: str) -> list[RunNote]:
    return [
        RunNote(run, "bone-spots", 1, last=True, at_utc="2025-03-05T09:00:00Z", by="anna", confirmed="") for run in runs
    ]


async def test_each_acquisition_of_a_study_keeps_the_patient_that_it_was_thought_to_be_of(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    whose = {"run-1": person("Wrong^Person", "SIM-1"), "run-2": person("Other^Person", "SIM-2"), "run-3": None}
    world.acquisitions.identities = {run: each for run, each in whose.items() if each is not None}

    told = await Moving(world.desk).move(notes(*whose), None, RIGHT, "Wrong was Other", ANNA_WITH_BEN)

    kept = world.desk.known[told["entry"]]
    assert {run: moved.before.reveal()["patient_id"] for run, moved in kept.moved.items()} == {
        "run-1": "SIM-1", "run-2": "SIM-2",
    }  # fmt: skip
    assert {each.reveal()["patient_id"] for each in world.acquisitions.identities.values()} == {"SIM-90"}
    assert {moved.reason for moved in kept.moved.values()} == {"[patient] was [patient]"}
    assert told["acquisitions"] == ["run-1", "run-2"]
    assert told["not_changed"] == ["run-3: nobody knows of whom it is"]


async def test_what_could_not_be_given_away_is_given_when_it_is_asked_for_again(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    world.acquisitions.identities = dict.fromkeys(("run-1", "run-2"), person("Wrong^Person", "SIM-1"))
    world.acquisitions.broken = {"run-2"}
    moving = Moving(world.desk)
    first = await moving.move(notes("run-1", "run-2"), None, RIGHT, "mixed up", ANNA_WITH_BEN)
    world.acquisitions.broken = set()

    again = await moving.move(notes("run-1", "run-2"), first["entry"], None, "mixed up", ANNA_WITH_BEN)

    assert (first["not_changed"], again["not_changed"]) == (["run-2: No space left on device"], [])
    assert again["acquisitions"] == ["run-2"]
    assert {each.reveal()["patient_id"] for each in world.acquisitions.identities.values()} == {"SIM-90"}
    with pytest.raises(RefusedError, match="that patient already"):
        await moving.move(notes("run-1", "run-2"), first["entry"], None, "mixed up", ANNA_WITH_BEN)


async def test_what_is_of_nobody_is_given_to_nobody(tmp_path: Path) -> None:
    world = World(tmp_path, entry())

    with pytest.raises(RefusedError, match="run-1 is of nobody"):
        await Moving(world.desk).move(notes("run-1"), None, RIGHT, "mixed up", ANNA_WITH_BEN)
