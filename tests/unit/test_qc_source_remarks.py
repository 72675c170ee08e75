"""What a result says of its source by the register."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daq.composition.qc.analysed import analysed
from daq.composition.qc.job import Job
from daq.composition.qc.sourceremarks import source_remarks
from daq.model.qc.limits import QcTest
from daq.model.qc.sources import SourceEntry
from daq.model.scanner import ScannerProfile
from daq.qc.enteredpurity import settled_after_s
from daq.qc.sources import source_entry

DAY_S = 86400.0
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SCANNER = ScannerProfile(
    schema="scanner-profile/0", id="none", title="None", vendor="example", source="a test", verified="simulated"
)


def sheet(**more: Any) -> SourceEntry:
    told = {
        "nuclide": "Co-57", "form": "sheet", "activity": "370 MBq", "reference": "2024-05-01T12:00:00Z",
        "certificate": "C-1", "place": "safe",
    }  # fmt: skip
    return source_entry("S-1", {**told, **more})


def test_a_new_sheet_is_remarked_on_until_its_impurities_are_gone() -> None:
    dirty = sheet(co56_percent=0.1, co58_percent=1.0)
    _, said = source_remarks(dirty, NOON)
    assert any("1.7 photons above 200 keV" in text for text in said)
    settled = NOON + timedelta(seconds=settled_after_s(0.1, 1.0) + DAY_S)
    assert not any("photons above" in text for text in source_remarks(dirty, settled)[1])
    assert any("not in the register" in text for text in source_remarks(sheet(), NOON + timedelta(days=30))[1])


def test_a_source_that_was_disposed_of_stands_against_the_test() -> None:
    against, said = source_remarks(sheet(disposed="2024-05-02"), NOON + timedelta(days=3))
    assert "disposed of" in against[0]
    assert said == ()


def test_the_result_of_a_test_says_what_the_register_knows_of_its_source() -> None:
    body = sheet(nuclide="Cs-137", leak_tested="2023-01-01", leak_test_next="2023-07-01").model_dump(
        mode="json", exclude_none=True
    )
    spec = QcTest(title="Constancy", analysis="dose-calibrator-constancy")
    job = Job("constancy", spec, SCANNER, entries={"readings": "369 MBq"}, source=body, performed=NOON.isoformat())
    done = analysed(job)
    assert done.result.obstacles == ()
    assert any("leak test was due" in text for text in done.result.remarks)
    assert done.result.figures[0].values[0] == pytest.approx(100 * (369 / 370 - 1))
