"""The books of quality control, the same tests on SQLite and on PostgreSQL: in, out, signed, struck, compared with."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from support_qc_books import DEADLINE_S, about, books_at, moment, result

from daq.errors import MissingError, RefusedError, UsageError
from daq.model.qc.documents import QcResult
from daq.model.qc.figures import Curve, Figure, Findings, Level, Picture
from daq.model.station import utc_now
from daq.services.qc.entries import Wanted
from daq.services.qc.tables import QcTables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "qc"


def files_in(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*.*")]


async def test_a_result_is_read_as_it_was_put_and_lies_in_a_file_by_its_month(url: str, folder: Path) -> None:
    first = result(3)
    async with books_at(url, folder) as books:
        assert await books.put(first)
        assert not await books.put(first)
        assert await books.flush(DEADLINE_S)
        kept = await books.result(first.id)

    assert (kept.document, kept.result) == (first, QcResult.from_body(first.body))
    assert files_in(folder) == [Path("2025/01") / f"{first.id}.json"]


async def test_what_still_waits_for_the_database_is_read_with_what_is_in_it(url: str, folder: Path) -> None:
    async with books_at(url, folder) as books:
        for day in (1, 5, 3):
            await books.put(result(day))
            assert (await books.newest("daily-flood")).document.at_utc == moment(max(1, 5 if day != 1 else 1))  # type: ignore[union-attr]
        await books.put(result(9, test="another"))

        assert [kept.document.at_utc for kept in await books.results("daily-flood")] == [moment(n) for n in (5, 3, 1)]
        assert [kept.result.test for kept in await books.results(limit=1)] == ["another"]


async def test_results_are_found_by_time_test_and_level(url: str, folder: Path) -> None:
    async with books_at(url, folder) as books:
        for day in range(6):
            await books.put(result(day, level=Level.ACTION if day == 4 else Level.IN_LIMITS))
        assert await books.flush(DEADLINE_S)

        async def days(**wanted: str) -> list[float | None]:
            return [kept.result.figures[0].values[0] for kept in await books.results("daily-flood", **wanted)]

        assert await days(since_utc=moment(2), until_utc=moment(4)) == [3.1, 2.1]
        assert await days(level="action") == [4.1]
        with pytest.raises(UsageError, match="'soon' is no time"):
            await books.results(since_utc="soon")
        with pytest.raises(MissingError, match="no result 'x'"):
            await books.result("x")


async def test_the_same_result_of_the_same_recording_is_refused_until_the_first_is_struck(
    url: str, folder: Path
) -> None:
    first, again = result(3), result(3, comment="once more")
    async with books_at(url, folder) as books:
        await books.put(first)
        with pytest.raises(RefusedError, match=rf"entered before, as {first.id} .* by anna; strike that one out first"):
            await books.put(again)
        await books.put(result(3, analysis_version=2))
        await books.put(about("strike", first, reason="wrong collimator"))

        assert await books.put(again)
        assert await books.flush(DEADLINE_S)
        assert (await books.result(first.id)).struck is not None
        assert len(await books.results("daily-flood")) == 3


async def test_another_document_of_the_same_name_is_refused(url: str, folder: Path) -> None:
    from dataclasses import replace

    first = result(3)
    async with books_at(url, folder) as books:
        await books.put(first)
        with pytest.raises(RefusedError, match="another one of this name was entered"):
            await books.put(replace(first, by="berta"))


async def test_signatures_stand_in_their_order_and_one_of_another_hash_does_not_hold(url: str, folder: Path) -> None:
    first = result(1)
    signed = [
        about("signature", first, "berta", meaning="approved", at="2025-01-03T00:00:00.000Z"),
        about("signature", first, "anna", meaning="performed", at="2025-01-02T00:00:00.000Z"),
        about("signature", first, "carl", meaning="approved", sha256="0" * 64, at="2025-01-04T00:00:00.000Z"),
    ]
    async with books_at(url, folder) as books:
        for document in (first, *signed):
            await books.put(document)
        assert await books.flush(DEADLINE_S)
        kept = await books.result(first.id)

    assert [each.by for each in kept.signatures] == ["anna", "berta", "carl"]
    assert [each.by for each in kept.signed("approved")] == ["berta"]


async def test_the_newest_result_is_never_one_that_was_struck_out_and_no_earlier_reference_comes_back(
    url: str, folder: Path
) -> None:
    days = [result(day) for day in range(12)]
    async with books_at(url, folder) as books:
        for document in days:
            await books.put(document)
        await books.put(about("reference", days[2], test="daily-flood"))
        await books.put(about("reference", days[7], test="daily-flood"))
        assert await books.flush(DEADLINE_S)
        assert (await books.reference("daily-flood")).document == days[7]  # type: ignore[union-attr]
        for document in days[3:]:
            await books.put(about("strike", document, reason="x"))

        assert (await books.newest("daily-flood")).document == days[2]  # type: ignore[union-attr]
        assert await books.reference("daily-flood") is None
        assert await books.newest("none") is None
        assert await books.reference("none") is None


async def test_a_year_of_daily_pet_is_a_table_in_well_under_a_second(url: str, folder: Path) -> None:
    blocks, days = 448, 365
    names = tuple(f"block {number}" for number in range(blocks))
    documents = []
    for day in range(days):
        values = tuple(day + number / 1000 for number in range(blocks))
        figures = tuple(Figure(name, "%", names, values, (0.5,) * blocks) for name in ("efficiency", "peak"))
        at = f"{2000 + day // 336}-{1 + day // 28 % 12:02d}-{1 + day % 28:02d}T07:00:00.000Z"
        documents.append(result(day, test="pet-daily", figures=figures, at=at))
    tables = QcTables(url, "one", keeper="one/1")
    tables.make()
    for start in range(0, days, 50):
        tables.enter([(document, "") for document in documents[start : start + 50]])
    since_s = time.perf_counter()
    rows = tables.figures("peak", Wanted(kinds=("result",), test="pet-daily"))
    from daq.services.qc.series import series_of

    series = series_of("pet-daily", "peak", rows)
    took_s = time.perf_counter() - since_s
    tables.close()

    assert series.values.shape == series.noise.shape == (days, blocks)
    assert np.array_equal(series.values, np.arange(days)[:, None] + np.arange(blocks) / 1000)
    assert np.all(np.diff(series.at_ms) > 0)
    assert took_s < 1.0


async def test_a_series_is_oldest_first_without_what_was_struck_and_with_gaps_for_what_is_not_there(
    url: str, folder: Path
) -> None:
    fewer = Figure("efficiency", "%", ("block 2", "block 9"), (7.0, 8.0))
    other = Figure("efficiency", "1", ("block 2",), (0.5,))
    async with books_at(url, folder) as books:
        await books.put(result(0, figures=(other,)))
        await books.put(struck := result(1))
        await books.put(about("strike", struck, reason="x"))
        await books.put(result(2, figures=(fewer,)))
        waiting = await books.series("daily-flood", "efficiency")
        await books.put(result(3))
        assert await books.flush(DEADLINE_S)
        series = await books.series("daily-flood", "efficiency")

    assert waiting.subjects == ("block 2", "block 9")
    assert (series.unit, series.other_units, series.subjects) == ("%", 1, ("block 0", "block 1", "block 2", "block 9"))
    nan = np.nan
    assert np.array_equal(series.values, [[nan, nan, 7.0, 8.0], [3.1, nan, 3.3, nan]], equal_nan=True)
    assert np.array_equal(series.noise, [[nan] * 4, [0.5, 0.5, 0.5, nan]], equal_nan=True)
    assert series.levels == ("in limits", "in limits")


async def test_pictures_and_curves_lie_beside_a_result_and_are_bound_to_it(url: str, folder: Path) -> None:
    picture = Picture("Flood", np.arange(6.0).reshape(2, 3), "counts", 6.4, {"UFOV": (300.0, 200.0)})
    curve = Curve("Spectrum", np.arange(3.0), np.ones(3), "keV", "counts", np.zeros(3), {"peak": 140.5})
    at = moment(1)
    async with books_at(url, folder) as books:
        sha256 = await books.put_evidence("a-result", at, Findings(pictures=(picture,), curves=(curve,)))
        first = result(1, evidence_sha256=sha256)
        assert await books.put_evidence(first.id, at, Findings(pictures=(picture,), curves=(curve,))) == sha256
        await books.put(first)
        pictures, curves = await books.evidence(await books.result(first.id))

    assert np.array_equal(pictures[0].values, picture.values)
    assert (pictures[0].title, pictures[0].fields, pictures[0].pixel_mm) == ("Flood", {"UFOV": (300.0, 200.0)}, 6.4)
    assert (curves[0].marks, curves[0].y_label, curves[0].fitted is not None) == ({"peak": 140.5}, "counts", True)


async def test_events_touch_all_tests_or_those_named_and_the_newest_entry_of_a_source_holds(
    url: str, folder: Path
) -> None:
    from daq.model.qc.documents import Document

    def event(day: int, *tests: str) -> Document:
        return Document(f"event-{day}", "event", moment(day), moment(day), "anna", {"what": "service", "tests": tests})

    def source(day: int, serial: str) -> Document:
        told = {"serial": serial, "day": day}
        return Document(f"source-{day}", "source", moment(day), moment(day), "anna", told, about=serial)

    async with books_at(url, folder) as books:
        for document in (event(1), event(2, "daily-flood"), event(3, "another"), source(5, "B"), source(2, "A")):
            await books.put(document)
        await books.put(source(9, "A"))
        assert await books.flush(DEADLINE_S)

        assert [each.id for each in await books.events("daily-flood")] == ["event-2", "event-1"]
        assert [each.id for each in await books.events(since_utc=moment(2))] == ["event-3", "event-2"]
        assert [each.body["day"] for each in await books.sources()] == [9, 5]
        assert (await books.source("A")).body["day"] == 9  # type: ignore[union-attr]
        assert await books.source("C") is None


async def test_two_stations_on_one_database_keep_books_of_their_own(url: str, tmp_path: Path) -> None:
    async with (
        books_at(url, tmp_path / "one", station="one") as one,
        books_at(url, tmp_path / "two", station="two") as two,
    ):
        await one.put(result(1))
        await two.put(result(2))
        await two.put(result(3))
        assert await one.flush(DEADLINE_S)
        assert await two.flush(DEADLINE_S)

        assert [len(await books.results("daily-flood")) for books in (one, two)] == [1, 2]
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM qc_documents")) == 3
    engine.dispose()


async def test_who_only_reads_finds_what_the_database_lacks_and_changes_nothing(url: str, folder: Path) -> None:
    from daq.services.qc.books import QcBooks
    from daq.services.qc.store import Store

    async with books_at(url, folder) as books:
        for day in (1, 2, 3):
            await books.put(result(day))
        assert await books.flush(DEADLINE_S)
    Store(folder).write(result(4))
    path = Store(folder).path_of(result(2).id, moment(2))
    path.write_bytes(path.read_bytes()[:-9])

    reader = QcBooks(url, folder, station="one")
    found = [kept.document.at_utc for kept in await reader.results("daily-flood")]
    values = (await reader.series("daily-flood", "efficiency")).values[:, 0].tolist()
    reader.close()

    assert (found, values) == ([moment(4), moment(3), moment(1)], [1.1, 3.1, 4.1])
    tables = QcTables(url, "one", keeper=Store(folder).keeper() or "")
    assert set(tables.known()) == {result(day).id for day in (1, 2, 3)}
    assert {known.problem for known in tables.known().values()} == {""}
    tables.close()


async def test_who_only_reads_needs_no_database(tmp_path: Path, folder: Path) -> None:
    from daq.services.qc.books import QcBooks
    from daq.services.qc.store import Store

    Store(folder).write(result(4, at=utc_now()))
    reader = QcBooks(f"sqlite:///{tmp_path}/none.sqlite", folder, station="one")

    assert len(await reader.results()) == 1
    assert not (tmp_path / "none.sqlite").exists()
    reader.close()


async def test_what_is_entered_while_it_is_looked_for_is_found(url: str, folder: Path) -> None:
    async with books_at(url, folder) as books:
        for day in range(15):
            await books.put(result(day))
            assert (await books.newest("daily-flood")).document.at_utc == moment(day)  # type: ignore[union-attr]
            assert len(await books.results("daily-flood")) == day + 1
