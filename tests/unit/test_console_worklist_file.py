"""The file of a worklist: what is wrong is told by line and key, what is right stays usable, and keys tell nothing."""

from __future__ import annotations

import json
import time
from datetime import UTC
from pathlib import Path

import pytest
from support_pages import ROOT
from support_worklist import ADA, World, entry, write

from daq.model.console.worklist import WorklistFile
from daq.services.worklist.jsonfile import read_text
from daq.services.worklist.source import Query


def read(text: str) -> tuple[list[str], list[str]]:
    found = read_text(text, lambda each: each.patient_id, UTC)
    return sorted(found.steps), found.problems


def listed(*entries: dict[str, object]) -> str:
    return json.dumps({"schema": "worklist/1", "entries": entries}, indent=1)


def test_an_entry_is_read_with_its_order_and_its_patient() -> None:
    found = read_text(listed(entry(radionuclide_total_dose="0.6 GBq")), lambda _: "w", UTC).steps["w"]

    assert found.start.isoformat() == "2025-03-05T09:30:00+00:00"
    assert (found.title, found.dose_mbq, found.identity.reveal()["sex"]) == (
        "Bone scintigraphy, whole body", 600.0, "female",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        ({"patient_birth_date": "1961-02-30"}, 8, "patient_birth_date: no day of the calendar"),
        ({"patient_id": None}, 4, "patient_id: Field required"),
        ({"modality": "CT"}, 12, "modality: Input should be 'NM' or 'PT'"),
        ({"patient_nam": "x"}, 12, "patient_nam: unknown key"),
        ({"patient_name": "A\u202eB"}, 4, "patient_name: holds a character that turns the direction of writing"),
        ({"scheduled_procedure_step_start": "tomorrow 9"}, 5, "scheduled_procedure_step_start: no date and time"),
        ({"accession_number": "1" * 17}, 10, "accession_number: String should have at most 16 characters"),
        ({"radionuclide_total_dose": "600"}, 12, "radionuclide_total_dose: "),
        ({"administration": {"lot": 5}}, 12, "administration record: lot = 5: must be a text"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_key_and_hides_no_other(
    changes: dict[str, object], line: int, said: str
) -> None:
    keys, problems = read(listed(entry(**changes), entry(patient_id="SIM-0002", accession_number="B")))

    assert keys == ["SIM-0002"]
    assert len(problems) == 1
    assert problems[0].startswith(f"line {line}: ")
    assert said in problems[0]


def test_what_is_wrong_is_told_without_names_and_numbers() -> None:
    _, problems = read(listed(entry(patient_name="Secret^Person", patient_birth_date="1961-02-30", modality="X")))

    assert problems
    assert "Secret" not in str(problems)
    assert "SIM-0001" not in str(problems)


@pytest.mark.parametrize(
    ("text", "keys", "said"),
    [
        ("", [], "line 1: a worklist is an object"),
        ("[]", [], "line 1: a worklist is an object"),
        ('{"entries": []}', [], "line 1: schema: comes first and is 'worklist/1'"),
        ('{"schema": "worklist/2",\n "entries": []}', [], "line 2: schema"),
        ('{"schema": "worklist/1",\n "other": []}', [], "line 2: the keys of a worklist are schema and entries"),
        ("{" * 100_000, [], "line 1: "),
    ],
)
def test_what_is_no_worklist_is_told(text: str, keys: list[str], said: str) -> None:
    found, problems = read(text)

    assert found == keys
    assert said in problems[0]


def test_entries_before_broken_json_are_usable() -> None:
    text = listed(entry(), entry(patient_id="SIM-0002"))
    cut = text[: text.index('"SIM-0002"') + 4]

    keys, problems = read(cut)

    assert keys == ["SIM-0001"]
    assert "no JSON" in problems[0]


async def test_a_file_that_breaks_leaves_what_was_read_before_and_says_since_when(tmp_path: Path) -> None:
    world = World(tmp_path, entry(), entry(patient_id="SIM-0002", accession_number="B"))
    assert (await world.ask("worklist"))["total"] == 2
    world.file.write_text("{", "utf-8")

    told = await world.ask("worklist")

    assert told["total"] == 2
    assert any("as they were read at" in problem for problem in told["problems"])
    world.file.unlink()
    told = await world.ask("worklist")
    assert (told["total"], "no such file" in told["problems"][0]) == (2, True)


async def test_a_changed_file_is_read_again_and_told(tmp_path: Path) -> None:
    world = World(tmp_path, entry())
    before = await world.first()
    told = world.revisions
    later = entry(patient_id="SIM-0002", accession_number="B", scheduled_procedure_step_start="2025-03-05T11:00")
    write(world.file, entry(patient_weight_kg=70.0), later)

    assert (await world.ask("worklist"))["total"] == 2
    assert world.revisions > told
    assert await world.first() == before, "the key of an entry stays the same"


async def test_keys_differ_between_stations_and_hold_nothing_of_the_patient(tmp_path: Path) -> None:
    keys = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        keys.add(await World(tmp_path / name, entry()).first())

    assert len(keys) == 2


async def test_a_list_of_another_station_or_modality_is_not_shown(tmp_path: Path) -> None:
    world = World(
        tmp_path, entry(), entry(accession_number="2", modality="PT"),
        entry(accession_number="3", scheduled_station_name="other"),
        entry(accession_number="4", scheduled_procedure_step_start="2025-03-06T09:30"),
    )  # fmt: skip

    assert (await world.ask("worklist"))["total"] == 1
    assert len((await world.desk.around.source.query(Query())).steps) == 4


async def test_ten_thousand_entries_are_listed_and_searched_quickly(tmp_path: Path) -> None:
    world = World(tmp_path, *(entry(patient_id=f"P{n:05d}", accession_number=f"A{n:05d}") for n in range(10_000)))
    assert (await world.ask("worklist", limit=1000))["total"] == 10_000

    began = time.perf_counter()
    told = await world.ask("worklist", text="ada p09999")

    assert [row["patient_id"] for row in told["rows"]] == ["P09999"]
    assert time.perf_counter() - began < 1.0


def test_the_schema_on_the_page_is_that_of_the_code() -> None:
    told = json.loads((ROOT / "docs" / "reference" / "worklist.schema.json").read_text(encoding="utf-8"))

    assert told == WorklistFile.model_json_schema(by_alias=True)
    assert set(ADA) <= set(told["$defs"]["WorklistEntry"]["properties"])
