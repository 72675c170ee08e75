"""The random people of `test_voltage_people`, for as long as it takes to do a hundred thousand things."""

from __future__ import annotations

import pytest
from support_voltage_people import LIMITS, Outcome, try_seed

_SEEDS_OF_EACH = 700
_EVENTS = 12


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(12))
def test_no_voltage_above_a_limit_is_told_on_the_wire_in_a_hundred_thousand_events(part: int) -> None:
    found = Outcome()
    for seed in range(part * _SEEDS_OF_EACH, (part + 1) * _SEEDS_OF_EACH):
        found.add(try_seed(seed, events=_EVENTS))

    assert found.highest_v <= LIMITS.max_v
    assert found.counts["up"] > _SEEDS_OF_EACH // 10
