"""What the verb `room` tells: axes with their limits, why nothing can move, contacts and how old they are, hands."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from daq.devices.limits import AxisLimits
from daq.devices.simulated.axes import SimulatedBed
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.motion.engine import MotionEngine
from daq.services.motion.roomlook import RoomLook
from daq.services.motion.watch import InterlockWatch
from daq.state.enable import Enable
from daq.state.interlock import Interlock, Kind

LIMITS = AxisLimits("mm", 0.0, 900.0, 50.0, away="minimum")


def look(*, simulated: bool = True, interlocks: tuple[Interlock, ...] = ()) -> RoomLook:
    bed, bus = SimulatedBed("bed", LIMITS), Bus()
    engine = MotionEngine({"bed": bed}, InterlockWatch({"bed": bed}, bus), Enable(), bus, Alarms(bus))
    devices: dict[str, Any] = {"bed": bed, "meter": SimpleNamespace()}
    return RoomLook(
        devices, engine, lambda: interlocks, collimators=("MEGP", "LEHR"), simulated=simulated, clock=lambda: 100.0
    )


def test_axes_have_their_limits_and_the_end_that_is_away_from_the_patient() -> None:
    told = look().figures()

    assert told["axes"]["bed"] | {"position": None} == {
        "unit": "mm", "position": None, "moving": None, "homed": None, "fault": "", "minimum": 0.0, "maximum": 900.0,
        "away": "minimum",
    }  # fmt: skip
    assert "needs the enable held, it is off" in told["against"]["retreat"]
    assert set(told["against"]) == {"homing", "retreat", "sweep"}


def test_a_contact_is_closed_open_or_not_known_and_says_what_it_guards() -> None:
    contacts = (
        Interlock("bed.emergency_stop", Kind.EMERGENCY_STOP, True, 99.5, 1.0),
        Interlock("bed.collision_pad", Kind.COLLISION_PAD, False, 99.5, 1.0),
        Interlock("bed.drive_power", Kind.DRIVE_POWER, True, 90.0, 1.0),
        Interlock("front.service_cover", Kind.SERVICE_COVER, None, 99.0, 1.0, "front"),
    )

    told = look(interlocks=contacts).figures()["interlocks"]

    assert [(each["kind"], each["state"], each["age_s"]) for each in told] == [
        ("emergency_stop", "closed", 0.5), ("collision_pad", "open", 0.5), ("drive_power", "unknown", 10.0),
        ("service_cover", "unknown", None),
    ]  # fmt: skip
    assert [each["guards"] for each in told] == [["move"], ["move"], ["move"], ["raise_voltage"]]
    assert (told[3]["device"], told[3]["head"]) == ("front", "front")


def test_hands_are_offered_on_simulated_stations_alone() -> None:
    assert look().figures()["by_hand"] == {
        "enable": True, "axes": ["bed"], "collimators": [], "mounts": ["LEHR", "MEGP"], "gates": [], "heads": [],
    }  # fmt: skip
    assert look(simulated=False).figures()["by_hand"] is None


async def test_the_bed_is_told_as_whoever_knows_it_says() -> None:
    room = look()
    assert room.figures()["bed"] is None
    room.bed = lambda: {"patient": True}

    told = await room.handlers["room"](cast("Any", None), cast("Any", None))

    assert told["bed"] == {"patient": True}
