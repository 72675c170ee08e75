"""Events of a simulated A5202: conversions and their losses, bytes of the stream, what is in an event."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_fers_simulator import (
    AUTO,
    BOTH,
    HIGH,
    LOW,
    Clock,
    Event,
    WriteFaults,
    put,
    read_events,
    read_old_events,
)

from simulators.fers import encoding as e
from simulators.fers.board import Board
from simulators.fers.conversion import Conversion
from simulators.fers.events import EventMaker, service
from simulators.fers.registers import CLOCK_PS, ChannelRegister, Command, Register, channel_address
from simulators.fers.signals import Block, random_light

US = 1_000_000
PEDESTAL = np.full(64, 100)

times = st.lists(st.integers(0, 60 * US), max_size=40).map(lambda values: np.array(sorted(values), np.int64))


def by_hand(times_ps: list[int], dead_ps: int, size: int, room: int, per_ps: float) -> list[int]:
    """Return which triggers are converted, by the rule of thumb: wait, drain, fit."""
    kept: list[int] = []
    for k, now in enumerate(times_ps):
        if kept and now < times_ps[kept[-1]] + dead_ps:
            continue
        level, then = 0.0, 0
        for other in kept:
            level = max(0.0, level - (times_ps[other] - then) * per_ps) + size
            then = times_ps[other]
        if max(0.0, level - (now - then) * per_ps) + size <= room:
            kept.append(k)
    return kept


@given(times, st.sampled_from([8_000, 3 * US, 10 * US]), st.sampled_from([0.0, 12.5e6]), st.integers(0, 40))
def test_triggers_are_converted_one_after_the_other_as_long_as_there_is_room(
    times_ps: np.ndarray, dead_ps: int, bytes_per_s: float, cut: int
) -> None:
    conversion, room = Conversion(dead_ps, 500, bytes_per_s), 500
    size = 200 if bytes_per_s else 1

    parts = [conversion.take(part, np.full(len(part), size), 0) for part in (times_ps[:cut], times_ps[cut:])]

    numbers = np.concatenate([part[1] for part in parts]).tolist()
    assert numbers == by_hand(times_ps.tolist(), dead_ps, size if bytes_per_s else 0, room, bytes_per_s * 1e-12)
    lost = conversion.losses.dead_time + conversion.losses.buffer_full
    assert conversion.triggers == len(times_ps) == len(numbers) + lost


def test_bytes_that_the_host_does_not_take_leave_no_room() -> None:
    conversion = Conversion(CLOCK_PS, 1000, 0.0)

    kept, _ = conversion.take(np.array([0, US]), np.array([300, 300]), 800)

    assert (len(kept), conversion.losses.buffer_full) == (0, 2)


@given(st.lists(st.tuples(st.integers(0, (1 << 56) - 1), st.integers(0, (1 << 56) - 1), st.integers(0, 9)), max_size=9))
def test_both_framings_hold_the_same_events(rows: list[tuple[int, int, int]]) -> None:
    numbers, ticks, lengths = (np.array([row[k] for row in rows], np.int64) for k in range(3))
    payload = np.arange(int(lengths.sum()), dtype=np.uint32) * np.uint32(0x01234567)

    words = e.frames(0x0F, numbers, ticks, lengths, payload)

    new, old = read_events(words.astype("<u4").tobytes()), read_old_events(e.old_protocol(words))
    assert new == old
    assert [(event.number, event.ticks, len(event.payload)) for event in new] == rows
    assert [word for event in new for word in event.payload] == payload.tolist()


def made(board: Board, photons: Block, asked: list[int] | None = None, *, noise: float = 0.0) -> list[Event]:
    settings = board.settings()
    maker = EventMaker(settings, Conversion(settings.dead_ps, 1 << 20, 0.0), (PEDESTAL, PEDESTAL), seed=1)
    maker._noise *= np.float32(noise)
    found = maker.make(photons, np.array(asked or [], np.int64), 0, 0)
    return [] if found is None else read_events(found.words.astype("<u4").tobytes())


def board_with(**registers: int) -> Board:
    board = Board(1, Clock(), WriteFaults(), threading.RLock())
    put(board, Register.TRG_MASK, 1 << 2)
    for name, value in registers.items():
        put(board, Register[name], value)
    for chip in (0, 1):
        put(board, Register.SCBS_CTRL, chip << 9)
        put(board, Register.COMMANDS, Command.CONFIGURE_ASIC)
    return board


def light(*photons: tuple[int, dict[int, int]]) -> Block:
    signal = np.zeros((len(photons), 64), np.uint16)
    for k, (_, channels) in enumerate(photons):
        signal[k, list(channels)] = list(channels.values())
    return Block(np.array([time_ps for time_ps, _ in photons], np.int64), signal)


def test_high_and_low_gain_come_with_their_pedestals() -> None:
    events = made(board_with(ACQ_CTRL=1 | BOTH), light((8 * US, {0: 1000, 63: 300})))

    assert [event.qualifier for event in events] == [0x11]
    assert (events[0].ticks, events[0].number) == (1000, 0)
    assert (events[0].amplitudes[0], events[0].amplitudes[63]) == ((1100, 200), (400, 130))
    assert (events[0].amplitudes[5], events[0].fired) == ((100, 100), {0, 63})


def test_the_board_chooses_the_low_gain_where_the_high_one_is_at_its_end() -> None:
    events = made(board_with(ACQ_CTRL=1 | AUTO), light((US, {7: 20_000, 8: 500})))

    assert (events[0].amplitudes[7], events[0].amplitudes[8]) == ((None, 2100), (600, None))


@pytest.mark.parametrize(("gain", "seen"), [(HIGH, (600, None)), (LOW, (None, 150))])
def test_one_gain_alone_comes_two_in_a_word(gain: int, seen: tuple[int | None, int | None]) -> None:
    events = made(board_with(ACQ_CTRL=1 | gain), light((US, {9: 500})))

    assert (events[0].amplitudes[9], len(events[0].payload)) == (seen, 2 + 32)


def test_fourteen_bits_double_the_counts_and_the_full_scale() -> None:
    events = made(board_with(ACQ_CTRL=1 | HIGH | 1 << 21), light((US, {9: 500, 10: 60_000})))

    assert (events[0].amplitudes[9], events[0].amplitudes[10]) == ((1100, None), (16_383, None))


def test_channels_that_are_masked_are_not_there_and_an_odd_one_leaves_half_a_word() -> None:
    events = made(board_with(ACQ_CTRL=1 | HIGH, CHANNEL_MASK_0=0b111, CHANNEL_MASK_1=0), light((US, {1: 500, 40: 9})))

    assert {channel: pair[0] for channel, pair in events[0].amplitudes.items()} == {0: 100, 1: 600, 2: 100}
    assert len(events[0].payload) == 2 + 2


def test_channels_below_the_threshold_of_suppression_are_left_out() -> None:
    board = board_with(ACQ_CTRL=1 | HIGH)
    put(board, 0x03000000 | ChannelRegister.ZS_HG_THR, 200)
    put(board, channel_address(ChannelRegister.ZS_HG_THR, 3), 0)

    events = made(board, light((US, {9: 500}), (20 * US, {3: 700})))

    assert [sorted(event.amplitudes) for event in events] == [[3, 9], [3]]


def test_light_below_the_threshold_does_not_trigger() -> None:
    assert made(board_with(ACQ_CTRL=1 | HIGH, QD_COARSE_THR=250), light((US, {9: 100}), (2 * US, {9: 90}))) == []


def test_light_that_comes_before_the_peak_is_held_is_added() -> None:
    board = board_with(ACQ_CTRL=1 | HIGH, HOLD_DELAY=100)

    events = made(board, light((US, {9: 500}), (US + 700_000, {9: 300}), (US + 900_000, {9: 77})))

    assert [event.amplitudes[9][0] for event in events] == [900]


def test_numbers_of_triggers_that_were_lost_are_missing() -> None:
    photons = light(*[(k * 4 * US, {9: 500}) for k in range(6)])

    events = made(board_with(ACQ_CTRL=1 | HIGH), photons)

    assert [(event.number, event.ticks) for event in events] == [(0, 0), (3, 1500)]


def test_numbers_have_no_holes_where_conversions_are_counted() -> None:
    photons = light(*[(k * 4 * US, {9: 500}) for k in range(6)])

    events = made(board_with(ACQ_CTRL=1 | HIGH | 1 << 26), photons)

    assert [event.number for event in events] == [0, 1]


@pytest.mark.parametrize("rate_cps", [5e3, 5e4, 4e5])
def test_conversions_follow_the_curve_of_a_dead_time_that_nothing_prolongs(rate_cps: float) -> None:
    """n / (1 + n tau), with the variance of a renewal process whose intervals are tau and an exponential."""
    tau_s, seconds = 9.864e-6, 0.5
    rng = np.random.default_rng(round(rate_cps))
    times = np.sort(rng.integers(0, round(seconds * 1e12), rng.poisson(rate_cps * seconds)))

    kept, _ = Conversion(round(tau_s * 1e12), 1 << 30, 0.0).take(times, np.ones(len(times), np.int64), 0)

    mean = rate_cps * seconds / (1 + rate_cps * tau_s)
    z = (len(kept) - mean) / np.sqrt(mean / (1 + rate_cps * tau_s) ** 2)
    assert abs(z) < 4


def test_a_trigger_without_light_gives_pedestals() -> None:
    events = made(board_with(ACQ_CTRL=1 | BOTH), light(), [3 * US])

    assert events[0].amplitudes == dict.fromkeys(range(64), (100, 100))


def test_pedestals_scatter_by_the_noise_of_the_board() -> None:
    events = made(board_with(ACQ_CTRL=1 | HIGH), light(), [k * 20 * US for k in range(400)], noise=1.0)

    values = np.array([[pair[0] for pair in event.amplitudes.values()] for event in events], float)
    assert values.mean() == pytest.approx(100, abs=0.1)
    assert values.std() == pytest.approx(2.02, abs=0.05)


def test_energies_and_times_come_together() -> None:
    events = made(board_with(ACQ_CTRL=3 | HIGH, TRG_MASK=1 << 3, TD_COARSE_THR=300), light((US, {9: 500, 11: 40})))

    assert (events[0].qualifier, events[0].amplitudes[9]) == (0x03, (600, None))
    assert [(channel, arrival) for channel, arrival, _ in events[0].hits] == [(9, 28)]


@pytest.mark.parametrize(
    ("control", "qualifier"), [(2, 0x02), (2 | 1 << 8, 0x02), (2 | 1 << 4 | 1 << 8, 0x12), (2 | 2 << 4 | 1 << 8, 0x22)]
)
def test_times_alone_come_by_their_mode_with_or_without_time_over_threshold(control: int, qualifier: int) -> None:
    events = made(
        board_with(ACQ_CTRL=control, TRG_MASK=1 << 3, TD_COARSE_THR=300), light((US + 500, {9: 500, 60: 400}))
    )

    assert [event.qualifier for event in events] == [qualifier]
    assert events[0].payload[0] == 1
    assert [channel for channel, *_ in events[0].hits] == [9, 60]
    assert all((over > 0) == (bool(control >> 8) and qualifier != 0x22) for *_, over in events[0].hits)


def test_an_event_of_counts_says_what_came_since_the_one_before() -> None:
    settings = board_with(ACQ_CTRL=4, TD_COARSE_THR=300).settings()
    maker = EventMaker(settings, Conversion(settings.dead_ps, 1 << 20, 0.0), (PEDESTAL, PEDESTAL), seed=1)

    assert maker.make(light((US, {9: 500}), (2 * US, {9: 500, 10: 900})), np.empty(0, np.int64), 0, 0) is None
    first = read_events(maker.counting(10 * US, 0).words.tobytes())[0]
    second = read_events(maker.counting(20 * US, 0).words.tobytes())[0]

    assert {channel: count for channel, count in first.counts.items() if count} == {9: 2, 10: 1, 64: 2, 65: 2}
    assert (sum(second.counts.values()), len(second.counts), second.ticks) == (0, 66, 2500)


def test_a_service_event_has_its_fields_where_the_vendor_reads_them() -> None:
    settings = board_with(ACQ_CTRL=1 | 3 << 18).settings()
    counts = np.arange(66)

    event = read_events(service(settings, (2600, 540_000, 125, 0x0C123456, 5, 144), counts, 77).words.tobytes())[0]

    assert (event.qualifier, event.ticks, event.payload[0]) == (0x2F, 77, 1 << 24 | 3 << 12 | 2600)
    assert event.payload[1:5] == [540_000, 125, 0x0C123456, 5 | 144 << 16]
    assert event.payload[5:] == [channel << 24 | channel for channel in range(66)]


def test_a_loop_of_photons_comes_again_and_again() -> None:
    signals = random_light(1e6, 100 * US, seed=3)

    across = signals.between(30 * US, 270 * US)

    apart = [signals.between(begin * US, end * US) for begin, end in ((30, 100), (100, 200), (200, 270))]
    assert across.time_ps.tolist() == [time for block in apart for time in block.time_ps.tolist()]
    assert (np.diff(across.time_ps) >= 0).all()
    assert (apart[1].time_ps - 100 * US).tolist() == signals.time_ps.tolist()
    assert (apart[1].signal == signals.signal).all()
