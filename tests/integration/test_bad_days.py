"""Bad days of front ends: late, silent, killed, started again, stalled or broken in the middle of a word.

Simulators and connections are real; nothing is lost but what never came, and the ledger says what that was.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_faults import found
from support_readout import Running, free_port, manifest_of, plan_of, pushing, received, running, until
from support_recording import SINGLES, content, replayed_alike
from support_simulators import Simulator, petlink_words, simulator, truth_of

from daq.model.ledger import Ledger, SourceLedger
from daq.model.order import OrderRule
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode

MS = 10**9
STALLED_S = 2.0
LONGER_THAN_A_START = 65 * 182
"""Words after which a front end that begins again, without having said its end, cannot be taken for one that begins."""
OPTIONS = ("--profile", "singles64", "--sources", "2", "--rate", "40000", "--seconds", "0.8")


class Pair:
    """A front end of two sources, whose faults are changed from run to run."""

    def __init__(self, server: Simulator, truth: Path) -> None:
        self._server, self._truth, self._runs = server, truth, 0

    def record(self, folder: Path, fault: str) -> dict[str, Any]:
        """Record a run with a fault, and find its truth in the ledger; return the truth."""
        self._ask({"add": fault})
        with running(plan_of(folder, self._server.ready["udp"], profile=SINGLES, order=SINGLES.order)) as run:
            code = run.finish()
        self._runs += 1
        truth = truth_of(self._truth, run=self._runs)
        self._ask({"clear": True})
        assert code == 0
        assert found(ledger_of(run).model_dump(mode="json")) == truth["expected"]
        replayed_alike(folder / "run")
        return truth

    def _ask(self, request: dict[str, Any]) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(10)
            control.connect(self._server.ready["faults"])
            control.sendall(json.dumps(request).encode() + b"\n")
            assert b"error" not in control.recv(65536)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    truth = tmp_path_factory.mktemp("pair") / "truth.json"
    with simulator("poisson", *OPTIONS, "--truth", truth) as server:
        yield Pair(server, truth)


def ledger_of(run: Running) -> Ledger:
    ledger = manifest_of(run).ledger
    assert ledger is not None
    return ledger


def sources_of(run: Running) -> list[SourceLedger]:
    return list(ledger_of(run).sources)


def marks(folder: Path, *kinds: str) -> list[tuple[str, int]]:
    with open_listmode(folder / "run") as recorded:
        rows = [row for batch in recorded.batches("marks", ["kind", "source"]) for row in batch.to_pylist()]
    return [(row["kind"], row["source"]) for row in rows if row["kind"] in kinds]


def untimed(folder: Path) -> int:
    """Return the events before the first epoch word of their source."""
    ledger = load_manifest(folder / "run").ledger
    assert ledger is not None
    return sum(source.beside.untimed for source in ledger.sources)


def words_of(run: Running) -> list[int]:
    assert not run.code, run.last_status
    return list(run.readout.recording.derivation.accounts.received.tolist())


def recording(run: Running) -> bool:
    assert not run.code, run.last_status
    return bool(run.readout.status()["state"] == "recording")


# Sources


def test_a_source_that_starts_late_takes_its_place_in_time(pair: Pair, tmp_path: Path) -> None:
    truth = pair.record(tmp_path, "late:at_s=0.5,source=1")

    first, second = truth["expected"]["sources"]
    rows = content(tmp_path / "run")["singles"]
    assert (first["gap"], second["gap"]) == (0, 0)
    assert 0 < second["received"] < 0.6 * first["received"]
    assert [row["time_ps"] for row in rows] == sorted(row["time_ps"] for row in rows)
    assert not any(row["late"] for row in rows)
    assert len(rows) == sum(source["events"] for source in truth["sources"]) - untimed(tmp_path)


def test_a_source_that_dies_and_comes_back_with_clock_and_counter_at_zero_has_lost_nothing_known(
    pair: Pair, tmp_path: Path
) -> None:
    truth = pair.record(tmp_path, "restart:at_s=0.4,for_s=0.2,source=1")

    rows = content(tmp_path / "run")["singles"]
    late = [row["time_ps"] for row in rows if row["late"]]
    assert truth["injected"]["restarts"] == 1
    assert [source["gap"] for source in truth["expected"]["sources"]] == [0, 0]
    assert sorted(marks(tmp_path, "source_start", "source_end")) == [
        ("source_end", 0), ("source_end", 1), ("source_start", 0), ("source_start", 1), ("source_start", 1),
    ]  # fmt: skip
    assert late
    assert max(late) < 250 * MS


def test_a_source_that_was_cut_off_and_comes_back_with_its_clock_lacks_what_it_sent_meanwhile(
    pair: Pair, tmp_path: Path
) -> None:
    truth = pair.record(tmp_path, "outage:at_s=0.3,for_s=0.3,source=1")

    gaps = [source["gap"] for source in truth["expected"]["sources"]]
    assert gaps == [0, truth["injected"]["dropped_words"]]
    assert gaps[1] > 1000
    assert marks(tmp_path, "source_start") == [("source_start", 0), ("source_start", 1)]
    late = [row["time_ps"] for row in content(tmp_path / "run")["singles"] if row["late"]]
    assert len(late) < 50  # what came before the first epoch word after the gap: it has the time of before the gap
    assert all(time_ps < 300 * MS for time_ps in late)


def test_a_front_end_killed_hard_and_started_again_goes_on_beside_the_others(tmp_path: Path) -> None:
    port = free_port()
    push = ("poisson", "--profile", "singles64", "--rate", "40000", "--seconds", "10", "--to", f"127.0.0.1:{port}")
    plan = plan_of(tmp_path, f"udp://@127.0.0.1:{port}", profile=SINGLES, order=SINGLES.order, connect_s=20.0)
    with running(plan) as run, simulator(*push, "--source-id", "3"):
        with simulator(*push, "--source-id", "4") as killed:
            until(lambda: len(words_of(run)) == 2 and min(words_of(run)) > LONGER_THAN_A_START, "both sources")
            os.kill(killed.process.pid, signal.SIGKILL)
        until(lambda: run.readout.status()["silent_sources"] == [4], "a silent source")
        stalled = run.readout.status()["stalled"]
        with simulator(*push, "--source-id", "4"):
            until(lambda: run.readout.status()["silent_sources"] == [], "nobody silent")
            run.readout.request_stop()
            run.finish()

    assert stalled is False
    assert [(s.source, s.gap, s.balanced) for s in sources_of(run)] == [(3, 0, True), (4, 0, True)]
    assert [mark for mark in marks(tmp_path, "source_start", "source_end") if mark[1] == 4] == [("source_start", 4)] * 2
    replayed_alike(tmp_path / "run")


def test_a_front_end_switched_on_after_the_readout_is_asked_until_it_answers(tmp_path: Path) -> None:
    port = free_port()
    options = ("poisson", "--profile", "singles64", "--rate", "20000", "--seconds", "0.2", "--port", f"udp={port}")
    with running(plan_of(tmp_path, f"udp://127.0.0.1:{port}", profile=SINGLES)) as run:
        until(lambda: recording(run), "recording")
        with simulator(*options):
            code = run.finish()

    (source,) = sources_of(run)
    assert (code, source.basis, source.gap, source.balanced) == (0, "counter", 0, True)
    assert source.recorded > 4000


# Silence


def test_a_stall_is_said_within_two_seconds_and_unsaid_when_words_come_again(tmp_path: Path) -> None:
    options = ("poisson", "--profile", "singles64", "--rate", "20000", "--seconds", "60")
    with simulator(*options) as front_end:
        plan = plan_of(tmp_path, front_end.ready["udp"], profile=SINGLES, order=SINGLES.order)
        with running(plan) as run:
            until(lambda: run.readout.status().get("words_received", 0) > 0, "words")
            before = run.readout.status()
            os.kill(front_end.process.pid, signal.SIGSTOP)
            until(lambda: run.readout.status()["stalled"], "a stall")
            meanwhile = run.readout.status()
            os.kill(front_end.process.pid, signal.SIGCONT)
            until(lambda: run.readout.status()["words_received"] > meanwhile["words_received"], "more words")
            until(lambda: not run.readout.status()["stalled"], "the end of the stall")
            run.readout.request_stop()
            run.finish()

    assert (before["stalled"], before["silent_sources"]) == (False, [])
    assert meanwhile["silent_s"] < STALLED_S
    assert meanwhile["rows_held"] == 0
    assert (sources_of(run)[0].gap, sources_of(run)[0].balanced) == (0, True)
    assert ("flush", 0xFFFF) in marks(tmp_path, "flush")
    replayed_alike(tmp_path / "run")


def test_a_front_end_without_events_is_not_stalled_while_its_heart_beats(tmp_path: Path) -> None:
    with pushing(tmp_path, stall_s=1.0) as (run, front_end):
        front_end.words()
        end_s = time.monotonic() + 1.8
        said = []
        while time.monotonic() < end_s:
            front_end.heartbeat()
            said.append(run.readout.status()["stalled"])
            time.sleep(0.1)
        front_end.words()
        front_end.end()
        code = run.finish()

    assert code == 0
    assert not any(said)
    assert (manifest_of(run).ended_by, sources_of(run)[0].recorded) == ("end", 100)


# Connections


@contextmanager
def connected(folder: Path, **changes: Any) -> Iterator[tuple[Running, socket.socket]]:
    """Yield a readout and the front end's end of the connection that it made."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with running(plan_of(folder, url, order=OrderRule(), **changes)) as run:
            server.settimeout(20.0)
            with server.accept()[0] as connection:
                yield run, connection


def test_a_connection_that_stalls_in_the_middle_of_a_word_goes_on_where_it_was(tmp_path: Path) -> None:
    words = petlink_words(6, 50)
    with connected(tmp_path) as (run, connection):
        connection.sendall(words[:602])
        until(lambda: run.readout.status().get("stalled", False), "a stall")
        stalled = run.readout.status()
        connection.sendall(words[602:])
        connection.shutdown(socket.SHUT_WR)
        code = run.finish()

    (source,) = sources_of(run)
    assert (stalled["words_received"], code) == (150, 0)
    assert (source.received, source.malformed, source.balanced) == (len(words) // 4, 0, True)
    assert [row["bin"] for row in content(tmp_path / "run")["coincidences"]] == list(range(300))
    replayed_alike(tmp_path / "run")


def test_a_connection_that_ends_in_the_middle_of_a_word_leaves_one_malformed_word(tmp_path: Path) -> None:
    with connected(tmp_path) as (run, connection):
        connection.sendall(petlink_words(2, 50)[:-1])
        connection.shutdown(socket.SHUT_WR)
        code = run.finish()

    (source,) = sources_of(run)
    assert (code, manifest_of(run).ended_by) == (0, "end")
    assert (source.received, source.recorded, source.malformed, source.balanced) == (102, 101, 1, True)


def test_a_connection_broken_in_the_middle_of_a_word_is_said_and_what_came_is_sealed(tmp_path: Path) -> None:
    with connected(tmp_path) as (run, connection):
        connection.sendall(petlink_words(2, 50)[:-1])
        received(run, 101)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        code = run.finish()

    (source,) = sources_of(run)
    assert code == 5
    assert "the front end broke the connection: Connection reset by peer" in run.last_status["error"]
    assert (manifest_of(run).state, manifest_of(run).ended_by) == ("sealed", "fault")
    assert (source.received, source.recorded, source.malformed, source.balanced) == (102, 101, 1, True)
    assert len(content(tmp_path / "run")["coincidences"]) == 99
    replayed_alike(tmp_path / "run")
