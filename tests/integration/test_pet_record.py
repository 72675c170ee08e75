"""A simulated PET scan recorded live: what is paired on the disk is what the truth of the simulator says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support_cli import daq
from support_pet import reference_ring
from support_record import temporary_folder
from support_simulators import simulator

from daq.model.coincidence import PairingRule
from daq.pipeline.calibrating import Tables, calibrated
from daq.pipeline.pairing import Pairer
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode
from device_profiles.calibrations import load_calibration
from simulators.pet.generate import Photons
from simulators.pet.truthfile import read_photons

LOW_KEV, HIGH_KEV = 435.0, 650.0


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    with temporary_folder(tmp_path) as folder:
        yield folder


def received(photons: Photons, zero_ticks: int, tables: Tables) -> dict[str, np.ndarray]:
    """The singles a receiver has of these, in the order of time: ticks and codes on the wire, then calibrated."""
    ticks = photons.time_ps * 128 // 3125 - zero_ticks
    codes = np.minimum(np.rint(photons.energy_kev / 0.5), 4095).astype(np.uint16)
    time_ps, kev, unnamed = calibrated(tables, np.rint(ticks * 3125 / 128).astype(np.int64), photons.detector, codes)
    assert unnamed == 0
    inside = np.flatnonzero((kev >= LOW_KEV) & (kev < HIGH_KEV))
    rows = inside[np.argsort(time_ps[inside], kind="stable")]
    return {"time_ps": time_ps[rows], "detector": photons.detector[rows], "energy_kev": kev[rows]}


def sorted_pairs(columns: dict[str, np.ndarray]) -> list[tuple[int, ...]]:
    names = ("time_ps", "detector_a", "detector_b", "tof_ps", "kind")
    return sorted(zip(*(columns[name].tolist() for name in names), strict=True))


def test_the_pairs_on_the_disk_are_those_of_the_truth(tmp_path: Path, temporary: Path) -> None:
    photons_file, calibration = tmp_path / "photons.arrow", tmp_path / "modules.toml"
    with simulator(
        "pet", "--profile", "singles64", "--activity", "cylinder:F-18,mbq=2,radius=60,length=80", "--seconds", "0.5",
        "--detectors", "gain_sigma=0.04,offset_sigma_ps=1500,photofraction=0.7", "--sources", 4, "--seed", 12,
        "--photons", photons_file, "--calibration", calibration,
    ) as front_end:  # fmt: skip
        made = daq(
            "record", "--profile", "singles64", "--source", front_end.ready["udp"], "--scanner", "reference-ring",
            "--calibration", calibration, "--window", f"photopeak={LOW_KEV}-{HIGH_KEV} keV", "--half-window", "4 ns",
            "--delay", "100 ns", "--out", tmp_path / "run", "--json", temporary=temporary,
        )  # fmt: skip
    assert made.code == 0, made.err
    assert made.json["ledger"]["balanced"] is True
    photons, _ = read_photons(photons_file)
    (zero_ticks,) = set(load_manifest(tmp_path / "run").time["zero_ticks"])
    with open_listmode(tmp_path / "run") as recorded:
        table = recorded.table("coincidences")
    got = {name: table.column(name).to_numpy() for name in table.column_names}

    pairer = Pairer(PairingRule(half_window_ps=4000, delay_ps=100_000, ring=reference_ring()))
    expected = pairer.push(received(photons, zero_ticks, Tables.of(load_calibration(calibration))))
    rest = pairer.flush()
    expected = {name: np.concatenate([expected[name], rest[name]]) for name in expected}
    assert made.json["rows"]["singles"] == len(photons)
    assert len(got["time_ps"]) > 10_000
    assert sorted_pairs(got) == sorted_pairs(expected)
