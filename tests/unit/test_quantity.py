"""Texts of number and unit: exact, and refused with the reason and an example when they are anything else."""

import re
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import RefusedError
from daq.model.quantity import COUNTS, ENERGY, POSITION, RATE, SPEED, TIME, Wanted, parse_quantity
from daq.model.units import UNITS

EVERYTHING = Wanted(tuple({unit.dimension for unit in UNITS.values()}), "1 mm", "any")
WHOLE = st.integers(0, 10**15)
DIGITS = st.text("0123456789", max_size=18)


@given(WHOLE, DIGITS, st.sampled_from(sorted(UNITS)), st.sampled_from(["", "-", "+"]), st.integers(0, 3))
def test_a_number_and_a_unit_are_read_exactly(whole: int, digits: str, unit: str, sign: str, spaces: int) -> None:
    text = f"{sign}{whole}{'.' if digits else ''}{digits}"
    wanted = Fraction(text) * UNITS[unit].factor
    if abs(wanted) > 2**63 - 1:
        with pytest.raises(RefusedError, match="is beyond"):
            parse_quantity(f"{text}{' ' * spaces}{unit}", EVERYTHING)
        return

    got = parse_quantity(f"{text}{' ' * max(spaces, unit[0].isdigit())}{unit}", EVERYTHING)

    assert (got.value, got.dimension) == (wanted, UNITS[unit].dimension)


@given(st.integers(1, 10**9), st.sampled_from(["ps", "ns", "us", "ms", "s", "min", "h", "d"]))
def test_a_time_said_in_its_unit_again_is_the_same_number(number: int, unit: str) -> None:
    with suppress(RefusedError):  # days beyond 64 bits of picoseconds
        assert parse_quantity(f"{number} {unit}", TIME).to(unit) == number


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RefusedError):
        parse_quantity(text, EVERYTHING)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.integers()), st.just({})))
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(RefusedError, match=r'e\.g\. "20 s"'):
        parse_quantity(value, TIME)


@pytest.mark.parametrize(
    ("value", "wanted", "why"),
    [
        (10, SPEED, 'has no unit; write e.g. "10 cm/min"'),
        (2.25, TIME, 'has no unit; write e.g. "20 s"'),
        ("10", SPEED, 'has no unit; write e.g. "10 cm/min"'),
        ("", SPEED, 'not a number with a unit; write e.g. "10 cm/min"'),
        ("fast", SPEED, 'not a number with a unit; write e.g. "10 cm/min"'),
        ("1e3 s", TIME, "'e3 s' is an unknown unit"),
        ("٣ s", TIME, 'not a number with a unit; write e.g. "20 s"'),
        ("10 cm/sec", SPEED, "'cm/sec' is an unknown unit; close: cm/s"),
        ("10 CM/MIN", SPEED, "'CM/MIN' is an unknown unit; close: cm/min"),
        ("10 cm", SPEED, 'cm measures length; wanted is speed or angular speed, e.g. "10 cm/min"'),
        ("3 s", POSITION, 's measures time; wanted is length or angle, e.g. "180 deg"'),
        ("0 s", TIME, "must be above zero"),
        ("-1 keV", ENERGY, "must be above zero"),
        ("0.5 ps", TIME, "is no whole number of picoseconds"),
        ("0.5 counts", COUNTS, "is no whole number of counts"),
        ("16 mCi", Wanted(("activity",), "600 MBq"), "curies are not taken: 1 mCi is 37 MBq"),
        ("1000000 d", TIME, "is beyond 106.8 d, the most that is taken"),
        (True, RATE, 'must be a text of number and unit, e.g. "20 kcps"'),
    ],
)
def test_a_refusal_says_what_to_write(value: object, wanted: Wanted, why: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(why)):
        parse_quantity(value, wanted)


@pytest.mark.parametrize(
    ("text", "wanted", "base"),
    [
        ("10 cm/min", SPEED, Fraction(5, 3)),
        ("2.25 ns", TIME, 2250),
        ("500 kcounts", COUNTS, 500_000),
        ("-6 deg", POSITION, -6),
        ("0.5turn", POSITION, 180),
        ("415 kcps", RATE, 415_000),
    ],
)
def test_known_quantities_in_base_units(text: str, wanted: Wanted, base: Fraction) -> None:
    assert parse_quantity(text, wanted).value == base


def test_a_quantity_is_not_said_in_a_unit_of_another_dimension() -> None:
    with pytest.raises(RefusedError, match="20 s is time; it cannot be said in mm"):
        parse_quantity("20 s", TIME).to("mm")
