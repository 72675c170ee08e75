"""What lint says of the `[qc]` tables of a scanner profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daq.cli.main import main
from daq.model.finding import Finding
from daq.model.qc.analyses import AnalysisKind, FigureKind
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import QcTest
from daq.model.qc.rules import qc_findings
from device_profiles.scanners import shipped_scanners

FLOOD = AnalysisKind(
    name="a-flood",
    title="Flood",
    figures=(
        FigureKind("integral", "%", "integral uniformity", "", "pixel near 6.4 mm", "floor"),
        FigureKind("peak_kev", "keV", "energy peak"),
    ),
    parameters=(("spacing_mm", "from slit to slit, mm"), ("line_kev", "the line, keV")),
    required=("spacing_mm",),
)
BY_HAND = AnalysisKind(
    name="by-hand", title="By hand", figures=(FigureKind("no", "1", "no"),), made_of="entered", items=True
)
GOOD: dict[str, Any] = {
    "title": "Flood", "analysis": "a-flood", "every": "day", "parameters": {"spacing_mm": 30.0},
    "advice": {"action": "Look.", "suspension": "Stop."},
    "limits": {
        "integral": {
            "unit": "%", "action": {"above": 5.0}, "suspension": {"above": 8.0}, "counts_needed": 3000, "source": "x",
        }
    },
}  # fmt: skip
LIST: dict[str, Any] = {
    "title": "Stops", "analysis": "by-hand", "every": "day", "items": ["e-stop"], "advice": {"suspension": "Stop."},
    "limits": {"no": {"unit": "1", "suspension": {"above": 0.0}, "counts_needed": 0, "source": "x"}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def analyses(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (FLOOD, BY_HAND):
        monkeypatch.setitem(ANALYSES, kind.name, kind)


def said_of(table: dict[str, Any]) -> list[Finding]:
    return qc_findings({"flood": QcTest.model_validate_json(json.dumps(table))})


def limited(**changed: Any) -> dict[str, Any]:
    return GOOD | {"limits": {"integral": GOOD["limits"]["integral"] | changed}}


def test_a_good_table_gives_no_finding() -> None:
    assert said_of(GOOD) == said_of(LIST) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (GOOD | {"analysis": "a-floot"}, "analysis = 'a-floot': there is no such analysis; did you mean a-flood?"),
        (GOOD | {"limits": {"integrl": GOOD["limits"]["integral"]}}, "gives no such figure; did you mean integral?"),
        (GOOD | {"trend": {"pek": 100.0}}, "qc.flood.trend.pek = 100.0: a-flood gives no such figure"),
        (limited(unit="keV"), "qc.flood.limits.integral.unit = 'keV': must be \"%\""),
        (limited(action=None, suspension=None), "neither `action` nor `suspension`"),
        (limited(action={}), "qc.flood.limits.integral.action = no bound: say `below`"),
        (limited(action={"below": 9.0, "above": 5.0}), "above the upper bound, 5: every value would be beyond"),
        (limited(suspension={"above": 4.0}), "suspension.above = 4.0: comes before the action level, 5"),
        (limited(action={"below": 1.0}, suspension={"below": 2.0}), "comes before the action level, 1"),
        (limited(of="reference-percent", action={"below": 5.0}), "write it with its minus"),
        (limited(of="reference-percent", action={"above": -5.0}), "the reference itself would be beyond it"),
        (limited(counts_needed=0), "counts_needed = 0.0: integral uniformity is what counts make it"),
        (GOOD | {"parameters": {}}, "qc.flood.parameters.spacing_mm = absent: a-flood needs it: from slit to slit, mm"),
        (GOOD | {"parameters": {"spacing_mm": 30.0, "pitch": 1.0}}, "parameters.pitch = 1.0: a-flood takes none such"),
        (GOOD | {"items": ["e-stop"]}, "qc.flood.items = 1 items: only of a check by hand"),
        (LIST | {"limits": {}}, 'qc.flood.limits = absent: without one a "no" is not judged: set one for no'),
        (LIST | {"items": []}, "qc.flood.items = absent: by-hand asks them one by one"),
        (LIST | {"items": ["pad", "pad"]}, "names one twice"),
        (LIST | {"protocol": "flood"}, "by-hand is entered by a person"),
        (GOOD | {"auto_at": "05:30"}, "qc.flood.auto_at = '05:30': only of a test with a protocol"),
        (GOOD | {"auto_at": "05:30", "protocol": "p", "every": None}, "nothing says on which days"),
        (GOOD | {"blocking": True, "every": None}, "qc.flood.blocking = true: nothing asks for this test"),
        (GOOD | {"after": ["service", "service"]}, "names an event twice"),
        (GOOD | {"advice": {"action": "Look."}}, "qc.flood.advice.suspension = absent: warning: nobody is told"),
    ],
)  # fmt: skip
def test_each_finding_names_key_value_and_reason(table: dict[str, Any], message: str) -> None:
    assert [message in str(finding) for finding in said_of(table)] == [True]


def test_a_limit_without_a_source_cannot_be_written() -> None:
    bare = {key: value for key, value in GOOD["limits"]["integral"].items() if key != "source"}
    with pytest.raises(ValueError, match="source"):
        QcTest.model_validate_json(json.dumps(GOOD | {"limits": {"integral": bare}}))


def test_lint_shows_what_is_wrong_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shipped_scanners()["dual-head"].read_text(encoding="utf-8").split("[qc.")[0]
    path = tmp_path / "mine.toml"
    path.write_text(f'{text}\n[qc.flood]\ntitle = "Flood"\nanalysis = "no-such"\n', encoding="utf-8")
    assert main(["profile", "lint", str(path)]) != 0
    shown = capsys.readouterr()
    assert "qc.flood.analysis = 'no-such'" in shown.out + shown.err
