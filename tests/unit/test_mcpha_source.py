"""The readout's side of the board: what it checks, what it makes of broken connections, how it stops."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from support_probe import POLL_BYTES
from support_readout import plan_of

from daq.errors import RefusedError, UnreachableError
from daq.model.packets import Flag, Packets
from daq.readout import mcpha as source_module
from daq.readout.mcpha import McphaSource
from daq.readout.opening import open_source
from device_profiles.load import load_profile
from simulators.redpitaya.board import Board
from simulators.redpitaya.scene import Component

PROBE = load_profile("redpitaya-mcpha")
POOL = np.full(100, 562, np.int32)


class Stubborn(np.ndarray):
    """Counts that nobody can empty."""

    def __setitem__(self, place: object, value: object) -> None:
        """Do nothing."""


class Serving:
    """Serves a board to one client after the other, in a thread, until it is told not to."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.mute = False
        self._client: socket.socket | None = None
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.02)
        self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, name="board")
        self._thread.start()

    def cut(self) -> None:
        assert self._client is not None
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                self._client, _ = self._listener.accept()
                with self._client:
                    self._talk(self._client)

    def _talk(self, client: socket.socket) -> None:
        client.settimeout(0.02)
        kept = b""
        while not self._stop.is_set():
            try:
                chunk = client.recv(4096)
            except TimeoutError:
                continue
            if not chunk:
                return
            kept += chunk
            while len(kept) >= 8 and not self.mute:
                answer, kept = self.board.command(kept[:8]), kept[8:]
                client.sendall(answer)


@pytest.fixture
def board() -> Iterator[Serving]:
    with closing(Serving(Board([[Component(POOL, 2000.0)], []], seed=1, speed=1.0))) as serving:
        yield serving


@contextmanager
def opened(folder: Path, serving: Serving) -> Iterator[McphaSource]:
    source = open_source(plan_of(folder, serving.url, profile=PROBE))
    assert isinstance(source, McphaSource)
    with closing(source):
        yield source


def read_until(source: McphaSource, good: Callable[[Packets], bool], seconds: float = 10.0) -> list[Packets]:
    """Return what was read up to the packets that are waited for."""
    give_up_s = time.monotonic() + seconds
    found: list[Packets] = []
    while True:
        packets = source.read()
        assert packets is not None
        found += [packets] if len(packets) else []
        if len(packets) and good(packets):
            return found
        assert time.monotonic() < give_up_s, source.health()


def counts_in(packets: Packets) -> int:
    """Return the counts in the last row."""
    row = packets.data[int(packets.offset[-1]) : int(packets.offset[-1] + packets.length[-1])]
    return int(row[36:].view("<u4").sum()) if len(row) == POLL_BYTES else -1


def test_it_begins_with_an_empty_poll_and_ends_with_all_that_was_counted(tmp_path: Path, board: Serving) -> None:
    with opened(tmp_path, board) as source:
        first = source.read()
        read_until(source, lambda packets: counts_in(packets) > 100)
        last = source.finish()

    assert first is not None
    assert (first.flags.tolist(), counts_in(first)) == ([Flag.START], 0)
    assert last.flags[-1] == Flag.END
    assert counts_in(last) == board.board.histograms[0].tally["counted"] > 100
    assert not board.board.histograms[0].settings.running


def test_a_board_that_does_not_empty_its_histogram_is_refused(tmp_path: Path, board: Serving) -> None:
    board.board.histograms[0].counts = np.arange(4096).view(Stubborn)

    with pytest.raises(RefusedError, match="counts that are not zero"), opened(tmp_path, board):
        pass


def test_a_board_whose_timer_does_not_run_is_refused(tmp_path: Path, board: Serving) -> None:
    with opened(tmp_path, board) as source:
        source.read()
        board.board.histograms[0].settings.timer = 0
        board.board.histograms[0].clocks = 0
        with pytest.raises(RefusedError, match="its timer stands at zero"):
            read_until(source, lambda _: False)


def test_nobody_there_is_said(tmp_path: Path, board: Serving) -> None:
    board.close()

    with pytest.raises(UnreachableError, match=r"tcp://127\.0\.0\.1:"), opened(tmp_path, board):
        pass


def test_two_boards_at_once_are_refused(tmp_path: Path, board: Serving) -> None:
    with pytest.raises(RefusedError, match="one can be recorded at a time"):
        McphaSource(plan_of(tmp_path, board.url, board.url, profile=PROBE))


def test_a_connection_that_breaks_is_made_again_and_counting_went_on(tmp_path: Path, board: Serving) -> None:
    with opened(tmp_path, board) as source:
        read_until(source, lambda packets: counts_in(packets) > 50)
        board.cut()
        again = read_until(source, lambda packets: counts_in(packets) > 400)
        figures = source.health()

    assert all(packets.flags.tolist() == [0] for packets in again)
    assert (figures["board_connections"], figures["board_set_ups"]) == (2, 1)


def test_one_that_breaks_before_the_start_is_set_up_again(tmp_path: Path, board: Serving) -> None:
    with opened(tmp_path, board) as source:
        board.cut()
        board.board.switch_on()
        found = read_until(source, lambda packets: counts_in(packets) > 50)
        figures = source.health()

    begun = [packets for packets in found if packets.flags[0] == Flag.START]
    assert [counts_in(packets) for packets in begun] == [0, 0]
    assert (figures["board_connections"], figures["board_set_ups"]) == (2, 2)


def test_a_board_that_forgot_everything_is_set_up_anew(tmp_path: Path, board: Serving) -> None:
    with opened(tmp_path, board) as source:
        read_until(source, lambda packets: counts_in(packets) > 50)
        board.board.switch_on()
        shown = read_until(source, lambda packets: packets.flags[0] == Flag.START)
        read_until(source, lambda packets: counts_in(packets) > 50)
        figures = source.health()

    assert [packets.flags.tolist() for packets in shown][-2:] == [[0], [Flag.START]]
    assert counts_in(shown[-2]) == counts_in(shown[-1]) == 0
    assert (figures["board_connections"], figures["board_set_ups"]) == (1, 2)


def test_a_board_that_does_not_answer_is_given_up_and_asked_again(
    tmp_path: Path, board: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "_ANSWER_S", 0.2)
    with opened(tmp_path, board) as source:
        read_until(source, lambda packets: counts_in(packets) > 50)
        board.mute = True
        give_up_s = time.monotonic() + 10
        while source.fileno() >= 0:
            source.read()
            assert time.monotonic() < give_up_s
        board.mute = False
        read_until(source, lambda packets: counts_in(packets) > 200)

        assert source.health()["board_connections"] >= 2


def test_somebody_else_who_stops_the_timer_is_counted(tmp_path: Path, board: Serving) -> None:
    with opened(tmp_path, board) as source:
        read_until(source, lambda packets: counts_in(packets) > 50)
        board.board.histograms[0].settings.running = False
        read_until(source, lambda _: source.health()["board_stopped_polls"] > 1)
