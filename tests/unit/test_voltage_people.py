"""Random people, covers and faults at a supply: its wire is never told more than was armed, nor behind a cover."""

from __future__ import annotations

import pytest
from support_voltage_people import LIMITS, Outcome, UnsafeError, try_seed

from daq.devices import high_voltage
from daq.devices.limits import VoltageLimits


def test_nothing_above_a_limit_or_behind_an_open_cover_is_told_on_the_wire() -> None:
    found = Outcome()
    for seed in range(30):
        found.add(try_seed(seed))

    assert found.counts["up"] >= 5
    assert found.counts["off"] >= 10
    assert found.counts["InterlockError"] >= 10
    assert 100.0 < found.highest_v <= LIMITS.max_v


def test_a_program_without_interlocks_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(high_voltage, "permitted", lambda *_: None)

    with pytest.raises(
        UnsafeError, match=r"seed \d+: (front|back) is told (VSET|ON) [\d.]+, its cover is open[\s\S]*> '\$BD"
    ):
        [try_seed(seed) for seed in range(300)]


def test_a_program_without_limits_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VoltageLimits, "check", lambda *_: None)

    with pytest.raises(UnsafeError, match=r"is told [\d.]+ V, at most [\d.]+ V was armed"):
        [try_seed(seed) for seed in range(300)]
