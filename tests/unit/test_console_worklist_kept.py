"""What the worklist keeps on disk, whatever happens to the disk and the daemon; and to whom it shows who comes."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support_worklist import NOW, World, entry

from daq.errors import AccessError, MissingError, StorageFailedError
from daq.model.console.worklist_verbs import WORKLIST_PRIVATE
from daq.model.station import Actor, Role
from daq.model.verbs import checked
from daq.services.hiding import hiding
from daq.services.worklist.store import FILE, Store

WALK_IN = {"name": "Secret^Person", "patient_id": "SIM-77", "birth_date": "1970-01-31", "sex": "male"}
OTHER = {"name": "Other^Person", "patient_id": "SIM-78", "birth_date": None, "sex": "unknown"}


async def add(world: World, **changes: Any) -> str:
    told = await world.ask("worklist-add", patient=WALK_IN, procedure="Bone scintigraphy", reason="walk-in", **changes)
    return str(told["entry"])


async def test_everything_outlives_a_crash_and_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await add(world)
    await world.prepared(key, "run-1")
    await world.ask("worklist-correct", entry=key, patient=OTHER, reason="wrong")
    file = tmp_path / "state" / "worklist" / FILE
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"what": "discontinued", "entry": "' + key.encode())

    again = Store(tmp_path / "state")
    again.open(NOW)

    assert file.read_bytes() == whole
    kept = again.known[key]
    assert (kept.status, kept.to_countersign, list(kept.runs)) == ("in preparation", True, ["run-1"])
    assert kept.now.identity.reveal()["name"] == "Other^Person"


async def test_a_damaged_line_is_passed_over_and_counted(tmp_path: Path) -> None:
    world = World(tmp_path)
    await add(world)
    file = tmp_path / "state" / "worklist" / FILE
    file.write_bytes(b'{"what": "nonsense"}\n\xff\n[]\n' + file.read_bytes())

    again = Store(tmp_path / "state")
    again.open(NOW)

    assert (again.damaged, len(again.known)) == (3, 1)


async def test_what_the_disk_refuses_has_not_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    await add(world)
    before = (tmp_path / "state" / "worklist" / FILE).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("daq.services.worklist.store.os.fsync", full)
    with pytest.raises(StorageFailedError, match="No space left on device"):
        await add(world)

    assert len(world.store.known) == 1
    assert (tmp_path / "state" / "worklist" / FILE).read_bytes() == before


async def test_files_are_for_the_daemons_user_alone(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    await add(world)
    folder = tmp_path / "state" / "worklist"

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {FILE: 0o600, "keys": 0o600}


async def test_old_entries_are_held_only_while_somebody_has_to_do_something(tmp_path: Path) -> None:
    world = World(tmp_path)
    key, waiting = await add(world), (await world.ask("worklist-emergency"))["entry"]

    again = Store(tmp_path / "state")
    again.open(NOW + timedelta(days=100))

    assert key not in again.known
    assert waiting in again.known


async def test_an_entry_that_is_gone_is_told_and_one_that_was_prepared_stays_known(tmp_path: Path) -> None:
    world = World(tmp_path, entry(), entry(patient_id="SIM-2", accession_number="B"))
    first, second = [row["entry"] for row in (await world.ask("worklist"))["rows"]]
    await world.prepared(first, "run-1")
    world.file.write_text('{"schema": "worklist/1", "entries": []}', "utf-8")

    assert (await world.ask("worklist-entry", entry=first))["runs"][0]["run"] == "run-1"
    with pytest.raises(MissingError, match="no such entry any more"):
        await world.ask("worklist-entry", entry=second)


async def test_nothing_shows_who_it_is_but_the_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    world = World(tmp_path, entry(patient_name="Secret^Person", medical_alerts="Secret"))
    key = await world.first()
    await world.prepared(key, "run-1")
    await world.ask("worklist-correct", entry=key, patient=WALK_IN, reason="Secret Person it is")
    step, kept = await world.desk.step(key), world.desk.known[key]

    shown = f"{step!r} {kept!r} {kept.changes!r} {caplog.text} {world.audit} {step} {kept.runs!r} {key}"

    assert "Secret" not in shown
    assert "SIM-0001" not in shown
    assert "SIM-77" not in shown
    assert world.audit == [f"anna worklist-correct {key} run-1"]


@pytest.mark.parametrize("verb", sorted(WORKLIST_PRIVATE))
def test_no_verb_whose_answer_names_a_patient_is_taken_from_a_broker_or_of_a_viewer(verb: str) -> None:
    with pytest.raises(AccessError, match="over MQTT"):
        checked(verb, {}, Actor("x", "mqtt", Role.SERVICE))
    with pytest.raises(AccessError, match="needs technologist"):
        checked(verb, {}, Actor("x", "console", Role.VIEWER))


def test_reasons_about_an_entry_are_withheld_from_the_audit_log() -> None:
    hide = hiding({"entry": "w-" + "a" * 26, "reason": "it was Secret Person"})

    assert "Secret" not in hide("it was Secret Person")
