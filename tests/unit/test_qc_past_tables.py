"""Past results out of tables: which columns are which figures, what is wrong with which line; what was exported."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_qc_books import moment, result

from daq.errors import UsageError
from daq.model.qc.documents import QcResult
from daq.model.qc.figures import Figure
from daq.services.qc.abilities import Kept
from daq.services.qc.exported import csv_lines
from daq.services.qc.pasttable import Column, Mapped, column_of, exported_results, is_exported, past_results

BERLIN = timezone(timedelta(hours=1))


def mapped(*columns: str, **other: Any) -> Mapped:
    return Mapped("daily-flood", tuple(map(column_of, columns)), "Date", other.pop("zone", UTC), **other)


def test_columns_become_figures_of_subjects_and_rows_results() -> None:
    text = "Date,Who,IU 1,IU 2\n2020-02-03,x,3.1,2.9\n\n2020-02-04T07:30:00,x,,3.0\n"

    past = past_results(text, mapped("ufov_integral[%]@head 0=IU 1", "ufov_integral[%]@head 1=IU 2", zone=BERLIN))

    def figures(first: float | None, second: float) -> list[dict[str, Any]]:
        values = {"subjects": ["head 0", "head 1"], "values": [first, second]}
        return [{"name": "ufov_integral", "unit": "%", **values}]

    assert past.results == [
        {"test": "daily-flood", "at": "2020-02-03T12:00:00+01:00", "figures": figures(3.1, 2.9)},
        {"test": "daily-flood", "at": "2020-02-04T07:30:00+01:00", "figures": figures(None, 3.0)},
    ]
    assert (past.lines, past.wrong) == ([2, 4], [])


def test_rows_of_one_time_with_a_subject_each_are_one_result() -> None:
    text = "Date;Block;Efficiency;Peak\n03.02.2020 07:30;block 0;98,5;511\n03.02.2020 07:30;block 1;97,5;510,5\n"

    past = past_results(
        text,
        mapped(
            "efficiency[%]=Efficiency", "peak[keV]=Peak", subject="Block", date_format="%d.%m.%Y %H:%M", decimal=","
        ),
    )

    (told,) = past.results
    assert [figure["subjects"] for figure in told["figures"]] == [["block 0", "block 1"]] * 2
    assert [figure["values"] for figure in told["figures"]] == [[98.5, 97.5], [511.0, 510.5]]


def test_what_is_wrong_is_named_by_its_line_and_the_rest_is_taken() -> None:
    lines = [
        "Date,IU", "2020-02-03,3.1", "soon,3.1", "2020-02-04,high", "2020-02-05,inf", "2020-02-06", "2020-02-07,3.2",
        "2020-02-07,3.3",
    ]  # fmt: skip

    past = past_results("\n".join(lines), mapped("ufov_integral[%]=IU"))

    assert [each["figures"][0]["values"] for each in past.results] == [[3.1], [3.2]]
    assert past.wrong == [
        (3, "'soon' is no time of ISO 8601"), (4, "'high' is no number whose decimal sign is '.'"),
        (5, "'inf' is no finite number"),
        (6, "1 cells, the header has 2"), (8, "subject '' has a value of this figure and time already"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "decimal"),
    [("1.234", ","), ("1.234,5", ","), ("1,234.5", "."), ("3,1", "."), ("1_000", "."), ("1 000", "."),
     ("\uff11", "."), ("0x1f", ".")],
)  # fmt: skip
def test_a_sign_of_thousands_never_makes_another_number(cell: str, decimal: str) -> None:
    past = past_results(f"Date;IU\n2020-02-03;{cell}\n", mapped("ufov_integral[%]=IU", decimal=decimal))

    assert (past.results, past.wrong) == ([], [(2, f"{cell!r} is no number whose decimal sign is {decimal!r}")])


@pytest.mark.parametrize(
    ("text", "date_format", "at"),
    [
        ("20200203", None, "2020-02-03T12:00:00+00:00"), ("2020-02-03T07:30Z", None, "2020-02-03T07:30:00+00:00"),
        ("03.02.2020 07:30 PM", "%d.%m.%Y %I:%M %p", "2020-02-03T19:30:00+00:00"),
        ("03/02/2020", "%d/%m/%Y", "2020-02-03T12:00:00+00:00"),
    ],
)  # fmt: skip
def test_a_day_alone_is_noon_and_a_time_stays(text: str, date_format: str | None, at: str) -> None:
    past = past_results(f"Date;IU\n{text};1\n", mapped("ufov_integral[%]=IU", date_format=date_format))

    assert [each["at"] for each in past.results] == [at]


def test_what_lies_in_the_future_is_named_by_its_line() -> None:
    exported = "result,test,performed_utc,level,figure,unit,subject,value,noise,counts\nx,t,{},a,f,%,,1,,\n"

    past = past_results("Date,IU\n2999-02-03,3.1\n2020-02-03,3.1\n", mapped("ufov_integral[%]=IU"))
    also = exported_results(exported.format("2999-02-03T00:00:00Z"))
    naive = exported_results(exported.format("2020-02-03"))

    assert (len(past.results), past.wrong) == (1, [(2, "'2999-02-03' lies in the future")])
    assert (also.results, also.wrong) == ([], [(2, "'2999-02-03T00:00:00Z' lies in the future")])
    assert (naive.results, naive.wrong) == ([], [(2, "'2020-02-03' is no time with its zone")])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"), ("a,a\n1,2\n", "two columns have one name"), ("Date,UI\n", "no column 'IU'; known: Date, UI"),
        ("When,IU\n", "no column 'Date'"), ('Date,IU\n"2020,1\n', "line"),
    ],
)  # fmt: skip
def test_what_is_no_such_table_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        past_results(text, mapped("ufov_integral[%]=IU"))


@pytest.mark.parametrize("text", ["IU", "iu=IU", "iu[%]", "iu[%]=", "Iu[%]=x", "iu[%]@=x"])
def test_a_column_says_figure_unit_and_column(text: str) -> None:
    with pytest.raises(UsageError, match="write figure"):
        column_of(text)
    assert column_of("iu[1/s]@head 0, window x=A=B") == Column("iu", "1/s", "head 0, window x", "A=B")


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def figures(draw: st.DrawFn) -> tuple[Figure, ...]:
    names = draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True))
    made = []
    for name in names:
        subjects = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)))
        values = tuple(draw(st.lists(NUMBERS, min_size=len(subjects), max_size=len(subjects))))
        made.append(Figure(name, draw(NAMES), subjects, values))
    return tuple(made)


@given(st.lists(figures(), max_size=4))
def test_what_is_exported_as_a_table_is_read_again_as_it_was(found: list[tuple[Figure, ...]]) -> None:
    documents = [result(day, figures=told) for day, told in enumerate(found)]

    text = "".join(csv_lines(Kept(each, QcResult.from_body(each.body)) for each in documents))
    past = exported_results(text)

    assert is_exported(text)
    assert past.wrong == []
    assert [(each["test"], each["at"]) for each in past.results] == [
        ("daily-flood", moment(day)) for day in range(len(found))
    ]
    for told, own in zip(past.results, found, strict=True):
        assert [(each["name"], each["unit"], tuple(each["subjects"]), tuple(each["values"])) for each in
                told["figures"]] == [(each.name, each.unit, each.subjects, each.values) for each in own]  # fmt: skip


def test_of_an_exported_table_one_test_may_be_taken() -> None:
    documents = [result(1), result(2, test="another")]
    text = "".join(csv_lines(Kept(each, QcResult.from_body(each.body)) for each in documents))

    assert [each["test"] for each in exported_results(text, "another").results] == ["another"]
