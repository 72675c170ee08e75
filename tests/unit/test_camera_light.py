"""Light on sensors and the codes of channels, against closed forms with fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support_scenes import CRYSTAL, FWHM

from daq.errors import UsageError
from daq.model.camera import Sensors
from simulators.camera.generate import generate
from simulators.camera.light import (
    COLLECTED,
    Light,
    LightOutput,
    amplitudes,
    channels_of,
    default_response,
    deviates,
    shares,
)  # fmt: skip
from simulators.camera.model import Electronics, Field, Scene, SimulatedHead

PITCH_MM = 56.0
_X, _Y = np.meshgrid((np.arange(8) - 3.5) * PITCH_MM, (np.arange(6) - 2.5) * PITCH_MM)
SENSORS = Sensors(
    kind="pmt", shape="round", width_mm=51, light_guide_mm=12, x_mm=tuple(_X.ravel()), y_mm=tuple(_Y.ravel())
)  # fmt: skip
RESPONSE = default_response(CRYSTAL, SENSORS)
PLAIN = LightOutput(
    intrinsic_fwhm=0, excess=1, gain_sigma=0, pedestal_sigma_adc=0, noise_adc=0, pedestal_adc=500, full_scale_adc=65535
)
"""Photoelectrons alone."""


def at(count: int, x_mm: float, y_mm: float, energy_kev: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full(count, x_mm), np.full(count, y_mm), np.full(count, energy_kev)


def test_sensors_see_most_of_a_flash_in_the_middle_and_less_at_the_edge() -> None:
    x = np.array([0.0, 195.0, 250.0])
    total = shares(RESPONSE, SENSORS, x, np.zeros(3)).sum(axis=1)

    assert total[0] == pytest.approx(COLLECTED)
    assert total[0] > total[1] > total[2]


def test_means_and_variances_of_codes_are_those_of_photoelectrons() -> None:
    count, x, y = 40_000, 20.0, -35.0
    codes = Light(SENSORS, RESPONSE, PLAIN, 1).amplitudes(*at(count, x, y, 140.5)).astype(float)

    electrons = 140.5 * 38 * 0.25 * shares(RESPONSE, SENSORS, np.array([x]), np.array([y]))[0]
    mean, variance = 500 + 8 * electrons, 64 * electrons + 1 / 12
    assert np.abs((codes.mean(axis=0) - mean) / np.sqrt(variance / count)).max() < 4.5
    kurtosis = 2 + 1 / electrons
    assert np.abs((codes.var(axis=0) - variance) / variance / np.sqrt(kurtosis / count)).max() < 5
    skew = (((codes - mean) / np.sqrt(variance)) ** 3).mean(axis=0)
    few = electrons < 25
    assert few.sum() > 5
    assert np.abs(skew - 1 / np.sqrt(electrons))[few].max() < 0.1


@pytest.mark.parametrize("energy_kev", [140.511, 364.489])
def test_the_resolution_is_that_of_electrons_crystal_and_amplification(energy_kev: float) -> None:
    output = LightOutput(gain_sigma=0, noise_adc=0, pedestal_sigma_adc=0)
    codes = Light(SENSORS, RESPONSE, output, 2).amplitudes(*at(20_000, 0, 0, energy_kev)).astype(float)
    light = (codes - 120).sum(axis=1)

    electrons = energy_kev * 38 * 0.25 * COLLECTED
    expected = math.hypot(0.05 * math.sqrt(140.511 / energy_kev), FWHM * math.sqrt(1.15 / electrons))
    assert light.std() / light.mean() * FWHM == pytest.approx(expected, rel=0.03)
    assert light.mean() == pytest.approx(8 * electrons, rel=0.003)


def test_a_saturated_channel_stops_at_full_scale() -> None:
    codes = Light(SENSORS, RESPONSE, LightOutput(full_scale_adc=4000), 3).amplitudes(*at(100, 28, 28, 600.0))

    assert codes.max() == 4000


def test_dead_channels_show_their_pedestal_and_noisy_ones_their_noise() -> None:
    light = Light(SENSORS, RESPONSE, LightOutput(dead=(20,), noisy=(21,)), 4)
    codes = light.amplitudes(*at(4000, *(float(v) for v in (SENSORS.x_mm[20], SENSORS.y_mm[20])), 140.5)).astype(float)
    dark = light.pedestals(4000).astype(float)

    assert codes[:, 20].mean() == pytest.approx(light.channels.pedestal_adc[20], abs=0.5)
    assert codes[:, 20].std() == pytest.approx(5.0, abs=0.3)
    assert dark[:, 22].mean() == pytest.approx(light.channels.pedestal_adc[22], abs=0.5)
    assert dark[:, 21].std() > 100


def test_gains_spread_and_drift_by_channel() -> None:
    output = LightOutput(gain_sigma=0.1, drift_sigma_per_h=0.05)
    channels = channels_of(SENSORS, output, 5)
    photons = generate(Scene((SimulatedHead(0, CRYSTAL),), (Field("Tc-99m", 1e5),), start_s=7200, seconds=100), 6)
    still, drifted = (Light(SENSORS, RESPONSE, output, 5).codes(photons, start) for start in (7200 * 10**12, 0))
    early, late = (codes.astype(float).mean(axis=0) - channels.pedestal_adc for codes in (still, drifted))

    assert channels.gain.std() == pytest.approx(0.1, rel=0.3)
    assert channels.drift_per_h.std() == pytest.approx(0.05, rel=0.3)
    assert channels.pedestal_adc.std() == pytest.approx(6.0, rel=0.3)
    assert late / early == pytest.approx(1 + 2 * channels.drift_per_h, rel=0.01)


def test_the_light_of_what_piles_up_is_added_where_it_fell() -> None:
    electronics = Electronics(dead_time_ps=2_000_000, integration_ps=500_000)
    photons = generate(
        Scene((SimulatedHead(0, CRYSTAL),), (Field("Tc-99m", 3e8),), electronics=electronics, seconds=0.1), 7
    )
    piled = photons.rows(photons.added_kev > 0)
    codes = Light(SENSORS, RESPONSE, PLAIN, 7).codes(piled).astype(float) - 500
    own, added = (
        shares(RESPONSE, SENSORS, x.astype(float), y.astype(float)) * energy[:, None] * 38 * 0.25 * 8
        for x, y, energy in (
            (piled.x_mm, piled.y_mm, piled.energy_kev), (piled.added_x_mm, piled.added_y_mm, piled.added_kev)
        )
    )  # fmt: skip

    assert len(piled) > 1000
    off = (codes - own - added).sum(axis=1) / np.sqrt(8 * (own + added).sum(axis=1))
    assert off.mean() == pytest.approx(0, abs=4 / math.sqrt(len(piled)))
    assert off.std() == pytest.approx(1, abs=0.08)


def test_the_same_seed_gives_the_same_codes_in_one_call_and_in_two() -> None:
    x, y, energy = at(200, 10, 10, 140.5)
    whole = amplitudes(x, y, energy, SENSORS, crystal=CRYSTAL, seed=8)
    light = Light(SENSORS, RESPONSE, seed=8)
    parts = [light.amplitudes(x[:70], y[:70], energy[:70]), light.amplitudes(x[70:], y[70:], energy[70:])]

    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole, amplitudes(x, y, energy, SENSORS, crystal=CRYSTAL, seed=9))


def test_the_table_of_deviates_is_normal() -> None:
    table = deviates().astype(float)

    assert table.mean() == pytest.approx(0, abs=1e-6)
    assert table.std() == pytest.approx(1, abs=1e-6)
    assert (table**4).mean() == pytest.approx(3, abs=0.01)


def test_light_without_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="light of dead"):
        LightOutput(dead=(64,))
    with pytest.raises(UsageError, match="light of excess -1"):
        LightOutput(excess=-1)
