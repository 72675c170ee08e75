"""Axes on bad days, in virtual time: what stalls or slips is said with the place where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from support_motion import Gantry, with_gantry
from support_run import step

from daq.devices.abilities import Halt
from daq.errors import LimitError, MotionError
from daq.model.protocol import Sweep
from daq.model.protocol_terms import Tolerances
from daq.services.acquisition.pacing import SweepPace
from daq.services.acquisition.reaching import reach
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.motion.report import stop_of
from daq.state.enable import Motion, Reference


@pytest.mark.parametrize(
    ("wire_s", "waited_s", "says"), [(0.2, 0.04, ""), (0.2, 0.06, "0.260 s"), (0.3, 0.0, "0.300 s")]
)
def test_a_stop_that_is_on_the_wire_later_than_a_quarter_second_is_told(
    wire_s: float, waited_s: float, says: str
) -> None:
    told = stop_of(Halt("bed", "mm", wire_s, 0.6, 100.0, 1.0, 5.0), waited_s)

    assert told.error == (f"bed took the stop after {says}, 0.25 s is allowed" if says else "")


def test_a_gantry_that_stalls_at_37_degrees_on_its_way_to_42_is_lost_and_says_where_it_stands() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        await gantry.engine.position({"gantry": 36.0}, motion=Motion.STEP)
        gantry.head.simulate("block-at", 37.0)
        with pytest.raises(MotionError, match=r"gantry stands at 37 deg for 1\.\d+ s, told to go to 42"):
            await gantry.engine.position({"gantry": 42.0}, motion=Motion.STEP)

        assert gantry.engine.enable.reference is Reference.LOST
        [loss] = gantry.losses
        assert "gantry stands at 37 deg" in loss.text
        assert (gantry.heard[-1].axis, gantry.heard[-1].moving) == ("gantry", False)  # how it came to rest
        assert gantry.heard[-1].position == pytest.approx(37.0)
        assert gantry.alarms.names() == ["motion-lost"]

    with_gantry(body)


def test_a_bed_that_stops_in_mid_sweep_is_lost_at_the_place_where_it_stands() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        sweep = asyncio.create_task(gantry.engine.sweep("bed", 100.0, 200.0, 10.0))
        await asyncio.sleep(3.0)
        gantry.bed.simulate("stall")
        with pytest.raises(MotionError, match=r"bed (stands at 1[23]\d[.\d]* mm for 1\.\d+ s|fell behind: \d+)"):
            await sweep

    with_gantry(body)


@pytest.mark.parametrize(("slips_mm", "lost"), [(-8.0, False), (-60.0, True)])
def test_a_bed_that_slips_is_measured_and_one_that_falls_far_behind_ends_the_view(
    slips_mm: float, *, lost: bool
) -> None:
    async def body(gantry: Gantry) -> None:
        alarms = Alarms(Bus())
        pace = SweepPace(Sweep("bed", 100.0, 200.0, 10.0, "mm"), Tolerances(speed_percent=5.0), alarms)
        gantry.engine.latch()
        with gantry.engine.where.listening(pace.heard):
            sweep = asyncio.create_task(gantry.engine.sweep("bed", 100.0, 200.0, 10.0))
            await asyncio.sleep(7.0)
            gantry.bed.simulate("slip", slips_mm)
            if lost:
                with pytest.raises(
                    MotionError, match=r"bed fell behind: \d+\.?\d* mm after 7\.\d+ s, told to move at 10 mm/s"
                ):
                    await sweep
            else:
                await sweep

        [alarm] = alarms.active()
        assert alarm.text.startswith("bed moves at ")
        assert alarm.text.endswith("mm/s; 10.0 mm/s within 5 % is wanted")
        assert bool(gantry.losses) is lost

    with_gantry(body)


def test_a_bed_that_drags_is_not_taken_for_one_that_keeps_its_speed() -> None:
    async def body(gantry: Gantry) -> None:
        gantry.engine.latch()
        gantry.bed.simulate("drag", 0.5)
        with pytest.raises(MotionError, match="fell behind"):
            await gantry.engine.sweep("bed", 100.0, 200.0, 10.0)

    with_gantry(body)


def too_near(places: Mapping[str, float]) -> str | None:
    """A patient on a bed beyond 90 mm is hit by heads that turn."""
    near = places["bed"] > 90.0 and 20.0 < places["gantry"] < 340.0
    return "heads would touch the patient" if near else None


async def go(gantry: Gantry, positions: dict[str, float]) -> None:
    """Go to where a step of SPECT begins, as an acquisition does."""
    stop = step("stop", positions=positions)
    await reach(gantry.engine, stop, Motion.STEP, within_s=60.0, note=lambda _: None)


@pytest.mark.parametrize("order", [("bed", "gantry"), ("gantry", "bed")])
def test_what_goes_away_from_the_patient_goes_first_so_that_the_envelope_is_kept(order: tuple[str, str]) -> None:
    async def body(gantry: Gantry) -> None:
        places = {"bed": 50.0, "gantry": 30.0}
        gantry.engine.latch()
        await go(gantry, {name: places[name] for name in order})
        assert [each.axis for each in gantry.heard if each.moving][0] == "bed"  # noqa: RUF015
        gantry.heard.clear()
        back = {"bed": 100.0, "gantry": 10.0}
        await go(gantry, {name: back[name] for name in order})
        assert [each.axis for each in gantry.heard if each.moving][0] == "gantry"  # noqa: RUF015
        with pytest.raises(
            LimitError, match=r"the way leaves the collision envelope at .*: heads would touch the patient"
        ):
            await gantry.engine.position({"gantry": 30.0}, motion=Motion.STEP)

    with_gantry(body, envelope=too_near)
