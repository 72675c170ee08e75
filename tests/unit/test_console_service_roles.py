"""Who may change equipment from the console: service raises and sets, a physicist signs; nobody below, and logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from support_gateway import key, room
from support_run import Axes, Daemon

from daq.errors import AccessError, UsageError
from daq.model.controlled import CONTROLLED
from daq.model.station import Actor, Role
from daq.model.verbs import ALWAYS, VERBS, checked
from daq.services.station import Parts, Station

STEP = {"folder": "heads", "calibration": "new", "sha256": "0" * 64, "reason": "the flood was even"}
ASKED: dict[str, tuple[Role, dict[str, Any]]] = {
    "set": (Role.SERVICE, {"device": "board", "name": "threshold", "value": 12.0}),
    "act": (Role.SERVICE, {"device": "board", "action": "reset"}),
    "arm-voltage": (Role.SERVICE, {"device": "bias", "volts": 55.0, "valid_s": 60.0}),
    "raise-voltage": (Role.SERVICE, {"device": "bias", "volts": 55.0}),
    "calibration-sign": (Role.PHYSICIST, STEP),
    "calibration-activate": (Role.PHYSICIST, STEP),
    "calibration-roll-back": (Role.PHYSICIST, STEP),
}
ROLES = [(verb, role) for verb in ASKED for role in Role]


class Lines:
    """An audit log in memory; it also knows the patient of no run."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    async def write(self, actor: Actor, verb: str, what: str, **told: Any) -> None:
        self.note(actor, verb, what, **told)

    def note(self, actor: Actor, verb: str, _: str, **told: Any) -> None:
        self.lines.append((f"{actor.user} at the {actor.origin}", verb, told["result"]))

    def redacted(self, text: str) -> str:
        return text


class World:
    """A station whose equipment notes what it is told to do."""

    def __init__(self, folder: Path) -> None:
        self.done: list[str] = []
        self.daemon, self.audit = Daemon(folder, motion=Axes()), Lines()
        daemon = self.daemon
        self.station = Station(Parts(
            daemon.machine, daemon.bus, daemon.alarms, cast("Any", self.audit), cast("Any", daemon.motion),
            cast("Any", self.audit), self.lowered, further={verb: self.doing(verb) for verb in ASKED},
        ))  # fmt: skip

    def doing(self, verb: str) -> Any:
        async def do(_: Any, __: Actor) -> dict[str, Any]:
            self.done.append(verb)
            return {}

        return do

    async def lowered(self, device: str | None, volts: float) -> dict[str, Any]:
        self.done.append(f"lower {device} {volts:g}")
        return {}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.daemon.close()


@pytest.mark.parametrize(("verb", "role"), ROLES, ids=[f"{verb} by {role.name.lower()}" for verb, role in ROLES])
async def test_the_role_decides_at_the_station_whatever_the_screen_shows(world: World, verb: str, role: Role) -> None:
    least, args = ASKED[verb]
    who = Actor("kim", "console", role)

    if role >= least:
        await world.station.command(verb, dict(args), who)
    else:
        with pytest.raises(AccessError, match=rf"kim \({role.name.lower()}\) may not {verb}: that needs"):
            await world.station.command(verb, dict(args), who)

    allowed = role >= least
    assert world.done == [verb] * allowed
    assert world.audit.lines[-1] == ("kim at the console", verb, "done" if allowed else "refused")


@pytest.mark.parametrize("verb", sorted(ASKED))
async def test_over_http_nobody_below_changes_anything_nor_gets_control_by_trying(tmp_path: Path, verb: str) -> None:
    least, args = ASKED[verb]
    here = room(tmp_path)

    for role in (role for role in Role if role < least):
        async with here.signed_in(f"a-{role.name.lower()}", role) as browser:
            answer = await browser.post(f"/api/v1/commands/{verb}", json=args, headers=key())
        assert (answer.status_code, answer.json()["kind"]) == (403, "AccessError")

    assert here.desk.done == []
    assert here.gateway.control.holder is None
    async with here.signed_in("sam", Role.SERVICE) as browser:
        assert (await browser.post(f"/api/v1/commands/{verb}", json=args, headers=key())).status_code == 200
    assert here.desk.verbs() == [verb]
    assert (here.gateway.control.holder is not None) == (verb in CONTROLLED)


async def test_a_viewer_takes_voltage_down_at_any_time(world: World) -> None:
    await world.station.command("lower-voltage", {}, Actor("guest", "console", Role.VIEWER))

    assert world.done == ["lower None 0"]
    assert "lower-voltage" in ALWAYS


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, None])
def test_what_is_no_number_is_not_set(value: Any) -> None:
    with pytest.raises(UsageError, match="set: value"):
        checked("set", {"device": "board", "name": "threshold", "value": value}, Actor("sam", "console", Role.SERVICE))


def test_what_raises_sets_or_acts_needs_service_and_control() -> None:
    for verb in ("set", "act", "arm-voltage", "raise-voltage"):
        assert VERBS[verb][1] is Role.SERVICE
        assert verb in CONTROLLED
