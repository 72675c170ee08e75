"""Frames of the simulated PETsys unit: from photons to words, round and round."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_petsys_simulator import ALL, ASICS, DATAGRAM_WORDS, content_of, frames_of_loop, singles_of

from daq.model import tofpet2 as t
from daq.wire.petsys import decode_events
from simulators.petsys.encoding import NOMINAL, encode
from simulators.petsys.loop import MOST_EVENTS, Content, Loop, Noise, State, cut
from simulators.petsys.singles import PHOTOPEAK_KEV, Singles, poisson_singles

FRAMES = 2000


def test_the_same_seed_gives_the_same_singles_and_another_one_others() -> None:
    first, again, other = (poisson_singles(1e6, 256, 10**10, seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first.time_ps, again.time_ps)
    assert len(first.time_ps) != len(other.time_ps)


def test_singles_are_a_poisson_process_with_a_photopeak() -> None:
    singles = poisson_singles(1e6, 256, 10**12, 1)

    count = len(singles.time_ps)
    assert abs(count - 1e6) < 5 * 1e3
    gaps_ps = np.diff(singles.time_ps)
    assert gaps_ps.min() >= 0
    assert gaps_ps.std() == pytest.approx(1e6, rel=0.01)
    assert np.bincount(singles.detector).min() > 0.8 * count / 256
    peak = singles.energy_kev[singles.energy_kev > 420]
    assert peak.mean() == pytest.approx(PHOTOPEAK_KEV, abs=1)


def test_time_and_energy_come_back_from_the_codes_to_half_a_step() -> None:
    singles = singles_of(5e6, FRAMES)

    events = encode(singles, source=0)
    fields = decode_events(events.words)
    q = (fields.t_fine - NOMINAL.fine_at_zero) / NOMINAL.fine_per_clock
    time_ps = (events.frame * t.FRAME_CLOCKS + fields.t_coarse - q) * t.CLOCK_PS
    found_ps = np.sort(time_ps % singles.length_ps)

    assert 1 - 1e-9 <= q.min() < q.max() <= 2
    assert np.abs(found_ps - singles.time_ps).max() <= t.CLOCK_PS / NOMINAL.fine_per_clock / 2 + 1
    assert set(((fields.e_coarse - fields.t_coarse) % t.FRAME_CLOCKS).tolist()) == {NOMINAL.integration_clocks}
    energy_kev = np.sort(fields.e_fine * NOMINAL.kev_per_code)
    assert np.abs(energy_kev - np.sort(singles.energy_kev)).max() <= NOMINAL.kev_per_code / 2 + 1e-3
    assert set(fields.tac.tolist()) == set(range(t.TACS))


def test_time_over_threshold_grows_with_the_energy() -> None:
    singles = singles_of(1e6, FRAMES)
    nominal = replace(NOMINAL, tot=True)

    fields = decode_events(encode(singles, 0, nominal).words)
    clocks = (fields.e_coarse - fields.t_coarse) % t.FRAME_CLOCKS
    length = clocks - (fields.e_fine - fields.t_fine) / nominal.fine_per_clock

    energy_kev = np.sort(length * nominal.kev_per_clock)
    assert np.abs(energy_kev - np.sort(singles.energy_kev)).max() < nominal.kev_per_clock / nominal.fine_per_clock * 1.1


def test_channels_bear_the_address_of_the_unit() -> None:
    source = t.source_of(port=3, slave=5)
    events = encode(singles_of(1e6, FRAMES), source)

    channels = decode_events(events.words).channel
    assert set((channels >> 12).tolist()) == {source}
    assert set(np.unique(channels & 0xFFF).tolist()) == set(range(ASICS * 64))


def test_what_ends_behind_the_last_frame_begins_the_next_round() -> None:
    late = Singles(np.array([10 * t.FRAME_PS - 1]), np.array([7]), np.array([511.0], np.float32), 10 * t.FRAME_PS)

    events = encode(late, 0)

    assert events.frame.tolist() == [0]
    assert decode_events(events.words).t_coarse.tolist() == [1]


def test_a_loop_is_whole_frames_that_the_codec_reads() -> None:
    singles = singles_of(2e6, FRAMES)
    loop = Content(encode(singles, 37), 37, DATAGRAM_WORDS, 1).loop(ALL)
    loop.number(0, FRAMES, 1000)

    frames = frames_of_loop(loop)

    assert [frame.frame_id for frame in frames] == list(range(1000, 1000 + FRAMES))
    assert {(frame.port, frame.slave, frame.lost) for frame in frames} == {(1, 5, 0)}
    assert sum(len(frame.events) for frame in frames) == len(singles.time_ps)
    for frame in frames:
        coarse = decode_events(frame.events).t_coarse
        assert (np.diff(coarse) >= 0).all()


def test_frame_ids_wrap_after_36_bits() -> None:
    loop = content_of(1e5, 10).loop(ALL)
    loop.number(0, 10, (1 << 36) - 4)

    assert [f.frame_id for f in frames_of_loop(loop)] == [*range((1 << 36) - 4, 1 << 36), *range(6)]


def test_a_frame_without_room_loses_events_and_says_so() -> None:
    count = MOST_EVENTS + 100
    singles = Singles(
        np.full(count, t.FRAME_PS + 20_000), np.zeros(count, np.int64), np.ones(count, np.float32), 3 * t.FRAME_PS
    )

    loop = Content(encode(singles, 0), 0, DATAGRAM_WORDS, 1).loop(ALL)
    frames = frames_of_loop(loop)

    assert [len(frame.events) for frame in frames] == [0, MOST_EVENTS, 0]
    assert [bool(frame.lost) for frame in frames] == [False, True, False]
    assert (loop.tally(0, 6).dropped_events, loop.tally(0, 6).events) == (200, 2 * MOST_EVENTS)
    assert loop.tally(2, 4).dropped_events == 0


@settings(max_examples=50, deadline=None)
@given(first=st.integers(0, 300), length=st.integers(0, 700))
def test_the_tally_of_a_stretch_is_what_its_frames_hold(first: int, length: int) -> None:
    loop, frames = _LOOP, _LOOP_FRAMES
    stretch = [frames[k % len(frames)] for k in range(first, first + length)]

    tally = loop.tally(first, first + length)

    assert tally.frames == length
    assert tally.events == sum(len(f.events) for f in stretch)
    assert tally.idle_frames == sum(not len(f.events) for f in stretch)
    words = np.concatenate([np.zeros(0, np.uint64), *(f.events for f in stretch)])
    expected = np.bincount((words >> np.uint64(t.CHANNEL_SHIFT)).astype(np.int64), minlength=len(tally.channels))
    np.testing.assert_array_equal(tally.channels, expected[: len(tally.channels)])
    assert expected[len(tally.channels) :].sum() == 0


_LOOP = content_of(1e5, 150).loop(ALL)
_LOOP_FRAMES = frames_of_loop(_LOOP)


@given(sizes=st.lists(st.integers(2, 60), max_size=60), most=st.integers(7, 100))
def test_datagrams_are_full_and_hold_whole_frames(sizes: list[int], most: int) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    cuts = cut(starts, most).tolist()

    assert cuts[0] == 0
    assert cuts[-1] == len(sizes)
    for begin, end in pairwise(cuts):
        assert starts[end] - starts[begin] <= most or end == begin + 1
        assert end == len(sizes) or starts[end + 1] - starts[begin] > most


def test_only_enabled_asics_have_events() -> None:
    content = content_of(2e6, FRAMES)
    whole, half = (content.loop(State(mask)).tally(0, FRAMES).described()["asics"] for mask in (0b1111, 0b0101))

    assert set(whole) == {"0", "1", "2", "3"}
    assert half == {chip: whole[chip] for chip in ("0", "2")}
    assert content.loop(State(0)).tally(0, FRAMES).idle_frames == FRAMES


def test_a_noisy_module_adds_its_events_and_leaves_the_others() -> None:
    content = content_of(2e6, FRAMES)
    quiet = content.loop(ALL).tally(0, FRAMES).described()["asics"]

    noisy = content.loop(State(0b1111, noise=(Noise(2, 5e6),))).tally(0, FRAMES).described()["asics"]

    expected = 5e6 * FRAMES * t.FRAME_PS * 1e-12
    assert abs(noisy["2"] - quiet["2"] - expected) < 5 * expected**0.5
    assert {chip: noisy[chip] for chip in "013"} == {chip: quiet[chip] for chip in "013"}


@pytest.mark.parametrize("clocks", [3, -3, 1024, -5000, 123_456])
def test_a_module_whose_clock_jumps_has_all_its_events_so_much_later(clocks: int) -> None:
    content = content_of(2e6, FRAMES)

    def clocks_of(loop: Loop, chips: set[int]) -> np.ndarray:
        found = []
        for number, frame in enumerate(frames_of_loop(loop)):
            fields = decode_events(frame.events)
            own = np.isin(fields.channel >> 6, list(chips))
            found.append(number * t.FRAME_CLOCKS + fields.t_coarse[own])
        return np.concatenate(found)

    before, after = content.loop(ALL), content.loop(State(0b1111, shifts=((1, clocks),)))

    whole = FRAMES * t.FRAME_CLOCKS
    np.testing.assert_array_equal(clocks_of(after, {0, 2, 3}), clocks_of(before, {0, 2, 3}))
    np.testing.assert_array_equal(clocks_of(after, {1}), np.sort((clocks_of(before, {1}) + clocks) % whole))


def test_loops_are_kept_but_not_without_bound() -> None:
    content = content_of(1e5, 50)

    assert content.loop(ALL) is content.loop(ALL)
    first = content.loop(State(1))
    for mask in range(2, 9):
        content.loop(State(mask))
    assert content.loop(State(1)) is not first
