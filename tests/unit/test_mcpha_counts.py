"""Counts of histograms become singles: as many, in the right bins, at the time of their poll, whatever happens."""

from __future__ import annotations

import struct
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_probe import POLL_BYTES, poll

from daq.listmode.mcpha import FULL_BINS, RESETS
from daq.model.mcpha import FULL
from daq.model.packets import NO_SEQUENCE, Flag, Packets
from daq.storage.accounts import Accounts
from daq.storage.kernels import load_decoder
from device_profiles.load import load_profile

PROFILE = load_profile("redpitaya-mcpha")
SECOND = 125_000_000
Row = tuple[int, bytes]


def packets_of(rows: list[Row]) -> Packets:
    data = b"".join(part for _, part in rows)
    length = np.array([len(part) for _, part in rows], np.int64)
    count = len(rows)
    return Packets(
        np.frombuffer(data, np.uint8), np.cumsum(length) - length, length, np.zeros(count, np.uint16),
        np.full(count, NO_SEQUENCE, np.uint64), np.zeros(count, np.int64),
        np.array([flag for flag, _ in rows], np.uint8), np.zeros((count, 16), np.uint8),
    )  # fmt: skip


class Path:
    """Accounts and decoder one after the other, as a derivation has them."""

    def __init__(self) -> None:
        self.accounts = Accounts.of(PROFILE.layout, "mcpha", "event")
        self.decoder = load_decoder(PROFILE.layout, PROFILE.clock)
        self.carry = self.decoder.start(imported=False)
        self.singles: list[tuple[int, int, int]] = []

    def take(self, *rows: Row) -> np.ndarray:
        packets = packets_of(list(rows))
        accounted = self.accounts.account(packets)
        index = accounted.run_packet
        runs = Packets(
            packets.data, accounted.run_offset, accounted.run_length, packets.source[index], packets.sequence[index],
            packets.arrival_ns[index], np.zeros(len(index), np.uint8), packets.header[index],
        )  # fmt: skip
        decoded = self.decoder.decode(runs, self.carry)
        columns = decoded.streams["singles"]
        self.singles += zip(*(columns[name].tolist() for name in ("time_ps", "detector", "energy_adc")), strict=True)
        assert decoded.rows("singles") == (int(decoded.ends[-1, 0]) if len(index) else 0)
        return accounted.packets.flags

    def counter(self, name: str) -> int:
        return int(self.carry.counts[0, self.decoder.counters.index(name)])

    @property
    def entry(self):
        (entry,) = self.accounts.ledger(self.carry.counts, self.decoder.counters, durable=None, kernel_drops=0).sources
        return entry


def test_each_count_becomes_a_single_with_the_time_of_its_poll() -> None:
    path = Path()
    path.take((Flag.START, poll(0, {})))
    path.take((0, poll(SECOND, {562: 2, 100: 1})), (0, poll(2 * SECOND, {562: 3, 100: 1})))

    assert path.singles == [(10**12, 0, 100), (10**12, 0, 562), (10**12, 0, 562), (2 * 10**12, 0, 562)]
    assert (path.entry.sent, path.entry.received, path.entry.recorded, path.entry.basis) == (4, 4, 4, "sequence")


def test_a_last_poll_after_the_stop_makes_the_account_complete() -> None:
    path = Path()
    path.take((Flag.START, poll(0, {})), (Flag.END, poll(SECOND, {7: 5})))

    assert (path.entry.sent, path.entry.basis, path.entry.balanced) == (5, "counter", True)
    assert path.accounts.all_ended()


def test_a_poll_that_never_came_loses_nothing() -> None:
    path = Path()
    path.take((Flag.START, poll(0, {})), (0, poll(SECOND, {7: 5})), (Flag.END, poll(9 * SECOND, {7: 5000})))

    assert len(path.singles) == path.entry.received == 5000


def test_what_was_counted_before_the_first_poll_is_not_ours() -> None:
    path = Path()
    path.take((0, poll(SECOND, {7: 5000})), (0, poll(2 * SECOND, {7: 5001})))

    assert path.singles == [(2 * 10**12, 0, 7)]


@pytest.mark.parametrize("clocks", [SECOND // 10, 3 * SECOND], ids=["timer too", "histogram alone"])
def test_a_histogram_that_somebody_else_emptied_is_counted_from_zero_and_said(clocks: int) -> None:
    path = Path()
    path.take((Flag.START, poll(0, {})), (0, poll(SECOND, {7: 5, 9: 1})), (Flag.END, poll(clocks, {7: 3})))

    assert path.entry.received == 9
    assert (path.entry.basis, path.counter(RESETS)) == ("sequence", 1)


def test_a_timer_that_began_again_alone_counts_on() -> None:
    path = Path()
    path.take((Flag.START, poll(0, {})), (0, poll(SECOND, {7: 5})), (Flag.END, poll(SECOND // 2, {7: 6})))

    assert path.entry.received == 6
    assert (path.entry.basis, path.counter(RESETS)) == ("sequence", 1)


def test_a_full_bin_is_said() -> None:
    path = Path()
    path.take((Flag.START, poll(SECOND, {7: FULL - 1})), (Flag.END, poll(2 * SECOND, {7: FULL})))

    assert (path.entry.received, path.counter(FULL_BINS), path.entry.basis) == (1, 1, "sequence")


def test_a_poll_with_more_pulses_than_the_dead_time_allows_is_not_believed_and_forgotten() -> None:
    path = Path()
    path.take((Flag.START, poll(0, {})), (0, poll(SECOND, {7: 100})))
    flags = path.take((0, poll(SECOND + 1, {7: 300_000})))
    path.take((Flag.END, poll(2 * SECOND, {7: 110})))

    assert flags.tolist() == [Flag.MALFORMED]
    assert (path.entry.received, path.accounts.foreign) == (110, 1)


@pytest.mark.parametrize("size", [0, 36, POLL_BYTES - 1])
def test_a_poll_that_was_cut_is_kept_and_counts_nothing(size: int) -> None:
    path = Path()
    path.take((Flag.START, poll(0, {})), (0, poll(SECOND, {7: 5})))
    flags = path.take((Flag.TRUNCATED, poll(2 * SECOND, {7: 9})[:size]))

    assert flags[0] & Flag.MALFORMED
    assert path.entry.received == 5


steps = st.lists(
    st.tuples(st.integers(1, SECOND), st.dictionaries(st.integers(0, 4095), st.integers(0, 50), max_size=5),
              st.booleans()),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.data())
def test_rows_are_what_the_bins_gained_however_polls_are_cut_into_rows(steps: list, data: st.DataObject) -> None:
    clocks, bins, polls, wanted = 0, {}, [poll(0, {})], []
    for passed, gained, emptied in steps:
        # A reset that left every bin as high as before could not be seen: only what shows counts as one.
        clocks, bins = (passed, {}) if emptied and clocks > passed else (clocks + passed, bins)
        bins = {number: bins.get(number, 0) + gained.get(number, 0) for number in {*bins, *gained}}
        polls.append(poll(clocks, bins))
        last = dict(wanted_bins(polls[-2])) if len(polls) > 1 else {}
        now = wanted_bins(polls[-1])
        emptied_seen = any(now.get(number, 0) < count for number, count in last.items())
        base = {} if emptied_seen else last
        wanted += [
            (clocks * 8000, 0, number) for number in sorted(now) for _ in range(now[number] - base.get(number, 0))
        ]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(polls) - 1)))) if len(polls) > 1 else []
    path, whole = Path(), Path()
    for begin, end in zip([0, *cuts], [*cuts, len(polls)], strict=True):
        path.take((0, b"".join(polls[begin:end])))
    whole.take(*[(0, part) for part in polls])

    assert path.singles == whole.singles == wanted
    assert path.entry == whole.entry
    assert path.entry.received == len(wanted)


def wanted_bins(data: bytes) -> dict[int, int]:
    counts = np.frombuffer(data[36:], "<u4")
    return {int(number): int(counts[number]) for number in np.flatnonzero(counts)}


def test_a_copy_of_the_accounts_goes_on_by_itself() -> None:
    path = Path()
    path.take((Flag.START, poll(0, {})), (0, poll(SECOND, {7: 5})))
    twin = deepcopy(path.accounts)
    path.take((0, poll(2 * SECOND, {7: 9})))

    assert (int(twin.received.sum()), int(path.accounts.received.sum())) == (5, 9)


def test_two_inputs_are_two_detectors_each_with_its_own_timer() -> None:
    settings = PROFILE.layout.mcpha
    assert settings is not None
    layout = PROFILE.layout.model_copy(update={"mcpha": settings.model_copy(update={"inputs": (1, 0)})})
    decoder = load_decoder(layout, PROFILE.clock)
    carry = decoder.start(imported=False)
    accounts = Accounts.of(layout, "mcpha", "event")
    zeros = bytes(4 * 4096)

    def both(clocks: tuple[int, int], of_0: int, of_1: int) -> bytes:
        head = struct.pack("<4QI", *clocks, 0, 0, 0)
        return head + struct.pack("<I", of_1) + zeros[4:] + struct.pack("<I", of_0) + zeros[4:]

    packets = packets_of([(Flag.START, both((0, 0), 0, 0)), (Flag.END, both((SECOND, 2 * SECOND), 3, 1))])
    accounts.account(packets)
    singles = decoder.decode(packets, carry).streams["singles"]

    assert singles["detector"].tolist() == [1, 0, 0, 0]
    assert singles["time_ps"].tolist() == [2 * 10**12, 10**12, 10**12, 10**12]
    assert int(accounts.received.sum()) == 4
