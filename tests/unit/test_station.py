"""The one function by which anybody asks for something: checked, audited, in turn, and stopping never waits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support_run import Axes, Daemon, Readout, protocol, step

from daq.errors import AccessError, RefusedError, ScandaqError, TransitionRefusedError, UnexpectedError, UsageError
from daq.model.station import Actor, Role
from daq.model.verbs import ALWAYS, ASKING, LOCAL, VERBS, Amend, Prepare, Residual
from daq.services.acquisition.papers import identity_of
from daq.services.acquisition.run import Run
from daq.services.station import Parts, Station
from daq.services.status_mqtt.commands import check_list
from daq.state.acquisition import State

TECHNOLOGIST = Actor("tech", "local", Role.TECHNOLOGIST)
VIEWER = Actor("guest", "mqtt", Role.VIEWER)
WHO = {"name": "Mustermann^Erika", "patient_id": "PID-4711"}


class Lines:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str, str]] = []
        self.whats: list[str] = []
        self.durable = asyncio.Event()
        self.durable.set()
        self.secrets: Any = None

    async def write(self, actor: Actor, verb: str, what: str, **told: Any) -> bool:
        self.note(actor, verb, what, **told)
        await self.durable.wait()
        return True

    def note(self, actor: Actor, verb: str, what: str, **told: Any) -> None:
        reason = told["reason"] if not hasattr(self.secrets, "redact") else self.secrets.redact(told["reason"])
        self.lines.append((actor.user, verb, told["result"], reason))
        self.whats.append(f"{what} {told.get('error')}")

    def keep_out(self, identity: Any) -> None:
        self.secrets = identity


class Runs:
    """Plans whatever it is asked for, on a readout in memory."""

    def __init__(self, daemon: Daemon, audit: Lines) -> None:
        self._daemon, self.audit = daemon, audit
        self.readout = Readout()
        self.slow = asyncio.Event()
        self.slow.set()

    async def planned(self, request: Prepare, actor: Actor) -> Run:
        del actor
        await self.slow.wait()
        if request.protocol == "broken":
            raise ZeroDivisionError
        if request.patient is not None:
            self.audit.keep_out(identity_of(request.patient))
        return self._daemon.run(protocol(step("a"), step("b")), self.readout)

    def redacted(self, text: str) -> str:
        return text.replace("Mustermann", "[patient]")

    async def amended(self, request: Amend | Residual, actor: Actor) -> dict[str, Any]:
        return {"verb": type(request).__name__, "by": actor.user}

    def doubts(self, run: Run) -> list[str]:
        return [f"nobody has looked at {run.identity}"]

    async def injected_now(self, run: Run, actor: Actor) -> dict[str, Any]:
        return {"run": run.identity, "by": actor.user}


class World:
    def __init__(self, folder: Path) -> None:
        self.rising = ""
        self.daemon = Daemon(folder, motion=Axes())
        self.audit = Lines()
        self.runs = Runs(self.daemon, self.audit)
        daemon = self.daemon
        self.station = Station(
            Parts(
                daemon.machine,
                daemon.bus,
                daemon.alarms,
                self.audit,
                daemon.motion,
                self.runs,
                _lowered,  # type: ignore[arg-type]
                rising=lambda: self.rising,
            )
        )

    async def ask(self, verb: str, actor: Actor = TECHNOLOGIST, **args: object) -> dict[str, object]:
        return await self.station.command(verb, args, actor)


async def _lowered(device: str | None, volts: float) -> dict[str, Any]:
    return {"high_voltage": {device or "all": f"{volts:g} V"}}


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    made = World(folder)
    try:
        yield made
    finally:
        await made.station.close()
        made.daemon.close()


async def test_a_morning_through_the_one_function(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.ask("prepare", protocol="x", draft_reason="try")
        await w.daemon.until(State.ARMED)
        await w.ask("start")
        await w.ask("pause")
        await w.ask("resume")
        answer = await w.ask("stop", reason="enough")
        await w.daemon.until(State.COMPLETED)

        assert answer["state"] == "completing"
        assert w.runs.readout.ended_by == "stopped by tech: enough"
        done = [verb for _, verb, result, _ in w.audit.lines if result == "done"]
        assert done == ["prepare", "start", "pause", "resume", "stop"]


async def test_what_is_meant_for_one_acquisition_is_not_done_to_another(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        now = (await w.ask("prepare", protocol="x", draft_reason="try"))["run"]
        await w.daemon.until(State.ARMED)
        for verb in ("start", "pause", "resume", "end-step", "stop", "abort", "acknowledge", "renew-arming", "mark"):
            more = {"text": "node"} if verb == "mark" else {}
            with pytest.raises(RefusedError, match=f"run-of-yesterday is not the acquisition .* present one is {now}"):
                await w.ask(verb, run="run-of-yesterday", **more)
        assert w.daemon.machine.state is State.ARMED
        await w.ask("start", run=now)
        await w.ask("mark", run=now, text="node")
        await w.ask("stop", run=now)
        await w.daemon.until(State.COMPLETED)
        await w.ask("acknowledge", run=now)
        with pytest.raises(RefusedError, match="it has none"):
            await w.ask("acknowledge", run=now)


async def test_nothing_is_counted_while_a_voltage_is_being_raised(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.ask("prepare", protocol="x", draft_reason="try")
        await w.daemon.until(State.ARMED)
        w.rising = "front_hv is being raised"
        with pytest.raises(RefusedError, match="start: front_hv is being raised; wait until it is there, or lower it"):
            await w.ask("start")
        w.rising = ""
        await w.ask("start")
        await w.ask("pause")
        w.rising = "front_hv is being raised"
        with pytest.raises(RefusedError, match="resume: front_hv is being raised"):
            await w.ask("resume")
        await w.ask("stop")


@pytest.mark.parametrize("verb", sorted(VERBS))
async def test_a_viewer_may_ask_and_stop_and_nothing_else(tmp_path: Path, verb: str) -> None:
    async with world(tmp_path) as w:
        if verb in ASKING | ALWAYS:
            args = {"device": "hv"} if verb == "read" else {}
            try:
                await w.ask(verb, VIEWER, **args)
            except (RefusedError, UsageError) as why:  # not for the role
                why_not = "no acquisition is under way|has no devices|its arguments are|over MQTT|needs technologist"
                assert re.search(why_not, str(why))  # noqa: PT017
        else:
            with pytest.raises(AccessError, match=f"may not {verb}"):
                await w.ask(verb, VIEWER)
            assert w.audit.lines == [("guest", verb, "refused", "")]


@pytest.mark.parametrize("verb", sorted(LOCAL & ASKING))
async def test_whose_data_it_is_is_never_told_to_the_broker(tmp_path: Path, verb: str) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(AccessError, match=f"may not {verb} over MQTT"):
            await w.ask(verb, Actor("eve", "mqtt", Role.SERVICE))


@pytest.mark.parametrize("verb", sorted(LOCAL - ASKING))
async def test_nobody_sets_or_raises_anything_over_the_broker_whatever_his_role(tmp_path: Path, verb: str) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(AccessError, match=f"may not {verb} over MQTT"):
            await w.ask(verb, Actor("eve", "mqtt", Role.SERVICE), device="hv", volts=100.0)
        assert w.audit.lines[-1][:3] == ("eve", verb, "refused")
        with pytest.raises(UsageError, match="no such command"):
            check_list([verb])


async def test_the_audit_log_has_what_a_device_was_before_and_after(tmp_path: Path) -> None:
    async with world(tmp_path) as w:

        async def done(_: Any, __: Actor) -> dict[str, Any]:
            return {"old": 19.5, "new": 21.0}

        told: list[dict[str, Any]] = []
        w.station._do["set"] = done
        w.audit.note = lambda *_, **more: told.append(more)  # type: ignore[method-assign]
        w.audit.write = lambda *_, **more: _kept(told, more)  # type: ignore[method-assign]
        await w.ask("set", Actor("eve", "local", Role.SERVICE), device="bath", name="setpoint", value=21.0)

    assert [(line["result"], line["old"], line["new"]) for line in told] == [
        ("asked", "ready", "ready"), ("done", 19.5, 21.0)
    ]  # fmt: skip


async def _kept(told: list[dict[str, Any]], line: dict[str, Any]) -> bool:
    told.append(line)
    return True


async def test_refusals_and_nonsense_are_audited_with_their_reason(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for verb, args, error in (
            ("start", {}, TransitionRefusedError),
            ("fly", {}, UsageError),
            ("prepare", {"protocol": 7}, UsageError),
            ("prepare", {"protocol": "x", "colour": "blue"}, UsageError),
            ("simulate", {"device": "bed", "action": "stall"}, RefusedError),
            ("prepare", {"protocol": "broken"}, UnexpectedError),
        ):
            with pytest.raises(error):
                await w.ask(verb, **args)
            assert w.audit.lines[-1][1] == verb
            assert w.audit.lines[-1][2] in ("refused", "failed")


async def test_what_a_view_is_called_is_in_no_line_for_it_may_name_somebody(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for what, value, told in (("label", "knee of Mustermann", ""), ("orientation", "HFP", " HFP")):
            with pytest.raises(ScandaqError):
                await w.ask("study-mark", acquisition="run-1", what=what, value=value, step=1, why="it was wrong")
            assert w.audit.whats[-1].startswith(f"run-1{told} ")
            assert "knee" not in w.audit.whats[-1]


async def test_a_stop_waits_neither_for_a_slow_request_nor_for_the_audit_log(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.ask("prepare", protocol="x", draft_reason="try")
        await w.daemon.until(State.ARMED)
        w.audit.durable.clear()
        starting = asyncio.create_task(w.ask("start"))
        await w.daemon.until(State.ACQUIRING)

        async with asyncio.timeout(2):
            await w.ask("stop", VIEWER)
            await w.ask("lower-voltage", VIEWER)

        assert not starting.done()
        w.audit.durable.set()
        await starting
        await w.daemon.until(State.COMPLETED)


async def test_two_requests_that_change_something_take_turns(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.runs.slow.clear()
        first = asyncio.create_task(w.ask("prepare", protocol="x", draft_reason="try"))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(w.ask("prepare", protocol="x", draft_reason="try"))
        await asyncio.sleep(0.01)
        w.runs.slow.set()

        await first
        with pytest.raises(TransitionRefusedError, match="cannot prepare while preparing"):
            await second


async def test_how_the_patient_lies_cannot_be_changed_after_the_start(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.ask("prepare", protocol="x", draft_reason="try", patient_orientation="HFS")
        await w.daemon.until(State.ARMED)
        await w.ask("start")
        with pytest.raises(
            TransitionRefusedError,
            match=r"cannot prepare while acquiring; .*\. How the patient lies is said before the start and stays so: "
            "it decides what is left and right in every picture; abort, and prepare again with the patient as he lies",
        ):
            await w.ask("prepare", protocol="x", draft_reason="he turned", patient_orientation="HFP")
        assert w.daemon.state is State.ACQUIRING


async def test_who_the_patient_is_stands_in_no_line_and_no_state(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.ask("prepare", protocol="x", draft_reason="Erika Mustermann asked", patient=WHO)
        await w.daemon.until(State.ARMED)
        await w.ask("start")
        await w.ask("stop", reason="Mustermann moved")
        await w.daemon.until(State.COMPLETED)

    said = f"{w.audit.lines} {w.daemon.said} {w.runs.readout.ended_by}"
    assert "Mustermann" not in said
    assert "Erika" not in said
    assert "[patient]" in said


@pytest.mark.parametrize("named", ["study", "continues", "repeats"])
async def test_a_patient_of_an_earlier_acquisition_is_in_no_line_though_the_request_does_not_tell_who(
    tmp_path: Path, named: str
) -> None:
    async with world(tmp_path) as w:
        await w.ask("prepare", protocol="x", draft_reason="Mustermann again", **{named: "run-1"})
        await w.ask("residual", activity="1 MBq", run="run-1", reason="Mustermann left")

        reasons = [reason for _, _, _, reason in w.audit.lines]
        assert reasons[:2] == ["[withheld: of the patient of an earlier acquisition]", "[patient] again"]
        assert "Mustermann" not in f"{w.audit.lines} {w.audit.whats}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "blue"},
        {"patient": {**WHO, "birth_date": "soon"}},
        {"patient": "Mustermann^Erika"},
        {"patient": {"name": ["Mustermann"]}},
        {"patient": {**WHO, "other_ids": 7}},
    ],
)
async def test_a_refused_request_does_not_tell_of_the_patient_either(tmp_path: Path, wrong: dict[str, Any]) -> None:
    async with world(tmp_path) as w:
        args = {"protocol": "Mustermann", "draft_reason": "Erika Mustermann asked", "patient": WHO, **wrong}
        for who in (TECHNOLOGIST, VIEWER):
            with suppress(ScandaqError):
                await w.station.command("prepare", args, who)

    assert w.audit.lines
    assert "Mustermann" not in f"{w.audit.lines} {w.audit.whats}"
    assert "Erika" not in f"{w.audit.lines} {w.audit.whats}"


async def test_a_second_patient_that_is_refused_does_not_uncover_the_first(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        kept = w.audit.secrets = object()
        await w.ask("prepare", protocol="x", draft_reason="try")
        await w.daemon.until(State.ARMED)
        with pytest.raises(TransitionRefusedError):
            await w.ask("prepare", protocol="x", patient=WHO)

        assert w.audit.secrets is kept


def test_a_request_to_prepare_shows_neither_patient_nor_administration() -> None:
    asked = Prepare(protocol="x", patient=WHO, administration={"weight_kg": 71.5})

    assert "Mustermann" not in repr(asked)
    assert "71.5" not in repr(asked)


async def test_a_run_that_is_lost_to_a_fault_is_said(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.ask("prepare", protocol="x", draft_reason="try")
        await w.daemon.until(State.ARMED)
        run = w.station.run
        assert run is not None
        run._tick = None  # type: ignore[assignment, method-assign]
        await w.daemon.until(State.FAULT)
        await asyncio.sleep(0.05)

        assert w.runs.readout.state == "sealed"
        assert [alarm.name for alarm in w.daemon.alarms.active()] == ["daemon-fault"]


async def test_a_fault_while_a_run_is_hashed_is_none_of_the_next_one(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        hashed = asyncio.Event()

        async def fails(_: Run) -> None:
            await hashed.wait()
            raise OSError(5, "Input/output error")

        w.daemon.change(on_hashed=fails)
        await w.ask("prepare", protocol="x", draft_reason="try")
        await w.daemon.until(State.ARMED)
        await w.ask("stop")
        await w.daemon.until(State.ABORTED)
        w.runs.readout = Readout()
        await w.ask("prepare", protocol="x", draft_reason="try")
        await w.daemon.until(State.ARMED)
        hashed.set()
        await asyncio.sleep(0.05)

        assert [alarm.name for alarm in w.daemon.alarms.active()] == ["daemon-fault"]
        assert w.daemon.state is State.ARMED
        await w.ask("stop")
        await w.daemon.until(State.ABORTED)


async def test_low_alarms_are_acknowledged_together_and_no_others(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for number in range(50):
            w.daemon.alarms.raise_("hall", f"low-{number}", priority="low", text="cool", guidance="look")
        for priority in ("medium", "high"):
            w.daemon.alarms.raise_("hall", priority, priority=priority, text="hot", guidance="act")  # type: ignore[arg-type]

        answer = await w.ask("acknowledge-low-alarms")

        seen = {alarm.name: alarm.acknowledged_by for alarm in w.daemon.alarms.active()}
        assert (answer["acknowledged"], seen.pop("high"), seen.pop("medium")) == (50, None, None)
        assert set(seen.values()) == {"tech"}
        with pytest.raises(AccessError):
            await w.ask("acknowledge-low-alarms", VIEWER)
