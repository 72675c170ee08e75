"""A study of two sessions through the whole station: one patient, one record, a residual that comes afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step

from daq.composition.finishing import series_of
from daq.composition.verdicts import verdict_on
from daq.errors import RefusedError
from daq.model.verdict import Grade
from daq.storage.dicom import dicom_of, read_papers

pytestmark = pytest.mark.timeout(120)
SHORT = 'stop.time = "400 ms"'
PHASES = protocol(
    "two-phases",
    step("blood pool", 'after_injection = ["1 s", "10 min"]', stop=SHORT),
    step("late", "session = 2", 'after_injection = ["2 h", "5 h"]', stop=SHORT),
    more='requirements.administration = "may_follow"', sources=("requirements",),
)  # fmt: skip
WHO = {"name": "Mustermann^Erika", "patient_id": "PID-4711", "accession_number": "ACC-0815"}


def given() -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    return {"nuclide": "Tc-99m", "agent": "HDP", "lot": "L1", "assayed": "20 MBq", "assayed_at": at,
            "operator": "tech", "route": "intravenous"}  # fmt: skip


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Station]:
    with front_end() as url, station(tmp_path, url, mqtt='{ broker = "none" }', finish="false") as made:
        made.add(PHASES)
        yield made.start()


def recorded(daemon: Station, **args: Any) -> tuple[str, dict[str, Any]]:
    """Acquire a session to its end; return the run and what prepare answered."""
    answer = daemon.ask("prepare", protocol="two-phases", draft_reason="a test", **args)
    daemon.becomes("armed")
    daemon.ask("start")
    daemon.becomes("completed")
    return str(answer["run"]), answer


def record_of(daemon: Station, run: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((daemon.directory(run) / "administration.json").read_text())["record"]
    return kept


def test_two_sessions_are_one_study_with_one_patient_and_one_record(daemon: Station) -> None:
    with pytest.raises(RefusedError, match="session 2 belongs to a study"):
        daemon.prepare("two-phases", session=2)
    with pytest.raises(RefusedError, match=r"nobody is given 0\.6 MBq"):
        daemon.prepare("two-phases", administration={**given(), "assayed": "600 kBq"})
    first, answer = recorded(daemon, patient=WHO, administration=given(), label="three-phase")
    assert any("20 mCi are 740 MBq" in doubt for doubt in answer["doubts"])
    daemon.ask("acknowledge")
    with pytest.raises(RefusedError, match="was acquired HFS, this would be FFS"):
        daemon.prepare("two-phases", session=2, same_position_as=first, patient_orientation="FFS")
    second, _ = recorded(daemon, session=2, same_position_as=first)
    injected = daemon.daq(
        "acquire", "amend", f"injected_at={datetime.now(UTC).isoformat()}", "--run", first, "--site", str(daemon.site)
    )
    assert injected.returncode == 0, injected.stderr
    wrong = daemon.daq("acquire", "residual", "1.5", "--run", first, "--site", str(daemon.site))
    left = daemon.daq("acquire", "residual", "1.5 MBq", "--run", first, "--json", "--site", str(daemon.site))

    manifests = [daemon.manifest(run) for run in (first, second)]
    references = [manifest.study or {} for manifest in manifests]
    assert [told["session"] for told in references] == [1, 2]
    assert references[0]["key"] == references[1]["key"]
    assert len({manifest.patient_reference for manifest in manifests}) == 1
    assert len({manifest.administration_reference for manifest in manifests}) == 1
    assert [daemon.fates(run) for run in (first, second)] == [[("blood pool", True)], [("late", True)]]
    assert (wrong.returncode, left.returncode) == (3, 0), wrong.stderr + left.stderr
    assert "has no unit" in wrong.stderr
    assert sorted(json.loads(left.stdout)["acquisitions"]) == sorted([first, second])
    assert record_of(daemon, first) == record_of(daemon, second)
    assert record_of(daemon, second)["residual_mbq"] == 1.5

    objects = [
        dicom_of(series_of(daemon.directory(run))[0][0], told, read_papers(daemon.directory(run)))
        for run, told in zip((first, second), manifests, strict=True)
    ]
    assert len({made.FrameOfReferenceUID for made in objects}) == 1
    assert [made.AccessionNumber for made in objects] == ["ACC-0815"] * 2

    listed = daemon.daq("study", "list", "--site", str(daemon.site), "--json")
    (study,) = json.loads(listed.stdout)["studies"]
    assert (study["sessions"], study["patient_key"]) == ([1, 2], manifests[0].patient_reference)
    said = "".join(json.dumps(line) for line in daemon.audit_lines()) + daemon.log()
    assert "Mustermann" not in said
    assert "0815" not in said

    series, _, why = series_of(daemon.directory(second))
    verdict = verdict_on(daemon.directory(second), series)
    (late,) = [check for check in verdict.checks if check.name == "after injection"]
    assert why == ""
    assert (late.grade, late.limit) == (Grade.DOUBTFUL, 7200)
    assert [check.grade for check in verdict.checks if check.name in ("steps", "administration")] == [Grade.GOOD] * 2
