"""`daq qc trend` and `daq qc report` of books on a disk, without a daemon."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support_qc_books import books_at
from support_qc_report import both, days, result_of, signature_of

from daq.cli.main import main
from daq.model.qc.documents import QcResult
from daq.model.qc.figures import Figure, Findings
from daq.services.qc.books import QcBooks
from device_profiles.scanners import scanner_path

TESTS = """
[qc.daily-flood]
title = "Daily flood"
analysis = "planar-uniformity"
every = "day"
trend.peak_kev = 1000.0

[qc.daily-flood.limits.ufov_integral]
unit = "%"
action.above = 6.0
suspension.above = 8.0
counts_needed = 1500
source = "a test"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill the books with sixty days whose peak drifts after the fortieth, the last with its pictures."""
    folder = tmp_path_factory.mktemp("station")
    heads = scanner_path("dual-head").read_text(encoding="utf-8").partition("# Quality control")[0]
    (folder / "tested.toml").write_text(heads.replace('id = "dual-head"', 'id = "tested"') + TESTS)
    site = folder / "site.toml"
    site.write_text(
        'schema = "site/0"\nstation = "one"\nscanner = "tested.toml"\nstorage = "store"\nsimulated = true\n'
    )
    asyncio.run(_filled(folder / "store" / "station"))
    return site


async def _filled(state: Path) -> None:
    async with books_at(f"sqlite:///{state}/catalogue.sqlite", state / "qc") as books:
        flood = both(1)
        random = np.random.default_rng(2)
        moments = days(60)
        for number, at in enumerate(moments):
            peak = Figure("peak_kev", "keV", ("head 0", "head 1"), tuple(
                122.0 + 0.1 * float(random.standard_normal()) + (0.04 * max(number - 40, 0) if head else 0.0)
                for head in (0, 1)
            ))  # fmt: skip
            figures = (*flood.figures[:4], peak)
            await _put(books, replace(flood, figures=figures), at, drawn=at == moments[-1])
        await books.flush()


async def _put(books: QcBooks, found: Findings, at: datetime, *, drawn: bool) -> None:
    plain = result_of(found, at, acquisitions=({"id": f"a{at:%m%d}"},))
    if drawn:
        kept = await books.put_evidence(plain.id, plain.at_utc, found)
        body = replace(QcResult.from_body(plain.body), evidence_sha256=kept).to_body()
        plain = replace(plain, body=body)
    await books.put(plain)
    if at.day % 2:
        await books.put(signature_of(plain))


def test_the_trend_of_the_books_names_the_head_that_drifts(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["qc", "trend", "daily-flood", "--site", str(site), "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    (peak,) = told["trends"]
    first, second = peak["charts"]
    assert told["simulated"]
    assert (first["state"], second["state"]) == ("steady", "changed")
    assert second["change"]["kind"] == "drift"
    began = datetime.fromisoformat(second["change"]["since"])
    assert abs(began - days(60)[40].astimezone(UTC)) < timedelta(days=14)


def test_the_newest_result_and_the_month_become_pages_and_are_not_written_over(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, words in (("result", ["daily-flood"]), ("month", ["--month", "2031-04", "--zone", "Europe/Berlin"])):
        files = [tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"]
        asked = ["qc", "report", *words, "--html", str(files[0]), "--pdf", str(files[1]), "--site", str(site)]
        assert main(asked) == 0
        assert main(asked) == 3
        assert files[1].read_bytes().startswith(b"%PDF-")
    page = (tmp_path / "result.html").read_text()
    assert page.count("data:image/png") >= 4
    assert "head 1: alarm" in page
    assert "RESULTS NOT SIGNED" in (tmp_path / "month.html").read_text()
    assert "it is there already" in capsys.readouterr().err


def test_what_is_not_there_is_said(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = ["--html", str(tmp_path / "a.html"), "--site", str(site)]
    for code, words in (
        (4, ["qc", "trend", "nothing", "--site", str(site)]),
        (4, ["qc", "trend", "daily-flood", "--site", str(site), "--since", "2040-01-01"]),
        (4, ["qc", "report", "nothing", *page]),
        (2, ["qc", "report", *page]),
        (2, ["qc", "report", "daily-flood", "--site", str(site)]),
        (2, ["qc", "report", "--month", "2031-4", *page]),
        (2, ["qc", "report", "--month", "2031-04", "--zone", "Nowhere/Land", *page]),
    ):
        assert main(words) == code, words
        assert capsys.readouterr().err.startswith("daq: ")
