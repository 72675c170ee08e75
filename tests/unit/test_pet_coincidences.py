"""Coincidences of simulated scans against closed forms, simulator and sorter together: every z below 4."""

from __future__ import annotations

import numpy as np
import pytest
from support_pet import Check
from support_pet_pairs import NECR_LOADS, necr, policies, randoms, wide_window

from daq.model.coincidence import Policy


def agree(checks: list[Check]) -> None:
    for check in checks:
        print(check)
    assert [str(check) for check in checks if not abs(check.z) < 4] == []


def test_randoms_are_those_of_the_singles_pair_by_pair_and_delayeds_equal_them() -> None:
    checks = randoms(2)

    assert len([check for check in checks if check.name.startswith("randoms of sectors")]) == 20
    agree(checks)


def test_randoms_grow_with_the_window() -> None:
    agree(wide_window(2))


@pytest.mark.parametrize("k", [1, 2])
def test_the_necr_of_a_line_source_rises_and_falls_with_its_activity(k: int) -> None:
    checks, curve = necr(0.15, k)

    top = int(np.argmax(curve))
    assert 0 < top < len(NECR_LOADS) - 1
    got = [check.observed for check in checks if check.name.startswith("NECR")]
    assert got[0] < got[top] > got[-1]
    agree(checks)


def test_delayeds_count_randoms_under_take_all_goods_and_other_policies_are_biased() -> None:
    rows = {policy: numbers for policy, *numbers in policies(0.5)}

    for policy, (trues, random, delayed) in rows.items():
        print(f"{policy:32} trues {trues:7} randoms {random:7} delayeds {delayed:7} bias {delayed / random - 1:+.3f}")
    everything = rows[Policy.TAKE_ALL_GOODS]
    assert abs(everything[2] - everything[1]) < 4 * np.sqrt(2 * everything[1])
    for policy, (trues, random, delayed) in rows.items():
        assert trues <= everything[0]
        if policy is not Policy.TAKE_ALL_GOODS:
            assert random < everything[1]
            assert delayed > random  # a prompt has more company than a delayed: it loses more to the policy
