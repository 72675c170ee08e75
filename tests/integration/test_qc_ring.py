"""NEMA NU 2 from recordings: the truth that was injected comes back, and what stands against a test is said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support_exports import PAIR_TYPES
from support_listmode import make_directory, segment
from support_nema import drawn, flight_ps, line_weights, lines_in_plane, ring, scatter_weights, table
from support_pet import DECAYS_IN_ENERGY, reference_ring

from daq.composition.qc.analyses import analysis
from daq.composition.qc.material import Material
from daq.model.coincidence import PairingRule
from daq.model.nuclide_table import nuclide
from daq.model.processing import Processing
from daq.model.qc.figures import Findings
from daq.model.qc.limits import QcTest
from daq.model.scanner import ScannerProfile
from daq.pipeline.pairing import Pairer
from daq.qc.pet.nemalines import LorTable, find_line
from daq.qc.pet.nemascatter import Bins, Frame, scatter_of
from simulators.pet.generate import generate
from simulators.pet.model import Detectors, Medium, PhotonFlag, Scan
from simulators.pet.model import line as line_of

START_NS = 1_700_000_000_000_000_000
S = 10**12
F18 = nuclide("F-18")
LINE = (0.0, -45.0)


def scanner() -> ScannerProfile:
    return ScannerProfile(
        schema="scanner-profile/0", id="small", title="A small ring", vendor="example", source="a test",
        verified="simulated", instrument="singles64", ring=ring(),
    )  # fmt: skip


def recording(folder: Path, frames: list[dict[str, np.ndarray]], seconds: float, apart_s: float) -> Path:
    """One step for each frame, the next beginning `apart_s` after it did."""
    steps, parts = [], []
    for number, columns in enumerate(frames):
        begin = round(number * apart_s * S)
        rows = len(columns["detector_a"])
        times = begin + np.linspace(0, seconds * S - 1, rows).astype(np.int64)
        parts.append({**columns, "time_ps": times})
        steps.append(
            {"number": number + 1, "name": f"frame {number + 1}", "begin_ps": begin, "completed": True,
             "end_ps": begin + round(seconds * S), "ended_by": "time"}
        )  # fmt: skip
    schema = pa.schema([pa.field(name, pa.from_numpy_dtype(np.dtype(kind)), nullable=False)
                        for name, kind in PAIR_TYPES.items() if not name.startswith("energy")])  # fmt: skip
    batches = [
        pa.record_batch([pa.array(part[name].astype(PAIR_TYPES[name])) for name in schema.names], schema=schema)
        for part in parts
    ]
    rule = PairingRule(half_window_ps=2000, delay_ps=100_000, ring=ring())
    return make_directory(
        folder / "run", [segment("coincidences", batches, schema=schema)], steps=steps,
        processing=Processing(pairing=rule).model_dump(mode="json"), duration_ps=steps[-1]["end_ps"],
        time={"start_utc_ns": START_NS}, profile={"id": "test", "title": "A test ring"},
    )  # fmt: skip


def coincidences(rng: np.random.Generator, *, line: int, scatter: int = 0, randoms: int = 0) -> dict[str, np.ndarray]:
    kinds = ((line, line_weights(*LINE), 0), (scatter, scatter_weights(), 0), (randoms, scatter_weights(), 0),
             (randoms, scatter_weights(), 1))  # fmt: skip
    made = [(*drawn(rng, rng.poisson(number), weights), kind) for number, weights, kind in kinds]
    a = np.concatenate([each[0] for each in made])
    b = np.concatenate([each[1] for each in made])
    kind = np.concatenate([np.full(len(each[0]), each[2]) for each in made])
    order = rng.permutation(len(a))
    return {"detector_a": a[order], "detector_b": b[order], "kind": kind[order], "tof_ps": np.zeros(len(a))}


def found(name: str, folder: Path, source: dict[str, Any] | None = None, **parameters: Any) -> Findings:
    test = QcTest(title=name, analysis=name, parameters=parameters)
    told = {"nuclide": "F-18", "activity_mbq": 4.0} if source is None else source
    return analysis(name)(Material(name, test, scanner(), (folder,), source=told))


def value(findings: Findings, name: str, subject: str = "") -> tuple[float, float]:
    figure = findings.figure(name)
    assert figure is not None, findings.obstacles
    one = figure.of_subject(subject)
    assert one is not None
    assert one.values[0] is not None
    assert one.noise[0] is not None
    return one.values[0], one.noise[0]


@pytest.fixture(scope="module")
def sleeves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of 100 s, one every 300 s: 5 cps/kBq without metal of 4 MBq of F-18, decaying."""
    rng, frames = np.random.default_rng(21), []
    for number in range(1, 6):
        decays = F18.decays_between(4e6, 300.0 * (number - 1), 300.0 * (number - 1) + 100.0)
        frames.append(coincidences(rng, line=round(0.005 * decays * math.exp(-0.0456 * 1.25 * number)), randoms=8000))
    return recording(tmp_path_factory.mktemp("sleeves"), frames, 100.0, 300.0)


def test_the_sensitivity_injected_comes_back_corrected_for_decay_and_metal(sleeves: Path) -> None:
    findings = found("pet-sensitivity", sleeves)
    got, noise = value(findings, "sensitivity", "line at 0 mm")
    assert got == pytest.approx(5.0, abs=4 * noise)
    assert noise < 0.02
    assert findings.curves[0].y.sum() == pytest.approx(5.0 * math.exp(-0.057), rel=0.01)
    assert findings.obstacles == ()
    assert findings.remarks == ()


def test_what_is_missing_for_a_sensitivity_is_said_and_nothing_is_made_up(sleeves: Path) -> None:
    assert "nuclide" in found("pet-sensitivity", sleeves, source={}).obstacles[0]
    assert "activity" in found("pet-sensitivity", sleeves, source={"nuclide": "F-18"}).obstacles[0]
    assert "5 frames, 2 numbers" in found("pet-sensitivity", sleeves, sleeves=(1.0, 2.0)).obstacles[0]
    findings = found("pet-sensitivity", sleeves, sleeves=(5.0, 4.0, 3.0, 2.0, 1.0))
    assert "wrong order" in findings.obstacles[0]


@pytest.fixture(scope="module")
def decaying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames over five half-lives: T and S lose e^(-2 tau A), randoms grow with A squared; SF 0.375."""
    rng, frames = np.random.default_rng(22), []
    for number in range(6):
        at = 2.0**-number
        alive = math.exp(-2.2 * at)
        frames.append(
            coincidences(
                rng, line=round(150_000 * at * alive), scatter=round(90_000 * at * alive),
                randoms=round(150_000 * at**2 * alive),
            )
        )  # fmt: skip
    return recording(tmp_path_factory.mktemp("decay"), frames, 10.0, F18.half_life_s)


def test_scatter_fraction_and_the_peak_of_necr_come_back_and_k_is_stated(decaying: Path) -> None:
    findings = found("pet-scatter-necr", decaying, source={"nuclide": "F-18", "activity_mbq": 440.0}, k=1.0)
    # Of the even scatter 120 of 150 mm are within what is looked at, line up to the slope of lines towards the edge.
    share = float(np.sum(scatter_weights()[np.abs(lines_in_plane()[2].s_mm) <= 120.0]) / scatter_weights().sum())
    truth = 100 * 0.6 * share / (1 + 0.6 * share)
    got, noise = value(findings, "scatter_fraction")
    assert got == pytest.approx(truth, abs=4 * noise)
    peak, _ = value(findings, "peak_necr")
    at = findings.figure("peak_necr_at")
    assert at is not None
    assert at.values[0] == pytest.approx(440.0 / 22.0 / 2, rel=0.01), "the second frame, half of the activity"
    t, s, r = (7.5 * math.exp(-1.1), 4.5 * share * math.exp(-1.1), 3.75 * share * math.exp(-1.1))
    assert peak == pytest.approx(t**2 / (t + s + r), rel=0.05)
    assert any("with k = 1" in text for text in findings.remarks)
    assert not any("another nuclide" in text for text in findings.remarks)
    loss, _ = value(findings, "loss")
    assert loss == pytest.approx(100 * (1 - math.exp(-2.2) / np.mean(np.exp(-2.2 * 2.0 ** -np.arange(3, 6)))), abs=2.0)


def test_a_maximum_beyond_the_data_is_not_reached_and_k_must_be_said(decaying: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(23)
    frames = [coincidences(rng, line=40_000 >> at, scatter=20_000 >> at) for at in range(3)]
    folder = recording(tmp_path, frames, 10.0, F18.half_life_s)
    findings = found("pet-scatter-necr", folder, k=2.0)
    peak = findings.figure("peak_necr")
    assert peak is not None
    assert peak.values == (None,)
    assert any("was not reached" in text for text in findings.remarks)
    assert "k = 0" in found("pet-scatter-necr", decaying).obstacles[0]


def test_another_nuclide_than_was_measured_is_noticed_and_so_is_a_line_out_of_its_place(decaying: Path) -> None:
    wrong = found("pet-scatter-necr", decaying, source={"nuclide": "Ga-68", "activity_mbq": 440.0}, k=1.0)
    assert not any("another nuclide" in text for text in wrong.remarks), "losses of the first frames hide it here"
    slow = found("pet-scatter-necr", decaying, source={"nuclide": "Cu-64", "activity_mbq": 440.0}, k=1.0)
    assert any("another nuclide" in text for text in slow.remarks)
    assert slow.remarks[0].startswith("the line is at x ")
    assert "is it in its place" not in slow.remarks[0]


def test_the_width_of_time_errors_comes_back_of_a_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(24)
    columns = coincidences(rng, line=60_000, randoms=20_000)
    lors = table().lors(columns["detector_a"], columns["detector_b"])
    near = np.abs(lors.away_mm(*LINE)) < 8.0
    wide = rng.integers(-1900, 1900, len(near))
    in_plane = (
        flight_ps(lors, *LINE)
        * np.hypot(lors.b_along_mm - lors.a_along_mm, lors.b_z_mm - lors.a_z_mm)
        / (lors.b_along_mm - lors.a_along_mm)
    )
    columns["tof_ps"] = np.where(
        near & (columns["kind"] == 0), np.rint(in_plane + rng.normal(0.0, 250.0 / 2.3548, len(near))), wide
    )
    findings = found("pet-tof-resolution", recording(tmp_path, [columns], 10.0, 10.0))
    got, noise = value(findings, "tof_fwhm", "frame 1")
    assert got == pytest.approx(250.0, abs=4 * noise)
    assert value(findings, "tof_fwhm_mm", "frame 1")[0] == pytest.approx(got * 0.149896, rel=1e-4)
    offset, noise = value(findings, "tof_offset", "frame 1")
    assert abs(offset) < 4 * noise


def test_the_resolution_of_a_point_source_comes_back_of_a_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(25)
    weights = line_weights(100.0, 0.0, 6.0)
    i, j, _ = lines_in_plane()
    at = rng.choice(len(i), 60_000, p=weights / weights.sum())
    rings = np.array([[3, 3], [3, 4], [4, 3], [4, 4]])[rng.choice(4, len(at), p=(0.3, 0.2, 0.2, 0.3))]
    columns = {
        "detector_a": i[at] + rings[:, 0] * ring().ring_step, "detector_b": j[at] + rings[:, 1] * ring().ring_step,
        "kind": np.zeros(len(at)), "tof_ps": np.zeros(len(at)),
    }  # fmt: skip
    folder = recording(tmp_path, [columns], 10.0, 10.0)
    findings = found("pet-resolution", folder, positions_mm=(100.0, 0.0, 0.0))
    for name in ("radial", "tangential"):
        got, noise = value(findings, f"{name}_fwhm", "point 1")
        assert got == pytest.approx(6.0, abs=0.4)
        assert 0.0 < noise < 0.5
    assert "100,000" in " ".join(findings.remarks), "60,000 prompts are fewer than NEMA wants"
    assert "should be at" in found("pet-resolution", folder, positions_mm=(10.0, 0.0, 0.0)).obstacles[0]


def test_the_scatter_of_a_line_in_water_is_what_the_simulator_knows_of_it() -> None:
    """The phantom of the standard, photon by photon: which pairs are true, scattered, random is known of each."""
    table_of = LorTable(reference_ring())
    scan = Scan(
        reference_ring(), (line_of("F-18", 2e6, 700.0, (0.0, -45.0, 0.0)),), Detectors(efficiency=0.5), seconds=1.5,
        medium=Medium(101.5, 700.0),
    )  # fmt: skip
    photons = generate(scan, seed=1)
    photons = photons.rows((photons.energy_kev >= 435.0) & (photons.energy_kev < 650.0))
    # The pairing looks at no energy here: decay and scatter travel in its place.
    codes = (2 * (photons.decay - photons.decay.min()) + ((photons.flags & PhotonFlag.SCATTERED) > 0)).astype(
        np.float32
    )
    assert codes.max() < DECAYS_IN_ENERGY
    pairer = Pairer(PairingRule(ring=reference_ring(), half_window_ps=2250, delay_ps=500_000))
    blocks = [
        pairer.push({"time_ps": photons.time_ps, "detector": photons.detector, "energy_kev": codes}),
        pairer.flush(),
    ]
    pairs = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    lors = table_of.lors(pairs["detector_a"], pairs["detector_b"])
    prompt, inside = pairs["kind"] == 0, np.abs(lors.s_mm) <= 120.0
    source = find_line(lors.chosen(prompt))
    bins = Bins.near(table_of.pitch_mm)
    profiles = [
        bins.profiles(source.away_mm(lors)[kind & inside], lors.slice[kind & inside], table_of.slices)
        for kind in (prompt, ~prompt)
    ]
    found_share = scatter_of([Frame(profiles[0], profiles[1], 1.5, 2.0)], bins)
    first, second = pairs["energy_a_kev"].astype(int), pairs["energy_b_kev"].astype(int)
    together = (first // 2 == second // 2) & prompt & inside
    scattered = together & ((first | second) & 1 == 1)
    assert found_share.value == pytest.approx(scattered.sum() / together.sum(), abs=3 * found_share.error)
    assert 0.25 < found_share.value < 0.45, "of the size of published ones, 36 to 41 %"
    assert source.y_mm == pytest.approx(-45.0, abs=0.3)
