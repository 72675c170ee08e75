"""What a test of quality control finds: figures with their noise, sentences, and pictures for its report.

An analysis (`daq.qc`, `daq.composition.qc`) gives `Findings` and decides nothing; `daq.qc.judging` puts limits beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.qc.words import Level as Level  # noqa: PLC0414 - it belongs to what is here, and is said so


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a test, of each subject it was taken of: a head, a block, a PMT, a window.

    `subjects` and `values` have one length; so have `noise` and `counts` where they are known, else they are empty.
    A value of None could not be determined, and a remark says why. `noise` is what counting alone gives of a perfect
    detector, in the figure's unit: the expected value of a figure that cannot be negative (integral uniformity), one
    standard deviation of any other. `counts`: the counts that it rests on, per pixel where its specification says so.
    """

    name: str
    unit: str
    subjects: tuple[str, ...]
    values: tuple[float | None, ...]
    noise: tuple[float | None, ...] = ()
    counts: tuple[float | None, ...] = ()

    @classmethod
    def of(
        cls, name: str, value: float | None, unit: str, *, subject: str = "", noise: float | None = None,
        counts: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the figure of one subject."""
        return cls(name, unit, (subject,), (value,), (noise,), (counts,))

    def of_subject(self, subject: str) -> Figure | None:
        """Return the figure of one of its subjects; None where it has no such subject."""
        if subject not in self.subjects:
            return None
        at = self.subjects.index(subject)
        noise, counts = (kept[at : at + 1] for kept in (self.noise, self.counts))
        return Figure(self.name, self.unit, (subject,), (self.values[at],), noise, counts)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name, "unit": self.unit, "subjects": list(self.subjects), "values": list(self.values),
            "noise": list(self.noise), "counts": list(self.counts),
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Figure:
        """Return the figure of its plain data."""
        return cls(
            str(told["name"]), str(told["unit"]), tuple(told["subjects"]), tuple(told["values"]),
            tuple(told.get("noise", ())), tuple(told.get("counts", ())),
        )  # fmt: skip


def joined(figures: Mapping[str, tuple[Figure, ...]]) -> tuple[Figure, ...]:
    """Return figures of several subjects, one figure of each name: `{"head 0": (...), "head 1": (...)}`.

    A subject that lacks a figure is left out of it; the order is that in which names come first.
    """
    parts: dict[str, list[tuple[str, Figure]]] = {}
    for subject, of in figures.items():
        for figure in of:
            parts.setdefault(figure.name, []).append((subject, figure))
    return tuple(_joined(found) for found in parts.values())


def _joined(found: list[tuple[str, Figure]]) -> Figure:
    first = found[0][1]
    subjects: list[str] = []
    values: list[float | None] = []
    noise: list[float | None] = []
    counts: list[float | None] = []
    for subject, figure in found:
        subjects += [f"{subject}, {own}" if own else subject for own in figure.subjects]
        values += figure.values
        noise += figure.noise or (None,) * len(figure.values)
        counts += figure.counts or (None,) * len(figure.values)
    return Figure(first.name, first.unit, tuple(subjects), tuple(values), tuple(noise), tuple(counts))


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture for the report, float64 [rows, columns], row 0 at the lowest y.

    `fields`: outlines, width and height in mm about the middle, by name (`UFOV`).
    """

    title: str
    values: npt.NDArray[np.float64]
    unit: str
    pixel_mm: float | None = None
    fields: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve for the report: `y` over `x`, float64 [n], labels with their units; `marks`: values of x with a word."""

    title: str
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    x_label: str
    y_label: str
    fitted: npt.NDArray[np.float64] | None = None
    marks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What an analysis found.

    `obstacles` are sentences that stand against the whole test (half a flood, a wrong nuclide): with one of them it is
    not evaluable. `remarks` are sentences for who reads the result.
    """

    figures: tuple[Figure, ...] = ()
    obstacles: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    curves: tuple[Curve, ...] = ()

    def figure(self, name: str) -> Figure | None:
        """Return the figure of a name; None where it was not found."""
        return next((each for each in self.figures if each.name == name), None)
