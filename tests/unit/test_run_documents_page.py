"""The page on run documents names every key that a run has."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from support_documents import Recorder, fields, manifest, progress, reading, status
from support_pages import ROOT

from daq.model.rundocument import MIMETYPE, run_fields
from daq.model.station import Alarm

PAGE = (ROOT / "docs" / "reference" / "run-documents.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`\n]+)`", PAGE))


async def keys_of_a_run(directory: Path) -> set[str]:
    recorder = Recorder()
    with recorder.run(directory) as run:
        run.open()
        recorder.say(status("acquiring"), progress(1.0, dead_time_pct=2.0))
        recorder.say(Alarm("hv1", "trip", "high", "tripped", "look", "2026-11-22T14:05:07Z"))
        run.step(1, "ANT", "begin")
        run.files(manifest(singles=1))
        await run.detach()
    return {key for name, document in recorder.documents if name == "descriptor" for key in document["data_keys"]}


def test_every_key_of_an_event_is_on_the_page(tmp_path: Path) -> None:
    keys = asyncio.run(keys_of_a_run(tmp_path))

    assert {key for key in keys if not key.startswith(("counts_", "listmode_"))} <= NAMED
    assert {"counts_<counter>", "listmode_<stream>"} <= NAMED


def test_every_key_of_the_start_is_on_the_page() -> None:
    assert set(fields()) | {"continues"} == set(run_fields.__annotations__) - {"return"} | {"plan_name"}
    assert set(fields()) | {"continues", "uid", "time"} <= NAMED


def test_every_key_of_a_described_reading_is_on_the_page(tmp_path: Path) -> None:
    async def described() -> set[str]:
        recorder = Recorder()
        with recorder.run(tmp_path) as run:
            run.open()
            recorder.say(reading())
            await run.detach()
        return set(recorder.documents[1][1]["data_keys"]["hv1_voltage"])

    assert asyncio.run(described()) - {"dtype_numpy"} <= NAMED


def test_files_are_as_the_page_says(tmp_path: Path) -> None:
    async def named() -> dict[str, object]:
        recorder = Recorder()
        with recorder.run(tmp_path) as run:
            run.open()
            run.files(manifest(singles=1))
            await run.detach()
        return next(document for name, document in recorder.documents if name == "stream_resource")

    resource = asyncio.run(named())

    assert MIMETYPE in NAMED
    assert isinstance(resource["parameters"], dict)
    assert set(resource["parameters"]) | set(resource) - {"uid", "run_start"} <= NAMED
