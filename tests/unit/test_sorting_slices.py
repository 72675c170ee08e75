from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.coincidence import PairingRule, Policy
from daq.model.scanner import Ring
from daq.pipeline.pairing import Pairer
from daq.storage.sortingslices import Reach, length, pair_slice, slices_of

RING = Ring(
    radius_mm=100.0, rings=2, detectors_per_ring=12, axial_pitch_mm=4.0, module_detectors=1, module_rings=1, sectors=12,
    minimum_sector_difference=2,
)  # fmt: skip
COLUMNS = ("time_ps", "detector_a", "detector_b", "tof_ps", "energy_a_kev", "energy_b_kev", "kind")

single = st.tuples(st.integers(0, 12), st.integers(0, 25), st.integers(1, 4), st.integers(0, 3), st.integers(0, 9))
rules = st.builds(
    PairingRule,
    half_window_ps=st.integers(1, 12),
    delay_ps=st.none() | st.integers(25, 60),
    policy=st.sampled_from(Policy),
    max_ring_difference=st.none() | st.just(0),
    ring=st.just(RING),
)


def singles_of(rows: list[tuple[int, int, int, int, int]], steps_back: list[int]) -> dict[str, Any]:
    """Steps of time, detectors, energies, windows, and whether late; the clock goes back at some rows."""
    step, detector, energy, windows, late = (np.array(column) for column in zip(*rows, strict=True))
    time_ps = np.cumsum(step)
    for row in steps_back:
        time_ps[row:] -= 100
    return {
        "time_ps": time_ps.astype(np.int64), "detector": detector.astype(np.uint32),
        "energy_kev": energy.astype(np.float32), "windows": windows.astype(np.uint16), "late": late == 0,
    }  # fmt: skip


def parts(singles: dict[str, Any], cuts: list[int]) -> list[dict[str, Any]]:
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < length(singles)}), length(singles)]
    return [{name: values[a:b] for name, values in singles.items()} for a, b in pairwise(edges)]


def at_once(singles: dict[str, Any], rule: PairingRule, mask: int) -> tuple[dict[str, list[Any]], dict[str, int]]:
    pairer = Pairer(rule, window_mask=mask)
    rows = [pairer.push(singles), pairer.flush()]
    return joined(rows), pairer.counts


def joined(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [value for run in rows for value in run[name].tolist()] for name in COLUMNS}


def summed(counts: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(each[name] for each in counts) for name in counts[0]}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(single, min_size=1, max_size=60), st.lists(st.integers(0, 59), max_size=3),
    st.lists(st.integers(1, 59), max_size=6), st.lists(st.integers(1, 59), max_size=6), rules,
    st.sampled_from([0, 1, 2]),
)  # fmt: skip
def test_slices_give_the_rows_and_counts_of_the_whole_however_they_are_cut(
    rows: list[tuple[int, int, int, int, int]], steps_back: list[int], owns: list[int], runs: list[int],
    rule: PairingRule, mask: int,
) -> None:  # fmt: skip
    singles = singles_of(rows, [row for row in steps_back if row < len(rows)])
    reach, pairer = Reach(rule.half_window_ps + (rule.delay_ps or 0), mask), Pairer(rule, window_mask=mask)
    edges = [0, *sorted({own for own in owns if own < len(rows)}), len(rows)]

    made = [
        pair_slice(parts({name: values[a:] for name, values in singles.items()}, runs), b - a, reach, pairer)
        for a, b in pairwise(edges)
    ]

    whole, counts = at_once(singles, rule, mask)
    assert joined([run for part in made for run in part.rows]) == whole
    assert summed([part.counts for part in made]) == counts
    assert sum(part.singles for part in made) == len(rows)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(single, min_size=1, max_size=60), st.lists(st.integers(1, 59), max_size=20), st.integers(1, 40), rules,
)  # fmt: skip
def test_a_stream_of_runs_is_cut_into_slices_with_their_tails(
    rows: list[tuple[int, int, int, int, int]], cuts: list[int], least: int, rule: PairingRule
) -> None:
    singles = singles_of(rows, [])
    reach, pairer = Reach(rule.half_window_ps + (rule.delay_ps or 0)), Pairer(rule)

    made = [pair_slice(runs, own, reach, pairer) for runs, own in slices_of(parts(singles, cuts), least, reach)]

    whole, counts = at_once(singles, rule, 0)
    assert joined([run for part in made for run in part.rows]) == whole
    assert summed([part.counts for part in made]) == counts


def test_a_tail_goes_no_further_than_twice_the_reach() -> None:
    singles = singles_of([(10, number % 12, 1, 3, 1) for number in range(10_000)], [])

    ((runs, own), *_) = slices_of(parts(singles, list(range(100, 10_000, 100))), 100, Reach(1000))

    assert own == 100
    assert sum(map(length, runs)) == 300
