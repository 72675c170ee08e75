"""Live figures from the readout's side to the parent's: over a socket, through shared memory."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daq.errors import DeadlineError, FormatError, RefusedError, UnreachableError
from daq.model.framed import Pixels
from daq.model.ledger import Ledger, SourceLedger
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.framing import FramingRule
from daq.readout.control import ControlServer
from daq.readout.descriptors import receive_snapshot
from daq.readout.live import FIGURES_PERIOD_NS, LEDGER_PERIOD_NS, Live
from daq.readout.liveview import LiveView
from daq.readout.lookdeclaration import Axis, Declaration, EnergyLook
from daq.readout.snapshotreader import SnapshotReader

DECLARATION = Declaration(("single", "unknown"), EnergyLook("energy_adc", Axis(0.0, 16.0, 16)), None, None)
ROWS: Any = {"singles": {"time_ps": np.zeros(3, np.int64), "energy_adc": np.uint16([1, 1, 40])}}
LEDGER = Ledger(unit="word", sources=(SourceLedger(source=0, basis="stream", sent=3, received=3, recorded=3),))
S = 1_000_000_000


@pytest.fixture
def live() -> Iterator[Live]:
    with Live(DECLARATION, about={"acquisition": "run"}) as live:
        yield live


def view_of(live: Live) -> LiveView:
    return LiveView(SnapshotReader(live.snapshot.duplicate()))


def tick(live: Live, now_ns: int, state: str = "recording") -> None:
    live.tick(now_ns, lambda: {"state": state}, LEDGER.model_dump_json)


def test_a_view_shows_figures_status_and_ledger(live: Live) -> None:
    live.see(ROWS, np.array([[3, 0]]), 55)
    live.skip(ROWS, np.array([[6, 0]]), 66)
    with view_of(live) as view:
        tick(live, time.monotonic_ns())
        figures, status, ledger = view.figures(), view.status(), view.ledger()
        about = view.about

    assert (figures["sequence"], figures["state"], figures["latest_ps"]) == (1, "live", 66)
    assert 0 <= figures["age_s"] < 2
    assert figures["counts"][0].tolist() == [6, 0]
    assert figures["energy"].tolist() == [0, 2] + [0] * 14
    assert (figures["looked"]["singles_skipped"], figures["looked"]["energy_above"]) == (3, 1)
    assert figures["fraction"] == {"singles": 0.5, "coincidences": None}
    assert (status["status"], status["sequence"]) == ({"state": "recording"}, 1)
    assert ledger["ledger"]["sources"][0]["sent"] == 3
    assert about["acquisition"] == "run"
    assert about["looks"]["counters"] == ["single", "unknown"]


def test_before_the_first_tick_there_is_nothing_and_it_looks_stale(live: Live) -> None:
    with view_of(live) as view:
        assert view.status() == {"status": None, "sequence": 0, "state": "stale", "age_s": None}
        assert (view.figures()["state"], view.figures()["fraction"]["singles"]) == ("stale", None)


def test_figures_are_published_ten_times_a_second_and_the_ledger_once(live: Live) -> None:
    begin = time.monotonic_ns()
    with view_of(live) as view:
        for millisecond in range(2000):
            tick(live, begin + millisecond * 1_000_000)
        sequences = [view.figures()["sequence"], view.status()["sequence"], view.ledger()["sequence"]]

    assert sequences == [2 * S // FIGURES_PERIOD_NS, 2 * S // FIGURES_PERIOD_NS, 2 * S // LEDGER_PERIOD_NS]


@pytest.mark.parametrize(("side", "times"), [(256, 20), (512, 10)])
def test_pictures_of_heads_are_published_twenty_times_a_second_while_they_are_small(side: int, times: int) -> None:
    frame = Pixels(-side / 2, -side / 2, 1.0, side, side)
    camera = FramingRule(frame, (0, 1), (), EnergyAxis(0.0, 1.0, 16))
    begin = time.monotonic_ns()
    with Live(replace(DECLARATION, camera=camera)) as live, view_of(live) as view:
        for millisecond in range(0, 1000, 10):
            tick(live, begin + millisecond * 1_000_000)

        assert (view.figures()["sequence"], view.status()["sequence"]) == (times, 10)


def test_figures_keep_their_rate_where_slices_do_not_come_when_they_are_due(live: Live) -> None:
    begin = time.monotonic_ns()
    with view_of(live) as view:
        for millisecond in range(0, 2000, 40):
            tick(live, begin + millisecond * 1_000_000)

        assert live.due_s(begin + 1_960_000_000) == pytest.approx(0.04)
        assert view.figures()["sequence"] == 2 * S // FIGURES_PERIOD_NS


def test_figures_of_a_readout_that_hangs_look_stale(live: Live) -> None:
    with view_of(live) as view:
        tick(live, time.monotonic_ns() - 3 * S)

        assert view.figures()["state"] == "stale"
        assert view.figures()["age_s"] >= 3


def test_after_the_end_the_last_figures_stay(live: Live) -> None:
    live.see(ROWS, np.array([[3, 0]]), 55)
    with view_of(live) as view:
        tick(live, time.monotonic_ns())
        live.skip(ROWS, np.array([[6, 0]]), 66)
        live.finish({"state": "sealed"}, LEDGER.model_dump_json())
        figures, status = view.figures(), view.status()

    assert (figures["state"], figures["sequence"], int(figures["counts"][0, 0])) == ("closed", 2, 6)
    assert (status["state"], status["status"]) == ("closed", {"state": "sealed"})


def test_a_status_that_does_not_fit_is_replaced_by_a_sentence(live: Live) -> None:
    with view_of(live) as view:
        tick(live, time.monotonic_ns(), state="x" * (300 << 10))

        assert view.status()["status"] == {"omitted": "text 'status': 307213 bytes; 262144 fit"}


# Over the control socket


@contextmanager
def serving(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[Path]:
    """Answer one client after the other in a thread."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            while True:
                client, _ = server.accept()
                with client:
                    line = client.makefile("rb").readline()
                    if not line:
                        return
                    assert json.loads(line) == {"do": "snapshot"}
                    answer(client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(str(path))
        thread.join(10)
        assert not thread.is_alive()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_snapshot_comes_over_the_socket_to_several_readers(live: Live, tmp_path: Path) -> None:
    def handle(_: dict[str, Any]) -> dict[str, Any]:
        return {"state": "recording", "error": None, "long": "x" * 300_000, "fd": live.snapshot.duplicate()}

    before, memories = open_descriptors(), len(_memories())  # ours and its mapping, and those of other tests
    path = tmp_path / "control"
    with closing(ControlServer(path, handle)):
        tick(live, time.monotonic_ns())
        with LiveView.attach(path) as first, LiveView.attach(path) as second:
            assert first.figures()["sequence"] == second.figures()["sequence"] == 1
            assert [os.get_inheritable(fd) for fd in _memories()] == [False] * (memories + 2)  # of each reader one more
    assert open_descriptors() == before


def _memories() -> list[int]:
    return [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if _is_memory(fd)]


def _is_memory(fd: Path) -> bool:
    try:
        return "memfd:scandaq" in str(fd.readlink())
    except OSError:
        return False


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (lambda c: c.sendall(b'{"error": "it is arming", "exit_code": 3}\n'), RefusedError, "it is arming"),
        (lambda c: c.sendall(b'{"state": "recording"}\n'), RefusedError, "carries no descriptor"),
        (lambda c: c.sendall(b"[1]\n"), RefusedError, "carries no descriptor"),
        (lambda c: c.sendall(b"what?\n"), UnreachableError, "no readout answers"),
        (lambda _: None, UnreachableError, "no readout answers"),
        (lambda c: socket.send_fds(c, [b"{}\n"], [c.fileno()]), FormatError, "no snapshot"),
    ],
)
def test_other_answers_are_errors_in_words(
    tmp_path: Path, answer: Callable[[socket.socket], None], error: type[Exception], words: str
) -> None:
    before = open_descriptors()
    with serving(tmp_path / "control", answer) as path, pytest.raises(error, match=words):
        receive_snapshot(path)
    assert open_descriptors() == before


def test_more_descriptors_than_wanted_are_closed(live: Live, tmp_path: Path) -> None:
    def answer(client: socket.socket) -> None:
        fd = live.snapshot.duplicate()
        socket.send_fds(client, [b"{}\n"], [fd, fd, fd])
        os.close(fd)

    before = open_descriptors()
    with serving(tmp_path / "control", answer) as path:
        receive_snapshot(path).close()
    assert open_descriptors() == before


def test_nobody_there_and_nobody_answering_are_told_apart_for_snapshots(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no readout answers"):
        receive_snapshot(tmp_path / "nobody")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        with pytest.raises(DeadlineError, match=r"within 0\.1 s"):
            receive_snapshot(tmp_path / "silent", deadline_s=0.1)


def test_a_readout_that_is_over_refuses_in_its_own_words(live: Live, tmp_path: Path) -> None:
    live.close()
    path = tmp_path / "control"
    with (
        closing(ControlServer(path, lambda _: {"fd": live.snapshot.duplicate()})),
        pytest.raises(RefusedError, match="the snapshot is closed"),
    ):
        receive_snapshot(path)
