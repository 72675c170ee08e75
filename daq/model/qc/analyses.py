"""Which analyses there are, and which figures each gives: what limits, references and trends may be set for.

Each entry stands in the module of its field; `ANALYSES` is all of them. Functions that do them: `daq.composition.qc`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MadeOf = Literal["recordings", "entered"]


@dataclass(frozen=True, slots=True)
class FigureKind:
    """What a figure is. `section`: of the standard that defines it. `per`: what `Figure.counts` are per.

    `noise`: what `Figure.noise` is, one standard deviation (`deviation`), or the size that counting alone gives of a
    perfect detector (`floor`: integral uniformity, the worst of many, and other figures of which chance alone never
    makes nothing). `spread`: of a floor, the standard deviation of what chance makes over what is expected of it: 0.76
    of the distance of two values (half of a bell), less the more values the worst is taken of.
    """

    name: str
    unit: str
    about: str
    section: str = ""
    per: str = ""
    noise: Literal["floor", "deviation"] = "deviation"
    spread: float = 0.76


@dataclass(frozen=True, slots=True)
class AnalysisKind:
    """What an analysis is. `made_of`: recordings, or what a person enters. `version` grows when its numbers change.

    `parameters`: what the test in the scanner profile may say beyond its limits, each with what it means and its unit;
    those in `required` must be said. `entries`: what is entered, by name, with its unit ("" for yes or no). `items`: it
    asks the items of the test in the scanner profile, one by one.
    """

    name: str
    title: str
    figures: tuple[FigureKind, ...]
    made_of: MadeOf = "recordings"
    version: int = 1
    parameters: tuple[tuple[str, str], ...] = ()
    required: tuple[str, ...] = ()
    entries: tuple[tuple[str, str], ...] = ()
    items: bool = False

    def figure(self, name: str) -> FigureKind | None:
        """Return the kind of a figure; None where the analysis gives no such figure."""
        return next((each for each in self.figures if each.name == name), None)
