"""Words of quality control that the command line needs at its start: nothing heavy is imported here."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

Every = Literal["day", "week", "month", "quarter", "half-year", "year"]
After = Literal["service", "recalibration", "damage", "collimator-change", "software"]


class Level(StrEnum):
    """What a figure, or a whole test, is against its limits. "Failed" would not say what to do."""

    IN_LIMITS = "in limits"
    NOT_JUDGED = "not judged"
    """Nobody has set a limit."""
    NOT_EVALUABLE = "not evaluable"
    """Too few counts, or something stands against the whole test: it says nothing, good or bad."""
    ACTION = "action"
    """Investigate."""
    SUSPENSION = "suspension"
    """Do not use."""
