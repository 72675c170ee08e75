"""`daq worklist` asks what the console asks, and takes identities from files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daq.cli.main import main

KEY = "w-" + "a" * 26
ROW = {
    "start": "2025-03-05T09:30+00:00", "name": "SIM^Ada", "patient_id": "SIM-1", "procedure": "Bone", "protocol": None,
    "status": "scheduled", "to_reconcile": True, "to_countersign": False, "entry": KEY,
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Return what the daemon is asked; it answers everything."""
    found: list[tuple[str, dict[str, Any]]] = []

    def ask(_: Path, verb: str, args: dict[str, Any], **__: object) -> dict[str, Any]:
        found.append((verb, args))
        if verb == "worklist":
            return {"day": "2025-03-05", "total": 1, "rows": [ROW], "problems": ["worklist.json, line 3: wrong"]}
        trouble = ["run-1: No space left on device"] if verb == "worklist-correct" else []
        return {"entry": KEY, "not_changed": trouble}

    monkeypatch.setattr("daq.transports.localclient.ask_once", ask)
    return found


@pytest.fixture
def patient(tmp_path: Path) -> str:
    path = tmp_path / "patient.json"
    path.write_text(json.dumps({"name": "SIM^Ada", "patient_id": "SIM-1"}), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_the_list_says_who_waits_and_what_is_wrong_with_the_file(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worklist", "list", "--socket", "x", "--day", "2025-03-05"]) == 0

    said = capsys.readouterr().out
    assert "scheduled, to be reconciled" in said
    assert "line 3: wrong" in said
    assert asked == [("worklist", {"text": "", "limit": 1000, "day": "2025-03-05"})]


def test_an_identity_is_sent_from_its_file(asked: list[Any], patient: str) -> None:
    assert main(["worklist", "add", "--socket", "x", "--patient", patient, "--reason", "ward"]) == 0
    assert main(["worklist", "reconcile", KEY, "--socket", "x", "--with", KEY]) == 0

    assert asked[0][1]["patient"] == {"name": "SIM^Ada", "patient_id": "SIM-1"}
    assert asked[1] == ("worklist-reconcile", {"entry": KEY, "reason": "", "other": KEY})


def test_an_acquisition_without_its_identity_yet_is_told(asked: list[Any], patient: str) -> None:
    assert main(["worklist", "correct", KEY, "--socket", "x", "--patient", patient, "--reason", "wrong"]) == 6
    assert len(asked) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["add", "--reason", "x"],
        ["add", "--phantom", "--patient", "PATIENT", "--reason", "x"],
        ["reconcile", KEY],
        ["correct", KEY, "--reason", "x"],
    ],
)
def test_who_it_is_must_be_said_once(asked: list[Any], patient: str, words: list[str]) -> None:
    said = [patient if word == "PATIENT" else word for word in words]

    assert main(["worklist", *said, "--socket", "x"]) == 2
    assert asked == []
