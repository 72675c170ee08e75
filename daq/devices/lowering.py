"""Taking high voltage down, of one supply or of all, without leave and without waiting for one another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from daq.devices.abilities import HighVoltage
from daq.errors import MissingError, ScandaqError


class Energised(Protocol):
    """What no supply of the station is made of, and yet may put out a voltage, e.g. a supply of a bench."""

    async def make_safe(self) -> float:
        """Say what makes it safe until a reading says that it is; return the reading in volts."""


async def lower_voltage(
    supplies: Mapping[str, HighVoltage], name: str | None = None, volts: float = 0.0, *, within_s: float = 60.0,
    others: Mapping[str, Energised] = MappingProxyType({}),
) -> dict[str, Any]:  # fmt: skip
    """Take one supply down, or all at the same time; return for each whether it is off, its voltage and what failed.

    `others` are made safe. With `volts` above 0: supplies go down to that; one that is below it is left alone, and its
    `error` says so. Raise `MissingError` for an unknown name; never anything else.
    """
    others = {f"{each} (controller)" if each in supplies else each: other for each, other in others.items()}
    known = [*supplies, *others]
    if name is not None and name not in known:
        raise MissingError(f"there is no high voltage {name!r}; there are: {', '.join(known) or 'none'}")
    ways = {each: _down(supply, volts, within_s) for each, supply in supplies.items() if name in (None, each)}
    if volts == 0:
        ways |= {each: _safe(other, within_s) for each, other in others.items() if name in (None, each)}
    elif name in others:
        raise MissingError(f"{name} can be made safe, and not be lowered to {volts:g} V")
    async with asyncio.TaskGroup() as tasks:
        made = {each: tasks.create_task(way, name=f"{each}: down") for each, way in ways.items()}
    return {each: task.result() for each, task in made.items()}


async def _safe(other: Energised, within_s: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(within_s):
            return {"off": True, "output_v": await other.make_safe(), "error": ""}
    except TimeoutError:
        return {"off": False, "output_v": None, "error": f"it is not verified to be safe after {within_s:g} s"}
    except Exception as why:  # noqa: BLE001 - what fails in one of them must not end the others
        return _failed(why)


async def _down(supply: HighVoltage, volts: float, within_s: float) -> dict[str, Any]:
    try:
        if volts > 0:
            await supply.ramp_to(volts, within_s=within_s)  # without an actor it only goes down
        else:
            await supply.off(within_s=within_s)
        return {"off": volts == 0, "output_v": await supply.read_v(), "error": ""}
    except Exception as why:  # noqa: BLE001 - the same
        return _failed(why)
    finally:
        supply.disarm()  # a raise that was asked for before, and has not begun, is not begun after this


def _failed(why: Exception) -> dict[str, Any]:
    text = str(why) if isinstance(why, ScandaqError) else f"unexpected {type(why).__name__}: {why}"
    return {"off": False, "output_v": None, "error": text}
