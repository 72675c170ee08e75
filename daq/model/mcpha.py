"""Numbers and polls of the Red Pitaya pulse height analyser MCPHA that decoder, accounts and simulator must agree on.

The analyser counts pulses in histograms, one per input; its host reads them again and again. A *poll* is the status
followed by the histogram of each input that is read, byte by byte as the server sent them:

    offset  size    what
    0       8 * 4   timers: clocks for which each counted; 0 and 1 are those of the histograms of inputs 0 and 1
    32      4       state of the oscilloscope
    36      16384   histogram of the first input: 4096 counts, unsigned, 32 bits
    16420   16384   of the second input, where it is read

All little-endian. A timer counts all clocks while it runs, dead time included. A count that has reached 2**32 - 1 stays
there: counts do not wrap. Source: red-pitaya-notes e0222ff of 2026, `projects/mcpha/server/mcpha-server.c`,
`projects/mcpha/block_design.tcl`, `cores/axis_timer.v`, `cores/axis_histogram.v`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

CLOCK_HZ = 125_000_000
CLOCK_PS = 8000
INPUTS = 2
BINS = 4096
STATUS_BYTES = 36
HISTOGRAM_BYTES = 4 * BINS
FULL = (1 << 32) - 1
MOST_TIMER = (1 << 52) - 1
"""The longest time that the command for it can hold: 417 days."""
LEAST_DECIMATION, MOST_DECIMATION = 4, 8192
"""Below 4 every sample is taken."""
READ_LAG_CLOCKS = CLOCK_HZ // 4
"""What may pass at most between the reading of a timer and that of the histogram."""

Counts = npt.NDArray[np.int64]


def poll_bytes(inputs: int) -> int:
    """Return the size of a poll of so many inputs."""
    return STATUS_BYTES + inputs * HISTOGRAM_BYTES


def dead_clocks(delay_samples: int, decimation: int) -> int:
    """Return the clocks after a pulse in which its input takes no other (not extended by pulses that come then)."""
    return max(1, delay_samples * (decimation if decimation >= LEAST_DECIMATION else 1))


@dataclass(frozen=True, slots=True, eq=False)
class Poll:
    """One poll: `clocks` int64 [4], `counts` int64 [inputs, 4096]."""

    clocks: Counts
    counts: Counts


def parse_poll(data: npt.NDArray[np.uint8], inputs: int) -> Poll:
    """Return the poll that `data`, uint8 [`poll_bytes(inputs)`], holds."""
    plain = np.ascontiguousarray(data)
    clocks = plain[:32].view("<u8").astype(np.int64)
    counts = plain[STATUS_BYTES:].view("<u4").reshape(inputs, BINS).astype(np.int64)
    return Poll(clocks, counts)


@dataclass(slots=True, eq=False)
class Memory:
    """What is known of one input from its last poll. The first poll counts nothing: it says where counting begins."""

    clocks: int = -1
    counts: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """What one input counted since its last poll: `counts` int64 [4096], in `clocks` of its timer.

    `restarted`: the histogram or the timer began again meanwhile, by somebody else's command or a reboot; what was
    counted between the last poll and that moment is not known. `full`: bins that count no further.
    """

    counts: Counts
    clocks: int
    restarted: bool
    full: int

    def is_believable(self, dead: int) -> bool:
        """Tell whether so much can have been counted, where no pulse counts within `dead` clocks after another."""
        return int(self.counts.sum()) <= (self.clocks + READ_LAG_CLOCKS) // dead + 1


def grown(before: Memory, clocks: int, counts: Counts) -> Grown:
    """Return what an input has counted since `before`, now that its timer shows `clocks`; nothing by a first poll."""
    full = int(np.count_nonzero(counts == FULL))
    if before.clocks < 0:
        return Grown(np.zeros(BINS, np.int64), 0, restarted=False, full=full)
    emptied = bool((counts < before.counts).any())
    restarted = emptied or clocks < before.clocks
    passed = clocks if clocks < before.clocks else clocks - before.clocks
    return Grown(counts if emptied else counts - before.counts, passed, restarted, full)
