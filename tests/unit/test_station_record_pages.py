"""The pages of audit log, alarms, catalogue and administration name every key that there is."""

from __future__ import annotations

import asyncio
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from support_pages import ROOT

from daq.model.administration import AdministrationRecord
from daq.model.patient import PatientIdentity, Sex
from daq.model.station import DAEMON, Alarm, Priority
from daq.services import alarms, audit
from daq.services.alarms import AlarmBounds
from daq.services.audit import Audit, AuditBounds
from daq.services.catalogue import service
from daq.services.catalogue.entry import Acquisition, Outcome, State
from daq.services.catalogue.service import CatalogueBounds
from daq.storage.auditverify import Kind, last_lines
from daq.storage.patientfile import Correction

PAGES = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def missing(text: str, names: object) -> list[str]:
    assert isinstance(names, list | tuple | dict)
    return [name for name in names if f"`{name}`" not in text]


def test_the_page_names_every_key_of_a_line_and_every_kind_of_finding(tmp_path: Path) -> None:
    async def write() -> None:
        log = Audit(tmp_path, "boot", "")
        await log.write(DAEMON, "start", "x", result="done")
        await log.close()

    asyncio.run(write())
    (*_, line) = last_lines(tmp_path, 1)

    assert missing(page("audit-log"), line.content) == []
    assert missing(page("audit-log"), get_args(Kind)) == []
    assert f"{AuditBounds().waiting_lines} lines" in page("audit-log")
    assert f"{AuditBounds().file_bytes >> 20} MiB" in page("audit-log")


def test_the_page_names_every_field_of_an_alarm_and_every_alarm_of_these_services() -> None:
    text = page("alarms")
    said = set()
    for module in (audit, alarms, service):
        said |= set(re.findall(r'(?:_DEVICE,\s+|_raise\(\s*)"([a-z]+)"', inspect.getsource(module)))

    assert missing(text, [field.name for field in fields(Alarm)]) == []
    assert missing(text, get_args(Priority)) == []
    assert said == {"storage", "chain", "file", "database", "damaged"}
    assert missing(text, sorted(said)) == []
    assert f"most {AlarmBounds().most} alarms" in text


def test_the_page_names_every_field_of_a_row() -> None:
    text = page("catalogue")

    assert missing(text, Acquisition(id="", directory="", state="open").to_json()) == []
    assert missing(text, (*get_args(State), *get_args(Outcome))) == []
    assert f"{CatalogueBounds().pending} directories" in text
    assert f"{CatalogueBounds().most_rows:,} rows" in text


@pytest.mark.parametrize(
    "names",
    [
        [field.name for field in fields(AdministrationRecord)],
        list(PatientIdentity(name="a", patient_id="b").reveal()),
        [field.name for field in fields(Correction)],
        list(get_args(Sex)),
    ],
    ids=["record", "identity", "correction", "sex"],
)
def test_the_page_names_every_field_of_patient_and_administration(names: list[str]) -> None:
    assert missing(page("patient-and-administration"), names) == []
