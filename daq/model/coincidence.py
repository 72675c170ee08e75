"""How singles are paired: window, delayed window, which detectors may pair, what happens to multiples.

Two singles make a *prompt* when `0 <= t_j - t_i <= half_window_ps`, the window being opened by the earlier one, and a
*delayed* coincidence when `0 <= t_j - t_i - delay_ps <= half_window_ps`: each physical pair once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from daq.model.layout import Strict
from daq.model.scanner import Ring

MAX_HALF_WINDOW_PS = 10**9
MAX_DELAY_PS = 10**10
"""The widest window and the longest delay that can be asked for, 1 ms and 10 ms: what lies within is held in memory."""


class Policy(StrEnum):
    """What happens when a window holds more than one partner. GATE's names; a *good* pair is one that is allowed."""

    TAKE_ALL_GOODS = "takeAllGoods"
    TAKE_WINNER_OF_GOODS = "takeWinnerOfGoods"
    TAKE_WINNER_IF_IS_GOOD = "takeWinnerIfIsGood"
    TAKE_WINNER_IF_ALL_ARE_GOODS = "takeWinnerIfAllAreGoods"
    KILL_ALL = "killAll"
    KILL_ALL_IF_MULTIPLE_GOODS = "killAllIfMultipleGoods"
    KEEP_IF_ONLY_ONE_GOOD = "keepIfOnlyOneGood"
    KEEP_IF_ANY_IS_GOOD = "keepIfAnyIsGood"
    KEEP_IF_ALL_ARE_GOODS = "keepIfAllAreGoods"


class PairingRule(Strict):
    """Everything that decides which singles make coincidences; plain data, for plan and manifest."""

    half_window_ps: Annotated[int, Field(ge=1, le=MAX_HALF_WINDOW_PS)]
    delay_ps: Annotated[int, Field(ge=1, le=MAX_DELAY_PS)] | None = None
    """None: no delayed window."""
    policy: Policy = Policy.TAKE_ALL_GOODS
    windows: tuple[str, ...] = ()
    """Names of the energy windows whose singles pair, in any of them; none: every single."""
    ring: Ring
    """Where detectors are; sectors and `minimum_sector_difference` are its."""
    minimum_sector_difference: NonNegativeInt | None = None
    """In place of the ring's own."""
    max_ring_difference: NonNegativeInt | None = None
    """Rings that two detectors may be apart along the axis; None: any."""
    timing_sigma_ps: PositiveInt | None = None
    """Standard deviation of the time difference of two detectors, where it is known: for judging the window."""
