"""The camera simulator against closed forms, |z| < 4 with fixed seeds: geometry, collimators, matter, decay."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support_scenes import (
    CRYSTAL,
    FACE_MM,
    FWHM,
    LEHR,
    PINHOLE,
    once_scattered_over_direct,
    poisson_z,
    seen_by,
    solid_angle_share,
    spread_z,
    stopped_in_crystal,
)  # fmt: skip

from simulators.camera.generate import Simulation, blocks, generate
from simulators.camera.masks import Mask, bars, holes, quadrants, slits
from simulators.camera.model import (
    Field,
    PhotonFlag,
    Scene,
    SimulatedHead,
    cylinder,
    line,
    point,
    sheet,
    sphere,
    spots,
)  # fmt: skip
from simulators.pet.model import Medium

TC99M = 0.89
LEAD_PER_MM = 2.559
"""At 140.5 keV: photoelectric absorption and Compton scattering of xraylib 4.3.0, 11.35 g/cm3."""
LEHR_EFFECTIVE_MM = 35 - 2 / LEAD_PER_MM
LEHR_EFFICIENCY = (0.2625 * 1.5 / LEHR_EFFECTIVE_MM * 1.5 / 1.7) ** 2
"""H. O. Anger's closed form with K = 0.2625 for hexagonal holes."""


def share_at(energy: float) -> float:
    """Return the share of photons from 90 to 140.5 keV that the crystal stops, with numbers of xraylib 4.3.0."""
    energies = np.log([80, 100, 120, 140, 160])
    photo = np.exp(np.interp(math.log(energy), energies, np.log([1.007, 0.536, 0.3188, 0.2052, 0.14])))
    compton = np.interp(math.log(energy), energies, [0.04272, 0.04195, 0.04092, 0.03983, 0.03873])
    return 1 - math.exp(-float(photo + compton) * 9.5)


def bare(field: Field, **more: object) -> Scene:
    return Scene((SimulatedHead(0, CRYSTAL),), (field,), **more)  # type: ignore[arg-type]


def test_a_bare_crystal_stops_what_its_solid_angle_and_thickness_say() -> None:
    photons = generate(bare(Field("Tc-99m", 3e7, distance_mm=1000)), seed=1)

    expected = 3e7 * TC99M * solid_angle_share(540, 400, 1000) * stopped_in_crystal(140.511)
    assert abs(poisson_z(len(photons), expected)) < 4


def test_photons_of_a_near_source_are_fewer_at_the_corners_by_the_cube_of_the_cosine() -> None:
    photons = generate(bare(Field("Tc-99m", 2e7, distance_mm=500)), seed=2)

    quarter = solid_angle_share(270, 200, 500) / solid_angle_share(540, 400, 500)
    inside = np.count_nonzero((abs(photons.x_mm) < 135) & (abs(photons.y_mm) < 100))
    assert abs(inside - len(photons) * quarter) < 4 * math.sqrt(len(photons) * quarter * (1 - quarter))


@pytest.mark.parametrize(
    ("mask", "share"),
    [
        (slits("y", width_mm=1, pitch_mm=30), 17 / 540),
        (slits("x", width_mm=1, pitch_mm=40), 10 / 400),
        (holes(width_mm=4, pitch_mm=20), 27 * 19 * math.pi * 4 / 540 / 400 + 27 * math.pi * 4 / 540 / 400),
        (bars(4), 0.5),
        (quadrants(), 0.5),
        (slits("y", width_mm=1, pitch_mm=30, leak=0.1), 17 / 540 + 0.1 * (1 - 17 / 540)),
    ],
)
def test_a_mask_lets_pass_what_is_open(mask: Mask, share: float) -> None:
    field = Field("Tc-99m", 2e11, distance_mm=1e5, mask=mask)
    photons = generate(bare(field, seconds=0.5), seed=3)

    expected = 1e11 * TC99M * solid_angle_share(540, 400, 1e5) * stopped_in_crystal(140.511) * share
    assert abs(poisson_z(len(photons), expected)) < 4


def test_slits_and_quadrants_are_where_the_mask_has_them() -> None:
    field = Field("Tc-99m", 1e9, mask=slits("x", width_mm=1, pitch_mm=30))
    lines = generate(bare(field), seed=4).y_mm
    quartered = generate(bare(Field("Tc-99m", 1e9, mask=quadrants((4, 5, 6, 7))), seconds=0.1), seed=4)
    right_top = quartered.rows((quartered.x_mm >= 0) & (quartered.y_mm >= 0))
    left_bottom = quartered.rows((quartered.x_mm < 0) & (quartered.y_mm < 0))
    right_bottom = quartered.rows((quartered.x_mm >= 0) & (quartered.y_mm < 0))

    assert abs(lines - 30 * np.rint(lines / 30)).max() <= 0.5
    assert np.all(np.floor(right_top.x_mm / 4) % 2 == 0)
    assert np.all(np.floor(left_bottom.x_mm / 6) % 2 == 0)
    assert np.all(np.floor(right_bottom.y_mm / 7) % 2 == 0)


@pytest.mark.parametrize("distance_mm", [10.0, 100.0, 250.0])
def test_resolution_grows_with_distance_and_sensitivity_stays(distance_mm: float) -> None:
    scene = seen_by(point("Tc-99m", 1e9, (40, FACE_MM - distance_mm, 30)), angle_deg=0.0)
    photons = generate(scene, seed=5)

    sigma = 1.5 * (LEHR_EFFECTIVE_MM + distance_mm) / LEHR_EFFECTIVE_MM / FWHM
    expected = 1e9 * TC99M * LEHR_EFFICIENCY * stopped_in_crystal(140.511)
    assert abs(spread_z(photons.x_mm, sigma)) < 4
    assert abs(spread_z(photons.y_mm, sigma)) < 4
    assert abs(photons.x_mm.mean() + 40) < 4 * sigma / math.sqrt(len(photons))
    assert abs(photons.y_mm.mean() - 30) < 4 * sigma / math.sqrt(len(photons))
    assert abs(poisson_z(len(photons), expected)) < 4


def test_a_pinhole_turns_and_magnifies_the_picture() -> None:
    place = (30.0, -50.0, -20.0)
    photons = generate(seen_by(point("Tc-99m", 1e9, place), collimator=PINHOLE), seed=6)

    tungsten = 3.413
    squared = 4 * (4 + 2 / tungsten * math.tan(math.radians(40)))
    cosine = 100 / math.sqrt(100**2 + 30**2 + 20**2)
    expected = 1e9 * TC99M * squared / 16 / 100**2 * cosine**3 * stopped_in_crystal(140.511)
    sigma = math.sqrt(squared) * 3 / FWHM
    assert abs(poisson_z(len(photons), expected)) < 4
    assert abs(photons.x_mm.mean() + 60) < 4 * sigma / math.sqrt(len(photons))
    assert abs(photons.y_mm.mean() - 40) < 4 * sigma / math.sqrt(len(photons))
    assert abs(spread_z(photons.x_mm, sigma)) < 4


@pytest.mark.parametrize(
    ("angle_deg", "x_mm"),
    [(0.0, -40.0), (90.0, 25.0), (180.0, 40.0), (270.0, -25.0)],
    ids=["back", "left", "front", "right"],
)
def test_every_view_shows_the_patient_as_the_detector_sees_it(angle_deg: float, x_mm: float) -> None:
    photons = generate(seen_by(point("Tc-99m", 2e7, (40, 25, 60)), angle_deg=angle_deg), seed=7)

    assert photons.x_mm.mean() == pytest.approx(x_mm, abs=0.5)
    assert photons.y_mm.mean() == pytest.approx(60.0, abs=0.5)


def test_water_attenuates_by_the_way_in_it() -> None:
    medium = Medium(100, 400, mu_per_mm=0.0096)
    free = generate(seen_by(point("Tc-99m", 5e8, (0, 30, 0))), seed=8)
    behind = generate(seen_by(point("Tc-99m", 5e8, (0, 30, 0)), medium=medium, orders=0), seed=8)

    mu = 0.0096 * 0.4524 / 0.2866  # Klein and Nishina's cross sections at 140.5 and 511 keV, in 1e-24 cm2
    chance = math.exp(-mu * 130)
    assert abs(poisson_z(len(behind), len(free) * chance)) < 4


def test_a_thin_cylinder_scatters_as_the_formula_of_klein_and_nishina_says() -> None:
    mu_511 = 5e-5
    scene = seen_by(point("Tc-99m", 6e9), medium=Medium(60, 160, mu_per_mm=mu_511), orders=1)
    photons = generate(scene, seed=9)
    scattered = photons.rows((photons.flags & PhotonFlag.SCATTERED) != 0)

    mu = mu_511 * 0.4524 / 0.2866
    ratio = once_scattered_over_direct(140.511, mu, 60, 80)
    # of lower energy, more of them stay in the crystal: each counts for as many as it stands for
    before = float(np.mean([1 / share_at(energy) for energy in scattered.photon_kev])) * stopped_in_crystal(140.511)
    found = len(scattered) / (len(photons) - len(scattered)) * before
    assert len(scattered) > 2000
    assert found == pytest.approx(ratio, rel=4 / math.sqrt(len(scattered)) + 0.01)
    assert scattered.photon_kev.min() == pytest.approx(90.63, abs=0.3)


def test_scattering_twice_adds_lower_energies() -> None:
    scenes = [seen_by(point("Tc-99m", 5e8), medium=Medium(100, 300), orders=orders) for orders in (0, 1, 3)]
    none, once, thrice = (generate(scene, seed=9) for scene in scenes)

    assert len(none) < len(once) < len(thrice)
    assert not np.any(none.flags & PhotonFlag.SCATTERED)
    assert thrice.photon_kev.min() < 80
    assert once.photon_kev.min() > 90


def test_counts_fall_as_the_nuclide_decays() -> None:
    half_life_s = 6.0072 * 3600
    scene = bare(Field("Tc-99m", 3e4), seconds=24 * 3600.0)
    counts = np.zeros(4)
    for photons in blocks(scene, seed=10):
        counts += np.histogram(photons.time_ps, bins=4, range=(0, 24 * 3600 * 1e12))[0]

    per_decay = TC99M * solid_angle_share(540, 400, 3000) * stopped_in_crystal(140.511)
    decay = math.log(2) / half_life_s
    edges = np.exp(-decay * 6 * 3600 * np.arange(5))
    expected = 3e4 * per_decay / decay * (edges[:-1] - edges[1:])
    assert expected.sum() / (3e4 * per_decay / decay) == pytest.approx(1 - 0.06293, abs=5e-4)
    assert all(abs(poisson_z(found, wanted)) < 4 for found, wanted in zip(counts, expected, strict=True))


def test_several_nuclides_at_once_have_their_lines_by_their_yields() -> None:
    fields = (Field("Ga-67", 5e7), Field("Tc-99m", 2e7))
    photons = generate(Scene((SimulatedHead(0, CRYSTAL),), fields, seconds=1.0), seed=11)
    gallium = photons.rows(photons.origin == 0)

    flux = 5e7 * solid_angle_share(540, 400, 3000)
    for energy, per_100, per_mm in ((93.31, 38.81, 0.7041), (184.576, 21.41, 0.1312), (300.217, 16.64, 0.0562)):
        found = np.count_nonzero(abs(gallium.photon_kev - energy) < 0.01)
        expected = flux * per_100 / 100 * (1 - math.exp(-per_mm * 9.5))
        assert found == pytest.approx(expected, rel=0.01 + 4 / math.sqrt(expected)), energy
    only = photons.rows(photons.origin == 1)
    assert set(np.unique(only.photon_kev)) == {np.float32(140.511)}


def test_what_scatters_in_the_crystal_leaves_the_energy_of_its_electron() -> None:
    photons = generate(bare(Field("F-18", 1e7)), seed=12)
    partly = photons.rows((photons.flags & PhotonFlag.CONTINUUM) != 0)

    assert partly.energy_kev.max() == pytest.approx(511 * 2 / 3, abs=1.0)
    assert len(partly) > len(photons) / 2
    assert photons.rows((photons.flags & PhotonFlag.CONTINUUM) == 0).energy_kev == pytest.approx(511.0, abs=0.01)


def test_shapes_lie_where_they_are_said_to_lie() -> None:
    sharp = LEHR.model_copy(update={"hole_mm": 0.01, "septum_mm": 0.0})
    shapes = (
        line("Tc-99m", 1, (50, 0, 0), (0, 0, 80)), sheet("Tc-99m", 1, 60, 40, (100, 20, -50)),
        cylinder("Tc-99m", 1, 30, 50, (-100, 0, 0)), sphere("Tc-99m", 1, 20, (-100, 0, -100)),
    )  # fmt: skip
    bright = [shape.__class__(shape.nuclide, 2e12, shape.shape, shape.position_mm, shape.size_mm) for shape in shapes]
    photons = generate(seen_by(*bright, collimator=sharp), seed=13)

    ends = [
        (part.x_mm.min(), part.x_mm.max(), part.y_mm.min(), part.y_mm.max())
        for part in (photons.rows(photons.origin == number) for number in range(4))
    ]
    assert ends[0] == pytest.approx((-50, 50, 80, 80), abs=1.0)
    assert ends[1] == pytest.approx((70, 130, -70, -30), abs=1.0)
    assert ends[2] == pytest.approx((-130, -70, -25, 25), abs=1.5)
    assert ends[3] == pytest.approx((-120, -80, -120, -80), abs=1.5)
    ball = photons.rows(photons.origin == 3)
    assert ball.x_mm.var() == pytest.approx(20**2 / 5, rel=0.15)


def test_the_spots_hold_the_activity_that_is_asked_for() -> None:
    sources = spots("Tc-99m", 9e6)

    assert sum(source.activity_bq for source in sources) == pytest.approx(9e6)
    assert sources[0].activity_bq == pytest.approx(6e6)


def test_the_same_seed_gives_the_same_photons_and_another_does_not() -> None:
    scene = bare(Field("Tc-99m", 1e7))
    one, again, other = generate(scene, 1), generate(scene, 1), generate(scene, 2)

    assert all(np.array_equal(column, again.columns()[name]) for name, column in one.columns().items())
    assert not np.array_equal(one.time_ps[:100], other.time_ps[:100])
    assert np.all(np.diff(one.time_ps) >= 0)


def test_heads_see_independent_photons() -> None:
    heads = tuple(SimulatedHead(n, CRYSTAL, a, FACE_MM, LEHR) for n, a in ((0, 180.0), (1, 0.0)))
    simulation = Simulation(Scene(heads, (point("Tc-99m", 3e8),)), seed=14)
    photons = list(simulation.blocks())
    counts = [sum(np.count_nonzero(part.head == n) for part in photons) for n in (0, 1)]

    expected = 3e8 * TC99M * LEHR_EFFICIENCY * stopped_in_crystal(140.511)
    assert all(abs(poisson_z(count, expected)) < 4 for count in counts)
    assert simulation.recorded[:2].tolist() == counts
    assert counts[0] != counts[1]
