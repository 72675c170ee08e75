"""Which console holds control: every way to get it, to lose it, and who is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_gateway import key, room

from daq.errors import ControlHeldError, RefusedError, UsageError
from daq.model.controlled import CONTROLLED
from daq.model.station import Role
from daq.model.verbs import ALWAYS, ASKING, VERBS
from daq.state.consolecontrol import GONE_S, NOTICE_S, OWN_GONE_S, Console, ConsoleControl

KELLER, WEBER, MEIER = Console("a", "keller"), Console("b", "weber"), Console("c", "meier")


def held(by: Console = KELLER) -> ConsoleControl:
    return ConsoleControl(by)


def test_the_first_command_takes_control_and_the_next_finds_it_taken() -> None:
    control = ConsoleControl()

    change = control.claim(KELLER)

    assert change is not None
    assert (change.what, control.holder) == ("taken", KELLER)
    assert control.claim(KELLER) is None
    with pytest.raises(ControlHeldError, match="keller holds control"):
        control.claim(WEBER)


def test_control_passes_after_ten_seconds_of_notice_and_not_before() -> None:
    control = held()

    change = control.take(WEBER, "urgent patient", 100.0)

    assert change is not None
    assert (change.what, control.holder, control.left_s(104.0)) == ("requested", KELLER, NOTICE_S - 4.0)
    assert control.tick(100.0 + NOTICE_S - 0.01) is None
    passed = control.tick(100.0 + NOTICE_S)
    assert passed is not None
    assert (passed.old, passed.new, passed.reason) == (KELLER, WEBER, "urgent patient")
    assert control.wish is None


def test_taking_from_somebody_needs_a_reason_and_one_may_ask_at_a_time() -> None:
    control = held()

    with pytest.raises(UsageError, match="reason"):
        control.take(WEBER, "  ", 0.0)
    control.take(WEBER, "x", 0.0)
    assert control.take(WEBER, "x", 1.0) is None
    assert control.left_s(1.0) == NOTICE_S - 1.0
    with pytest.raises(RefusedError, match="weber has asked"):
        control.take(MEIER, "y", 1.0)


def test_a_holder_whose_browser_has_gone_for_a_minute_is_replaced_without_notice() -> None:
    control = held()
    assert control.take(WEBER, "x", 0.0, gone_s=GONE_S - 1.0) is not None
    assert control.holder == KELLER

    other = held()
    other.take(WEBER, "x", 0.0, gone_s=GONE_S)
    assert other.holder == WEBER


def test_whoever_closed_the_browser_that_held_control_goes_on_at_another_one() -> None:
    control = ConsoleControl(KELLER)
    again = Console("another", KELLER.user)

    with pytest.raises(ControlHeldError, match="you hold control at another browser"):
        control.claim(again, gone_s=OWN_GONE_S - 0.1)
    with pytest.raises(ControlHeldError, match=KELLER.user):
        control.claim(WEBER, gone_s=GONE_S)
    change = control.claim(again, gone_s=OWN_GONE_S)

    assert change is not None
    assert (change.what, change.old, change.new, control.holder) == ("taken", KELLER, again, again)


def test_nobody_takes_control_along_past_somebody_who_has_asked_for_it() -> None:
    control = ConsoleControl(KELLER)
    control.take(WEBER, "to help", 0.0)

    with pytest.raises(ControlHeldError):
        control.claim(Console("another", KELLER.user), gone_s=GONE_S)


def test_whoever_asked_and_has_gone_does_not_get_control() -> None:
    control = held()
    control.take(WEBER, "x", 0.0)

    change = control.tick(NOTICE_S, there=False)

    assert change is not None
    assert (change.what, control.holder, control.wish) == ("withdrawn", KELLER, None)


def test_control_is_given_back_to_nobody_or_to_whoever_has_asked() -> None:
    control = held()
    assert control.release(KELLER).new is None
    with pytest.raises(RefusedError, match="nobody holds"):
        control.release(KELLER)

    asked = held()
    asked.take(WEBER, "x", 0.0)
    assert asked.release(KELLER).new == WEBER


def test_control_is_handed_over_by_its_holder_alone_and_to_somebody_else() -> None:
    control = held()

    with pytest.raises(ControlHeldError):
        control.hand_over(WEBER, MEIER)
    with pytest.raises(UsageError):
        control.hand_over(KELLER, KELLER)
    assert control.hand_over(KELLER, WEBER).old == KELLER
    assert control.holder == WEBER


def test_control_is_free_when_the_session_of_its_holder_ends() -> None:
    control = held()
    assert control.ended("b", "x") is None
    change = control.ended("a", "signed out")
    assert change is not None
    assert (change.what, control.holder) == ("lost", None)


def test_what_stops_something_never_needs_control_nor_does_asking() -> None:
    assert VERBS.keys() >= CONTROLLED
    assert not CONTROLLED & ALWAYS
    assert not CONTROLLED & ASKING


async def test_two_consoles_one_commands_the_other_is_told_who_does(tmp_path: Path) -> None:
    here = room(tmp_path)
    one, other = here.signed_in("keller"), here.signed_in("weber")

    assert (await one.post("/api/v1/commands/mark", json={"text": "a"}, headers=key())).status_code == 200
    refused = await other.post("/api/v1/commands/mark", json={"text": "b"}, headers=key())
    stopped = await other.post("/api/v1/commands/stop", json={})
    books = await other.post("/api/v1/commands/acknowledge-alarm", json={"device": "a", "name": "b"}, headers=key("2"))

    assert (refused.status_code, refused.json()["kind"]) == (423, "ControlHeldError")
    assert "keller holds control" in refused.json()["detail"]
    assert [stopped.status_code, books.status_code] == [200, 200]
    assert here.desk.verbs() == ["mark", "stop", "acknowledge-alarm"]
    assert [line["result"] for line in here.notes.of("mark")] == ["refused"]
    assert [line["what"] for line in here.notes.of("control")] == ["taken"]


async def test_what_would_be_refused_anyway_gives_nobody_control(tmp_path: Path) -> None:
    here = room(tmp_path)
    viewer, technologist = here.signed_in("guest", Role.VIEWER), here.signed_in("keller")

    assert (await viewer.post("/api/v1/commands/start", json={}, headers=key())).status_code == 403
    assert (await technologist.post("/api/v1/commands/start", json={"x": 1}, headers=key())).status_code == 422
    assert (await viewer.get("/api/v1/control")).json()["holder"] is None
    assert (await viewer.post("/api/v1/control", json={"action": "take"})).status_code == 403


async def test_control_is_asked_for_and_passes_while_everybody_is_told(tmp_path: Path) -> None:
    here = room(tmp_path)
    one, other = here.signed_in("keller"), here.signed_in("weber")
    await one.post("/api/v1/control", json={"action": "take"})

    asked = (await other.post("/api/v1/control", json={"action": "take", "reason": "urgent"})).json()
    here.clock.now_s += 4.0
    await other.get("/api/v1/session")
    seen = (await one.get("/api/v1/control")).json()
    here.clock.now_s += 6.0
    here.gateway.control.tick()

    assert (asked["request"]["user"], asked["holder"]["user"]) == ("weber", "keller")
    assert (seen["request"]["left_s"], seen["request"]["reason"]) == (6.0, "urgent")
    assert (await one.get("/api/v1/control")).json()["holder"]["user"] == "weber"
    assert [line["what"] for line in here.notes.of("control")] == ["taken", "requested", "taken"]
    assert here.notes.of("control")[-1]["reason"] == "urgent"


async def test_control_is_handed_to_somebody_who_looks_at_a_console(tmp_path: Path) -> None:
    here = room(tmp_path)
    here.desk.patient = True
    one, other, guest = here.signed_in("keller"), here.signed_in("weber"), here.signed_in("guest", Role.VIEWER)
    await one.post("/api/v1/control", json={"action": "take"})
    sessions = {each.user: each for each in here.gateway.sessions.going_on()}

    gone = await one.post("/api/v1/control", json={"action": "hand-over", "to": "weber"})
    with here.gateway.control.watching(sessions["weber"]), here.gateway.control.watching(sessions["guest"]):
        others = (await one.get("/api/v1/control")).json()["others"]
        viewer = await one.post("/api/v1/control", json={"action": "hand-over", "to": "guest"})
        given = await one.post("/api/v1/control", json={"action": "hand-over", "to": others[0]["session"]})

    assert [gone.status_code, viewer.status_code, given.status_code] == [404, 404, 200]
    assert [each["user"] for each in others] == ["weber"]
    assert given.json()["holder"]["user"] == "weber"
    assert (await other.get("/api/v1/control")).status_code == (await guest.get("/api/v1/control")).status_code == 200


async def test_nobody_is_forgotten_on_the_bed(tmp_path: Path) -> None:
    here = room(tmp_path)
    one = here.signed_in("keller")
    await one.post("/api/v1/control", json={"action": "take"})
    here.desk.patient = True

    out = await one.delete("/api/v1/session")
    back = await one.post("/api/v1/control", json={"action": "release"})
    with_reason = await one.post("/api/v1/control", json={"action": "release", "reason": "colleague is in the room"})

    assert (out.status_code, back.status_code, with_reason.status_code) == (409, 409, 200)
    assert "patient is on the bed" in out.json()["detail"]
    assert (await one.delete("/api/v1/session")).status_code == 200


async def test_a_role_that_is_lowered_takes_control_away_at_once(tmp_path: Path) -> None:
    here = room(tmp_path)
    one = here.signed_in("keller")
    await one.post("/api/v1/control", json={"action": "take"})

    session = here.gateway.sessions.going_on()[0]
    session.role = Role.VIEWER
    here.gateway.control.role_changed(session)

    assert (await one.get("/api/v1/control")).json()["holder"] is None
