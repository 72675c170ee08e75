"""Analyses of how much a head counts: system sensitivity, count rates, and the speed of a whole-body scan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.composition.qc.geometrysheet import Sheet, collimator, number, recordings, series, window_place, word
from daq.errors import MissingError, RefusedError, UsageError
from daq.model.framed import Framed, ImageKind
from daq.model.nuclide_table import nuclide as nuclide_named
from daq.model.protocol import Phase
from daq.model.qc.analyses_spect import COUNT_RATE, SCAN, SENSITIVITY
from daq.model.qc.figures import Curve
from daq.qc.camera.points import REACH_MM, point_sources
from daq.qc.camera.rate import CountRate, Model, Rates, count_rate, rate_at_loss, two_sources
from daq.qc.camera.sensitivity import Counted, Sensitivity, difference_percent, net_activity_mbq, system_sensitivity
from daq.qc.fields import Floats
from daq.storage.framed import framed_in, recorded_protocol
from daq.storage.reader import open_listmode

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.nuclides import Nuclide
    from daq.model.qc.figures import Findings
    from daq.storage.manifest import Manifest

_PS_PER_S = 1e12
_LIT = 0.1
_PLANAR = (ImageKind.STATIC, ImageKind.DYNAMIC)
_US = 1e6
_TWO_SOURCE = 3


def measure_sensitivity(material: Material) -> Findings:
    """Return the sensitivity of each head, by the recording with the source and the one without."""
    sheet = Sheet(SENSITIVITY)
    order = word(material, "background", "first", "last", "none")
    given = recordings(material)
    with_source, without = _with_and_without(sheet, given, order)
    found: list[Sensitivity] = []
    for directory in with_source:
        made, manifest = series(directory, *_PLANAR)
        nuclide = _nuclide(material, directory)
        activity, at = _activity(material, nuclide, manifest)
        since = _began(made[0], manifest) - at
        for place in _lit(material, made[0]):
            head = made[0].heads[place]
            subject = f"head {head.number}, {collimator(manifest)}"
            with sheet.judging(subject):
                counted = _counted(material, made, place)
                behind = None if without is None else _counted(material, without, place)
                one = system_sensitivity(nuclide, counted, activity, since, behind)
                sheet.add("sensitivity", subject, one.cps_per_mbq, noise=one.noise, counts=counted.counts)
                sheet.remarks.append(f"{subject}: {one.activity_mbq:.4g} MBq of {nuclide.name} when it began")
                found.append(one)
    if len(found) > 1:
        value, noise = difference_percent(found)
        sheet.add("head_difference", "", value, noise=noise)
    return sheet.findings()


def measure_count_rate(material: Material) -> Findings:
    """Return the curve of observed against true rates of each head, what is read off it, and its dead time."""
    sheet = Sheet(COUNT_RATE)
    if word(material, "method", "decay", "two-source") == "two-source":
        _two_sources(sheet, material)
        return sheet.findings()
    points = _points(material)
    nuclide = _nuclide(material, recordings(material)[0])
    heads = sorted({head for point in points for head in point.counts})
    most = max(sum(point.counts.get(head, 0.0) for point in points) for head in heads)
    for head in heads:
        if sum(point.counts.get(head, 0.0) for point in points) > _LIT * most:
            with sheet.judging(f"head {head}"):
                rates = _rates(material, points, head, nuclide)
                _curve(sheet, f"head {head}", rates, count_rate(rates))
    return sheet.findings()


def scan_speed(material: Material) -> Findings:
    """Return how fast and how evenly the bed went in whole-body scans, and how long it was by two sources."""
    sheet = Sheet(SCAN)
    for directory in recordings(material):
        found, manifest = series(directory, ImageKind.WHOLE_BODY)
        for made in found:
            with sheet.judging(made.name):
                _speed(sheet, made, manifest, directory)
                if "distance_mm" in material.test.parameters:
                    _length(sheet, material, made)
    return sheet.findings()


@dataclass(frozen=True, slots=True)
class _Point:
    """Counts by head number in a time; `at_s`: when it began, since the epoch."""

    counts: dict[int, float]
    at_s: float
    lasted_s: float


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
        at = _seconds(entries["assayed_at"])
        residual_at = _seconds(entries["residual_at"]) if "residual_at" in entries else at
        residual = float(entries.get("residual_mbq", 0.0))
        return net_activity_mbq(nuclide, float(entries["assayed_mbq"]), residual, residual_at - at), at
    if "activity_mbq" not in material.source:
        raise MissingError(
            f"test {material.name}: the activity of the source is not known: neither entered nor registered"
        )
    told = material.source.get("at_utc")
    return float(material.source["activity_mbq"]), _seconds(told) if told else _start(manifest)


def _seconds(text: Any) -> float:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise UsageError(f"{text!r} is no time: RFC 3339 is wanted, with its zone") from None
    if at.tzinfo is None:
        raise UsageError(f"{text}: it has no time zone; UTC ends in Z")
    return at.astimezone(UTC).timestamp()


def _start(manifest: Manifest) -> float:
    """Return when time zero of a recording was, seconds since the epoch."""
    told = manifest.time.get("start_utc_ns")
    return float(told) / 1e9 if told is not None else _seconds(manifest.created_utc)


def _began(made: Framed, manifest: Manifest) -> float:
    return _start(manifest) + float(made.slots.begin_ps.min()) / _PS_PER_S


def _nuclide(material: Material, directory: Path) -> Nuclide:
    said = material.test.parameters.get("nuclide") or material.source.get("nuclide")
    if said is None:
        with open_listmode(directory) as recording:
            protocol = recorded_protocol(recording.manifest, directory)
        said = protocol.radionuclide if protocol else None
    if said is None:
        raise MissingError(f"test {material.name}: of which nuclide the source is, nobody says")
    return nuclide_named(str(said))


def _lit(material: Material, made: Framed) -> list[int]:
    """Return the places of the heads that saw the source."""
    counts = made.counts[:, window_place(material, made)].sum(axis=(1, 2, 3), dtype=np.float64)
    if not counts.max() > 0.0:
        raise RefusedError(f"{made.name}: no head counted anything in the window")
    return [int(place) for place in np.flatnonzero(counts > _LIT * counts.max())]


def _counted(material: Material, made: list[Framed], place: int) -> Counted:
    """Return what a head counted in all series of a recording, its dead time taken off where it is told."""
    counts = sum(float(one.counts[place, window_place(material, one)].sum(dtype=np.float64)) for one in made)
    live = sum(float(one.slots.live_ps.sum()) * one.heads[place].live_share for one in made) / _PS_PER_S
    lasted = float(made[-1].slots.end_ps.max() - made[0].slots.begin_ps.min()) / _PS_PER_S
    return Counted(counts, live, max(lasted, live))


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
                found += _of_slots(material, one, _start(manifest))
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
        if sum(point.counts.get(head, 0.0) for point in points) <= _LIT * most:
            continue
        with sheet.judging(f"head {head}"):
            each = [np.array([one.counts[head], one.counts[head] ** 0.5]) / one.lasted_s for one in points]
            _dead_time(sheet, f"head {head}", model, *two_sources(each[0], each[1], each[2], behind, model))


def _speed(sheet: Sheet, made: Framed, manifest: Manifest, directory: Path) -> None:
    strip = made.strip
    if strip is None or strip.mean_speed_mm_per_s <= 0.0:
        raise RefusedError("how fast the bed went is not told by its encoder")
    sheet.add("mean_speed", made.name, strip.mean_speed_mm_per_s)
    spread = strip.fastest_mm_per_s - strip.slowest_mm_per_s
    sheet.add("speed_range", made.name, 100.0 * spread / strip.mean_speed_mm_per_s)
    protocol = recorded_protocol(manifest, directory)
    sweeps = [step.sweep for step in protocol.steps if step.sweep is not None] if protocol else []
    if len(sweeps) == 1:
        sheet.add("speed_off", made.name, 100.0 * (strip.mean_speed_mm_per_s / sweeps[0].speed - 1.0))
    else:
        sheet.remarks.append(f"{made.name}: the speed that was asked for is not known")


def _length(sheet: Sheet, material: Material, made: Framed) -> None:
    distance, pixel = number(material, "distance_mm"), made.pixels.pixel_mm
    for place in _lit(material, made):
        counts = made.counts[place, window_place(material, made)].sum(axis=0, dtype=np.float64)
        found = point_sources(counts, pixel, reach_mm=material.number("reach_mm", REACH_MM))
        if len(found) != 2:  # noqa: PLR2004 - a distance
            raise RefusedError(f"{len(found)} sources are seen; the length is measured by two")
        first, second = found
        apart = float(np.hypot(first.x_mm - second.x_mm, first.y_mm - second.y_mm))
        noise = 100.0 * float(np.hypot(first.noise_y_mm, second.noise_y_mm)) / distance
        subject = f"{made.name}, head {made.heads[place].number}"
        sheet.add(
            "length_off",
            subject,
            100.0 * (apart / distance - 1.0),
            noise=noise,
            counts=min(first.counts, second.counts),
        )
