"""What is to be known of devices before they are used: who answers, how sound the wire is, what is against using them.

Nothing here changes anything but the wire's own account: each controller is asked who it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from daq.devices.abilities import Axis, Device, HighVoltage
from daq.devices.calls import Calls
from daq.devices.instruments.instrument import Instrument
from daq.errors import MissingError, ScandaqError
from daq.model.station import Actor, Reading
from daq.model.tables import close_names
from daq.model.verbs import Check
from daq.services.bus import Bus
from daq.services.devicesetting import clearing
from daq.services.devicework import Place
from daq.services.motion.engine import MotionEngine
from daq.services.motion.watch import Interlocks
from daq.services.readings import Readings
from daq.state.enable import Button, Motion
from daq.state.interlock import Command, permitted

_ASK_S = 10.0


class DeviceCheck:
    """Checks controllers and devices, all of them at once. `readings`: knows how old each value is."""

    def __init__(
        self, devices: Mapping[str, Device], instruments: Mapping[str, Instrument], places: Mapping[str, Place],
        motion: MotionEngine, interlocks: Interlocks, bus: Bus, *, readings: Readings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._devices, self._instruments, self._places = dict(devices), dict(instruments), dict(places)
        self._motion, self._interlocks, self._bus, self._readings = motion, interlocks, bus, readings
        self._clock = clock

    async def check(self, request: Check, _: Actor) -> dict[str, Any]:
        """Return `controllers` and `devices`, each by name; of one where one is named, with what it is on."""
        devices, controllers = self._meant(request.device)
        async with asyncio.TaskGroup() as tasks:
            asked = {
                name: tasks.create_task(self._controller(self._instruments[name]), name=f"check {name}")
                for name in controllers
            }
        said, found = self._said(), {name: task.result() for name, task in asked.items()}
        dead = {name for name, each in found.items() if each["error"]}
        return {
            "controllers": found,
            "devices": {name: self._device(self._devices[name], said.get(name, []), dead) for name in devices},
        }

    def _meant(self, name: str | None) -> tuple[list[str], list[str]]:
        if name is None:
            return list(self._devices), list(self._instruments)
        if name in self._devices:
            return [name], [self._places[name][0]] if name in self._places else []
        if name in self._instruments:
            return [each for each, (on, _) in self._places.items() if on == name], [name]
        known = dict.fromkeys([*self._devices, *self._instruments], None)
        raise MissingError(f"there is no device or controller {name!r}; {close_names(name, known)}")

    async def _controller(self, instrument: Instrument) -> dict[str, Any]:
        asked_s, error, identity = self._clock(), "", None
        try:
            identity = await Calls(instrument.name).within(instrument.identify(), _ASK_S, "identify")
        except ScandaqError as why:
            error = str(why).removeprefix(f"{instrument.name}: ")
        session, took_s = instrument.session, self._clock() - asked_s
        return {
            "profile": instrument.profile.id,
            "verified": instrument.profile.verified,
            "identity": None if identity is None else asdict(identity),
            "error": error,
            "took_s": took_s,
            "wire": session.suspect.removeprefix(f"{instrument.name}: ") or "sound",
            "connection": session.connection,
            "tally": asdict(session.tally),
            "devices": [name for name, (on, _) in self._places.items() if on == instrument.name],
        }

    def _device(self, device: Device, said: list[Reading], dead: set[str]) -> dict[str, Any]:
        controller, channel = self._places.get(device.name, ("", ""))
        raising, moving = self._against_raising(device), self._against_moving(device)
        for reasons in (raising, moving):
            if reasons is not None and controller in dead:
                reasons.insert(0, f"{controller} does not answer")
        return {
            "controller": controller,
            "channel": channel,
            "against_raising": raising,
            "against_moving": moving,
            "clears": clearing(self._instruments[controller]) if controller in self._instruments else None,
            "readings": [self._row(reading) for reading in said],
            "not_current": sum(reading.quality in ("stale", "comm_fail") for reading in said),
        }

    def _against_raising(self, device: Device) -> list[str] | None:
        """Return what speaks against raising a supply now, besides that it must be armed; None for anything else."""
        if not isinstance(device, HighVoltage):
            return None
        trouble = self._newest(device.name, "trouble")
        return [*_parts(device.against_raising()), *([str(trouble)] if trouble else [])]

    def _against_moving(self, device: Device) -> list[str] | None:
        """Return what speaks against moving an axis now; None for anything else."""
        if not isinstance(device, Axis):
            return None
        interlocks = permitted(Command.MOVE, self._interlocks.current(), self._clock())
        held = self._motion.enable.button is Button.HELD
        enable = self._motion.enable.why_not(Motion.POSITIONING if held else Motion.STEP)
        fault = device.last.fault if device.last is not None else "it was not asked yet"
        doubt = "it was told to stop, and was not seen to stand" if device.doubtful else None
        unhomed = None if device.homed else "it has no reference"
        return [why for each in (interlocks, fault, doubt, unhomed, enable) for why in _parts(each)]

    def _row(self, said: Reading) -> dict[str, Any]:
        return {
            "name": said.name, "value": said.value, "unit": said.unit, "quality": said.quality, "level": said.level,
            "read_utc": said.read_utc, "age_s": self._readings.age_s(said.device, said.name),
        }  # fmt: skip

    def _newest(self, device: str, name: str) -> Any:
        fresh = [r for r in self._said().get(device, []) if r.name == name and r.quality in ("good", "out_of_limits")]
        return fresh[0].value if fresh else None

    def _said(self) -> dict[str, list[Reading]]:
        said: dict[str, list[Reading]] = {}
        for each in self._bus.newest():
            if isinstance(each, Reading):
                said.setdefault(each.device, []).append(each)
        return said


def quantities_of(device: Device) -> dict[str, Any]:
    """Return what is read of a device, by name: unit, cadence, when it is stale, limits, and what to do beyond them."""
    return {
        each.name: {
            "unit": each.unit, "poll_s": each.poll_s, "stale_s": each.stale_s, "limits": dict(each.limits),
            **({"guidance": each.guidance} if each.guidance else {}),
        }
        for each in device.quantities
    }  # fmt: skip


def _parts(why: str | None) -> list[str]:
    return why.split("; ") if why else []
