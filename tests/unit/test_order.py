"""Order as a function of the data: held against one event at a time in plain Python, and against what can be said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_order import (
    MS,
    RULE,
    SINGLES,
    Packet,
    agree,
    arguments,
    call,
    columns,
    numbered,
    order_of,
    pushed,
    released,
    rows,
)

from daq.model.order import NEVER_PS, OrderRule
from daq.pipeline.order import Jump, Order

steps = st.sampled_from([1, 5 * MS, 40 * MS, 1000 * MS])


disorders = st.sampled_from([0, 1, 3 * MS, 10 * MS, 700 * MS])
steps = st.sampled_from([1, 5 * MS, 40 * MS, 1000 * MS])


@st.composite
def packet_lists(draw: st.DrawFn) -> list[Packet]:
    """Draw packets of a few sources that walk forwards, come out of order, jump, go back and repeat times."""
    origin = draw(st.sampled_from([0, -50 * MS, (1 << 62) - 5 * MS, -(1 << 62)]))
    walk = st.sampled_from(
        [0, 0, 1, MS // 3, MS, 2 * MS, 9 * MS, -MS, -4 * MS, 60 * MS, 2000 * MS, -100 * MS, -3000 * MS]
    )
    now = dict.fromkeys(range(4), origin)
    packets: list[Packet] = []
    for _ in range(draw(st.integers(1, 20))):
        source = draw(st.sampled_from([0, 0, 1, 2, 3]))
        turn = draw(st.sampled_from(["", "", "", "", "all jump", "all go back", "comes back"]))
        if turn.startswith("all"):
            now = {each: time + (5000 if turn == "all jump" else -5000) * MS for each, time in now.items()}
        elif turn == "comes back":
            now[source] = now[(source + 1) % 4]
        times: tuple[list[int], list[int]] = ([], [])
        for _ in range(draw(st.integers(0, 5))):
            now[source] += draw(walk)
            wild = draw(st.sampled_from([None] * 200 + [-(1 << 63), (1 << 63) - 1, 1 << 62, -1 - (1 << 62)]))
            time = now[source] + draw(st.integers(-2, 2)) if wild is None else wild
            times[draw(st.sampled_from([0, 0, 1]))].append(time)
        packets.append((source, *times))
    return packets


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(
    packets=packet_lists(), disorder=disorders, step=steps, cuts=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    flushes=st.sets(st.integers(1, 19), max_size=2), most=st.sampled_from([1, 3, 1 << 20, 1 << 20]),
)  # fmt: skip
def test_order_is_that_of_the_rule_taken_one_event_at_a_time(
    packets: list[Packet], disorder: int, step: int, cuts: list[int], flushes: set[int], most: int
) -> None:
    rule = OrderRule(max_disorder_ps=disorder, max_step_ps=max(step, disorder))

    agree(rule, packets, cuts=cuts, flushes=flushes, most=most)


def test_a_sparse_source_that_keeps_within_the_disorder_is_never_late() -> None:
    busy: list[Packet] = [(0, [time * MS], []) for time in range(1000)]
    sparse: list[Packet] = [(1, [0], []), (1, [500 * MS], []), (1, [880 * MS], [])]
    packets = [*busy[:100], sparse[0], *busy[100:600], sparse[1], *busy[600:980], sparse[2], *busy[980:]]

    got = released(order_of(RULE), packets)

    assert [time for time, _ in got] == sorted(time for _, times, _ in packets for time in times)
    assert not any(late for _, late in got)


def test_an_event_at_the_watermark_is_in_time_and_one_below_it_is_late() -> None:
    order = order_of(RULE)

    got = released(order, [(0, [500 * MS], []), (1, [400 * MS, 400 * MS - 1], [])])

    assert sorted(got) == [(400 * MS - 1, True), (400 * MS, False), (500 * MS, False)]
    assert order.late.tolist() == [0, 1]


def test_a_dead_source_holds_nothing_up() -> None:
    order = order_of(RULE)
    pushed(order, numbered([(1, [0], [])]))

    for time in range(1, 400):
        got = pushed(order, numbered([(0, [time * MS], [])]))

    assert order.held_rows <= 102
    assert got["singles"]["time_ps"].tolist() == [298 * MS]


def test_what_is_held_spans_the_disorder_and_no_more() -> None:
    order = order_of(RULE)
    slice_ps = 1 << RULE.slice_bits

    pushed(order, numbered([(0, [time * MS for time in range(1000)], [])]))

    assert 100 <= order.held_rows <= 101 + slice_ps // MS + 1


def test_the_jump_of_a_lone_source_is_believed() -> None:
    order = order_of(RULE)

    got = released(order, [(0, [0, MS], []), (0, [5000 * MS, 5001 * MS], [])])

    assert got == [(0, False), (MS, False), (5000 * MS, False), (5001 * MS, False)]
    assert order.take_jumps() == []


def test_a_source_that_jumps_is_set_aside_until_it_comes_back() -> None:
    order = order_of(RULE)
    packets: list[Packet] = [
        (0, [0], []), (1, [1], []), (0, [9000 * MS, 9001 * MS], []), (1, [2], []), (0, [9002 * MS], []), (0, [3], []),
        (1, [4], []),
    ]  # fmt: skip

    got = released(order, packets)

    assert [time for time, late in got if not late] == [0, 1, 2, 3, 4]
    assert [time for time, late in got if late] == [9000 * MS, 9001 * MS, 9002 * MS]
    assert order.take_jumps() == [Jump(packet=2, source=0, step_ps=9000 * MS - 1)]
    assert order.take_jumps() == []
    assert order.set_aside.tolist() == [3, 0]
    assert order.late.tolist() == [0, 0]


def test_when_all_sources_jump_the_clock_as_a_whole_has_moved() -> None:
    order = order_of(RULE)
    jump = 9000 * MS
    packets: list[Packet] = [(source, [source], []) for source in range(4)]
    packets += [(source, [jump + source], []) for source in range(4)]
    packets += [(source, [jump + MS + source], []) for source in range(4)]

    got = released(order, packets)

    assert [time for time, late in got if not late] == [0, 1, 2, 3, jump + 3, *(jump + MS + s for s in range(4))]
    assert [time for time, late in got if late] == [jump, jump + 1, jump + 2]
    assert [(found.packet, found.source) for found in order.take_jumps()] == [(4, 0), (5, 1), (6, 2)]


def test_a_source_whose_time_is_long_past_does_not_keep_another_from_jumping() -> None:
    order = order_of(RULE)

    got = released(order, [(1, [0], []), (0, [0, 200 * MS], []), (0, [9000 * MS], [])])

    assert not any(late for _, late in got)


def test_a_source_that_goes_back_while_another_is_live_is_late_until_the_flush() -> None:
    order = order_of(RULE)
    pushed(order, numbered([(0, [5000 * MS], []), (1, [5000 * MS], [])]))

    before = rows(pushed(order, numbered([(1, [0, MS], [])])), "singles")
    held = rows(order.flush(), "singles")
    after = released(order, [(1, [2 * MS], []), (0, [3 * MS], [])])

    assert [(time, late) for time, _, late in before] == [(0, True), (MS, True)]
    assert [(time, late) for time, _, late in held] == [(5000 * MS, False), (5000 * MS, False)]
    assert after == [(2 * MS, False), (3 * MS, False)]


def test_more_than_can_be_held_goes_before_its_time_and_what_still_comes_for_it_is_late() -> None:
    order = order_of(RULE, most_held=10)
    slices = [number << RULE.slice_bits for number in range(12)]

    got = released(order, [(0, slices, []), (1, [slices[0], slices[11]], [])])

    assert got == [
        *((time, False) for time in slices[:2]), (slices[0], True), *((time, False) for time in slices[2:]),
        (slices[11], False),
    ]  # fmt: skip
    assert order.forced == 3


def test_both_streams_of_a_packet_are_taken_by_time_so_that_neither_makes_the_other_late() -> None:
    order = order_of(RULE)
    times = [time * MS for time in range(0, 1000, 10)]

    out = pushed(order, numbered([(0, times, times)]))
    rest = order.flush()

    assert order.late.tolist() == [0]
    assert [t for t, _, _ in [*rows(out, "coincidences"), *rows(rest, "coincidences")]] == times


def test_streams_that_are_not_ordered_come_back_as_they_are() -> None:
    order = Order(RULE, {"singles": SINGLES})
    marks = {"time_ps": np.array([7, 3], np.int64)}

    out = order.push(
        {"singles": columns(SINGLES, [5], [0]), "marks": marks},
        {"singles": np.array([1], np.int64)},
        np.zeros(1, np.uint16),
    )

    assert out["marks"] is marks
    assert set(out["singles"]) == {*SINGLES, "late"}
    assert len(out["singles"]["time_ps"]) == 0


@pytest.mark.parametrize("spread", [1, 50, 10**6, 100 * MS], ids=["equal", "few", "crowded", "wide"])
@pytest.mark.parametrize("count", [1, 2, 63, 5000, 60_000])
def test_any_number_of_rows_however_crowded_is_sorted_stably(count: int, spread: int) -> None:
    times = np.random.default_rng(count + spread).integers(0, spread, count)
    order = order_of(RULE)
    packets: list[Packet] = [(0, times.tolist(), [])]

    got = rows(order.push(*call(packets)), "singles") + rows(order.flush(), "singles")

    assert [serial for _, serial, _ in got] == np.argsort(times, kind="stable").tolist()
    assert not any(late for _, _, late in got)


def test_a_crowd_and_a_few_far_from_it_in_one_slice_are_sorted() -> None:
    rng = np.random.default_rng(5)
    times = np.concatenate([rng.integers(10**8, 10**8 + 3000, 30_000), rng.integers(0, 5 * 10**8, 100)])
    rng.shuffle(times)

    got = released(order_of(RULE), [(0, times.tolist(), [])])

    assert [time for time, _ in got] == np.sort(times).tolist()


def test_a_stream_with_one_event_a_slice_comes_out_in_any_number() -> None:
    times = [number * 7 * MS for number in range(20_000)]

    got = released(order_of(RULE), [(0, times, [])])

    assert got == [(time, False) for time in times]


def test_events_that_change_their_slice_each_time_are_all_placed() -> None:
    times = [1000 * MS - (number % 97) * MS for number in range(40_000)]

    got = released(order_of(RULE), [(0, times, [])])

    assert got == [(time, False) for time in sorted(times)]


def test_room_reserved_is_enough_for_as_many_rows() -> None:
    order = order_of(RULE)
    order.reserve(100_000)
    room = len(order._keys)

    pushed(order, numbered([(0, list(range(0, 100 * MS, MS // 1000)), [])]))

    assert order.held_rows == 100_000
    assert len(order._keys) == room


@pytest.mark.slow
def test_both_streams_use_the_same_room_again_and_again() -> None:
    order = order_of(RULE)
    room = len(order._keys)
    for number in range(2000):
        base = number * 110 * MS
        packets: list[Packet] = [(0, [base + i for i in range(300)], []), (0, [], [base + i for i in range(300)])]
        out = pushed(order, numbered(packets))
        assert len(rows(out, "singles")) == len(rows(out, "coincidences")) == 300 * (number > 0)

    assert order.held_rows == 600
    assert len(order._keys) == room


def test_a_source_number_seen_for_the_first_time_begins_at_zero() -> None:
    order = order_of(RULE)

    pushed(order, numbered([(3, [0], [])]))
    pushed(order, numbered([(65_534, [0], [])]))

    assert len(order.late) == 65_535
    assert order.late.sum() == 0


def test_no_packets_and_packets_of_no_rows_release_nothing() -> None:
    order = order_of(RULE)

    assert len(pushed(order, [])["singles"]["time_ps"]) == 0
    assert len(pushed(order, numbered([(0, [], []), (5, [], [])]))["coincidences"]["stamp"]) == 0
    assert len(order.flush()["singles"]["late"]) == 0


def test_slices_are_a_power_of_two_and_number_at_most_256_in_the_disorder() -> None:
    lengths = {
        d: OrderRule(max_disorder_ps=d, max_step_ps=d + 1).slice_bits for d in (0, 10**9, 10**11, 10**12, 60 * 10**12)
    }

    assert lengths == {0: 29, 10**9: 29, 10**11: 29, 10**12: 32, 60 * 10**12: 38}
    assert all(d >> bits < 256 for d, bits in lengths.items())


def test_times_without_rows_release_what_waits_as_events_would() -> None:
    order = order_of(RULE)
    packets: list[Packet] = [(0, [0, 5 * MS], []), (0, [], []), (0, [], [])]

    out = order.push(*call(packets), np.array([NEVER_PS, 102 * MS, 110 * MS]))

    assert [time for time, _, _ in rows(out, "singles")] == [0, 5 * MS]
    assert order.released_after.tolist() == [0, 1, 2]
    assert (order.held_rows, order.newest, order.late.tolist()) == (0, (0, 110 * MS), [0])


def test_times_without_rows_wherever_calls_are_cut_give_the_same() -> None:
    rng = np.random.default_rng(7)
    packets: list[Packet] = [
        (int(rng.integers(2)), [step * 20 * MS - int(rng.integers(150 * MS)) for _ in range(int(rng.integers(4)))], [])
        for step in range(300)
    ]
    told = np.array([step * 20 * MS if rng.random() < 0.5 else NEVER_PS for step in range(300)])
    whole, cut, numbers = order_of(RULE), order_of(RULE), numbered(packets)

    at_once = rows(whole.push(*call(packets), told), "singles")
    parts = [rows(cut.push(*arguments(numbers[k : k + 7]), told[k : k + 7]), "singles") for k in range(0, 300, 7)]

    assert [row for part in parts for row in part if not row[2]] == [row for row in at_once if not row[2]]
    assert cut.late.tolist() == whole.late.tolist()
    assert sum(whole.late) > 0
