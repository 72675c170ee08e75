"""Dead time, pile-up and faults of simulated heads: what is told beside the closed forms of the physics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support_camera_forms import at_rate, peak
from support_scenes import CRYSTAL

from daq.errors import UsageError
from simulators.camera.generate import Simulation, generate, join
from simulators.camera.model import Electronics, Field, PhotonFlag, Response, Scene, SimulatedHead
from simulators.camera.response import brightness, report, shifted

MICROSECOND = 1_000_000
PILING = Electronics(dead_time_ps=2 * MICROSECOND, integration_ps=500_000)


def test_triggers_lost_are_told_with_the_next_event_and_in_the_end() -> None:
    simulation = Simulation(at_rate(2e5, electronics=Electronics(dead_time_ps=10 * MICROSECOND)), seed=4)
    photons = join(list(simulation.blocks()))

    lost, recorded = int(simulation.lost[0]), int(simulation.recorded[0])
    assert recorded == len(photons)
    assert 0 <= lost - int(photons.lost_before.sum()) < 50
    assert abs(recorded + lost - 2e5) < 4 * math.sqrt(2e5)
    assert recorded / (recorded + lost) == pytest.approx(1 / (1 + 2e5 * 1e-5), rel=0.01)


def test_what_piles_up_brings_its_energy() -> None:
    photons = generate(at_rate(2e5, seconds=0.2, electronics=PILING), seed=5)
    piled = (photons.flags & PhotonFlag.PILED_UP) != 0

    assert np.array_equal(piled, photons.added_kev > 0)
    assert np.median(photons.added_kev[piled]) == pytest.approx(140.511, abs=0.01)


def test_what_piles_up_lies_between_both_with_the_sum_of_their_energies() -> None:
    response = Response(energy_fwhm=0.0, position_fwhm_mm=0.0)
    head = SimulatedHead(0, CRYSTAL, response=response)
    photons = generate(at_rate(2e5, seconds=0.2, electronics=PILING), seed=5)
    reported = report(photons, (head,), np.random.default_rng(0))

    total = photons.energy_kev.astype(float) + photons.added_kev
    middle = (photons.x_mm * photons.energy_kev + photons.added_x_mm * photons.added_kev) / total
    assert np.allclose(reported.energy_kev, total)
    assert np.allclose(reported.x_mm, middle, atol=1e-3)


def test_photons_below_the_threshold_neither_trigger_nor_are_lost() -> None:
    simulation = Simulation(
        at_rate(1e5, electronics=Electronics(threshold_kev=100, dead_time_ps=2 * MICROSECOND)), seed=6
    )
    photons = join(list(simulation.blocks()))
    everything = generate(at_rate(1e5), seed=6)

    assert photons.energy_kev.min() >= 100
    assert len(photons) + simulation.lost[0] == np.count_nonzero(everything.energy_kev >= 100)


def test_a_dead_time_shorter_than_the_integration_is_refused() -> None:
    with pytest.raises(UsageError, match="integration_ps 5, dead_time_ps 4"):
        Electronics(dead_time_ps=4, integration_ps=5)


def test_gains_drift_with_time() -> None:
    photons = generate(Scene((SimulatedHead(0, CRYSTAL),), (Field("Tc-99m", 3e4),), seconds=7200.0), seed=8)
    whole = photons.rows((photons.flags & PhotonFlag.CONTINUUM) == 0)
    energies = peak(photons, Response(gain_drift_per_h=0.05)).energy_kev
    late = whole.time_ps > 0.9 * 7200e12

    assert energies[late].mean() == pytest.approx(140.511 * (1 + 0.05 * 1.9), rel=0.002)


def test_a_head_with_faults_pulls_positions_and_energies_as_it_is_told() -> None:
    response = Response(shift_mm=3.0, energy_share=0.1, tube_mm=60, shear=0.01, gain=1.05)
    x, y = np.array([0.0, 15.0, 30.0, -15.0]), np.array([0.0, 0.0, 15.0, 60.0])

    across, up = shifted(response, x, y)
    assert across == pytest.approx([0, 12, 30, -12])
    assert up == pytest.approx([0, 0.15, 12.3, 59.85])
    assert brightness(response, x, y) == pytest.approx([1.155, 1.1025, 0.9975, 1.1025])


def test_higher_energies_are_stretched_and_a_head_off_its_place_moves_everything() -> None:
    response = Response(stretch_per_100_kev=0.01, offset_x_mm=4.0, offset_y_mm=-2.0)
    across, up = shifted(response, np.array([100.0, 100.0]), np.array([-50.0, -50.0]), np.array([140.511, 240.511]))

    assert across == pytest.approx([104, 105])
    assert up == pytest.approx([-52, -52.5])


def test_positions_that_would_fold_over_are_refused() -> None:
    with pytest.raises(UsageError, match="fold over"):
        Response(shift_mm=10, tube_mm=60)
