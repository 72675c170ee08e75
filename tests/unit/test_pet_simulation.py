"""The PET physics simulator: what it makes is ordered, bounded, the same for the same seed, and true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support_pet import reference_ring, small_ring, true_pairs

from daq.errors import RefusedError, UsageError
from daq.model.scanner import modules, positions_mm
from simulators.faults import transmissions
from simulators.options import instrument
from simulators.pet.beta import lutetium_electrons_kev
from simulators.pet.generate import Photons, blocks, generate, join
from simulators.pet.model import Detectors, Medium, PhotonFlag, Scan, cylinder, iec_body, line, point, sphere
from simulators.pet.supply import PetSupply

BUSY = Detectors(
    efficiency=0.8, photofraction=0.6, threshold_kev=50.0, dead_time_ps=2_000_000, integration_ps=300_000,
    lutetium_bq=50.0, gain_sigma=0.03, offset_sigma_ps=400.0,
)  # fmt: skip


def busy() -> Scan:
    return Scan(
        small_ring(), (line("F-18", 4e5, 100.0), point("Na-22", 1e5, (20.0, -10.0, 3.0))), BUSY, Medium(60.0, 200.0),
        seconds=0.05,
    )  # fmt: skip


def test_the_same_seed_gives_the_same_singles_and_another_seed_others() -> None:
    first, again, other = generate(busy(), 7), generate(busy(), 7), generate(busy(), 8)

    for name, column in first.columns().items():
        assert np.array_equal(column, again.columns()[name]), name
    assert not np.array_equal(first.time_ps[:100], other.time_ps[:100])


def test_singles_come_in_the_order_of_time_over_all_blocks_and_no_block_is_large() -> None:
    parts = list(blocks(busy(), 3, block_decays=1000))
    singles = join(parts)

    assert len(parts) > 20
    assert max(len(part) for part in parts) < 3000
    assert (np.diff(singles.time_ps) >= 0).all()
    assert len(np.unique(np.stack([singles.decay, singles.photon]), axis=1).T) == len(singles)


def test_every_single_names_the_module_of_its_detector_and_lies_in_the_span() -> None:
    singles = generate(busy(), 1)

    assert np.array_equal(singles.module, modules(small_ring(), singles.detector))
    assert singles.true_time_ps.min() >= 0
    assert singles.true_time_ps.max() < 0.05e12 + 10_000
    assert singles.energy_kev.min() >= 0
    assert set(singles.origin.tolist()) == {0, 1, 255}
    assert np.array_equal(singles.origin == 255, singles.flags & PhotonFlag.BACKGROUND > 0)


def test_nothing_is_detected_where_there_is_no_crystal() -> None:
    ring = small_ring().model_copy(update={"virtual_positions": (0, 3)})
    singles = generate(Scan(ring, (point("F-18", 1e5),), Detectors(lutetium_bq=100.0), seconds=0.1), 1)

    assert len(singles) > 1000
    assert not np.isin(singles.detector % ring.module_detectors, (0, 3)).any()


def test_the_spheres_of_the_body_phantom_are_as_much_hotter_as_they_should_be() -> None:
    body, *spheres = iec_body("F-18", 5000.0, 4.0)

    volumes_ml = [4 / 3 * np.pi * (d / 2) ** 3 / 1000 for d in (10, 13, 17, 22, 28, 37)]
    extra = [s.activity_bq / v for s, v in zip(spheres, volumes_ml, strict=True)]
    assert np.allclose(extra, 3 * 5000.0)
    assert body.activity_bq == pytest.approx(5000.0 * np.pi * 147.0**2 * 180.0 / 1000)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: point("Tc-99m", 1.0), "the simulator knows F-18"),
        (lambda: point("F-18", -1.0), "must be zero or more"),
        (lambda: Detectors(efficiency=1.5), "efficiency 1.5: must be from 0 to 1"),
        (lambda: Detectors(gain_sigma=0.2), "gain_sigma 0.2: at most 0.1"),
        (lambda: Detectors(integration_ps=5), "more than dead_time_ps 0"),
        (lambda: Scan(reference_ring(), (sphere("F-18", 1.0, 300.0, (150.0, 0, 0)),)), "reaches 450 mm"),
        (lambda: Medium(0.0, 10.0), "radius_mm 0.0: must be above zero"),
        (lambda: Medium(10.0, 10.0, compton_share=2.0), "compton_share 2.0: must be from 0 to 1"),
        (lambda: Scan(reference_ring(), (), medium=Medium(401.0, 10.0)), "the medium reaches 401 mm"),
        (lambda: Scan(reference_ring(), (point("F-18", 1.0),) * 255), "255 sources; at most 254"),
        (lambda: Scan(reference_ring(), (), scatter_fraction=1.0), "scatter_fraction 1.0"),
        (lambda: Scan(reference_ring(), (), seconds=0.0), "a scan of 0.0 s"),
        (lambda: Scan(small_ring().model_copy(update={"layers": 2}), ()), "rings of one layer"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(make: object, words: str) -> None:
    with pytest.raises((UsageError, RefusedError), match=words):
        make()  # type: ignore[operator]


def test_a_cylinder_and_a_sphere_are_filled_evenly() -> None:
    """Positions cannot be seen, but times can: the mean square of the time differences is that of the shape."""
    ring = reference_ring()
    sharp = Detectors(coincidence_fwhm_ps=0.0)
    for source, mean_square_mm in ((cylinder("F-18", 2e5, 100.0, 1e-3), 2500.0), (sphere("F-18", 2e5, 50.0), 500.0)):
        singles = generate(Scan(ring, (source,), sharp), 5)
        singles = singles.rows(np.argsort(singles.decay, kind="stable"))
        pairs = np.flatnonzero(np.diff(singles.decay) == 0)
        offset_mm = 0.299792458 / 2 * np.diff(singles.true_time_ps)[pairs]
        assert np.mean(offset_mm**2) == pytest.approx(mean_square_mm, rel=0.05)


def kept_by_hand(singles: Photons, dead_ps: int, integration_ps: int) -> tuple[list[int], list[float]]:
    """Dead time and pile-up, photon by photon: which are recorded, and the energy that each then has."""
    kept: list[int] = []
    energies: list[float] = []
    last: dict[int, int] = {}
    opened: dict[int, int] = {}
    for row in range(len(singles)):
        module, time_ps = int(singles.module[row]), int(singles.true_time_ps[row])
        if module not in last or time_ps - last[module] >= dead_ps:
            opened[module] = len(kept)
            kept.append(row)
            energies.append(float(singles.energy_kev[row]))
        elif time_ps - int(singles.true_time_ps[kept[opened[module]]]) < integration_ps:
            energies[opened[module]] += float(singles.energy_kev[row])
        last[module] = time_ps
    return kept, energies


@pytest.mark.parametrize("block_decays", [500, 1 << 18])
def test_electronics_do_what_they_say_whatever_the_blocks(block_decays: int) -> None:
    """The photons of a seed are the same whatever the electronics, so that what these keep can be told by hand."""
    sources = (point("Na-22", 3e6),)
    sharp = Detectors(energy_fwhm=0.0, coincidence_fwhm_ps=0.0)
    slow = replace(sharp, dead_time_ps=1_500_000, integration_ps=700_000)
    every, some = (
        join(list(blocks(Scan(small_ring(), sources, detectors, seconds=0.004), 9, block_decays=block_decays)))
        for detectors in (sharp, slow)
    )

    kept, energies = kept_by_hand(every, 1_500_000, 700_000)
    assert 0.3 * len(every) < len(kept) < 0.8 * len(every)
    assert np.array_equal(some.decay, every.decay[kept])
    assert np.array_equal(some.time_ps, every.time_ps[kept])
    assert np.allclose(some.energy_kev, energies, rtol=1e-6)
    piled = some.energy_kev > every.energy_kev[kept]
    assert np.array_equal(some.flags & PhotonFlag.PILED_UP > 0, piled)


def test_electrons_of_lutetium_have_the_mean_energy_of_tables() -> None:
    """ENSDF gives 182 keV for the main branch of Lu-176; the shape is a model, so 2 % are asked."""
    edges = lutetium_electrons_kev()

    assert (edges[1:] + edges[:-1]).mean() / 2 == pytest.approx(182.0, rel=0.02)
    assert edges[-1] == 596.0


def test_faults_of_the_wire_strike_a_scan_as_any_other_supply() -> None:
    scan = Scan(reference_ring(), (point("F-18", 2e5),), seconds=0.1)
    supply = PetSupply(instrument("singles64"), scan, seed=3)

    datagrams, truth = transmissions(supply, ["loss:share=0.1"], seed=1)

    assert truth["injected"]["dropped_packets"] > 0
    assert truth["expected"]["sources"][0]["gap"] == truth["injected"]["dropped_words"]
    assert len(datagrams) > 10


def test_photons_scattered_in_a_medium_have_the_energy_of_their_angle() -> None:
    """A speck of matter in the middle: the angle between two photons is that of the one that was scattered."""
    speck = Medium(1.0, 2.0, mu_per_mm=0.01)
    sharp = Detectors(energy_fwhm=0.0)
    first, second = true_pairs(generate(Scan(reference_ring(), (point("F-18", 1e6),), sharp, speck), 6))

    scattered = (first.flags | second.flags) & PhotonFlag.SCATTERED > 0
    places = [positions_mm(reference_ring(), photons.detector[scattered]) for photons in (first, second)]
    a, b = (place / np.linalg.norm(place, axis=1)[:, None] for place in places)
    of_angle = 510.99895 / (2 + (a * b).sum(axis=1))
    least = np.minimum(first.energy_kev, second.energy_kev)[scattered]
    assert len(least) > 300
    assert np.mean(np.abs(least - of_angle) < 15.0) > 0.97  # one in a hundred is scattered twice
    assert least.min() < 300.0
