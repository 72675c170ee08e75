"""Uniformity is pylinac's to three digits where both follow NEMA NU 1; its numbers are frozen here as numbers.

pylinac 3.49.0, PlanarUniformity.analyze() with its defaults, unmodified, on `synthetic(seed)`: UFOV integral and
differential, CFOV integral and differential, per cent. The test that runs it: tests/integration/test_qc_pylinac.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support_nm_pictures import synthetic

from daq.qc.camera.floodrebin import added_up, factor_for
from daq.qc.fields import FieldOfView
from daq.qc.uniformity import flood_uniformity, smoothed

PYLINAC = {
    1: (1.2380, 1.0755, 1.2170, 1.0517),
    2: (1.3013, 1.0150, 1.1853, 0.9486),
    3: (1.4375, 1.1170, 1.4375, 1.1170),
    4: (1.2264, 1.0102, 1.1527, 0.9146),
    5: (1.4095, 1.1848, 1.4095, 1.1848),
    6: (1.2582, 1.0345, 1.2366, 0.9924),
}
FIELD = FieldOfView(80 * 6.4, 58 * 6.4)


def judged(seed: int) -> Any:
    return flood_uniformity(synthetic(seed), pixel_mm=6.4, field=FIELD)


def test_where_no_extreme_lies_on_an_edge_all_four_numbers_are_alike() -> None:
    found = judged(1)

    assert [found.percent(name) for name in found.noise_factors] == pytest.approx(PYLINAC[1], abs=5e-4)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_central_field_is_alike_where_no_extreme_lies_beyond_pylinacs(seed: int) -> None:
    """pylinac's central field of a head of 540 x 400 mm is 60 x 38 pixels, NEMA's 60 x 44: seed 6 shows it."""
    found = judged(seed).cfov

    assert (found.integral_percent, found.differential_percent) == pytest.approx(PYLINAC[seed][2:], abs=5e-4)


def test_a_central_field_of_three_quarters_of_each_side_holds_what_pylinac_leaves_out() -> None:
    assert judged(6).cfov.integral_percent == pytest.approx(1.2582, abs=5e-4)
    assert PYLINAC[6][2] == 1.2366


@pytest.mark.parametrize("seed", PYLINAC)
def test_the_useful_field_differs_only_by_smoothing_across_its_edge(seed: int) -> None:
    """NEMA gives pixels outside of the field no weight; pylinac smooths the whole picture before it cuts the field."""
    whole = smoothed(synthetic(seed).astype(float), np.ones((128, 128), bool))[35:93, 24:104]

    assert 100 * (whole.max() - whole.min()) / (whole.max() + whole.min()) == pytest.approx(PYLINAC[seed][0], abs=5e-4)
    assert judged(seed).ufov.integral_percent >= PYLINAC[seed][0] - 5e-4


def test_pixels_of_2_4_mm_are_added_up_by_three_where_pylinac_can_only_double() -> None:
    """Three of 2.4 mm are 7.2 mm; pylinac stops at 4.8 mm, and IU is larger by the noise alone."""
    fine = np.random.default_rng(9).poisson(10_000 * (2.4 / 6.4) ** 2, (168, 225))
    field = FieldOfView(516.0, 384.0)

    ours, doubled = (flood_uniformity(added_up(fine, n), pixel_mm=2.4 * n, field=field) for n in (3, 2))

    assert factor_for(2.4) == 3
    assert doubled.ufov.integral_percent > 1.3 * ours.ufov.integral_percent


def test_too_few_counts_are_said_where_pylinac_says_nothing() -> None:
    found = flood_uniformity(np.random.default_rng(1).poisson(400, (62, 84)), pixel_mm=6.4, field=FIELD)

    assert not found.is_nema_grade
    assert not found.is_evaluable(5.0)
