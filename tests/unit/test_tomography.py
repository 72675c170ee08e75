"""Projections: angles about the patient, slices at the same place however things turned, and who moved."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from support_framed import head, static
from support_projecting import OCTANTS_MM, STRENGTHS, rotation_of
from support_sheets import BODY, rotation

from daq.composition.quicklookslices import Volume, back_projected, missing_angles
from daq.errors import MismatchError
from daq.model.framed import Pixels
from daq.model.geometry import PatientOrientation, Rotation
from daq.pipeline.tomography import angles_deg, motion_check, projections


def around(volume: Volume, place_mm: tuple[float, float, float], by: int = 3) -> tuple[float, float, float]:
    """Return the middle of what is around a place, mm."""
    n = volume.values.shape[1]
    at = [
        round((place_mm[2] - volume.y0_mm) / volume.voxel_mm - 0.5),
        *(round(mm / volume.voxel_mm + (n - 1) / 2) for mm in (place_mm[1], place_mm[0])),
    ]
    cut = tuple(slice(max(0, one - by), one + by + 1) for one in at)
    part = np.maximum(volume.values[cut], 0)
    middle = [
        float((part.sum(axis=tuple({0, 1, 2} - {axis})) * np.arange(part.shape[axis])).sum() / part.sum())
        for axis in range(3)
    ]
    found = tuple(cut[axis].start + middle[axis] for axis in range(3))
    return volume.place_mm(found)  # type: ignore[arg-type]


@pytest.mark.parametrize(("orientation", "sense"), [*product(PatientOrientation, Rotation)])
def test_every_octant_comes_out_where_it_is_however_the_patient_lies_and_the_heads_turn(
    orientation: PatientOrientation, sense: Rotation
) -> None:
    taken = projections(rotation_of(orientation, sense, starts_deg=(180.0, 90.0), arc_deg=180.0))
    volume = back_projected(taken, -192.0, most=32)

    for place in OCTANTS_MM[STRENGTHS >= 5]:  # the weaker ones lie in the streaks of the stronger
        assert around(volume, tuple(place), by=2) == pytest.approx(tuple(place), abs=3.0)


@pytest.mark.parametrize("columns", [63, 64])
def test_a_source_on_the_axis_is_in_the_middle_whether_columns_are_odd_or_even(columns: int) -> None:
    pixels = Pixels(-columns * 2.0, -128.0, 4.0, columns, 64)
    both = rotation([(0.0, 0.0, 0.0, 12.0, 1000.0)], pixels=pixels)
    one = replace(both, heads=both.heads[:1], counts=both.counts[:1], outside=both.outside[:1])  # two hide an offset
    volume = back_projected(projections(one), -128.0)

    assert around(volume, (0.0, 0.0, 0.0))[:2] == pytest.approx((0.0, 0.0), abs=0.1)


def test_many_pixels_are_added_up_and_the_place_stays() -> None:
    fine = Pixels(-128.0, -128.0, 2.0, 128, 128)
    volume = back_projected(projections(rotation(pixels=fine)), -128.0, most=50)

    assert (volume.values.shape, volume.voxel_mm) == ((43, 43, 43), 6.0)
    assert around(volume, BODY[0][:3]) == pytest.approx(BODY[0][:3], abs=volume.voxel_mm / 2)


def test_views_that_lasted_less_count_as_the_others() -> None:
    short = [4.0] * 8 + [10.0] * 22
    same, other = (back_projected(projections(each), -128.0).values for each in (rotation(), rotation(live_s=short)))

    assert np.abs(other / other.max() - same / same.max()).max() < 0.03


def test_without_the_gantry_s_place_views_have_equal_angles_in_their_direction() -> None:
    made = rotation(views=6)
    unknown = replace(made, rotation="CW", slots=replace(made.slots, gantry_deg=np.full(6, np.nan)))

    assert angles_deg(unknown)[0].tolist() == pytest.approx([180.0, 150.0, 120.0, 90.0, 60.0, 30.0])


def test_what_has_no_angles_is_refused_in_words() -> None:
    nowhere = replace(rotation(), heads=(replace(head(0, 0.0), angle_deg=None), head(1, 0.0)))

    with pytest.raises(MismatchError, match="at which angles"):
        projections(nowhere)
    with pytest.raises(MismatchError, match="at which angles"):
        projections(static())
    with pytest.raises(MismatchError, match="fewer than 4"):
        projections(rotation(views=1))


def test_a_patient_who_lies_still_has_a_middle_that_does_not_move_and_a_sine_across() -> None:
    found = motion_check(projections(rotation()))

    assert found.largest_up_mm < 0.2
    assert found.largest_across_mm < 0.2
    assert np.ptp(found.across_mm) > 10.0
    assert 0 < found.noise_mm < 1.0


def test_a_patient_who_moves_makes_a_step_as_high_as_the_movement() -> None:
    found = motion_check(projections(rotation(moved_mm=8.0)))

    for head_number in (0, 1):
        course = found.up_mm[found.head == head_number]
        assert course[15:].mean() - course[:15].mean() == pytest.approx(8.0, abs=0.3)


def test_a_view_without_counts_leaves_a_gap_in_the_course() -> None:
    made = rotation()
    made.counts[0, :, 7] = 0
    found = motion_check(projections(made))

    assert np.flatnonzero(np.isnan(found.up_mm)).tolist() == [7]
    assert found.largest_up_mm < 0.2


def test_a_range_of_angles_that_is_missing_is_named_and_even_ones_are_not() -> None:
    even = np.arange(0.0, 180.0, 6.0)

    assert missing_angles(np.append(even, even + 180.0)) is None
    assert missing_angles(even[even <= 36.0]) == (36.0, 180.0)
