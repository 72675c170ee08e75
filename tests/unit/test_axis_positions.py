"""Where axes were: told at any time, written as marks with the detector time of the moment, replayed alike."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from support_recording import MS, Feeder, Script, content, packet, record, recorder, replayed_alike, single

from daq.errors import RefusedError
from daq.model.axissample import AxisSample
from daq.readout.hosttime import HostTime
from daq.readout.positions import MOST_WAITING, Positions
from daq.storage.hostmarks import AxisPlace


def script(**changes: object) -> Script:
    return Script([packet(0, 2 * n, single(n * MS, n + 1)) for n in range(10)], list(range(10)), **changes)  # type: ignore[arg-type]


def marks(folder: Path) -> list[tuple[str, float, int, float | None, str]]:
    found = content(folder)["marks"]
    return [
        (row["kind"], row["time_ps"] / MS, row["value"], row["value2"], row["text"])
        for row in found if row["kind"] in ("axes", "position")
    ]  # fmt: skip


def test_positions_stand_behind_a_mark_that_tells_after_how_many_packets_and_a_replay_gives_them_again(
    tmp_path: Path,
) -> None:
    told = [AxisPlace("bed", 2 * MS, 400.5, True), AxisPlace("gantry", 3 * MS, 90.0, False)]
    later = [AxisPlace("bed", 7 * MS, 402.5, False)]

    record(tmp_path / "run", script(actions={4: [("positions", told)], 8: [("flush", None), ("positions", later)]}))

    assert marks(tmp_path / "run") == [
        ("axes", 3, 4, None, ""), ("position", 2, 1, 400.5, "bed"), ("position", 3, 0, 90.0, "gantry"),
        ("axes", 7, 8, None, ""), ("position", 7, 0, 402.5, "bed"),
    ]  # fmt: skip
    replayed_alike(tmp_path / "run")


def test_axes_do_not_run_ahead_of_the_detector_where_packets_wait_to_be_processed(tmp_path: Path) -> None:
    positions, host_time, now_ns, waits_ms = Positions(), HostTime(), time.monotonic_ns(), 5
    positions.open()
    with recorder(tmp_path / "run", script()) as recording:
        feeder = Feeder(recording)
        for n in range(10):  # packet n comes at n ms, and is processed when axes are where they are 5 ms later
            feeder.feed(script().packets(), n, n + 1)
            host_time.saw(now_ns + n * 1_000_000, recording.derivation.heard_ps)
            positions.add([AxisSample("bed", now_ns + (n + waits_ms) * 1_000_000, float(n), True)])
            positions.note(recording, host_time)
        positions.close(recording, host_time)
        feeder.close()
        recording.seal("operator")

    told = [row for row in marks(tmp_path / "run") if row[0] == "position"]
    assert [row[1] for row in told] == [n + waits_ms for n in range(10)]


def test_the_status_says_how_far_axes_are_ahead_of_the_source_that_is_furthest_behind(tmp_path: Path) -> None:
    positions, host_time, now_ns = Positions(), HostTime(), time.monotonic_ns()
    positions.open()
    two = Script(
        [packet(source, 2 * n, single(n * MS, n + 1)) for n in range(10) for source in (0, 1)], list(range(20))
    )
    with recorder(tmp_path / "run", two) as recording:
        feeder, ahead = Feeder(recording), []

        def come(begin: int, end: int) -> None:
            feeder.feed(two.packets(), begin, end)
            host_time.saw(now_ns + (end - 1) // 2 * 1_000_000, recording.derivation.heard_ps)
            ahead.append(positions.figures(recording, host_time)["axes_ahead_s"])

        come(0, 2)
        positions.add([AxisSample("bed", now_ns + 8_000_000, 1.0)])
        come(2, 4)
        come(4, 17)
        assert positions.figures(recording, host_time, without=[1])["axes_ahead_s"] == 0.0
        come(17, 18)
        positions.close(recording, host_time)
        feeder.close()
        recording.seal("operator")

    assert ahead == [None, 0.007, 0.001, 0.0]


def test_packets_before_the_first_word_do_not_tell_the_clocks_apart(tmp_path: Path) -> None:
    host_time = HostTime()
    late = Script([packet(0, 0, []), packet(0, 0, single(MS, 1))], [0, 1])
    with recorder(tmp_path / "run", late) as recording:
        feeder = Feeder(recording)
        for n in range(2):
            feeder.feed(late.packets(), n, n + 1)
            host_time.saw(n * 10**9, recording.derivation.heard_ps)
        latest_ps = recording.derivation.latest_ps
        feeder.close()
        recording.seal("operator")

    assert host_time.time_ps(10**9) == latest_ps


def test_where_axes_are_before_the_first_word_waits_for_the_time_that_it_tells(tmp_path: Path) -> None:
    positions, host_time, now_ns = Positions(), HostTime(), time.monotonic_ns()
    positions.open()
    with recorder(tmp_path / "run", script()) as recording:
        feeder = Feeder(recording)
        positions.add([AxisSample("bed", now_ns - (8 - n) * 1_000_000, float(n), True) for n in range(3)])
        positions.note(recording, host_time)
        feeder.feed(script().packets(), 0, 5)
        host_time.saw(now_ns, recording.derivation.heard_ps)
        positions.note(recording, host_time)
        positions.close(recording, host_time)
        feeder.close()
        recording.seal("operator")

    assert [row[1] for row in marks(tmp_path / "run") if row[0] == "position"] == [-4, -3, -2]


def test_a_sample_is_written_at_the_detector_time_of_its_moment(tmp_path: Path) -> None:
    positions, host_time, now_ns = Positions(), HostTime(), time.monotonic_ns()
    positions.open()
    positions.add([AxisSample("bed", now_ns + 50_000_000, 1.0, True)])
    positions.add([AxisSample("bed", now_ns + 150_000_000, 2.0)])
    with recorder(tmp_path / "run", script()) as recording:
        feeder = Feeder(recording)
        for start, stop in pairwise((0, 5, 10)):
            feeder.feed(script().packets(), start, stop)
            host_time.saw(now_ns + (stop - 5) * 20_000_000, recording.derivation.latest_ps)
        positions.note(recording, host_time)
        positions.close(recording, host_time)
        feeder.close()
        recording.seal("operator")

    assert marks(tmp_path / "run")[1:] == [("position", 54, 1, 1.0, "bed"), ("position", 154, 0, 2.0, "bed")]
    with pytest.raises(RefusedError, match="nothing is being recorded"):
        positions.add([AxisSample("bed", now_ns, 1.0)])


def test_what_nobody_writes_is_bounded_and_what_was_not_taken_is_counted() -> None:
    positions, now_ns = Positions(), time.monotonic_ns()
    positions.open()
    for _ in range(MOST_WAITING // 256):
        positions.add([AxisSample("bed", now_ns, 1.0)] * 256)

    with pytest.raises(RefusedError, match="4096 positions wait already"):
        positions.add([AxisSample("bed", now_ns, 1.0)] * 3)

    assert positions.refused == 3


def test_a_moment_of_another_clock_is_refused() -> None:
    positions = Positions()
    positions.open()

    with pytest.raises(RefusedError, match="bed at 1 ns: this host's monotonic clock is at"):
        positions.add([AxisSample("bed", 1, 1.0)])
