"""Closed forms of collimators: against published figures, against photons thrown one by one, and in words beyond."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from daq.errors import LimitError, MissingError
from daq.model.camera import Collimator
from daq.model.collimator import (
    attenuation_per_mm,
    effective_diameter_mm,
    effective_length_mm,
    efficiency,
    geometric_resolution_mm,
    magnification,
    sensitivity_cps_per_mbq,
    septal_penetration,
    system_resolution_mm,
)

TC99M_KEV = 140.5
SIZES = {"LEHR": (1.5, 0.2, 35.0), "LEAP": (1.9, 0.2, 35.0), "MEGP": (3.0, 1.05, 58.0), "HEGP": (4.0, 1.8, 66.0)}


def parallel(name: str = "LEHR", **changes: Any) -> Collimator:
    hole_mm, septum_mm, length_mm = SIZES[name]
    known = {"hole_mm": hole_mm, "septum_mm": septum_mm, "length_mm": length_mm, "energy_max_kev": 160.0, "source": "t"}
    return Collimator.model_validate({**known, **changes})


PINHOLE = Collimator(
    kind="pinhole", hole_mm=4.0, length_mm=200.0, opening_deg=60.0, material="tungsten", energy_max_kev=364, source="t"
)


def test_lead_and_tungsten_attenuate_as_published_for_technetium_and_iodine() -> None:
    # 26.86 and 3.13 per cm of lead, 36.23 and 4.34 of tungsten at 140.5 and 364 keV: doi 10.1055/s-0044-1786165, which
    # counts coherent scattering, too.
    for material, at_140, at_364 in (("lead", 2.686, 0.313), ("tungsten", 3.623, 0.434)):
        assert attenuation_per_mm(material, 140.5) == pytest.approx(at_140, rel=0.08)
        assert attenuation_per_mm(material, 364.5) == pytest.approx(at_364, rel=0.08)
        assert attenuation_per_mm(material, 140.5) < at_140


@pytest.mark.parametrize(
    ("energy_kev", "lead", "tungsten"),
    [
        (75.0, 2.839, 17.23), (140.511, 2.555, 3.406), (171.28, 1.555, 2.062), (208.366, 0.9627, 1.281),
        (245.35, 0.6572, 0.8807), (300.217, 0.4231, 0.5756), (364.489, 0.2884, 0.401), (510.999, 0.1648, 0.2406),
        (636.99, 0.1229, 0.1854),
    ],
)  # fmt: skip
def test_between_the_energies_of_the_table_attenuation_is_that_of_its_source(
    energy_kev: float, lead: float, tungsten: float
) -> None:
    # xraylib 4.3.0 at the lines of nuclides, none of which is in the table.
    assert attenuation_per_mm("lead", energy_kev) == pytest.approx(lead, rel=0.005)
    assert attenuation_per_mm("tungsten", energy_kev) == pytest.approx(tungsten, rel=0.005)


def test_a_usual_collimator_is_as_sharp_and_as_sensitive_as_its_maker_says() -> None:
    # LEHR of 35 mm: 7.4 mm in 10 cm with 3.8 mm of the crystal, 72 cps/MBq.
    sharp_mm = system_resolution_mm(parallel(), TC99M_KEV, 100.0, intrinsic_mm=3.8, gap_mm=6.0)
    counts = sensitivity_cps_per_mbq(parallel(), TC99M_KEV, 100.0, photons_per_decay=0.8906, counted_share=0.8)

    assert sharp_mm == pytest.approx(7.4, rel=0.04)
    assert counts == pytest.approx(72, rel=0.05)


@pytest.mark.parametrize("name", SIZES)
def test_photons_thrown_at_hexagonal_holes_come_through_as_often_as_the_form_says(name: str) -> None:
    hole_mm, septum_mm, length_mm = SIZES[name]
    collimator = parallel(name, material="lead")
    draw = np.random.default_rng(1)
    count, slope = 400_000, 1.2 * hole_mm / length_mm
    pitch = hole_mm + septum_mm
    # Where a photon begins does not matter on the average: throw it into one cell of the lattice, flats along x.
    row = draw.uniform(-0.5, 0.5, (2, count))
    begin = np.stack([pitch * (row[0] + row[1] / 2), pitch * row[1] * math.sqrt(3) / 2])
    tilt = draw.uniform(-slope, slope, (2, count))
    end = begin + tilt * length_mm

    def inside(place: Any) -> Any:
        """Return which places are in the hole around the nearest middle, and which hole that is."""
        b = place[1] / (pitch * math.sqrt(3) / 2)
        a = place[0] / pitch - b / 2
        found, which = np.zeros(count, bool), np.zeros((2, count), int)
        for da in (0, 1):
            for db in (0, 1):
                i, j = np.floor(a) + da, np.floor(b) + db
                x = place[0] - pitch * (i + j / 2)
                y = place[1] - pitch * math.sqrt(3) / 2 * j
                far = np.max([np.abs(x * math.cos(t) + y * math.sin(t)) for t in (0, math.pi / 3, 2 * math.pi / 3)], 0)
                ours = far < hole_mm / 2
                found |= ours
                which[:, ours] = i[ours], j[ours]
        return found, which

    open_at_begin, hole_at_begin = inside(begin)
    open_at_end, hole_at_end = inside(end)
    through = open_at_begin & open_at_end & (hole_at_begin == hole_at_end).all(axis=0)
    share = through.mean() * (2 * slope) ** 2 / (4 * math.pi)
    noise = share * math.sqrt((1 - through.mean()) / through.sum())

    wanted = efficiency(collimator, TC99M_KEV, 100.0) * (effective_length_mm(collimator, TC99M_KEV) / length_mm) ** 2
    assert abs(share - wanted) < 4 * noise


def test_parallel_holes_see_as_many_photons_from_afar_and_less_sharply() -> None:
    near, far = (geometric_resolution_mm(parallel(), TC99M_KEV, distance) for distance in (50.0, 150.0))

    assert far - near == pytest.approx(1.5 * 100 / effective_length_mm(parallel(), TC99M_KEV))
    assert efficiency(parallel(), TC99M_KEV, 50.0) == efficiency(parallel(), TC99M_KEV, 150.0)
    assert magnification(parallel(), 50.0) == 1.0


def test_a_pinhole_magnifies_what_is_near_and_sees_more_of_it() -> None:
    wide_mm = effective_diameter_mm(PINHOLE, TC99M_KEV)

    assert magnification(PINHOLE, 100.0) == 2.0
    assert 4.0 < wide_mm < 4.2
    assert geometric_resolution_mm(PINHOLE, TC99M_KEV, 100.0) == pytest.approx(wide_mm * 1.5)
    assert efficiency(PINHOLE, TC99M_KEV, 100.0) == pytest.approx(wide_mm**2 / 16e4)
    assert efficiency(PINHOLE, TC99M_KEV, 50.0) == pytest.approx(4 * efficiency(PINHOLE, TC99M_KEV, 100.0))
    tilted = efficiency(PINHOLE, TC99M_KEV, 100.0, angle_deg=20.0)
    assert tilted == pytest.approx(efficiency(PINHOLE, TC99M_KEV, 100.0) * math.cos(math.radians(20)) ** 3)
    assert efficiency(PINHOLE, TC99M_KEV, 100.0, angle_deg=30.0) == 0.0
    assert system_resolution_mm(PINHOLE, TC99M_KEV, 100.0, intrinsic_mm=4.0) == pytest.approx(
        math.hypot(wide_mm * 1.5, 2.0)
    )


def test_walls_are_made_for_their_energy() -> None:
    assert septal_penetration(parallel("LEHR"), 140.5) < 0.05 < septal_penetration(parallel("LEHR"), 208.4)
    assert septal_penetration(parallel("MEGP"), 300.2) < 0.05 < septal_penetration(parallel("MEGP"), 364.5)
    assert septal_penetration(parallel("HEGP"), 364.5) < 0.05


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda: attenuation_per_mm("lead", 1000.0), "known from 30 to 790 keV"),
        (lambda: effective_length_mm(parallel(length_mm=5.0), 364.5), "do not collimate 364.5 keV"),
        (lambda: effective_diameter_mm(parallel(), 140.5), "without an opening angle"),
        (lambda: septal_penetration(PINHOLE, 140.5), "no walls"),
        (lambda: magnification(PINHOLE, 0.0), "must be above zero"),
    ],
)
def test_what_no_form_holds_for_is_refused_with_its_limit(ask: Any, what: str) -> None:
    with pytest.raises(LimitError, match=what):
        ask()


def test_a_material_nobody_knows_is_missing() -> None:
    with pytest.raises(MissingError, match="lead, tungsten"):
        attenuation_per_mm("gold", 140.5)
