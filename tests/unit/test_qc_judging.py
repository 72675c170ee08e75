"""What a test is beside its limits."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import FormatError
from daq.model.qc.analyses import AnalysisKind, FigureKind
from daq.model.qc.documents import QcResult
from daq.model.qc.figures import Figure, Findings, Level
from daq.model.qc.limits import Advice, Bounds, Limit, QcTest
from daq.qc.judging import RANKS, against_itself, counts_for, judged, level_of, worst
from daq.qc.judgingwords import number, says_look

PIXEL = "pixel near 6.4 mm"
KIND = AnalysisKind(
    name="flood",
    title="Flood",
    figures=(
        FigureKind("integral", "%", "integral uniformity", "NEMA NU 1", PIXEL, "floor", 0.08),
        FigureKind("difference", "%", "of two heads", noise="floor"),
        FigureKind("spot", "%", "worst spot", noise="floor", spread=0.17),
        FigureKind("peak_kev", "keV", "energy peak"),
        FigureKind("sensitivity", "cps/MBq", "system sensitivity"),
    ),
)
INTEGRAL = Limit(
    unit="%", action=Bounds(above=5.0), suspension=Bounds(above=8.0), counts_needed=3000, source="guide of the site"
)
PEAK = Limit(
    unit="keV", action=Bounds(below=137.0, above=144.0), suspension=Bounds(below=133.0, above=148.0),
    counts_needed=0, source="book",
)  # fmt: skip
SENSITIVITY = Limit(
    unit="%", of="reference-percent", action=Bounds(below=-5.0, above=5.0), suspension=Bounds(below=-10.0, above=10.0),
    counts_needed=0, source="book",
)  # fmt: skip


def a_test(**limits: Limit) -> QcTest:
    return QcTest(
        title="Flood",
        analysis="flood",
        limits=limits,
        advice=Advice(action="Look.", suspension="Stop.", not_evaluable="Again."),
    )


def integral(value: float | None, counts: float = 10_000.0, subject: str = "head 0") -> Figure:
    return Figure.of("integral", value, "%", subject=subject, noise=141.0 / math.sqrt(counts), counts=counts)


def the_result(*figures: Figure, version: int = 1) -> QcResult:
    return QcResult(
        test="flood", title="Flood", analysis="flood", analysis_version=version, level=Level.IN_LIMITS,
        figures=figures, judged=(), limits={},
    )  # fmt: skip


def level(test: QcTest, *figures: Figure, reference: QcResult | None = None) -> Level:
    return judged(Findings(figures), test, KIND, reference).level


@pytest.mark.parametrize(
    ("value", "is_"),
    [
        (4.99, Level.IN_LIMITS),
        (5.0, Level.IN_LIMITS),
        (5.001, Level.ACTION),
        (8.0, Level.ACTION),
        (8.0001, Level.SUSPENSION),
    ],
)
def test_what_lies_strictly_beyond_a_bound_is_beyond_it(value: float, is_: Level) -> None:
    assert level(a_test(integral=INTEGRAL), integral(value)) is is_


def test_a_figure_beyond_both_bounds_is_the_worse_and_the_advice_is_that_of_the_level() -> None:
    found = judged(Findings((integral(30.0),)), a_test(integral=INTEGRAL), KIND, None)
    assert (found.level, found.advice) == (Level.SUSPENSION, "Stop.")
    assert found.judged[0].text == (
        "head 0: integral uniformity 30 %: beyond the suspension level (action above 5 %, suspension above 8 %; "
        "guide of the site); noise alone gives 1.41 % with 10000 counts per pixel near 6.4 mm"
    )


def test_fewer_counts_than_its_limit_needs_is_not_evaluable_with_value_and_noise() -> None:
    found = judged(Findings((integral(4.0, counts=950.0),)), a_test(integral=INTEGRAL), KIND, None)
    assert found.level is Level.NOT_EVALUABLE
    text = found.judged[0].text
    assert "4 %" in text
    assert "950 counts per pixel near 6.4 mm, where noise alone gives 4.575 %" in text
    assert found.advice.startswith("Again. Acquire 3.4 times the counts")


def test_noise_beyond_half_of_a_limit_is_not_evaluable_and_says_the_counts_that_are_needed() -> None:
    """IU = 141 / sqrt(N): for 5 %, half of it is reached at N = 3181."""
    modest = INTEGRAL.model_copy(update={"counts_needed": 0.0})
    found = judged(Findings((integral(4.9, counts=950.0),)), a_test(integral=modest), KIND, None)
    assert found.level is Level.NOT_EVALUABLE
    assert "950 counts per pixel near 6.4 mm, and 3181 counts are needed" in found.judged[0].text
    assert counts_for(950.0, 141.0 / math.sqrt(950.0), modest) == pytest.approx((141.0 / 2.5) ** 2)


def test_a_dead_tube_with_too_few_counts_stays_not_evaluable_but_nobody_can_overlook_it() -> None:
    found = judged(Findings((integral(80.0, counts=950.0),)), a_test(integral=INTEGRAL), KIND, None)
    assert found.level is Level.NOT_EVALUABLE
    assert "beyond its suspension level by more than noise explains (z = 206): look at it now" in found.judged[0].text


def test_what_noise_explains_is_not_cried_about() -> None:
    found = judged(Findings((integral(5.2, counts=950.0),)), a_test(integral=INTEGRAL), KIND, None)
    assert "look at it now" not in found.judged[0].text


def test_counts_that_are_not_known_do_not_carry_a_limit_that_needs_some() -> None:
    bare = Figure.of("integral", 1.0, "%", subject="head 0")
    found = judged(Findings((bare,)), a_test(integral=INTEGRAL), KIND, None)
    assert found.level is Level.NOT_EVALUABLE
    assert "its counts are not known" in found.judged[0].text


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_figure_without_a_value_is_not_evaluable(value: float | None) -> None:
    found = judged(Findings((integral(value),)), a_test(integral=INTEGRAL), KIND, None)
    assert found.level is Level.NOT_EVALUABLE
    assert found.judged[0].text.endswith("it could not be determined; the remarks say why")


def test_a_figure_that_was_not_found_at_all_is_not_evaluable() -> None:
    found = judged(Findings(), a_test(integral=INTEGRAL), KIND, None)
    assert (found.level, found.judged[0].subject) == (Level.NOT_EVALUABLE, "")


def test_with_an_obstacle_nothing_is_evaluable_however_good() -> None:
    found = judged(Findings((integral(1.5),), obstacles=("half a flood",)), a_test(integral=INTEGRAL), KIND, None)
    assert found.level is Level.NOT_EVALUABLE
    assert found.judged[0].level is Level.NOT_EVALUABLE
    assert judged(Findings(obstacles=("x",)), a_test(), KIND, None).level is Level.NOT_EVALUABLE


def test_figures_without_a_limit_are_not_judged_and_said_once() -> None:
    many = Figure("sensitivity", "cps/MBq", tuple(f"block {n}" for n in range(448)), tuple(map(float, range(448))))
    found = judged(Findings((many,)), a_test(), KIND, None)
    assert found.level is Level.NOT_JUDGED
    assert [one.text for one in found.judged] == ["system sensitivity 0 to 447 cps/MBq: not judged: no limit is set"]


def test_a_limit_in_limits_beside_figures_without_one_is_in_limits() -> None:
    other = Figure.of("peak_kev", 140.5, "keV", subject="head 0")
    assert level(a_test(integral=INTEGRAL), integral(2.0), other) is Level.IN_LIMITS


def test_a_bad_head_weighs_more_than_one_that_says_nothing_and_that_more_than_a_good_one() -> None:
    few, good = integral(4.0, counts=900.0, subject="head 0"), integral(2.0, subject="head 1")
    both = Figure("integral", "%", ("head 0", "head 1"), few.values + good.values, few.noise + good.noise,
                  few.counts + good.counts)  # fmt: skip
    assert level(a_test(integral=INTEGRAL), both) is Level.NOT_EVALUABLE
    bad = Figure.of("peak_kev", 145.0, "keV", subject="head 0")
    assert level(a_test(integral=INTEGRAL, peak_kev=PEAK), both, bad) is Level.ACTION


def test_a_relative_limit_without_a_reference_says_so() -> None:
    found = judged(Findings((Figure.of("sensitivity", 75.0, "cps/MBq"),)), a_test(sensitivity=SENSITIVITY), KIND, None)
    assert found.level is Level.NOT_EVALUABLE
    assert "no reference has been signed" in found.judged[0].text


@pytest.mark.parametrize(("value", "is_"), [(95.0, Level.IN_LIMITS), (94.0, Level.ACTION), (111.0, Level.SUSPENSION)])
def test_a_relative_limit_is_held_against_the_signed_reference(value: float, is_: Level) -> None:
    was = the_result(Figure.of("sensitivity", 100.0, "cps/MBq", subject="head 0"))
    now = Figure.of("sensitivity", value, "cps/MBq", subject="head 0")
    assert level(a_test(sensitivity=SENSITIVITY), now, reference=was) is is_


def test_the_sentence_of_a_relative_limit_says_value_deviation_and_reference() -> None:
    was = the_result(Figure.of("sensitivity", 100.0, "cps/MBq", subject="head 0"))
    now = Findings((Figure.of("sensitivity", 94.0, "cps/MBq", subject="head 0"),))
    text = judged(now, a_test(sensitivity=SENSITIVITY), KIND, was).judged[0].text
    assert "system sensitivity 94 cps/MBq, 6 % below the reference of 100 cps/MBq: beyond the action level" in text


def test_a_difference_is_held_in_the_unit_of_the_figure() -> None:
    limit = Limit(unit="keV", of="reference-difference", action=Bounds(below=-3, above=3), counts_needed=0, source="x")
    was = the_result(Figure.of("peak_kev", 141.0, "keV", subject="head 0"))
    assert level(a_test(peak_kev=limit), Figure.of("peak_kev", 137.0, "keV", subject="head 0"), reference=was) is (
        Level.ACTION
    )


def test_a_reference_of_other_numbers_is_not_compared_with() -> None:
    was = the_result(Figure.of("sensitivity", 100.0, "cps/MBq", subject="head 0"), version=2)
    now = Findings((Figure.of("sensitivity", 100.0, "cps/MBq", subject="head 0"),))
    found = judged(now, a_test(sensitivity=SENSITIVITY), KIND, was)
    assert found.level is Level.NOT_EVALUABLE
    assert "sign another" in found.judged[0].text


def test_a_subject_that_the_reference_lacks_or_has_at_zero_is_not_evaluable() -> None:
    was = the_result(Figure.of("sensitivity", 0.0, "cps/MBq", subject="head 0"))
    for subject in ("head 0", "head 1"):
        now = Figure.of("sensitivity", 90.0, "cps/MBq", subject=subject)
        assert level(a_test(sensitivity=SENSITIVITY), now, reference=was) is Level.NOT_EVALUABLE


def test_uniformity_with_few_counts_is_not_called_worse_than_a_reference_with_many() -> None:
    tenth = INTEGRAL.model_copy(update={"of": "reference-percent", "action": Bounds(above=10.0), "suspension": None})
    was = the_result(integral(3.0, counts=40_000.0))
    assert level(a_test(integral=tenth), integral(3.2, counts=4_000.0), reference=was) is Level.NOT_EVALUABLE
    assert level(a_test(integral=tenth), integral(3.2, counts=40_000.0), reference=was) is Level.IN_LIMITS
    assert level(a_test(integral=tenth), integral(3.4, counts=40_000.0), reference=was) is Level.ACTION


def test_a_pure_number_is_said_without_a_unit() -> None:
    kind = AnalysisKind(name="flood", title="Flood", figures=(FigureKind("dead", "1", "dead blocks"),))
    limit = Limit(unit="1", action=Bounds(above=0), counts_needed=0, source="book")
    found = judged(Findings((Figure.of("dead", 2.0, "1"),)), a_test(dead=limit), kind, None)
    assert found.judged[0].text == "dead blocks 2: beyond the action level (action above 0; book)"


def test_a_limit_in_another_unit_than_its_figure_is_not_evaluable() -> None:
    wrong = PEAK.model_copy(update={"unit": "%"})
    assert level(a_test(peak_kev=wrong), Figure.of("peak_kev", 140.0, "keV")) is Level.NOT_EVALUABLE


def test_of_many_blocks_those_in_limits_are_one_sentence_and_each_bad_one_its_own() -> None:
    blocks = tuple(f"block {n}" for n in range(448))
    values = tuple(150.0 if n == 17 else 140.0 + 0.001 * n for n in range(448))
    found = judged(Findings((Figure("peak_kev", "keV", blocks, values),)), a_test(peak_kev=PEAK), KIND, None)
    assert found.level is Level.SUSPENSION
    assert [(one.subject, one.level) for one in found.judged] == [
        ("block 17", Level.SUSPENSION),
        ("", Level.IN_LIMITS),
    ]
    assert found.judged[1].text.startswith("447 of 448: energy peak 140 to 140.4 keV: in limits")


@given(st.floats(-1e6, 1e6), st.lists(st.floats(-1e6, 1e6), max_size=3))
def test_a_number_is_never_shown_on_the_other_side_of_a_bound(value: float, bounds: list[float]) -> None:
    shown = float(number(value, beside=bounds))
    for bound in bounds:
        if abs(value - bound) > 1e-9 * max(1.0, abs(bound), abs(value)):
            assert (shown > bound) == (value > bound)


@given(st.lists(st.sampled_from(list(Level)), max_size=6))
def test_the_worst_level_is_one_of_those_there_are_and_no_order_changes_it(levels: list[Level]) -> None:
    assert worst(levels) is worst(levels[::-1])
    assert worst(levels) in (levels or [Level.NOT_JUDGED])


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_worse_value_is_never_at_a_better_level(one: float, other: float) -> None:
    ranks = [RANKS.index(level_of(value, INTEGRAL)) for value in sorted((one, other))]
    assert ranks[0] <= ranks[1]


def test_what_stands_against_a_test_hides_nothing_that_counting_has_no_part_in() -> None:
    blocks = Limit(unit="1", suspension=Bounds(above=2.0), counts_needed=0, source="book")
    kind = AnalysisKind(name="flood", title="Flood", figures=(FigureKind("dead", "1", "dead blocks"),))
    found = judged(Findings((Figure.of("dead", 7.0, "1"),), ("another nuclide",)), a_test(dead=blocks), kind, None)
    assert found.level is Level.NOT_EVALUABLE
    assert "beyond its suspension level and counting has no part in it: look at it now" in found.judged[0].text
    assert found.advice.startswith("Beyond the suspension level all the same: dead blocks. Until a test that is ")
    assert "Stop. Again." in found.advice
    assert says_look(found.judged[0])


def test_what_is_beyond_by_more_than_noise_explains_is_the_first_thing_that_is_said_to_do() -> None:
    figures = (integral(80.0, counts=950.0), Figure.of("sensitivity", 9.0, "cps/MBq", noise=0.1))
    found = judged(Findings(figures), a_test(integral=INTEGRAL, sensitivity=SENSITIVITY), KIND, None)
    assert found.advice.startswith("Beyond the suspension level all the same: head 0, integral uniformity. ")
    quiet = judged(Findings((integral(4.0, counts=950.0),)), a_test(integral=INTEGRAL), KIND, None)
    assert (quiet.advice.startswith("Again."), says_look(quiet.judged[0])) == (True, False)


@pytest.mark.parametrize(("name", "value", "is_certain"), [
    ("difference", 5.1, False), ("difference", 15.0, True), ("spot", -12.0, True), ("spot", -5.5, False),
])  # fmt: skip
def test_chance_of_few_values_spreads_more_than_that_of_an_extreme(name: str, value: float, is_certain: bool) -> None:
    """Two heads that are alike differ by 1.3 times what is expected in one of six tests."""
    limit = Limit(
        unit="%", action=Bounds(below=-5.0, above=5.0), suspension=Bounds(below=-9.0, above=9.0), counts_needed=1,
        source="book",
    )  # fmt: skip
    figure = Figure.of(name, value, "%", noise=4.0, counts=10.0)
    found = judged(Findings((figure,)), a_test(**{name: limit}), KIND, None)
    assert found.level is Level.NOT_EVALUABLE
    assert says_look(found.judged[0]) is is_certain


def test_a_first_result_may_be_the_reference_where_the_reference_is_all_that_lacks() -> None:
    def of(counts: float, value: float) -> Level:
        figures = (integral(value, counts), Figure.of("sensitivity", 90.0, "cps/MBq", noise=0.1, counts=100.0))
        limits = {"integral": INTEGRAL, "sensitivity": SENSITIVITY}
        kept = the_result(*figures)
        told = {name: limit.model_dump(mode="json") for name, limit in limits.items()}
        return against_itself(replace(kept, level=Level.NOT_EVALUABLE, limits=told), KIND)

    assert of(10_000.0, 4.0) is Level.IN_LIMITS
    assert of(950.0, 4.0) is Level.NOT_EVALUABLE
    assert of(10_000.0, 5.5) is Level.ACTION
    with pytest.raises(FormatError, match="the limits of this result of flood cannot be read"):
        against_itself(replace(the_result(), limits={"integral": {"unit": 3}}), KIND)
