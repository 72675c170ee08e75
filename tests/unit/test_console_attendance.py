"""Who is signed in at the consoles, and the end of a session that somebody left open."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_gateway import room

from daq.errors import MissingError, RefusedError
from daq.gateway.attendance import Attendance
from daq.gateway.sessionfile import content_of, restore, save
from daq.gateway.sessions import Sessions
from daq.model.arguments import Arguments
from daq.model.console.service_verbs import ConsoleSessionEnd
from daq.model.station import Actor, Role

SERVICE = Actor("root", "console", Role.SERVICE)


async def test_service_sees_who_is_signed_in_and_who_holds_control(tmp_path: Path) -> None:
    here = room(tmp_path)
    keller = here.gateway.sessions.find(here.gateway.sessions.begin("keller", Role.TECHNOLOGIST))
    weber = here.gateway.sessions.find(here.gateway.sessions.begin("weber", Role.VIEWER))
    assert keller is not None
    assert weber is not None
    here.gateway.control.claim("mark", keller)
    here.clock.now_s += 90.0
    with here.gateway.control.watching(weber):
        told = (await Attendance(here.gateway.sessions, here.gateway.control).told(Arguments(), SERVICE))["sessions"]

    assert [(each["user"], each["pages"], each["in_control"], each["idle_s"]) for each in told] == [
        ("weber", 1, False, 90), ("keller", 0, True, 90),
    ]  # fmt: skip
    assert all(each["since_utc"].endswith("Z") for each in told)


async def test_a_session_is_ended_with_a_reason_that_its_browser_is_told_but_not_with_a_patient_alone(
    tmp_path: Path,
) -> None:
    here = room(tmp_path)
    cookie = here.gateway.sessions.begin("keller", Role.TECHNOLOGIST)
    keller = here.gateway.sessions.find(cookie)
    assert keller is not None
    here.gateway.control.claim("mark", keller)
    attendance = Attendance(here.gateway.sessions, here.gateway.control)
    asked = ConsoleSessionEnd(session=keller.number, reason="went home")

    here.desk.patient = True
    with pytest.raises(RefusedError, match="a patient is on the bed"):
        await attendance.end(asked, SERVICE)
    here.desk.patient = False
    await attendance.end(asked, SERVICE)

    told = (await here.browser(cookie).get("/api/v1/session")).json()
    assert (told["signed_in"], told["ended"]) == (False, "root has ended it: went home")
    assert here.gateway.control.holder is None
    stopped = await here.browser(cookie).post("/api/v1/commands/stop-motion", json={})
    assert stopped.status_code == 200
    with pytest.raises(MissingError, match="has ended already"):
        await attendance.end(asked, SERVICE)


def test_since_when_somebody_is_signed_in_is_known_after_a_restart(tmp_path: Path) -> None:
    before, after = Sessions(), Sessions()
    before.begin("keller", Role.TECHNOLOGIST)
    save(tmp_path / "kept", content_of(before, None))

    restore(tmp_path / "kept", after)

    assert after.going_on()[0].begun_utc == before.going_on()[0].begun_utc != ""
