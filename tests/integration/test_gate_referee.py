"""`Pairer` against GATE 10's own sorter, on the same singles, for every policy that both define the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support_pairing import rows_of

from benchmarks import gatemodule
from daq.model.coincidence import PairingRule, Policy
from daq.model.scanner import Ring
from daq.pipeline.pairing import Pairer

RING = Ring(
    radius_mm=100.0, rings=8, detectors_per_ring=96, axial_pitch_mm=4.0, module_detectors=8, module_rings=4, sectors=12,
    minimum_sector_difference=3,
)  # fmt: skip
WINDOW_PS, DELAY_PS = 4_500, 40_000
SINGLES = 12_000


@pytest.fixture(scope="module")
def gate() -> Any:
    try:
        return gatemodule.sorter()
    except gatemodule.UnavailableError as why:
        pytest.skip(f"{why}; GATE's wheel comes from the package index that pip is set up for: run where it is reached")


@pytest.fixture(scope="module")
def singles() -> dict[str, Any]:
    """Half of the windows hold a partner, a quarter of those several; a few energies, so that winners tie."""
    rng = np.random.default_rng(5)
    return {
        "time_ps": np.cumsum(rng.integers(1, 13_000, SINGLES)),
        "detector": rng.integers(0, RING.highest_detector + 1, SINGLES).astype(np.uint32),
        "energy_kev": rng.choice(np.arange(440, 580, 10), SINGLES).astype(np.float32),
    }


def by_gate(gate: Any, singles: dict[str, Any], rule: PairingRule, window_ps: int) -> list[tuple[Any, ...]]:
    """Return GATE's pairs, opener first: times and detectors."""
    found = gatemodule.pairs(gate, gatemodule.tree_of(singles, rule), rule, window_ps=window_ps, chunk=1_000)
    names = ("GlobalTime1", "GlobalTime2", "detector1", "detector2")
    return list(zip(*(found[name].astype(np.int64).tolist() for name in names), strict=True))


def as_gate(rows: list[tuple[Any, ...]], singles: dict[str, Any], delay_ps: int = 0) -> list[tuple[Any, ...]]:
    """Return the product's rows as GATE has them, the opener first: no two singles have the same time."""
    detector_at = dict(zip(singles["time_ps"].tolist(), singles["detector"].tolist(), strict=True))
    pairs = []
    for time, a, b, tof, *_ in rows:
        later = time + abs(tof) + delay_ps
        pairs.append((time, later, detector_at[time], detector_at[later]))
        assert {a, b} == {detector_at[time], detector_at[later]}
    return pairs


def paired(singles: dict[str, Any], rule: PairingRule, kind: int) -> list[tuple[Any, ...]]:
    pairer = Pairer(rule)
    blocks = [pairer.push(singles), pairer.flush()]
    return [row for block in blocks for row in rows_of(block) if row[-1] == kind]


@pytest.mark.parametrize("most_rings", [None, 2])
@pytest.mark.parametrize("policy", list(gatemodule.NAMES))
def test_prompts_are_those_of_gate(gate: Any, singles: dict[str, Any], policy: Policy, most_rings: int | None) -> None:
    rule = PairingRule(half_window_ps=WINDOW_PS, policy=policy, ring=RING, max_ring_difference=most_rings)

    ours = as_gate(paired(singles, rule, 0), singles)

    assert len(ours) > 400
    assert ours == by_gate(gate, singles, rule, WINDOW_PS)


def test_delayeds_of_all_goods_are_the_pairs_of_gate_between_two_windows(gate: Any, singles: dict[str, Any]) -> None:
    """GATE 10's sorter in Python has no offset: what a window of D + W has more than one of just below D is delayed."""
    rule = PairingRule(half_window_ps=WINDOW_PS, delay_ps=DELAY_PS, ring=RING)

    far, near = (by_gate(gate, singles, rule, window) for window in (DELAY_PS + WINDOW_PS, DELAY_PS - 1))

    ours = as_gate(paired(singles, rule, 1), singles, DELAY_PS)
    assert len(ours) > 400
    assert ours == sorted(set(far) - set(near))
