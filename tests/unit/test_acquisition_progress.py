"""What a status of the readout says of a step: also after a pause, a restart, and where no answer comes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support_run import protocol, step

from daq.model.gating import FrameZero
from daq.model.protocol import ProtocolKind, Stop
from daq.services.acquisition import link as links
from daq.services.acquisition.framewait import LATE, FrameWait, never_began, waited_for
from daq.services.acquisition.link import Link
from daq.services.acquisition.progress import Pace, troubles

S = 10**12
WANTED = protocol(step("a"), step("b"))


def told(seconds: float, *, events: int = 0, paused: bool = False, begun: tuple[float, ...] = (0.0,)) -> dict[str, Any]:
    return {
        "state": "recording", "duration_ps": round(seconds * S), "paused": paused, "counts_live": {"events": events},
        "steps": [{"begin_ps": round(at * S)} for at in begun],
    }  # fmt: skip


def test_the_time_of_a_step_begins_where_its_frames_do() -> None:
    pace = Pace("run", protocol(step("a", frame_zero=FrameZero("gate"))))
    waiting = pace.progress({**told(5.0), "frames_wait": True}, now_s=5.0, step=1)
    begun = told(7.0)
    begun["steps"][0]["frame_zero_ps"] = 6 * S
    after = pace.progress({**begun, "frames_wait": False}, now_s=7.0, step=1)
    later = pace.progress({**begun, "duration_ps": round(6.5 * S), "paused": True}, now_s=7.5, step=1)

    whole_s = WANTED.steps[0].stop.duration_ps
    assert whole_s is not None
    assert (waiting.frames_wait, waiting.frames_wait_for, waiting.fraction) == (True, "trigger", 0.0)
    assert (after.frames_wait, after.fraction) == (False, S / whole_s)
    assert later.fraction == 0.5 * S / whole_s


BOLUS = step(
    "renogram", ProtocolKind.DYNAMIC, frame_zero=FrameZero("count_rate", 3000.0),
    stop=Stop(duration_ps=40 * 60 * S, host_ps=45 * 60 * S),
)  # fmt: skip


def test_while_a_bolus_has_not_come_its_rate_is_told_and_an_alarm_when_frames_will_be_cut_short() -> None:
    wait, waits = FrameWait(), {"frames_wait": True, "frames_wait_cps": 312.04}

    assert waited_for(BOLUS, waits) == {
        "frames_wait": True, "frames_wait_for": "count_rate", "frames_wait_cps": 312.0, "frames_begin_cps": 3000.0,
    }  # fmt: skip
    assert wait.trouble(BOLUS, 1, {**told(2.0), **waits}, 1000.0) is None
    assert wait.trouble(BOLUS, 1, {**told(2.0), **waits}, 1299.0) is None  # whose time stands still without events
    late = wait.trouble(BOLUS, 1, {**told(2.0), **waits}, 1300.0)
    assert late is not None
    assert late[:2] == (
        LATE,
        "no bolus of 3,000 cps has come in step 'renogram' for more than 300 s: frames that begin now are cut short, "
        "for the step ends 2,700 s after its beginning",
    )
    assert wait.trouble(BOLUS, 1, {**told(301.0), "frames_wait": False}, 1301.0) is None
    assert wait.trouble(BOLUS, 1, {**told(301.0), **waits, "step_ended_by": "host"}, 1301.0) is None
    assert FrameWait().trouble(BOLUS, 1, {**told(301.0), **waits}, 5.0) is not None  # a daemon that comes into it


def test_a_step_whose_frames_never_began_is_told_when_it_ends() -> None:
    assert never_began(BOLUS, {"frames_wait": False}) is None
    assert never_began(BOLUS, {"frames_wait": True, "frames_wait_cps": 312.0}) == (
        "step 'renogram' has ended and no bolus of 3,000 cps has come: its frames begin where the step did"
    )


def test_a_daemon_that_comes_into_a_step_knows_how_far_it_is() -> None:
    progress = Pace("run", WANTED).progress(told(11.0, events=500, begun=(0.0, 10.0)), now_s=100.0, step=2)

    assert (progress.fraction, progress.remaining_s, progress.rate_cps) == (0.5, 1.0, 500.0)


def test_the_time_of_a_pause_is_not_the_steps() -> None:
    pace = Pace("run", WANTED)
    pace.progress(told(0.0), now_s=0.0, step=1)
    pace.progress(told(1.0), now_s=1.0, step=1)
    pace.progress(told(9.0, paused=True), now_s=9.0, step=1)

    assert pace.progress(told(9.5), now_s=9.5, step=1).fraction == pytest.approx(0.75)


def test_rates_of_prompts_and_delayeds_are_those_of_the_last_moments_and_their_ratio_the_randoms() -> None:
    pace = Pace("run", WANTED)
    pace.progress({**told(1.0), "counts_live": {"singles": 100, "prompts": 10, "delayeds": 9}}, now_s=1.0, step=1)

    later = {**told(3.0), "counts_live": {"singles": 300, "prompts": 110, "delayeds": 34}}
    progress = pace.progress(later, now_s=3.0, step=1)

    assert progress.rates_cps == {"singles": 100.0, "prompts": 50.0, "delayeds": 12.5}
    assert progress.randoms_fraction == 0.25


def test_without_delayeds_there_is_no_fraction_of_randoms() -> None:
    pace = Pace("run", WANTED)
    pace.progress({**told(1.0), "counts_live": {"prompts": 10, "delayeds": 0}}, now_s=1.0, step=1)

    assert (
        pace.progress({**told(2.0), "counts_live": {"prompts": 20, "delayeds": 0}}, now_s=2.0, step=1).randoms_fraction
        is None
    )


def test_a_readout_that_does_not_answer_is_said() -> None:
    assert [name for name, *_ in troubles({**told(1.0), "unanswered_s": 7.2})] == ["readout-silent"]


class Hangs:
    """A readout that answers, or gives its last words."""

    def __init__(self) -> None:
        self.last: dict[str, Any] = {"state": "recording", "directory": "/somewhere"}
        self.marking = 0
        self.most = 0
        self.go_on = threading.Event()

    def status(self) -> dict[str, Any]:
        return self.last

    def mark(self, _: str) -> None:
        self.marking += 1
        self.most = max(self.most, self.marking)
        self.go_on.wait(5)
        self.marking -= 1

    def close(self) -> None:
        return


async def test_the_status_is_there_though_disk_and_marks_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    readout, disk = Hangs(), threading.Event()

    def hangs(_: str | None) -> int:
        disk.wait(10)
        return 7

    monkeypatch.setattr(links, "_size_bytes", hangs)
    link = Link(readout, ThreadPoolExecutor(links._THREADS))  # type: ignore[arg-type]
    marks = [asyncio.create_task(link.mark("x")) for _ in range(20)]
    async with asyncio.timeout(2):
        for _ in range(5):
            status = await link.status()
            await asyncio.sleep(0.02)

    assert status["file_bytes"] == 0
    assert status["unanswered_s"] > 0.05
    readout.last = dict(readout.last)
    assert (await link.status())["unanswered_s"] == 0.0
    readout.go_on.set()
    await asyncio.gather(*marks)
    assert readout.most == 1
    disk.set()
    await asyncio.sleep(0.05)
    assert (await link.status())["file_bytes"] == 7
    await link.close()
