"""Views, angles and axes by what they mean in the room; pixels and light by closed forms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import RefusedError
from daq.model.geometry import (
    VIEW_ANGLE_DEG,
    Laterality,
    PatientOrientation,
    Rotation,
    View,
    detector_direction,
    gantry_to_lps,
    index_to_mm,
    light_time_ps,
    line_length_mm,
    minimum_half_window_ps,
    mm_to_index,
    mm_to_tof_ps,
    patient_angle_deg,
    patient_rotation,
    picture_axes,
    require_laterality,
    step_angle_deg,
    tof_to_mm,
    view_angle_deg,
)

LEFT, POSTERIOR, HEAD = np.eye(3)
orientations = st.sampled_from(PatientOrientation)
angles = st.floats(-720.0, 720.0)


@pytest.mark.parametrize(
    ("view", "towards"),
    [
        (View.POST, POSTERIOR),
        (View.LLAT, LEFT),
        (View.ANT, -POSTERIOR),
        (View.RLAT, -LEFT),
        (View.LAO, (LEFT - POSTERIOR) / 2**0.5),
        (View.RAO, (-LEFT - POSTERIOR) / 2**0.5),
        (View.LPO, (LEFT + POSTERIOR) / 2**0.5),
        (View.RPO, (-LEFT + POSTERIOR) / 2**0.5),
    ],
)
def test_a_view_is_named_by_the_side_that_faces_the_detector(view: View, towards: npt.NDArray[np.float64]) -> None:
    assert detector_direction(view_angle_deg(view)) == pytest.approx(towards)


def test_dicom_zero_is_the_back_ninety_the_left_side_and_180_anterior() -> None:
    assert [VIEW_ANGLE_DEG[view] for view in (View.POST, View.LLAT, View.ANT, View.RLAT)] == [0, 90, 180, 270]


def test_an_anterior_picture_has_the_patients_left_at_the_viewers_right() -> None:
    right, up = picture_axes(180.0)

    assert right == pytest.approx(LEFT)
    assert up == pytest.approx(HEAD)


def test_a_posterior_picture_has_the_patients_left_at_the_viewers_left() -> None:
    assert picture_axes(0.0)[0] == pytest.approx(-LEFT)


def test_a_left_lateral_picture_has_the_patients_front_at_the_viewers_left() -> None:
    assert picture_axes(90.0)[0] == pytest.approx(POSTERIOR)


@given(angles)
def test_no_picture_is_mirrored(angle: float) -> None:
    right, up = picture_axes(angle)

    assert np.cross(right, up) == pytest.approx(detector_direction(angle), abs=1e-12)


@pytest.mark.parametrize("view", [View.CC, View.MLO])
def test_a_breast_view_without_laterality_is_refused(view: View) -> None:
    with pytest.raises(RefusedError, match=rf"^view {view}: a breast view needs its laterality, L or R$"):
        require_laterality(view, None)


def test_a_breast_view_with_laterality_and_a_trunk_view_without_are_allowed() -> None:
    require_laterality(View.CC, Laterality.LEFT)
    require_laterality(View.ANT, None)


def test_a_breast_view_has_no_angle_about_the_trunk() -> None:
    with pytest.raises(RefusedError, match=r"^view CC: it has no angle about the trunk$"):
        view_angle_deg(View.CC)


def test_counter_clockwise_lets_the_angle_grow_and_clockwise_lets_it_fall() -> None:
    assert [step_angle_deg(350.0, 6.0, i, Rotation.CC) for i in range(4)] == [350, 356, 2, 8]
    assert [step_angle_deg(6.0, 6.0, i, Rotation.CW) for i in range(4)] == [6, 0, 354, 348]


def test_a_negative_angular_step_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"^angular step -6 deg: it must be above zero; the direction is CC or CW$"):
        step_angle_deg(0.0, -6.0, 1, Rotation.CC)


@given(angles, st.floats(1e-300, 90.0), st.integers(0, 1000), st.sampled_from(Rotation))
def test_a_step_angle_is_always_within_one_turn(start: float, step: float, i: int, rotation: Rotation) -> None:
    assert 0.0 <= step_angle_deg(start, step, i, rotation) < 360.0


@pytest.mark.parametrize("orientation", PatientOrientation)
def test_the_side_that_is_lain_on_points_down_and_the_end_named_first_points_into_the_gantry(
    orientation: PatientOrientation,
) -> None:
    down = {"S": POSTERIOR, "P": -POSTERIOR, "DL": LEFT, "DR": -LEFT}[orientation[2:]]
    into = {"H": HEAD, "F": -HEAD}[orientation[0]]

    matrix = gantry_to_lps(orientation)

    assert (matrix @ [0, 1, 0]).tolist() == down.tolist()
    assert (matrix @ [0, 0, 1]).tolist() == into.tolist()
    assert np.linalg.det(matrix) == pytest.approx(1.0)


@given(angles, orientations)
def test_the_patient_angle_points_where_the_rotated_detector_is(angle: float, orientation: PatientOrientation) -> None:
    expected = gantry_to_lps(orientation) @ detector_direction(angle)

    patient = patient_angle_deg(angle, orientation)

    assert 0.0 <= patient < 360.0
    assert detector_direction(patient) == pytest.approx(expected, abs=1e-9)


@given(st.floats(0.0, 360.0), orientations, st.sampled_from(Rotation))
def test_turning_the_gantry_turns_the_patient_angle_in_the_stated_direction(
    start: float, orientation: PatientOrientation, gantry: Rotation
) -> None:
    moved = patient_angle_deg(step_angle_deg(start, 6.0, 1, gantry), orientation)

    expected = step_angle_deg(patient_angle_deg(start, orientation), 6.0, 1, patient_rotation(gantry, orientation))

    assert (moved - expected + 180.0) % 360.0 == pytest.approx(180.0, abs=1e-6)


@pytest.mark.parametrize("gantry", Rotation)
@pytest.mark.parametrize("orientation", PatientOrientation)
def test_an_asymmetric_source_is_found_at_the_same_lps_place_whichever_way_the_patient_lies_and_the_gantry_turns(
    orientation: PatientOrientation, gantry: Rotation
) -> None:
    """Project a point in gantry axes, as the hardware does; find it again from patient angles alone."""
    source_lps = np.array([31.0, -47.0, 112.0])
    source_gantry = gantry_to_lps(orientation).T @ source_lps
    head_up = 1.0 if orientation.startswith("H") else -1.0
    rows, seen = [], []
    for i in range(8):
        angle = step_angle_deg(13.0, 45.0, i, gantry)
        across = np.cross(-detector_direction(angle), [0.0, 0.0, head_up])
        right, up = picture_axes(patient_angle_deg(angle, orientation))
        rows += [right, up]
        seen += [across @ source_gantry, head_up * source_gantry[2]]

    found, *_ = np.linalg.lstsq(np.array(rows), np.array(seen), rcond=None)

    assert found == pytest.approx(source_lps)


def test_pixel_centres_lie_symmetrically_about_zero() -> None:
    assert index_to_mm([0, 1, 2, 3], 4, 2.0).tolist() == [-3.0, -1.0, 1.0, 3.0]
    assert index_to_mm([0, 1, 2], 3, 2.0).tolist() == [-2.0, 0.0, 2.0]


def test_half_a_pixel_of_128_on_540_mm_is_2_1_mm() -> None:
    assert index_to_mm(64, 128, 540.0 / 128) == pytest.approx(2.109375)


@given(st.floats(-10.0, 5000.0), st.integers(1, 4096), st.floats(0.01, 20.0))
def test_index_and_millimetres_are_inverse(index: float, count: int, pixel_mm: float) -> None:
    assert mm_to_index(index_to_mm(index, count, pixel_mm), count, pixel_mm) == pytest.approx(index, abs=1e-6)


def test_light_takes_one_metre_in_3335_64_ps() -> None:
    assert light_time_ps(1000.0) == pytest.approx(3335.6409519815204)


def test_a_line_of_response_is_the_distance_of_its_ends() -> None:
    ends_a, ends_b = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]), np.array([[3.0, 4.0, 12.0], [1.0, 1.0, 1.0]])

    assert line_length_mm(ends_a, ends_b).tolist() == [13.0, 0.0]


def test_a_field_of_view_of_70_cm_needs_a_half_window_of_2_33_ns() -> None:
    assert minimum_half_window_ps(700.0) == 2335


def test_timing_blur_adds_three_sigma_to_the_half_window() -> None:
    assert minimum_half_window_ps(700.0, timing_sigma_ps=100.0) == 2635


def test_214_ps_are_32_08_mm_along_the_line() -> None:
    assert tof_to_mm(214.0) == pytest.approx(32.08, abs=0.005)


def test_a_photon_that_reaches_detector_a_first_was_born_nearer_to_it() -> None:
    a, b = np.array([-300.0, 0.0, 0.0]), np.array([300.0, 0.0, 0.0])
    source = np.array([-100.0, 0.0, 0.0])
    tof_ps = light_time_ps(line_length_mm(source, b)) - light_time_ps(line_length_mm(source, a))

    assert tof_ps > 0
    assert tof_to_mm(tof_ps) == pytest.approx(100.0)


@given(st.floats(-1e6, 1e6))
def test_time_of_flight_and_millimetres_are_inverse(tof_ps: float) -> None:
    assert mm_to_tof_ps(tof_to_mm(tof_ps)) == pytest.approx(tof_ps)
