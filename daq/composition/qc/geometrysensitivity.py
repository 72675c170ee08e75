"""System sensitivity: the counts of heads before a source whose activity is known, less those without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daq.composition.qc.geometrysheet import (
    Sheet,
    collimator,
    lit,
    nuclide_of,
    recordings,
    seconds,
    series,
    start_s,
    window_place,
    word,
)
from daq.errors import MissingError, UsageError
from daq.model.framed import Framed, ImageKind
from daq.model.qc.analyses_spect import SENSITIVITY
from daq.qc.camera.sensitivity import Counted, Sensitivity, difference_percent, net_activity_mbq, system_sensitivity

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.nuclides import Nuclide
    from daq.model.qc.figures import Findings
    from daq.storage.manifest import Manifest

_PS_PER_S = 1e12
_PLANAR = (ImageKind.STATIC, ImageKind.DYNAMIC)


def measure_sensitivity(material: Material) -> Findings:
    """Return the sensitivity of each head, by the recording with the source and the one without."""
    sheet = Sheet(SENSITIVITY)
    order = word(material, "background", "first", "last", "none")
    given = recordings(material)
    with_source, without = _with_and_without(sheet, given, order)
    found: dict[str, dict[int, Sensitivity]] = {}
    for directory in with_source:
        made, manifest = series(directory, *_PLANAR)
        nuclide = nuclide_of(material, directory)
        activity, at = _activity(material, nuclide, manifest)
        since = _began(made[0], manifest) - at
        places: list[int] = []
        with sheet.judging(directory.name):
            places = lit(material, made[0])
        for place in places:
            head = made[0].heads[place]
            subject = f"head {head.number}, {collimator(manifest)}"
            with sheet.judging(subject):
                counted = _counted(material, made, place)
                behind = None if without is None else _counted(material, without, place)
                one = system_sensitivity(nuclide, counted, activity, since, behind)
                sheet.add("sensitivity", subject, one.cps_per_mbq, noise=one.noise, counts=counted.counts)
                sheet.remarks.append(f"{subject}: {one.activity_mbq:.4g} MBq of {nuclide.name} when it began")
                mine = found.setdefault(collimator(manifest), {})
                if head.number in mine:
                    sheet.obstacles.append(f"{subject} is in two recordings of the test")
                mine[head.number] = one
    _differences(sheet, found)
    return sheet.findings()


def _differences(sheet: Sheet, found: dict[str, dict[int, Sensitivity]]) -> None:
    """Compare heads that had the same collimator; the subject names it."""
    for name, heads in found.items():
        if len(heads) > 1:
            value, noise = difference_percent(list(heads.values()))
            sheet.add("head_difference", name, value, noise=noise)


def _with_and_without(
    sheet: Sheet, given: tuple[Path, ...], order: str
) -> tuple[tuple[Path, ...], list[Framed] | None]:
    if order == "none":
        sheet.remarks.append("no background was taken off")
        return given, None
    if len(given) < 2:  # noqa: PLR2004 - with and without
        sheet.obstacles.append("there is no recording without the source: its background cannot be taken off")
        return given, None
    at = 0 if order == "first" else len(given) - 1
    return tuple(each for place, each in enumerate(given) if place != at), series(given[at], *_PLANAR)[0]


def _activity(material: Material, nuclide: Nuclide, manifest: Manifest) -> tuple[float, float]:
    """Return the activity in MBq and when that was, seconds since the epoch: what was entered, else the register's."""
    entries = material.entries
    if "assayed_mbq" in entries:
        if "assayed_at" not in entries:
            raise UsageError(f"test {material.name}: when the source was assayed was not entered")
        at = seconds(entries["assayed_at"])
        residual_at = seconds(entries["residual_at"]) if "residual_at" in entries else at
        residual = float(entries.get("residual_mbq", 0.0))
        return net_activity_mbq(nuclide, float(entries["assayed_mbq"]), residual, residual_at - at), at
    if "activity_mbq" not in material.source:
        raise MissingError(
            f"test {material.name}: the activity of the source is not known: neither entered nor registered"
        )
    told = material.source.get("at_utc")
    return float(material.source["activity_mbq"]), seconds(told) if told else start_s(manifest)


def _began(made: Framed, manifest: Manifest) -> float:
    return start_s(manifest) + float(made.slots.begin_ps.min()) / _PS_PER_S


def _counted(material: Material, made: list[Framed], place: int) -> Counted:
    """Return what a head counted in all series of a recording, its dead time taken off where it is told."""
    counts = sum(float(one.counts[place, window_place(material, one)].sum(dtype=np.float64)) for one in made)
    live = sum(float(one.slots.live_ps.sum()) * one.heads[place].live_share for one in made) / _PS_PER_S
    lasted = float(made[-1].slots.end_ps.max() - made[0].slots.begin_ps.min()) / _PS_PER_S
    return Counted(counts, live, max(lasted, live))
