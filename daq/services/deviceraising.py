"""Raising a supply outside of a protocol: armed for what was shown, raised by who armed it, then disarmed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from daq.devices.abilities import Device, HighVoltage
from daq.errors import DeadlineError, InterlockError, MissingError, ReadbackError
from daq.model.station import Actor
from daq.model.verbs import Arm, Raise

_MOST_WITHIN_S = 590.0
"""A request is answered within 600 s."""


class DeviceRaising:
    """Arms and raises supplies by the names of the site file. The rules of raising are those of `HighVoltage`."""

    def __init__(self, devices: Mapping[str, Device], clock: Callable[[], float] = time.monotonic) -> None:
        self._devices, self._clock = dict(devices), clock

    async def arm(self, request: Arm, actor: Actor) -> dict[str, Any]:
        """Take leave to raise a supply up to what is asked for and no further; return what will happen."""
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

    async def raise_(self, request: Raise, actor: Actor) -> dict[str, Any]:
        """Raise it; return where it was and is. Raises what the rules have against it."""
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
