"""An acquisition of several steps, run over the control socket from arming to sealing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_readout import FrontEnd, Running, free_port, manifest_of, plan_of, received, running, until
from support_recording import content, replayed_alike

from daq.errors import RefusedError, UsageError
from daq.model.order import OrderRule
from daq.readout.control import ask
from daq.readout.plan import CONTROL
from daq.storage.verify import verify


@contextmanager
def armed(folder: Path, **changes: Any) -> Iterator[tuple[Running, FrontEnd]]:
    """Yield a readout of several steps that is armed, and a front end that has not begun."""
    port = free_port()
    plan = plan_of(folder, f"udp://@127.0.0.1:{port}", start_at_once=False, single_step=False, **changes)
    with running(plan) as run:
        until(lambda: run.readout.status()["state"] == "armed", "armed")
        front_end = FrontEnd(port)
        try:
            yield run, front_end
        finally:
            front_end.close()


def do(run: Running, what: str, **more: Any) -> dict[str, Any]:
    return ask(run.folder / CONTROL, {"do": what, **more})


def prompts(run: Running) -> int:
    return int(run.readout.status()["counts_live"]["prompts"])


@pytest.mark.parametrize("order", [None, OrderRule()])
def test_steps_count_each_for_itself_and_pauses_count_nothing(tmp_path: Path, order: OrderRule | None) -> None:
    with armed(tmp_path, stop="prompts=500", order=order) as (run, front_end):
        front_end.words(packets=5)  # nobody wants these
        do(run, "start")
        until(lambda: run.readout.status()["state"] == "recording", "recording")
        front_end.sent = 0
        front_end.start()

        front_end.words(packets=12)
        received(run, 600)
        until(lambda: run.readout.status()["step_ended_by"] is not None, "the end of the first step")
        first = run.readout.status()
        second = do(run, "step", stop=["prompts=200"], name="bed 2")
        front_end.words(packets=2)
        received(run, 700)
        paused = do(run, "pause")
        front_end.words(packets=4)
        received(run, 900)
        counted_in_pause, words_in_pause = prompts(run), run.readout.status()["words_received"]
        do(run, "resume")
        front_end.words(packets=3)
        received(run, 1050)
        until(lambda: run.readout.status()["step_ended_by"] is not None, "the end of the second step")
        second_end = run.readout.status()
        do(run, "step", stop=["host=100ms"])
        until(lambda: run.readout.status()["step_ended_by"] is not None, "the end of the third step")
        third = run.readout.status()
        do(run, "step", name="until told")
        front_end.words(packets=1)
        received(run, 1100)
        do(run, "stop")
        code = run.finish()

    assert code == 0
    assert (first["step"], first["step_ended_by"], first["state"]) == (1, "prompts=500", "recording")
    assert (second["step"], second["step_ended_by"], second["counts_live"]["prompts"]) == (2, None, 0)
    assert (paused["paused"], paused["counts_live"]["prompts"]) == (True, 100)
    assert [status["counts_to_go"] for status in (first, second, paused)] == [
        {"prompts": 0}, {"prompts": 200}, {"prompts": 100}
    ]  # fmt: skip
    assert (counted_in_pause, words_in_pause) == (100, 900)
    assert (second_end["step_ended_by"], second_end["paused"]) == ("prompts=200", False)
    assert (third["step"], third["step_ended_by"]) == (3, "host")
    manifest = manifest_of(run)
    assert (manifest.state, manifest.ended_by) == ("sealed", "operator")
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert (source.sent, source.recorded, source.gap, source.balanced) == (1100, 1100, 0, True)
    told = [(r["kind"], r["value"], r["text"]) for r in content(run.folder / "run")["marks"]]
    assert [mark for mark in told if mark[0] in ("step", "pause", "resume", "stop")] == [
        ("stop", 11, "prompts=500"),
        ("step", 13, "bed 2: prompts=200"),
        ("pause", 15, ""),
        ("resume", 19, ""),
        ("stop", 21, "prompts=200"),
        ("step", 22, "host=0.1s"),
        ("stop", 22, "host"),
        ("step", 22, "until told: end"),
        ("stop", 23, "operator"),
    ]
    assert verify(run.folder / "run").verdict == "ok"
    replayed_alike(run.folder / "run")


def test_a_readout_of_several_steps_does_not_end_with_a_step_or_with_its_sources(tmp_path: Path) -> None:
    with armed(tmp_path, stop="prompts=50") as (run, front_end):
        do(run, "start")
        until(lambda: run.readout.status()["state"] == "recording", "recording")
        front_end.words(packets=2)
        front_end.end()
        received(run, 100)
        until(lambda: run.readout.status()["step_ended_by"] is not None, "the end of the step")
        front_end.words(packets=2)
        received(run, 200)
        state = run.readout.status()["state"]
        do(run, "stop", by="the protocol")
        run.finish()

    assert state == "recording"
    replayed_alike(run.folder / "run")


def test_what_has_no_place_in_a_state_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with armed(tmp_path) as (run, front_end):
        for what, more in (("step", {"stop": []}), ("pause", {}), ("resume", {}), ("mark", {"text": "x"})):
            with pytest.raises(RefusedError, match="not recording yet"):
                do(run, what, **more)
        do(run, "start")
        until(lambda: run.readout.status()["state"] == "recording", "recording")
        with pytest.raises(RefusedError, match="it has started already"):
            do(run, "start")
        with pytest.raises(UsageError, match="frobs"):
            do(run, "step", stop=["frobs=3"])
        front_end.words(packets=3)
        received(run, 150)
        do(run, "stop")
        code = run.finish()

    assert code == 0
    assert [row["kind"] for row in content(run.folder / "run")["marks"]] == ["start", "clock", "source_start", "stop"]


def test_a_mark_for_a_moment_bears_the_detector_time_of_that_moment(tmp_path: Path) -> None:
    with armed(tmp_path) as (run, front_end):
        do(run, "start")
        until(lambda: run.readout.status()["state"] == "recording", "recording")
        front_end.words(packets=1)
        received(run, 50)
        until(lambda: bool(run.readout.host_time._pairs), "the moment of a packet")
        arrival_ns, latest_ps = run.readout.host_time._pairs[-1]
        do(run, "mark", text="a second later", monotonic_ns=arrival_ns + 10**9)
        do(run, "mark", text="now")
        do(run, "stop")
        run.finish()

    marks = [(r["time_ps"], r["text"]) for r in content(run.folder / "run")["marks"] if r["kind"] == "operator"]
    assert marks == [(latest_ps + 10**12, "a second later"), (latest_ps, "now")]
    replayed_alike(run.folder / "run")
