"""The desk of the worklist: entries made here, identities that turn out to be others, crashes, privacy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support_worklist import BEN, NOW, World, entry

from daq.errors import RefusedError
from daq.model.administration import AdministrationRecord
from daq.model.console.procedures import proposed
from daq.model.verbs import Prepare
from daq.state.acquisition import State

WALK_IN = {"name": "Secret^Person", "patient_id": "SIM-77", "birth_date": "1970-01-31", "sex": "male"}
OTHER = {"name": "Other^Person", "patient_id": "SIM-78", "birth_date": None, "sex": "unknown"}


async def add(world: World, **changes: Any) -> str:
    told = await world.ask("worklist-add", patient=WALK_IN, procedure="Bone scintigraphy", reason="walk-in", **changes)
    return str(told["entry"])


async def test_somebody_who_is_not_on_the_list_is_entered_with_a_reason_and_gets_a_protocol(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await add(world)

    row = next(row for row in (await world.ask("worklist"))["rows"] if row["entry"] == key)

    assert (row["name"], row["origin"], row["protocol"], row["status"]) == (
        "Secret^Person", "manual", "bone-spots", "scheduled",
    )  # fmt: skip
    assert (await world.ask("worklist-entry", entry=key))["reason"] == "walk-in"


@pytest.mark.parametrize(
    "args", [{"patient": WALK_IN}, {"patient": WALK_IN, "reason": "  "}, {"reason": "x"},
             {"kind": "phantom", "patient": WALK_IN, "reason": "x"}],
)  # fmt: skip
async def test_nobody_is_entered_without_who_and_why(tmp_path: Path, args: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        await World(tmp_path).ask("worklist-add", **args)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "x" * 10_240}, "patient name: 10240 characters, at most 324"),
        ({"name": "A\u202eB"}, "patient name: holds a character that turns the direction of writing"),
        ({"patient_id": "1\n2"}, "patient patient_id: holds a control character"),
        ({"birth_date": "31.1.1970"}, "birth_date is written YYYY-MM-DD"),
        ({"sex": "<script>"}, "patient sex: possible are"),
        ({"temporary": True}, "an emergency has a verb of its own"),
        ({"shoe_size": 44}, "its keys are"),
    ],
)
async def test_hostile_identities_are_refused_in_words_without_their_values(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    world = World(tmp_path)
    with pytest.raises(RefusedError) as refused:
        await world.ask("worklist-add", patient={**WALK_IN, **changes}, reason="x")

    assert said in str(refused.value)
    assert "Secret" not in str(refused.value)
    assert (await world.ask("worklist"))["total"] == 0


async def test_script_and_writing_from_the_right_are_kept_as_text(tmp_path: Path) -> None:
    world = World(tmp_path)
    name = "<script>alert(1)</script>^עדה"
    told = await world.ask("worklist-add", patient={**WALK_IN, "name": name}, reason="x")

    assert (await world.ask("worklist-entry", entry=told["entry"]))["identity"]["name"] == name


async def test_an_emergency_has_a_temporary_identity_at_once_and_a_protocol(tmp_path: Path) -> None:
    world = World(tmp_path)
    told = await world.ask("worklist-emergency")
    shown = await world.ask("worklist-entry", entry=told["entry"])

    assert told["protocol"] == "bone-spots"
    assert shown["identity"]["patient_id"].startswith("SIM-EMERG-20250305-090000-")
    assert (shown["identity"]["temporary"], shown["to_reconcile"]) == (True, True)
    assert (await world.ask("worklist"))["to_reconcile"] == 1


async def test_two_emergencies_of_one_second_are_two(tmp_path: Path) -> None:
    world = World(tmp_path)
    keys = [(await world.ask("worklist-emergency"))["entry"] for _ in range(5)]
    numbers = {(await world.desk.step(key)).identity.reveal()["patient_id"] for key in keys}

    assert len(numbers) == 5


async def test_an_emergency_is_reconciled_with_an_entry_which_takes_its_acquisitions_over(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    real = await world.first()
    key = (await world.ask("worklist-emergency"))["entry"]
    await world.prepared(key, "run-1")
    await world.becomes(State.ACQUIRING)
    await world.becomes(State.COMPLETED)

    told = await world.ask("worklist-reconcile", entry=key, other=real)

    assert told["entry"] == real
    assert world.acquisitions.identities["run-1"].reveal()["patient_id"] == "SIM-0001"
    shown = await world.ask("worklist-entry", entry=real)
    assert [run["run"] for run in shown["runs"]] == ["run-1"]
    assert shown["status"] == "done"
    with pytest.raises(RefusedError, match="has been reconciled"):
        await world.following.completed(Prepare(protocol="x", entry=key))


async def test_a_wrong_identity_is_corrected_by_one_and_countersigned_by_another(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1")

    told = await world.ask("worklist-correct", entry=key, patient=OTHER, reason="wristbands were exchanged")

    assert (told["to_countersign"], told["acquisitions"]) == (True, ["run-1"])
    assert world.acquisitions.identities["run-1"].reveal()["patient_id"] == "SIM-78"
    with pytest.raises(RefusedError, match="anna changed the identity: another person countersigns it"):
        await world.ask("worklist-countersign", entry=key)
    assert not (await world.ask("worklist-countersign", BEN, entry=key))["to_countersign"]
    change = (await world.ask("worklist-entry", entry=key))["changes"][0]
    assert (change["before"]["name"], change["after"]["name"]) == ("SIM^Ada", "Other^Person")
    assert (change["by"], change["reason"], change["countersigned_by"]) == (
        "anna", "wristbands were exchanged", "ben",
    )  # fmt: skip
    assert world.acquisitions.signed == {"run-1"}


async def test_an_acquisition_that_cannot_be_written_is_told_and_mended_later(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1")
    world.acquisitions.broken = {"run-1"}

    told = await world.ask("worklist-correct", entry=key, patient=OTHER, reason="wrong")

    assert told["not_changed"] == ["run-1: No space left on device"]
    world.acquisitions.broken = set()
    assert await world.identities.bring_all() == []
    assert world.acquisitions.identities["run-1"].reveal()["patient_id"] == "SIM-78"


async def test_the_record_grows_as_it_becomes_known_and_goes_into_what_is_prepared(tmp_path: Path) -> None:
    world = World(tmp_path, entry(radionuclide="Tc-99m", radiopharmaceutical="Tc-99m HDP", patient_weight_kg=70.0))
    key = await world.first()
    told = await world.ask("worklist-administration", entry=key, changes={"lot": "7", "route": "intravenous"})
    assert told["missing"] == ["assayed activity", "time of the assay", "who gives it"]
    assert (await world.following.completed(Prepare(protocol="x", entry=key))).administration is None

    assayed = (NOW - timedelta(minutes=5)).isoformat()
    changes = {"assayed": "600 MBq", "assayed_at": assayed, "operator": "anna"}
    await world.ask("worklist-administration", entry=key, changes=changes)
    told = await world.ask("worklist-administration", entry=key, injected_now=True)

    assert told["missing"] == []
    assert told["activity"]["of"] == "assayed"
    given = (await world.following.completed(Prepare(protocol="x", entry=key))).administration
    assert given is not None
    assert (given["assayed_mbq"], given["injected_at"], given["weight_kg"]) == (600.0, NOW.isoformat(), 70.0)
    with pytest.raises(RefusedError, match="already injected"):
        await world.ask("worklist-administration", entry=key, injected_now=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"assayed": "600"}, "assayed: "),
        ({"weight_kg": 6500.0}, "weight_kg"),
        ({"residual": "12 MBq"}, "assayed activity and its time are needed before it"),
        ({"lot": 7}, "lot"),
        ({"assayed_at": "noon"}, "no date and time"),
        ({"key": "a-x"}, "its key cannot be changed"),
        ({"shoe_size": 44}, "unknown shoe_size"),
    ],
)
async def test_what_cannot_be_is_refused_before_the_record_is_whole(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    world = World(tmp_path, entry())
    with pytest.raises(RefusedError, match=said):
        await world.ask("worklist-administration", entry=await world.first(), changes=changes)


async def test_a_record_that_is_in_a_recording_is_changed_there(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    key = await world.first()
    await world.prepared(key, "run-1")
    world.acquisitions.records["run-1"] = AdministrationRecord.from_json({
        "key": "a-" + "a" * 26, "nuclide": "Tc-99m", "agent": "HDP", "lot": "1", "assayed_mbq": 600.0,
        "assayed_at": NOW.isoformat(), "operator": "anna", "route": "intravenous",
    })  # fmt: skip

    told = await world.ask("worklist-administration", entry=key, changes={"lot": "2"}, reason="typed wrongly")

    assert told["fields"]["lot"] == world.acquisitions.records["run-1"].lot == "2"


async def test_a_scanned_number_finds_its_entry_and_no_other(tmp_path: Path) -> None:
    later = entry(patient_id="SIM-00011", accession_number="B", scheduled_procedure_step_start="2025-03-05T10:30")
    world = World(tmp_path, entry(), later)
    key = await world.first()

    for number in ("SIM-0001", " SIM-0001 ", "SIM-A1"):
        assert (await world.ask("worklist-find", number=number))["entries"] == [key]
    assert (await world.ask("worklist-find", number="SIM-000"))["entries"] == []


@pytest.mark.parametrize(
    ("changes", "protocol", "words"),
    [
        ({"protocol": "bone-spots"}, "bone-spots", "the worklist names it"),
        ({"protocol": "gone"}, None, "this station has no such protocol"),
        ({"requested_procedure_code": {"code_value": "nmbone", "coding_scheme_designator": "99site"}},
         "bone-whole-body", "for code"),
        ({}, "bone-spots", "with the words 'bone scintigraphy'"),
        ({"requested_procedure_description": "Parathyroid"}, None, "names no protocol for this procedure"),
        ({"requested_procedure_description": None}, None, "does not say what is to be done"),
    ],
)  # fmt: skip
async def test_a_protocol_is_proposed_by_the_table_and_never_guessed(
    tmp_path: Path, changes: dict[str, Any], protocol: str | None, words: str
) -> None:
    world = World(tmp_path, entry(**changes))
    step = await world.desk.step(await world.first())
    found = proposed(step, world.desk.around.procedures, ("bone-whole-body", "bone-spots"))

    assert found.protocol == protocol
    assert words in found.words
