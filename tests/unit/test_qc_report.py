"""Reports of results and months: whole, safe, told in words."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from support_qc_report import (
    BEGIN,
    TEST,
    MemoryBooks,
    both,
    days,
    event_of,
    result_of,
    signature_of,
)

from daq.composition.qc.report import report_of
from daq.composition.qc.reportbooks import month_of_books, trends_of
from daq.composition.qc.reporthtml import html_of
from daq.composition.qc.reportmodel import Drawing, Report, Table, clean
from daq.composition.qc.reportmonth import month_from, month_report
from daq.composition.qc.reportpdf import pdf_of, unprintable
from daq.errors import UsageError
from daq.model.qc.documents import Document
from daq.model.qc.figures import Curve, Figure, Findings, Level, Picture
from daq.services.qc.abilities import Kept
from daq.services.qc.entries import assembled

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }} $x_$ &amp; \x07\u202e</td>"
MADE = "2031-04-02T10:00:00Z"


def kept_of(result: Document, *others: Document) -> Kept:
    (kept,) = assembled([result], others, now_ms=2**52)
    return kept


@pytest.fixture(scope="module")
def found() -> Findings:
    return both(1, dip=0.1)


@pytest.fixture(scope="module")
def report(found: Findings) -> Report:
    return report_of(kept_of(result_of(found, BEGIN)), (found.pictures, found.curves), [], MADE)


class Texts(HTMLParser):
    """Collects elements, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_its_policy_allows_no_more(report: Report) -> None:
    page = html_of(report)
    read = Texts(page)
    style = page.split("<style>")[1].split("</style>")[0]
    policy = next(str(found["content"]) for tag, found in read.elements if found.get("http-equiv"))

    assert {tag for tag, _ in read.elements} & {"script", "link", "iframe", "object", "form"} == set()
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "url(" not in style
    for _, attributes in read.elements:
        assert not {name for name in attributes if name.startswith("on") or name in {"style", "href"}}
        assert str(attributes.get("src", "data:image/png")).startswith("data:image/png")


def test_the_page_says_level_limits_noise_counts_source_and_hashes_in_words(report: Report, found: Findings) -> None:
    text = Texts(html_of(report)).text

    for words in (
        "SIMULATED: beyond the action level: investigate", "NOT SIGNED", "call the physicist", "counting noise",
        "action above 6 %, suspension above 8 %", "IAEA Human Health Series 6", "HC-57-1", "312.4 MBq at the time",
        "manifest SHA-256 999", result_of(found, BEGIN).sha256, "UFOV 540 x 400 mm", "uniformity-2031-01",
    ):  # fmt: skip
        assert words in text, words


def test_what_is_simulated_says_so_on_page_pictures_and_pdf_and_what_is_not_does_not(found: Findings) -> None:
    def drawn(*, simulated: bool) -> Report:
        result = result_of(found, BEGIN, simulated=simulated)
        return report_of(kept_of(result), (found.pictures[:1], ()), [], MADE)

    simulated, real = drawn(simulated=True), drawn(simulated=False)
    pictures = [next(part.png for part in one.parts if isinstance(part, Drawing)) for one in (simulated, real)]

    assert html_of(simulated).count("SIMULATED") > 3
    assert "SIMULATED" not in html_of(real)
    assert pictures[0] != pictures[1]
    assert len(pdf_of(simulated)) > 20_000


def test_hostile_texts_stay_texts_wherever_they_stand(found: Findings) -> None:
    other = {
        "title": HOSTILE, "collimator": HOSTILE, "comment": HOSTILE, "remarks": (HOSTILE,), "obstacles": (HOSTILE,),
        "statements": {HOSTILE: HOSTILE}, "overrides": {HOSTILE: HOSTILE}, "entries": {HOSTILE: HOSTILE},
        "source": {"nuclide": HOSTILE, "serial": HOSTILE}, "protocol": {"id": HOSTILE},
        "acquisitions": ({"id": HOSTILE, "directory": HOSTILE},), "calibrations": ({HOSTILE: HOSTILE},),
        "limits": {HOSTILE: {"source": HOSTILE}},
    }  # fmt: skip
    figures = (Figure(HOSTILE, HOSTILE, (HOSTILE,), (1.0,)),)
    result = result_of(Findings(figures), BEGIN, name="x", **other)
    picture = Picture(HOSTILE, np.ones((4, 4)), HOSTILE, 6.4, {HOSTILE: (10.0, 10.0)})
    curve = Curve(HOSTILE, np.arange(4.0), np.arange(4.0), HOSTILE, HOSTILE, None, {HOSTILE: 2.0})
    signed = signature_of(result, by=HOSTILE, meaning=HOSTILE, comment=HOSTILE)

    made = report_of(kept_of(result, signed), ((picture,), (curve,)), [], MADE)
    page = Texts(html_of(made))

    assert page.text.count("<script>alert(1)</script>") > 15
    assert {tag for tag, _ in page.elements} & {"script"} == set()
    assert all(found.get("onerror") is None and found.get("src") != "x" for _, found in page.elements)
    assert "49" not in page.text.split("What it rests on")[0]
    assert not re.search("[\x07\u202e]", page.text)
    assert pdf_of(made).startswith(b"%PDF-")


def test_a_signature_of_something_else_is_said_to_be_broken(found: Findings) -> None:
    result = result_of(found, BEGIN)
    good, wrong = signature_of(result), signature_of(result, by="C. Other", sha256="0" * 64)

    text = Texts(html_of(report_of(kept_of(result, wrong), ((), ()), [], MADE))).text
    assert "NO: the result is not what was signed" in text
    assert "NOT SIGNED; A SIGNATURE IS BROKEN" in text
    both_of = report_of(kept_of(result, good, wrong), ((), ()), [], MADE)
    assert both_of.unsigned == "A SIGNATURE IS BROKEN"
    assert "NOT SIGNED" not in Texts(html_of(report_of(kept_of(result, good), ((), ()), [], MADE))).text


def test_figures_of_many_blocks_are_told_by_their_range_and_those_beyond_by_name() -> None:
    names = tuple(f"block {number}" for number in range(448))
    values = tuple(9.0 if number == 17 else 3.0 + number / 448 for number in range(448))
    figure = Figure("ufov_integral", "%", names, values, (0.5,) * 448, (0.0, *(9000.0,) * 447))

    made = report_of(kept_of(result_of(Findings((figure,)), BEGIN)), ((), ()), [], MADE)

    table = next(part for part in made.parts if isinstance(part, Table) and part.title == "Figures against limits")
    assert [row[1].text for row in table.rows] == ["448, of block 0 on", "block 17"]
    assert "3 to 9 %" in table.rows[0][2].text
    assert table.rows[0][4].text == "0 to 9,000"
    assert table.rows[1][6].text == "suspension"


def test_texts_of_all_lengths_and_scripts_are_drawn_without_a_warning(found: Findings) -> None:
    long = "測試 Ärger \U0001f600 " + "w" * 900
    result = result_of(found, BEGIN, title=long, remarks=(long,), comment=long)
    picture = Picture(long, np.zeros((3, 5)), long)

    made = report_of(kept_of(result), ((picture,), ()), [], MADE)

    assert "測試 Ärger" in html_of(made)
    assert " letters of scripts that the font of this PDF lacks are printed as □" in unprintable(made)
    assert pdf_of(made).startswith(b"%PDF-")


def test_a_pdf_says_that_it_cannot_join_letters_of_scripts_from_right_to_left(found: Findings) -> None:
    made = [report_of(kept_of(result_of(found, BEGIN, comment=text)), ((), ()), [], MADE) for text in ("محمد", "Anna")]

    assert "unjoined" in unprintable(made[0])
    assert unprintable(made[1]) == ""


@pytest.mark.parametrize("values", [np.full((4, 4), np.nan), np.zeros((1, 1)), -np.ones((2, 300))])
def test_pictures_of_nothing_are_drawn_as_they_are(values: np.ndarray, found: Findings) -> None:
    curve = Curve("c", np.array([]), np.array([]), "x", "y")
    made = report_of(kept_of(result_of(found, BEGIN)), ((Picture("p", values, "1"),), (curve,)), [], MADE)

    assert sum(isinstance(part, Drawing) for part in made.parts) == 2


@pytest.fixture(scope="module")
def month_books() -> MemoryBooks:
    books = MemoryBooks()
    figure = both(0).figures
    random = np.random.default_rng(1)
    for number, day in enumerate(days(65)):
        values = [tuple((value or 0.0) * random.uniform(0.97, 1.03) for value in one.values) for one in figure]
        drawn = [
            Figure(one.name, one.unit, one.subjects, new, one.noise, one.counts)
            for one, new in zip(figure, values, strict=True)
        ]
        result = result_of(Findings(tuple(drawn)), day)
        books.documents += [result, *([signature_of(result)] if number % 2 else [])]
    removed = [one for one in books.documents if one.at_utc.startswith("2031-05-07")]
    books.documents = [one for one in books.documents if one not in removed]
    books.documents.append(event_of(datetime(2031, 5, 14, 12, tzinfo=UTC)))
    return books


def month_of(books: MemoryBooks, text: str = "2031-05") -> Report:
    month = month_from(text, ZoneInfo("Europe/Berlin"))
    read = asyncio.run(month_of_books(books, {"daily-flood": TEST}, month))
    return month_report(month, read, "Camera", "one", datetime(2031, 6, 2, tzinfo=UTC))


def test_a_month_says_what_was_done_and_missed_and_who_signed(month_books: MemoryBooks) -> None:
    made = month_of(month_books)
    calendar = next(part for part in made.parts if isinstance(part, Table) and part.title == "Calendar")
    text = Texts(html_of(made)).text

    row = [cell.text for cell in calendar.rows[0]]
    assert (row[7], row[8], row[10], row[-1]) == ("-", "ok", "", "21/22")
    assert "RESULTS NOT SIGNED" in made.unsigned
    assert "service, crystal temperature sensor replaced (A. Engineer)" in text
    assert "control charts: while nothing changes, a false alarm" in text
    assert pdf_of(made).startswith(b"%PDF-")


def test_a_month_is_not_good_where_tests_were_missed_or_say_nothing(month_books: MemoryBooks) -> None:
    weekly, yearly = (TEST.model_copy(update={"every": every}) for every in ("week", "year"))
    half = result_of(Findings(both(0).figures, obstacles=("half a flood",)), datetime(2031, 5, 14, 6, tzinfo=UTC))
    removed = [one for one in month_books.documents if one.at_utc.startswith("2031-05-14") and one.kind == "result"]
    books = MemoryBooks([*(one for one in month_books.documents if one not in removed), half])
    month = month_from("2031-05", ZoneInfo("Europe/Berlin"))
    tests = {"daily-flood": TEST, "weekly": weekly, "yearly": yearly}
    read = asyncio.run(month_of_books(books, tests, month))
    made = month_report(month, read, "Camera", "one", datetime(2031, 6, 2, tzinfo=UTC))

    calendar = next(part for part in made.parts if isinstance(part, Table) and part.title == "Calendar")
    assert [(row[-1].text, row[-1].tone) for row in calendar.rows] == [
        ("20/22", "missed"),
        ("0/3", "missed"),
        ("0", ""),
    ]
    assert "2 tests not done as often as due" in made.verdict.text
    assert made.verdict.tone != "good"


def test_the_days_of_a_zone_that_a_file_of_the_host_gives_are_named_by_its_clocks(month_books: MemoryBooks) -> None:
    from importlib.resources import files

    with (files("tzdata") / "zoneinfo" / "Europe" / "Berlin").open("rb") as file:
        zone = ZoneInfo.from_file(file)
    month = month_from("2031-03", zone)
    read = asyncio.run(month_of_books(month_books, {"daily-flood": TEST}, month))
    made = month_report(month, read, "Camera", "one", datetime(2031, 6, 2, tzinfo=UTC))

    assert "Days are those of CET (UTC+0100) and CEST (UTC+0200)" in Texts(html_of(made)).text


def test_a_month_without_a_result_is_a_page_that_says_so(month_books: MemoryBooks) -> None:
    made = month_of(month_books, "2031-09")

    assert made.verdict.text.startswith("0 results")
    assert made.unsigned == ""


@pytest.mark.parametrize("text", ["2031-13", "2031", "../2031-05", "2031-05-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no month"):
        month_from(text, UTC)


def test_trends_of_the_books_leave_obstructed_results_out(month_books: MemoryBooks) -> None:
    half = result_of(Findings(both(0).figures, obstacles=("half a flood",)), datetime(2031, 5, 7, 6, tzinfo=UTC))
    assert half.body["level"] == str(Level.NOT_EVALUABLE)
    books = MemoryBooks([*month_books.documents, half])

    trends = asyncio.run(trends_of(books, "daily-flood", TEST))

    assert [trend.figure for trend in trends] == ["ufov_integral", "peak_kev"]
    assert len(trends[0].watched.series.days) == 64
    assert trends[0].fixed is not None
    assert [words for _, words in trends[0].events] == ["service: crystal temperature sensor replaced"]


def test_a_figure_that_falls_as_its_source_does_is_remarked() -> None:
    books, random = MemoryBooks(), np.random.default_rng(3)
    for day in days(60):
        age = (day - BEGIN).days
        counted = 2e4 * 2 ** (-age / 271.74) * (1 + 0.002 * random.standard_normal())
        books.documents.append(
            result_of(Findings((Figure.of("count_rate_cps", counted, "1/s", subject="head 0"),)), day)
        )

    (trend,) = asyncio.run(trends_of(books, "daily-flood", TEST, figures=["count_rate_cps"]))

    assert trend.remarks[0].startswith("It falls as Co-57 decays")


@dataclass(frozen=True)
class Done:
    """How a result differs from the others of its test."""

    collimator: str = "LEHR"
    serial: str = "HC-57-1"
    version: int = 1
    simulated: bool = False
    value: float = 5.0
    recording: str = ""


def charted(*results: Done, unit: str = "cps/MBq") -> tuple[list[str], list[list[float | None]], tuple[str, ...]]:
    """Chart results, one a day, and return subjects, columns and remarks."""
    books = MemoryBooks()
    for at, one in zip(days(len(results)), results, strict=True):
        found = Findings((Figure.of("sensitivity", one.value, unit, subject="head 0"),))
        recordings = {"acquisitions": ({"id": one.recording},)} if one.recording else {}
        books.documents.append(result_of(
            found, at, simulated=one.simulated, collimator=one.collimator, analysis_version=one.version,
            source={"nuclide": "Tc-99m", "serial": one.serial}, **recordings,
        ))  # fmt: skip
    (trend,) = asyncio.run(trends_of(books, "daily-flood", TEST, figures=["sensitivity"]))
    series = trend.watched.series
    values = [[None if np.isnan(value) else float(value) for value in column] for column in series.values.T]
    return list(series.subjects), values, trend.remarks


def test_each_collimator_and_source_has_a_chart_of_its_own() -> None:
    subjects, values, remarks = charted(
        Done(value=90.0), Done("MEGP", value=60.0), Done(value=91.0), Done(serial="HC-57-2", value=95.0)
    )

    assert subjects == ["head 0, LEHR, source HC-57-2", "head 0, LEHR, source HC-57-1", "head 0, MEGP, source HC-57-1"]
    assert values == [[None, None, None, 95.0], [90.0, None, 91.0, None], [None, 60.0, None, None]]
    assert any("different kinds have charts of their own: LEHR, source HC-57-2; LEHR" in each for each in remarks)


def test_another_source_is_no_other_chart_of_what_is_not_per_activity() -> None:
    assert charted(Done(), Done(serial="HC-57-2"), unit="%")[0] == ["head 0"]


def test_simulated_and_imported_results_are_not_charted_with_those_of_the_detector() -> None:
    subjects, values, remarks = charted(Done(version=0, value=1.0), Done(simulated=True, value=2.0), Done(), unit="%")

    assert subjects == ["head 0, LEHR", "head 0, imported"]
    assert values == [[None, 5.0], [1.0, None]]
    assert "1 simulated results are in no chart: the newest result is none." in remarks


def test_a_recording_that_was_analysed_again_counts_once_and_a_new_version_begins_a_new_normal() -> None:
    from daq.composition.qc.reportalike import alike

    subjects, values, remarks = charted(Done(recording="a"), Done(recording="a", version=2, value=6.0), unit="%")

    assert (subjects, values) == (["head 0"], [[6.0]])
    assert "1 results are in no chart: their recordings were analysed again." in remarks
    books = MemoryBooks([result_of(both(0), at, analysis_version=1 + number // 3) for number, at in enumerate(days(5))])
    found = alike(asyncio.run(books.results("daily-flood")))
    assert [words for _, words in found.events] == ["version 2 of the analysis"]


def test_matplotlib_is_loaded_when_something_is_drawn_and_needs_no_home(tmp_path: Path) -> None:
    code = (
        "import sys, daq.composition.qc.report, daq.composition.qc.reportpdf, daq.composition.qc.reporthtml\n"
        "print([m for m in ('matplotlib', 'reportlab', 'jinja2') if m in sys.modules])\n"
        "import numpy as np\n"
        "from daq.model.qc.figures import Picture\n"
        "from daq.composition.qc.reportimages import picture_png\n"
        "print(len(picture_png(Picture('p', np.ones((4, 4)), '1'), simulated=True)) > 5000)\n"
    )
    blocked = tmp_path / "file"
    blocked.write_text("")
    environment = {**os.environ, "HOME": str(blocked), "XDG_CACHE_HOME": str(blocked), "TMPDIR": str(tmp_path)}
    environment.pop("MPLCONFIGDIR", None)

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment, check=False
    )

    assert (done.stdout.split(), done.stderr) == (["[]", "True"], "")


def test_control_and_direction_marks_are_shown_and_long_texts_cut() -> None:
    assert clean("a\x00b\u202ec\nd") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\nd"
    assert len(clean("x" * 9000)) == 4000
