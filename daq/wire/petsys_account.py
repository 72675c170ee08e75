"""What is known of the frames of each PETsys unit: columns of the account, and what a walk gives. No compiled loops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.wire import tracking_table as columns
from daq.wire.tracking import Figures, Walked

Int64s = npt.NDArray[np.int64]

# Columns of `frames`, beside those of `tracking_table`.
MALFORMED = 0
"""Frames received that cannot be decoded: cut, lying about their size, or the first one after a jump of the ids."""
SOME_LOST = 1
"""Frames that say that some of their events were lost in the front end."""
ALL_LOST = 2
"""Frames without events that say that events were lost."""
IDLE = 3
"""Frames without events of which nothing was lost."""
EVENTS = 4
"""Events of good frames, each counted once."""
CANDIDATE = 5
"""One more than the id of the last frame that jumped; 0 where the last one did not."""
ARRIVED_NS = 6
FRAME_COLUMNS = 8

# Places of `progress` after those of the native walk.
REPLIES = columns.PLACES
"""Replies of the front end that nobody waited for."""
LOSSY = columns.PLACES + 1
"""Entries of `lossy` that a walk gave."""
PLACES = columns.PLACES + 2


@dataclass(frozen=True, slots=True, eq=False)
class FrameWalked(Walked):
    """A walk with the source of each run, gap and start, uint16: a datagram may hold frames of several units."""

    run_source: npt.NDArray[np.uint16]
    gap_source: npt.NDArray[np.uint16]
    start_source: npt.NDArray[np.uint16]
    lossy: Int64s
    """int64 [4, n], ascending in packets: packet, source, frames that say that events were lost, those without any."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameFigures(Figures):
    """Accounts in frames. `frames` int64 [sources, ...]: columns as below; `replies`: unexpected ones."""

    frames: Int64s
    replies: int
