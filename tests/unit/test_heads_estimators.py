"""Estimators of positions of flashes: what they are by plain NumPy, and what they are good for."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from support_heads import SENSORS

from daq.errors import ProfileError
from daq.model.headcalibration import Estimator, HeadCorrections, LightResponse
from daq.pipeline.headresponse import NOISE, STEPS_PER_WIDTH, shares
from daq.pipeline.heads import HeadStage
from daq.pipeline.headtables import Channels
from daq.pipeline.stages import Stages

LIGHT = LightResponse(height=0.34, width_mm=16.0, power=1.5, floor=0.001)
PLACES = np.array([SENSORS.x_mm, SENSORS.y_mm])
KEV_PER_ADC = 0.01
MIDDLE = float(shares(LIGHT, PLACES, np.zeros(1), np.zeros(1))[0].sum())
ELECTRONS_PER_KEV = 10.0


def head(estimator: Estimator = "maximum-likelihood", **changes: Any) -> HeadCorrections:
    known = {"head": 0, "sensors": SENSORS, "kev_per_adc": (KEV_PER_ADC,) * 64, "light": LIGHT, "estimator": estimator}
    return HeadCorrections.model_validate({**known, **changes})


@cache
def _stage(corrections: str) -> HeadStage:
    return HeadStage([HeadCorrections.model_validate_json(corrections)])


def located(codes: Any, corrections: HeadCorrections) -> tuple[Any, Any, Any]:
    """Return x, y and energy of codes [n, 64]."""
    rows = {"time_ps": np.arange(len(codes)), "head": np.zeros(len(codes), np.uint8), "amplitudes": codes}
    found = _stage(corrections.model_dump_json())(rows, np.array([len(codes)]), np.zeros(1, np.uint16))
    return tuple(found[name].copy() for name in ("x_mm", "y_mm", "energy_kev"))  # type: ignore[return-value]


def flash(x: Any, y: Any, kev: Any, *, seed: int | None = None) -> Any:
    """Return the codes of flashes at places [n]; with a seed those of photo-electrons, else of light without noise.

    All sensors together see the energy of a flash in the middle.
    """
    x, y = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
    light = shares(LIGHT, PLACES, x, y)[0] / MIDDLE * np.asarray(kev, float).reshape(-1, 1)
    if seed is not None:
        light = np.random.default_rng(seed).poisson(light * ELECTRONS_PER_KEV) / ELECTRONS_PER_KEV
    return np.rint(light / KEV_PER_ADC).astype(np.uint16)


def spread_places(count: int, seed: int = 1) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    return draw.uniform(-85, 85, count), draw.uniform(-85, 85, count)


def test_the_weighted_centroid_leaves_out_what_all_channels_have_twice() -> None:
    codes = flash(*spread_places(300), 140.5, seed=2)

    x, y, kev = located(codes, head("weighted"))

    light = codes * KEV_PER_ADC
    more = np.maximum(light - 2 * light.sum(axis=1, keepdims=True) / 64, 0)
    np.testing.assert_allclose(x, more @ PLACES[0] / more.sum(axis=1), atol=2e-2)
    np.testing.assert_allclose(y, more @ PLACES[1] / more.sum(axis=1), atol=2e-2)
    np.testing.assert_allclose(kev, light.sum(axis=1), rtol=1e-4)


def test_light_that_no_channel_has_more_of_than_twice_the_mean_is_centred_without_a_threshold() -> None:
    even = np.full((1, 64), 100, np.uint16)

    x, y, kev = located(even, head("weighted"))

    assert (float(x[0]), float(y[0])) == pytest.approx((0.0, 0.0), abs=1e-4)
    assert float(kev[0]) == pytest.approx(64.0, rel=1e-5)


def test_maximum_likelihood_finds_place_and_energy_all_over_the_head() -> None:
    x, y = spread_places(2000)

    found_x, found_y, kev = located(flash(x, y, 140.5), head())

    assert np.abs(found_x - x).max() < 0.02 * LIGHT.width_mm
    assert np.abs(found_y - y).max() < 0.02 * LIGHT.width_mm
    assert np.abs(kev / 140.5 - 1).max() < 0.015


def fitted(light: Any, x: float, y: float) -> tuple[float, float]:
    """Return the place where the weighted fit of light has settled, by steps as small as it takes."""
    for _ in range(50):
        seen, slope = shares(LIGHT, PLACES, np.array([x]), np.array([y]))
        model = np.stack([seen[0], 2 * slope[0] * (x - PLACES[0]), 2 * slope[0] * (y - PLACES[1])])
        weighted = model / (seen[0] + NOISE * LIGHT.height)
        share, along_x, along_y = np.linalg.solve(weighted @ model.T, weighted @ light)
        x, y = x + along_x / share, y + along_y / share
    return x, y


def test_the_table_gives_what_the_fit_gives_that_it_stands_for() -> None:
    x, y = spread_places(150)
    codes = flash(x, y, 140.5, seed=3)

    found_x, found_y, _ = located(codes, head())

    wanted = np.array([fitted(one * KEV_PER_ADC, *at) for one, *at in zip(codes, x, y, strict=True)])
    step_mm = LIGHT.width_mm / STEPS_PER_WIDTH
    assert np.abs(found_x - wanted[:, 0]).max() < 0.2 * step_mm
    assert np.abs(found_y - wanted[:, 1]).max() < 0.2 * step_mm


def test_maximum_likelihood_is_sharper_than_the_centroid_and_near_what_photo_electrons_allow() -> None:
    x, y = np.full(3000, 45.0), np.full(3000, 5.0)
    codes, beside = flash(x, y, 140.5, seed=4), flash(x + 2, y, 140.5, seed=5)

    def sharpness(estimator: Estimator) -> float:
        here, there = located(codes, head(estimator))[0], located(beside, head(estimator))[0]
        return float(here.std() / ((there.mean() - here.mean()) / 2))

    seen, slope = shares(LIGHT, PLACES, x[:1], y[:1])
    model = np.stack([seen[0], 2 * slope[0] * (45.0 - PLACES[0]), 2 * slope[0] * (5.0 - PLACES[1])])
    known = 140.5 * ELECTRONS_PER_KEV / MIDDLE * (model / seen[0]) @ model.T
    best = float(np.sqrt(np.linalg.inv(known)[1, 1]))
    assert best < sharpness("maximum-likelihood") < 1.1 * best
    assert sharpness("maximum-likelihood") < sharpness("weighted") < sharpness("anger")


def test_a_dead_channel_moves_the_likeliest_place_by_little_and_the_centroid_by_much() -> None:
    dead = 27  # beside the middle, below to the left
    x, y = np.full(200, SENSORS.x_mm[dead] + 6.0), np.full(200, SENSORS.y_mm[dead])
    codes = flash(x, y, 140.5)
    codes[:, dead] = 0

    likely_x, _, likely_kev = located(codes, head(dead_channels=(dead,)))
    centre_x, _, centre_kev = located(codes, head("anger", dead_channels=(dead,)))

    assert np.abs(likely_x - x).max() < 0.5
    assert np.abs(centre_x - x).min() > 2.0
    assert np.abs(likely_kev / 140.5 - 1).max() < 0.02
    assert (centre_kev / 140.5 < 0.8).all()


def test_two_flashes_at_once_are_told_from_one_and_have_no_position() -> None:
    corrections = head(pile_up_kev=0.25)
    count = 1000
    one = flash(*spread_places(count), 140.5, seed=6)
    x, y = spread_places(count, seed=7)
    angle = np.random.default_rng(8).uniform(0, 2 * np.pi, count)
    away_mm = 2.5 * LIGHT.width_mm
    other_x, other_y = x / 2 + away_mm * np.cos(angle), y / 2 + away_mm * np.sin(angle)
    two = flash(x / 2, y / 2, 80.0, seed=8) + flash(other_x, other_y, 60.0, seed=9)
    stage = HeadStage([corrections])

    def judged(codes: Any) -> int:
        before = stage.counts["0"]["piled_up"]
        rows = {"time_ps": np.arange(count), "head": np.zeros(count, np.uint8), "amplitudes": codes}
        found = stage(rows, np.array([count]), np.zeros(1, np.uint16))
        piled_up = stage.counts["0"]["piled_up"] - before
        assert np.isnan(found["energy_kev"]).sum() == piled_up
        return piled_up

    assert judged(one) < 0.01 * count
    assert judged(two) > 0.99 * count
    assert judged(flash(*spread_places(count), 364.5, seed=10)) < 0.01 * count


def test_without_a_limit_nothing_is_called_piled_up() -> None:
    x, y = spread_places(100)

    kev = located(flash(x, y, 80.0) + flash(-x, -y, 60.0), head())[2]

    assert not np.isnan(kev).any()


def test_heads_that_are_built_alike_share_a_table() -> None:
    alone, alike = Channels.of([head()]), Channels.of([head(), head(head=1, pedestal_adc=(1.0,) * 64)])
    other = Channels.of([head(), head(head=1, dead_channels=(3,))])

    assert len(alike.points) == len(alone.points) < len(other.points)
    assert alike.plan[0].tolist() == alike.plan[1].tolist()


@pytest.mark.parametrize("estimator", ["anger", "weighted", "maximum-likelihood"])
def test_what_comes_out_is_the_same_event_by_event(estimator: Estimator) -> None:
    codes = flash(*spread_places(60), 140.5, seed=11)

    at_once = located(codes, head(estimator))
    by_event = [located(codes[row : row + 1], head(estimator)) for row in range(len(codes))]

    for which, values in enumerate(at_once):
        assert np.concatenate([one[which] for one in by_event]).tobytes() == values.tobytes()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"light": None}, "needs the light response"),
        ({"light": LIGHT.model_copy(update={"width_mm": 2.0})}, "at most 40000"),
    ],
)
def test_a_likelihood_that_cannot_be_worked_out_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ProfileError, match=what):
        HeadStage([head(**changes)])


def test_a_channel_that_sees_no_light_is_named_while_those_that_do_are_not() -> None:
    count = 512 * 128
    codes = np.tile(flash(*spread_places(1021), 140.5, seed=12), (count // 1021 + 1, 1))[:count]
    good, dark = HeadStage([head()]), HeadStage([head()])
    rows = {"time_ps": np.arange(count), "head": np.zeros(count, np.uint8)}

    good({**rows, "amplitudes": codes}, np.array([count]), np.zeros(1, np.uint16))
    codes[:, 27] = 0
    dark({**rows, "amplitudes": codes}, np.array([count]), np.zeros(1, np.uint16))

    assert good.warnings == []
    assert dark.counts["0"]["odd_channels"] == {"27": 0.0}
    assert dark.warnings == ["head 0: channel 27 sees 0 % of the light that it should: dead, or its gain has gone"]
    assert Stages(heads=dark).warnings == dark.warnings
