"""Bodies before heads against closed forms: where places are seen, how many photons come, what water does to them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support_bodies import BACK, FRONT, going, middle, points, seen, set_up, with_times
from support_camera_forms import WATER_OVER_511, YIELD, anger_efficiency, effective_mm
from support_scenes import CRYSTAL, FACE_MM, FWHM, LEHR, stopped_in_crystal

from daq.model.framed import head_first, place_on_patient_mm
from daq.model.geometry import PatientOrientation, patient_angle_deg, picture_axes
from daq.model.nuclide_table import nuclide
from simulators.camera.body import Body, Organ, organ
from simulators.camera.generate import generate
from simulators.camera.model import PhotonFlag, Scene, SimulatedHead
from simulators.camera.model import point as source_point
from simulators.camera.phantoms import OCTANTS, octants
from simulators.camera.setting import LEAD_MM, Move
from simulators.camera.skin import GAP_MM
from simulators.camera.solids import ball, block, disc, point
from simulators.pet.model import Medium

STOPPED = stopped_in_crystal(140.511)
PER_MBQ = 1e6 * YIELD * anger_efficiency(LEHR) * STOPPED
"""Counts per second and MBq of Tc-99m behind LEHR, wherever it lies."""
WATER = 0.0096 * WATER_OVER_511
"""1/mm at 140.5 keV, Compton scattering alone."""


def assert_poisson(found: float, expected: float) -> None:
    assert abs(found - expected) < 4 * math.sqrt(expected), f"{found} counts, expected {expected:.0f}"


@pytest.mark.parametrize("orientation", list(PatientOrientation))
def test_a_place_is_seen_where_geometry_says_however_the_patient_lies(orientation: PatientOrientation) -> None:
    place = (40.0, -25.0, 60.0)
    for gantry_deg, head in ((0.0, FRONT), (40.0, BACK), (100.0, FRONT)):
        photons = seen(set_up(points(place), 60.0, head, orientation=orientation, gantry=gantry_deg, bed=0.0))

        angle_deg = patient_angle_deg(gantry_deg + head.angle_deg, orientation)
        right, up = picture_axes(angle_deg)
        sign = 1.0 if head_first(orientation) else -1.0
        assert len(photons) > 3000
        assert middle(photons) == pytest.approx((sign * (right @ place), sign * (up @ place)), abs=0.35)


def test_a_place_goes_with_the_bed_into_the_gantry_at_its_own_height_on_the_patient() -> None:
    for orientation in (PatientOrientation.HFS, PatientOrientation.FFP):
        axes = going("bed", 0.0, 120.0, 200.0, at_s=0.2)
        photons = seen(set_up(points((10.0, 0.0, -30.0)), 400.0, axes=axes, orientation=orientation))

        bed = np.clip((photons.time_ps / 1e12 - 0.2) * 200, 0, 120)
        on_patient = [place_on_patient_mm(y, b, orientation) for y, b in zip(photons.y_mm, bed, strict=True)]
        assert np.mean(on_patient) == pytest.approx(-30.0, abs=0.1)
        assert np.std(on_patient) == pytest.approx(sigma_mm(FACE_MM), rel=0.03)


def sigma_mm(distance_mm: float) -> float:
    """Return the collimator's standard deviation for what is so far from its face."""
    return LEHR.hole_mm * (effective_mm(LEHR) + distance_mm) / effective_mm(LEHR) / FWHM


def test_a_head_that_turns_sees_a_point_on_a_sine_and_one_that_comes_nearer_sees_it_sharper() -> None:
    axes = going("gantry", 0.0, 90.0, 90.0)
    photons = seen(set_up(points((60.0, 0.0, 0.0)), 300.0, FRONT, axes=axes))
    turned = np.radians(180 + 90 * photons.time_ps / 1e12)

    off = photons.x_mm - (-60 * np.cos(turned))
    assert np.mean(off) == pytest.approx(0, abs=0.15)
    nearer = seen(set_up(points((0.0, 0.0, 0.0)), 300.0, FRONT, axes=going("0_radius", 60.0, 60.0, 0.0)))
    assert nearer.x_mm.std() == pytest.approx(sigma_mm(60.0), rel=0.02)


def test_counts_are_those_of_anger_and_water_weakens_them() -> None:
    bare = seen(set_up(points((0.0, 0.0, 0.0)), 300.0))
    tank = disc((0, 0, 0), (80, 80, 8))
    wet = seen(set_up(points((0.0, 0.0, 0.0), stuff=((tank, 1.0),), voxel_mm=1.0), 1000.0))

    assert_poisson(len(bare), 300 * PER_MBQ)
    assert_poisson(len(wet), 1000 * PER_MBQ * math.exp(-WATER * 80))


def test_scattered_photons_are_those_that_the_other_code_finds() -> None:
    medium = Medium(90.0, 160.0)
    other = generate(Scene((FRONT,), (source_point("Tc-99m", 1e9),), medium, orders=2, seconds=0.6), 3)
    tank = disc((0, 0, 0), (90, 90, 80))
    photons = seen(set_up(points((0, 0, 0), stuff=((tank, 1.0),), voxel_mm=1.5), 1000.0, orders=2), seconds=0.6)

    for low, high in ((60, 90), (90, 115), (115, 138)):
        counts = []
        for found in (other, photons):
            turned = (found.flags & PhotonFlag.SCATTERED) > 0
            counts.append(int(np.sum(turned & (found.photon_kev >= low) & (found.photon_kev < high))))
        assert min(counts) > 1500
        assert abs(counts[0] - counts[1]) < 4.5 * math.sqrt(sum(counts)), (low, counts)
    spread = [float(found.x_mm[(found.flags & 1) > 0].std()) for found in (other, photons)]
    assert spread[1] == pytest.approx(spread[0], rel=0.03)


def test_the_side_that_is_nearer_to_a_head_is_brighter_in_it() -> None:
    tank = disc((0, 0, 0), (100, 100, 8))
    body = points((0, -70, 0), stuff=((tank, 1.0),), voxel_mm=1.0)
    photons = seen(set_up(body, 800.0, FRONT, BACK))

    assert_poisson(len(photons.of_head(0)), 800 * PER_MBQ * math.exp(-WATER * 30))
    assert_poisson(len(photons.of_head(1)), 800 * PER_MBQ * math.exp(-WATER * 170))


def test_uptake_follows_its_curve_and_decay_and_faster_clocks_both() -> None:
    curve = ((0.0, 0.0), (100.0, 0.5), (300.0, 0.5), (20_000.0, 0.0))
    body = Body("taker", (Organ("spot", (point((0, 0, 0)),), (1.0,), curve),))
    half_life_s = math.log(2) / nuclide("Tc-99m").decay_constant_per_s
    for since_s, share in ((50.0, 0.25), (200.0, 0.5), (10_150.0, 0.25)):
        photons = seen(set_up(body, 800.0, after_s=since_s))
        assert_poisson(len(photons), 800 * PER_MBQ * share * 0.5 ** (since_s / half_life_s))
    told = going("injection", 0.0, 1e6, 100.0, at_s=1.0)
    later = seen(set_up(body, 800.0, axes=told, after_s=1e9), seconds=3.0)
    assert_poisson((later.time_ps > 1e12).sum(), 800 * PER_MBQ * (0.25 + 0.5))
    fast = seen(with_times(set_up(body, 800.0), 100.0), seconds=2.0)
    assert_poisson(len(fast), 800 * PER_MBQ * (0.25 + 0.5))


def test_activity_is_as_dense_as_it_is_told_and_cold_where_it_is_told() -> None:
    hot, cold, tank = ball((50, 0, 0), 20.0), ball((-50, 0, 0), 20.0), disc((0, 0, 0), (90, 60, 60))
    parts = (organ("tank", [tank, hot], weights=[1.0, 3.0]),)
    body = Body("dense", parts, ((tank, 0.0),), voxel_mm=1.0, cold=(cold,))
    scene = set_up(body, 3000.0, SimulatedHead(0, CRYSTAL, 180.0, 65.0, LEHR))
    photons = seen(scene, seconds=1.5)

    per_mm3 = 3000 * PER_MBQ * 1.5 / (tank.volume_mm3 + 3 * hot.volume_mm3)
    assert_poisson(len(photons), per_mm3 * (tank.volume_mm3 + 3 * hot.volume_mm3 - cold.volume_mm3))
    near = np.hypot(photons.x_mm - 50, photons.y_mm) < 8
    columns = math.pi * 64 * 2 * 60 * math.sqrt(1 - (50 / 90) ** 2)
    inside = math.pi * 4 / 3 * (20**3 - (20**2 - 64) ** 1.5) * 3
    assert near.sum() == pytest.approx(per_mm3 * (columns + inside), rel=0.12)  # blurred by 5 mm


def test_every_octant_has_its_own_feature_where_it_says() -> None:
    left = SimulatedHead(1, CRYSTAL, 90.0, FACE_MM, LEHR)
    photons = seen(set_up(octants(water=0.0), 900.0, FRONT, left))

    draw, total = np.random.default_rng(2), sum(weight for _, _, weight in OCTANTS.values())
    expected: dict[int, list[tuple[np.ndarray, float]]] = {0: [], 1: []}
    for place, radius, weight in OCTANTS.values():
        way = draw.standard_normal((20_000, 3))
        at = np.array(place) + radius * way * (
            draw.random((20_000, 1)) ** (1 / 3) / np.linalg.norm(way, axis=1)[:, None]
        )
        for head, across, depth in ((0, at[:, 0], FACE_MM + at[:, 1]), (1, at[:, 1], FACE_MM - at[:, 0])):
            blur = np.array([sigma_mm(d) for d in depth])[:, None] * draw.standard_normal((20_000, 2))
            expected[head].append((np.stack([across, at[:, 2]], axis=1) + blur, weight / total / 20_000))
    for (x, y, z), _, _ in OCTANTS.values():
        for head, across in ((0, x), (1, y)):
            found = photons.of_head(head)
            near = np.hypot(found.x_mm - across, found.y_mm - z) < 12
            wanted = sum(w * np.sum(np.hypot(p[:, 0] - across, p[:, 1] - z) < 12) for p, w in expected[head])
            assert near.sum() == pytest.approx(900 * PER_MBQ * wanted, rel=0.07)


def test_a_long_body_lies_before_the_field_and_a_patient_who_moves_is_seen_elsewhere() -> None:
    long = Body("long", (organ("line", [block((0, 0, -500), (0, 0, 500))]),), leads=True)
    for orientation in (PatientOrientation.HFS, PatientOrientation.FFS):
        photons = seen(set_up(long, 100.0, orientation=orientation, bed=200.0))
        assert float(photons.y_mm.max()) == pytest.approx(200 - LEAD_MM, abs=15)
    moved = seen(set_up(points((0, 0, 0)), 300.0, moves=(Move(0.5, (12.0, 0.0, -7.0)),)))
    late = moved.time_ps >= 5e11
    assert middle(moved.rows(~late)) == pytest.approx((0.0, 0.0), abs=0.3)
    assert middle(moved.rows(late)) == pytest.approx((12.0, -7.0), abs=0.3)


def test_a_head_that_is_told_to_stand_within_the_body_stands_at_its_skin() -> None:
    tank = block((20, 0, 0), (120, 60, 90))
    body = points((0, 55, 0), stuff=((tank, 0.01),))
    for gantry_deg, face_mm in ((0.0, 60 + GAP_MM), (90.0, 100 + GAP_MM), (270.0, 140 + GAP_MM)):
        scene = set_up(body, 200.0, FRONT, axes=going("0_radius", 20.0, 20.0, 0.0), gantry=gantry_deg)
        distance_mm = face_mm - 55 * math.cos(math.radians(180 + gantry_deg))
        assert seen(scene).x_mm.std() == pytest.approx(sigma_mm(distance_mm), rel=0.025)
    far = seen(set_up(body, 200.0, FRONT, axes=going("0_radius", 200.0, 200.0, 0.0)))
    assert far.x_mm.std() == pytest.approx(sigma_mm(200 + 55), rel=0.025)


def test_a_transmission_sheet_turns_with_its_head_and_shows_what_weakens_it() -> None:
    tank = disc((0, 0, 0), (70, 70, 170))
    body = Body("tank", (organ("nothing", [point((0, 0, 5000))]),), ((tank, 1.0),), voxel_mm=1.5)
    sheet = organ("sheet", [block((0, 0, -200), (200, 150, 0))], nuclide="Tc-99m")
    plain = set_up(body, 1.0, FRONT, BACK, gantry=30.0)
    photons = seen(replace(plain, fixed=((0, sheet, 4000.0),)))

    shut = going("shutter", 0.0, 0.0, 0.0)
    assert len(seen(replace(plain, fixed=((0, sheet, 4000.0),), axes=shut), seconds=0.2)) < 20
    found = photons.of_head(0)
    beside = np.abs(np.abs(found.x_mm) - 130) < 40
    through = np.abs(found.x_mm) < 15
    assert len(photons.of_head(1)) == 0
    assert_poisson(beside.sum(), 4000 * PER_MBQ * 160 / 400)
    fine = (np.arange(300) + 0.5) / 300 * 15
    assert through.sum() == pytest.approx(
        4000 * PER_MBQ * 30 / 400 * np.mean(np.exp(-WATER * 2 * np.sqrt(70**2 - fine**2))), rel=0.04
    )


def test_what_stands_stays_until_it_is_said_to_be_elsewhere() -> None:
    axes = going("bed", 0.0, 0.0, 0.0)
    going("bed", 60.0, 60.0, 0.0, at_s=1.0, axes=axes)

    photons = seen(set_up(points((0.0, 0.0, 0.0)), 40.0, axes=axes), seconds=2.0)

    early = photons.time_ps < 10**12
    assert early.sum() > 100
    for chosen, stands_mm in ((early, 0.0), (~early, 60.0)):
        assert np.median(photons.y_mm[chosen]) == pytest.approx(stands_mm, abs=2)
        assert photons.y_mm[chosen].std() < 8
