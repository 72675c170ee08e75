from __future__ import annotations

import math
from typing import Any

import pytest

from daq.model.coincidence import PairingRule
from daq.model.coincidence_rules import field_share, findings, longest_line_mm
from daq.model.finding import errors
from daq.model.scanner import Ring

RING = Ring(
    radius_mm=400.0, interaction_depth_mm=10.0, rings=51, detectors_per_ring=720, axial_pitch_mm=4.0,
    module_detectors=20, module_rings=17, sectors=36, minimum_sector_difference=6,
)  # fmt: skip
GOOD = PairingRule(half_window_ps=3200, delay_ps=100_000, ring=RING, timing_sigma_ps=100)


def said(rule: PairingRule, **settings: Any) -> list[str]:
    return [str(finding) for finding in findings(rule, **settings)]


def test_a_sound_rule_has_no_finding() -> None:
    assert said(GOOD) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"half_window_ps": 2200}, "coincidence.half_window = 2200 ps: the longest line"),
        ({"half_window_ps": 9300}, "coincidence.half_window = 9300 ps: warning: the longest line"),
        ({"timing_sigma_ps": None}, "coincidence.timing_resolution = absent: warning: not stated"),
        ({"delay_ps": 6700}, "coincidence.delay = 6700 ps: true pairs would be counted as delayed ones"),
        ({"minimum_sector_difference": 19}, "coincidence.minimum_sector_difference = 19: no two of 36 sectors"),
        (
            {"minimum_sector_difference": 18, "half_window_ps": 700},
            "coincidence.minimum_sector_difference = 18: warning: pairs that far",
        ),
        ({"minimum_sector_difference": 0}, "coincidence.minimum_sector_difference = 0: warning: photons scattered"),
        ({"max_ring_difference": 51}, "coincidence.max_ring_difference = 51: warning: no two of 51 rings"),
    ],
)
def test_a_senseless_setting_has_one_finding_that_says_so(change: dict[str, Any], sentence: str) -> None:
    found = said(GOOD.model_copy(update=change))

    assert len(found) == 1
    assert found[0].startswith(sentence)


def test_the_least_half_window_is_the_longest_line_over_c_and_three_sigma() -> None:
    line_ps = longest_line_mm(GOOD) / 0.299792458

    exact = GOOD.model_copy(update={"half_window_ps": math.ceil(line_ps + 300)})
    below = GOOD.model_copy(update={"half_window_ps": math.ceil(line_ps + 300) - 1})

    assert said(exact) == []
    assert len(errors(findings(below))) == 1


def test_lines_are_shorter_with_a_smaller_field_or_ring_difference() -> None:
    whole = GOOD.model_copy(update={"minimum_sector_difference": 0})
    flat = GOOD.model_copy(update={"max_ring_difference": 0})

    assert longest_line_mm(whole) == pytest.approx(math.hypot(820, 200))
    assert longest_line_mm(flat) == pytest.approx(820 * math.cos(math.pi * 101 / 720))
    assert longest_line_mm(GOOD) == pytest.approx(math.hypot(820, 200) * field_share(RING, 6))


def test_a_delay_within_the_disorder_of_an_unsorted_front_end_is_refused_with_what_to_do() -> None:
    found = said(GOOD, order_bound_ps=93_300)

    assert found == [
        "coincidence.delay = 100000 ps: times may be out of order by 93300 ps where singles are paired, so that true "
        "pairs could be counted as delayed ones; take more than 100000 ps, or put singles in order before"
    ]
    assert said(GOOD, order_bound_ps=93_299) == []
