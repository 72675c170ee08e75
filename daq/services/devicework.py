"""What a person asks of single devices and controllers, by the names of the site file: read, set, cleared, raised."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daq.devices.abilities import Device, Quantity, Value
from daq.devices.calls import Calls
from daq.devices.instruments.instrument import Instrument
from daq.errors import MissingError, RefusedError, ScandaqError, VerificationError
from daq.model.control import ControlProfile
from daq.model.station import Actor
from daq.model.tables import close_names
from daq.model.verbs import Act, Clear, Read, Set
from daq.services.deviceraising import DeviceRaising
from daq.services.devicesetting import Settings
from daq.services.readinglevel import level_of

Handlers = Mapping[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]
Place = tuple[str, str]
"""The name of a controller, and a channel of it or an empty text."""

_READ_S = 5.0


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
        self._settings = {name: Settings(instrument) for name, instrument in self._instruments.items()}
        self._raising = DeviceRaising(self._devices, clock)

    @property
    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {
            "read": self._read, "set": self._set, "clear": self._clear, "act": self._act,
            "arm-voltage": self._raising.arm, "raise-voltage": self._raising.raise_,
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
        settings = self._settings[controller]
        instrument = settings.instrument
        if name is not None and (register := settings.register(name)) is not None:
            return [_told(name, register.unit or "", "", await settings.read_register(name))]
        if name is not None:
            if instrument.value(name).of == "channel" and not channel:
                found = await instrument.read_all(name)
                return [_shown(instrument, name, where, value) for where, value in found.items()]
            where = self._channel(controller, channel, instrument.value(name).of, name)
            return [_shown(instrument, name, where, await instrument.read(name, where))]
        asked = _regular(instrument.profile, channel)
        if not asked:
            known = ", ".join([*instrument.profile.values, *instrument.profile.registers])
            raise MissingError(f"nothing of {controller} is read regularly; name what to read: {known}")
        try:
            read = await instrument.read_many(asked)
        except (RefusedError, VerificationError):  # it refuses one of them, e.g. a channel that it does not have
            return [await self._each(instrument, *where) for where in asked]
        return [_shown(instrument, *where, value) for where, value in zip(asked, read, strict=True)]

    async def _each(self, instrument: Instrument, name: str, channel: str) -> dict[str, Any]:
        try:
            return _shown(instrument, name, channel, await instrument.read(name, channel))
        except ScandaqError as why:
            return {**_shown(instrument, name, channel, None), "error": str(why)}

    async def _tried(self, quantity: Quantity, reading: Awaitable[Value]) -> dict[str, Any]:
        try:
            value = await reading
        except ScandaqError as why:
            return {**_told(quantity.name, quantity.unit, "", None), "error": str(why)}
        return {**_told(quantity.name, quantity.unit, "", value), "level": level_of(value, quantity, "")}

    # Setting

    async def _set(self, request: Set, _: Actor) -> dict[str, Any]:
        controller, channel = self._place(request.device, request.channel)
        settings, name = self._settings[controller], request.name
        if isinstance(request.value, str):
            raise RefusedError(f"{name} of {controller} takes a number, not {request.value!r}")
        if (register := settings.register(name)) is not None:
            old = await settings.set_register(name, request.value)
            new = request.value if register.access == "write" else await settings.read_register(name)
            told, proven = _told(name, register.unit or "", "", new), register.access != "write"
        else:
            value = settings.instrument.value(name)
            where = self._channel(controller, channel, value.of, name)
            old = await settings.set_value(name, request.value, where)
            readable, proven = value.get is not None or value.all is not None, value.readback is not None
            new = await settings.instrument.read(name, where) if readable else request.value
            told = _told(name, value.unit or "", where, new)
        return {"device": request.device, "set": told, "proven": proven, "old": old, "new": new}

    async def _clear(self, request: Clear, _: Actor) -> dict[str, Any]:
        controller, _channel = self._place(request.device, None)
        action = self._settings[controller].clearing()
        if action is None:
            raise RefusedError(f"nothing of {controller} can be cleared from here: its profile names no action for it")
        return {"device": request.device, "cleared": action, **await self._done(request.device, action, None)}

    async def _act(self, request: Act, _: Actor) -> dict[str, Any]:
        return {"device": request.device, **await self._done(request.device, request.action, request.channel)}

    async def _done(self, device: str, name: str, channel: str | None) -> dict[str, Any]:
        controller, own = self._place(device, channel)
        settings = self._settings[controller]
        action = settings.instrument.action(name)
        await settings.act(name, self._channel(controller, own, action.of, name))
        return {"done": name, "proven": action.confirm is not None, "old": None, "new": name}

    # Names

    def _place(self, name: str, channel: str | None) -> Place:
        """Return the controller that a name means, and the channel. Raises `MissingError`."""
        if name in self._places:
            controller, own = self._places[name]
            if own and channel not in (None, own):  # another channel's value is none of this device's
                raise RefusedError(f"{name} is channel {own} of {controller}: ask {controller} for channel {channel}")
            return controller, self._known(controller, channel) or own
        if name in self._instruments:
            return name, self._known(name, channel)
        if name in self._devices:
            raise MissingError(f"{name} is on no controller: it has its quantities alone")
        known = dict.fromkeys([*self._devices, *self._instruments], None)
        raise MissingError(f"there is no device or controller {name!r}; {close_names(name, known)}")

    def _known(self, controller: str, channel: str | None) -> str:
        """Return a channel as it was said, empty for none. Raises `MissingError` where there is no such one."""
        known = self._instruments[controller].profile.channels
        if channel is not None and channel not in known:
            there = f"{channel!r} is none of {', '.join(known)}" if known else "it has none"
            raise MissingError(f"{controller} has no such channel: {there}")
        return channel or ""

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
