"""`[qc.NAME]` of a scanner profile: the tests of quality control that are done with this scanner, and their limits.

There is no default for any limit: a figure without one is *not judged*. Every limit names its source.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from daq.model.layout import Name, Strict
from daq.model.qc.words import After as After  # noqa: PLC0414 - these belong to what is here, and are said so
from daq.model.qc.words import Every as Every  # noqa: PLC0414

TestName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
_Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Bounds(Strict):
    """What lies beyond one of these is beyond the level; in the limit's unit."""

    below: float | None = None
    above: float | None = None


class Limit(Strict):
    """What a figure is held against.

    `of`: the value itself, or its deviation from a signed reference: in per cent of it (`reference-percent`) or as the
    difference in the figure's unit (`reference-difference`).
    """

    unit: str
    """Of the bounds: the figure's, or `%` where they are per cent of the reference."""
    of: Literal["value", "reference-percent", "reference-difference"] = "value"
    action: Bounds | None = None
    suspension: Bounds | None = None
    counts_needed: NonNegativeFloat
    """Fewer counts (per pixel where the figure says so) and it is not evaluable; 0 where counting has no part in it."""
    source: _Text


class Advice(Strict):
    """What to do next."""

    action: str = ""
    suspension: str = ""
    not_evaluable: str = ""


class QcTest(Strict):
    """One test as this scanner has it."""

    title: _Text
    analysis: Name | TestName
    """One of `daq.model.qc.known.ANALYSES`."""
    protocol: TestName | None = None
    """Id of the acquisition protocol that it is acquired with; None: entered, or of recordings made otherwise."""
    every: Every | None = None
    """How often; None: on demand, or after what `after` says."""
    after: tuple[After, ...] = ()
    blocking: bool = False
    """No patient is acquired, but by name and reason, while it is failed, overdue, never done or not done since an
    event; one of every day also while it is due, for it is done before the first patient."""
    auto_at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = None
    """Local time at which it acquires by itself, where a person left source and heads in place."""
    parameters: dict[Name, float | str | bool | tuple[float, ...]] = Field(default_factory=dict)
    items: tuple[_Text, ...] = ()
    """Of a check by hand: what is to be looked at, each answered by yes or no."""
    limits: dict[Name, Limit] = Field(default_factory=dict)
    """By the name of the figure."""
    advice: Advice = Advice()
    trend: dict[Name, PositiveFloat] = Field(default_factory=dict)
    """Figures that are watched by control charts, with the false-alarm rate wanted: mean tests between false alarms."""
