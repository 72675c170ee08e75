"""`python -m simulators caen-fers` as a process: a host that speaks the protocol, the truth, bad days."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_fers_simulator import (
    ACQ_CTRL,
    BOTH,
    COUNTING,
    HIGH,
    HV_ADDRESS,
    HV_DATA,
    LOW,
    PERIODIC,
    PID,
    Q_OR,
    RESET,
    RUN_MASK,
    SERVICE,
    SOFTWARE,
    SPECTROSCOPY,
    START,
    STATUS,
    STOP,
    T0_OUT,
    TRG_MASK,
    TRIGGER,
    Host,
    host_of,
    place_of,
    read_events,
    read_old_events,
)
from support_simulators import WAIT_S, Simulator, refused, simulator

DWELL_TIME = 0x01000050
EVENT_WORDS = 6 + 2 + 64 + 1


@dataclass
class Lab:
    """A simulator, where its truth is, and the truth about the run that was last."""

    server: Simulator
    path: Path
    truth: dict[str, Any] = field(default_factory=dict)

    def fault(self, *texts: str) -> None:
        """Take all faults away and put these to work."""
        asked: list[dict[str, Any]] = [{"clear": True}, *({"add": text} for text in texts)]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(WAIT_S)
            control.connect(self.server.ready["faults"])
            with control.makefile("rw") as lines:
                for line in asked:
                    lines.write(json.dumps(line) + "\n")
                    lines.flush()
                    assert "error" not in json.loads(lines.readline())

    def told(self, board: int = 0) -> dict[str, Any]:
        """Return what the truth says now; nothing yet is run 0."""
        if not self.path.exists():
            return {"run": 0, "sent_bytes": 0}
        found: dict[str, Any] = json.loads(self.path.read_text())["boards"][board]
        return found

    def wait(self, good: Callable[[dict[str, Any]], bool], board: int = 0, host: Host | None = None) -> dict[str, Any]:
        """Return the truth as soon as it is what is waited for; `host` goes on taking the stream meanwhile.

        A run ends when all of it is out, and flat out megabytes wait for the host.
        """
        until = time.monotonic() + WAIT_S
        while not good(truth := self.told(board)):
            assert time.monotonic() < until, truth
            host.listen(0.01) if host else time.sleep(0.01)
        return truth

    @contextmanager
    def run(self, host: Host, mode: int, triggers: int = Q_OR) -> Iterator[None]:
        """Start board 0, stop it in the end, take what is on its way."""
        before = self.told()
        host.start(mode, triggers)
        yield
        host.command(STOP)
        self.truth = self.wait(lambda truth: truth["run"] > before["run"] and not truth["running"], host=host)
        host.collect(self.truth["sent_bytes"] - before["sent_bytes"])


@contextmanager
def lab_of(folder: Path, *options: object) -> Iterator[Lab]:
    with simulator("caen-fers", *options, "--truth", folder / "truth.json") as server:
        yield Lab(server, folder / "truth.json")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_of(tmp_path_factory.mktemp("fers"), "--boards", 2) as lab:
        yield lab


@pytest.fixture
def lab(process: Lab) -> Iterator[Lab]:
    """Lend the simulator of two boards that all tests share: as after power-on, without faults."""
    process.fault()
    yield process
    process.fault()
    with host_of(process.server) as host:
        host.command(RESET)


def patiently(good: Callable[[], bool]) -> bool:
    """Tell whether something becomes true within a deadline."""
    until = time.monotonic() + WAIT_S
    while not (found := good()) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def answers(lab: Lab) -> bool:
    """Tell whether somebody listens where the board has its control connection."""
    try:
        socket.create_connection(place_of(lab.server, "control"), WAIT_S).close()
    except ConnectionRefusedError:
        return False
    return True


def switch_on(host: Host, volts: float) -> None:
    for item, value in ((3, 1_000_000), (2, round(volts * 10_000)), (0, 1)):
        host.put(HV_ADDRESS, 1 << 8 | item)
        host.put(HV_DATA, value)


def test_what_comes_is_what_the_truth_says(lab: Lab) -> None:
    with host_of(lab.server) as host, lab.run(host, SPECTROSCOPY | BOTH):
        host.listen(0.2)

    events = read_events(bytes(host.data))
    high = np.array([[pair[0] for pair in event.amplitudes.values()] for event in events])
    lost = lab.truth["lost_dead_time"] + lab.truth["lost_buffer_full"]
    assert len(events) == lab.truth["events"]["0x11"] > 1000
    assert high.sum(axis=0).tolist() == lab.truth["sum_high"]
    assert host.digest() == lab.truth["sha256"]
    assert lab.truth["photons"] == lab.truth["triggers"] == len(events) + lost
    assert events[-1].number + 1 - len(events) <= lost


@pytest.mark.parametrize("mode", [SPECTROSCOPY | LOW, COUNTING])
def test_the_older_framing_has_the_same_events(mode: int, old: Lab) -> None:
    with host_of(old.server) as host:
        host.put(DWELL_TIME, 1_250_000)
        with old.run(host, mode):
            host.listen(0.1)

    events = read_old_events(bytes(host.data))
    assert {f"{mode & 0xF:#04x}": len(events)} == old.truth["events"]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_of(tmp_path_factory.mktemp("old"), "--protocol", "old") as lab:
        yield lab


def test_counts_by_period_add_up_to_the_hits(lab: Lab) -> None:
    with host_of(lab.server) as host:
        host.put(DWELL_TIME, 1_250_000)
        with lab.run(host, COUNTING):
            host.listen(0.15)

    events = read_events(bytes(host.data))
    seen = np.sum([[event.counts[channel] for channel in range(66)] for event in events], axis=0)
    assert np.diff([event.ticks for event in events]).tolist() == [1_250_000] * (len(events) - 1)
    assert 0 < seen[64] <= lab.truth["counts"][64] <= seen[64] + 500


def test_a_clock_and_a_command_trigger_pedestals(lab: Lab) -> None:
    with host_of(lab.server) as host, lab.run(host, SPECTROSCOPY | HIGH, PERIODIC | SOFTWARE):
        host.command(TRIGGER)
        host.listen(0.2)

    events = read_events(bytes(host.data))
    ticks = [event.ticks for event in events]
    means = np.array([[pair[0] for pair in event.amplitudes.values()] for event in events], float).mean(axis=0)
    lost = lab.truth["lost_dead_time"]
    assert len(events) + lost == lab.truth["triggers"] > 100
    assert np.abs(means - lab.truth["pedestal_high"]).max() < 1.0
    by_command = sum((tick - ticks[-1]) % 125_000 > 0 for tick in ticks)
    assert (by_command, lost) in ((1, 0), (0, 1), (1, 1))


def test_two_boards_that_start_over_t0_have_one_clock(lab: Lab) -> None:
    before = [lab.told(board)["sent_bytes"] for board in (0, 1)] if lab.path.exists() else [0, 0]
    with host_of(lab.server) as first, host_of(lab.server, 1) as second:
        pids = [host.get(PID) for host in (first, second)]
        first.put(T0_OUT, 1 << 10)
        second.put(RUN_MASK, 0x82)
        second.put(TRG_MASK, PERIODIC)
        second.put(ACQ_CTRL, SPECTROSCOPY | HIGH)
        alone = second.command(START), second.get(STATUS) & 4
        with lab.run(first, SPECTROSCOPY | HIGH, PERIODIC):
            first.listen(0.1)
        sent = lab.wait(lambda truth: not truth["running"], board=1)["sent_bytes"]
        second.collect(sent - before[1])
        second.command(RESET)

    ticks = [[event.ticks for event in read_events(bytes(host.data))] for host in (first, second)]
    assert (pids, alone) == ([21001, 21002], (0, 0))
    assert ticks[0] == ticks[1]
    assert ticks[0][:2] == [125_000, 250_000]


def test_the_bias_is_switched_on_over_the_control_connection_told_by_events_and_trips(lab: Lab) -> None:
    lab.fault("trip:at_s=1.2,source=0")
    with host_of(lab.server) as host:
        switch_on(host, 54.0)
        with lab.run(host, SPECTROSCOPY | BOTH | SERVICE):
            host.listen(1.1)
            host.put(HV_ADDRESS, 1 << 16 | 1 << 8 | 231)
            monitor = host.get(HV_DATA)
            host.listen(1.0)

    first, second = (event.payload for event in read_events(bytes(host.data)) if event.qualifier == 0x2F)
    assert monitor == first[1] == 540_000
    assert [payload[3] >> 26 & 0b101 for payload in (first, second)] == [0b001, 0b100]


def test_the_old_way_of_registers_answers_the_other_way_round(lab: Lab) -> None:
    lab.fault("refuse:share=1")
    with host_of(lab.server) as host:
        answers = host.put(TRG_MASK, 5), host.old_put(TRG_MASK, 5), host.old_get(TRG_MASK)
        lab.fault()
        good = host.old_put(TRG_MASK, 5), host.old_get(TRG_MASK)

    assert answers == (1, 0, 1)
    assert good == (1, 5)


def test_bytes_that_are_no_request_end_the_connection(lab: Lab) -> None:
    with host_of(lab.server) as host:
        host.control.sendall(b"GET / HTTP/1.1\r\n")
        host.control.settimeout(WAIT_S)

        assert host.control.recv(100) == b""


def test_without_room_in_the_buffer_triggers_are_lost_and_events_stay_whole(tmp_path: Path) -> None:
    options = ("--rate", 2e5, "--buffer", 8192, "--link", 10)
    with lab_of(tmp_path, *options) as lab, host_of(lab.server) as host, lab.run(host, SPECTROSCOPY | BOTH):
        host.listen(0.3)

    events = read_events(bytes(host.data))
    assert len(events) == lab.truth["events"]["0x11"]
    assert lab.truth["lost_buffer_full"] > len(events)
    assert len(host.data) <= 10e6 / 8 * lab.truth["seconds"] + 8192


def test_flat_out_no_event_is_lost_for_want_of_time(tmp_path: Path) -> None:
    options = ("--rate", 3e4, "--speed", "max", "--link", "max")
    with lab_of(tmp_path, *options) as lab, host_of(lab.server) as host, lab.run(host, SPECTROSCOPY | HIGH):
        host.listen(0.3)

    assert host.digest() == lab.truth["sha256"]
    assert lab.truth["lost_buffer_full"] == 0
    assert lab.truth["triggers"] == lab.truth["lost_dead_time"] + lab.truth["events"]["0x01"]


def test_channels_that_are_dead_noisy_or_saturated_look_like_it(lab: Lab) -> None:
    lab.fault("dead-channel:channel=3,at_s=0", "saturated:channel=4,at_s=0", "noisy-channel:channel=5,at_s=0,cps=20000")
    with host_of(lab.server) as host, lab.run(host, SPECTROSCOPY | HIGH):
        host.listen(0.3)

    high = np.array([[pair[0] for pair in event.amplitudes.values()] for event in read_events(bytes(host.data))])
    signal = high - lab.truth["pedestal_high"]
    assert (np.abs(signal[:, 3]) < 15).all()
    assert (high[:, 4] == 8191).all()
    assert 0.3 < (signal[:, 5] > 600).mean() < 0.7
    assert lab.truth["injected"]["noisy-channel"] > 4000


def test_a_header_that_lies_leaves_the_events_around_it_as_they_are(lab: Lab) -> None:
    lab.fault("lie:share=0.01")
    with host_of(lab.server) as host, lab.run(host, SPECTROSCOPY | BOTH):
        host.listen(0.3)

    words = np.frombuffer(bytes(host.data), "<u4").reshape(-1, EVENT_WORDS)
    assert (words[:, 0] == 0x82000000).all()
    assert ((words[:, 1] & 0xFFFFFF) != 66).sum() == lab.truth["injected"]["lie"] > 0


def test_service_events_can_be_missing(tmp_path: Path) -> None:
    options = ("--rate", 1000, "--speed", 10, "--fault", "no-service:at_s=1.5,for_s=3")
    mode = SPECTROSCOPY | BOTH | SERVICE
    with lab_of(tmp_path, *options) as lab, host_of(lab.server) as host, lab.run(host, mode):
        host.listen(0.7)

    at_s = [round(event.ticks * 8e-9) for event in read_events(bytes(host.data)) if event.qualifier == 0x2F]
    assert at_s[:3] == [1, 5, 6]
    assert lab.truth["injected"]["no-service"] == 3


def test_a_stream_that_was_cut_is_taken_up_again_at_a_whole_event(lab: Lab) -> None:
    lab.fault("cut:at_s=0.1,source=0")
    with host_of(lab.server) as host:
        host.start(SPECTROSCOPY | BOTH)
        lasted = host.listen(WAIT_S)
        with socket.create_connection(place_of(lab.server, "stream"), WAIT_S) as again:
            host.stream, host.data = again, bytearray()
            host.listen(0.2)
            host.command(STOP)
            host.listen(0.3)

    events = read_events(bytes(host.data))
    assert not lasted
    assert len(events) > 100
    assert events[0].number > 500


def test_a_board_without_its_cable_is_silent_and_goes_on(lab: Lab) -> None:
    lab.fault("unplug:at_s=0.1,for_s=0.3,source=0")
    with host_of(lab.server) as host, lab.run(host, SPECTROSCOPY | BOTH):
        host.listen(0.6)

    words = np.frombuffer(bytes(host.data)[: len(host.data) // 4 * 4], "<u4")
    starts = np.flatnonzero(words == 0x82000000)
    ticks = words[starts[starts + 4 < len(words)] + 4].astype(np.int64)
    assert np.diff(ticks).max() * 8e-9 == pytest.approx(0.3, abs=0.1)
    assert lab.truth["dropped_bytes"] > 100_000


def test_a_board_that_reboots_is_gone_for_a_while_and_has_forgotten_its_settings(lab: Lab) -> None:
    lab.fault("reboot:at_s=0.1,for_s=0.7,source=0")
    with host_of(lab.server) as host:
        host.start(SPECTROSCOPY | BOTH)
        lasted = host.listen(WAIT_S)
    gone = patiently(lambda: not answers(lab))
    back = patiently(lambda: answers(lab))
    with host_of(lab.server) as host:
        settings = host.get(ACQ_CTRL), host.get(STATUS) & 4

    assert (lasted, gone, back) == (False, True, True)
    assert settings == (0, 0)


def test_photons_of_a_camera_are_seen_by_the_sensors_in_front_of_them(tmp_path: Path) -> None:
    """63.5 mm to the left of a patient is at x = 63.5 mm for a head in front: columns 6 of rows 3 and 4."""
    source = ("--collimator", "LEHR", "--activity", "point:Tc-99m,mbq=100,x=63.5", "--radius", 50)
    options = ("--loop", 0.2, "--photons", tmp_path / "photons")
    with lab_of(tmp_path, *source, *options) as lab, host_of(lab.server) as host, lab.run(host, SPECTROSCOPY | HIGH):
        host.listen(0.3)

    events = len(read_events(bytes(host.data)))
    signal = np.array(lab.truth["sum_high"]) - events * np.array(lab.truth["pedestal_high"])
    assert events > 300
    assert set(np.argsort(signal)[-2:].tolist()) == {3 * 8 + 6, 4 * 8 + 6}
    assert json.loads(lab.path.read_text())["scene"]["sources"][0]["nuclide"] == "Tc-99m"
    assert (tmp_path / "photons").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--boards", 3, "--field", "Tc-99m,mbq=1"), "the scene has 1 heads"),
        (("--field", "Tc-99m,mbq=1", "--electronics", "dead_time_ps=1"), "the board has its own"),
        (("--light", "excess=2"), "go with --activity or --field"),
        (("--fault", "dead-channel:channel=64,at_s=0"), "0 to 63"),
        (("--fault", "cut:at_s=0,source=1"), "boards 0 to 0"),
        (("--port", "udp=1"), "control and stream"),
        (("--rate", 1e6, "--loop", 10), "at most"),
        (("--scanner", "dual-head", "--field", "Tc-99m,mbq=1"), "no sensors"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(options: tuple[object, ...], why: str) -> None:
    code, errors = refused("caen-fers", *options)

    assert code in (2, 3)
    assert why in errors
