"""Centre of rotation: the offset itself is told, in mm, for any sources, with what counting makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from support_projecting import rotation_of
from support_qc_geometry import point_views, turn

from daq.errors import LimitError, RefusedError
from daq.model.geometry import PatientOrientation, Rotation
from daq.pipeline.tomography import angles_deg
from daq.qc.camera.alignment import arc_deg, head_alignment, heads_apart, largest_by_chance, rayleigh_mean, tracks
from daq.qc.camera.angles import angle_scale, even_steps
from daq.qc.camera.points import refined

PIXEL = 4.8
SIZE = {"width_mm": 300.0, "height_mm": 300.0}


def seen(angles, sources, seed=1, **given):  # type: ignore[no-untyped-def]
    counts = np.random.default_rng(seed).poisson(point_views(angles, sources, **given)).astype(float)
    return head_alignment(angles, tracks(counts, given.get("pixel_mm", PIXEL), **SIZE))


@pytest.mark.parametrize("offset", [0.0, 9.6, -1.3])
def test_the_offset_is_told_in_mm_and_not_hidden_in_the_residual(offset: float) -> None:
    found = seen(turn(60), [(60.0, -30.0, 12.0)], offset_mm=offset)
    assert found.offset_mm == pytest.approx(offset, abs=4 * found.offset_noise_mm)
    assert found.offset_noise_mm < 0.02
    assert found.residual_mm < 2.0 * found.residual_noise_mm
    assert found.sources[0].left_mm == pytest.approx(60.0, abs=0.1)
    assert found.sources[0].back_mm == pytest.approx(-30.0, abs=0.1)


def test_the_noise_of_the_offset_is_what_it_scatters_by() -> None:
    angles = turn(16)
    found = [seen(angles, [(50.0, 20.0, 0.0)], seed=seed, counts=500.0) for seed in range(30)]
    pulls = np.array([one.offset_mm / one.offset_noise_mm for one in found])
    assert abs(pulls.mean()) < 4 / np.sqrt(30)
    assert 0.6 < pulls.std() < 1.5


@pytest.mark.parametrize("columns", [63, 64])
def test_the_middle_of_the_pixels_is_zero_whether_they_are_odd_or_even(columns: int) -> None:
    found = seen(turn(32), [(40.0, 0.0, 0.0)], columns=columns)
    assert found.offset_mm == pytest.approx(0.0, abs=4 * found.offset_noise_mm)


def test_several_sources_along_the_axis_tell_a_head_that_is_turned_in_its_plane() -> None:
    angles = turn(32)
    low, high = (point_views(angles, [(50.0, 10.0, z)], offset_mm=offset) for z, offset in ((-80.0, 0.0), (80.0, 2.0)))
    found = head_alignment(angles, tracks(np.rint(low + high), PIXEL, **SIZE))
    assert [round(one.up_mm) for one in found.sources] == [-80, 80]
    assert found.offset_mm == pytest.approx(1.0, abs=0.05)
    assert found.offset_range_mm == pytest.approx(2.0, abs=0.05)


def test_a_head_that_shifts_along_the_axis_is_told_beside_the_offset() -> None:
    angles = turn(32)
    found = seen(angles, [(50.0, 10.0, 0.0)], moved_mm=np.where(np.arange(32) == 7, 3.0, 0.0), counts=20_000.0)
    assert found.axial_mm == pytest.approx(3.0 * 31 / 32, abs=0.2)
    assert found.axial_noise_mm < 0.2


@pytest.mark.parametrize("orientation", [PatientOrientation.HFS, PatientOrientation.FFS, PatientOrientation.FFP])
@pytest.mark.parametrize("sense", list(Rotation))
@pytest.mark.parametrize("apart", [180.0, 90.0])
def test_heads_at_180_and_90_degrees_see_sources_off_axis_at_one_place_whichever_way_they_turn(
    orientation: PatientOrientation, sense: Rotation, apart: float
) -> None:
    made = rotation_of(orientation, sense, views=16, starts_deg=(180.0, 180.0 - apart))
    angles = angles_deg(made)
    heads = [
        head_alignment(angles[place], tracks(made.counts[place, 0].astype(float), 6.0, width_mm=384.0, height_mm=384.0))
        for place in (0, 1)
    ]
    found = heads_apart(*heads)
    assert max(abs(each.offset_mm) for each in heads) < 0.15
    assert found.transverse_mm < 0.3
    assert abs(found.axial_mm) < 0.15


def test_half_a_turn_of_equal_steps_is_enough_and_less_is_refused() -> None:
    assert arc_deg(turn(32, 180.0)) == pytest.approx(180.0)
    assert arc_deg(turn(60)) == pytest.approx(360.0)
    assert arc_deg(turn(60)[::-1]) == pytest.approx(360.0)
    found = seen(turn(32, 180.0), [(60.0, -30.0, 0.0)], offset_mm=2.0)
    assert found.offset_mm == pytest.approx(2.0, abs=4 * found.offset_noise_mm)
    with pytest.raises(RefusedError, match=r"32 views over 1\d\d degrees; at least 8 over 180"):
        seen(turn(32, 170.0), [(60.0, -30.0, 0.0)])


def test_one_view_too_few_counts_and_a_source_out_of_the_field_are_refused_in_words() -> None:
    with pytest.raises(RefusedError, match="1 views over 0 degrees"):
        seen(turn(1), [(10.0, 0.0, 0.0)])
    with pytest.raises(LimitError, match="view 0: a point source of"):
        seen(turn(16), [(10.0, 0.0, 0.0)], counts=40.0)
    with pytest.raises(LimitError, match="nan counts"):
        refined(np.full((64, 64), np.nan), PIXEL, (0.0, 0.0))
    with pytest.raises(RefusedError, match=r"leaves the field of view of 300 x 300 mm in \d+ of 16 views"):
        seen(turn(16), [(145.0, 0.0, 0.0)])
    with pytest.raises(RefusedError, match="has no angle"):
        head_alignment(np.append(turn(15), np.nan), tracks(point_views(turn(16), [(10.0, 0.0, 0.0)]), PIXEL, **SIZE))


def test_heads_that_see_different_numbers_of_sources_are_not_compared() -> None:
    angles = turn(16)
    one, two = seen(angles, [(40.0, 0.0, 0.0)]), seen(angles, [(40.0, 0.0, -70.0), (40.0, 0.0, 70.0)])
    with pytest.raises(RefusedError, match="sees 1 sources, the other 2"):
        heads_apart(one, two)


def test_pictures_that_turn_more_than_the_encoder_says_are_told() -> None:
    told = turn(60)
    counts = point_views(told * 1.01, [(80.0, 0.0, 0.0)], counts=50_000.0)
    fit = head_alignment(told, tracks(counts, PIXEL, **SIZE)).sources[0]
    value, noise = angle_scale(told, fit)
    assert value == pytest.approx(1.0, abs=0.05)
    assert 0 < noise < 0.05
    assert even_steps(told) == pytest.approx(0.0, abs=1e-9)
    assert even_steps(np.where(np.arange(60) == 30, told + 0.7, told)) == pytest.approx(0.7, abs=0.05)


def test_what_chance_makes_of_largest_values_is_what_is_drawn() -> None:
    random = np.random.default_rng(5)
    drawn = np.abs(random.normal(size=(4000, 60))).max(axis=1)
    assert np.median(drawn) == pytest.approx(largest_by_chance(60), abs=0.03)
    distances = np.hypot(*random.normal(size=(2, 4000, 9))).max(axis=1)
    assert distances.mean() == pytest.approx(rayleigh_mean(1.0, 9), abs=0.04)
    assert rayleigh_mean(1.0, 60) == pytest.approx(3.0, abs=0.1)
