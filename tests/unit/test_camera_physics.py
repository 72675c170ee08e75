"""The camera simulator against closed forms, every z below 4, and what has none: views, shapes, seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support_camera_forms import FORMS, Form
from support_scenes import (
    CRYSTAL,
    FACE_MM,
    LEHR,
    seen_by,
)  # fmt: skip

from simulators.camera.generate import Simulation, generate
from simulators.camera.masks import quadrants, slits
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


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_simulator_agrees_with_the_closed_form(form: Form) -> None:
    checks = form(1)

    for check in checks:
        print(check)
    assert checks
    assert [str(check) for check in checks if not abs(check.z) < 4] == []


def bare(field: Field, **more: object) -> Scene:
    return Scene((SimulatedHead(0, CRYSTAL),), (field,), **more)  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("angle_deg", "x_mm"),
    [(0.0, -40.0), (90.0, 25.0), (180.0, 40.0), (270.0, -25.0)],
    ids=["back", "left", "front", "right"],
)
def test_every_view_shows_the_patient_as_the_detector_sees_it(angle_deg: float, x_mm: float) -> None:
    photons = generate(seen_by(point("Tc-99m", 2e7, (40, 25, 60)), angle_deg=angle_deg), seed=7)

    assert photons.x_mm.mean() == pytest.approx(x_mm, abs=0.5)
    assert photons.y_mm.mean() == pytest.approx(60.0, abs=0.5)


def test_scattering_twice_adds_lower_energies() -> None:
    scenes = [seen_by(point("Tc-99m", 5e8), medium=Medium(100, 300), orders=orders) for orders in (0, 1, 3)]
    none, once, thrice = (generate(scene, seed=9) for scene in scenes)

    assert len(none) < len(once) < len(thrice)
    assert not np.any(none.flags & PhotonFlag.SCATTERED)
    assert thrice.photon_kev.min() < 80
    assert once.photon_kev.min() > 90


def test_what_scatters_in_the_crystal_leaves_the_energy_of_its_electron() -> None:
    photons = generate(bare(Field("F-18", 1e7)), seed=12)
    partly = photons.rows((photons.flags & PhotonFlag.CONTINUUM) != 0)

    assert partly.energy_kev.max() == pytest.approx(511 * 2 / 3, abs=1.0)
    assert len(partly) > len(photons) / 2
    assert photons.rows((photons.flags & PhotonFlag.CONTINUUM) == 0).energy_kev == pytest.approx(511.0, abs=0.01)


def test_shapes_lie_where_they_are_said_to_lie() -> None:
    sharp = LEHR.model_copy(update={"hole_mm": 0.01, "septum_mm": 0.01})
    shapes = (
        line("Tc-99m", 1, (50, 0, 0), (0, 0, 80)), sheet("Tc-99m", 1, 60, 40, (100, 20, -50)),
        cylinder("Tc-99m", 1, 30, 50, (-100, 0, 0)), sphere("Tc-99m", 1, 20, (-100, 0, -100)),
    )  # fmt: skip
    bright = [shape.__class__(shape.nuclide, 8e12, shape.shape, shape.position_mm, shape.size_mm) for shape in shapes]
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

    assert simulation.recorded[:2].tolist() == counts
    assert 0 < abs(counts[0] - counts[1]) < 4 * math.sqrt(sum(counts))


def test_heads_that_are_simulated_apart_do_not_see_the_same_decays() -> None:
    heads = [SimulatedHead(n, CRYSTAL, a, FACE_MM, LEHR) for n, a in ((0, 180.0), (1, 0.0))]
    one, other = (generate(Scene((head,), (point("Tc-99m", 3e8),)), seed=14) for head in heads)

    assert len(np.intersect1d(one.time_ps, other.time_ps)) == 0
    assert not np.array_equal(one.y_mm[:100], other.y_mm[:100])


@pytest.mark.parametrize(("name", "through"), [("Tc-99m", False), ("I-131", True)])
def test_only_photons_that_a_collimator_is_not_made_for_pass_its_walls(name: str, through: bool) -> None:
    photons = generate(seen_by(point(name, 1e7)), seed=16)
    haze = photons.rows((photons.flags & PhotonFlag.THROUGH) != 0)

    assert (len(haze) > len(photons) / 2) == through
    assert through or len(haze) == 0
