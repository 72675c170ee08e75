"""Faults of single modules in the PET simulator: each does what it says, and nothing to the other modules."""

from __future__ import annotations

import numpy as np
import pytest
from support_pet import small_ring

from daq.errors import UsageError
from simulators.pet.generate import Photons, generate, misalignment
from simulators.pet.model import Detectors, ModuleFault, PhotonFlag, Scan, point
from simulators.pet.options import parse_fault

FAULTY = 3


def scanned(*faults: ModuleFault) -> Photons:
    return generate(Scan(small_ring(), (point("F-18", 2e5),), Detectors(), seconds=0.5, faults=faults), seed=7)


@pytest.fixture(scope="module")
def whole() -> Photons:
    return scanned()


def others(photons: Photons) -> Photons:
    return photons.rows(photons.module != FAULTY)


def arrivals(photons: Photons) -> np.ndarray:
    """Time and crystal of each, in an order that jitter has no part in."""
    order = np.lexsort((photons.photon, photons.decay))
    return np.stack([photons.true_time_ps[order], photons.detector[order]])


def test_a_dead_module_sees_nothing_and_the_others_see_the_same(whole: Photons) -> None:
    dead = scanned(ModuleFault(FAULTY, efficiency=0.0))

    assert not np.any(dead.module == FAULTY)
    assert np.array_equal(arrivals(dead), arrivals(others(whole)))


def test_a_weak_module_sees_its_share(whole: Photons) -> None:
    before, after = (
        np.count_nonzero(p.module == FAULTY) for p in (whole, scanned(ModuleFault(FAULTY, efficiency=0.7)))
    )

    assert after / before == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / before))


def test_gain_and_offset_change_one_module_alone(whole: Photons) -> None:
    wrong = scanned(ModuleFault(FAULTY, gain=0.9, offset_ps=700))
    same = np.lexsort((wrong.photon, wrong.decay))
    was = whole.rows(np.lexsort((whole.photon, whole.decay)))
    now = wrong.rows(same)
    mine = now.module == FAULTY

    assert np.allclose(now.energy_kev[mine] / was.energy_kev[mine], 0.9, rtol=1e-5)
    assert np.all(now.time_ps[mine] - was.time_ps[mine] == 700)
    assert np.array_equal(now.time_ps[~mine], was.time_ps[~mine])
    assert np.array_equal(now.energy_kev[~mine], was.energy_kev[~mine])


def test_noise_is_poissons_even_in_time_and_said_to_be_no_photon(whole: Photons) -> None:
    noisy = scanned(ModuleFault(FAULTY, noise_cps=2e4))
    noise = noisy.rows((noisy.flags & PhotonFlag.BACKGROUND) > 0)

    assert len(noisy) == len(whole) + len(noise)
    assert len(noise) == pytest.approx(1e4, abs=400)
    assert set(noise.module.tolist()) == {FAULTY}
    assert noise.true_time_ps.mean() == pytest.approx(0.25e12, rel=0.03)


def test_faults_are_in_the_misalignment_that_a_true_calibration_undoes() -> None:
    ring, detectors = small_ring(), Detectors(gain_sigma=0.05, offset_sigma_ps=100.0)
    plain, wrong = (misalignment(ring, detectors, 1, faults) for faults in ((), (ModuleFault(2, 1.1, 50),)))

    assert wrong.gain[2] == pytest.approx(1.1 * plain.gain[2])
    assert (wrong.offset_ps - plain.offset_ps).tolist() == [50 if module == 2 else 0 for module in range(16)]


def test_a_fault_is_told_in_a_line() -> None:
    assert parse_fault("module=17,gain=0.92,offset_ps=-300,efficiency=0,noise_cps=5") == ModuleFault(
        17, 0.92, -300, 0.0, 5.0
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gain=1", "module missing"),
        ("module=1.5", "module must be whole"),
        ("module=1,gain=0", "gain 0.0: must be from 0.1 to 10"),
        ("module=1,offset_ps=1e6", "at most 500000"),
        ("module=1,efficiency=2", "must be from 0 to 1"),
        ("module=1,colour=2", "'colour' is unknown"),
    ],
)
def test_a_fault_that_is_none_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_fault(text)


@pytest.mark.parametrize(("faults", "sentence"), [((16,), "modules 0 to 15"), ((2, 2), "stands there twice")])
def test_a_fault_of_no_module_or_of_one_twice_is_refused(faults: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Scan(small_ring(), (point("F-18", 1.0),), faults=tuple(map(ModuleFault, faults)))
