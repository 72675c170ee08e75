"""How long lowering is gone on with: as long as the slowest slope takes, for who has none of its own is led down."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from daq.composition import hardware
from daq.devices.limits import VoltageLimits


@pytest.mark.parametrize(("slope_v_per_s", "within_s"), [(50.0, 120.0), (1.0, 1350.0)])
def test_a_slow_slope_has_the_time_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, slope_v_per_s: float, within_s: float
) -> None:
    given: list[float] = []

    async def lower(*_: Any, within_s: float, **__: Any) -> dict[str, Any]:
        given.append(within_s)
        return {}

    monkeypatch.setattr(hardware, "lower_voltage", lower)
    supply = SimpleNamespace(limits=VoltageLimits(900.0, slope_v_per_s, 10.0, 1.0, 1e-6, 1.0))
    station: Any = SimpleNamespace(_of=lambda _: {"hv": supply}, _energised={})
    asyncio.run(hardware.Hardware.lower_voltage(station, None))

    assert given == [within_s]
