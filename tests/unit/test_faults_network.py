"""What becomes of datagrams: the same however they are cut into calls, and within the bounds that were asked for."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import UsageError, WireError
from daq.wire.native import Datagram, NativeFlag, decode
from simulators.faults import Rehearsal, Transmission, transmissions
from simulators.options import instrument
from simulators.poisson import PoissonSupply
from simulators.supply import KeptSupply
from simulators.timing import WordClock


@cache
def supply(sources: int = 1, profile: str = "head-xye64") -> KeptSupply:
    return KeptSupply(PoissonSupply(instrument(profile), rate_cps=60_000, sources=sources, seconds=1.0, seed=2))


def datagrams(*faults: str, sources: int = 1, **how: Any) -> tuple[list[Datagram], dict[str, Any]]:
    """Return the datagrams that keep the framing, and the truth."""
    arrived, truth = transmissions(supply(sources), faults, **how)
    good = []
    for data in arrived:
        try:
            good.append(decode(data, 8))
        except WireError:
            continue
    return good, truth


def with_words(found: list[Datagram], source: int = 0) -> list[Datagram]:
    return [d for d in found if d.header.words and d.header.source == source]


FIRSTS = [d.header.first_word_index for d in with_words(datagrams()[0])]
ALL = [
    "loss:share=0.1", "loss:burst=3,every=20", "duplicate:share=0.3,copies=2,within=9", "reorder:share=0.3,by=25",
    "truncate:share=0.2", "garbage:share=0.2", "corrupt:share=0.01", "pause:at_s=0.3,for_s=0.2,source=1",
    "burst:at_s=0.5,for_s=0.2", "jump:after=50,ticks=-1000", "late:at_s=0.1,source=0", "restart:at_s=0.7,for_s=0.05",
    "outage:at_s=0.85,for_s=0.05",
]  # fmt: skip


@pytest.mark.parametrize("piece", [1, 3, 64, 1000])
@pytest.mark.parametrize("faults", [ALL, ["loss:share=0.3,control=true", "duplicate:share=0.3,within=9,control=true"]])
def test_what_happens_does_not_depend_on_how_packets_are_cut_into_calls(faults: list[str], piece: int) -> None:
    runs = [Rehearsal(supply(2), faults, seed=5, piece=size) for size in (4096, piece)]

    whole, cut = (Counter(transmission.data for transmission in run) for run in runs)

    assert whole == cut
    assert runs[0].truth() == runs[1].truth()


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    one, again, other = (transmissions(supply(), ALL[:6], seed=seed)[0] for seed in (1, 1, 2))

    assert one == again != other


def test_a_share_of_the_datagrams_is_lost_and_the_front_end_counts_on() -> None:
    got, truth = datagrams("loss:share=0.3")

    lost = truth["injected"]["dropped_packets"]
    assert len(FIRSTS) - len(with_words(got)) == lost
    assert abs(lost - 0.3 * len(FIRSTS)) < 5 * np.sqrt(0.21 * len(FIRSTS))
    assert got[-1].header.first_word_index == truth["expected"]["sources"][0]["sent"]
    assert truth["expected"]["sources"][0]["gap"] == truth["injected"]["dropped_words"]


def test_bursts_of_loss_are_so_long_and_so_often() -> None:
    got, truth = datagrams("loss:burst=7,every=50")

    came = {d.header.first_word_index for d in with_words(got)}
    missing = np.array([first not in came for first in FIRSTS])
    lengths = np.diff(np.flatnonzero(np.diff(missing, prepend=False, append=False)))[::2]
    assert truth["injected"]["dropped_packets"] == int(missing.sum())
    assert int(missing[: len(missing) // 50 * 50].sum()) == len(missing) // 50 * 7
    assert set(lengths.tolist()) <= {7, 14} | set(range(1, 8))


@pytest.mark.parametrize("by", [1, 5, 40])
def test_no_packet_is_overtaken_by_more_than_was_asked_for(by: int) -> None:
    got, truth = datagrams(f"reorder:share=0.5,by={by}")

    order = [FIRSTS.index(d.header.first_word_index) for d in with_words(got)]
    behind = [sum(later > place for later in order[:at]) for at, place in enumerate(order)]
    assert sorted(order) == list(range(len(FIRSTS)))
    assert 0 < max(behind) <= by
    assert truth["injected"]["delayed_packets"] >= sum(n > 0 for n in behind) > len(order) / 5


def test_copies_come_within_the_packets_that_were_asked_for() -> None:
    got, truth = datagrams("duplicate:share=0.4,copies=2,within=6")

    order = [FIRSTS.index(d.header.first_word_index) for d in with_words(got)]
    counts = Counter(order)
    assert set(counts.values()) == {1, 3}
    assert truth["injected"]["duplicated_packets"] == len(order) - len(FIRSTS)
    assert all(place + 6 >= max(order[:at], default=0) for at, place in enumerate(order))


def test_datagrams_are_cut_anywhere_in_their_header_and_in_the_middle_of_words() -> None:
    arrived, truth = transmissions(supply(), ["truncate:share=1"])
    lengths = [len(data) for data in arrived if len(data) != 16 or data[4:6] == b"\0\0"]

    got, _ = datagrams("truncate:share=1")
    cut = [d for d in got if d.missing_words]
    assert truth["injected"]["truncated_packets"] == len(FIRSTS)
    assert 0.1 * len(FIRSTS) < sum(length < 16 for length in lengths) < 0.4 * len(FIRSTS)
    assert truth["expected"]["foreign"] == sum(length < 16 for length in lengths)
    assert sum(len(d.payload) % 8 > 0 for d in cut) > len(cut) / 2
    assert sum(d.whole_words for d in got) == truth["expected"]["sources"][0]["received"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["bytes", "header", "both"]))
def test_garbage_never_passes_for_a_datagram(seed: int, of: str) -> None:
    run = list(Rehearsal(supply(), [f"garbage:share=0.3,of={of},until_s=0.2"], seed=seed))

    garbage = [transmission.data for transmission in run if transmission.source is None]
    assert garbage
    for data in garbage:
        if len(data) >= 16 and data[4:6] == NativeFlag.REQUEST.to_bytes(2, "little"):
            continue  # a front end does not ask
        with pytest.raises(WireError):
            decode(data, 8)


def test_faults_keep_to_their_time_and_their_source() -> None:
    whole, hit = (
        [(t.source, t.due_ns) for t in Rehearsal(supply(2), faults) if len(t.data) > 16]
        for faults in ([], ["loss:share=1,from_s=0.2,until_s=0.4,source=1"])
    )

    assert hit == [(source, due) for source, due in whole if source == 0 or not 200_000_000 <= due < 400_000_000]
    assert len(hit) < len(whole)


def test_start_heartbeat_and_end_are_spared_unless_asked_for() -> None:
    spared, _ = datagrams("loss:share=1")
    lost, truth = datagrams("loss:share=1,control=true")

    assert [d.header.flags for d in spared if not d.header.flags & NativeFlag.HEARTBEAT] == [1, 4, 4, 4]
    assert lost == []
    assert truth["expected"] == {"sources": [], "foreign": 0, "balanced": True}


@pytest.mark.slow
def test_where_every_end_is_lost_the_truth_is_what_can_be_known() -> None:
    seeds = range(60)
    truths = [datagrams("loss:share=0.6,control=true,from_s=0.9", seed=seed)[1] for seed in seeds]

    basis = Counter(truth["expected"]["sources"][0]["basis"] for truth in truths)
    unknown = [t["expected"]["sources"][0] for t in truths if t["expected"]["sources"][0]["basis"] == "sequence"]
    assert basis["sequence"] > 0 < basis["counter"]
    assert all(source["sent"] <= FIRSTS[-1] + 1000 for source in unknown)


def test_a_restart_counts_from_zero_again_and_so_does_its_clock() -> None:
    got, truth = datagrams("restart:at_s=0.7,for_s=0.1")

    starts = [at for at, d in enumerate(got) if d.header.flags & NativeFlag.START and not d.header.words]
    again = with_words(got[starts[1] :])
    clock = WordClock(supply().layout, supply().clock)
    ticks = clock.read(np.frombuffer(b"".join(bytes(d.payload) for d in again), np.uint8))[1]
    assert len(starts) == 2
    assert (again[0].header.first_word_index, again[0].header.flags) == (0, NativeFlag.START)
    assert ticks[0] == 0
    assert 180_000 < ticks[-1] < 200_000  # microseconds
    assert truth["injected"]["restarts"] == 1
    assert truth["expected"]["sources"][0]["gap"] == 0
    assert 0.88 < truth["expected"]["sources"][0]["sent"] / 60_000 < 0.92


def test_a_restart_waits_until_a_receiver_can_tell_it_from_a_second_copy() -> None:
    got, truth = datagrams("restart:at_s=0.1,for_s=0", "loss:share=0.5")

    starts = [at for at, d in enumerate(got) if d.header.flags == NativeFlag.START and not d.header.words]
    before = got[: starts[1]]
    assert 64 <= sum(not d.header.flags & NativeFlag.HEARTBEAT for d in before) < 64 + 16
    assert truth["injected"]["restarts"] == 1


def test_an_outage_loses_words_that_the_front_end_counts_and_silence_does_not() -> None:
    cut_off, outage = datagrams("outage:at_s=0.3,for_s=0.3", sources=2)
    _, silent = datagrams("silent:at_s=0.3,source=0", sources=2)

    assert [s["basis"] for s in outage["expected"]["sources"]] == ["counter"] * 2
    assert 0.28 < sum(s["gap"] for s in outage["expected"]["sources"]) / 60_000 < 0.32
    assert len([d for d in cut_off if d.header.flags & NativeFlag.HEARTBEAT]) == 2 * 6
    assert [s["gap"] for s in silent["expected"]["sources"]] == [0, 0]
    assert 8_000 < silent["expected"]["sources"][0]["sent"] < 10_000


def test_a_late_source_starts_with_its_first_word() -> None:
    run = list(Rehearsal(supply(2), ["late:at_s=0.6,source=1"]))

    ours = [t for t in run if t.source == 1]
    first = decode(ours[0].data, 8)
    assert (first.header.flags, first.header.words) == (NativeFlag.START, 0)
    assert ours[0].due_ns >= 600_000_000
    assert decode(ours[1].data, 8).header.first_word_index == 0


def due_of(*faults: str, speed: float | None = 1.0) -> list[Transmission]:
    return [t for t in Rehearsal(supply(), faults, speed=speed) if len(t.data) > 16]


def test_a_pause_makes_everything_later_and_a_burst_brings_what_was_held_back_at_once() -> None:
    usual, paused, burst = due_of(), due_of("pause:at_s=0.5,for_s=0.25"), due_of("burst:at_s=0.5,for_s=0.25")

    due = np.array([[t.due_ns for t in run] for run in (usual, paused, burst)]) / 1e9
    assert [t.data for t in usual] == [t.data for t in paused] == [t.data for t in burst]
    assert np.allclose(due[1] - due[0], np.where(due[0] >= 0.5, 0.25, 0.0))
    held = (due[0] >= 0.5) & (due[0] < due[2][due[0] >= 0.5][0])
    assert len(set(due[2][held].tolist())) == 1
    assert 0.75 <= due[2][held][0] < 0.77
    assert np.allclose(due[2][~held], due[0][~held])


def test_nothing_but_the_times_of_the_words_changes_when_the_clock_jumps() -> None:
    got, truth = datagrams("jump:at_s=0.5,by_s=0.25")
    plain, _ = datagrams()

    ticks = [
        WordClock(supply().layout, supply().clock).read(
            np.frombuffer(b"".join(bytes(d.payload) for d in with_words(run)), np.uint8)
        )[1]
        for run in (plain, got)
    ]
    assert set(np.unique(ticks[1] - ticks[0]).tolist()) == {0, 250_000}
    assert truth["expected"]["sources"][0]["received"] == len(ticks[0])


@pytest.mark.parametrize(
    ("fault", "framing", "sentence"),
    [
        ("loss:share=0.1", "stream", "a TCP connection delivers every byte once and in order"),
        ("restart:at_s=1,for_s=1", "stream", "carries one source and neither start, heartbeat nor end"),
        ("truncate:share=0.1", "stream", "a TCP connection is cut once: at_s or after"),
        ("truncate:after=3", "native", "datagrams are cut by share"),
        ("garbage:share=0.1", "none", "without headers nobody can tell garbage from words"),
        ("loss:share=0.1,source=4", "native", "the sources are 0"),
    ],
)
def test_a_wire_has_only_the_faults_that_make_sense_on_it(fault: str, framing: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Rehearsal(supply(), [fault], framing=framing)


def test_a_stream_is_cut_in_the_middle_of_a_word_and_ends_there() -> None:
    arrived, truth = transmissions(supply(), ["truncate:at_s=0.5"], framing="stream")

    data = b"".join(arrived)
    assert len(data) % 8 != 0
    assert 0.4 < len(data) / 8 / 60_000 < 0.6
    assert truth["expected"]["sources"] == [
        {
            "source": 0, "basis": "stream", "sent": len(data) // 8 + 1, "gap": 0, "received": len(data) // 8 + 1,
            "malformed": 1, "duplicates": 0,
        }
    ]  # fmt: skip
