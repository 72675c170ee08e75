"""The way from nothing to an armed readout, which a stop may cross at any moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from daq.errors import DeadlineError
from daq.services.acquisition.link import Link
from daq.services.acquisition.progress import ENDS

_READY_S = 180.0
"""Long: the first start on a machine compiles the kernels, which takes a minute of a slow one."""
_LOOK_S = 0.05


async def launched(launch: Callable[[], Awaitable[Link]], took: Callable[[Link], None]) -> None:
    """Launch a readout and hand it to `took`, also when cancelled meanwhile: then it is there, and can be ended."""
    launching = asyncio.ensure_future(launch())
    stopped = False
    while not launching.done():
        try:
            await asyncio.wait({launching})
        except asyncio.CancelledError:
            stopped = True
    took(launching.result())
    if stopped:
        raise asyncio.CancelledError


async def is_armed(link: Link) -> bool:
    """Wait until the readout is armed; return False where it has ended instead, `DeadlineError` after three minutes."""
    until_s = time.monotonic() + _READY_S
    while (state := (await link.status())["state"]) != "armed":
        if state in ENDS:
            return False
        if time.monotonic() > until_s:
            raise DeadlineError(f"the readout is not armed after {_READY_S:g} s; it is {state}")
        await asyncio.sleep(_LOOK_S)
    return True
