from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import RefusedError
from daq.model.units import UNITS, convert, is_dimensionless, why_unknown

SAME_DIMENSION = [(a, b) for a in UNITS for b in UNITS if UNITS[a].dimension == UNITS[b].dimension]


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (1, "h", "ps", 3600 * 10**12),
        (1, "ms", "s", Fraction(1, 1000)),
        (511, "keV", "MeV", Fraction(511, 1000)),
        (10, "um", "mm", Fraction(1, 100)),
        (90, "deg", "turn", Fraction(1, 4)),
        (1, "MHz", "1/s", 10**6),
        (25, "%", "1", Fraction(1, 4)),
        (1500, "V", "kV", Fraction(3, 2)),
    ],
)
def test_known_conversions_are_exact(value: int, unit: str, to: str, expected: Fraction) -> None:
    assert convert(value, unit=unit, to=to) == expected


@given(st.sampled_from(SAME_DIMENSION), st.fractions())
def test_a_conversion_there_and_back_changes_nothing(pair: tuple[str, str], value: Fraction) -> None:
    there = convert(value, unit=pair[0], to=pair[1])

    assert convert(there, unit=pair[1], to=pair[0]) == value


def test_units_of_two_dimensions_are_refused_in_words() -> None:
    with pytest.raises(RefusedError, match="keV measures energy, mm length"):
        convert(1, unit="keV", to="mm")


def test_an_unknown_unit_is_refused_with_close_names() -> None:
    with pytest.raises(RefusedError, match="'KEV': unknown unit; close: keV"):
        convert(1, unit="KEV", to="keV")


def test_an_empty_unit_is_told_how_to_write_a_pure_number() -> None:
    assert why_unknown("") == 'every field states its unit; a pure number is "1"'


def test_a_unit_far_from_all_lists_the_table() -> None:
    assert why_unknown("?!") == f"unknown unit; known: {', '.join(UNITS)}"


@pytest.mark.parametrize(("unit", "pure"), [("1", True), ("tick", True), ("adc", True), ("code", True), ("keV", False)])
def test_counts_codes_and_ticks_are_pure_numbers(unit: str, pure: bool) -> None:
    assert is_dimensionless(unit) is pure


def test_the_reference_page_lists_every_unit() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/instrument-profile.md").read_text()

    assert [unit for unit in UNITS if f"`{unit}`" not in page] == []
