"""Where the accounts of all sources are kept: columns of their rows, bits of their state, places of a walk's progress.

Each source has a row of int64 in `table`, and a window of `missing` int64 [sources, 2 K, 2]: the missing intervals
(begin, stop), ascending, at places LOW to LOW + COUNT. No more than K are kept; the oldest is forgotten. The window
slides upwards through the 2 K places, so that appending and forgetting move nothing.

All words are numbered below 2**63; what is not is taken for garbage. A gap alone can exceed 63 bits, by restarts that
each lose nearly as much: it is GAP + 2**62 * GAP_HIGH.
"""

from __future__ import annotations

from daq.wire.native import MAX_PAYLOAD_BYTES

REORDER_PACKETS = 64
"""How far packets may overtake each other at a start."""
REORDER_WORDS = REORDER_PACKETS * MAX_PAYLOAD_BYTES

# Columns of `table`.
END = 0
"""One above the highest word known to have been sent in the open account."""
RECEIVED = 1
"""Words received over all accounts, each counted once."""
PACKETS = 2
"""Packets in the open account, heartbeats and ends apart."""
STATE = 3
BASELINE = 4
"""The first word of the open account that concerns us."""
GAP = 5
GAP_HIGH = 6
LOW = 7
COUNT = 8
DUPLICATES = 9
RESTARTS = 10
TRUNCATED = 11
"""Words cut in the middle, of sources without numbers."""
DROPPED = 12
"""Words received that found no room, each counted once."""
COLUMNS = 16

# Bits of STATE.
OPEN = 1
BEGUN = 2
"""The open account began with a start packet."""
OVER = 4
"""The front end said the end of the open account."""
BY_COUNTER = 8
"""A counter of the front end itself confirmed END."""
UNCOUNTED = 16
"""An account was closed without such a confirmation."""
STARTED = 32
"""The source was seen."""
ENDED = 64
"""It said that it ended, and did not begin again."""

# Places of `progress`.
NEXT = 0
"""The packet to go on with."""
RUNS = 1
GAPS = 2
STARTS = 3
ENDS = 4
SOURCES = 5
FOREIGN = 6
PLACES = 7
