"""After a restart of the daemon: whether axes stand where the view that records wants them.

Nobody watched over them meanwhile, and photons that come now look like any others. Axes that stand elsewhere are a
motion that was lost; while nobody can say where they stand the view is held, as its kind can be held, and a person is
called. Only a view whose axes were read at their places goes on as if nothing had been.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from daq.errors import ScandaqError
from daq.model.protocol import Step
from daq.services.acquisition.link import Link
from daq.services.acquisition.progress import DEVICE
from daq.services.acquisition.reaching import targets_of
from daq.services.alarms import Alarms

if TYPE_CHECKING:
    from daq.services.motion.engine import MotionEngine

_LOG = logging.getLogger(__name__)
_NAME = "place-unknown"
READ_S = 10.0
"""Controllers are found and asked within a few seconds of a start."""
_AGAIN_S = 0.25


class StillThere:
    """Compares once. `pending`: it is not known yet, and is to be known soon: nothing goes on to another step."""

    def __init__(
        self, motion: MotionEngine, readout: Callable[[], Link], alarms: Alarms,
        interrupt: Callable[[str], Awaitable[None]], hold: Callable[[str], Awaitable[None]],
    ) -> None:  # fmt: skip
        """`interrupt` hears where axes stand and where they should; `hold` that nobody can say, after `READ_S`."""
        self._motion, self._readout, self._alarms = motion, readout, alarms
        self._interrupt, self._hold = interrupt, hold
        self._task: asyncio.Task[None] | None = None
        self.pending = False

    def begin(self, step: Step | None, stood: Mapping[str, float]) -> None:
        """Look until it is known. `stood`: where axes were read when the step began; its protocol decides."""
        wanted = {} if step is None else {**stood, **targets_of(step)}
        if step is not None and wanted:
            self.pending = True
            self._task = asyncio.create_task(self._look(step, wanted), name="still there")

    def end(self) -> None:
        """Look no more."""
        self.pending = False
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._alarms.clear(DEVICE, _NAME)

    async def _look(self, step: Step, wanted: Mapping[str, float]) -> None:
        until_s, held = time.monotonic() + READ_S, False
        try:
            while True:
                try:
                    differs = await self._motion.where.differs(wanted)
                except Exception as why:  # noqa: BLE001 - whatever it is, nobody knows where they stand
                    if not held and time.monotonic() > until_s:
                        held = True
                        await self._unknown(step, _told(why))
                    await asyncio.sleep(_AGAIN_S)
                    continue
                await self._known(step, differs, held=held)
                return
        finally:
            self.pending = False

    async def _known(self, step: Step, differs: str | None, *, held: bool) -> None:
        self._alarms.clear(DEVICE, _NAME)
        if differs is not None:
            why = f"{differs}; that was found when the station's program was restarted during {step.name!r}"
            self._motion.lose(why)
            await self._interrupt(why)
            return
        await self._mark(f"axes stand where {step.name!r} wants them, read after a restart of the daemon")
        _LOG.info("axes stand where %r wants them%s", step.name, ", at last" if held else "")

    async def _unknown(self, step: Step, why: str) -> None:
        self._alarms.raise_(
            DEVICE, _NAME, priority="high",
            text=f"where heads and bed stand is not known since the station's program was restarted during "
            f"{step.name!r}",
            guidance=f"look at them: where they stand as {step.name!r} wants it, resume; else stop and repeat the view",
            details=why,
        )  # fmt: skip
        await self._mark(f"where axes stand is not known after a restart of the daemon: {why}")
        try:
            await self._hold(f"where heads and bed stand is not known: look at them; resume if {step.name!r} is right")
        except ScandaqError as refused:
            _LOG.warning("%r could not be held: %s", step.name, refused)
        finally:
            self.pending = False  # not before: a step that has ended would be followed by one that moves

    async def _mark(self, text: str) -> None:
        try:
            await self._readout().mark(text)
        except ScandaqError as why:  # it is being sealed, or gone: who follows its status says so
            _LOG.info("not in the recording: %s: %s", text, why)


def _told(why: Exception) -> str:
    if isinstance(why, ScandaqError):
        return str(why)
    _LOG.error("unexpected where axes are read", exc_info=why)
    return f"unexpected {type(why).__name__}; the daemon's log tells more"
