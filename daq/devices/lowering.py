"""Taking high voltage down, of one supply or of all, without leave and without waiting for one another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from daq.devices.abilities import HighVoltage
from daq.errors import MissingError, ScandaqError


async def lower_voltage(
    supplies: Mapping[str, HighVoltage], name: str | None = None, volts: float = 0.0, *, within_s: float = 60.0
) -> dict[str, Any]:
    """Take one supply down, or all at the same time; return for each whether it is off, its voltage and what failed.

    With `volts` above 0: down to that; a supply that is below it is left alone, and its `error` says so. Raise
    `MissingError` for an unknown name; never anything else.
    """
    if name is not None and name not in supplies:
        raise MissingError(f"there is no high voltage {name!r}; there are: {', '.join(supplies) or 'none'}")
    chosen = supplies if name is None else {name: supplies[name]}
    async with asyncio.TaskGroup() as tasks:
        made = {
            each: tasks.create_task(_down(supply, volts, within_s), name=f"{each}: down")
            for each, supply in chosen.items()
        }
    return {each: task.result() for each, task in made.items()}


async def _down(supply: HighVoltage, volts: float, within_s: float) -> dict[str, Any]:
    try:
        if volts > 0:
            await supply.ramp_to(volts, within_s=within_s)  # without an actor it only goes down
        else:
            await supply.off(within_s=within_s)
        return {"off": volts == 0, "output_v": await supply.read_v(), "error": ""}
    except ScandaqError as why:
        return {"off": False, "output_v": None, "error": str(why)}
