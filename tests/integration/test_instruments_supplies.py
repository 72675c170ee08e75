"""Every supply that a profile ships for, simulated: raised, lowered, tripped and switched off by the rules of all."""

from __future__ import annotations

import asyncio

import pytest
from support_supplies import MODELS, TECH, Bench, Model, bench, of_kind

from daq.errors import InterlockError, LimitError, ReadbackError, RefusedError

LIKE_ANOTHER = ("caen-r803x", "keithley-2470")
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
