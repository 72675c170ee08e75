"""The rule by which events of many sources are put into one order of time: a function of the data alone.

Why it is this rule is said in `docs/explanations/decisions/0012-order-watermark.md`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from daq.model.layout import Strict

MAX_DISORDER_PS = 60 * 10**12
"""The largest disorder that can be asked for: everything that arrives within it is held in memory."""

MAX_STEP_PS = 86_400 * 10**12
"""The largest step: a day."""

MOST_HELD_ROWS = 6 << 20
"""Rows held at most, over all streams; where more would be needed, the oldest are released before their time."""

SHORTEST_SLICE_BITS = 29
SLICES_OF_DISORDER = 256
"""The disorder is cut into at most this many slices, whose length is a power of two, none below 2^29 ps, 0.54 ms."""

NEVER_PS = -(1 << 63) + 1
"""A time that is none, before all others."""

Moment = tuple[int, int]
"""How often order has begun anew, and a time since then in ps: of two moments the later one is the greater."""


class OrderRule(Strict):
    """How far events may arrive behind the latest one, and what step forward no clock takes.

    With M the latest time of all sources: an event is *late* when its time is below M - `max_disorder_ps`; a source
    whose event lies above M + `max_step_ps` while other sources are live has a clock that jumped; when all lie below
    M - `max_step_ps` the clock of the detector has gone back.
    """

    max_disorder_ps: Annotated[int, Field(ge=0, le=MAX_DISORDER_PS)] = 100 * 10**9
    """How far behind the latest event of any source an event may arrive and still be put in order."""
    max_step_ps: Annotated[int, Field(ge=1, le=MAX_STEP_PS)] = 10 * 10**12
    """How far ahead of the latest event of any source an event may lie, or how far behind it without being astray."""

    @property
    def slice_bits(self) -> int:
        """Return the length of the slices in which rows are sorted and released, as a power of two in ps."""
        return max(SHORTEST_SLICE_BITS, (self.max_disorder_ps // SLICES_OF_DISORDER).bit_length())
