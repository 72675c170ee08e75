"""Check a calibration by a recording that it was not made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from daq.composition.calibrating import flood_of, head_spectrum, slits
from daq.composition.headbench import HeadBench, manifest_of
from daq.errors import LimitError, RefusedError, UsageError
from daq.model.cameracalibration import CameraCalibration, Figure
from daq.model.headcalibration import HeadCorrections
from daq.qc.slits import STRIP_MM, SlitMask, resolution_and_linearity
from daq.qc.spectra import peaked
from device_profiles.cameracalibrations import CalibrationCheck


def verified(
    bench: HeadBench, calibration: CameraCalibration, *, floods: Sequence[Path], slits_x: Sequence[Path],
    slits_y: Sequence[Path], pitch_mm: float, limit: float,
) -> CalibrationCheck:  # fmt: skip
    """Return what the check acquisition says, judged against `limit` in the unit of the kind.

    Raises `RefusedError` where the check would use another calibration than this one, or the very recordings that it
    was made of; `LimitError` where the counts are too few to judge.
    """
    recorded = [*floods, *slits_x, *slits_y]
    own = set(calibration.acquisitions) & {manifest_of(directory).acquisition_id for directory in recorded}
    if own:
        raise RefusedError(f"{calibration.id} was made of {', '.join(sorted(own))}: a check needs another recording")
    used = bench.corrections(trial=calibration.id)
    if calibration.id not in [one.id for one in used.used]:
        newer = next((one.id for one in used.used if one.kind == calibration.kind), None)
        why = (
            f"{newer} is"
            if newer
            else "it does not fit this head, serial number, collimator or window, or failed before"
        )
        raise RefusedError(f"{calibration.id} would not be in use: {why}")
    if calibration.kind in ("peaking", "energy-map"):
        value, unit, what = _peak(bench, floods, used)
    elif calibration.kind == "linearity":
        value, unit, what = _lines(bench, slits_x, slits_y, used, pitch_mm)
    elif calibration.kind == "uniformity":
        value, unit, what = _flood(bench, floods, used, limit)
    else:
        raise UsageError(f"a {calibration.kind} is checked by measuring it again and comparing both")
    passed = value <= limit
    reason = f"{what} is {value:.3g} {unit}, the limit {limit:g} {unit}"
    return CalibrationCheck(
        calibration=calibration.id, sha256=calibration.sha256, checked_utc=datetime.now(UTC).isoformat(),
        acquisition=", ".join(manifest_of(directory).acquisition_id for directory in recorded)[:100], passed=passed,
        reason=reason, figures={what: Figure(value=value, unit=unit), "limit": Figure(value=limit, unit=unit)},
    )  # fmt: skip


def _peak(bench: HeadBench, floods: Sequence[Path], used: HeadCorrections) -> tuple[float, str, str]:
    if not floods:
        raise UsageError("energies are checked by --flood")
    found = peaked(head_spectrum(bench, floods, used), bench.line_kev)
    return abs(found.off_percent), "%", "distance of the photopeak from its line"


def _lines(
    bench: HeadBench, slits_x: Sequence[Path], slits_y: Sequence[Path], used: HeadCorrections, pitch_mm: float
) -> tuple[float, str, str]:
    if not slits_x or not slits_y:
        raise UsageError("linearity is checked by --slits-x and --slits-y")
    worst = 0.0
    for mask, directories in ((SlitMask("x", pitch_mm), slits_x), (SlitMask("y", pitch_mm), slits_y)):
        peaks = slits(bench, directories, used, mask, strip_mm=STRIP_MM)
        worst = max(worst, resolution_and_linearity(peaks, bench.field).absolute_mm)
    return worst, "mm", "absolute linearity"


def _flood(bench: HeadBench, floods: Sequence[Path], used: HeadCorrections, limit: float) -> tuple[float, str, str]:
    if not floods:
        raise UsageError("uniformity is checked by --flood")
    _, judged, plain = flood_of(bench, floods, used)
    if not plain.is_evaluable(limit):
        raise LimitError(
            f"not evaluable: {plain.counts_per_pixel:.0f} counts per pixel make "
            f"{plain.noise_percent['ufov_integral']:.2f} % by noise alone, more than half of the limit of {limit:g} %"
        )
    return judged.ufov.integral_percent, "%", "integral uniformity"
