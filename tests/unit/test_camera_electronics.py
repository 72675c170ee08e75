"""The camera simulator against closed forms, |z| < 4: dead time, pile-up, resolution, drift, floods."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support_scenes import CRYSTAL, FWHM, poisson_z, solid_angle_share, spread_z, stopped_in_crystal

from daq.errors import UsageError
from simulators.camera.generate import Photons, Simulation, generate, join
from simulators.camera.model import Electronics, Field, PhotonFlag, Response, Scene, SimulatedHead
from simulators.camera.response import Reported, brightness, report, shifted

MICROSECOND = 1_000_000
PER_BQ = 0.89 * solid_angle_share(540, 400, 3000) * stopped_in_crystal(140.511)
"""Photons per second and Bq of Tc-99m that trigger, 3 m in front of the crystal."""


def at_rate(cps: float, *, seconds: float = 1.0, response: Response | None = None, **electronics: object) -> Scene:
    head = SimulatedHead(0, CRYSTAL, response=response or Response())
    return Scene(
        (head,),
        (Field("Tc-99m", cps / PER_BQ),),
        None,
        Electronics(**electronics),
        seconds=seconds,  # type: ignore[arg-type]
    )


def peak(photons: Photons, response: Response) -> Reported:
    """Return what a head reports of photons that left all their energy."""
    whole = photons.rows((photons.flags & PhotonFlag.CONTINUUM) == 0)
    return report(whole, (SimulatedHead(0, CRYSTAL, response=response),), np.random.default_rng(77))


def two_source_tau_s(first: float, second: float, both: float) -> float:
    """Return the dead time that two sources alone and together give, for small losses."""
    return 2 * both / (first + second) ** 2 * math.log((first + second) / both)


@pytest.mark.parametrize("cps", [5e4, 1e5, 5e5, 1e6])
def test_paralysable_dead_time_follows_its_curve(cps: float) -> None:
    tau_s, seconds = 2e-6, 0.4
    photons = generate(at_rate(cps, seconds=seconds, dead_time_ps=2 * MICROSECOND, paralysable=True), seed=1)

    mean = cps * math.exp(-cps * tau_s) * seconds
    spread = math.sqrt(mean * (1 - 2 * cps * tau_s * math.exp(-cps * tau_s)))
    assert abs(len(photons) - mean) < 4 * spread
    assert np.diff(photons.time_ps).min() >= 2 * MICROSECOND


@pytest.mark.parametrize("cps", [5e4, 1e5, 5e5, 1e6])
def test_dead_time_that_is_not_paralysable_follows_its_curve(cps: float) -> None:
    tau_s, seconds = 2e-6, 0.4
    photons = generate(at_rate(cps, seconds=seconds, dead_time_ps=2 * MICROSECOND), seed=2)

    mean = cps / (1 + cps * tau_s) * seconds
    assert abs(len(photons) - mean) < 4 * math.sqrt(mean) / (1 + cps * tau_s)
    assert np.diff(photons.time_ps).min() >= 2 * MICROSECOND


def test_two_sources_give_the_dead_time_that_was_set() -> None:
    one, two = Field("Tc-99m", 6e4 / PER_BQ), Field("Tc-99m", 9e4 / PER_BQ)
    electronics = Electronics(dead_time_ps=2 * MICROSECOND, paralysable=True)
    scenes = [
        Scene((SimulatedHead(0, CRYSTAL),), fields, None, electronics, seconds=4)
        for fields in ((one,), (two,), (one, two))
    ]
    rates = [len(generate(scene, seed=3)) / 4 for scene in scenes]
    exact = [rate * math.exp(-rate * 2e-6) for rate in (6e4, 9e4, 15e4)]

    assert two_source_tau_s(*rates) == pytest.approx(two_source_tau_s(*exact), rel=0.04)
    assert two_source_tau_s(*exact) == pytest.approx(2e-6, rel=0.03)


def test_triggers_lost_are_told_with_the_next_event_and_in_the_end() -> None:
    simulation = Simulation(at_rate(2e5, dead_time_ps=10 * MICROSECOND), seed=4)
    photons = join(list(simulation.blocks()))

    lost, recorded = int(simulation.lost[0]), int(simulation.recorded[0])
    assert recorded == len(photons)
    assert 0 <= lost - int(photons.lost_before.sum()) < 50
    assert abs(poisson_z(recorded + lost, 2e5)) < 4
    assert recorded / (recorded + lost) == pytest.approx(1 / (1 + 2e5 * 1e-5), rel=0.01)


def test_what_piles_up_is_as_often_as_the_rate_says_and_brings_its_energy() -> None:
    cps, window_s = 2e5, 0.5e-6
    photons = generate(at_rate(cps, integration_ps=500_000, dead_time_ps=2 * MICROSECOND), seed=5)
    piled = photons.rows((photons.flags & PhotonFlag.PILED_UP) != 0)

    chance = 1 - math.exp(-cps * window_s)
    assert abs(len(piled) - chance * len(photons)) < 4 * math.sqrt(len(photons) * chance * (1 - chance))
    assert np.all(piled.added_kev > 0)
    assert np.count_nonzero(photons.added_kev) == len(piled)
    assert np.median(piled.added_kev) == pytest.approx(140.511, abs=0.01)


def test_what_piles_up_lies_between_both_with_the_sum_of_their_energies() -> None:
    response = Response(energy_fwhm=0.0, position_fwhm_mm=0.0)
    head = SimulatedHead(0, CRYSTAL, response=response)
    photons = generate(at_rate(2e5, integration_ps=500_000, dead_time_ps=2 * MICROSECOND, response=response), seed=5)
    reported = report(photons, (head,), np.random.default_rng(0))

    total = photons.energy_kev.astype(float) + photons.added_kev
    middle = (photons.x_mm * photons.energy_kev + photons.added_x_mm * photons.added_kev) / total
    assert np.allclose(reported.energy_kev, total)
    assert np.allclose(reported.x_mm, middle, atol=1e-3)


def test_photons_below_the_threshold_neither_trigger_nor_are_lost() -> None:
    simulation = Simulation(at_rate(1e5, threshold_kev=100, dead_time_ps=2 * MICROSECOND), seed=6)
    photons = join(list(simulation.blocks()))
    everything = generate(at_rate(1e5), seed=6)

    assert photons.energy_kev.min() >= 100
    assert len(photons) + simulation.lost[0] == np.count_nonzero(everything.energy_kev >= 100)


def test_a_dead_time_shorter_than_the_integration_is_refused() -> None:
    with pytest.raises(UsageError, match="integration_ps 5, dead_time_ps 4"):
        Electronics(dead_time_ps=4, integration_ps=5)


@pytest.mark.parametrize(("gain", "share"), [(1.0, 0.98373), (1.02, 0.9679), (1.05, 0.8734), (1.10, 0.5000)])
def test_a_window_loses_what_gain_drift_takes(gain: float, share: float) -> None:
    photons = generate(at_rate(1e5, seconds=4), seed=7)
    energies = peak(photons, Response(gain=gain)).energy_kev
    inside = np.count_nonzero((energies >= 140.511 * 0.9) & (energies < 140.511 * 1.1))

    assert abs(inside - share * len(energies)) < 4 * math.sqrt(len(energies) * share * (1 - share)) + 1e-4 * len(
        energies
    )


def test_gains_drift_with_time() -> None:
    photons = generate(Scene((SimulatedHead(0, CRYSTAL),), (Field("Tc-99m", 3e4),), seconds=7200.0), seed=8)
    whole = photons.rows((photons.flags & PhotonFlag.CONTINUUM) == 0)
    energies = peak(photons, Response(gain_drift_per_h=0.05)).energy_kev
    late = whole.time_ps > 0.9 * 7200e12

    assert energies[late].mean() == pytest.approx(140.511 * (1 + 0.05 * 1.9), rel=0.002)


@pytest.mark.parametrize("energy", [140.511, 364.489])
def test_resolution_goes_with_one_over_the_root_of_the_energy(energy: float) -> None:
    nuclide = {140.511: "Tc-99m", 364.489: "I-131"}[energy]
    photons = generate(Scene((SimulatedHead(0, CRYSTAL),), (Field(nuclide, 5e7),)), seed=9)
    line = photons.rows(abs(photons.energy_kev - energy) < 0.01)
    reported = report(line, (SimulatedHead(0, CRYSTAL),), np.random.default_rng(9))

    widths = math.sqrt(140.511 / energy)
    assert abs(spread_z(reported.energy_kev, 0.098 * energy * widths / FWHM)) < 4
    assert abs(spread_z(reported.x_mm - line.x_mm, 3.6 * widths / FWHM)) < 4
    assert abs(spread_z(reported.y_mm - line.y_mm, 3.6 * widths / FWHM)) < 4


def test_a_head_with_faults_pulls_positions_and_energies_as_it_is_told() -> None:
    response = Response(shift_mm=3.0, energy_share=0.1, tube_mm=60, shear=0.01, gain=1.05)
    x, y = np.array([0.0, 15.0, 30.0, -15.0]), np.array([0.0, 0.0, 15.0, 60.0])

    across, up = shifted(response, x, y)
    assert across == pytest.approx([0, 12, 30, -12])
    assert up == pytest.approx([0, 0.15, 12.3, 59.85])
    assert brightness(response, x, y) == pytest.approx([1.155, 1.1025, 0.9975, 1.1025])


def test_positions_that_would_fold_over_are_refused() -> None:
    with pytest.raises(UsageError, match="fold over"):
        Response(shift_mm=10, tube_mm=60)


def test_a_flood_has_the_noise_that_its_counts_give() -> None:
    photons = generate(at_rate(3e6), seed=10)
    image = np.histogram2d(photons.x_mm, photons.y_mm, bins=(84, 62), range=((-270, 270), (-200, 200)))[0][2:82, 2:60]
    kernel = np.array([1, 2, 1])
    smooth = image[:-2] + 2 * image[1:-1] + image[2:]
    smooth = (smooth[:, :-2] * kernel[0] + smooth[:, 1:-1] * kernel[1] + smooth[:, 2:] * kernel[2]) / 16

    per_pixel = image.mean()
    noise = 100 * smooth.std() / smooth.mean()
    uniformity = 100 * (smooth.max() - smooth.min()) / (smooth.max() + smooth.min())
    assert per_pixel > 500
    assert noise == pytest.approx(37.5 / math.sqrt(per_pixel), rel=0.06)
    assert uniformity == pytest.approx(141 / math.sqrt(per_pixel), rel=0.25)
