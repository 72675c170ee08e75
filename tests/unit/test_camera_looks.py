"""Live figures of heads: images of the step, what fades, rates, dead time, peaks; exact where they can be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from daq.listmode.columns import decoded_columns
from daq.model.events import MARKS
from daq.model.framed import Pixels
from daq.model.headcalibration import Grid, HeadCorrections
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow, WindowSet
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.framing import FramingRule, pictures_of
from daq.pipeline.framingrules import frame_of
from daq.readout.cameralooks import FADES_S, ROOM, SMOOTH_PIXELS, CameraLooks, camera_rule, pixels_of
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

S = 1_000_000_000
WINDOWS = (EnergyWindow(126, 154, "peak"), EnergyWindow(110, 126, "scatter"))
RULE = FramingRule(Pixels(-16.0, -16.0, 2.0, 16, 16), (0, 1), WINDOWS, EnergyAxis(0.0, 0.5, 512))
LAYOUT = load_profile("head-xye64").layout


def events(count: int, *, time_ps: int = 0, seed: int = 0, kev: float = 140.0) -> dict[Any, Any]:
    random = np.random.default_rng(seed)
    energy = random.normal(kev, 6.0, count).astype("f4")
    singles = {
        "time_ps": np.full(count, time_ps, np.int64), "x_mm": random.uniform(-16, 16, count).astype("f4"),
        "y_mm": random.uniform(-16, 16, count).astype("f4"), "energy_kev": energy,
        "head": random.integers(0, 2, count).astype("u1"), "windows": WindowSet(WINDOWS).mask(energy),
    }  # fmt: skip
    return {"singles": singles}


def looks(rule: FramingRule = RULE) -> CameraLooks:
    return CameraLooks(rule, "looks", now_ns=0)


def test_images_and_spectra_are_those_that_the_file_gives_later() -> None:
    seen = looks()
    seen.view(1, 0, None)
    parts = [events(500, time_ps=t, seed=t) for t in range(5)]
    for part in parts:
        seen.see(part)

    arrays, later = seen.arrays(S), pictures_of([part["singles"] for part in parts], RULE)
    np.testing.assert_array_equal(arrays["images"], later.images)
    np.testing.assert_array_equal(arrays["spectra"], later.spectra)
    np.testing.assert_array_equal(arrays["window_counts"], later.inside)
    assert arrays["images"].sum() > 2000


def test_a_step_has_the_events_of_its_times_alone() -> None:
    seen = looks()
    seen.view(1, 10, None)
    seen.see(events(100, time_ps=9))
    seen.see(events(100, time_ps=10))
    seen.view(1, 10, 20)
    seen.see({"singles": {name: np.concatenate([events(50, time_ps=t)["singles"][name] for t in (20, 21)])
                          for name in events(1)["singles"]}})  # fmt: skip
    seen.see(events(100, time_ps=15))  # came after the slice that ended the step

    ended = seen.arrays(S)
    assert (int(ended["view"][0]), int(ended["spectra"].sum())) == (1, 150)
    seen.view(2, 30, None)
    seen.see(events(70, time_ps=31))
    begun = seen.arrays(2 * S)
    assert (int(begun["view"][0]), int(begun["spectra"].sum())) == (2, 70)


def test_what_comes_while_paused_or_between_steps_fades_but_is_in_no_image() -> None:
    seen = looks()
    seen.view(1, 0, None, paused=True)
    seen.see(events(1000))
    paused = seen.arrays(0)
    counted, in_images = float(paused["persistence"][0].sum()), int(paused["images"].sum())
    seen.view(1, 0, 5)
    seen.see(events(10))
    seen.see(events(1000, time_ps=6, seed=1))
    between = seen.arrays(0)

    assert in_images == 0
    assert 900 < counted <= 1000
    assert between["spectra"].sum() == 10
    assert between["persistence"][0].sum() > counted + 900


def test_images_fade_by_their_times_however_often_they_are_shown() -> None:
    often, seldom = looks(), looks()
    for one in (often, seldom):
        one.see(events(1000))
    first = often.arrays(0)["persistence"].copy()
    seldom.arrays(0)
    for tick in range(1, 21):
        shown = often.arrays(tick * S // 10)["persistence"]
    rarely = seldom.arrays(2 * S)["persistence"]

    for at, fade_s in enumerate(FADES_S):
        np.testing.assert_allclose(shown[at], first[at] * math.exp(-2.0 / fade_s), rtol=1e-4)
        np.testing.assert_allclose(shown[at], rarely[at], rtol=1e-4)


def test_a_steady_source_fades_to_its_rate_times_the_time() -> None:
    seen = looks()
    for tick in range(1, 101):
        seen.see(events(200, seed=tick))
        shown = seen.arrays(tick * S // 10)

    for at, fade_s in enumerate(FADES_S[:2]):
        per_tick = 1.0 / (1.0 - math.exp(-0.1 / fade_s)) * (1.0 - math.exp(-10.0 / fade_s))
        assert shown["persistence"][at].sum() == pytest.approx(shown["images"].sum() / 100 * per_tick, rel=0.03)


def test_rates_are_of_all_that_came_though_half_was_skipped() -> None:
    seen, whole = looks(), looks()
    for tick in range(1, 31):
        part = events(400, seed=tick)
        (seen.see if tick % 2 else seen.skip)(part)
        whole.see(part)
        shown, truth = seen.arrays(tick * S // 10), whole.arrays(tick * S // 10)

    assert shown["head_rates_per_s"].sum() == pytest.approx(4000)
    assert truth["head_rates_per_s"].sum() == pytest.approx(4000)
    np.testing.assert_allclose(shown["window_rates_per_s"], truth["window_rates_per_s"], rtol=0.25, atol=30)
    assert shown["images"].sum() == pytest.approx(truth["images"].sum() / 2, rel=0.02)


def test_rates_without_a_row_looked_at_are_not_known() -> None:
    seen = looks()
    for tick in range(1, 21):
        seen.skip(events(10))
        shown = seen.arrays(tick * S // 10)

    assert np.isnan(shown["head_rates_per_s"]).all()


def test_marks_of_dead_time_are_read_though_rows_are_skipped() -> None:
    seen = looks()
    marks = {
        "kind": np.uint8([MARKS.index("dead_time"), MARKS.index("temperature"), MARKS.index("dead_time")]),
        "source": np.uint16([1, 1, 7]), "value": np.int64([250, 3, 9]), "value2": np.float64([0.8, 21.0, 0.1]),
    }  # fmt: skip
    seen.see({"marks": marks})
    seen.skip({"marks": {**marks, "value2": np.float64([0.7, 21.0, 0.1])}})
    shown = seen.arrays(S)

    assert math.isnan(shown["live_share"][0])
    assert (shown["live_share"][1], shown["not_converted"].tolist()) == (0.7, [0, 500])


def test_the_peak_of_each_head_is_found_within_its_error() -> None:
    seen = looks()
    for at, kev in enumerate((140.5, 137.0)):
        part = events(20_000, seed=at, kev=kev)
        part["singles"]["head"][:] = at
        seen.see(part)
    shown = seen.arrays(2 * S)

    z = (shown["peak_kev"][:, 0] - (140.5, 137.0)) / shown["peak_error_kev"][:, 0]
    assert np.abs(z).max() < 4.0
    assert np.isnan(shown["peak_kev"][:, 1]).all()


def test_many_windows_and_heads_share_the_pixels_that_are_shown() -> None:
    windows = tuple(EnergyWindow(10 * i, 10 * i + 10, f"w{i}") for i in range(16))
    rule = camera_rule(decoded_columns(LAYOUT)["singles"], LAYOUT, Processing(windows=windows), range(8))

    assert rule is not None
    side, images = ROOM[1]
    assert pixels_of(rule) == 8 * 16 * rule.frame.columns * rule.frame.rows <= images * side**2
    assert rule.frame.columns * rule.frame.pixel_mm == pytest.approx(614.4)


@pytest.mark.parametrize(("windows", "most"), [(1, 256), (2, 256), (3, 128), (16, 128)])
def test_two_heads_have_pictures_of_256_pixels_where_windows_are_few(windows: int, most: int) -> None:
    named = tuple(EnergyWindow(10 * i, 10 * i + 10, f"w{i}") for i in range(windows))
    rule = camera_rule(decoded_columns(LAYOUT)["singles"], LAYOUT, Processing(windows=named), range(2))

    assert rule is not None
    assert most / 2 < max(rule.frame.columns, rule.frame.rows) <= most
    assert (pixels_of(rule) <= SMOOTH_PIXELS) is (windows <= 8)


def test_the_frame_follows_the_sensors_where_there_are() -> None:
    sensors = load_scanner("fers-compact-camera").heads[0].sensors
    assert sensors is not None
    processing = Processing(heads=(HeadCorrections(head=0, sensors=sensors),))
    frame = frame_of(LAYOUT, processing, most_pixels=128)

    reach_mm = max(map(abs, (*sensors.x_mm, *sensors.y_mm))) + sensors.width_mm / 2
    assert frame.x0_mm <= -reach_mm < frame.x0_mm + frame.pixel_mm
    assert frame.columns <= 128


def test_weighted_images_are_there_where_a_map_is() -> None:
    flat = Grid.of(np.full((1, 1), 0.5), x0_mm=0, y0_mm=0, pitch_mm=1)
    seen = looks(FramingRule(RULE.frame, RULE.heads, WINDOWS, RULE.axis, {(1, "peak"): flat}))
    seen.see(events(500))
    shown = seen.arrays(S)

    assert "images_weighted" not in looks().arrays(0)
    np.testing.assert_array_equal(shown["images_weighted"], shown["images"][1:, 0] * 32768)
    assert seen.about["weighted"] == [[1, 0]]


def test_a_peak_off_the_middle_of_its_window_is_warned_of_when_it_is_seen_again() -> None:
    seen = looks()
    for second in range(3):
        for head, kev in ((0, 140.5), (1, 131.0)):
            part = events(20_000, seed=2 * second + head, kev=kev)
            part["singles"]["head"][:] = head
            seen.see(part)
        seen.arrays((1 + 2 * second) * 10**9)
        expected = ["head 1: the peak of peak 126-154 keV is not in the middle half of the window"] if second else []
        assert seen.warnings == expected
    assert seen.rule.heads == (0, 1)
