"""Pairs of a cylinder, drawn directly, and recordings of simulated scans, for tests of a ring's quality control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from support_sorting import LEDGER, MARK_COLUMNS, ORDERED

from daq.composition.qc.material import Material
from daq.model.calibration import Calibration
from daq.model.coincidence import PairingRule
from daq.model.processing import Processing
from daq.model.qc.limits import QcTest
from daq.model.scanner import Ring, ScannerProfile
from daq.model.windows import EnergyWindow
from daq.pipeline.calibrating import Tables, calibrated
from daq.pipeline.pairing import Pairer
from daq.storage.manifest import Manifest, RecordedStep
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter
from device_profiles.scanners import load_scanner
from simulators.pet.generate import Photons, generate
from simulators.pet.model import Scan

LIGHT_MM_PER_PS = 0.299792458
FWHM_PER_SIGMA = 2.3548200450309493
W_PS, DELAY_PS = 2250, 500_000
PARAMETERS: dict[str, Any] = {
    "cylinder_radius_mm": 100.0, "background_most_percent": 1.0, "centre_most_mm": 10.0, "prompts_needed": 1000.0,
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """Pairs: the lower detector number first; `tof_ps` = t_b - t_a."""

    a: np.ndarray
    b: np.ndarray
    tof_ps: np.ndarray
    kind: np.ndarray


def cylinder_pairs(
    ring: Ring, count: int, rng: np.random.Generator, *, radius_mm: float = 100.0, half_mm: float = 95.0,
    centre_mm: tuple[float, float] = (0.0, 0.0), efficiency: np.ndarray | None = None,
    offset_ps: np.ndarray | None = None, ctr_ps: float = 214.0,
) -> Drawn:  # fmt: skip
    """Trues of an even cylinder, without attenuation: both photons straight from where they were made."""
    parts: list[tuple[np.ndarray, ...]] = []
    while sum(len(part[0]) for part in parts) < count:
        parts.append(_drawn(ring, 2 * count, rng, radius_mm, half_mm, centre_mm, efficiency))
    a, b, tof = (np.concatenate(columns)[:count] for columns in zip(*parts, strict=True))
    tof = tof + rng.normal(0.0, ctr_ps / FWHM_PER_SIGMA, count)
    if offset_ps is not None:
        tof = tof + offset_ps[b] - offset_ps[a]
    turned = a > b
    return Drawn(
        np.where(turned, b, a).astype(np.uint32), np.where(turned, a, b).astype(np.uint32),
        np.rint(np.where(turned, -tof, tof)).astype(np.int32), np.zeros(count, np.uint8),
    )  # fmt: skip


def _drawn(
    ring: Ring, count: int, rng: np.random.Generator, radius_mm: float, half_mm: float, centre_mm: tuple[float, float],
    efficiency: np.ndarray | None,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    whole = ring.radius_mm + ring.interaction_depth_mm
    away, angle = radius_mm * np.sqrt(rng.random(count)), 2 * np.pi * rng.random(count)
    x, y = centre_mm[0] + away * np.cos(angle), centre_mm[1] + away * np.sin(angle)
    z = half_mm * (2 * rng.random(count) - 1)
    steep = ring.rings * ring.axial_pitch_mm / whole  # steeper photons pass by
    rise = steep * (2 * rng.random(count) - 1)
    level = np.sqrt(1 - np.minimum(rise, 0.99) ** 2)
    to = 2 * np.pi * rng.random(count)
    along = x * np.cos(to) + y * np.sin(to)
    reach = np.sqrt(along**2 - x**2 - y**2 + whole**2)
    hits, ways = [], []
    for sign in (1, -1):
        way = reach - sign * along
        crystal = _crystal(ring, np.arctan2(y + sign * way * np.sin(to), x + sign * way * np.cos(to)))
        plane = np.floor((z + sign * way * rise / level) / ring.axial_pitch_mm + ring.rings / 2).astype(int)
        inside = (plane >= 0) & (plane < ring.rings)
        hits.append(np.where(inside, plane * ring.ring_step + crystal, -1))
        ways.append(way / level)
    seen = (hits[0] >= 0) & (hits[1] >= 0)
    if efficiency is not None:
        seen &= rng.random(count) < efficiency[hits[0]] * efficiency[hits[1]]
    return hits[0][seen], hits[1][seen], (ways[1] - ways[0])[seen] / LIGHT_MM_PER_PS


def _crystal(ring: Ring, angle: np.ndarray) -> np.ndarray:
    turn = 2 * np.pi / ring.detectors_per_ring * (1 if ring.direction == "counter_clockwise" else -1)
    return np.rint((angle - np.radians(ring.first_angle_deg)) / turn).astype(int) % ring.detectors_per_ring


def with_randoms(ring: Ring, trues: Drawn, count: int, rng: np.random.Generator) -> Drawn:
    """The trues with `count` randoms among the prompts and as many delayeds, of pairs a quarter apart or more."""
    a = rng.integers(0, ring.detectors_per_ring, 2 * count)
    b = (a + rng.integers(ring.detectors_per_ring // 4, 3 * ring.detectors_per_ring // 4, 2 * count)) % (
        ring.detectors_per_ring
    )
    a, b = (each + ring.ring_step * rng.integers(0, ring.rings, 2 * count) for each in (a, b))
    kind = np.repeat(np.array([0, 1], np.uint8), count)
    return Drawn(
        np.concatenate([trues.a, np.minimum(a, b).astype(np.uint32)]),
        np.concatenate([trues.b, np.maximum(a, b).astype(np.uint32)]),
        np.concatenate([trues.tof_ps, rng.integers(-W_PS, W_PS + 1, 2 * count).astype(np.int32)]),
        np.concatenate([trues.kind, kind]),
    )


@dataclass(frozen=True)
class Step:
    """A step of a recording: what was scanned, and what its step is called."""

    name: str
    scan: Scan
    seed: int = 1


@dataclass
class Written:
    """A recording with the truth of its last step."""

    directory: Path
    photons: Photons
    rows: dict[str, int] = field(default_factory=dict)


def record_steps(
    directory: Path, steps: Sequence[Step], *, singles: bool = True, codes: bool = False, keep_tof: bool = True,
    calibration: Calibration | None = None,
) -> Written:  # fmt: skip
    """Simulate steps one after the other, pair them as the product does, and write a sealed recording.

    `codes`: energies are written as ADC codes of 0.5 keV, with the identity calibration; `calibration`: of the codes.
    """
    scanner = load_scanner("reference-ring")
    window = (
        EnergyWindow(0.0, 1e6, "photopeak")
        if codes and calibration is None
        else EnergyWindow(425.0, 650.0, "photopeak")
    )
    rule = PairingRule(half_window_ps=W_PS, delay_ps=DELAY_PS, ring=steps[0].scan.ring, windows=("photopeak",))
    begin, rows, told = 0, [], []
    for number, step in enumerate(steps, 1):
        photons = generate(step.scan, step.seed)
        end = begin + round(step.scan.seconds * 1e12)
        rows.append(_columns(photons, begin, window, 2.0 if codes else 1.0))
        told.append(RecordedStep(number=number, name=step.name, begin_ps=begin, end_ps=end, ended_by="time",
                                 completed=True, live_ps=end - begin))  # fmt: skip
        begin = end + 10**9
    all_singles = {name: np.concatenate([each[name] for each in rows]) for name in rows[0]}
    if calibration is not None:
        all_singles = _calibrated(all_singles, calibration, window)
    pairer = Pairer(rule, window_mask=1)
    parts = [pairer.push(all_singles), pairer.flush()]
    pairs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if not keep_tof:
        del pairs["tof_ps"]
    streams: dict[str, dict[str, Any]] = {"coincidences": pairs} | ({"singles": all_singles} if singles else {})
    processing = Processing(
        calibration=calibration or _calibration(codes), windows=(window,), pairing=rule, ring=rule.ring
    )
    _write(directory, scanner, processing, streams, told)
    return Written(directory, photons, {name: len(each["time_ps"]) for name, each in streams.items()})


def _columns(photons: Photons, begin: int, window: EnergyWindow, per_kev: float) -> dict[str, Any]:
    energy = (photons.energy_kev * per_kev).astype(np.float32)
    inside = (energy >= window.lower_kev) & (energy < window.upper_kev)
    return {
        "time_ps": photons.time_ps + begin, "detector": photons.detector, "energy_kev": energy,
        "windows": inside.astype(np.uint16), "late": np.zeros(len(energy), bool),
    }  # fmt: skip


def _calibrated(singles: dict[str, Any], calibration: Calibration, window: EnergyWindow) -> dict[str, Any]:
    """Singles as the daemon writes them with a calibration, in the order of their new times."""
    time_ps, kev, _ = calibrated(Tables.of(calibration), singles["time_ps"], singles["detector"], singles["energy_kev"])
    inside = (kev >= window.lower_kev) & (kev < window.upper_kev)
    new = singles | {"time_ps": time_ps, "energy_kev": kev, "windows": inside.astype(np.uint16)}
    order = np.argsort(time_ps, kind="stable")
    return {name: values[order] for name, values in new.items()}


def _calibration(codes: bool) -> Calibration:
    return Calibration(id="identity" if codes else "ring-1", instrument="singles64", made_utc="2026-01-01T00:00:00Z",
                       method="test", identity=codes)  # fmt: skip


def _write(
    directory: Path, scanner: ScannerProfile, processing: Processing, streams: dict[str, dict[str, Any]],
    steps: list[RecordedStep],
) -> None:  # fmt: skip
    made = Manifest(
        acquisition_id=directory.name, state="open", created_utc="2026-01-02T06:00:00Z", segments=[],
        profile={"id": "singles64"}, profile_sha256="0" * 64, source="test", simulated=True,
        scanner=scanner.model_dump(mode="json"), processing=processing.model_dump(mode="json"),
        time=ORDERED | {"start_utc_ns": 1_767_333_600_000_000_000},
    )  # fmt: skip
    streams = streams | {"marks": {"time_ps": np.array([0, 10], np.int64), **MARK_COLUMNS}}
    schemas: dict[Any, Any] = {name: arrow_schema(name, list(rows)) for name, rows in streams.items()}  # type: ignore[arg-type]
    with ListModeWriter(directory, made, schemas) as writer:
        for name, rows in streams.items():
            writer.write(name, rows)  # type: ignore[arg-type]
        writer.seal(ledger=LEDGER, words_by_kind={"single": 9}, duration_ps=steps[-1].end_ps, steps=lambda: steps)


def material_of(
    analysis: str, directory: Path, *, source: dict[str, Any] | None = None, scanner: str = "reference-ring",
    **parameters: Any,
) -> Material:  # fmt: skip
    """What the analysis is given of one recording."""
    test = QcTest(title="test", analysis=analysis, parameters={**parameters})
    return Material(analysis, test, load_scanner(scanner), (directory,), source=source or {})
