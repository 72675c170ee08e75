"""`daq qc limits`: the limits in force, with the counts they need and the noise their protocols leave."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest
from support_qc_books import about, books_at, result

from daq.cli.main import main
from daq.model.qc.known import ANALYSES
from daq.services.catalogue.database import CATALOGUE_FILE
from daq.services.qc.books import FOLDER
from device_profiles.scanners import load_scanner, shipped_scanners
from device_profiles.site import load_site


def limits(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["qc", "limits", *words])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def rows_of(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    code, text = limits(capsys, *words, "--json")
    assert code == 0
    return {row["figure"]: row for row in json.loads(text)["limits"]}


def test_the_noise_of_a_flood_is_that_of_the_counts_at_which_its_protocol_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """13 M counts on a crystal of 590 x 450 mm are 2006 per pixel of 6.4 mm; noise gives 141 / sqrt(2006) = 3.1 %.

    What falls on the crystal beyond the field of view counts, and is of no use to the picture.
    """
    row = rows_of(capsys, "daily-flood", "--scanner", "dual-head")["ufov_integral"]
    assert row["counts"] == pytest.approx(1.3e7 * 6.4**2 / (590 * 450))
    assert row["noise"] == pytest.approx(141.0 / math.sqrt(row["counts"]), rel=0.02)
    assert row["counts_needed"] <= row["counts"]
    assert row["counts_meaningful"] == pytest.approx((141.0 / (row["action"]["above"] / 2.0)) ** 2, rel=0.05)


def test_every_shipped_uniformity_limit_can_be_judged_at_the_counts_of_its_protocol(
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged = 0
    for scanner in shipped_scanners():
        code, text = limits(capsys, "--scanner", scanner, "--json")
        assert code == 0
        for row in json.loads(text)["limits"]:
            assert row["problem"] is None
            if row["limit"] is not None and row["noise"] is not None:
                judged += 1
                assert row["counts"] >= max(row["counts_needed"], row["counts_meaningful"]), (scanner, row)
    assert judged >= 10


def test_every_shipped_limit_names_its_source_and_says_what_was_not_read() -> None:
    for name in shipped_scanners():
        for test, of in load_scanner(name).qc.items():
            for figure, limit in of.limits.items():
                assert any(word in limit.source for word in ("unverified", "scandaq", "read", "CFR", "must")), (
                    name, test, figure, limit.source,
                )  # fmt: skip


def test_the_table_shows_limit_counts_noise_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = limits(capsys, "daily-flood", "--scanner", "dual-head")
    assert code == 0
    for word in ("ufov_integral", "action above 7 %", "1650 per pixel near 6.4 mm", "% at 2006", "unverified"):
        assert word in text
    assert "ufov_differential" not in text
    assert "ufov_differential" in limits(capsys, "daily-flood", "--scanner", "dual-head", "--all")[1]


def test_figures_without_a_limit_stand_in_the_json_as_not_limited(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows_of(capsys, "daily-flood", "--scanner", "dual-head")
    assert set(found) == {figure.name for figure in ANALYSES["planar-uniformity"].figures}
    assert found["ufov_differential"]["limit"] is None


def test_a_test_that_there_is_not_is_said_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = limits(capsys, "daily-flod", "--scanner", "dual-head")
    assert (code, "has no test 'daily-flod'; it has daily-flood" in text) == (4, True)
    assert limits(capsys, "--scanner", "dual-head", "--site", "x.toml")[0] == 2


def test_a_site_names_the_reference_of_each_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recordings").mkdir()
    site = tmp_path / "site.toml"
    site.write_text(
        'schema = "site/0"\nstation = "one"\nstorage = "recordings"\nscanner = "dual-head"\n', encoding="utf-8"
    )
    assert rows_of(capsys, "daily-flood", "--site", str(site))["ufov_integral"]["reference"] is None
    state = load_site(site).state_folder
    state.mkdir()

    async def refer() -> str:
        async with books_at(f"sqlite:///{state / CATALOGUE_FILE}", state / FOLDER) as books:
            await books.put(first := result(1))
            await books.put(about("reference", first, test="daily-flood"))
            return first.id

    identity = asyncio.run(refer())
    assert rows_of(capsys, "daily-flood", "--site", str(site))["ufov_integral"]["reference"] == identity
    assert f"reference {identity}" in limits(capsys, "daily-flood", "--site", str(site))[1]
