"""Where simulated axes stand, kept over a restart of the program, as a gantry of iron does.

One JSON object in a file: of each axis how it went when it was last heard of. What moved when the program ended was
stopped by its watchdog a moment later, as a real one would have been.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from daq.devices.simulated.telling import Going, Tell

_LOG = logging.getLogger(__name__)
_WATCHDOG_S = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    """As in the file, in the axis's unit; `at_s` of the machine's monotonic clock."""

    at_s: float
    position: float
    target: float
    speed: float

    def rests(self, now_s: float) -> float:
        """Return where it came to rest."""
        gone = self.speed * min(max(0.0, now_s - self.at_s), _WATCHDOG_S)
        way = self.target - self.position
        return self.position + math.copysign(min(gone, abs(way)), way)


class Encoders:
    """All simulated axes of a station. `lost`: changes that the disk did not take."""

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock = file, clock
        self._known = self._load()
        self.lost = 0

    def place(self, axis: str) -> float | None:
        """Return where an axis stands; None for one that was never heard of."""
        known = self._known.get(axis)
        return None if known is None else known.rests(self._clock())

    def of(self, axis: str, tell: Tell | None) -> Tell:
        """Return what hears how an axis goes, keeps it, and hands it on to `tell`."""
        return partial(self._hear, axis, tell)

    def _hear(self, axis: str, tell: Tell | None, going: Going) -> None:
        if tell is not None:
            tell(going)
        before = self._known.get(axis)
        now = _Known(going.at_s, going.position, going.target, going.speed)
        if before is None or now.speed or before.speed or now.position != before.position:
            self._known[axis] = now
            self._store()

    def _store(self) -> None:
        beside = self._file.with_suffix(".new")
        try:
            beside.write_text(json.dumps({axis: asdict(known) for axis, known in self._known.items()}))
            beside.replace(self._file)
        except OSError as why:
            self.lost += 1
            if self.lost == 1:
                _LOG.warning("where simulated axes stand is not kept: %s: %s", self._file, why.strerror)

    def _load(self) -> dict[str, _Known]:
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            known = {str(axis): _Known(**each) for axis, each in told.items()}
            for each in known.values():
                each.rests(self._clock())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as why:
            _LOG.warning("%s cannot be read, simulated axes stand where new ones do: %s", self._file, why)
            return {}
        return known
