"""Count rates of a source that decays, of several recordings, or of two sources: loss, maximum, dead time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daq.composition.qc.geometrysheet import LIT, Sheet, nuclide_of, recordings, start_s, window_place, word
from daq.errors import MissingError, UsageError
from daq.model.framed import Framed, ImageKind
from daq.model.protocol import Phase
from daq.model.qc.analyses_spect import COUNT_RATE
from daq.model.qc.figures import Curve
from daq.qc.camera.rate import MOST_OFF, CountRate, Model, Rates, count_rate, rate_at_loss, two_sources
from daq.qc.fields import Floats
from daq.storage.framed import framed_in
from daq.storage.reader import open_listmode

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.nuclides import Nuclide
    from daq.model.qc.figures import Findings

_PS_PER_S = 1e12
_PLANAR = (ImageKind.STATIC, ImageKind.DYNAMIC)
_US = 1e6
_TWO_SOURCE = 3


def measure_count_rate(material: Material) -> Findings:
    """Return the curve of observed against true rates of each head, what is read off it, and its dead time."""
    sheet = Sheet(COUNT_RATE)
    if word(material, "method", "decay", "two-source") == "two-source":
        _two_sources(sheet, material)
        return sheet.findings()
    points = _points(material)
    nuclide = nuclide_of(material, recordings(material)[0])
    heads = sorted({head for point in points for head in point.counts})
    most = max(sum(point.counts.get(head, 0.0) for point in points) for head in heads)
    if most <= 0.0:
        sheet.obstacles.append("no head counted anything in the window")
    for head in heads:
        if sum(point.counts.get(head, 0.0) for point in points) > LIT * most:
            with sheet.judging(f"head {head}"):
                rates = _rates(material, points, head, nuclide)
                _curve(sheet, f"head {head}", rates, count_rate(rates))
    return sheet.findings()


@dataclass(frozen=True, slots=True)
class _Point:
    """Counts by head number in a time; `at_s`: when it began, since the epoch."""

    counts: dict[int, float]
    at_s: float
    lasted_s: float


def _points(material: Material) -> list[_Point]:
    """Return the points of a curve: recordings, their frames, or equal parts of one long recording."""
    given = recordings(material)
    found = []
    for directory in given:
        with open_listmode(directory) as recording:
            manifest = recording.manifest
            made = framed_in(recording)
            if len(given) == 1 and sum(len(one.slots) for one in made) == 1:
                parts = round(material.number("points", 30.0))
                lasts = int(made[0].slots.end_ps[0] - made[0].slots.begin_ps[0])
                made = framed_in(recording, frames=[Phase(parts, lasts // parts)])
        for one in made:
            if one.kind in _PLANAR:
                found += _of_slots(material, one, start_s(manifest))
    if not found:
        raise MissingError(f"test {material.name}: its recordings hold no planar pictures")
    return found


def _of_slots(material: Material, made: Framed, start_s: float) -> list[_Point]:
    """Return a point for each frame. Time is real time: what dead time takes is what is looked for."""
    window = window_place(material, made)
    counts = made.counts[:, window].sum(axis=(2, 3), dtype=np.float64)
    return [
        _Point(
            {head.number: float(counts[place, slot]) for place, head in enumerate(made.heads)},
            start_s + float(made.slots.begin_ps[slot]) / _PS_PER_S, float(made.slots.live_ps[slot]) / _PS_PER_S,
        )
        for slot in range(len(made.slots)) if made.slots.live_ps[slot] > 0
    ]  # fmt: skip


def _rates(material: Material, points: list[_Point], head: int, nuclide: Nuclide) -> Rates:
    """Return activities relative to the first point, and rates net of background."""
    told = material.test.parameters.get("activities")
    if isinstance(told, tuple):
        if len(told) != len(points):
            raise UsageError(f"test {material.name}: {len(told)} activities for {len(points)} points")
        activity = np.array(told, np.float64)
    else:
        zero = points[0].at_s
        each = [nuclide.decays_between(1.0, one.at_s - zero, one.at_s - zero + one.lasted_s) for one in points]
        activity = np.array(each) / np.array([one.lasted_s for one in points])
    lasted = np.array([one.lasted_s for one in points])
    counts = np.array([one.counts.get(head, 0.0) for one in points])
    behind = material.number("background_cps", 0.0)
    return Rates(activity, counts / lasted - behind, np.sqrt(np.maximum(counts, 1.0)) / lasted)


def _curve(sheet: Sheet, subject: str, rates: Rates, found: CountRate) -> None:
    if (off := found.dead_time.off(rates)) > MOST_OFF:
        sheet.obstacles.append(
            f"{subject}: a rate is {100.0 * min(off, 99.0):.0f} % off what its activity and any dead time let expect: "
            "sources or filters were changed and the test does not say their activities, "
            "a background is not taken off, or a clock was wrong"
        )
    for name, reached in (("rate_at_20_percent_loss", found.at_loss), ("maximum_rate", found.maximum)):
        value, noise = (None, None) if reached is None else (reached.observed_cps, reached.noise_cps)
        sheet.add(name, subject, value, noise=noise)
    _dead_time(sheet, subject, found.dead_time.model, found.dead_time.dead_time_s, found.dead_time.dead_time_noise_s)
    sheet.remarks += [f"{subject}: {why}" for why in found.why]
    sheet.remarks.append(
        f"{subject}: a {found.dead_time.model} dead time fits best, chi squared per degree of freedom "
        f"{found.dead_time.chi2_per_freedom:.1f}"
    )
    order = np.argsort(found.true_cps)
    true: Floats = found.true_cps[order]
    marks = {} if found.at_loss is None else {"20 % loss": found.at_loss.true_cps}
    sheet.curves.append(Curve(
        f"Count rate, {subject}", true, rates.observed_cps[order], "true rate, cps", "observed rate, cps",
        found.dead_time.observed(true), marks,
    ))  # fmt: skip


def _dead_time(sheet: Sheet, subject: str, model: Model, dead_s: float, noise_s: float) -> None:
    sheet.add("dead_time", subject, _US * dead_s, noise=_US * noise_s)
    derived = rate_at_loss(model, dead_s)
    sheet.add("model_rate_at_20_percent_loss", subject, derived, noise=derived * noise_s / dead_s)


def _two_sources(sheet: Sheet, material: Material) -> None:
    points = _points(material)
    if len(points) != _TWO_SOURCE:
        raise UsageError(
            f"test {material.name}: the two-source method takes three recordings, source 1, both, source 2; "
            f"there are {len(points)}"
        )
    model: Model = "paralyzable"
    if word(material, "model", "paralyzable", "non-paralyzable") == "non-paralyzable":
        model = "non-paralyzable"
    behind = np.array([material.number("background_cps", 0.0), 0.0])
    most = max(sum(point.counts.get(head, 0.0) for point in points) for head in points[0].counts)
    for head in sorted(points[0].counts):
        if sum(point.counts.get(head, 0.0) for point in points) <= LIT * most:
            continue
        with sheet.judging(f"head {head}"):
            each = [np.array([one.counts[head], one.counts[head] ** 0.5]) / one.lasted_s for one in points]
            _dead_time(sheet, f"head {head}", model, *two_sources(each[0], each[1], each[2], behind, model))
