"""The hand-over between receiving and processing: bounded, and nothing in it is forgotten."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.packets import Flag, Packets
from daq.readout.buffer import PacketBuffer
from daq.storage.accounting import unnumbered


def run_of(packets: int, size: int) -> Packets:
    return unnumbered([(0, bytes(size))] * packets, source=0, arrival_ns=0)


def taken(buffer: PacketBuffer) -> list[Packets]:
    found = []
    while (packets := buffer.get(0.0)) is not None:
        found.append(packets)
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 200)), max_size=40), st.integers(100, 5000))
def test_memory_is_bounded_and_every_accepted_packet_comes_out_once(sizes: list[tuple[int, int]], limit: int) -> None:
    buffer = PacketBuffer(limit)
    accepted = [(n, size) for n, size in sizes if buffer.put_or_drop(run_of(n, size), wait_s=0.0)]
    largest = max((n * (size + 64) for n, size in sizes), default=0)

    assert buffer.held_bytes <= max(limit + limit // 2, largest)
    runs = taken(buffer)
    assert [(len(run), int(run.length.sum())) for run in runs] == [(n, n * size) for n, size in accepted]
    assert all(
        bool((run.flags & int(Flag.DROPPED)).all()) == (run.data.nbytes == 0) for run in runs if run.length.sum()
    )
    assert buffer.held_bytes == 0


def test_what_finds_no_room_keeps_its_headers_alone() -> None:
    buffer = PacketBuffer(1000)
    buffer.put_or_drop(run_of(1, 800), wait_s=0.0)

    assert buffer.put_or_drop(run_of(2, 300), wait_s=0.0)

    whole, bare = taken(buffer)
    assert whole.flags.tolist() == [0]
    assert bare.flags.tolist() == [int(Flag.DROPPED)] * 2
    assert (bare.length.tolist(), bare.data.nbytes, bare.offset.tolist()) == ([300, 300], 0, [0, 0])


def test_when_not_even_headers_have_room_the_caller_keeps_its_run() -> None:
    buffer = PacketBuffer(100)
    buffer.put_or_drop(run_of(1, 90), wait_s=0.0)

    assert not buffer.put_or_drop(run_of(2, 10), wait_s=0.01)
    buffer.get(0.0)
    assert buffer.put_or_drop(run_of(2, 10), wait_s=0.01)


def test_a_run_larger_than_the_buffer_passes_when_it_is_alone() -> None:
    buffer = PacketBuffer(100)

    assert buffer.put_if_room(run_of(1, 5000), wait_s=0.0)
    assert not buffer.put_if_room(run_of(1, 1), wait_s=0.01)
    assert len(taken(buffer)) == 1


def test_a_sender_that_can_wait_gets_room_as_soon_as_there_is_some() -> None:
    buffer = PacketBuffer(100)
    buffer.put_if_room(run_of(1, 90), wait_s=0.0)
    done: list[bool] = []
    waiting = threading.Thread(target=lambda: done.append(buffer.put_if_room(run_of(1, 90), wait_s=20.0)))
    waiting.start()

    buffer.get(0.0)
    waiting.join(20.0)

    assert done == [True]
    assert buffer.high_water_bytes == 154


def test_a_closed_buffer_is_drained_when_all_is_taken() -> None:
    buffer = PacketBuffer(1000)
    buffer.put_or_drop(run_of(1, 1), wait_s=0.0)
    buffer.close()

    assert not buffer.drained
    assert np.array_equal([len(run) for run in taken(buffer)], [1])
    assert buffer.drained
    assert buffer.get(20.0) is None
