"""Stop conditions as the command line takes them: exact scaling, every refusal, and the way back to text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import UsageError
from daq.model.stop import COUNTERS, StopCondition, parse_stop

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "limit"),
    [("200000", 200_000), ("200k", 200_000), ("1M", 1_000_000), ("1.5M", 1_500_000), ("2G", 2_000_000_000)],
)
@pytest.mark.parametrize("counter", COUNTERS)
def test_a_count_is_scaled_by_its_suffix(counter: str, text: str, limit: int) -> None:
    assert parse_stop([f"{counter}={text}"]) == StopCondition({counter: limit})


@pytest.mark.parametrize(
    ("text", "duration_ps"),
    [
        ("1ps", 1),
        ("1.5ns", 1_500),
        ("2us", 2_000_000),
        ("500ms", 500_000_000_000),
        ("10s", 10**13),
        ("0.1s", 10**11),
        ("2min", 120 * 10**12),
        ("1h", 3600 * 10**12),
        ("0.000000000001s", 1),
    ],
)
def test_a_time_is_scaled_exactly_to_picoseconds(text: str, duration_ps: int) -> None:
    assert parse_stop([f"time={text}"]).duration_ps == duration_ps


def test_the_backstop_is_in_seconds_of_the_host() -> None:
    assert parse_stop(["host=1.5min"]).host_s == 90.0


def test_limits_may_be_joined_by_commas_or_given_one_by_one() -> None:
    joined = parse_stop(["prompts=200k, time=10s,end"])

    assert joined == parse_stop(["prompts=200k", "time=10s"])
    assert joined == StopCondition({"prompts": 200_000}, 10**13)


def test_end_alone_is_no_limit_at_all() -> None:
    assert parse_stop(["end"]) == StopCondition()
    assert str(StopCondition()) == "end"


def test_a_condition_reads_back_as_the_command_line_takes_it() -> None:
    condition = StopCondition({"prompts": 200_000, "events": 1}, 10**13, 90.0)

    assert str(condition) == "prompts=200000,events=1,time=10000000000000ps,host=90s"


conditions = st.builds(
    StopCondition,
    st.dictionaries(st.sampled_from(COUNTERS), st.integers(1, LARGEST)),
    st.none() | st.integers(1, LARGEST),
    st.none() | st.integers(1, LARGEST - 10**6).map(lambda ps: ps / 10**12),
)


@given(conditions)
def test_every_condition_survives_the_way_through_text(condition: StopCondition) -> None:
    assert parse_stop([str(condition)]) == condition


@given(st.integers(1, 10**15), st.integers(0, 9))
def test_a_decimal_count_is_either_exact_or_refused(number: int, digits: int) -> None:
    text = f"{number // 10**digits}.{number % 10**digits:0{digits}d}" if digits else str(number)
    whole, left = divmod(number * 1000, 10**digits)

    try:
        parsed = parse_stop([f"events={text}k"]).counts["events"]
    except UsageError:
        assert left
    else:
        assert (parsed, left) == (whole, 0)


@pytest.mark.parametrize("text", ["", "photons=5", "prompt=5", "end=5", "time", "=5", "prompts"])
def test_a_limit_without_a_known_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--stop {text}: "):
        parse_stop([text])


def test_the_refusal_of_an_unknown_name_lists_what_is_possible() -> None:
    with pytest.raises(UsageError) as refusal:
        parse_stop(["photons=5"])

    assert str(refusal.value) == (
        "--stop photons=5: possible are end, time=, host=, events=, singles=, prompts=, delayeds=, coincidences=, "
        "beats=, singles[WINDOW]=, singles[WINDOW]@HEADS=, singles[WINDOW](X:Y:X:Y)=, gate=, zero="
    )


@pytest.mark.parametrize(
    "value", ["", "-5", "five", "5K", "5s", "1e6", ".5k", "5.", "0x10", "\N{ARABIC-INDIC DIGIT FIVE}", "9" * 5000]
)
def test_a_count_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r": the value must be a count such as 200000, 200k or 1M$"):
        parse_stop([f"prompts={value}"])


@pytest.mark.parametrize("value", ["", "10", "10M", "10S", "-1s", "nan", "infs"])
def test_a_time_without_a_known_unit_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r": the value must be a time such as 10s, 500ms or 2min$"):
        parse_stop([f"time={value}"])


def test_a_backstop_without_a_known_unit_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^--stop host=10: the value must be a time such as 10s or 2min$"):
        parse_stop(["host=10"])


@pytest.mark.parametrize("text", ["prompts=0", "prompts=1.5", "prompts=0.0005k", "time=0s", "time=0.5ps", "host=0s"])
def test_a_limit_of_zero_or_of_half_a_unit_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_stop([text])

    assert str(refusal.value) == f"--stop {text}: the value must be above zero and whole in its smallest unit"


@pytest.mark.parametrize("text", [f"events={LARGEST + 1}", "time=2562048h", "host=2562048h"])
def test_a_limit_beyond_a_signed_64_bit_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_stop([text])

    assert str(refusal.value) == f"--stop {text}: the value is beyond {LARGEST} in its smallest unit"


@given(st.lists(st.text(max_size=30), max_size=3))
def test_arbitrary_text_gives_a_condition_or_a_usage_error(texts: list[str]) -> None:
    try:
        condition = parse_stop(texts)
    except UsageError:
        return
    assert all(limit > 0 for limit in condition.counts.values())
    assert condition.host_s is None or math.isfinite(condition.host_s)
