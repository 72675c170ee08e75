"""Takes high voltage down where a service cover opened, a head got too warm, or a supply of the same group tripped.

The contacts are wired to the supplies, which act first and without this program; what is done here mirrors them. Only
what belongs to the head goes down: another head's voltage took hours to settle. A supply is told again until a reading
says that it is off, whatever the interlock says meanwhile; while it does not, there is an alarm. An interlock that is
silent takes nothing down: it lets nothing be raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from daq.devices.abilities import HighVoltage
from daq.devices.high_voltage import GuardedHighVoltage
from daq.errors import ScandaqError
from daq.model.station import Announcement, Reading
from daq.services.bus import Bus
from daq.services.motion.alarming import Alarming
from daq.services.motion.watch import Interlocks
from daq.state.interlock import GUARDED_BY, Command, Interlock, of_head

_LOG = logging.getLogger(__name__)
_AGAIN_S = 1.0
_SPARE_S = 5.0
_TROUBLE, _VOLTAGE = "trouble", "voltage"


@dataclass(frozen=True, slots=True)
class GuardedSupply:
    """A supply, the head that it feeds (None: nobody says, or several), and the group that goes down with it."""

    supply: HighVoltage
    head: str | None = None
    group: str | None = None


class VoltageGuard:
    """Hears interlocks and readings. `marked` is told what belongs into a recording, at once; it must not wait."""

    marked: Callable[[str], None]

    def __init__(
        self,
        supplies: Mapping[str, GuardedSupply],
        interlocks: Interlocks,
        bus: Bus,
        alarms: Alarming,
    ) -> None:
        self._supplies = dict(supplies)
        self._interlocks = interlocks
        self._bus = bus
        self._alarms = alarms
        self.marked = _LOG.info
        self._troubles: dict[str, str] = {}
        self._wanted: dict[str, str] = {}
        self._woken = asyncio.Event()
        self._lowering: dict[str, asyncio.Task[None]] = {}
        interlocks.listen(self._interlock_changed)
        for name, each in self._supplies.items():
            if isinstance(each.supply, GuardedHighVoltage):
                each.supply.report_by(partial(self._unverified, name))

    @property
    def lowering(self) -> frozenset[str]:
        """Return the supplies that are being taken down, not yet verified."""
        return frozenset(self._lowering)

    async def run(self) -> None:
        """Guard until cancelled; what is high then stays high: a program that ends leaves voltages as they are."""
        for interlock in self._interlocks.current():
            self._interlock_changed(interlock)
        try:
            with self._bus.listening(self._hear, replay=True):
                while True:
                    await self._woken.wait()
                    self._woken.clear()
                    while self._wanted:
                        self._begin(*self._wanted.popitem())
        finally:
            for task in tuple(self._lowering.values()):
                task.cancel()

    def _interlock_changed(self, interlock: Interlock) -> None:
        if interlock.value is not False or interlock.kind not in GUARDED_BY[Command.RAISE_VOLTAGE]:
            return
        for name, guarded in self._supplies.items():
            if of_head([interlock], guarded.head):
                self._want(name, f"{interlock.name} is open")

    def _hear(self, said: Announcement) -> None:
        if not isinstance(said, Reading) or said.device not in self._supplies:
            return
        if said.name == _VOLTAGE:
            self._look_at_voltage(said)
        elif said.name == _TROUBLE:
            self._look_at_trouble(said)

    def _look_at_voltage(self, said: Reading) -> None:
        """Take down what somebody raised by hand behind something that is open."""
        guarded, volts = self._supplies[said.device], said.value
        if not isinstance(volts, int | float) or volts <= guarded.supply.limits.tolerance_v:
            return
        for interlock in of_head(self._interlocks.current(), guarded.head):
            if interlock.value is False and interlock.kind in GUARDED_BY[Command.RAISE_VOLTAGE]:
                self._want(said.device, f"{interlock.name} is open")

    def _look_at_trouble(self, said: Reading) -> None:
        trouble = str(said.value or "") if said.quality == "good" else self._troubles.get(said.device, "")
        if trouble == self._troubles.get(said.device, ""):
            return
        self._troubles[said.device] = trouble
        self.marked(f"high voltage {said.device}: {trouble or 'its trouble is cleared'}")
        group = self._supplies[said.device].group
        if trouble and group is not None:
            for name, guarded in self._supplies.items():
                if name != said.device and guarded.group == group:
                    self._want(name, f"{said.device} of the same group: {trouble}")

    def _unverified(self, name: str, why: str) -> None:
        """Hear of a raise that was taken back and is not verified to be back; `why` is empty once it is."""
        if not why:
            self._alarms.clear(name, "not-taken-back")
            return
        self._alarms.raise_(
            name, "not-taken-back", priority="high", text=why,
            guidance="look at the supply; lower it by hand where it does not answer; this program goes on trying",
        )  # fmt: skip

    def _want(self, name: str, why: str) -> None:
        self._wanted.setdefault(name, why)
        self._woken.set()

    def _begin(self, name: str, why: str) -> None:
        if name in self._lowering:
            return
        task = asyncio.get_running_loop().create_task(self._down(name, why), name=f"{name}: guarded down")
        self._lowering[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self._lowering.pop(name, None)
        if not task.cancelled() and (why := task.exception()) is not None:
            _LOG.critical("nobody takes %s down any more", name, exc_info=why)
            self._not_lowered(name, f"unexpected {type(why).__name__}: {why}")

    async def _down(self, name: str, why: str) -> None:
        """Tell it to go down until it is verified, alarmed while it is not."""
        supply = self._supplies[name].supply
        if await self._is_up(supply):
            self._taken_down(name, why)
        within_s = 1.5 * supply.limits.max_v / supply.limits.max_slope_v_per_s + _SPARE_S
        while True:
            try:
                await supply.off(within_s=within_s)
            except ScandaqError as trouble:
                self._not_lowered(name, f"{name} is not verified to be off though {why}: {trouble}")
                await asyncio.sleep(_AGAIN_S)
            else:
                self._alarms.clear(name, "not-lowered")
                return

    @staticmethod
    async def _is_up(supply: HighVoltage) -> bool:
        try:
            return await supply.read_v() > supply.limits.tolerance_v
        except Exception:  # noqa: BLE001 - whatever a driver raises: what does not answer is not off
            return True

    def _taken_down(self, name: str, why: str) -> None:
        text = f"{name} is taken down: {why}"
        self.marked(f"high voltage {text}")
        self._alarms.raise_(
            name, "taken-down", priority="medium", text=text,
            guidance="mend what opened or tripped; arm the supply and raise it again; give the detector time",
        )  # fmt: skip
        self._alarms.clear(name, "taken-down")

    def _not_lowered(self, name: str, why: str) -> None:
        self._alarms.raise_(
            name, "not-lowered", priority="high", text=why,
            guidance="switch the supply off by hand before anybody touches the detector; this program goes on trying",
        )  # fmt: skip
