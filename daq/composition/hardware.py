"""The devices of a station, and what watches over them: interlocks, motion, readings, high voltage."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from daq.composition.guarding import Guarding, Handlers
from daq.devices.abilities import Axis, Beats, Collimator, GateTrigger, HighVoltage
from daq.devices.axis import DrivenAxis
from daq.devices.build import build_devices
from daq.devices.instruments.wiring import Controllers, Wiring
from daq.devices.lowering import lower_voltage
from daq.devices.simulated.encoder import Encoders
from daq.errors import MissingError, ScandaqError
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.controllerhealth import ControllerHealth
from daq.services.devicealarms import DeviceAlarms
from daq.services.devicecheck import DeviceCheck, quantities_of
from daq.services.devicework import DeviceWork
from daq.services.metrics import Asked
from daq.services.motion.button import RoomButton
from daq.services.motion.engine import MotionEngine
from daq.services.motion.roomlook import Figures, RoomLook
from daq.services.motion.standing import StandingWatch
from daq.services.readings import Readings
from daq.state.acquisition import State
from daq.state.enable import Enable, Reference
from daq.state.interlock import Kind

if TYPE_CHECKING:
    from daq.model.scanner import ScannerProfile
    from device_profiles.site import Site

_LOWER_S = 120.0


class Hardware:
    """All devices by name. `rehome`: motion was lost before this daemon came, and nobody has homed since."""

    def __init__(
        self, site: Site, scanner: ScannerProfile | None, controllers: Controllers, bus: Bus, alarms: Alarms, *,
        rehome: bool,
    ) -> None:  # fmt: skip
        self._wiring = Wiring(controllers)
        encoders = Encoders(site.state_folder / "simulated-axes.json")
        self._devices = build_devices(site.devices, scanner, self._wiring.instruments, encoders=encoders)
        self._guarding = Guarding(site, scanner, self._devices, bus, alarms)
        self._interlocks = self._guarding.interlocks
        enable = Enable(reference=Reference.LOST if rehome else Reference.CONFIRMED)
        axes = {site.devices[name].axis or name: axis for name, axis in self._of(Axis).items()}
        self.motion = MotionEngine(axes, self._interlocks, enable, bus, alarms, envelope=self._guarding.envelope)
        self._wiring.withhold = self._still_moving
        self._standing = StandingWatch(axes, lambda: self.motion.moving, alarms)
        self._button = RoomButton(self.motion)
        self._readings = Readings(self._devices, bus)
        places = {name: (on.name, on.channel or "") for name, d in site.devices.items() if (on := d.controller)}
        self._device_alarms = DeviceAlarms(
            bus, alarms, quantities={name: device.quantities for name, device in self._devices.items()},
            controller_of={name: controller for name, (controller, _) in places.items()},
        )  # fmt: skip
        self._health = ControllerHealth(self._wiring.instruments, bus)
        known = (self._devices, self._wiring.instruments, places)
        supplied = {places[name][0] for name in self._of(HighVoltage) if name in places}
        self._energised = {
            name: instrument for name, instrument in self._wiring.instruments.items()
            if instrument.profile.safe_state is not None and name not in supplied
        }  # fmt: skip
        self._look = RoomLook(
            self._devices, self.motion, self._interlocks.current, simulated=site.simulated,
            collimators=scanner.collimators if scanner is not None else (),
        )  # fmt: skip
        check = DeviceCheck(*known, self.motion, self._interlocks, bus, readings=self._readings).check
        self._handlers = {**DeviceWork(*known).handlers, "check": check}

    def handlers(self, state: Callable[[], State]) -> Handlers:
        """Return who carries out the verbs about single devices. `state`: of the station, now."""
        return self._guarding.raising(self._handlers, state)

    def looks(self, bed: Figures) -> Handlers:
        """Return who tells what there is in the room. `bed` gives the figures of the bed."""
        self._look.bed = bed
        return self._look.handlers

    def services(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """Return what has to run: name and coroutine function."""
        watched = self._guarding.services(self.motion)
        always = [
            ("instruments", self._wiring.run), ("device-alarms", self._device_alarms.run),
            ("readings", self._readings.run), ("controller-health", self._health.run),
            ("standing", self._standing.run),
        ]  # fmt: skip
        return [*watched, *always] if self._devices else []

    async def collimator(self) -> str | None:
        """Return what is mounted on all heads; None where nothing senses it, or heads differ."""
        sensed = {await device.sensed() for device in self._of(Collimator).values()}
        return sensed.pop() if len(sensed) == 1 else None

    async def beats(self) -> Beats | None:
        """Return what the gate trigger saw, the one that beats where there are several; None where there is none."""
        seen = [await trigger.beats() for trigger in self._of(GateTrigger).values()]
        return min(seen, key=lambda beats: math.inf if beats.age_s is None else beats.age_s, default=None)

    async def places(self) -> dict[str, float]:
        """Return where axes stand, by the scanner profile's names, mm or degrees; those that do not say are missing."""
        return {sample.axis: sample.position for sample in await self.motion.where.now()}

    async def voltages(self) -> str | None:
        """Return which supplies do not answer, are in trouble or are raised now, or None. Off is no trouble."""
        supplies = self._of(HighVoltage)
        said = await asyncio.gather(*(_trouble_of(name, supply) for name, supply in supplies.items()))
        return "; ".join(filter(None, [*said, self.rising()])) or None

    def interlock_trouble(self) -> str | None:
        """Return which interlocks are open, or not read lately; None where all are good. The room's door is none."""
        now_s = time.monotonic()
        watched = (each for each in self._interlocks.current() if each.kind is not Kind.ROOM_DOOR)
        return "; ".join(filter(None, (each.trouble(now_s) for each in watched))) or None

    def rising(self) -> str:
        """Return which supplies are raised now; empty where none is."""
        return "; ".join(f"{name} is being raised" for name, count in self._guarding.being_raised.items() if count)

    async def lower_voltage(self, name: str | None, volts: float = 0.0) -> dict[str, Any]:
        """Lower one supply, or all of them at once, to `volts` or off; return what each said. Always allowed.

        Controllers that have a safe state, and no supply of the station on them, are made safe likewise.
        """
        supplies = self._of(HighVoltage)
        slopes_s = (1.5 * each.limits.max_v / each.limits.max_slope_v_per_s for each in supplies.values())
        within_s = max(_LOWER_S, *slopes_s, 0.0)  # one without a slope of its own is led down, as long as that takes
        return {"high_voltage": await lower_voltage(supplies, name, volts, within_s=within_s, others=self._energised)}

    async def simulate(self, name: str, action: str, value: Any) -> dict[str, Any]:
        """Do to a simulated device, or to the enable in the room, what a person would do."""
        if name == "enable":
            self._button.simulate(action, value)
            return {"motion": self.motion.figures()}
        device = self._devices.get(name)
        act = getattr(device, "simulate", None)
        if act is None:
            raise MissingError(f"there is no simulated device {name!r}; there are enable, {', '.join(self._devices)}")
        act(action, value)
        return {"device": name, "action": action}

    def mark_by(self, marked: Callable[[str, str], None], state: Callable[[], State]) -> None:
        """Tell `marked` what belongs into a recording, with what it is of: trips, voltages taken down, axes that moved.

        `state`: of the station, now.
        """
        self._guarding.voltages.marked = partial(marked, "high-voltage")
        self._standing.marked = partial(marked, "motion")
        self._standing.recording = lambda: state() is State.ACQUIRING

    def figures(self) -> list[Asked]:
        """Return the figures of readings and controllers, to be asked for at every scrape."""
        return [*self._readings.figures(), *self._health.figures()]

    def described(self) -> dict[str, Any]:
        """Return the devices as `Description` has them: what is read of each, how often, within which limits."""
        return {name: {"quantities": quantities_of(device)} for name, device in self._devices.items()}

    async def close(self) -> None:
        """Stop what moves. High voltage stays as it is: dropping it costs hours of drift."""
        if self.motion.moving:
            await self.motion.stop_motion()
        await self._wiring.close()

    def _still_moving(self) -> str:
        """Return which axes were told to stop and are not known to stand; empty where there is none."""
        axes = [name for name, axis in self.motion.axes.items() if isinstance(axis, DrivenAxis) and axis.unconfirmed]
        return f"{', '.join(axes)} not confirmed to stand after a stop" if axes else ""

    def _of(self, ability: Any) -> dict[str, Any]:
        return {name: device for name, device in self._devices.items() if isinstance(device, ability)}


async def _trouble_of(name: str, supply: HighVoltage) -> str:
    try:
        trouble = str(await supply.read("trouble") or "")
    except ScandaqError as why:
        return f"what {name} holds is not known: {why}"
    return f"{name}: {trouble}" if trouble else ""
