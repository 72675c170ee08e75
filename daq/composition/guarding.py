"""What of a station watches over people and detectors, built of its devices, its site file and its scanner profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from daq.devices.abilities import Axis, HighVoltage, InterlockSource, MotionEnable
from daq.devices.build import head_of
from daq.errors import ProfileError
from daq.model.envelope import why_outside
from daq.model.scanner_safety import travels_of
from daq.model.station import Actor
from daq.services.bus import Bus
from daq.services.motion.alarming import Alarming
from daq.services.motion.engine import MotionEngine
from daq.services.motion.envelope import Envelope
from daq.services.motion.room import RoomWatch
from daq.services.motion.watch import InterlockWatch
from daq.services.voltageguard import GuardedSupply, VoltageGuard
from daq.state.acquisition import State
from daq.state.interlock import Command, Kind, of_head
from daq.state.safety import require_state

if TYPE_CHECKING:
    from daq.model.scanner import ScannerProfile
    from device_profiles.site import Site

Service = tuple[str, Callable[[], Coroutine[Any, Any, None]]]
Handler = Callable[[Any, Actor], Awaitable[dict[str, Any]]]
Handlers = Mapping[str, Handler]
_RAISES = frozenset({"arm-voltage", "raise-voltage"})


class Guarding:
    """Interlocks by head, the collision envelope, what takes voltages down, the enable that is pressed in the room.

    Raises `ProfileError` where the scanner needs an interlock that no device of the site watches.
    """

    def __init__(
        self, site: Site, scanner: ScannerProfile | None, devices: Mapping[str, Any], bus: Bus, alarms: Alarming
    ) -> None:
        self._scanner = scanner
        self._sources = _of(InterlockSource, devices)
        self._buttons = _of(MotionEnable, devices)
        self.being_raised: Counter[str] = Counter()
        """How many raises of a supply are under way."""
        self._heads = {name: head for name, device in site.devices.items() if (head := device.head) is not None}
        self.interlocks = InterlockWatch(self._sources, bus, heads=self._heads)
        self._supplies = {
            name: self._guarded(supply, site.devices[name].supply or name, head_of(name, site.devices[name], scanner))
            for name, supply in _of(HighVoltage, devices).items()
        }
        self.voltages = VoltageGuard(self._supplies, self.interlocks, bus, alarms)
        if scanner is not None:
            self._require_interlocks(scanner, self._supplies, moves=bool(_of(Axis, devices)))

    @property
    def envelope(self) -> Envelope | None:
        """Return what says where axes must not be together; None where the scanner profile does not."""
        scanner = self._scanner
        return partial(why_outside, scanner.envelope, travels_of(scanner)) if scanner and scanner.envelope else None

    def services(self, engine: MotionEngine) -> list[Service]:
        """Return what has to run: name and coroutine function."""
        found: list[Service] = []
        if self._sources:
            found.append(("interlocks", self.interlocks.run))
        if self._supplies:  # also without interlocks: what trips takes its group down
            found.append(("voltage-guard", self.voltages.run))
        if self._buttons:
            found.append(("room-enable", RoomWatch(self._buttons, engine).run))
        return found

    def raising(self, handlers: Handlers, state: Callable[[], State]) -> Handlers:
        """Return handlers; those that raise a voltage do so in states that allow it, by contacts read for it."""

        def guarded(handler: Handler) -> Handler:
            async def handle(request: Any, actor: Actor) -> dict[str, Any]:
                require_state(Command.RAISE_VOLTAGE, state())
                await self.interlocks.refresh()
                return await handler(request, actor)

            return handle

        def counted(handler: Handler) -> Handler:
            async def handle(request: Any, actor: Actor) -> dict[str, Any]:
                self.being_raised[request.device] += 1
                try:
                    return await handler(request, actor)
                finally:
                    self.being_raised[request.device] -= 1

            return handle

        made = {verb: guarded(handler) if verb in _RAISES else handler for verb, handler in handlers.items()}
        return {verb: counted(handler) if verb == "raise-voltage" else handler for verb, handler in made.items()}

    def _guarded(self, supply: HighVoltage, limits: str, head: str | None) -> GuardedSupply:
        supply.guard_by(partial(self.interlocks.of_head, head))
        said = self._scanner.supplies.get(limits) if self._scanner is not None else None
        return GuardedSupply(supply, head, said.trip_group if said is not None else None)

    def _require_interlocks(
        self, scanner: ScannerProfile, supplies: Mapping[str, GuardedSupply], *, moves: bool
    ) -> None:
        for kind in scanner.interlocks.move if moves else ():
            if kind not in {str(each.kind) for each in self.interlocks.current()}:
                raise ProfileError(f"scanner {scanner.id} needs an interlock {kind} to move; no device watches it")
        for name, guarded in supplies.items():
            own = [guarded.head] if guarded.head is not None else [head.id for head in scanner.heads]
            for head in own or (None,):
                self._require_at(scanner, name, head)

    def _require_at(self, scanner: ScannerProfile, supply: str, head: str | None) -> None:
        watched = {each.kind for each in of_head(self.interlocks.current(), head)}
        for kind in scanner.interlocks.raise_voltage:
            if Kind(kind) not in watched:
                where = f" of head {head}" if head is not None else ""
                raise ProfileError(
                    f"scanner {scanner.id} needs an interlock {kind}{where} to raise {supply}; none is there"
                )


def _of(ability: Any, devices: Mapping[str, Any]) -> dict[str, Any]:
    return {name: device for name, device in devices.items() if isinstance(device, ability)}
