"""Many stops of axes on controllers, at random moments and over wires that spoil, in the test's own time."""

from __future__ import annotations

import pytest
from support_controllers import KINDS
from support_stops import in_time, stopped


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_many_stops_at_random_moments_are_in_time_and_all_but_a_few_are_confirmed(kind: str) -> None:
    many = [stopped(kind, seed) for seed in range(1000, 1400)]

    assert [one for one in many if not in_time(one)] == []
    assert sum(one.halted_s is None for one in many) <= len(many) // 50
