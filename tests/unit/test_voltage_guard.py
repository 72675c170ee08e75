"""An open cover takes down the supplies of its own head and of no other one, verified; a trip takes its group down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support_high_voltage import TECH, UP_S
from support_virtual import VirtualLoop, virtually

from daq.devices.simulated.head import SimulatedHead
from daq.devices.simulated.supply import SimulatedHighVoltage
from daq.devices.simulated.wire import Wire
from daq.errors import InterlockError, ScandaqError
from daq.model.station import Reading, utc_now
from daq.services.bus import Bus
from daq.services.motion import InterlockWatch
from daq.services.voltageguard import GuardedSupply, VoltageGuard
from daq.state.interlock import Kind


class Alarms:
    """Keeps what was raised, and what was cleared."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str, str]] = []
        self.cleared: list[tuple[str, str]] = []

    def raise_(
        self, device: str, name: str, *, priority: Any, text: str, guidance: str, latched: bool = True,
        details: str = "",
    ) -> None:  # fmt: skip
        assert guidance
        self.said.append((device, name, priority, text))

    def clear(self, device: str, name: str) -> None:
        self.cleared.append((device, name))

    def named(self, name: str) -> list[tuple[str, str]]:
        return [(device, text) for device, which, _, text in self.said if which == name]


class Camera:
    """Two heads, each with a cover and a supply; a third supply feeds both. Covers are wired to nothing here."""

    def __init__(self, loop: VirtualLoop, **groups: str) -> None:
        self.bus, self.alarms, self.marks = Bus(), Alarms(), list[str]()
        self.heads = {name: SimulatedHead(name, clock=loop.time) for name in ("front", "back")}
        of = {"front_hv": "front", "back_hv": "back", "common_hv": None}
        self.supplies = {name: SimulatedHighVoltage(name, clock=loop.time) for name in of}
        self.watch = InterlockWatch(self.heads, self.bus, heads={n: n for n in self.heads}, clock=loop.time)
        for name, supply in self.supplies.items():
            supply.guard_by(lambda name=name: self.watch.of_head(of[name]))  # type: ignore[misc]
        guarded = {n: GuardedSupply(each, of[n], groups.get(n)) for n, each in self.supplies.items()}
        self.guard = VoltageGuard(guarded, self.watch, self.bus, self.alarms)
        self.guard.marked = self.marks.append

    async def up(self, *names: str, volts: float = 400.0) -> None:
        for name in names:
            await self.supplies[name].arm(TECH, protocol_max_v=1000.0)
            await self.supplies[name].ramp_to(volts, within_s=UP_S, actor=TECH)

    def true_v(self) -> dict[str, float]:
        return {name: round(supply.supply.true_v()) for name, supply in self.supplies.items()}

    def trouble(self, name: str, text: str) -> None:
        self.bus.announce(Reading(name, "trouble", text, "", "good", utc_now()))


def on_a_camera(body: Callable[[Camera], Coroutine[Any, Any, None]], **groups: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        camera = Camera(loop, **groups)
        await camera.watch.refresh()
        tasks = [asyncio.create_task(each(), name="service") for each in (camera.watch.run, camera.guard.run)]
        await body(camera)
        for task in tasks:
            task.cancel()

    virtually(main)


def test_an_open_cover_takes_down_its_own_head_and_what_feeds_both() -> None:
    async def body(camera: Camera) -> None:
        await camera.up("front_hv", "back_hv", "common_hv")
        camera.heads["front"].open_cover()
        await asyncio.sleep(30.0)

        assert camera.true_v() == {"front_hv": 0, "back_hv": 400, "common_hv": 0}
        assert not camera.guard.lowering
        assert {device for device, _ in camera.alarms.named("taken-down")} == {"front_hv", "common_hv"}
        assert "high voltage front_hv is taken down: front.service_cover is open" in camera.marks
        assert camera.alarms.named("not-lowered") == []
        await camera.supplies["back_hv"].ramp_to(500.0, within_s=UP_S, actor=TECH)  # its own cover is closed
        with pytest.raises(InterlockError, match="not armed"):
            await camera.supplies["front_hv"].ramp_to(100.0, within_s=UP_S, actor=TECH)
        with pytest.raises(InterlockError, match=r"front\.service_cover is open"):
            await camera.up("front_hv")

    on_a_camera(body)


def test_a_head_that_gets_too_warm_loses_its_voltage() -> None:
    async def body(camera: Camera) -> None:
        await camera.up("front_hv", "back_hv")
        camera.heads["back"].surround(50.0, 1.0)
        await asyncio.sleep(30.0)

        assert camera.true_v() == {"front_hv": 400, "back_hv": 0, "common_hv": 0}
        assert camera.alarms.named("taken-down") == [("back_hv", "back_hv is taken down: back.temperature is open")]

    on_a_camera(body)


def test_what_does_not_obey_is_told_until_it_is_off_and_alarmed_while_it_is_not() -> None:
    async def body(camera: Camera) -> None:
        await camera.up("front_hv")
        camera.supplies["front_hv"].simulate("cut-wire")
        camera.heads["front"].open_cover()
        await asyncio.sleep(120.0)

        assert camera.guard.lowering == {"front_hv"}
        [(_, text), *_] = camera.alarms.named("not-lowered")
        assert "front_hv is not verified to be off though front.service_cover is open" in text
        camera.heads["front"].close_cover()  # what was begun is seen through all the same
        camera.supplies["front_hv"].simulate("mend-wire")
        await asyncio.sleep(90.0)
        assert camera.true_v()["front_hv"] == 0
        assert not camera.guard.lowering
        assert ("front_hv", "not-lowered") in camera.alarms.cleared

    on_a_camera(body)


def test_silence_takes_nothing_down_and_lets_nothing_be_raised() -> None:
    async def body(camera: Camera) -> None:
        await camera.up("front_hv")
        camera.heads["front"].simulate("cut-wire")
        await asyncio.sleep(60.0)

        assert camera.true_v()["front_hv"] == 400
        with pytest.raises(InterlockError, match="is fresh"):
            await camera.up("front_hv", volts=500.0)
        assert camera.true_v()["front_hv"] == 400

    on_a_camera(body)


def test_a_cover_that_is_open_when_the_daemon_comes_takes_down_what_it_finds_high() -> None:
    async def main(loop: VirtualLoop) -> None:
        camera = Camera(loop)
        await camera.watch.refresh()
        watching = asyncio.create_task(camera.watch.run(), name="watch")
        await camera.up("front_hv")
        camera.heads["front"].open_cover()
        await asyncio.sleep(5.0)
        assert camera.true_v()["front_hv"] == 400
        guarding = asyncio.create_task(camera.guard.run(), name="guard")
        await asyncio.sleep(30.0)
        assert camera.true_v()["front_hv"] == 0
        for task in (watching, guarding):
            task.cancel()

    virtually(main)


def test_a_guard_that_ends_leaves_voltages_as_they_are() -> None:
    async def main(loop: VirtualLoop) -> None:
        camera = Camera(loop)
        await camera.watch.refresh()
        tasks = [asyncio.create_task(each(), name="service") for each in (camera.watch.run, camera.guard.run)]
        await camera.up("front_hv", "back_hv")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(60.0)
        assert camera.true_v() == {"front_hv": 400, "back_hv": 400, "common_hv": 0}

    virtually(main)


@pytest.mark.parametrize(("groups", "stays"), [({}, 400), ({"front_hv": "heads", "back_hv": "heads"}, 0)])
def test_a_trip_takes_its_group_down_and_by_default_nobody(groups: dict[str, str], stays: int) -> None:
    async def body(camera: Camera) -> None:
        await camera.up("front_hv", "back_hv", "common_hv")
        camera.supplies["front_hv"].supply.trip("over-current trip")
        camera.trouble("front_hv", "over-current trip")
        await asyncio.sleep(30.0)

        assert camera.true_v() == {"front_hv": 0, "back_hv": stays, "common_hv": 400}
        assert camera.marks[0] == "high voltage front_hv: over-current trip"
        camera.trouble("front_hv", "over-current trip")
        assert len([mark for mark in camera.marks if mark.startswith("high voltage front_hv: ")]) == 1

    on_a_camera(body, **groups)


def test_what_a_person_raises_at_the_front_panel_behind_an_open_cover_is_taken_down() -> None:
    async def body(camera: Camera) -> None:
        camera.heads["front"].open_cover()
        await asyncio.sleep(5.0)
        for name in ("front_hv", "back_hv"):
            supply = camera.supplies[name].supply
            await supply.set_v(300.0)
            await supply.switch_on()
            await asyncio.sleep(10.0)
            camera.bus.announce(Reading(name, "voltage", supply.true_v(), "V", "good", utc_now()))
        await asyncio.sleep(30.0)

        assert camera.true_v() == {"front_hv": 0, "back_hv": 300, "common_hv": 0}
        assert camera.alarms.named("taken-down") == [
            ("front_hv", "front_hv is taken down: front.service_cover is open")
        ]

    on_a_camera(body)


def test_a_driver_that_raises_something_odd_is_taken_down_all_the_same() -> None:
    async def body(camera: Camera) -> None:
        await camera.up("front_hv")

        async def odd() -> float:
            raise OSError("input/output error")

        camera.supplies["front_hv"].read_v = odd  # type: ignore[method-assign]
        camera.heads["front"].open_cover()
        await asyncio.sleep(30.0)

        assert camera.true_v()["front_hv"] == 0

    on_a_camera(body)


def test_of_two_readings_of_a_contact_the_one_that_was_asked_for_later_counts() -> None:
    answers = iter([(0.25, True), (0.0, False)])

    class Contact:
        interlock_kinds = frozenset({Kind.SERVICE_COVER})

        async def interlocks(self) -> dict[Kind, bool]:
            took_s, closed = next(answers)
            await asyncio.sleep(took_s)
            return {Kind.SERVICE_COVER: closed}

    async def main(loop: VirtualLoop) -> None:
        watch = InterlockWatch({"cover": Contact()}, Bus(), clock=loop.time)  # type: ignore[dict-item]
        first = asyncio.create_task(watch.refresh())
        await asyncio.sleep(0.1)
        await watch.refresh()
        await first

        assert [each.value for each in watch.current()] == [False]

    virtually(main)


def test_a_raise_that_is_taken_back_and_not_verified_rings_until_it_is() -> None:
    async def body(camera: Camera) -> None:
        await camera.up("front_hv", volts=300.0)
        supply = camera.supplies["front_hv"]
        raising = asyncio.create_task(supply.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(3.5)
        supply.supply.line.state = Wire.CUT
        with pytest.raises(ScandaqError):
            await raising
        ((device, text),) = camera.alarms.named("not-taken-back")
        assert (device, "not verified to be lowered to 300 V" in text) == ("front_hv", True)
        assert ("front_hv", "not-taken-back") not in camera.alarms.cleared
        supply.supply.line.state = Wire.GOOD
        await asyncio.sleep(20.0)

        assert ("front_hv", "not-taken-back") in camera.alarms.cleared
        assert camera.true_v()["front_hv"] == 300

    on_a_camera(body)
