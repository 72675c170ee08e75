"""Runs of the simulated PETsys unit over a socket, flat out: what was sent is what the tally says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from support_petsys_simulator import ALL, DATAGRAM_WORDS, Read, board_of, content_of, frames_of_loop

from daq.model import tofpet2 as t
from simulators.batch import report_errors
from simulators.faults.spec import parse_fault
from simulators.petsys.faultkinds import KINDS
from simulators.petsys.loop import Content, State
from simulators.petsys.modules import NEVER, frame_at, state_at
from simulators.petsys.stream import FRAME_NS, Pace, Stream

FRAMES = 400
CONTENT = content_of(1e6, FRAMES)


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return the front end's socket and the host's."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host,
    ):
        front.bind(("127.0.0.1", 0))
        host.bind(("127.0.0.1", 0))
        host.setblocking(False)
        report_errors(front)
        yield front, host


def send(
    wire: tuple[socket.socket, socket.socket], *faults: str, pace: Pace, content: Content = CONTENT, frames: int
) -> tuple[Stream, Read]:
    """Send so many frames with all ASICs enabled, read after each step; return the stream and what came."""
    front, host = wire
    read = Read()
    with closing(Stream(content, pace, board_of(*faults), front, 0, DATAGRAM_WORDS)) as stream:
        stream.enable(0b1111)
        while stream.number < frames:
            stream.step(int((frames - 0.5 + 1) * FRAME_NS), host.getsockname())
            while True:
                try:
                    read.take(host.recv(65536))
                except BlockingIOError:
                    break
        return stream, read


def test_frames_come_once_each_in_order_and_the_events_repeat(wire: tuple[socket.socket, socket.socket]) -> None:
    stream, read = send(wire, pace=Pace(None, None), frames=3 * FRAMES + 17)

    good = frames_of_loop(CONTENT.loop(ALL))
    assert read.ids == list(range(stream.number))
    for number, frame in enumerate(read.frames):
        np.testing.assert_array_equal(frame.events, good[number % FRAMES].events)
    described = stream.described()
    assert described["events"] == read.events
    assert described["channels"] == read.channels()
    assert described["bytes"] == read.bytes
    assert (described["first_frame"], described["last_frame"]) == (0, stream.number - 1)


def test_in_real_time_frames_leave_when_they_are_complete(wire: tuple[socket.socket, socket.socket]) -> None:
    front, host = wire
    with closing(Stream(CONTENT, Pace(2.0, None), board_of(), front, 1000, DATAGRAM_WORDS)) as stream:
        assert not stream.step(1000 + int(0.49 * FRAME_NS), host.getsockname())
        assert stream.number == 0
        stream.step(1000 + int(5.1 * FRAME_NS), host.getsockname())
        assert stream.number == 10
        assert stream.clocks(1000 + int(5.1 * FRAME_NS)) == 10444


def test_after_so_many_frames_there_are_idle_ones_only(wire: tuple[socket.socket, socket.socket]) -> None:
    stream, read = send(wire, pace=Pace(1.0, FRAMES // 2), frames=FRAMES)

    assert stream.complete
    assert sum(len(f.events) for f in read.frames[: FRAMES // 2]) == read.events == stream.tally().events > 0
    assert len(read.frames) == FRAMES


@pytest.mark.parametrize("first", [(1 << 36) - 100, 12345])
def test_the_first_id_may_be_any_and_wraps(wire: tuple[socket.socket, socket.socket], first: int) -> None:
    stream, read = send(wire, pace=Pace(None, None, first), frames=FRAMES)

    assert read.ids == [(first + k) % (1 << 36) for k in range(stream.number)]
    assert stream.described()["first_frame"] == first


def test_ids_begin_again_in_mid_run_and_events_go_on(wire: tuple[socket.socket, socket.socket]) -> None:
    at = 150
    stream, read = send(wire, f"restart:at_s={at * 5.12e-6 - 1e-9}", pace=Pace(None, None), frames=FRAMES)

    assert read.ids == [*range(at), *range(stream.number - at)]
    assert (read.events, stream.restarts) == (stream.tally().events, 1)


def test_modules_fall_silent_make_noise_and_jump_at_their_time(wire: tuple[socket.socket, socket.socket]) -> None:
    stream, read = send(
        wire,
        "silent:module=1,at_s=0.0005,for_s=0.0005", "noisy:module=2,at_s=0.001,cps=2e7", "jump:module=0,at_s=0,ticks=7",
        pace=Pace(None, None), frames=2 * FRAMES,
    )  # fmt: skip

    chips = [np.unique(f.events >> np.uint64(t.CHANNEL_SHIFT + 6)).tolist() for f in read.frames]
    silent, again = frame_at(0.0005), frame_at(0.001)
    assert not any(1 in found for found in chips[silent:again])
    assert any(1 in found for found in chips[:silent])
    assert any(1 in found for found in chips[again:])
    noise = [sum((f.events >> np.uint64(t.CHANNEL_SHIFT + 6)) == 2) for f in read.frames]
    assert sum(noise[again:]) / len(noise[again:]) > 20 * sum(noise[:again]) / again
    assert stream.described()["channels"] == read.channels()
    assert read.ids == list(range(stream.number))


def test_a_fault_that_is_added_late_begins_at_once(wire: tuple[socket.socket, socket.socket]) -> None:
    front, host = wire
    board = board_of()
    with closing(Stream(CONTENT, Pace(None, None), board, front, 0, DATAGRAM_WORDS)) as stream:
        stream.enable(0b1111)
        stream.step(0, host.getsockname())
        before, events = stream.number, stream.tally().events
        board.add(parse_fault("silent:module=0,at_s=0", KINDS))
        for module in (1, 2, 3):
            board.add(parse_fault(f"silent:module={module},at_s=0", KINDS))
        stream.changed()
        stream.step(0, host.getsockname())

        assert stream.number > before
        assert stream.tally().events == events > 0


def test_the_state_of_a_moment_says_how_long_it_lasts() -> None:
    board = board_of("silent:module=1,at_s=1,for_s=1", "jump:module=2,at_s=3,ticks=5", "jump:module=2,at_s=4,ticks=6")
    one = frame_at(1.0)

    assert state_at(0, 0b1111, NEVER, board) == (State(0b1111), one)
    assert state_at(one, 0b1111, NEVER, board) == (State(0b1101), frame_at(2.0))
    assert state_at(frame_at(3.5), 0b0111, NEVER, board) == (State(0b0111, shifts=((2, 5),)), frame_at(4.0))
    assert state_at(frame_at(9.0), 0b0111, NEVER, board) == (State(0b0111, shifts=((2, 11),)), NEVER)
    assert state_at(frame_at(1.5), 0b1111, frame_at(1.75), board)[1] == frame_at(1.75)
    assert state_at(frame_at(2.0), 0b1111, frame_at(1.75), board) == (State(0), NEVER)
