"""What is asked before preparing is answered also while lists change, files go and devices are silent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support_run import protocol, step
from support_worklist import ANNA, World, entry

from acquisition_protocols.load import available
from daq.composition.rehearsal import Rehearsal, _Look
from daq.errors import DeadlineError
from daq.model.administration import AdministrationRecord
from daq.model.verbs import Prepare, Rehearse
from daq.services.qc.standing import Stands
from daq.state.acquisition import State

RUN = {"protocol": "bone-spots", "session": 1, "last": True, "at_utc": "2025-03-05T09:00:00Z", "by": "anna",
       "confirmed": "asked"}  # fmt: skip


def look(equipment: Mapping[str, Any], around: Mapping[str, Any], **asked: Any) -> _Look:
    machine = SimpleNamespace(allows=lambda _: True, state=State.READY)
    surroundings = SimpleNamespace(**{"machine": machine, **around})
    return _Look(
        cast("Any", SimpleNamespace(**equipment)),
        cast("Any", surroundings),
        Rehearse(protocol="bone", views=[], **asked),
        ANNA,
    )


async def test_an_acquisition_that_begins_while_the_records_of_an_entry_are_read_disturbs_nobody(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    for run in ("run-1", "run-2"):
        await world.prepared(key, run)
    read: list[str] = []

    def record(run: str) -> AdministrationRecord | None:
        """Read one while another is noted, and one is dropped, as another thread may do at any moment."""
        read.append(run)
        world.store.note("run", key, "anna", run={**RUN, "run": f"late-{len(read)}"})
        world.store.note("dropped", key, "anna", run="run-1")
        return None

    world.acquisitions.record = record  # type: ignore[method-assign]

    completed = await world.following.completed(Prepare.model_validate({"protocol": "bone-spots", "entry": key}))
    assert await world.following.lacking(completed) != ""
    await world.ask("worklist-entry", entry=key)

    assert completed.patient is not None
    assert completed.patient["patient_id"] == "SIM-0001"
    assert read[:2] == ["run-2", "run-1"]
    assert "late-1" in world.desk.known[key].runs
    assert "run-1" not in world.desk.known[key].runs


async def test_entries_are_listed_counted_and_completed_while_many_are_noted(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1")
    ended = False

    def noting() -> None:
        for number in range(150):
            world.store.note("run", key, "anna", run={**RUN, "run": f"run-{number + 2}"})

    async def asking() -> int:
        asked = 0
        while not ended:
            await world.ask("worklist")
            await world.ask("worklist-entry", entry=key)
            await world.following.completed(Prepare.model_validate({"protocol": "bone-spots", "entry": key}))
            asked += 1
        return asked

    people = [asyncio.create_task(asking()) for _ in range(3)]
    await asyncio.to_thread(noting)
    ended = True

    assert all(await asyncio.gather(*people))
    assert len(world.desk.known[key].runs) == 151


def test_a_folder_that_goes_while_protocols_are_listed_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "going").mkdir()
    (tmp_path / "stays").mkdir()
    (tmp_path / "stays" / "own.toml").touch()
    really = os.scandir

    def scan(path: Any = ".") -> Any:
        if not isinstance(path, int) and Path(path).name == "going":
            Path(path).rmdir()
        return really(path)

    monkeypatch.setattr(os, "scandir", scan)

    assert available([tmp_path])["own"] == tmp_path / "stays" / "own.toml"
    assert not (tmp_path / "going").exists()


async def test_a_file_that_goes_while_it_is_read_is_told_as_what_speaks_against_it() -> None:
    def load(_: str) -> Any:
        raise FileNotFoundError(2, "No such file or directory", "bone.toml")

    async def completed(request: Prepare) -> Prepare:
        return request

    given = look({}, {"load": load, "completed": completed})
    rehearsal = Rehearsal(given._equipment, given._around)

    told = await rehearsal.rehearse(Rehearse(protocol="bone", views=[]), ANNA)

    assert told["ready"] is False
    assert [(item["name"], item["state"], item["sentence"]) for item in told["items"]] == [
        ("protocol", "refused", "bone.toml: No such file or directory")
    ]


async def test_axes_and_collimators_that_are_silent_are_told_and_the_rest_is_looked_at() -> None:
    async def silent(*_: Any) -> Any:
        raise DeadlineError("gantry: no answer within 2 s")

    site = SimpleNamespace(storage=Path("/"))
    looking = look(
        {"places": silent, "collimator": silent, "voltages": silent, "standing": None, "site": site, "scanner": None,
         "instruments": {}}, {},
    )  # fmt: skip
    one = protocol(step("a"))

    await looking._at_requirements(one)
    await looking._at_views(one)
    await looking._at_disk(one)

    assert [(item.name, item.state) for item in looking.items] == [
        ("calibrations", "refused"), ("orientation", "refused"), ("disk", "refused"),
    ]  # fmt: skip
    assert all("no answer within 2 s" in item.sentence for item in looking.items)


async def test_a_fault_of_the_program_is_not_told_as_something_to_mend_at_the_station() -> None:
    def load(_: str) -> Any:
        raise ZeroDivisionError

    async def completed(request: Prepare) -> Prepare:
        return request

    given = look({}, {"load": load, "completed": completed})
    with pytest.raises(ZeroDivisionError):
        await Rehearsal(given._equipment, given._around).rehearse(Rehearse(protocol="bone", views=[]), ANNA)


async def test_what_holds_in_spite_of_quality_control_is_a_warning_on_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    async def met(*_: object) -> dict[str, str]:
        return {}

    async def stands(_: object) -> Stands:
        return Stands(in_spite={"daily-flood": "an infarction (allowed by keller)"})

    monkeypatch.setattr("daq.composition.rehearsal.unmet", met)
    seen = look({"standing": SimpleNamespace(of_protocol=stands)}, {})
    await seen._at_requirements(protocol(step("front")))

    said = {item.name: (item.state, item.sentence) for item in seen.items}
    assert said["qc"] == ("warning", "used in spite of daily-flood: an infarction (allowed by keller)")
    assert said["high-voltage"][0] == "ok"
