"""Every supply that a profile ships for, simulated: raised, lowered, tripped and switched off by the rules of all."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from support_instruments import do
from support_simulators import simulator
from support_supplies import MODELS, TECH, Bench, Model, bench, guarded, instrument, of_kind

from daq.devices.high_voltage import GuardedHighVoltage
from daq.errors import InterlockError, LimitError, ReadbackError, RefusedError

LIKE_ANOTHER = ("caen-n1470", "caen-r803x", "keithley-2470")
EACH = [
    pytest.param(model, id=model.profile, marks=[pytest.mark.soak] if model.profile in LIKE_ANOTHER else [])
    for model in MODELS
]


@pytest.mark.parametrize("model", EACH)
async def test_a_supply_is_raised_lowered_and_taken_back_by_the_rules(model: Model) -> None:
    async with bench(model) as it:
        with pytest.raises(LimitError, match=r"the limit of its profile"):
            await it.hv.ramp_to(model.limits.max_v + 1, within_s=5, actor=TECH)
        with pytest.raises(InterlockError, match="not armed"):
            await it.hv.ramp_to(model.volts, within_s=5, actor=TECH)
        await it.hv.arm(TECH, protocol_max_v=model.limits.max_v)
        await it.hv.ramp_to(model.low, within_s=10, actor=TECH)
        assert it.volts == pytest.approx(model.low, abs=model.limits.tolerance_v)
        await _cover_opens(it, model)
        await it.hv.arm(TECH, protocol_max_v=model.limits.max_v)
        await it.hv.ramp_to(model.low, within_s=10, actor=TECH)
        await _fails(it, model)
        await it.hv.off(within_s=5)
        assert it.volts <= model.limits.tolerance_v


async def _cover_opens(it: Bench, model: Model) -> None:
    raising = asyncio.create_task(it.hv.ramp_to(model.volts, within_s=10, actor=TECH))
    await asyncio.sleep(0.02)
    it.cover = False
    with pytest.raises(InterlockError, match="cover is open"):
        await raising
    await it.hv.off(within_s=5)
    assert it.volts <= model.limits.tolerance_v
    it.cover = True


async def _fails(it: Bench, model: Model) -> None:
    raising = asyncio.create_task(it.hv.ramp_to(model.volts, within_s=10, actor=TECH))
    await asyncio.sleep(0.02)
    it.does(model.fails)
    with pytest.raises((ReadbackError, RefusedError), match=model.says):
        await raising


async def test_what_tripped_is_not_raised_again_before_a_person_cleared_it() -> None:
    async with bench(of_kind("caen-n1470")) as it:
        await it.hv.arm(TECH, protocol_max_v=200.0)
        await it.hv.ramp_to(50.0, within_s=10, actor=TECH)
        it.does("trip")
        with pytest.raises(RefusedError, match="it tripped: the current was too high for too long: clear that first"):
            await it.hv.ramp_to(100.0, within_s=10, actor=TECH)
        await it.instrument.act("clear_alarms")
        await it.hv.off(within_s=5)
        await it.hv.arm(TECH, protocol_max_v=200.0)
        await it.hv.ramp_to(100.0, within_s=10, actor=TECH)
        assert it.volts == pytest.approx(100.0, abs=1.0)


@pytest.mark.soak
@pytest.mark.parametrize("profile", ["caen-n1470", "iseg-scpi", "iseg-shq"])
async def test_all_channels_of_a_slow_line_are_raised_at_once_while_they_are_watched(profile: str) -> None:
    model = of_kind(profile)
    with simulator(model.kind) as process:
        async with instrument(f"serial://{process.ready['tty']}", profile) as it:
            supplies = [guarded(model, it, channel) for channel in it.profile.channels]
            watching = asyncio.gather(*(_watch(supply) for supply in supplies))
            await asyncio.gather(*(_up_and_down(supply, model) for supply in supplies))
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            assert (it.session.tally.lost, it.session.tally.strays) == (0, 0)
            assert max(do(process, {"told": True})["told"]["volts"]) <= model.limits.tolerance_v


async def _watch(supply: GuardedHighVoltage) -> None:
    while True:
        for quantity in ("voltage", "current", "trouble"):
            await supply.read(quantity)
        await asyncio.sleep(1.0)


async def _up_and_down(supply: GuardedHighVoltage, model: Model) -> None:
    await supply.arm(TECH, protocol_max_v=model.limits.max_v)
    await supply.ramp_to(model.volts, within_s=60, actor=TECH)
    await supply.off(within_s=60)
