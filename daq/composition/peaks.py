"""Peaks of a head: the photopeak as a whole, found and corrected within a limit; and its channels made equal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.composition.calibrating import head_spectrum
from daq.composition.headbench import HeadBench
from daq.errors import RefusedError
from daq.model.camera import Crystal, Sensors
from daq.model.cameracalibration import CameraCalibration, EnergyMap, Figure, Peaking
from daq.model.headcalibration import Estimator, Grid, HeadCorrections
from daq.pipeline.heads import HeadStage
from daq.qc.channels import (
    Pedestals,
    bad_channels,
    clipped_adc,
    even_gains,
    fitted,
    geometric_light,
    pedestals_far_from_light,
    pedestals_of,
)
from daq.qc.fields import Floats
from daq.qc.spectra import Peaked, corrected_within, peaked, spectrum
from daq.storage.headevents import head_amplitudes
from daq.storage.reader import open_listmode

MOST_EVENTS = 400_000
"""Of a flood that channels are fitted to: some 6,000 under each of 64 sensors."""
ROUNDS = 6
_WIDE = 0.12
"""Events within this share of the peak are of one energy for the fit of channels."""


def peak_of(bench: HeadBench, directories: Sequence[Path], used: HeadCorrections) -> Peaked:
    """Return where the photopeak of a head is, over its field of view."""
    return peaked(head_spectrum(bench, directories, used), bench.line_kev)


def measure_peak(bench: HeadBench, directories: Sequence[Path], *, limit_percent: float) -> CameraCalibration:
    """Return the calibration in use with energies moved to the line, or an even energy map where there is none.

    Raises `LimitError` where the peak is further off than the limit.
    """
    used = bench.corrections()
    found = peak_of(bench, directories, used)
    ratio = corrected_within(found, limit_percent)
    figures = {
        "peak": Figure(value=found.peak.at, unit="keV"), "off": Figure(value=found.off_percent, unit="%"),
        "off_sigma": Figure(value=found.sigma_percent, unit="%"),
    }  # fmt: skip
    base = used.model_copy(update={"used": tuple(one for one in used.used if one.kind == "peaking")})
    old = next((one.id for one in used.used if one.kind == "energy-map"), None)
    about = f"photopeak moved by {-found.off_percent:+.3f} %" + (f"; else the map of {old}" if old else "")
    if used.energy is None:
        grid = Grid.of(np.full((1, 1), ratio, np.float32), x0_mm=0.0, y0_mm=0.0, pitch_mm=1.0)
    else:
        one = used.energy
        grid = Grid.of(one.values() * ratio, x0_mm=one.x0_mm, y0_mm=one.y0_mm, pitch_mm=one.pitch_mm)
    return bench.calibration("energy-map", directories, base, about, energy_map=EnergyMap(ratio=grid), figures=figures)


def measure_peaking(
    bench: HeadBench, floods: Sequence[Path], *, pedestals: Path | None, estimator: Estimator
) -> CameraCalibration:
    """Return pedestals, gains and light of the channels of a head that sends amplitudes.

    Gains begin with what each channel sees of the flood. Then positions by them, and gains and light by the positions,
    take turns; at last all gains are scaled so that the photopeak is at its line.
    """
    crystal, sensors = bench.head.crystal, bench.head.sensors
    if crystal is None or sensors is None:
        raise RefusedError(f"head {bench.head.id}: its scanner profile does not say its crystal and sensors")
    codes = _codes(floods, bench.head.number, len(sensors.x_mm))
    if pedestals is not None:
        dark = pedestals_of(_codes([pedestals], bench.head.number, len(sensors.x_mm)))
    else:
        dark = pedestals_far_from_light(codes, sensors)
    made, peak = _fit(bench, codes, dark, crystal, sensors, estimator)
    gains = np.array(made.kev_per_adc)
    live = np.array([channel not in made.dead_channels for channel in range(len(gains))])
    figures = {
        "events": Figure(value=float(len(codes)), unit="1"),
        "gain_spread": Figure(value=100.0 * float(gains[live].std() / gains[live].mean()), unit="%"),
        "bad_channels": Figure(value=float(len(made.dead_channels)), unit="1"),
        "resolution": Figure(value=peak.peak.fwhm_percent, unit="%"),
    }
    how = "a recording without light" if pedestals is not None else "channels far from the flash"
    return bench.calibration(
        "peaking", floods, bench.plain(), f"flood, {len(codes)} events; pedestals of {how}; {ROUNDS} rounds",
        peaking=made, figures=figures,
    )  # fmt: skip


def _fit(
    bench: HeadBench, codes: npt.NDArray[np.uint16], dark: Pedestals, crystal: Crystal, sensors: Sensors,
    estimator: Estimator,
) -> tuple[Peaking, Peaked]:  # fmt: skip
    signal = codes.astype(np.float32) - dark.mean_adc.astype(np.float32)
    bad = bad_channels(signal, dark)
    live = np.ones(len(sensors.x_mm), bool)
    live[list(bad)] = False
    light = geometric_light(crystal, sensors)
    gains = even_gains(np.where(live, signal, 0.0), light, sensors, crystal)
    gains[~live] = 1.0
    full = clipped_adc(codes)
    for _ in range(ROUNDS):
        corrections = HeadCorrections(
            head=bench.head.number, sensors=sensors, estimator="maximum-likelihood", light=light, dead_channels=bad,
            pedestal_adc=tuple(dark.mean_adc), kev_per_adc=tuple(_to_line(gains, signal, live, bench.line_kev)),
            saturated_adc=full,
        )  # fmt: skip
        gains = np.array(corrections.kev_per_adc)
        x, y, energy = _placed(corrections, codes)
        gains *= bench.line_kev / _top(energy, bench.line_kev)
        one = np.abs(energy / _top(energy, bench.line_kev) - 1.0) < _WIDE
        gains, light = fitted(signal[one], gains, x[one], y[one], light, sensors, live)
    made = Peaking(
        pedestal_adc=tuple(map(float, dark.mean_adc)), kev_per_adc=tuple(map(float, gains)), dead_channels=bad,
        saturated_adc=full, estimator=estimator, light=light,
    )  # fmt: skip
    return _on_the_line(bench, made, sensors, codes)


def _on_the_line(
    bench: HeadBench, made: Peaking, sensors: Sensors, codes: npt.NDArray[np.uint16]
) -> tuple[Peaking, Peaked]:
    """Return the peaking scaled so that its own estimator finds the photopeak at the line, and that peak."""
    for _ in range(2):
        corrections = HeadCorrections(head=bench.head.number, sensors=sensors, **made.model_dump(exclude={"light"}),
                                      light=made.light)  # fmt: skip
        energy = _placed(corrections, codes)[2]
        scale = bench.line_kev / _top(energy, bench.line_kev)
        made = made.model_copy(update={"kev_per_adc": tuple(gain * scale for gain in made.kev_per_adc)})
    return made, peaked(spectrum(energy * scale, upper_kev=2.0 * bench.line_kev), bench.line_kev)


def _placed(corrections: HeadCorrections, codes: npt.NDArray[np.uint16]) -> tuple[Floats, Floats, Floats]:
    """Return x, y and energy of events by their codes."""
    stage = HeadStage([corrections], reuse=False)
    rows = len(codes)
    singles: dict[str, npt.NDArray[Any]] = {
        "time_ps": np.zeros(rows, np.int64), "amplitudes": codes, "head": np.full(rows, corrections.head, np.uint8),
    }  # fmt: skip
    found = stage(singles, np.array([rows], np.int64), np.zeros(1, np.uint16))
    return tuple(found[name].astype(np.float64) for name in ("x_mm", "y_mm", "energy_kev"))  # type: ignore[return-value]


def _to_line(gains: Floats, signal: npt.NDArray[np.float32], live: npt.NDArray[np.bool_], line_kev: float) -> Floats:
    """Return gains scaled so that the brightest lot of the summed light lies at the line: good enough to begin."""
    total = signal[:, live] @ gains[live].astype(np.float32)
    middle = float(np.median(total))
    if middle <= 0.0:
        raise RefusedError("no light above the pedestals")
    return np.asarray(gains * line_kev / middle)


def _top(energy: Floats, line_kev: float) -> float:
    """Return where most energies are, above half and below three times the line."""
    counts, edges = np.histogram(energy[np.isfinite(energy)], np.linspace(0.5, 3.0, 251) * line_kev)
    smooth = np.convolve(counts, np.ones(7), mode="same")
    top = int(np.argmax(smooth))
    near = slice(max(0, top - 6), top + 7)
    centres = (edges[1:] + edges[:-1]) / 2
    return float((counts[near] * centres[near]).sum() / max(counts[near].sum(), 1))


def _codes(directories: Sequence[Path], number: int, channels: int) -> npt.NDArray[np.uint16]:
    """Return codes of a head [events, channels], at most as many as are fitted."""
    parts, rows = [], 0
    for directory in directories:
        with open_listmode(directory) as recording:
            for part in head_amplitudes(recording, number):
                parts.append(part[: MOST_EVENTS - rows, :channels].copy())
                rows += len(parts[-1])
                if rows >= MOST_EVENTS:
                    return np.concatenate(parts)
    if not rows:
        raise RefusedError(f"head {number}: no event in {', '.join(map(str, directories))}")
    return np.concatenate(parts)
