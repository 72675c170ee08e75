"""What a person asks of single devices and controllers: checked, read, set, cleared, armed and raised.

Nothing here has rules of its own for what energises or moves: a supply is raised by its permit and its interlocks, an
axis by the motion engine. What a control profile says to be energising or moving, or names in such a role, is not set
here at all.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daq.devices.abilities import Device, HighVoltage, Quantity, Value
from daq.devices.calls import Calls
from daq.devices.instruments.instrument import Instrument
from daq.errors import DeadlineError, InterlockError, MissingError, ReadbackError, RefusedError, ScandaqError
from daq.model.control import ControlProfile
from daq.model.station import Actor
from daq.model.tables import close_names
from daq.model.verbs import Arm, Clear, Raise, Read, Set
from daq.services.readinglevel import level_of

Handlers = Mapping[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]
Place = tuple[str, str]
"""The name of a controller, and a channel of it or an empty text."""

_READ_S = 5.0
_MOST_WITHIN_S = 590.0
_WAYS = {
    "energising": "`daq device raise` does that, by the rules of raising",
    "moving": "protocols, homing and retreat do that, while the enable is held",
}


class DeviceWork:
    """Carries out requests about devices, by the names of the site file.

    `places`: where a device is, of those on controllers.
    """

    def __init__(
        self, devices: Mapping[str, Device], instruments: Mapping[str, Instrument], places: Mapping[str, Place], *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._devices, self._instruments, self._places = dict(devices), dict(instruments), dict(places)
        self._clock = clock

    @property
    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {
            "read": self._read, "set": self._set, "clear": self._clear,
            "arm-voltage": self._arm, "raise-voltage": self._raise,
        }  # fmt: skip

    # Reading

    async def _read(self, request: Read, _: Actor) -> dict[str, Any]:
        asked_s = self._clock()
        if request.channel is None and request.device in self._devices:
            found = await self._of_device(self._devices[request.device], request.name)
        else:
            found = None
        if found is None:
            found = await self._of_controller(*self._place(request.device, request.channel), request.name)
        return {"device": request.device, "read": found, "took_s": self._clock() - asked_s}

    async def _of_device(self, device: Device, name: str | None) -> list[dict[str, Any]] | None:
        """Return quantities of a device; None where it has no such one, but its controller may know the name."""
        known = {quantity.name: quantity for quantity in device.quantities}
        if name is not None and name not in known:
            if device.name in self._places:
                return None
            raise MissingError(f"{device.name} has no {name!r}; {close_names(name, known)}")
        wanted = list(known.values()) if name is None else [known[name]]
        calls = Calls(device.name)
        told = [await self._tried(q, calls.within(device.read(q.name), _READ_S, f"read {q.name}")) for q in wanted]
        if device.name in self._places:
            instrument = self._instruments[self._places[device.name][0]]
            told = [{**each, **_flags(instrument, each["name"], each["value"])} for each in told]
        return told

    async def _of_controller(self, controller: str, channel: str, name: str | None) -> list[dict[str, Any]]:
        instrument = self._instruments[controller]
        if name is not None:
            if instrument.value(name).of == "channel" and not channel:
                found = await instrument.read_all(name)
                return [_shown(instrument, name, where, value) for where, value in found.items()]
            where = self._channel(controller, channel, instrument.value(name).of, name)
            return [_shown(instrument, name, where, await instrument.read(name, where))]
        asked = _regular(instrument.profile, channel)
        read = await instrument.read_many(asked)
        return [_shown(instrument, *where, value) for where, value in zip(asked, read, strict=True)]

    async def _tried(self, quantity: Quantity, reading: Awaitable[Value]) -> dict[str, Any]:
        try:
            value = await reading
        except ScandaqError as why:
            return {**_told(quantity.name, quantity.unit, "", None), "error": str(why)}
        return {**_told(quantity.name, quantity.unit, "", value), "level": level_of(value, quantity, "")}

    # Setting

    async def _set(self, request: Set, _: Actor) -> dict[str, Any]:
        controller, channel = self._place(request.device, request.channel)
        instrument = self._instruments[controller]
        value = instrument.value(request.name)
        self._require_settable(instrument, request.name)
        where = self._channel(controller, channel, value.of, request.name)
        if isinstance(request.value, str):
            raise RefusedError(f"{request.name} of {controller} takes a number of {value.unit}, not {request.value!r}")
        readable = value.get is not None or value.all is not None
        old = await instrument.read(request.name, where) if readable else None
        await instrument.set(request.name, request.value, where)
        new = await instrument.read(request.name, where) if readable else request.value
        told = _told(request.name, value.unit or "", where, new)
        return {"device": request.device, "set": told, "proven": value.readback is not None, "old": old, "new": new}

    def _require_settable(self, instrument: Instrument, name: str) -> None:
        """Raise `RefusedError` for what energises, moves, or is kept by rules of its own."""
        hazard = instrument.value(name).hazard
        if hazard in _WAYS:
            raise RefusedError(f"{name} of {instrument.name} is {hazard}: {_WAYS[hazard]}")
        roles = instrument.profile.roles
        for role, keeper in ((roles.high_voltage, "raising"), (roles.axis, "moving")):
            if role is not None and name in _named(role):
                raise RefusedError(f"{name} of {instrument.name} is kept by the rules of {keeper}: they alone set it")

    async def _clear(self, request: Clear, _: Actor) -> dict[str, Any]:
        controller, channel = self._place(request.device, None)
        instrument = self._instruments[controller]
        roles = [role for role in (instrument.profile.roles.high_voltage, instrument.profile.roles.axis) if role]
        action = next((role.clear for role in roles if role.clear is not None), None)
        if action is None:
            raise RefusedError(f"nothing of {controller} can be cleared from here: its profile names no action for it")
        where = self._channel(controller, channel, instrument.action(action).of, action)
        await instrument.act(action, where)
        return {"device": request.device, "cleared": action, "old": None, "new": action}

    # Raising

    async def _arm(self, request: Arm, actor: Actor) -> dict[str, Any]:
        supply = self._supply(request.device)
        supply.limits.check(request.device, request.volts)
        before_v = await supply.read_v()
        permit = await supply.arm(actor, protocol_max_v=request.volts, valid_s=request.valid_s)
        identity, limits = await supply.identify(), supply.limits
        return {
            "device": request.device, "volts": request.volts, "output_v": before_v,
            "expires_s": permit.expires_s - self._clock(), "within_s": self._within_s(supply, request.volts),
            "identity": {"vendor": identity.vendor, "model": identity.model, "serial": identity.serial},
            "limits": {
                "max_v": limits.max_v, "slope_v_per_s": limits.max_slope_v_per_s, "step_v": limits.max_step_v,
                "tolerance_v": limits.tolerance_v, "trip_a": limits.trip_a, "trip_s": limits.trip_s,
            },
            "old": before_v, "new": before_v,
        }  # fmt: skip

    async def _raise(self, request: Raise, actor: Actor) -> dict[str, Any]:
        supply = self._supply(request.device)
        before_v = await supply.read_v()
        within_s = request.within_s or self._within_s(supply, request.volts)
        try:
            await supply.ramp_to(request.volts, within_s=within_s, actor=actor)
        except (ReadbackError, DeadlineError, InterlockError):  # else it may be another's permit, or another raise
            supply.disarm()
            raise
        supply.disarm()
        now_v = await supply.read_v()
        return {"device": request.device, "output_v": now_v, "old": before_v, "new": now_v}

    def _within_s(self, supply: HighVoltage, volts: float) -> float:
        """Return how long a raise may take: thrice what the slope needs, and a moment for each step."""
        limits = supply.limits
        steps = volts / limits.max_step_v + 1
        return min(_MOST_WITHIN_S, 10.0 + 3.0 * volts / limits.max_slope_v_per_s + 5.0 * steps)

    def _supply(self, name: str) -> HighVoltage:
        device = self._devices.get(name)
        if isinstance(device, HighVoltage):
            return device
        supplies = [each for each, found in self._devices.items() if isinstance(found, HighVoltage)]
        raise MissingError(f"there is no high voltage {name!r}; there are: {', '.join(supplies) or 'none'}")

    # Names

    def _place(self, name: str, channel: str | None) -> Place:
        """Return the controller that a name means, and the channel. Raises `MissingError`."""
        if name in self._places:
            controller, own = self._places[name]
            return controller, channel or own
        if name in self._instruments:
            return name, channel or ""
        if name in self._devices:
            raise MissingError(f"{name} is on no controller: it has its quantities alone")
        known = dict.fromkeys([*self._devices, *self._instruments], None)
        raise MissingError(f"there is no device or controller {name!r}; {close_names(name, known)}")

    def _channel(self, controller: str, channel: str, of: str, name: str) -> str:
        if of == "device":
            return ""
        if not channel:
            known = ", ".join(self._instruments[controller].profile.channels)
            raise MissingError(f"{name} of {controller} is of a channel: say which of {known}")
        return channel


def _regular(profile: ControlProfile, channel: str) -> list[Place]:
    """Return what is read regularly, by value and channel: of one channel, or of all and of the device itself."""
    channels = (channel,) if channel else profile.channels
    return [
        (name, where)
        for name, value in profile.values.items()
        if value.poll_s is not None and (value.of == "channel" or not channel)
        for where in (channels if value.of == "channel" else ("",))
    ]


def _named(role: Any) -> set[str]:
    """Return the values and actions that a role names."""
    return {text.partition(".")[0] for text in role.model_dump().values() if isinstance(text, str)}


def _shown(instrument: Instrument, name: str, channel: str, value: Value) -> dict[str, Any]:
    return {**_told(name, instrument.value(name).unit or "", channel, value), **_flags(instrument, name, value)}


def _flags(instrument: Instrument, name: str, value: Value) -> dict[str, list[str]]:
    """Return the names of the flags that are set, of a value of flags."""
    known = instrument.profile.values.get(name)
    if known is None or not known.flags or isinstance(value, bool) or not isinstance(value, int):
        return {}
    return {"flags": [flag for flag, lit in instrument.flags(name, value).items() if lit]}


def _told(name: str, unit: str, channel: str, value: Value) -> dict[str, Any]:
    where = {"channel": channel} if channel else {}
    return {"name": name, **where, "value": value, "unit": unit, "level": "", "error": ""}
