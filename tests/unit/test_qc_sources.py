"""Sources of the register."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import RefusedError, UsageError
from daq.qc.sources import activity_at, impurity_percent, source_entry, source_in_use

BERLIN = ZoneInfo("Europe/Berlin")
REFERENCE = datetime(2021, 3, 1, 12, tzinfo=UTC)
SHEET: dict[str, Any] = {
    "nuclide": "Co-57", "form": "sheet", "activity": "370 MBq", "reference": "2021-03-01T12:00:00Z",
    "certificate": "calibration certificate 4711", "place": "safe 2", "leak_tested": "2021-03-01",
    "leak_test_next": "2022-03-01",
}  # fmt: skip


def test_activity_decays_with_the_half_life_of_its_nuclide() -> None:
    entry = source_entry("S-1", SHEET)
    assert activity_at(entry, REFERENCE) == pytest.approx(370.0)
    assert activity_at(entry, REFERENCE + timedelta(days=271.74)) == pytest.approx(185.0)
    assert activity_at(entry, REFERENCE - timedelta(days=271.74)) == pytest.approx(740.0)


@given(st.floats(-1000, 3000), st.floats(0, 3000))
def test_activity_after_two_spans_is_that_after_their_sum(first: float, second: float) -> None:
    entry = source_entry("S-1", SHEET)
    one, both = (REFERENCE + timedelta(days=days) for days in (first, first + second))
    then = source_entry("S-2", SHEET | {"activity": "100 MBq", "reference": one.isoformat()})
    assert activity_at(entry, both) == pytest.approx(activity_at(entry, one) * activity_at(then, both) / 100.0)


def test_an_activity_is_entered_with_its_unit() -> None:
    assert source_entry("S-1", SHEET | {"activity": "0.37 GBq"}).activity_mbq == pytest.approx(370.0)
    with pytest.raises(RefusedError, match=r"source S-1: activity = '370'"):
        source_entry("S-1", SHEET | {"activity": "370"})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"nuclide": "Co-59"}, "nuclide = 'Co-59'"),
        ({"reference": "2021-03-01T12:00:00"}, "no time zone"),
        ({"activity": "0 MBq"}, "above zero"),
        ({"leak_tested": "2021-02-30"}, "leak_tested"),
        ({"leak_test_next": "2020-03-01"}, "is before leak_tested"),
        ({"form": "cube"}, "form = 'cube'"),
        ({"certificat": "x"}, "did you mean certificate"),
        ({"place": "safe\x1b[2J"}, "printable"),
        ({"disposed_to": "the vendor"}, "disposed \\(the day\\) is not"),
        ({"nuclide": "Ge-68", "co58_percent": 1.0}, "of Co-57 alone"),
    ],
)
def test_what_cannot_be_of_a_source_is_refused_with_the_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        source_entry("S-1", SHEET | changed)


def test_what_is_new_of_a_source_is_laid_over_what_was_entered() -> None:
    first = source_entry("S-1", SHEET)
    moved = source_entry("S-1", {"place": "safe 3", "leak_test_next": None}, first.model_dump(exclude_none=True))
    assert (moved.place, moved.leak_test_next, moved.certificate) == ("safe 3", None, first.certificate)


def test_what_a_certificate_says_is_never_changed_under_the_same_serial() -> None:
    first = source_entry("S-1", SHEET).model_dump(exclude_none=True)
    with pytest.raises(
        RefusedError, match=r"activity_mbq was 370\.0 and would become 400.0; that is another certificate"
    ):
        source_entry("S-1", {"activity": "400 MBq"}, first)
    assert source_entry("S-1", {"activity": "0.37 GBq"}, first).activity_mbq == pytest.approx(370.0)


def test_a_source_that_was_disposed_of_cannot_be_used_from_that_day_of_the_site_on() -> None:
    entry = source_entry("S-1", SHEET | {"disposed": "2021-06-01", "disposed_to": "the vendor"})
    last = datetime(2021, 5, 31, 23, 59, tzinfo=BERLIN)
    assert source_in_use(entry, at=last, zone=BERLIN).activity_mbq > 0
    with pytest.raises(RefusedError, match="was disposed of to the vendor on 2021-06-01"):
        source_in_use(entry, at=last + timedelta(minutes=1), zone=BERLIN)


def test_a_source_of_another_nuclide_than_the_test_takes_is_refused() -> None:
    entry = source_entry("S-1", SHEET)
    with pytest.raises(RefusedError, match="is Co-57; this test is done with Tc-99m or I-123"):
        source_in_use(entry, at=REFERENCE, zone=BERLIN, nuclides=("Tc-99m", "I-123"))
    assert source_in_use(entry, at=REFERENCE, zone=BERLIN, nuclides=("Co-57",)).activity_mbq == pytest.approx(370.0)


def test_an_overdue_leak_test_and_an_old_source_are_remarks() -> None:
    used = source_in_use(source_entry("S-1", SHEET), at=REFERENCE + timedelta(days=2000), zone=BERLIN)
    assert used.remarks == (
        "source S-1: its leak test was due by 2022-03-01",
        "source S-1: 7.4 half-lives old, 0.61 % of its activity is left",
    )


def test_new_cobalt_is_named_and_its_impurities_die_faster_than_it() -> None:
    bare = source_in_use(source_entry("S-1", SHEET), at=REFERENCE + timedelta(days=10), zone=BERLIN)
    assert "10 days after its reference time; new Co-57 carries Co-56 and Co-58" in bare.remarks[0]
    entry = source_entry("S-1", SHEET | {"co56_percent": 0.1, "co58_percent": 0.2})
    assert impurity_percent(entry, REFERENCE) == pytest.approx(0.3)
    later = impurity_percent(entry, REFERENCE + timedelta(days=77.236))
    assert later is not None
    expected = (0.1 * 0.5 + 0.2 * 2 ** (-77.236 / 70.86)) / 2 ** (-77.236 / 271.74)
    assert later == pytest.approx(expected)


def test_the_body_of_a_result_says_the_activity_then() -> None:
    body = source_in_use(source_entry("S-1", SHEET), at=REFERENCE, zone=BERLIN).to_body()
    assert body["activity_mbq"] == pytest.approx(370.0)
    assert (body["serial"], body["at_utc"], "disposed" in body) == ("S-1", "2021-03-01T12:00:00Z", False)


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="has no time zone"):
        activity_at(source_entry("S-1", SHEET), datetime(2021, 3, 1))  # noqa: DTZ001
