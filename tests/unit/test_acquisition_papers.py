"""Patient and administration of a run: private from the first moment, moved beside the recording, never said."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daq.errors import RefusedError
from daq.model.station import Actor, Role
from daq.services.acquisition.papers import Papers
from daq.services.acquisition.records import Records
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State

WHO = {"name": "Mustermann^Erika", "patient_id": "PID-4711", "birth_date": "1950-12-31", "sex": "female"}
ASSAYED = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
GIVEN = {
    "nuclide": "Tc-99m", "agent": "HDP", "lot": "L1", "assayed_mbq": 600.0, "assayed_at": ASSAYED,
    "operator": "tech", "route": "intravenous",
}  # fmt: skip


class Quiet:
    """An audit log that nobody reads."""

    def keep_out(self, _: object) -> None:
        return

    def note(self, *_: object, **__: object) -> None:
        return


ACTOR = Actor("tech", "local", Role.TECHNOLOGIST)


def papers(folder: Path) -> Papers:
    return Papers(folder / "state", "run-1", folder / "recording")


@pytest.mark.parametrize("name", ["injected_at", "assayed_at"])
def test_what_was_not_done_yet_is_not_taken(tmp_path: Path, name: str) -> None:
    later = {name: (datetime.now(UTC) + timedelta(hours=20)).isoformat()}

    with pytest.raises(RefusedError, match=rf"{name} = .*: later than now, 20.*, by more than the 2 min"):
        papers(tmp_path).take(WHO, {**GIVEN, **later}, ACTOR)
    assert not (tmp_path / "state").exists()


def test_papers_wait_privately_and_move_beside_the_recording(tmp_path: Path) -> None:
    kept = papers(tmp_path)
    kept.take(WHO, GIVEN, ACTOR)
    waiting = tmp_path / "state" / "waiting" / "run-1"

    assert sorted(path.name for path in waiting.iterdir()) == ["administration.json", "patient.json"]
    assert stat.S_IMODE((tmp_path / "state" / "waiting").stat().st_mode) == 0o700
    assert not kept.file()
    (tmp_path / "recording").mkdir()
    assert kept.file()
    assert not waiting.exists()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "recording").iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize("begun", [False, True])
def test_the_daemon_that_comes_after_a_crash_finds_them(tmp_path: Path, *, begun: bool) -> None:
    first = papers(tmp_path)
    first.take(WHO, GIVEN, ACTOR)
    if begun:
        (tmp_path / "recording").mkdir()
        first.file()

    second = papers(tmp_path)
    second.load()

    assert second.patient is not None
    assert first.patient is not None
    assert second.patient.ref == first.patient.ref
    assert second.administration == first.administration


def test_the_injection_is_noted_once_and_kept(tmp_path: Path) -> None:
    kept = papers(tmp_path)
    kept.take(None, GIVEN, ACTOR)

    at = kept.injected_now()

    again = papers(tmp_path)
    again.load()
    assert again.administration is not None
    assert again.administration.injected_at == at
    with pytest.raises(RefusedError, match="already injected"):
        kept.injected_now()


def test_without_a_record_there_is_no_injection_to_note(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no administration record"):
        papers(tmp_path).injected_now()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Mustermann^Erika"},
        {**WHO, "birth_date": "31.12.1950"},
        {**WHO, "shoe_size": 38},
        {**WHO, "sex": "Mustermann"},
        {**WHO, "other_ids": 7},
        {**WHO, "name": ""},
    ],
)
def test_a_wrong_identity_is_refused_without_being_shown(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(RefusedError) as refused:
        papers(tmp_path).take(wrong, None, ACTOR)

    said = f"{refused.value!r} {refused.value.__context__!r}"
    assert all(secret not in said for secret in ("Mustermann", "4711", "1950"))
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "wrong", [{}, {**GIVEN, "assayed_mbq": "much"}, {**GIVEN, "colour": "blue"}, {**GIVEN, "assayed_at": 7}]
)
def test_a_wrong_administration_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(RefusedError, match="administration"):
        papers(tmp_path).take(None, wrong, ACTOR)


def test_sessions_of_a_study_have_one_order_and_another_one_is_refused_without_being_shown(tmp_path: Path) -> None:
    first, later = papers(tmp_path), papers(tmp_path)
    first.take({**WHO, "accession_number": "ACC-1"}, None, ACTOR)
    later.take(WHO, None, ACTOR, first.patient)
    with pytest.raises(RefusedError, match="accession_number is not that of the study") as refused:
        papers(tmp_path).take({**WHO, "accession_number": "ACC-2"}, None, ACTOR, first.patient)

    assert later.patient == first.patient
    assert "ACC" not in str(refused.value)


def test_what_people_write_is_told_without_the_patient(tmp_path: Path) -> None:
    kept = papers(tmp_path)
    kept.take(WHO, None, ACTOR)

    assert kept.redacted("Frau Mustermann, PID-4711, hustet") == "Frau [patient], [patient], hustet"
    assert papers(tmp_path).redacted("hustet") == "hustet"


async def test_papers_that_the_recording_does_not_take_are_kept_and_filed_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    audit, bus = Quiet(), Bus()
    kept = Papers(tmp_path / "state", "run-1", tmp_path / "storage" / "2026-11-22" / "run-1")
    kept.take(WHO, GIVEN, ACTOR)
    recording = tmp_path / "storage" / "2026-11-22" / "run-1"
    recording.mkdir(parents=True)
    records = Records(
        bus, Alarms(bus), audit, identity="run-1", directory=recording, fields={}, papers=kept, begun=lambda: None,  # type: ignore[arg-type]
    )  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr("daq.services.acquisition.papers.write_patient", full)
        await records.end(State.COMPLETED, "")
    assert (tmp_path / "state" / "waiting" / "run-1" / "patient.json").exists()

    assert Papers.file_left_behind(tmp_path / "state", tmp_path / "storage", but="run-1") == []
    assert not (recording / "patient.json").exists()
    assert Papers.file_left_behind(tmp_path / "state", tmp_path / "storage", but=None) == []
    assert (recording / "patient.json").exists()
    assert (recording / "administration.json").exists()
    assert not (tmp_path / "state" / "waiting" / "run-1").exists()
