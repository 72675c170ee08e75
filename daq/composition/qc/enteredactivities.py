"""Dose calibrators, leak tests, cross-calibration and registration, from what a person entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daq.composition.qc.entered import or_obstacle
from daq.errors import RefusedError
from daq.model.nuclide_table import nuclide
from daq.model.qc import entered as e
from daq.model.qc.figures import Curve, Figure, Findings
from daq.qc import enteredactivity as activity
from daq.qc.enteredpoints import registration

if TYPE_CHECKING:
    from daq.composition.qc.material import Material

_OF_SOURCE = ("nuclides", "readings", "background", "calibrated", "calibrated_at", "read_at")
_OF_WIPE = ("activity", "gross", "background", "seconds", "efficiency")
_OF_CROSS = (
    "scanner", "scanner_time", "scanner_error", "well_counter", "well_counter_time", "well_counter_error",
    "phantom_activity", "phantom_time", "phantom_volume",
)  # fmt: skip
_KBQ_PER_MBQ = 1000.0


def calibrator_deviation(material: Material) -> Findings:
    """Return how far readings are from the decayed activities of certified sources: constancy and accuracy."""
    return or_obstacle(lambda: _calibrator_deviation(material))


def _calibrator_deviation(material: Material) -> Findings:
    entries = material.entries
    e.require_known(entries, _OF_SOURCE)
    readings = e.quantities(entries, "readings", "MBq")
    background = _background_mbq(material)
    names, expected = _expected_mbq(material)
    if len(readings) != len(expected):
        raise RefusedError(f"{len(readings)} readings and {len(expected)} sources: each reading needs its own")
    off = tuple(
        activity.deviation_percent(read - background, mbq) for read, mbq in zip(readings, expected, strict=True)
    )
    twice = len(set(names)) < len(names)
    subjects = tuple(f"{at}: {name}" for at, name in enumerate(names, 1)) if twice else names
    return Findings(
        figures=(Figure("deviation", "%", subjects, off),),
        remarks=tuple(
            f"{name}: {read - background:.5g} MBq read, {mbq:.5g} MBq expected"
            for name, read, mbq in zip(subjects, readings, expected, strict=True)
        ),
    )


def _expected_mbq(material: Material) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return nuclide and decayed activity of each source: as entered, else the one of the source register."""
    entries = material.entries
    if "calibrated" not in entries:
        mbq = material.source.get("activity_mbq")
        if not isinstance(mbq, int | float):
            raise RefusedError(
                "no source: name one of the register, or enter nuclides, calibrated, calibrated_at, read_at"
            )
        return (str(material.source.get("nuclide", "source")),), (float(mbq),)
    names = tuple(part.strip() for part in str(e.entry(entries, "nuclides")).split(";"))
    certified, at = e.quantities(entries, "calibrated", "MBq"), e.moments(entries, "calibrated_at")
    read_at = e.moment(entries, "read_at")
    if not len(names) == len(certified) == len(at):
        raise RefusedError(f"{len(names)} nuclides, {len(certified)} activities and {len(at)} times of calibration")
    return names, tuple(
        mbq * nuclide(name).activity_factor((read_at - since).total_seconds())
        for name, mbq, since in zip(names, certified, at, strict=True)
    )


def calibrator_linearity(material: Material) -> Findings:
    """Return the largest deviation from the best fit: of one activity over decay, or behind shields."""
    return or_obstacle(lambda: _calibrator_linearity(material))


def _calibrator_linearity(material: Material) -> Findings:
    entries = material.entries
    e.require_known(entries, ("readings", "times", "factors", "background"))
    if ("times" in entries) == ("factors" in entries):
        raise RefusedError("enter either times (by decay) or factors (by shields), and one of them")
    background = _background_mbq(material)
    readings = np.array(e.quantities(entries, "readings", "MBq")) - background
    if "times" in entries:
        at = e.moments(entries, "times")
        name = material.test.parameters.get("nuclide", "Tc-99m")
        shares = [nuclide(str(name)).activity_factor((each - at[0]).total_seconds()) for each in at]
    else:
        shares = list(e.quantities(entries, "factors", "1"))
    found = activity.linearity(readings.tolist(), shares)
    low, high = float(readings.min()), float(readings.max())
    return Findings(
        figures=(
            Figure.of("linearity", found.worst_percent, "%"), Figure.of("lowest", low, "MBq"),
            Figure.of("highest", high, "MBq"),
        ),
        curves=(Curve("Linearity", found.fitted, found.deviation_percent, "best fit, MBq", "deviation, %"),),
    )  # fmt: skip


def calibrator_geometry(material: Material) -> Findings:
    """Return how far readings of one activity in several volumes are from that in the reference volume."""
    return or_obstacle(lambda: _calibrator_geometry(material))


def _calibrator_geometry(material: Material) -> Findings:
    entries = material.entries
    e.require_known(entries, ("readings", "volumes", "background"))
    background = _background_mbq(material)
    readings = [each - background for each in e.quantities(entries, "readings", "MBq")]
    volumes = e.quantities(entries, "volumes", "mL")
    off = activity.geometry_percent(readings, volumes, material.number("reference_ml", 0.0))
    subjects = tuple(f"{number}: {volume:g} mL" for number, volume in enumerate(volumes, 1))
    return Findings(
        figures=(
            Figure.of("geometry", float(np.abs(off).max()), "%"),
            Figure("deviation", "%", subjects, tuple(off.tolist())),
        )
    )  # fmt: skip


def _background_mbq(material: Material) -> float:
    return e.quantity(material.entries, "background", "MBq") if "background" in material.entries else 0.0


def leak_test(material: Material) -> Findings:
    """Return the activity on a wipe: as a counter says it, or from counts."""
    return or_obstacle(lambda: _leak_test(material))


def _leak_test(material: Material) -> Findings:
    entries = material.entries
    e.require_known(entries, _OF_WIPE)
    if "activity" in entries:
        return Findings(
            figures=(Figure.of("removable", e.quantity(entries, "activity", "Bq"), "Bq"),),
            remarks=("what the counter could have seen at least was not entered",),
        )
    gross, background = (e.quantity(entries, name, "counts") for name in ("gross", "background"))
    seconds, efficiency = e.quantity(entries, "seconds", "s"), e.quantity(entries, "efficiency", "%") / 100.0
    found = activity.wipe(gross, background, seconds, efficiency)
    return Findings(
        figures=(
            Figure.of("removable", found.bq, "Bq", noise=found.error_bq, counts=gross),
            Figure.of("detectable", found.detectable_bq, "Bq"),
        )
    )


def cross_calibration(material: Material) -> Findings:
    """Return the scanner's activity concentration over the well counter's, and over the dose calibrator's."""
    return or_obstacle(lambda: _cross_calibration(material))


def _cross_calibration(material: Material) -> Findings:
    entries = material.entries
    e.require_known(entries, _OF_CROSS)
    scanner, error = e.quantity(entries, "scanner", "kBq/mL"), _percent(material, "scanner_error")
    made = {}
    if "well_counter" in entries:
        seen = e.quantity(entries, "well_counter", "kBq/mL") * _decayed(material, "well_counter_time")
        made["well counter"] = activity.ratio(scanner, seen, error, _percent(material, "well_counter_error"))
    if "phantom_activity" in entries:
        volume = e.quantity(entries, "phantom_volume", "mL")
        if not volume > 0.0:
            raise RefusedError(f"phantom_volume: {volume:g} mL: must be above zero")
        filled = _KBQ_PER_MBQ * e.quantity(entries, "phantom_activity", "MBq") / volume
        made["dose calibrator"] = activity.ratio(scanner, filled * _decayed(material, "phantom_time"), error, 0.0)
    if not made:
        raise RefusedError("neither well_counter nor phantom_activity was entered: there is nothing to compare with")
    subjects, noise = tuple(made), tuple(one.error for one in made.values())
    percent = tuple(None if one is None else 100.0 * one for one in noise)
    return Findings(
        figures=(
            Figure("ratio", "1", subjects, tuple(one.value for one in made.values()), noise),
            Figure("deviation", "%", subjects, tuple(one.deviation_percent for one in made.values()), percent),
        )
    )


def _percent(material: Material, name: str) -> float | None:
    return e.quantity(material.entries, name, "%") if name in material.entries else None


def _decayed(material: Material, name: str) -> float:
    """Return what is left at the scanner's time of an activity at the time entered under `name`."""
    since = e.moment(material.entries, "scanner_time") - e.moment(material.entries, name)
    of = material.test.parameters.get("nuclide", "F-18")
    return nuclide(str(of)).activity_factor(since.total_seconds())


def register(material: Material) -> Findings:
    """Return how emission and CT lie to each other, by points that both see."""
    return or_obstacle(lambda: _register(material))


def _register(material: Material) -> Findings:
    e.require_known(material.entries, ("emission", "ct"))
    found = registration(e.points_mm(material.entries, "ct"), e.points_mm(material.entries, "emission"))
    return Findings(
        figures=(
            Figure("translation", "mm", ("x", "y", "z", "length"), (*found.shift_mm, found.length_mm)),
            Figure("rotation", "deg", ("x", "y", "z", "angle"), (*found.turn_deg, found.angle_deg)),
            Figure.of("residual", found.residual_mm, "mm"),
            Figure.of("worst", found.worst_mm, "mm"),
        ),
        remarks=(f"the worst is point {found.worst_point + 1}",),
    )
