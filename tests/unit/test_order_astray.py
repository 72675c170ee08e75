"""Clocks that go astray: wild times, front ends that restart, sources that jump or die. What is late then, what not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_order import (
    MS,
    RULE,
    Packet,
    agree,
    every_ms,
    flagged,
    in_turn,
    late_ms,
    numbered,
    order_of,
    pushed,
    released,
)

from daq.model.order import OrderRule
from daq.pipeline.order import Jump


@st.composite
def phases(draw: st.DrawFn) -> list[Packet]:
    """Draw packets in phases: in each some sources run on together, each with its error, some words wild."""
    now, packets = 0, []
    errors = st.sampled_from([0, 0, 0, 20 * MS, 60 * MS, -60 * MS, 5000 * MS, -5000 * MS])
    wild = st.sampled_from([0] * 12 + [-1000 * MS, -15 * MS, 10 * MS, 30 * MS, 1000 * MS])
    for _ in range(draw(st.integers(1, 4))):
        error = draw(st.dictionaries(st.integers(0, 3), errors, min_size=1, max_size=3))
        pace = draw(st.sampled_from([1, MS, 4 * MS, 11 * MS]))
        for _ in range(draw(st.integers(1, 12))):
            source = draw(st.sampled_from(list(error)))
            now += pace
            times = [now + place + error[source] + draw(wild) for place in range(draw(st.sampled_from([1, 1, 2, 6])))]
            packets.append((source, times, []) if draw(st.booleans()) else (source, [], times))
    return packets


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(
    packets=phases(), disorder=st.sampled_from([0, 3 * MS, 10 * MS]), step=st.sampled_from([15 * MS, 40 * MS]),
    cuts=st.lists(st.integers(1, 8), min_size=1, max_size=3), flushes=st.sets(st.integers(1, 40), max_size=1),
    has_room=st.booleans(),
)  # fmt: skip
def test_clocks_that_go_astray_and_sources_that_die_are_judged_one_event_at_a_time(
    packets: list[Packet], disorder: int, step: int, cuts: list[int], flushes: set[int], has_room: bool
) -> None:
    rule = OrderRule(max_disorder_ps=disorder, max_step_ps=step)

    agree(rule, packets, cuts=cuts, flushes=flushes, has_room=has_room)


FAR = [1005, 9000, 10**9, -1005, -9000, -(10**9)]
NEAR = [150, 999]


@pytest.mark.parametrize("error", [*NEAR, *FAR])
def test_a_wild_time_of_a_lone_source_makes_nothing_late(error: int) -> None:
    packets = every_ms(0, 0, 500) + every_ms(0, 500 + error, 503 + error) + every_ms(0, 503, 3000)

    assert released(order_of(RULE), packets) == [(time, False) for _, (time,), _ in packets]


def test_a_wild_time_less_than_a_step_behind_is_late_alone() -> None:
    assert late_ms(order_of(RULE), [*every_ms(0, 0, 500), *every_ms(0, 7, 8), *every_ms(0, 500, 900)]) == [7]


def test_the_clock_going_back_is_told_by_a_negative_jump_the_first_of_a_packet() -> None:
    order = order_of(RULE)

    pushed(order, numbered([(0, [0, 9000 * MS], []), (0, [MS, 2 * MS, 9000 * MS, 3 * MS], []), (0, [4 * MS], [])]))

    assert order.take_jumps() == [Jump(packet=1, source=0, step_ps=MS - 9000 * MS)]
    assert order.newest == (2, 4 * MS)


def test_going_back_releases_what_is_held_and_begins_anew_in_order() -> None:
    packets = [packet for time in (7000, 6990, 50, 20, 40) for packet in every_ms(time == 20, time, time + 1)]

    assert released(order_of(RULE), packets) == [(time * MS, False) for time in (6990, 7000, 20, 40, 50)]


def test_nothing_is_late_when_a_lone_front_end_restarts_at_zero() -> None:
    order = order_of(RULE)

    assert late_ms(order, every_ms(0, 5000, 6000) + every_ms(0, 0, 6500)) == []
    assert [jump.step_ps for jump in order.take_jumps()] == [-5999 * MS]


@pytest.mark.parametrize("error", [*NEAR, *FAR])
def test_a_wild_time_beside_silent_sources_costs_what_they_send_until_its_source_speaks_again(error: int) -> None:
    before = every_ms(1, 0, 1) + every_ms(2, 0, 1) + every_ms(0, 1, 200) + every_ms(0, 200 + error, 201 + error)

    late = late_ms(order_of(RULE), before + in_turn([1, 2], 200, 210) + in_turn([0, 1, 2], 210, 3000))

    assert late == list(range(200, 210))


@pytest.mark.parametrize("error", [1005, 9000])
def test_a_wild_time_beside_a_live_source_costs_itself(error: int) -> None:
    wild = every_ms(0, 500 + error, 501 + error)

    assert late_ms(order_of(RULE), in_turn([0, 1], 0, 500) + wild + in_turn([0, 1], 500, 2000)) == [500 + error]


@pytest.mark.parametrize("error", NEAR)
def test_a_wild_time_of_less_than_a_step_costs_what_all_send_until_its_source_speaks_again(error: int) -> None:
    wild = every_ms(0, 500 + error, 501 + error)

    late = late_ms(order_of(RULE), in_turn([0, 1, 2], 0, 501) + wild + in_turn([2, 1, 1, 0], 504, 3000))

    assert late == [504, 505, 506]


def test_a_wild_time_as_the_very_first_costs_what_comes_until_its_source_speaks_again() -> None:
    assert late_ms(order_of(RULE), every_ms(2, 900, 901) + in_turn([0, 1, 2], 0, 3000)) == [0, 1]


def test_a_step_ahead_that_the_source_itself_goes_on_from_is_no_wild_time() -> None:
    packets = every_ms(0, 0, 10) + every_ms(0, 500, 602) + every_ms(0, 10, 11) + every_ms(0, 602, 700)

    assert late_ms(order_of(RULE), packets) == [10]


def test_when_all_live_sources_have_gone_back_the_clock_has_gone_back() -> None:
    order = order_of(RULE)
    after = every_ms(0, 0, 3) + every_ms(2, 3, 5) + every_ms(0, 5, 6) + in_turn([1, 0], 6, 500)

    assert late_ms(order, in_turn([0, 1, 2], 5000, 5300) + after) == list(range(6))
    assert [(jump.source, jump.step_ps) for jump in order.take_jumps()] == [(1, (6 - 5299) * MS)]


def test_sources_that_went_back_are_believed_when_they_have_gone_a_step_without_those_that_did_not() -> None:
    order = order_of(RULE)

    assert late_ms(order, in_turn([0, 1, 2], 9000, 9300) + in_turn([0, 1], 0, 5000)) == list(range(1002))
    assert order.newest == (2, -(1 << 63))


def test_a_source_set_aside_is_taken_back_when_it_has_gone_a_step_after_the_others_died() -> None:
    order = order_of(RULE)
    jumped = [
        packet
        for time in range(200, 1700)
        for packet in [*every_ms(0, 9000 + time, 9001 + time), *every_ms(1, time, time + 1)]
    ]

    late = late_ms(order, in_turn([0, 1], 0, 200) + jumped + every_ms(0, 10_700, 13_000))

    assert late == list(range(9200, 11_701))
    assert order.newest == (1, -(1 << 63))
    assert [(jump.source, jump.step_ps) for jump in order.take_jumps()] == [(0, 9001 * MS)]


@pytest.mark.parametrize("wild", [5000, 20_000])
def test_a_wild_time_makes_the_way_of_a_source_set_aside_begin_anew(wild: int) -> None:
    astray = every_ms(0, 9000, 9900) + every_ms(0, wild, wild + 1) + every_ms(0, 9900, 12_000)

    assert late_ms(order_of(RULE), every_ms(1, 0, 1) + every_ms(0, 1, 2) + astray)[-1] == 10_900


def test_late_events_of_others_do_not_keep_a_source_set_aside() -> None:
    order = order_of(RULE)
    late_in_its_slice: Packet = (2, [900 * MS - MS // 10], [])
    astray = [packet for time in range(9000, 10_500) for packet in [*every_ms(0, time, time + 1), late_in_its_slice]]

    late = late_ms(order, [*every_ms(0, 999, 1000), *every_ms(1, 1000, 1001), *astray])

    assert order.late.tolist()[2] == 1500
    assert [time for time in late if time > 1000] == list(range(9000, 10_001))


def test_what_holds_for_an_event_astray_does_not_for_those_after_it_that_are_not() -> None:
    before = every_ms(1, 4999, 5000) + every_ms(0, 5000, 5001)
    jumps: Packet = (0, [9000 * MS], [])
    comes_back: Packet = (0, [4880 * MS, 4950 * MS], [])
    goes_back_and_comes_back: Packet = (1, [3990 * MS, 4500 * MS, 4950 * MS], [])

    assert late_ms(order_of(RULE), [*before, jumps, comes_back]) == [9000, 4880]
    assert late_ms(order_of(RULE), [*before, goes_back_and_comes_back]) == [3990, 4500]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    periods=st.lists(st.sampled_from([1, 2, 7, 50, 130, 400]), min_size=1, max_size=4), seed=st.integers(0, 99),
    bit=st.integers(27, 61), sign=st.sampled_from([1, -1]), at=st.floats(0, 1),
)  # fmt: skip
def test_one_flipped_bit_makes_late_only_what_comes_before_its_source_speaks_again(
    periods: list[int], seed: int, bit: int, sign: int, at: float
) -> None:
    rng = np.random.default_rng(seed)
    sent = sorted(
        (time + rng.uniform(0, 40), source, int(MS * (time + rng.uniform(0, 5))))
        for source, period in enumerate(periods)
        for time in np.arange(rng.uniform(0, period), 2500, period)
    )
    packets: list[Packet] = [(source, [time], []) for _, source, time in sent]
    which = int(at * (len(sent) - 1))
    source, (time,), _ = packets[which]
    wild = time + sign * (1 << bit)

    late = flagged(order_of(RULE), [*packets[:which], (source, [wild], []), *packets[which + 1 :]])

    again = min([place for place in range(which + 1, len(sent)) if sent[place][1] == source], default=len(sent))
    edge = wild - RULE.max_disorder_ps
    slice_before = range(edge - (1 << RULE.slice_bits), edge)
    assert flagged(order_of(RULE), packets) == []
    assert all(which <= place < again or sent[place][2] in slice_before for place in late)
