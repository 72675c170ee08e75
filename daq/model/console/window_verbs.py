"""What the console asks about energy windows of the exam that is armed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from daq.model.arguments import Arguments, Named
from daq.model.station import Role
from daq.model.windowchange import WindowEdges


class EnergyWindow(Arguments):
    """Use other energy windows for the exam that is armed; the protocol of the site stays as it is."""

    windows: Annotated[list[WindowEdges], Field(min_length=1, max_length=16)]
    run: Named | None = None
    """The exam; none said: the one that is armed."""


class Repeak(Arguments):
    """Measure where the photopeak is now; of a source, move the window of the exam that is armed with it."""

    window: Named | None = None
    """Of the protocol; none said: its first."""
    source: bool = False
    """A source is before the heads and no patient, as a person states. Else the peak is looked at and nothing moved."""
    run: Named | None = None


WINDOW_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "energy-window": (EnergyWindow, Role.TECHNOLOGIST, "use other energy windows for the exam that is armed"),
    "repeak": (Repeak, Role.TECHNOLOGIST, "measure the photopeak; of a source, move the exam's window with it"),
}
"""Verb: its arguments, the least role, what it does."""
WINDOW_IN_TURN = frozenset(WINDOW_VERBS)
"""Verbs that change the acquisition: carried out one after the other."""
