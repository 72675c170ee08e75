"""High voltage through a simulated FERS board: alone, and through the readout while it records, which goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from support_fers_simulator import place_of
from support_readout import plan_of
from support_simulators import Simulator, simulator

from daq.composition import start_readout
from daq.composition.heads import camera_of
from daq.composition.processing import processing_of
from daq.devices.build import build_devices
from daq.devices.fers import FersHighVoltage, FersRoute
from daq.devices.simulated.head import SimulatedHead
from daq.errors import AccessError, DeadlineError, InterlockError, ReadbackError, UnreachableError
from daq.model.station import Actor, Role
from daq.readout.registry import runtime_directory
from daq.services.bus import Bus
from daq.services.motion import InterlockWatch
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner
from device_profiles.services import Device

FERS = load_profile("caen-fers-a5202")
HEADS = camera_of(FERS, load_scanner("fers-compact-camera"), None).heads
TECH = Actor("ada", "local", Role.TECHNOLOGIST)
UP_S = 20.0


@pytest.fixture(scope="module")
def board() -> Iterator[Simulator]:
    with simulator("caen-fers", "--bias", "board", "--rate", 3000) as server:
        yield server


class Bench:
    def __init__(self, server: Simulator, serial: int = 21_001) -> None:
        host, port = place_of(server, "control")
        bias = {"max_v": 58.0, "trip_ma": 2.0, "max_slope_v_per_s": 60.0, "serial": serial}
        plugged = {
            "hv": Device.model_validate(
                {"ability": "high_voltage", "kind": "caen-fers", "url": f"tcp://{host}:{port}", "bias": bias}
            ),
            "head": Device(ability="detector_head"),
        }
        devices = build_devices(plugged, None)
        hv, head = devices["hv"], devices["head"]
        assert isinstance(hv, FersHighVoltage)
        assert isinstance(head, SimulatedHead)
        self.hv, self.head = hv, head
        self.watch = InterlockWatch({"head": head}, Bus())
        hv.guard_by(self.watch.current)

    async def up(self, volts: float) -> None:
        await self.hv.arm(TECH, protocol_max_v=58.0)
        await self.hv.ramp_to(volts, within_s=UP_S, actor=TECH)


def on(bench: Bench, body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await bench.watch.refresh()
        watching = asyncio.create_task(bench.watch.run(), name="watch")
        try:
            await body()
        finally:
            await bench.hv.off(within_s=UP_S)
            watching.cancel()

    asyncio.run(main())


def test_it_is_raised_with_leave_read_back_and_lowered_by_anybody(board: Simulator) -> None:
    bench = Bench(board)

    async def body() -> None:
        with pytest.raises(InterlockError):
            await bench.hv.ramp_to(54.0, within_s=UP_S, actor=TECH)
        with pytest.raises(AccessError):
            await bench.hv.arm(Actor("vera", "local", Role.VIEWER), protocol_max_v=58.0)
        await bench.up(54.0)
        assert await bench.hv.read("voltage") == pytest.approx(54.0, abs=0.01)
        assert await bench.hv.read("current") == pytest.approx((54.0 * 0.0005 + 2.0 * 0.02) * 1e-3, rel=0.01)
        await bench.hv.ramp_to(40.0, within_s=UP_S)
        assert await bench.hv.read_v() == pytest.approx(40.0, abs=0.3)
        await bench.hv.off(within_s=UP_S)
        assert await bench.hv.read_v() < 0.3

    on(bench, body)


def test_an_open_cover_takes_it_back(board: Simulator) -> None:
    bench = Bench(board)

    async def body() -> None:
        await bench.up(40.0)
        bench.head.simulate("open-cover")
        await bench.watch.refresh()
        with pytest.raises((InterlockError, ReadbackError)):
            await bench.up(54.0)

    on(bench, body)


def test_another_board_than_the_site_names_is_refused(board: Simulator) -> None:
    bench = Bench(board, serial=4711)

    async def body() -> None:
        with pytest.raises(UnreachableError, match="board 21001 is connected, the site names 4711"):
            await bench.up(40.0)

    on(bench, body)


def test_switching_off_does_not_wait_for_a_readout_that_does_not_answer(
    board: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(board)

    async def body() -> None:
        await bench.up(40.0)
        with monkeypatch.context() as patched:
            patched.setattr(FersRoute, "_readout", lambda _: (tmp_path / "control", 0))
            with pytest.raises(UnreachableError):
                await bench.hv.read_v()
            with pytest.raises(DeadlineError, match="not verified"):
                await bench.hv.off(within_s=0.5)
        assert await bench.hv.read_v() < 39.0
        assert not (await bench.hv._supply.status()).on

    on(bench, body)


def test_it_is_raised_through_the_readout_that_records_and_nothing_recorded_suffers(
    board: Simulator, tmp_path: Path
) -> None:
    bench = Bench(board)
    runtime = runtime_directory()
    plan = plan_of(
        tmp_path, *board.ready["sources"], profile=FERS, stop="end", front_end=FERS.transport.front_end,
        order=FERS.order, processing=processing_of(FERS, heads=HEADS),
    ).model_copy(update={"control": str(runtime / "control")})  # fmt: skip
    readout = start_readout(plan, runtime)
    give_up_s = time.monotonic() + 60
    while readout.status()["state"] != "recording":
        assert time.monotonic() < give_up_s, readout.status()
        time.sleep(0.05)

    async def body() -> None:
        await bench.up(54.0)
        assert await bench.hv.read_v() == pytest.approx(54.0, abs=0.01)
        assert readout.running()
        await asyncio.sleep(1.5)
        readout.stop()
        readout.result()

    on(bench, body)
    manifest = load_manifest(tmp_path / "run")
    assert manifest.ended_by == "operator"
    assert manifest.ledger is not None
    assert manifest.ledger.balanced
    assert manifest.ledger.sources[0].recorded > 0
    found = [mark for batch in open_listmode(tmp_path / "run").batches("marks") for mark in batch.to_pylist()]
    volts = [mark["value2"] for mark in found if mark["kind"] == "bias_voltage"]
    assert volts[-1] == pytest.approx(54.0, abs=0.01)
