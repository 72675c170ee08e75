"""Channels made equal: pedestals, gains and light that were put into simulated sensors are found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daq.composition.headbench import HeadBench
from daq.composition.peaks import _fit
from daq.errors import RefusedError
from daq.model.headcalibration import HeadCorrections
from daq.model.window_sets import photopeaks
from daq.pipeline.heads import HeadStage
from daq.qc.channels import (
    bad_channels,
    clipped_adc,
    geometric_light,
    pedestals_far_from_light,
    pedestals_of,
    shares,
)
from device_profiles.scanners import load_scanner

HEAD = load_scanner("fers-compact-camera").heads[0]
EVENTS = 40_000


def codes(seed: int, *, dead: int | None = None, noisy: int | None = None) -> tuple[np.ndarray, ...]:
    """Return codes of a flood, true x and y, true gains and pedestals: light by another width than geometry says."""
    rng = np.random.default_rng(seed)
    crystal, sensors = HEAD.crystal, HEAD.sensors
    light = geometric_light(crystal, sensors).model_copy(update={"width_mm": 20.0, "power": 1.7})
    x = rng.uniform(-crystal.width_mm / 2, crystal.width_mm / 2, EVENTS)
    y = rng.uniform(-crystal.height_mm / 2, crystal.height_mm / 2, EVENTS)
    gains = np.clip(rng.normal(1.0, 0.1, 64), 0.7, 1.3)
    pedestals = rng.normal(120.0, 5.0, 64)
    electrons = rng.poisson(140.5 * 9.0 * shares(light, sensors, x, y))
    noise = rng.normal(0.0, 3.0, electrons.shape)
    if dead is not None:
        gains[dead] = 0.0
    if noisy is not None:
        noise[:, noisy] *= 100.0
    made = np.clip(np.rint(pedestals + 8.0 * gains * electrons + noise), 0, 8191)
    return made.astype(np.uint16), x, y, gains, pedestals


def bench() -> HeadBench:
    return HeadBench(HEAD, HEAD.instrument, None, "SIM-1", None, "Tc-99m", photopeaks("Tc-99m")[0].window)


def test_gains_light_and_positions_are_found_by_a_flood_alone() -> None:
    seen, x, y, gains, _ = codes(1)
    dark = pedestals_far_from_light(seen, HEAD.sensors)

    made, peak = _fit(bench(), seen, dark, HEAD.crystal, HEAD.sensors, "maximum-likelihood")

    product = np.array(made.kev_per_adc) * gains
    assert product.std() / product.mean() < 0.3 * gains.std()
    assert made.light is not None
    assert abs(peak.off_percent) < 1.0
    stage = HeadStage([HeadCorrections(head=0, sensors=HEAD.sensors, **made.model_dump(exclude={"light"}),
                                       light=made.light)])  # fmt: skip
    found = stage(
        {"time_ps": np.zeros(EVENTS, np.int64), "amplitudes": seen, "head": np.zeros(EVENTS, np.uint8)},
        np.array([EVENTS]), np.zeros(1, np.uint16),
    )  # fmt: skip
    inside = (np.abs(x) < 85) & (np.abs(y) < 85)
    away = np.hypot(found["x_mm"] - x, found["y_mm"] - y)[inside]
    assert np.nanmedian(away) < 2.5


def test_dead_and_noisy_channels_are_found_and_no_others() -> None:
    seen, *_ = codes(2, dead=27, noisy=4)
    dark = pedestals_far_from_light(seen, HEAD.sensors)

    assert bad_channels(seen - dark.mean_adc, dark) == (4, 27)


def test_pedestals_by_far_channels_are_those_without_light_but_for_a_few_codes() -> None:
    seen, _, _, _, true = codes(3)

    found = pedestals_far_from_light(seen, HEAD.sensors)

    assert 0.0 <= np.median(found.mean_adc - true) < 60.0
    assert np.ptp(found.mean_adc - true) < 60.0


def test_pedestals_without_light_are_exact() -> None:
    dark = np.random.default_rng(4).normal(120.0, 4.0, (2000, 64))

    found = pedestals_of(dark)

    assert np.abs(found.mean_adc - 120.0).max() < 0.7
    assert found.sigma_adc == pytest.approx(np.full(64, 4.0), rel=0.15)
    with pytest.raises(RefusedError, match="100 events without light"):
        pedestals_of(dark[:100])


def test_a_converter_at_its_end_is_seen_and_a_spectrum_that_ends_by_itself_is_not() -> None:
    free = np.random.default_rng(5).normal(3000, 400, 100_000).astype(np.uint16)

    assert clipped_adc(free) is None
    assert clipped_adc(np.minimum(free, 3500)) == 3500
    assert clipped_adc(np.empty(0, np.uint16)) is None


def test_a_head_without_sensors_cannot_be_peaked() -> None:
    from daq.composition.peaks import measure_peaking

    plain = load_scanner("dual-head").heads[0]

    with pytest.raises(RefusedError, match="does not say its crystal and sensors"):
        measure_peaking(
            HeadBench(plain, "head-xye64", None, "1", None, "Tc-99m", photopeaks("Tc-99m")[0].window),
            [Path("nowhere")], pedestals=None, estimator="anger",
        )  # fmt: skip
