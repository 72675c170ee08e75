"""What host time decides: silence, stalls, flushes, the host's limit, and the warning of a small socket buffer."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support_readout import free_port, plan_of, pushing, received, running, until
from support_recording import MS, SINGLES, content, packet, replayed_alike, single
from support_slabs import Row, packets_from

from daq.model.order import OrderRule
from daq.model.packets import Flag, Packets
from daq.readout import presence as presence_module
from daq.readout import watch as watch_module
from daq.readout.filling import Filler
from daq.readout.plan import Receive
from daq.readout.ring import Ring
from daq.readout.sources import DatagramSource
from daq.readout.watch import Watch
from daq.wire.native import Header, NativeFlag, encode

RING = Ring(0)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return int(self.now_s * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (watch_module, presence_module):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def filler(clock: Clock) -> Filler:
    filler = Filler(RING, lambda: True, lambda: False)
    filler.last_packet_s = clock.now_s
    return filler


def watching(folder: Path, filler: Filler, clock: Clock, **changes: Any) -> Watch:
    watch = Watch(plan_of(folder, "udp://@127.0.0.1:9", **changes))
    watch.started(filler, clock.now_s)
    return watch


def hear(watch: Watch, filler: Filler, clock: Clock, *sources: int, data: bytes = b"word") -> None:
    filler.last_packet_s, filler.any_packet = clock.now_s, True
    watch.saw(heard(clock, *sources, data=data))


def heard(clock: Clock, *sources: int, data: bytes = b"word") -> Packets:
    flags = [int(Flag.MALFORMED) if source == 65_535 else 0 for source in sources]
    return packets_from(
        Row(source, 0, clock.monotonic_ns(), flag, bytes(16), data) for source, flag in zip(sources, flags, strict=True)
    )


def test_nothing_is_silent_before_the_start(tmp_path: Path) -> None:
    watch = Watch(plan_of(tmp_path, "udp://@127.0.0.1:9"))

    assert watch.silence() is None
    assert watch.figures("armed") == {"stalled": False, "silent_s": 0.0, "silent_sources": []}


def test_a_front_end_that_never_speaks_is_silent_one_that_stops_speaking_stalled(
    tmp_path: Path, clock: Clock, filler: Filler
) -> None:
    watch = watching(tmp_path, filler, clock, connect_s=4.0, stall_s=7.0)
    clock.now_s += 3.9
    waiting = watch.silence()
    clock.now_s += 0.2
    silent = watch.silence()
    hear(watch, filler, clock, 0)
    clock.now_s += 6.9
    pausing = watch.silence()
    clock.now_s += 0.2

    assert (waiting, silent, pausing, watch.silence()) == (None, "silent", None, "stalled")


def test_the_status_says_stalled_within_two_seconds_and_no_longer_when_something_comes(
    tmp_path: Path, clock: Clock, filler: Filler
) -> None:
    watch = watching(tmp_path, filler, clock)
    hear(watch, filler, clock, 0)
    clock.now_s += 1.4
    before = watch.figures("recording")
    clock.now_s += 0.5
    after = watch.figures("recording")
    hear(watch, filler, clock, 0, data=b"")
    again = watch.figures("recording")

    assert (before["stalled"], before["silent_s"]) == (False, 1.4)
    assert (after["stalled"], after["silent_s"]) == (True, 1.9)
    assert (again["stalled"], again["silent_s"]) == (False, 0.0)
    assert watch.figures("sealing") == {"stalled": False, "silent_s": 0.0, "silent_sources": []}


def test_sources_that_went_silent_are_named_while_others_speak(tmp_path: Path, clock: Clock, filler: Filler) -> None:
    watch = watching(tmp_path, filler, clock)
    hear(watch, filler, clock, 0, 7, 4095)
    clock.now_s += 1.0
    hear(watch, filler, clock, 0)
    clock.now_s += 0.6

    assert watch.figures("recording")["silent_sources"] == [7, 4095]
    assert watch.figures("recording")["stalled"] is False


def test_garbage_of_no_source_is_no_source_that_went_silent(tmp_path: Path, clock: Clock, filler: Filler) -> None:
    watch = watching(tmp_path, filler, clock)
    hear(watch, filler, clock, 65_535, 2)
    clock.now_s += 5.0

    assert watch.figures("recording")["silent_sources"] == [2]


def test_of_very_many_silent_sources_some_are_named(tmp_path: Path, clock: Clock, filler: Filler) -> None:
    watch = watching(tmp_path, filler, clock)
    hear(watch, filler, clock, *range(1000))
    clock.now_s += 5.0

    assert watch.figures("recording")["silent_sources"] == list(range(64))


def test_rows_that_wait_are_flushed_once_in_each_silence(tmp_path: Path, clock: Clock, filler: Filler) -> None:
    watch = watching(tmp_path, filler, clock)
    due = []
    for silence_s in (0.3, 0.3, 0.3, 5.0):
        clock.now_s += silence_s
        due.append(watch.flush_due(3))
    hear(watch, filler, clock, 0)
    for silence_s in (0.4, 0.2, 0.3):
        clock.now_s += silence_s
        due.append(watch.flush_due(3))
    hear(watch, filler, clock, 0)
    clock.now_s += 9.0
    due.append(watch.flush_due(3))

    assert due == [False] * 4 + [False, True, False] + [True]


def test_where_no_row_waits_nothing_is_flushed_and_one_that_waits_later_still_is(
    tmp_path: Path, clock: Clock, filler: Filler
) -> None:
    watch = watching(tmp_path, filler, clock)
    hear(watch, filler, clock, 0)
    clock.now_s += 1.0

    assert [watch.flush_due(rows) for rows in (0, 0, 1, 1)] == [False, False, True, False]


def test_heartbeats_are_no_words_and_keep_nothing_from_being_flushed(
    tmp_path: Path, clock: Clock, filler: Filler
) -> None:
    watch = watching(tmp_path, filler, clock)
    hear(watch, filler, clock, 0)
    due = []
    for _ in range(7):
        clock.now_s += 0.1
        hear(watch, filler, clock, 0, data=b"")
        due.append(watch.flush_due(1))

    assert due.count(True) == 1
    assert watch.figures("recording")["stalled"] is False


def test_health_is_looked_at_twice_a_second(tmp_path: Path, clock: Clock, filler: Filler) -> None:
    watch = watching(tmp_path, filler, clock)
    due = []
    for _ in range(100):
        due.append(watch.health_due())
        clock.now_s += 0.1

    assert 17 <= due.count(True) <= 20


def test_the_hosts_limit_is_of_the_step(tmp_path: Path, clock: Clock, filler: Filler) -> None:
    watch = watching(tmp_path, filler, clock, stop="host=3s")
    reached = []
    for passed_s, next_s in ((2.9, 0.0), (0.2, 2.0), (1.9, 0.0), (0.2, None), (1000.0, 0.0)):
        clock.now_s += passed_s
        reached.append(watch.host_limit_reached())
        if next_s != 0.0:
            watch.step(next_s)

    assert reached == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("granted", "rate", "warned"),
    [(212_992, 2e7, True), (212_992, 1e5, False), (4 << 20, 2e7, True), (64 << 20, 2e7, False), (None, 2e7, False)],
)
def test_a_socket_buffer_too_small_for_the_rate_is_a_warning_with_the_remedy(
    tmp_path: Path, granted: int | None, rate: float, warned: bool
) -> None:
    watch = Watch(plan_of(tmp_path, "udp://@127.0.0.1:9", receive=Receive(rate_words_per_s=rate)))
    health = {} if granted is None else {"socket_buffer_bytes": granted}

    watch.armed(cast("DatagramSource", SimpleNamespace(health=lambda: health)))

    assert len(watch.warnings) == warned
    assert all("sysctl -w net.core.rmem_max=" in warning for warning in watch.warnings)
    assert all(f"{granted:,} bytes" in warning for warning in watch.warnings)


def test_the_warning_is_in_the_status_as_soon_as_the_readout_is_armed(tmp_path: Path) -> None:
    receive = Receive(socket_buffer_bytes=4096, rate_words_per_s=5e7)
    plan = plan_of(tmp_path, f"udp://@127.0.0.1:{free_port()}", receive=receive, start_at_once=False)
    with running(plan) as run:
        until(lambda: run.readout.status()["state"] == "armed", "armed")
        (warning,) = run.readout.status()["warnings"]

    assert "net.core.rmem_max" in warning


@pytest.mark.slow
def test_a_recording_that_falls_silent_is_flushed_once_per_silence_and_replayed_alike(tmp_path: Path) -> None:
    with pushing(tmp_path, profile=SINGLES, order=OrderRule()) as (run, front_end):
        for n in range(2):
            front_end.send(packet(0, 2 * n, single(n * MS, 7)))
            until(lambda: run.readout.status()["rows_held"] == 1, "a row that waits")
            until(lambda: run.readout.status()["rows_held"] == 0, "a flush")
        front_end.send(encode(Header(0, NativeFlag.END, 0, 4)))
        run.finish()

    assert len(content(tmp_path / "run")["singles"]) == 2
    assert [row["value"] for row in content(tmp_path / "run")["marks"] if row["kind"] == "flush"] == [2, 3]
    replayed_alike(tmp_path / "run")


@pytest.mark.slow
def test_a_source_that_stops_speaking_is_in_the_status_until_it_speaks_again(tmp_path: Path) -> None:
    with pushing(tmp_path) as (run, front_end):
        front_end.words()
        received(run, 50)
        began = time.monotonic()
        until(lambda: run.readout.status()["stalled"], "a stall")
        after_s = time.monotonic() - began
        silent = run.readout.status()["silent_sources"]
        front_end.words()
        until(lambda: not run.readout.status()["stalled"], "no stall any more")

    assert after_s > 1.0
    assert silent == [0]


def test_threads_that_come_and_go_are_no_obstacle_to_counting_their_time() -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            passing = threading.Thread(target=time.sleep, args=(0.0005,))
            passing.start()
            sum(range(1000))

    threads = [threading.Thread(target=busy, name=f"busy {n}") for n in range(3)]
    for thread in threads:
        thread.start()
    seen, ends = [], time.monotonic() + 0.5
    try:
        while time.monotonic() < ends:
            seen.append(Watch.cpu_s())
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert all({"busy 0", "busy 1", "busy 2", "MainThread"} <= each.keys() for each in seen)
    assert seen[-1]["busy 0"] > seen[0]["busy 0"]
    assert all(spent_s >= 0.0 for each in seen for spent_s in each.values())
