"""What happens when a contact of the safety controller opens while a voltage goes up, and while an axis moves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support_instruments import FRONT_SUPPLY, do
from support_simulators import Simulator, simulator

from daq.composition.equipment import controllers, scanner
from daq.composition.guarding import Guarding
from daq.devices.abilities import Axis, HighVoltage
from daq.devices.build import build_devices
from daq.devices.instruments.wiring import Wiring
from daq.errors import InterlockError, MotionError, ScandaqError
from daq.model.station import Actor, Role
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.motion.engine import MotionEngine
from daq.state.enable import Enable, Reference
from device_profiles.scanners import shipped_scanners
from device_profiles.site import load_site

EVE = Actor("eve", "local", Role.SERVICE)
SITE = """
schema = "site/0"
station = "bench"
storage = "recordings"
scanner = "./scanner.toml"

[controllers]
supply = {{ profile = "caen-n1470", url = "{hv}" }}
stage = {{ profile = "zaber-ascii", url = "{motors}" }}
safety = {{ profile = "modbus-plc", url = "{plc}" }}

[devices]
front_hv = {{ ability = "high_voltage", kind = "profile", controller = {{ name = "supply", channel = "1" }} }}
gantry = {{ ability = "axis", kind = "profile", controller = {{ name = "stage", channel = "1", per_unit = 1000.0 }} }}
room = {{ ability = "interlocks", kind = "profile", controller = {{ name = "safety" }} }}
button = {{ ability = "motion_enable", kind = "profile", controller = {{ name = "safety" }} }}

[devices.front]
ability = "interlocks"
kind = "profile"
head = "front"
controller = {{ name = "safety", channel = "1" }}

[devices.back]
ability = "interlocks"
kind = "profile"
head = "back"
controller = {{ name = "safety", channel = "2" }}
"""


@dataclass
class Bench:
    hv: Simulator
    motors: Simulator
    plc: Simulator

    def as_new(self) -> None:
        """Let a person put everything back in order."""
        do(self.plc, {"clear": True})
        for deed in ("thaw", "pull-stop", "leave-pad", "close-door", "power-back", "let-go"):
            do(self.plc, {"do": deed})
        for head in (1, 2):
            do(self.plc, {"do": "close-cover", "head": head})
            do(self.plc, {"do": "temperature", "head": head, "celsius": 22.0})


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with simulator("caen-n1470") as hv, simulator("zaber-ascii") as motors:
        wires = [
            each
            for event, deed in (("drive-power-off", "cut-power"), ("drive-power-on", "restore-power"))
            for each in ("--wire", event, motors.ready["faults"], json.dumps({"do": deed}))
        ]
        with simulator("modbus-plc", *wires) as plc:
            yield Bench(hv, motors, plc)


@dataclass
class Station:
    supply: HighVoltage
    engine: MotionEngine
    bench: Bench

    def plc(self, deed: str, **said: Any) -> None:
        do(self.bench.plc, {"do": deed, **said})

    @property
    def moves(self) -> bool:
        """Return whether the motor indeed moves."""
        return bool(do(self.bench.motors, {"told": True})["told"]["moving"][0])

    @property
    def volts(self) -> float:
        """Return what is indeed at the output."""
        return float(do(self.bench.hv, {"told": True})["told"]["volts"][1])

    async def until(self, what: Callable[[], Any], within_s: float = 8.0) -> None:
        async with asyncio.timeout(within_s):
            while not what():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def station(bench: Bench, folder: Path) -> AsyncIterator[Station]:
    bench.as_new()
    (folder / "scanner.toml").write_text(shipped_scanners()["dual-head"].read_text() + FRONT_SUPPLY)
    places = {name: getattr(bench, name).ready["tcp"] for name in ("hv", "motors", "plc")}
    (folder / "site.toml").write_text(SITE.format(**places))
    site = load_site(folder / "site.toml")
    of = scanner(site, folder)
    bus = Bus()
    wiring, alarms = Wiring(controllers(site, folder)), Alarms(bus)
    devices = build_devices(site.devices, of, wiring.instruments)
    guarding = Guarding(site, of, devices, bus, alarms)
    axes = {name: device for name, device in devices.items() if isinstance(device, Axis)}
    engine = MotionEngine(axes, guarding.interlocks, Enable(reference=Reference.CONFIRMED), bus, alarms)
    supply = devices["front_hv"]
    assert isinstance(supply, HighVoltage)
    running = [wiring.run, *(run for _, run in guarding.services(engine))]
    tasks = [asyncio.create_task(run()) for run in running]
    it = Station(supply, engine, bench)
    try:
        await it.until(lambda: all(not each.session.suspect for each in wiring.instruments.values()))
        await asyncio.sleep(0.4)  # the heartbeat is heard: now a person gives the drives their power
        it.plc("reset")
        await it.until(lambda: all(each.value for each in guarding.interlocks.current()))
        yield it
    finally:
        with suppress(ScandaqError):
            await engine.stop_motion()
        with suppress(ScandaqError):
            await supply.off(within_s=10.0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await wiring.close()


@pytest.mark.parametrize(
    ("deed", "said", "sentence"),
    [
        ("open-cover", {"head": 1}, r"front_hv was taken down meanwhile: front\.service_cover is open"),
        pytest.param(
            "temperature",
            {"head": 1, "celsius": 45.0},
            r"meanwhile: front\.temperature is open",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "freeze", {}, r"front\.service_cover was read .* s ago, at most 1\.25 s is fresh", marks=pytest.mark.soak
        ),
        pytest.param("silent", {}, r"front\.temperature was read .* s ago", marks=pytest.mark.soak),
    ],
)
async def test_a_voltage_on_its_way_up_goes_down_where_its_own_head_is_not_safe(
    bench: Bench, tmp_path: Path, deed: str, said: dict[str, Any], sentence: str
) -> None:
    async with station(bench, tmp_path) as it:
        await it.supply.arm(EVE)
        ramp = asyncio.create_task(it.supply.ramp_to(290.0, within_s=20.0, actor=EVE))
        await it.until(lambda: it.volts > 20.0)
        it.plc(deed, **said)
        with pytest.raises(InterlockError, match=sentence):
            await ramp
        assert it.volts < 200.0
        await it.until(lambda: it.volts < 1.0)
        with pytest.raises(InterlockError):
            await it.supply.ramp_to(50.0, within_s=5.0, actor=EVE)


@pytest.mark.soak
@pytest.mark.parametrize(("deed", "said"), [("open-cover", {"head": 2}), ("open-door", {}), ("press-stop", {})])
async def test_a_voltage_goes_on_up_where_another_head_or_the_room_is_not_safe(
    bench: Bench, tmp_path: Path, deed: str, said: dict[str, Any]
) -> None:
    async with station(bench, tmp_path) as it:
        await it.supply.arm(EVE)
        ramp = asyncio.create_task(it.supply.ramp_to(80.0, within_s=20.0, actor=EVE))
        await it.until(lambda: it.volts > 20.0)
        it.plc(deed, **said)
        await ramp
        assert it.volts == pytest.approx(80.0, abs=2.1)


@pytest.mark.parametrize(
    ("deed", "sentence", "lost"),
    [
        ("press-stop", r"room\.emergency_stop|power|driver disabled", True),
        pytest.param("hit-pad", r"room\.collision_pad|power|driver disabled", True, marks=pytest.mark.soak),
        pytest.param("power-cut", r"room\.drive_power|power|driver disabled", True, marks=pytest.mark.soak),
        pytest.param("freeze", r"was read .* s ago|hold_expired", False, marks=pytest.mark.soak),
        pytest.param("silent", r"was read .* s ago|hold_expired", False, marks=pytest.mark.soak),
        pytest.param("let-go", "the motion enable was taken away", False, marks=pytest.mark.soak),
    ],
)
async def test_an_axis_on_its_way_stops_and_somebody_has_to_press_again(
    bench: Bench, tmp_path: Path, deed: str, sentence: str, lost: bool
) -> None:
    async with station(bench, tmp_path) as it:
        it.plc("press-enable")
        await it.until(lambda: it.engine.enable.button == "held")
        await it.engine.home("gantry")
        move = asyncio.create_task(it.engine.position({"gantry": 300.0}))
        await it.until(lambda: it.moves)
        await asyncio.sleep(0.2)
        it.plc(deed)
        with pytest.raises(MotionError, match=sentence):
            await move
        assert not it.moves
        assert (it.engine.enable.reference == Reference.LOST) == lost
        with pytest.raises(InterlockError):
            await it.engine.position({"gantry": 10.0})


@pytest.mark.soak
async def test_an_axis_goes_on_where_the_door_opens(bench: Bench, tmp_path: Path) -> None:
    async with station(bench, tmp_path) as it:
        it.plc("press-enable")
        await it.until(lambda: it.engine.enable.button == "held")
        await it.engine.home("gantry")
        move = asyncio.create_task(it.engine.position({"gantry": 4.0}))
        await it.until(lambda: it.moves)
        it.plc("open-door")
        await move
        assert it.engine.enable.reference == Reference.CONFIRMED
