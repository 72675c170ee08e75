"""Calibrations at the console: a physicist signs, activates and takes back what he looked at; lists and log say so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support_cameras import made
from support_run import Axes, Daemon

from daq.composition.servicedesk import ServiceDesk
from daq.devices.instruments.wiring import Controllers
from daq.errors import AccessError, MissingError, ProfileError, RefusedError, ScandaqError, UsageError
from daq.model.station import Actor, Role
from daq.services.revisions import Revisions
from daq.services.station import Parts, Station
from device_profiles.calibrations import write_calibration
from device_profiles.cameracalibrations import (
    CalibrationCheck,
    load_camera_calibration,
    write_camera_calibration,
    write_check,
)
from device_profiles.lifecycle import FILE, begin

PHYSICIST = Actor("petra", "console", Role.PHYSICIST)
WHY = "the flood was even"
SAID = {"user": "x", "by": "x", "at_utc": "2021-03-01T12:00:00Z", "reason": "commissioning"}


def put(folder: Path, name: str, hour: int, *, kind: str = "peaking", passed: bool | None = True) -> None:
    path = folder / f"{name}.toml"
    write_camera_calibration(path, made(kind, name, made_utc=f"2021-03-01T{hour:02d}:00:00Z"))
    if passed is not None:
        write_check(path, CalibrationCheck(
            calibration=name, sha256=load_camera_calibration(path).sha256, acquisition=f"check-of-{name}",
            checked_utc=f"2021-03-01T{hour:02d}:30:00Z", passed=passed, reason="peak off by 0.2 %",
        ))  # fmt: skip


class Lines:
    """An audit log in memory; it also knows the patient of no run."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str, str]] = []
        self.whats: list[str] = []

    async def write(self, actor: Actor, verb: str, what: str, **told: Any) -> None:
        self.note(actor, verb, what, **told)

    def note(self, actor: Actor, verb: str, what: str, **told: Any) -> None:
        self.lines.append((actor.user, verb, told["result"], told["reason"]))
        self.whats.append(what)

    def redacted(self, text: str) -> str:
        return text


async def lowered(device: str | None, volts: float) -> dict[str, Any]:
    raise AssertionError(f"{device} to {volts} V: nobody asked for that")


class World:
    """A station with two folders of calibrations, asked as from the console."""

    def __init__(self, folder: Path) -> None:
        self.heads, self.ring = folder / "heads", folder / "ring"
        self.heads.mkdir()
        self.ring.mkdir()
        put(self.heads, "old", 8)
        put(self.heads, "new", 9)
        self.revisions = Revisions()
        site = SimpleNamespace(head_calibrations=self.heads, calibrations=self.ring, storage=folder)
        self.desk = ServiceDesk(cast("Any", site), cast("Controllers", {}), {}, self.revisions)
        self.daemon, self.audit = Daemon(folder, motion=Axes()), Lines()
        daemon = self.daemon
        self.station = Station(Parts(
            daemon.machine, daemon.bus, daemon.alarms, cast("Any", self.audit), cast("Any", daemon.motion),
            cast("Any", self.audit), lowered, further=self.desk.handlers,
        ))  # fmt: skip

    def close(self) -> None:
        self.desk.close()
        self.daemon.close()

    async def rows(self, of: str = "heads") -> dict[str, dict[str, Any]]:
        told = cast("list[dict[str, Any]]", (await self.station.command("calibrations", {}, PHYSICIST))["folders"])
        folder = next(each for each in told if each["folder"] == of)
        assert folder["problem"] == ""
        return {row["calibration"]: row for row in folder["calibrations"]}

    async def states(self) -> dict[str, str]:
        return {name: row["state"] for name, row in (await self.rows()).items()}

    async def step(self, what: str, name: str, actor: Actor = PHYSICIST, **changed: Any) -> dict[str, Any]:
        args = {"folder": "heads", "calibration": name, "reason": WHY, **changed}
        if "sha256" not in args:
            args["sha256"] = (await self.rows())[name]["sha256"]
        return cast("dict[str, Any]", await self.station.command(f"calibration-{what}", args, actor))


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    made_one = World(tmp_path)
    begin(made_one.heads, **SAID)
    try:
        yield made_one
    finally:
        made_one.close()


async def test_from_signed_to_active_and_back_the_list_the_book_and_the_log_say_who_and_why(world: World) -> None:
    assert await world.states() == {"new": "verified", "old": "verified"}
    for name in ("old", "new"):
        await world.step("sign", name)
        told = await world.step("activate", name)
    assert (told["calibration"], told["other"]) == ("new", "old")
    assert {row["calibration"]: row["state"] for row in told["calibrations"]} == {"new": "active", "old": "superseded"}

    back = await world.step("roll-back", "new", reason="its flood has an edge")

    assert (back["calibration"], back["other"]) == ("new", "old")
    assert await world.states() == {"new": "rolled back", "old": "active"}
    row = (await world.rows())["new"]
    assert (row["by"], row["reason"]) == ("petra", "its flood has an edge")
    book = [json.loads(line) for line in (world.heads / FILE).read_text().splitlines()][1:]
    assert [(each["step"], each["calibration"], each["by"]) for each in book] == [
        ("signed", "old", "petra"), ("activated", "old", "petra"), ("signed", "new", "petra"),
        ("activated", "new", "petra"), ("rolled-back", "new", "petra"),
    ]  # fmt: skip
    assert [line for line in world.audit.lines if line[2] == "done"] == [
        ("petra", "calibration-sign", "done", WHY), ("petra", "calibration-activate", "done", WHY),
        ("petra", "calibration-sign", "done", WHY), ("petra", "calibration-activate", "done", WHY),
        ("petra", "calibration-roll-back", "done", "its flood has an edge"),
    ]  # fmt: skip
    assert all("new" in what or "old" in what for what in world.audit.whats)
    assert world.revisions.newest() == {"calibrations": 5}


@pytest.mark.parametrize("verb", ["sign", "activate", "roll-back"])
@pytest.mark.parametrize("role", [role for role in Role if role < Role.PHYSICIST])
async def test_whoever_is_less_than_a_physicist_takes_no_step_and_the_attempt_is_logged(
    world: World, verb: str, role: Role
) -> None:
    with pytest.raises(AccessError, match="needs physicist"):
        await world.step(verb, "new", Actor("tom", "console", role))

    assert await world.states() == {"new": "verified", "old": "verified"}
    assert world.audit.lines[-1][:3] == ("tom", f"calibration-{verb}", "refused")
    assert world.revisions.newest() == {}


async def test_nobody_takes_a_step_over_a_broker(world: World) -> None:
    with pytest.raises(AccessError, match="over MQTT"):
        await world.step("sign", "new", Actor("petra", "mqtt", Role.SERVICE))


async def test_another_file_than_was_looked_at_is_not_signed(world: World) -> None:
    seen = (await world.rows())["new"]["sha256"]
    for path in world.heads.glob("new*.toml"):
        path.unlink()
    put(world.heads, "new", 10)

    with pytest.raises(RefusedError, match="new is not what you looked at: its file has changed since; look again"):
        await world.step("sign", "new", sha256=seen)

    assert (await world.states())["new"] == "verified"
    assert world.audit.lines[-1][2] == "refused"


async def test_a_signed_file_that_became_another_is_neither_active_nor_hidden(world: World) -> None:
    await world.step("sign", "new")
    for path in world.heads.glob("new*.toml"):
        path.unlink()
    put(world.heads, "new", 10)

    with pytest.raises(ScandaqError, match="new"):
        await world.step("activate", "new")
    assert (await world.states())["old"] == "verified"
    assert "active" not in (await world.states()).values()


@pytest.mark.parametrize(
    ("steps", "last", "said"),
    [
        ((), "activate", "needs one that is signed"),
        ((), "roll-back", "new is verified|new is candidate|needs one that is active"),
        (("sign",), "roll-back", "needs one that is active"),
        (("sign", "activate"), "roll-back", "nothing was active before new"),
        (("sign", "activate"), "activate", "needs one that is signed"),
        (("sign",), "sign", "new is signed"),
    ],
)
async def test_steps_out_of_order_are_refused_and_change_nothing(
    world: World, steps: tuple[str, ...], last: str, said: str
) -> None:
    for each in steps:
        await world.step(each, "new")
    before = (world.heads / FILE).read_bytes()

    with pytest.raises(RefusedError, match=said):
        await world.step(last, "new")

    assert (world.heads / FILE).read_bytes() == before


async def test_what_was_not_verified_or_failed_is_not_signed(world: World) -> None:
    put(world.heads, "unchecked", 10, passed=None)
    put(world.heads, "failed", 11, passed=False)
    for name, said in (("unchecked", "was not checked"), ("failed", "failed its check")):
        with pytest.raises(RefusedError, match=said):
            await world.step("sign", name)


async def test_what_no_check_is_made_of_is_signed_with_what_verified_it_also_a_second_time(world: World) -> None:
    put(world.heads, "turned", 7, kind="centre-of-rotation", passed=None)
    put(world.heads, "turned-2", 8, kind="centre-of-rotation", passed=None)
    assert (await world.rows())["turned"]["names_check"]
    assert not (await world.rows())["new"]["names_check"]
    with pytest.raises(UsageError, match="what verified it"):
        await world.step("sign", "turned")
    for name in ("turned", "turned-2"):
        await world.step("sign", name, check="result cor-7")
        await world.step("activate", name)
    await world.step("roll-back", "turned-2")

    row = (await world.rows())["turned-2"]

    assert (row["state"], row["checked"], row["names_check"]) == ("rolled back", "result cor-7", True)


@pytest.mark.parametrize(
    "changed", [{"reason": ""}, {"reason": "x"}, {"sha256": "0" * 63}, {"folder": "elsewhere"}, {"calibration": "../x"}]
)
async def test_hostile_or_empty_arguments_are_not_understood(world: World, changed: dict[str, Any]) -> None:
    args = {"folder": "heads", "calibration": "new", "sha256": "0" * 64, "reason": WHY, **changed}
    with pytest.raises(UsageError):
        await world.station.command("calibration-sign", args, PHYSICIST)


async def test_a_calibration_or_a_folder_that_is_not_there_is_missing(world: World) -> None:
    with pytest.raises(MissingError, match="holds no calibration 'nobody'"):
        await world.step("sign", "nobody", sha256="0" * 64)
    world.desk._folders["instruments"] = None
    with pytest.raises(MissingError, match="no folder of calibrations of instruments"):
        await world.step("sign", "new", folder="instruments", sha256="0" * 64)


async def test_a_folder_without_a_life_cycle_lists_its_files_and_takes_no_step(world: World) -> None:
    (world.heads / FILE).unlink()

    rows = await world.rows()

    assert {name: row["state"] for name, row in rows.items()} == {"new": "newest", "old": "older"}
    with pytest.raises(RefusedError, match="keeps no life-cycle"):
        await world.step("sign", "new", sha256=load_camera_calibration(world.heads / "new.toml").sha256)


async def test_the_calibration_of_a_ring_is_listed_as_what_it_is_without_a_life_cycle(world: World) -> None:
    write_calibration(
        world.ring / "times.toml", id="times", instrument="ring", made_utc="2021-03-01T08:00:00Z", method="a cylinder",
        detectors=[0, 1], time_offset_ps=[3, -3],
    )  # fmt: skip

    row = (await world.rows("instruments"))["times"]

    assert (row["state"], row["reason"], row["of"]) == ("newest", "", "times and energies of ring")


async def test_one_folder_that_is_gone_or_damaged_says_so_and_the_other_is_shown(world: World) -> None:
    shutil.rmtree(world.ring)
    (world.heads / FILE).write_text("no line\n")

    told = cast("list[dict[str, Any]]", (await world.station.command("calibrations", {}, PHYSICIST))["folders"])

    problems = {each["folder"]: each["problem"] for each in told}
    assert "no such folder" in problems["instruments"]
    assert FILE in problems["heads"]
    with pytest.raises((RefusedError, ProfileError, ScandaqError)):
        await world.step("sign", "new", sha256="0" * 64)
