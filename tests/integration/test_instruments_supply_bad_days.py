"""What goes wrong with supplies of several models on real wires, and in the settings of their lines."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from support_instruments import do
from support_simulators import simulator
from support_supplies import TECH, bench, instrument, of_kind

from daq.devices.instruments.supply import ProfiledSupply
from daq.errors import DeadlineError, ScandaqError

WIRE = ("late", "duplicate", "garble", "missing", "truncate", "noise", "hang-up")


@pytest.mark.soak
@pytest.mark.parametrize("profile", ["iseg-shq", "hamamatsu-c11204"])
async def test_a_wire_that_spoils_costs_a_raise_at_most_and_never_the_way_down(profile: str) -> None:
    model = of_kind(profile)
    async with bench(model) as it:
        await it.hv.arm(TECH, protocol_max_v=model.limits.max_v)
        await it.hv.ramp_to(model.low, within_s=20, actor=TECH)
        for kind in WIRE:
            do(it.process, {"wire": {"kind": kind, "after": 3, "seconds": 0.05}})
        with contextlib.suppress(ScandaqError):
            await it.hv.ramp_to(model.volts, within_s=20, actor=TECH)
        assert it.volts <= model.volts + model.limits.tolerance_v
        await it.hv.off(within_s=20)
        assert it.volts <= model.limits.tolerance_v


async def test_a_line_that_is_set_otherwise_is_not_understood_and_8e1_is() -> None:
    model = of_kind("hamamatsu-c11204")
    with simulator("c11204") as other:
        async with instrument(other.ready["rfc2217"], "hamamatsu-c11204") as it:
            assert (await it.identify()).model == "C11204-01"
            channel = ProfiledSupply(it)
            await channel.set_v(model.low)
            await channel.switch_on()
            await asyncio.sleep(0.2)
            assert (await channel.status()).output_v == pytest.approx(model.low, abs=0.01)
            assert await it.read("temperature") == pytest.approx(25.0, abs=0.01)
        with pytest.raises(DeadlineError):
            async with instrument(other.ready["rfc2217"], "hamamatsu-c11204", parity="none") as it:
                await it.identify()
