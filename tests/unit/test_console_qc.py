"""What the console asks of quality control: calendar, results in short, sources; charts and reports by processes."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import ValidationError
from support_qc_books import Unsynced, about, books_at, result
from support_qc_desk import SHEET, qc_test, standing

from daq.composition.qc.readingprocess import _table
from daq.composition.qc.readingtrend import charts_told
from daq.errors import BusyError, MissingError, RefusedError, UnexpectedError, UsageError
from daq.model.console.qc_verbs import (
    QcCalendar,
    QcPicture,
    QcReport,
    QcResultAsk,
    QcResults,
    QcSources,
    QcTable,
    QcTrend,
)
from daq.model.qc.documents import Document, Judged, QcResult
from daq.model.qc.figures import Curve, Figure, Findings, Level, Picture
from daq.model.qc.verbs import QcSign
from daq.model.station import Actor, Role
from daq.services.qc.abilities import Kept
from daq.services.qc.books import QcBooks
from daq.services.qc.calendar import Span, calendar_of
from daq.services.qc.looking import Looking
from daq.services.qc.pasttable import EXPORTED
from daq.services.qc.reading import Reading
from daq.services.qc.signing import Signing, Where
from daq.services.qc.telling import curve_of, row_of, whole_of

ANNA = Actor("anna", "console", Role.QC)
LIMIT = {
    "unit": "%", "of": "value", "action": {"above": 7.0, "below": None}, "suspension": {"above": 10.0, "below": None},
    "counts_needed": 0.0, "source": "a test",
}  # fmt: skip
FLOOD = Figure("ufov_integral", "%", ("head 0", "head 1"), (4.0, 8.0), (3.0, 3.0), (2000.0, 2000.0))
JUDGED = (
    Judged("ufov_integral", "head 0", Level.IN_LIMITS, "head 0 is in limits"),
    Judged("ufov_integral", "head 1", Level.ACTION, "head 1 is beyond"),
)
TESTS = {
    "daily-flood": qc_test(protocol="daily-flood", every="day", limits={"efficiency": {**LIMIT, "unit": "%"}}),
    "week": qc_test(every="week"),
}  # fmt: skip


def flood(day: int = 0, **told: Any) -> Document:
    return result(day, figures=(FLOOD,), judged=JUDGED, limits={"ufov_integral": LIMIT}, level=Level.ACTION, **told)


def kept(document: Document, *others: Document, struck: Document | None = None) -> Kept:
    return Kept(document, QcResult.from_body(document.body), tuple(others), struck)


def test_a_result_in_short_has_its_worst_subject_its_limit_in_words_and_who_signed() -> None:
    first = flood()
    row = row_of(kept(first, about("signature", first, meaning="performed")))

    (figure,) = row["figures"]
    assert (figure["level"], figure["subjects"], figure["limit"]["words"]) == (
        "action", 2, "action above 7 %, suspension above 10 %",
    )  # fmt: skip
    assert figure["each"] == [{"subject": "head 1", "value": 8.0, "noise": 3.0, "counts": 2000.0, "level": "action"}]
    assert [(each["by"], each["holds"]) for each in row["signatures"]] == [("berta", True)]


def test_a_signature_of_something_else_is_said_to_be_broken() -> None:
    first = flood()
    row = row_of(kept(first, about("signature", flood(1), meaning="performed")))
    assert [each["holds"] for each in row["signatures"]] == [False]


def test_a_result_without_a_limit_shows_its_first_figure_all_the_same() -> None:
    row = row_of(kept(result(3)))
    assert [(each["name"], each["limit"]) for each in row["figures"]] == [("efficiency", None)]


def test_pictures_and_curves_are_told_with_their_sizes_and_thinned() -> None:
    picture = Picture("Head 0", np.zeros((4, 6)), "counts", 6.4, {"UFOV": (500.0, 400.0)})
    curve = Curve("Spectrum", np.arange(4000.0), np.full(4000, np.nan), "keV", "counts")
    told = whole_of(kept(flood()), [picture], [curve])

    assert (told["pictures"][0]["rows"], told["pictures"][0]["columns"]) == (4, 6)
    assert len(told["curves"][0]["x"]) <= 1500
    assert set(curve_of(curve)["y"]) == {None}
    json.dumps(told, allow_nan=False)


def test_the_calendar_says_what_was_done_missed_and_is_due() -> None:
    zone = ZoneInfo("Europe/Berlin")
    span = Span(date(2025, 3, 3), 14, date(2025, 3, 12), zone)  # from a Monday on, today is the Wednesday after
    done = [result(day, at=f"2025-03-{day:02d}T23:30:00.000Z") for day in (4, 6)]  # the day after, where the site is
    struck = about("strike", done[1], reason="wrong source")
    results = [kept(done[0]), kept(done[1], struck=struck)]
    told = calendar_of(span, TESTS, results, [], [], {"daily-flood": date(2025, 3, 3), "week": date(2025, 3, 3)})

    days = {day: cell for day, cell in zip(told["days"], told["tests"][0]["cells"], strict=True) if cell}
    assert days["2025-03-05"]["level"] == "in limits"
    assert days["2025-03-05"]["signed"] is False
    missed = [day for day, cell in days.items() if cell["missed"]]
    assert missed == ["2025-03-03", "2025-03-04", "2025-03-06", "2025-03-07", "2025-03-10", "2025-03-11"]
    weeks = [at for at, cell in enumerate(told["tests"][1]["cells"]) if cell and cell["missed"]]
    assert weeks == [6]  # the Sunday at the end of the week that is over


def test_nothing_was_missed_before_a_test_was_first_done() -> None:
    span = Span(date(2025, 3, 3), 14, date(2025, 3, 12), UTC)
    told = calendar_of(span, TESTS, [], [], [], {})
    assert all(cell is None for row in told["tests"] for cell in row["cells"])


# Looking at books


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[QcBooks]:
    async with books_at(f"sqlite:///{tmp_path / 'catalogue.sqlite'}", tmp_path / "qc", files=Unsynced()) as made:
        yield made


def looking(books: QcBooks) -> dict[str, Any]:
    async def limits(_: str | None) -> list[dict[str, Any]]:
        return []

    stands = standing(cast("Any", books), TESTS)
    stands.clock = lambda: datetime(2025, 1, 12, 9, 0, tzinfo=UTC)
    return dict(Looking(books, stands, limits, Signing(cast("Any", books), Where()).against).handlers())


async def test_what_one_may_do_with_a_result_is_told_with_the_reason_for_what_one_may_not(books: QcBooks) -> None:
    await books.put(only := result(1))

    async def against(name: str, role: Role) -> dict[str, str]:
        actor = Actor(name, "console", role)
        return dict((await looking(books)["qc-result"](QcResultAsk(result=only.id), actor))["against"])

    looks = await against("t", Role.TECHNOLOGIST)
    assert {looks[each] for each in ("performed", "reviewed")} == {"that needs the role qc"}
    runs = await against("q", Role.QC)
    assert (runs["performed"], runs["reviewed"]) == ("", "")
    assert {runs[each] for each in ("approved", "strike", "reference")} == {"that needs the role physicist"}
    leads = await against("p", Role.PHYSICIST)
    assert [each for each, why in leads.items() if why] == ["reference"]
    assert leads["reference"] == "nobody has approved it; a reference needs a signature as approved"

    sign = Signing(cast("Any", books), Where()).handlers()["qc-sign"]
    request = QcSign(result=only.id, sha256=only.sha256, meaning="performed")
    await sign(request, Actor("p", "console", Role.PHYSICIST))
    leads = await against("p", Role.PHYSICIST)
    assert leads["performed"] == "p has signed it as performed before"
    assert "cannot both perform and approve" in leads["approved"]


async def test_results_come_in_pages_newest_first(books: QcBooks) -> None:
    for day in range(7):
        await books.put(result(day))
    ask = looking(books)["qc-results"]

    first = await ask(QcResults(limit=3), ANNA)
    last = await ask(QcResults(limit=3, offset=6), ANNA)
    none = await ask(QcResults(level="suspension"), ANNA)
    assert [row["performed_utc"][:10] for row in first["results"]] == ["2025-01-07", "2025-01-06", "2025-01-05"]
    assert (first["more"], last["more"], len(last["results"]), none["results"]) == (True, False, 1, [])
    with pytest.raises(UsageError, match="is no time"):
        await ask(QcResults(since="yesterday"), ANNA)


async def test_a_result_is_told_whole_beside_the_one_it_is_compared_with(books: QcBooks) -> None:
    picture = Picture("Head 0", np.ones((2, 2)), "counts")
    first = flood(1)
    body = {
        **first.body,
        "evidence_sha256": await books.put_evidence(first.id, first.at_utc, Findings(pictures=(picture,))),
    }
    first = replace(first, body=body)
    await books.put(first)
    second = flood(2, reference=first.id)
    await books.put(second)

    told = await looking(books)["qc-result"](QcResultAsk(result=second.id), ANNA)
    assert told["document"]["sha256"] == second.sha256
    assert (told["pictures"], told["compared"]["pictures"][0]["title"]) == ([], "Head 0")
    assert (told["is_reference"], told["repeatable"]) == (False, True)
    with pytest.raises(MissingError, match="no result"):
        await looking(books)["qc-result"](QcResultAsk(result="of nobody"), ANNA)


async def test_the_calendar_has_the_line_of_the_last_days_and_the_newest_result(books: QcBooks) -> None:
    for day in (7, 8, 9):
        await books.put(result(day))
    told = await looking(books)["qc-calendar"](QcCalendar(days=14), ANNA)

    points = told["sparks"]["daily-flood"]["points"]
    assert [value for _, value, _ in points] == [7.3, 8.3, 9.3]  # of each result the subject that is largest
    assert told["newest"]["daily-flood"]["id"] == result(9).id
    assert {row["test"] for row in told["due"]} == {"daily-flood", "week"}


async def test_the_register_tells_the_activity_of_now_and_what_stands_against_a_source(books: QcBooks) -> None:
    at = "2025-01-02T08:00:00.000Z"
    for serial, more in (("S-1", {}), ("S-2", {"disposed": "2025-01-05"})):
        body = {**SHEET, "serial": serial, **more}
        await books.put(Document(f"source-{serial.lower()}", "source", at, at, "anna", body, about=serial))
    told = await looking(books)["qc-sources"](QcSources(), ANNA)

    assert [(each["serial"], each["gone"]) for each in told["sources"]] == [("S-1", False), ("S-2", True)]
    assert told["sources"][0]["now_mbq"] == pytest.approx(370.0 * 0.5 ** (10.875 / 271.8), rel=0.01)
    assert told["sources"][1]["now_mbq"] is None


async def test_who_is_signed_in_at_the_console_signs_and_nobody_does_over_the_broker(books: QcBooks) -> None:
    first = flood()
    await books.put(first)
    sign = Signing(books, Where()).handlers()["qc-sign"]
    request = QcSign(result=first.id, sha256=first.sha256, meaning="performed")

    assert (await sign(request, ANNA))["by"] == "anna"
    with pytest.raises(RefusedError, match="anna has signed it as performed before"):
        await sign(request, ANNA)
    with pytest.raises(RefusedError, match="on the station's own host alone"):
        await sign(request, Actor("eve", "mqtt", Role.PHYSICIST))


# What takes a process

_WRITES = "import sys; open(sys.argv[2], 'w').write('{\"trends\": []}')"
_FAILS = "import sys; sys.stderr.write('no such thing\\n'); sys.exit(4)"


def reading(books: QcBooks, folder: Path, program: str, within_s: float = 20.0) -> Reading:
    def command(job: Path, made: Path) -> tuple[str, ...]:
        return (sys.executable, "-c", program, str(job), str(made))

    return Reading(command, lambda: {"station": "one"}, books, TESTS, folder / "made", within_s=within_s)


async def test_charts_are_made_once_until_the_books_change(books: QcBooks, tmp_path: Path) -> None:
    made = reading(books, tmp_path, _WRITES)
    ask = made.handlers()["qc-trend"]
    for _ in range(2):
        assert await ask(QcTrend(test="daily-flood"), ANNA) == {"trends": []}
    assert made.made == 1
    await books.put(result(1))
    await ask(QcTrend(test="daily-flood"), ANNA)
    assert made.made == 2
    with pytest.raises(MissingError, match="no test 'nothing'"):
        await ask(QcTrend(test="nothing"), ANNA)


async def test_what_a_process_says_against_it_is_told(books: QcBooks, tmp_path: Path) -> None:
    await books.put(result(1))
    ask = reading(books, tmp_path, _FAILS).handlers()["qc-report"]
    with pytest.raises(MissingError, match="no such thing"):
        await ask(QcReport(result=result(1).id), ANNA)
    with pytest.raises(UsageError, match="a result, or a month"):
        await ask(QcReport(), ANNA)
    with pytest.raises(MissingError, match="no result"):
        await ask(QcReport(result="../../etc/passwd"), ANNA)
    with pytest.raises(UnexpectedError, match="code 1"):
        await reading(books, tmp_path, "import sys; sys.exit(1)").handlers()["qc-report"](
            QcReport(month="2025-01"), ANNA
        )


async def test_results_are_a_table_that_can_be_taken_in_again(books: QcBooks, tmp_path: Path) -> None:
    for day in (2, 1):
        await books.put(result(day, figures=(Figure("ufov", "%", ("head 0", "head 1"), (2.5, 3.5), (0.1, 0.1)),)))
    table = (await _table(books, cast("Any", None), {"test": "daily-flood"})).decode()
    rows = table.splitlines()
    assert (rows[0], len(rows)) == (",".join(EXPORTED), 5)
    assert rows[1].split(",")[6:8] == ["head 0", "2.5"]
    told = await reading(books, tmp_path, _WRITES).handlers()["qc-table"](QcTable(test="daily-flood"), ANNA)
    assert (told["name"], told["media_type"]) == ("qc-daily-flood.csv", "text/csv; charset=utf-8")
    with pytest.raises(MissingError, match="no test 'nothing'"):
        await reading(books, tmp_path, _WRITES).handlers()["qc-table"](QcTable(test="nothing"), ANNA)


async def test_no_more_wait_for_a_process_than_there_is_room_for(books: QcBooks, tmp_path: Path) -> None:
    made = reading(books, tmp_path, _WRITES)
    made._waiting = 8
    with pytest.raises(BusyError, match="8 reports and charts wait"):
        await made.handlers()["qc-report"](QcReport(month="2025-01"), ANNA)


async def test_a_result_without_pictures_has_none(books: QcBooks, tmp_path: Path) -> None:
    await books.put(result(1))
    with pytest.raises(MissingError, match="has no pictures"):
        await reading(books, tmp_path, _WRITES).handlers()["qc-picture"](QcPicture(result=result(1).id, number=0), ANNA)


def test_days_of_a_calendar_are_those_of_the_site() -> None:
    span = Span(date(2025, 3, 29), 3, date(2025, 3, 30), ZoneInfo("Europe/Berlin"))
    assert span.moment(date(2025, 3, 31)) - span.moment(date(2025, 3, 30)) == timedelta(hours=23)


@pytest.mark.parametrize("method", ["ewma", "cusum"])
async def test_a_chart_is_told_with_its_lines_and_the_rate_of_its_false_alarms(books: QcBooks, method: str) -> None:
    for day in range(45):
        figure = Figure("efficiency", "%", ("head 0",), (5.0 + 0.1 * (day % 3) + 0.2 * max(0, day - 32),), (0.05,))
        await books.put(result(day, figures=(figure,)))
    asked = {"test": "daily-flood", "figure": None, "subject": None, "method": method, "days": 36500}
    told = await charts_told(books, cast("Any", SimpleNamespace(qc=TESTS)), asked)

    drawn = told["drawn"]
    json.dumps(told, allow_nan=False)
    assert (drawn["state"], len(drawn["at_ms"]), len(drawn["value"])) == ("changed", 45, 45)
    assert "a false alarm of any of them at most once in" in told["rate"]
    assert (drawn["alarms"][0]["side"], drawn["fixed"]) == (1, [["action", 7.0], ["suspension", 10.0]])
    lines = ("average", "upper", "lower") if method == "ewma" else ("high", "low", "limit")
    assert all(len(drawn[name]) == 45 and drawn[name][0] is None and drawn[name][-1] is not None for name in lines)
    with pytest.raises(MissingError, match="no chart of 'nothing'"):
        await charts_told(books, cast("Any", SimpleNamespace(qc=TESTS)), {**asked, "figure": "nothing"})


async def test_few_points_are_told_of_many_results_and_all_of_them_are_charted(books: QcBooks) -> None:
    for day in range(30):
        await books.put(result(day, figures=(Figure("efficiency", "%", ("head 0",), (5.0,)),)))
    since = (datetime.now(UTC) - datetime(2025, 1, 20, tzinfo=UTC)).days
    asked = {"test": "daily-flood", "figure": None, "subject": None, "method": "ewma", "days": since}
    drawn = (await charts_told(books, cast("Any", SimpleNamespace(qc=TESTS)), asked))["drawn"]
    assert drawn["earlier"] > 0
    assert len(drawn["at_ms"]) + drawn["earlier"] == 30


@pytest.mark.parametrize("first", ["0001-01-01", "9999-12-31", "2025-02-30", "today"])
async def test_days_that_no_calendar_can_show_are_refused(books: QcBooks, first: str) -> None:
    with pytest.raises((UsageError, ValidationError)):
        await looking(books)["qc-calendar"](QcCalendar(first=first, days=62), ANNA)
