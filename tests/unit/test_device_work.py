"""What is asked of single devices: what has rules of its own is refused before the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from support_conversation import SpoiltWire, made
from support_high_voltage import SERVICE

from daq.devices.abilities import HighVoltage, Identity, Permit, Value
from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.observed import ProfiledInstrument
from daq.devices.limits import VoltageLimits
from daq.errors import AccessError, InterlockError, LimitError, MissingError, ReadbackError, RefusedError, ScandaqError
from daq.model.control import ControlProfile
from daq.model.station import Actor, Role
from daq.model.verbs import checked
from daq.services.devicesetting import Settings
from daq.services.devicework import DeviceWork
from device_profiles.control import load_control, shipped_controls

VIEWER = Actor("guest", "local", Role.VIEWER)


def work() -> tuple[DeviceWork, SpoiltWire]:
    instrument, wire, _ = made()
    board = ProfiledInstrument("board", instrument, "1")
    return DeviceWork({"board": board}, {"supply": instrument}, {"board": ("supply", "1")}), wire


def ask(handlers: DeviceWork, verb: str, actor: Actor = SERVICE, **args: Any) -> dict[str, Any]:
    return asyncio.run(handlers.handlers[verb](checked(verb, args, actor), actor))  # type: ignore[arg-type]


def test_a_device_is_read_by_its_quantities_and_its_controller_by_any_value_of_its_profile() -> None:
    handlers, wire = work()

    regular = ask(handlers, "read", device="board")["read"]
    other = ask(handlers, "read", device="board", name="max_voltage")["read"]
    all_channels = ask(handlers, "read", device="supply", name="voltage")["read"]

    assert [each["name"] for each in regular] == ["voltage", "current", "status"]
    assert {wire.meant[float(each["value"])][:2] for each in regular} == {("VMON", "1"), ("IMON", "1"), ("STAT", "1")}
    assert [(each["name"], each["channel"], each["unit"]) for each in other] == [("max_voltage", "1", "V")]
    assert [each["channel"] for each in all_channels] == ["0", "1", "2", "3"]


def test_flags_are_told_by_their_names() -> None:
    handlers, _ = work()

    (status,) = ask(handlers, "read", device="board", name="status")["read"]

    names = ["on", "ramping_up", "ramping_down", "over_current", "over_voltage", "under_voltage"]
    assert status["flags"] == [name for bit, name in enumerate(names) if status["value"] >> bit & 1]


def test_what_the_instrument_refuses_takes_nothing_else_with_it() -> None:
    instrument, _, _ = made(["good"] * 3 + ["refused"] + ["good"] * 5 + ["refused"])
    handlers = DeviceWork({}, {"supply": instrument}, {})

    read = ask(handlers, "read", device="supply", channel="1")["read"]

    assert [each["name"] for each in read] == ["voltage", "current", "status"]
    assert "LOCAL" in read[0]["error"]
    assert read[0]["value"] is None
    assert [each["error"] for each in read[1:]] == ["", ""]


@pytest.mark.parametrize(
    ("args", "error", "says"),
    [
        ({"device": "borad"}, MissingError, "there is no device or controller 'borad'; did you mean board"),
        ({"device": "board", "name": "volts"}, MissingError, "did you mean voltage"),
        ({"device": "supply", "name": "voltage", "channel": "9"}, MissingError, "'9' is none of 0, 1, 2, 3"),
        ({"device": "board", "name": "voltage", "channel": "2"}, RefusedError, "board is channel 1 of supply"),
        ({"device": "board", "channel": "2"}, RefusedError, "ask supply for channel 2"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(args: dict[str, str], error: type[ScandaqError], says: str) -> None:
    handlers, _ = work()

    with pytest.raises(error, match=says):
        ask(handlers, "read", **args)


@pytest.mark.parametrize(("verb", "args"), [("act", {"action": "off"}), ("set", {"name": "trip_time", "value": 1.0})])
def test_a_device_is_never_asked_to_do_something_on_another_channel_than_its_own(
    verb: str, args: dict[str, Any]
) -> None:
    handlers, wire = work()

    with pytest.raises(RefusedError, match="board is channel 1 of supply"):
        ask(handlers, verb, device="board", channel="3", **args)
    assert not any(",SET," in said for said in wire.heard)


@pytest.mark.parametrize(
    ("profile", "args", "says"),
    [
        ("julabo", {"channel": "1"}, "no such channel: it has none"),
        ("zaber-ascii", {}, "nothing of it is read regularly; name what to read: position"),
    ],
)
def test_what_would_be_an_empty_answer_is_a_sentence(profile: str, args: dict[str, str], says: str) -> None:
    handlers = DeviceWork({}, {"it": mute(profile)}, {})

    with pytest.raises(MissingError, match=says):
        ask(handlers, "read", device="it", **args)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("voltage_set", "is energising: `daq device raise` does that"),
        ("max_voltage", "is kept by the rules of raising"),
        ("ramp_up", "is kept by the rules of raising"),
        ("current_limit", "is kept by the rules of raising"),
        ("voltage", "can only be read"),
    ],
)
def test_nothing_that_energises_or_guards_is_set_here_and_nothing_of_it_is_said(name: str, says: str) -> None:
    handlers, wire = work()

    with pytest.raises(RefusedError, match=says):
        ask(handlers, "set", device="board", name=name, value=1.0)
    assert not any(",SET," in said for said in wire.heard)


class SaidError(Exception):
    """Something reached the wire."""


def mute(name: str) -> Instrument:
    """Return an instrument of a shipped profile; whatever is said to it is an error."""

    def said(*_: object, **__: object) -> None:
        raise SaidError

    told = {
        "profile": load_control(name),
        "name": "it",
        "clock": lambda: 0.0,
        "ask": said,
        "tell": said,
        "tell_now": said,
    }
    session: Any = SimpleNamespace(**told)
    return Instrument(session)


def guarded(profile: ControlProfile) -> set[str]:
    """Return what a profile names in roles of raising and moving, and in its watchdog."""
    sections = (profile.roles.high_voltage, profile.roles.axis, profile.watchdog)
    texts = [text for each in sections if each is not None for text in each.model_dump().values()]
    return {text.partition(".")[0] for text in texts if isinstance(text, str)}


@pytest.mark.parametrize("name", sorted(shipped_controls()))
async def test_of_no_shipped_profile_anything_that_energises_moves_or_guards_reaches_the_wire(name: str) -> None:
    instrument = mute(name)
    settings, profile = Settings(instrument), instrument.profile
    channel = profile.channels[0] if profile.channels else ""
    values, actions = set[str](), set[str]()
    for each, value in profile.values.items():
        with suppress(RefusedError), suppress_said(values, each):
            await settings.set_value(each, (value.limits.hard or (0.0,))[0], channel if value.of == "channel" else "")
    for each, action in profile.actions.items():
        with suppress(RefusedError), suppress_said(actions, each):
            await settings.act(each, channel if action.of == "channel" else "")

    safe = {each for each, action in profile.actions.items() if action.hazard == "safe"}
    hazards = {profile.values[each].hazard for each in values} | {profile.actions[each].hazard for each in actions}
    assert hazards <= {"safe", "neutral"}
    assert values & guarded(profile) == set()
    assert actions & guarded(profile) <= safe | {settings.clearing()}
    assert safe <= actions


@contextmanager
def suppress_said(reached: set[str], name: str) -> Iterator[None]:
    """Note what reached the wire."""
    try:
        yield
    except SaidError:
        reached.add(name)


@pytest.mark.parametrize("verb", ["set", "arm-voltage", "raise-voltage"])
def test_nobody_but_service_sets_arms_or_raises(verb: str) -> None:
    args: dict[str, object] = {"device": "board", "volts": 1.0}

    for actor in (VIEWER, Actor("tech", "local", Role.TECHNOLOGIST), Actor("phys", "local", Role.PHYSICIST)):
        with pytest.raises(AccessError, match=f"may not {verb}: that needs service"):
            checked(verb, args, actor)


# Raising


class Supply:
    """A high voltage that keeps what was asked of it."""

    name = "hv"
    quantities = ()
    limits = VoltageLimits(900.0, 50.0, 100.0, 2.0, 3e-4, 0.5)

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[tuple[Any, ...]] = []
        self.at_v = 120.0

    async def identify(self) -> Identity:
        return Identity("CAEN", "N1470", "77", "1")

    async def read(self, quantity: str) -> Value:
        return self.at_v

    def guard_by(self, interlocks: Any) -> None:
        raise NotImplementedError

    def against_raising(self) -> str | None:
        return None

    async def arm(self, actor: Actor, *, protocol_max_v: float | None = None, valid_s: float = 60.0) -> Permit:
        self.asked.append(("arm", actor.user, protocol_max_v, valid_s))
        return Permit(actor, protocol_max_v or 0.0, 60.0, 1)

    def disarm(self) -> None:
        self.asked.append(("disarm",))

    async def read_v(self) -> float:
        return self.at_v

    async def ramp_to(self, volts: float, *, within_s: float, actor: Actor | None = None) -> None:
        self.asked.append(("ramp", volts, within_s))
        if self.failure is not None:
            raise self.failure
        self.at_v = volts

    async def off(self, *, within_s: float = 60.0) -> None:
        raise NotImplementedError


def test_a_supply_is_armed_for_what_was_shown_and_no_more_and_disarmed_once_it_is_there() -> None:
    supply = Supply()
    assert isinstance(supply, HighVoltage)
    handlers = DeviceWork({"hv": supply}, {}, {}, clock=lambda: 0.0)

    armed = ask(handlers, "arm-voltage", device="hv", volts=800.0, valid_s=30.0)
    raised = ask(handlers, "raise-voltage", device="hv", volts=800.0)

    assert supply.asked == [
        ("arm", SERVICE.user, 800.0, 30.0), ("ramp", 800.0, armed["within_s"]), ("disarm",)
    ]  # fmt: skip
    assert (raised["old"], raised["new"], raised["output_v"]) == (120.0, 800.0, 800.0)
    assert armed["within_s"] > 800.0 / 50.0


@pytest.mark.parametrize(
    ("failure", "disarmed"),
    [
        (ReadbackError("stays at 5 V"), True), (InterlockError("cover open"), True),
        (AccessError("armed by another"), False), (RefusedError("is being raised already"), False),
    ],
)  # fmt: skip
def test_a_raise_that_failed_takes_back_its_own_permit_and_never_anothers(failure: Exception, disarmed: bool) -> None:
    supply = Supply(failure)
    handlers = DeviceWork({"hv": supply}, {}, {}, clock=lambda: 0.0)

    with pytest.raises(type(failure)):
        ask(handlers, "raise-voltage", device="hv", volts=800.0)
    assert (("disarm",) in supply.asked) is disarmed


def test_above_its_limit_nothing_is_armed() -> None:
    supply = Supply()

    with pytest.raises(LimitError, match="cannot be set to 901 V"):
        ask(DeviceWork({"hv": supply}, {}, {}), "arm-voltage", device="hv", volts=901.0)
    assert supply.asked == []
