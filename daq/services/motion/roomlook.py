"""What there is in the room, as it is now: axes, enable, interlocks, bed; on simulated stations what a hand can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from daq.devices.abilities import Axis, Collimator, DetectorHead, GateTrigger
from daq.model.station import Actor
from daq.services.motion.engine import MotionEngine
from daq.state.enable import Motion
from daq.state.interlock import GUARDED_BY, Interlock

Figures = Callable[[], Mapping[str, Any] | None]
_BY_HAND = (Motion.HOMING, Motion.RETREAT, Motion.SWEEP)


class RoomLook:
    """Tells what is in the room. `bed` gives the figures of the bed; `collimators` are those of the scanner profile."""

    def __init__(
        self,
        devices: Mapping[str, Any],
        engine: MotionEngine,
        interlocks: Callable[[], Iterable[Interlock]],
        *,
        collimators: Iterable[str] = (),
        simulated: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._devices, self._engine, self._interlocks, self._clock = devices, engine, interlocks, clock
        self._collimators, self._simulated = sorted(collimators), simulated
        self.bed: Figures = lambda: None

    @property
    def handlers(self) -> dict[str, Any]:
        """Return who carries out the verb."""
        return {"room": self._room}

    async def _room(self, _: Any, __: Actor) -> dict[str, Any]:
        return self.figures()

    def figures(self) -> dict[str, Any]:
        """Return all of it as plain data; positions in the unit that is named, ages in seconds."""
        motion = self._engine.figures()
        axes = self._engine.axes
        limits = {name: axes[name].limits for name in axes}
        bounds = {
            name: {"minimum": each.minimum, "maximum": each.maximum, "away": each.away}
            for name, each in limits.items()
        }  # fmt: skip
        return {
            **motion,
            "axes": {name: {**told, **bounds[name]} for name, told in motion["axes"].items()},
            "against": {str(kind): self._engine.against(kind) or "" for kind in _BY_HAND} if axes else {},
            "interlocks": [self._interlock(each) for each in self._interlocks()],
            "bed": self.bed(),
            "by_hand": self._by_hand() if self._simulated else None,
        }  # fmt: skip

    def _interlock(self, each: Interlock) -> dict[str, Any]:
        now_s = self._clock()
        trouble = each.trouble(now_s)
        fresh = each.value is not None and 0 <= now_s - each.read_monotonic_s <= each.stale_s
        return {
            "name": each.name, "device": each.name.rpartition(".")[0], "kind": str(each.kind), "head": each.head,
            "state": "closed" if trouble is None else "open" if fresh else "unknown", "trouble": trouble or "",
            "age_s": None if each.value is None else round(now_s - each.read_monotonic_s, 3),
            "guards": sorted(str(command) for command, kinds in GUARDED_BY.items() if each.kind in kinds),
        }  # fmt: skip

    def _by_hand(self) -> dict[str, Any]:
        """Return the simulated devices that a person in the room could work."""
        simulated = {name: each for name, each in self._devices.items() if hasattr(each, "simulate")}

        def of(ability: Any) -> list[str]:
            return [name for name, each in simulated.items() if isinstance(each, ability)]

        return {"enable": bool(self._engine.axes), "axes": of(Axis), "collimators": of(Collimator),
                "mounts": self._collimators, "gates": of(GateTrigger), "heads": of(DetectorHead)}  # fmt: skip
