"""Which pictures of a study a readout shows while it records: decided by protocol and scanner, before data flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from daq.errors import MismatchError, RefusedError
from daq.model.framed import ImageKind
from daq.model.layout import Layout
from daq.model.processing import Processing
from daq.pipeline.seriesrule import SeriesRule, Setup, rules_of
from daq.storage.framed import setup_from
from daq.storage.manifest import Manifest
from daq.storage.manifestfacts import recorded_protocol

MOST_PIXELS = 512
"""A side of a picture that is shown; where all of them are too many, half of it, and so on."""
_FEWEST_PIXELS = 32
MOST_SHOWN = 1 << 22
"""Pixels of all heads, windows and slots that are shown at once: 16 MiB, published twice a second."""
MOST_HELD = 1 << 24
"""Pixels that are counted at once, those of projections that are not shown any more included: 64 MiB."""
INTERVALS = 300
"""Bins of the histogram of intervals."""
_INTERVAL_BIN_MS = {"ecg": 10, "respiration": 100}


@dataclass(frozen=True, slots=True)
class StudyLook:
    """What is shown. `cells`: pixels of the largest picture, all heads, windows and slots that are shown of it.

    `rows`: of the longest strip, 0 where there is none. `interval_bin_ms`: of the histogram of intervals, None where no
    step is gated. `omitted`: by name of the step why it is not shown.
    """

    setup: Setup
    cells: int
    rows: int
    interval_bin_ms: int | None
    omitted: dict[str, str]
    planned: dict[tuple[str, str], int]
    """Slots by name and kind of a series, as the protocol plans them."""

    @property
    def about(self) -> dict[str, Any]:
        """Return it as plain data, for readers of the figures."""
        return {
            "cells": self.cells, "rows": self.rows, "intervals": INTERVALS, "interval_bin_ms": self.interval_bin_ms,
            "omitted": self.omitted,
        }  # fmt: skip


def study_look(
    columns: Sequence[str], manifest: Manifest, layout: Layout, processing: Processing, where: str
) -> StudyLook | None:
    """Return what is shown of singles with `columns`; None where they have no positions or nobody follows a protocol.

    Raises `FormatError` for a protocol that cannot be read.
    """
    protocol = recorded_protocol(manifest, where)
    if protocol is None or not {"x_mm", "y_mm"} <= set(columns):
        return None
    return look_at(setup_from(manifest, layout, processing, protocol))


def look_at(setup: Setup) -> StudyLook:
    """Return what is shown of a study, in the most pixels with which all of it can be."""
    most = MOST_PIXELS
    while True:
        found = _look(replace(setup, most_pixels=most, most_cells=MOST_HELD))
        if most <= _FEWEST_PIXELS or not found.omitted:
            return found
        most //= 2


def shown_cells(rule: SeriesRule) -> int:
    """Return the pixels that are shown of a series at once: all bins of a beat, else one slot."""
    return len(rule.setup.heads) * max(len(rule.windows), 1) * rule.bins * rule.pixels.rows * rule.pixels.columns


def _look(setup: Setup) -> StudyLook:
    rules: list[SeriesRule] = []
    omitted: dict[str, str] = {}
    for step in {step.key: step for step in setup.steps}.values():
        try:
            found = rules_of(setup, step, step.name)
        except (RefusedError, MismatchError) as why:
            omitted[step.name] = str(why)
            continue
        most = max(map(shown_cells, found), default=0)
        if most > MOST_SHOWN:
            omitted[step.name] = f"{most:,} pixels at once; at most {MOST_SHOWN:,} are shown"
        else:
            rules += found
    gates = [rule.gate.trigger for rule in rules if rule.gate is not None]
    return StudyLook(
        setup,
        cells=max(map(shown_cells, rules), default=0),
        rows=max((rule.pixels.rows for rule in rules if rule.kind is ImageKind.WHOLE_BODY), default=0),
        interval_bin_ms=max((_INTERVAL_BIN_MS[trigger] for trigger in gates), default=None),
        omitted=omitted,
        planned={(rule.name, str(rule.kind)): rule.slots for rule in rules},
    )
