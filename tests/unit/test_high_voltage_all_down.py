"""Lowering everything that puts out a voltage, and what could not be taken back after a raise."""

from __future__ import annotations

import asyncio

import pytest
from support_high_voltage import TECH, UP_S, Bench, on_a_bench
from support_virtual import VirtualLoop, virtually

from daq.devices.lowering import lower_voltage
from daq.devices.simulated.wire import Wire
from daq.errors import MissingError, RefusedError, ScandaqError


class BenchSupply:
    """A supply that no device of the station is on: it says yes at once, and its reading comes down later, or not."""

    def __init__(self, *, hangs: bool = False, refuses: str = "") -> None:
        self.hangs, self.refuses, self.asked = hangs, refuses, 0

    async def make_safe(self) -> float:
        self.asked += 1
        await asyncio.sleep(1e6 if self.hangs else 2.0)
        if self.refuses:
            raise RefusedError(self.refuses)
        return 0.02


def test_what_may_put_out_a_voltage_and_is_no_supply_of_the_station_is_made_safe_with_them() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        others = {"bench": BenchSupply(), "dead": BenchSupply(hangs=True), "local": BenchSupply(refuses="in LOCAL")}

        said = await lower_voltage({"hv": bench.hv}, within_s=60.0, others=others)

        assert said["hv"]["off"]
        assert said["bench"] == {"off": True, "output_v": 0.02, "error": ""}
        assert (said["dead"]["off"], said["local"]["error"]) == (False, "in LOCAL")
        assert "not verified to be safe after 60 s" in said["dead"]["error"]
        assert set(await lower_voltage({"hv": bench.hv}, "bench", others=others)) == {"bench"}
        assert set(await lower_voltage({"hv": bench.hv}, None, 10.0, others=others)) == {"hv"}
        assert "hv (controller)" in await lower_voltage({"hv": bench.hv}, others={"hv": BenchSupply()})
        with pytest.raises(MissingError, match="can be made safe, and not be lowered to 10 V"):
            await lower_voltage({"hv": bench.hv}, "bench", 10.0, others=others)

    on_a_bench(body)


def test_a_driver_that_raises_something_odd_does_not_end_the_lowering_of_others() -> None:
    async def main(loop: VirtualLoop) -> None:
        benches = [Bench(loop) for _ in range(2)]
        for bench in benches:
            await bench.ready()
            await bench.up(500.0)

        async def odd() -> float:
            raise OSError("input/output error")

        benches[0].hv.read_v = odd  # type: ignore[method-assign]
        benches[1].hv.supply.line.delay_s = 0.1
        report = await lower_voltage({"odd": benches[0].hv, "other": benches[1].hv}, within_s=UP_S)

        assert report["odd"]["error"] == "unexpected OSError: input/output error"
        assert report["other"]["off"] is True
        assert [round(bench.hv.supply.true_v()) for bench in benches] == [0, 0]

    virtually(main)


@pytest.mark.parametrize("by_hand_v", [None, 100.0])
def test_what_could_not_be_taken_back_is_told_again_until_it_holds_that_or_less(by_hand_v: float | None) -> None:
    async def body(bench: Bench) -> None:
        said: list[str] = []
        bench.hv.report_by(said.append)
        await bench.up(300.0)
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(3.5)
        bench.hv.supply.line.state = Wire.CUT
        with pytest.raises(ScandaqError):
            await raising
        await asyncio.sleep(60.0)
        assert bench.hv.supply.true_v() > 400.0
        assert ["not verified to be lowered to 300 V" in text for text in said] == [True]
        bench.hv.supply.line.state = Wire.GOOD
        if by_hand_v is not None:  # at the front panel
            await bench.hv.supply.set_v(by_hand_v)
        await asyncio.sleep(20.0)

        assert bench.hv.supply.true_v() == pytest.approx(by_hand_v or 300.0, abs=0.1)
        assert said[1:] == [""]
        await bench.hv.arm(TECH, protocol_max_v=1000.0)
        await bench.hv.ramp_to(400.0, within_s=UP_S, actor=TECH)

    on_a_bench(body)
