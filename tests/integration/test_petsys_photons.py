"""Photons of a simulated scan, through the PETsys front end, onto the disk: which, where, when, how much."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from support_cli import daq
from support_record import temporary_folder
from support_simulators import simulator

from daq.model import tofpet2 as t
from daq.storage.kernels import load_decoder
from daq.storage.reader import open_listmode
from device_profiles.load import load_profile
from simulators.pet.truthfile import read_photons
from simulators.petsys.encoding import NOMINAL

HALF_A_CODE_PS = t.CLOCK_PS / NOMINAL.fine_per_clock / 2


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Have the readout compiled: on a fresh machine that takes longer than a recorder waits."""
    profile = load_profile("petsys-tofpet2-gbe")
    import_module("daq.readout.process")
    load_decoder(profile.layout, profile.clock)


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    with temporary_folder(tmp_path) as folder:
        yield folder


def test_each_photon_from_the_first_recorded_frame_on_is_on_the_disk_with_time_and_energy(
    tmp_path: Path, temporary: Path
) -> None:
    photons_file = tmp_path / "photons.arrow"
    with simulator(
        "petsys-gbe", "--activity", "line:F-18,mbq=1,length=20", "--seconds", 0.5, "--loop", 0.5, "--speed", 0.5,
        "--seed", 4, "--photons", photons_file,
    ) as front_end:  # fmt: skip
        made = daq(
            "record", "--profile", "petsys-tofpet2-gbe", "--source", front_end.ready["udp"], "--stop", "host=4s",
            "--out", tmp_path / "run", "--json", temporary=temporary,
        )  # fmt: skip
    assert made.code == 0, made.err
    assert made.json["ledger"]["balanced"] is True
    photons, _ = read_photons(photons_file)
    with open_listmode(tmp_path / "run") as recorded:
        table = recorded.table("singles")
    time_ps, detector, code = (table.column(name).to_numpy() for name in ("time_ps", "detector", "energy_adc"))
    order = np.argsort(time_ps, kind="stable")

    first = len(photons) - len(time_ps)
    assert first < len(photons) / 2, "the readout listens in time"
    late = photons.rows(slice(first, None))
    assert np.abs(time_ps[order] - late.time_ps).max() <= HALF_A_CODE_PS + 1
    np.testing.assert_array_equal(np.bincount(detector, minlength=1024), np.bincount(late.detector, minlength=1024))
    energy_kev = np.sort(code * NOMINAL.kev_per_code)
    assert np.abs(energy_kev - np.sort(late.energy_kev)).max() <= NOMINAL.kev_per_code / 2 + 1e-3
