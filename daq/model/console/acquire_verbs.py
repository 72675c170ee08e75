"""What the console asks about the acquisition under way, and has done between two views."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from daq.model.arguments import Arguments, Named
from daq.model.station import Role


class AcceptView(Arguments):
    """State that a view was looked at and is good. It stands in the recording as a mark, and on every console."""

    run: Named
    step: Annotated[int, Field(ge=1, le=10_000)]


class TakeViews(Arguments):
    """Prepare views for the patient of an acquisition: again, or further ones. One that waits is ended, and kept.

    Patient, tracer, reasons and position are those of that acquisition; both are of one study.
    """

    run: Named
    views: Annotated[list[Named], Field(min_length=1, max_length=200)]
    """Names of steps of its protocol."""
    repeats: bool = False
    """They are taken again, because something was wrong with them."""
    continues: bool = False
    """They go on where they were ended, of a patient who has not moved."""


class ChooseTaking(Arguments):
    """Say which acquisition counts of views that were taken twice; both are kept. None said: the one taken last."""

    run: Named


ACQUIRE_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "acquisition": (Arguments, Role.VIEWER, "the acquisition under way: protocol, steps, set-up, how long it waits"),
    "accept-view": (AcceptView, Role.TECHNOLOGIST, "state that a view was looked at and is good"),
    "choose-taking": (ChooseTaking, Role.TECHNOLOGIST, "of views that were taken twice, which acquisition counts"),
    "take-views": (TakeViews, Role.TECHNOLOGIST, "prepare views again, or further ones, for the same patient"),
}
"""Verb: its arguments, the least role, what it does."""
ACQUIRE_ASKING = frozenset({"acquisition"})
