from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_pairing import COLUMNS, RING, Reference, Single, columns_of, cut, rows_of

from daq.errors import LimitError, MismatchError
from daq.model.coincidence import PairingRule, Policy
from daq.model.order import OrderRule
from daq.pipeline.order import Order
from daq.pipeline.pairing import Pairer

RINGS = (
    RING,
    RING.model_copy(update={"virtual_positions": (2,)}),
    RING.model_copy(update={"layers": 2, "layer_pitch_mm": 10.0, "ring_stride": 32, "layer_stride": 1024}),
)
LIMITS = ((64, 1 << 20), (3, 1 << 20), (4, 7), (3, 4))
"""Most partners and most held."""


@st.composite
def rules(draw: st.DrawFn) -> PairingRule:
    return PairingRule(
        half_window_ps=draw(st.integers(1, 12)),
        delay_ps=draw(st.none() | st.integers(1, 30)),
        policy=draw(st.sampled_from(list(Policy))),
        ring=draw(st.sampled_from(RINGS)),
        minimum_sector_difference=draw(st.none() | st.integers(0, 4)),
        max_ring_difference=draw(st.none() | st.integers(0, 5)),
    )


@st.composite
def singles(draw: st.DrawFn, *, begin: int = 0) -> list[Single]:
    """Singles in the order of time, with equal times, bursts and gaps, few detectors and few energies."""
    steps = draw(st.lists(st.sampled_from((0, 0, 1, 2, 3, 5, 8, 13, 40)), max_size=40))
    times = np.cumsum([begin, *steps]).tolist()[1:]
    detectors = st.sampled_from((0, 1, 2, 5, 11, 12, 23, 24, 40, 60, 95, 96, 200, 1030, 2**32 - 1))
    energies = st.sampled_from((511.0, 480.5, 600.0, float("nan"), -1.0))
    return [Single(time, draw(detectors), draw(energies)) for time in times]


def pushed(pairer: Pairer, pieces: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    blocks = [pairer.push(piece) for piece in pieces] + [pairer.flush()]
    return [row for block in blocks for row in rows_of(block)]


def same(rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]]) -> None:
    """Hold two lists of rows against each other; no number equals no number."""
    assert [repr(row) for row in rows] == [repr(row) for row in others]


def same_counts(pairer: Pairer, reference: Reference) -> None:
    counts = {name: value for name, value in pairer.counts.items() if name not in ("singles", "late", "excluded")}
    assert {name: value for name, value in counts.items() if value} == {
        name: value for name, value in reference.counts.items() if value
    }


@settings(max_examples=250, deadline=None)
@given(rules(), singles(), st.lists(st.integers(0, 40), max_size=8), st.sampled_from(LIMITS))
def test_pairs_are_those_of_the_rule_however_singles_are_cut(
    rule: PairingRule, given_singles: list[Single], cuts: list[int], limits: tuple[int, int]
) -> None:
    most_partners, most_held = limits
    reference = Reference(rule, most_partners, most_held)
    pairer = Pairer(rule, most_partners=most_partners, most_held=most_held)

    reference.run(given_singles)
    rows = pushed(pairer, cut(columns_of(given_singles), cuts))

    same(rows, reference.rows)
    same_counts(pairer, reference)
    assert pairer.held_rows == 0


@settings(deadline=None)
@given(rules(), singles(begin=50), singles(), st.lists(st.integers(0, 80), max_size=8))
def test_a_step_back_of_time_begins_anew(
    rule: PairingRule, before: list[Single], after: list[Single], cuts: list[int]
) -> None:
    is_back = bool(before) and bool(after) and after[0].time_ps < before[-1].time_ps
    reference, pairer = Reference(rule), Pairer(rule)

    for part in (before, after) if is_back else (before,):
        reference.run(part)
    rows = pushed(pairer, cut(columns_of(before + (after if is_back else [])), cuts))

    same(rows, reference.rows)
    same_counts(pairer, reference)


@settings(deadline=None)
@given(rules(), singles(), st.data())
def test_late_singles_and_those_outside_the_windows_never_pair(
    rule: PairingRule, given_singles: list[Single], data: st.DataObject
) -> None:
    rows = len(given_singles)
    late = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), bool)
    windows = np.array(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)), np.uint16)
    columns = {**columns_of(given_singles), "late": late, "windows": windows}
    columns["time_ps"] = np.where(late, -5, columns["time_ps"])  # a late single's time is no step back
    able = [single for single, out, mask in zip(given_singles, late, windows, strict=True) if not out and mask & 2]
    reference, pairer = Reference(rule), Pairer(rule, window_mask=2)

    reference.run(able)
    found = pushed(pairer, cut(columns, data.draw(st.lists(st.integers(0, 40), max_size=8))))

    same(found, reference.rows)
    counts = pairer.counts
    assert (counts["late"], counts["excluded"]) == (late.sum(), rows - late.sum() - len(able))


@settings(deadline=None)
@given(rules(), singles(), st.data())
def test_disorder_within_the_bound_makes_no_difference(
    rule: PairingRule, given_singles: list[Single], data: st.DataObject
) -> None:
    """Packets of three sources, put in order first: equal times pair in the order in which they came."""
    disorder = 25
    packets = scattered(given_singles, disorder, data)
    order = Order(
        OrderRule(max_disorder_ps=disorder), {"singles": {name: c.dtype for name, c in columns_of([]).items()}}
    )
    reference, pairer = Reference(rule), Pairer(rule)
    blocks = []

    reference.run(sorted((single for packet in packets for single in packet), key=lambda single: single.time_ps))
    for number, packet in enumerate(packets):
        ends, source = np.array([len(packet)], np.int64), np.array([number % 3], np.uint16)
        blocks.append(pairer.push(order.push({"singles": columns_of(packet)}, {"singles": ends}, source)["singles"]))
    blocks.append(pairer.push(order.flush()["singles"]))
    blocks.append(pairer.flush())

    same([row for block in blocks for row in rows_of(block)], reference.rows)
    assert pairer.counts["late"] == 0


def scattered(given_singles: list[Single], disorder: int, data: st.DataObject) -> list[list[Single]]:
    """Return singles in packets of up to four, none more than `disorder` behind one before it."""
    delays = data.draw(
        st.lists(st.integers(0, disorder), min_size=len(given_singles), max_size=len(given_singles)),
    )
    arrivals = sorted(zip(given_singles, delays, strict=True), key=lambda each: each[0].time_ps + each[1])
    stream = [single for single, _ in arrivals]
    return [stream[begin : begin + 4] for begin in range(0, len(stream), 4)]


def test_the_columns_have_the_types_of_the_file() -> None:
    columns = Pairer(PairingRule(half_window_ps=5, ring=RING)).push(columns_of([]))

    assert list(columns) == list(COLUMNS)
    assert [str(column.dtype) for column in columns.values()] == [
        "int64", "uint32", "uint32", "int32", "float32", "float32", "uint8",
    ]  # fmt: skip


def test_a_rule_that_lets_no_two_sectors_pair_is_refused() -> None:
    with pytest.raises(LimitError, match="no two of 8 sectors are more than 4 apart"):
        Pairer(PairingRule(half_window_ps=5, ring=RING, minimum_sector_difference=5))


def test_singles_without_windows_are_refused_where_windows_decide() -> None:
    pairer = Pairer(PairingRule(half_window_ps=5, ring=RING), window_mask=1)

    with pytest.raises(MismatchError, match="no column windows"):
        pairer.push(columns_of([Single(0, 1, 511.0)]))


def test_fewer_partners_than_are_listed_of_any_window_cannot_be_asked_for() -> None:
    with pytest.raises(LimitError, match="3 and one more are the least"):
        Pairer(PairingRule(half_window_ps=5, ring=RING), most_partners=2)


def test_a_clock_that_stands_still_fills_no_memory() -> None:
    pairer = Pairer(PairingRule(half_window_ps=5, delay_ps=20, ring=RING), most_held=1000)
    columns = columns_of([Single(7, number % 96, 511.0) for number in range(5000)])

    rows = sum(len(pairer.push(columns)["time_ps"]) for _ in range(4))

    assert rows == 0
    assert pairer.held_rows == 1000
    assert pairer.counts["overfull_prompt"] == 19_000


def test_times_at_the_ends_of_the_range_pair() -> None:
    ends = [-(2**63), -(2**63) + 3, 2**63 - 4, 2**63 - 1]
    pairer = Pairer(PairingRule(half_window_ps=5, delay_ps=10**10, ring=RING))

    rows = pushed(pairer, [columns_of([Single(time, 12 * number, 511.0) for number, time in enumerate(ends)])])

    assert [(row[0], row[3]) for row in rows] == [(-(2**63), 3), (2**63 - 4, 3)]
