"""A test from one press to its result: background before it, source in place, and everything that may stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_gateway import Desk, room
from support_qc_desk import PERSON, TESTS, MemoryBooks, qc_test, standing

from acquisition_protocols.load import load_protocol
from daq.errors import RefusedError, ScandaqError
from daq.model.arguments import Arguments
from daq.model.console.qc_verbs import QcBegin, QcCall, QcGoOn, QcPlan
from daq.model.qc.figures import Level
from daq.model.station import Actor, Role, StationStatus
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.asking import Asking
from daq.services.qc.bed import Bed
from daq.services.qc.planning import Planning
from daq.services.qc.rounds import Room, Rounds
from daq.state.acquisition import State

WITHIN_S = 5.0
ASK = QcBegin(test="daily-flood", source="S-1", bed_empty=True)
WANTED = {**TESTS, "camera-background": qc_test(protocol="camera-background", every="day")}


class Floor:
    """A station that does what it is asked; a test says what becomes of each acquisition."""

    def __init__(self, *, simulated: bool = True) -> None:
        self.bus, self.books, self.bed = Bus(), MemoryBooks(), Bed()
        self.books.register()
        self.alarms = Alarms(self.bus)
        self.asked: list[tuple[str, dict[str, object], str]] = []
        self.state, self.run, self.detail = State.READY, None, ""
        self.levels = {"camera-background": Level.IN_LIMITS, "daily-flood": Level.IN_LIMITS}
        self.ends: dict[str, State] = {}
        self.wrong_rate = ""
        self.refuses: ScandaqError | None = None
        self.test = ""
        stands = standing(self.books, WANTED)
        asking = Asking(stands, self.bed, lambda name: load_protocol(name).protocol)
        planning = Planning(asking, stands, self.books, self.bed, lambda: "")  # type: ignore[arg-type]
        self.rounds = Rounds(planning, Room(
            self.command, lambda: (self.state, self.run, self.detail), self.bus, self.alarms, self.bed, self.books,
            lambda _: False, simulated,
        ))  # fmt: skip
        self.verbs = self.rounds.handlers()

    async def command(self, verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        self.asked.append((verb, args, actor.user))
        if self.refuses is not None:
            raise self.refuses
        if verb == "qc-run":
            self.test = str(args["test"])
            self.go(State.ARMED, f"run-{self.test}")
        elif verb == "start":
            self.go(State.ACQUIRING)
            if self.wrong_rate:
                self.alarms.raise_(
                    "qc", "rate", priority="medium", text=self.wrong_rate, guidance="look", latched=False
                )
            else:
                self.end()
        elif verb == "stop":
            self.end()
        elif verb == "acknowledge":
            self.go(State.READY)
            self.run = None
        return {"run": self.run or ""}

    def go(self, state: State, run: str | None = None) -> None:
        self.state, self.run = state, run or self.run
        self.bus.announce(StationStatus(str(state), "2025-03-05T09:00:00.000Z", self.run))

    def end(self) -> None:
        if (outcome := self.ends.get(self.test, State.COMPLETED)) is State.COMPLETED:
            self.books.enter(self.test, self.levels[self.test], ago_h=0, runs=(str(self.run),))
        self.go(outcome)

    async def until(self, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S):
            while True:
                told: dict[str, Any] = (await self.verbs["qc-round"](Arguments(), PERSON))["round"]
                if good(told):
                    return told
                await asyncio.sleep(0.01)

    async def over(self) -> dict[str, Any]:
        told = await self.until(lambda told: told["over"])
        if self.rounds._task is not None:
            await asyncio.wait({self.rounds._task}, timeout=WITHIN_S)
        return told

    def done(self) -> list[str]:
        return [f"{verb} {args.get('test', '')}".strip() for verb, args, _ in self.asked]


async def test_the_background_is_done_first_where_it_does_not_hold_then_the_flood() -> None:
    floor = Floor()
    await floor.verbs["qc-begin"](ASK, PERSON)
    told = await floor.over()

    assert (told["stage"], [part["level"] for part in told["parts"]]) == ("done", ["in limits", "in limits"])
    assert floor.done() == ["qc-run camera-background", "start", "qc-run daily-flood", "start", "acknowledge"]
    assert "source" not in floor.asked[0][1], "the background is done without a source"
    assert floor.asked[2][1]["source"] == "S-1"
    assert {user for _, _, user in floor.asked} == {"anna"}, "all of it is asked for in her name"


async def test_a_background_of_this_morning_is_not_repeated() -> None:
    floor = Floor()
    floor.books.enter("camera-background", Level.IN_LIMITS, ago_h=1)
    await floor.verbs["qc-begin"](ASK, PERSON)
    told = await floor.over()
    assert [part["test"] for part in told["parts"]] == ["daily-flood"]


async def test_at_a_real_machine_nothing_begins_with_a_source_before_somebody_states_that_it_lies_there() -> None:
    floor = Floor(simulated=False)
    with pytest.raises(RefusedError, match="no test waits for its source"):
        await floor.verbs["qc-go-on"](QcGoOn(), PERSON)
    await floor.verbs["qc-begin"](ASK, PERSON)
    told = await floor.until(lambda told: told["stage"] == "place-source")
    assert (told["now"], "lay S-1 in place" in told["why"], floor.done()) == (
        0,
        True,
        ["qc-run camera-background", "start"],
    )
    assert told["parts"][0]["why"]
    assert "camera-background" not in told["parts"][0]["why"], "people know it by its title, which stands beside it"

    await floor.verbs["qc-go-on"](QcGoOn(), PERSON)
    assert (await floor.over())["stage"] == "done"


async def test_a_patient_who_lay_down_meanwhile_is_not_stated_away() -> None:
    floor = Floor(simulated=False)
    await floor.verbs["qc-begin"](ASK, PERSON)
    await floor.until(lambda told: told["stage"] == "place-source")
    floor.bed.patient_lies_down()
    await floor.verbs["qc-go-on"](QcGoOn(), PERSON)
    told = await floor.over()
    assert (told["stage"], "a patient is on the bed" in told["why"]) == ("stopped", True)
    assert floor.done() == ["qc-run camera-background", "start", "acknowledge"]


async def test_what_was_stated_before_the_background_is_not_stated_again_for_the_flood() -> None:
    floor = Floor()
    await floor.verbs["qc-begin"](ASK, PERSON)
    await floor.over()
    assert [args["bed_empty"] for verb, args, _ in floor.asked if verb == "qc-run"] == [True, False]


async def test_it_can_be_left_at_the_background() -> None:
    floor = Floor(simulated=False)
    await floor.verbs["qc-begin"](ASK, PERSON)
    await floor.until(lambda told: told["stage"] == "place-source")
    await floor.verbs["qc-go-on"](QcGoOn(source_in_place=False), PERSON)
    told = await floor.over()
    assert (told["why"], [part["level"] for part in told["parts"]]) == (
        "anna left it at the background",
        ["in limits", None],
    )


async def test_with_a_reason_it_is_done_without_its_background() -> None:
    floor = Floor()
    await floor.verbs["qc-begin"](
        ASK.model_copy(update={"overrides": {"background": "the source cannot leave"}}), PERSON
    )
    await floor.over()
    assert floor.done() == ["qc-run daily-flood", "start", "acknowledge"]
    assert floor.asked[0][1]["overrides"] == {"background": "the source cannot leave"}


async def test_no_source_comes_into_a_room_whose_background_is_not_in_limits() -> None:
    floor = Floor()
    floor.levels["camera-background"] = Level.ACTION
    await floor.verbs["qc-begin"](ASK, PERSON)
    told = await floor.over()
    assert (told["stage"], "is action" in told["why"]) == ("stopped", True)
    assert "qc-run daily-flood" not in floor.done()


async def test_a_patient_on_the_bed_is_refused_in_words_before_anything_is_prepared() -> None:
    floor = Floor()
    floor.bed.patient_lies_down()
    with pytest.raises(RefusedError, match="a patient is on the bed"):
        await floor.verbs["qc-begin"](ASK, PERSON)
    plan = await floor.verbs["qc-plan"](QcPlan(), PERSON)
    assert (floor.asked, "a patient is on the bed" in plan["against"][0]) == ([], True)


async def test_what_the_station_refuses_is_told_to_who_pressed_and_no_round_is_left() -> None:
    floor = Floor()
    floor.refuses = RefusedError("LEHR is needed, MEGP is mounted")
    with pytest.raises(RefusedError, match="MEGP is mounted"):
        await floor.verbs["qc-begin"](ASK, PERSON)
    assert (await floor.verbs["qc-round"](Arguments(), PERSON))["round"] is None


async def test_a_rate_outside_of_the_range_stops_it_and_says_so() -> None:
    floor = Floor()
    floor.books.enter("camera-background", Level.IN_LIMITS, ago_h=1)
    floor.wrong_rate, floor.levels["daily-flood"] = "head 0 counts 12 cps, and 1,000 are wanted", Level.NOT_EVALUABLE
    await floor.verbs["qc-begin"](ASK, PERSON)
    told = await floor.over()
    assert floor.done()[-2:] == ["stop", "acknowledge"]
    assert told["parts"][0]["level"] == "not evaluable"


async def test_one_that_is_given_up_has_no_result() -> None:
    floor = Floor()
    floor.ends["camera-background"], floor.detail = State.ABORTED, "aborted by berta"
    await floor.verbs["qc-begin"](ASK, PERSON)
    told = await floor.over()
    assert (told["stage"], "aborted by berta" in told["why"]) == ("stopped", True)


async def test_only_one_is_under_way_at_a_time() -> None:
    floor = Floor(simulated=False)
    await floor.verbs["qc-begin"](ASK, PERSON)
    await floor.until(lambda told: told["stage"] == "place-source")
    with pytest.raises(RefusedError, match="camera-background is under way, begun by anna"):
        await floor.verbs["qc-begin"](ASK, PERSON)
    await floor.rounds.close()


async def test_the_plan_proposes_the_source_that_fits_with_its_activity_of_now() -> None:
    floor = Floor()
    floor.books.register(serial="S-OLD", activity="10 MBq")
    plan = await floor.verbs["qc-plan"](QcPlan(), PERSON)
    assert (plan["test"], plan["source"], [part["test"] for part in plan["parts"]]) == (
        "daily-flood", "S-1", ["camera-background", "daily-flood"],
    )  # fmt: skip
    assert plan["sources"][0]["now_mbq"] == pytest.approx(370.0 * 0.5 ** (62.875 / 271.8), rel=0.01)


async def test_calling_a_physicist_is_an_alarm_that_rings_nobody_up() -> None:
    floor = Floor()
    document = floor.books.enter("daily-flood", Level.SUSPENSION, ago_h=0)
    await floor.verbs["qc-call"](QcCall(result=document.id, text="a dead tube"), PERSON)
    (alarm,) = floor.alarms.active()
    assert "anna asks a physicist to look at daily-flood, suspension: a dead tube" in alarm.text
    assert "nobody was rung up" in alarm.guidance


# Files of reports


@pytest.mark.parametrize(("kind", "media"), [("html", "text/html; charset=utf-8"), ("pdf", "application/pdf")])
async def test_a_report_does_nothing_in_the_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, media: str
) -> None:
    made = tmp_path / "made"
    made.write_text("<script>alert(1)</script>")
    asked: list[tuple[str, dict[str, object]]] = []

    async def done(_: Desk, verb: str, args: dict[str, object], __: Actor) -> dict[str, object]:
        asked.append((verb, args))
        return {"file": str(made), "media_type": media, "name": f"report.{kind}"}

    monkeypatch.setattr(Desk, "__call__", done)
    here = room(tmp_path)
    async with here.signed_in(role=Role.VIEWER) as browser:
        answer = await browser.get(f"/api/v1/files/qc/some-result/report.{kind}")
        climbing = await browser.get(f"/api/v1/files/qc/..%2f..%2fetc/report.{kind}")
        other = await browser.get("/api/v1/files/qc/some-result/report.exe")
        number = await browser.get("/api/v1/files/qc/some-result/pictures/x.png")
    async with here.browser() as stranger:
        refused = await stranger.get(f"/api/v1/files/qc/some-result/report.{kind}")

    assert (answer.status_code, other.status_code, number.status_code, refused.status_code) == (200, 404, 404, 401)
    assert asked[0] == ("qc-report", {"result": "some-result", "kind": kind})
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:") is (kind == "html")
    assert "script-src 'unsafe" not in policy
    assert answer.headers["content-disposition"].startswith("attachment" if kind == "pdf" else "inline")
    assert (
        climbing.status_code == 404 or asked[1][1]["result"] == "../../etc"
    )  # a name, which the books know nothing of
