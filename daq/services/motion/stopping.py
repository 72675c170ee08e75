"""Stopping all axes at once. What one axis does, or does not, delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from daq.devices.abilities import Axis
from daq.errors import ScandaqError
from daq.services.motion.report import HALT_S, AxisStop, stop_of

_HANGS_S = HALT_S + 0.5


def stop_all(axes: Mapping[str, Axis], clock: Callable[[], float]) -> Coroutine[Any, Any, tuple[AxisStop, ...]]:
    """Tell every axis to stop, now; what is returned waits for them, though its task is cancelled meanwhile."""
    asked_s = clock()
    loop = asyncio.get_running_loop()
    tasks = [
        loop.create_task(_stop(name, axis, asked_s, clock), name=f"motion: stop {name}") for name, axis in axes.items()
    ]
    return _all_of(dict(zip(axes, tasks, strict=True)), axes)


async def _all_of(tasks: Mapping[str, asyncio.Task[AxisStop]], axes: Mapping[str, Axis]) -> tuple[AxisStop, ...]:
    until_s = asyncio.get_running_loop().time() + _HANGS_S
    open_tasks = set(tasks.values())
    while open_tasks and (left_s := until_s - asyncio.get_running_loop().time()) > 0:
        try:
            _, open_tasks = await asyncio.wait(open_tasks, timeout=left_s)
        except asyncio.CancelledError:
            open_tasks = {task for task in open_tasks if not task.done()}
    for task in open_tasks:
        task.cancel()
    return tuple(_result(name, task, axes[name]) for name, task in tasks.items())


def _result(name: str, task: asyncio.Task[AxisStop], axis: Axis) -> AxisStop:
    if task.done() and not task.cancelled():
        return task.result()
    return AxisStop(name, axis.unit, stands=False, error=f"{name} did not say in {_HANGS_S:g} s whether it stands")


async def _stop(name: str, axis: Axis, asked_s: float, clock: Callable[[], float]) -> AxisStop:
    waited_s = clock() - asked_s
    try:
        return stop_of(await axis.stop(), waited_s)
    except ScandaqError as why:
        return AxisStop(name, axis.unit, stands=False, error=str(why))
    except Exception as why:  # noqa: BLE001 - whatever a driver raises, the other axes are stopped and the report is made
        return AxisStop(name, axis.unit, stands=False, error=f"{name}: unexpected {type(why).__name__}: {why}")
