"""The slots between decoding and writing. Each has an identity default, so that a path without it is no special case.

A stage takes the columns of all streams and returns them, of the same rows or fewer, with columns changed or added. It
keeps what it must remember itself and must not depend on where the rows were cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from daq.model.events import StreamName

Streams = Mapping[StreamName, Mapping[str, npt.NDArray[Any]]]
Stage = Callable[[Streams], Streams]


def identity(streams: Streams) -> Streams:
    """Return the rows as they are."""
    return streams


@dataclass(frozen=True, slots=True)
class Stages:
    """Calibrate time, energy and position; put rows into energy windows; pair singles; cut into frames."""

    calibrate: Stage = identity
    window: Stage = identity
    pair: Stage = identity
    frame: Stage = identity

    def __call__(self, streams: Streams) -> Streams:
        """Return the rows after all stages, in this order."""
        return self.frame(self.pair(self.window(self.calibrate(streams))))
