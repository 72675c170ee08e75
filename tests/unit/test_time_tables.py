"""Events into slots by time tables, against plain arithmetic, whatever the cut and the order of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_framing import HEADS, MS, Marks, Rows, S, dynamic, framed, rows_of, setup, step

from daq.errors import RefusedError
from daq.model.framed import ImageKind, Pixels
from daq.model.geometry import PatientOrientation
from daq.model.headcalibration import Grid
from daq.model.protocol import FrameZero, Image, Phase
from daq.model.windows import EnergyWindow
from daq.pipeline.binning import Bins
from daq.pipeline.seriesrule import HeadFacts, SeriesRule, rules_of
from daq.pipeline.timetable import TimeTable, frames_table, joined, without

WINDOWS = (EnergyWindow(20, 60, "low"), EnergyWindow(40, 90, "high"))
PIXELS = Pixels(-6.0, -4.0, 1.0, 12, 8)


def rule_of(**changes: object) -> SeriesRule:
    about = setup(windows=WINDOWS, heads=(HeadFacts(3), HeadFacts(1)))
    return SeriesRule(**{
        "name": "a", "key": "a", "kind": ImageKind.DYNAMIC, "pixels": PIXELS, "slots": 4, "setup": about,
        "windows": WINDOWS, "bits": (0, 1), **changes,
    })  # fmt: skip


def random_rows(random: np.random.Generator, length: int) -> Rows:
    x = random.uniform(-8, 8, length).astype("f4")
    x[random.random(length) < 0.1] = np.nan
    return rows_of(
        np.sort(random.integers(0, 100, length)), x, random.uniform(-6, 6, length), head=random.integers(0, 5, length),
        windows=random.integers(0, 4, length),
    )  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 1200), st.lists(st.integers(0, 1200), max_size=4), st.booleans())
def test_events_are_counted_as_by_plain_arithmetic(seed: int, length: int, cuts: list[int], mixed: bool) -> None:
    random = np.random.default_rng(seed)
    rows = random_rows(random, length)
    edges = np.sort(random.choice(100, 10, replace=False))
    table = TimeTable.of(
        edges[0::2], edges[1::2], random.integers(0, 4, 5), random.uniform(-3, 3, 5), random.uniform(-0.1, 0.1, 5)
    )
    bins = Bins(rule_of())
    order = random.permutation(length) if mixed else np.arange(length)
    for part in np.split(order, sorted(min(cut, length) for cut in cuts)):
        bins.add({name: column[part] for name, column in rows.items()}, table)

    counts, inside = np.zeros(bins.counts.shape, int), np.zeros((2, 2), int)
    for i in range(length):
        at = np.flatnonzero((table.begin_ps <= rows["time_ps"][i]) & (rows["time_ps"][i] < table.end_ps))
        if not len(at) or rows["head"][i] not in (3, 1):
            continue
        head, slot = int(rows["head"][i] == 1), table.slot[at[0]]
        since = rows["time_ps"][i] - table.begin_ps[at[0]]
        x = float(rows["x_mm"][i])
        y = float(rows["y_mm"][i]) + table.shift_mm[at[0]] + table.shift_per_ps[at[0]] * since
        for window in (0, 1):
            if rows["windows"][i] >> window & 1:
                inside[head, window] += 1
                if -6 <= x < 6 and -4 <= y < 4:
                    counts[head, window, slot, int(np.floor(y + 4)), int(np.floor(x + 6))] += 1
    assert bins.counts.tolist() == counts.tolist()
    assert bins.outside.tolist() == (inside - counts.sum(axis=(2, 3, 4))).tolist()


def test_a_table_cut_to_spans_keeps_slots_and_shifts() -> None:
    table = TimeTable.of([0, 100], [100, 300], [0, 1], [0.0, 10.0], [0.1, -0.1])
    cut = table.within([(50, 120), (200, 250), (400, 500)])

    assert cut.begin_ps.tolist() == [50, 100, 200]
    assert cut.end_ps.tolist() == [100, 120, 250]
    assert cut.slot.tolist() == [0, 1, 1]
    assert cut.shift_mm.tolist() == pytest.approx([5.0, 10.0, 0.0])
    assert cut.shift_end_mm.tolist() == pytest.approx([10.0, 8.0, -5.0])
    assert cut.live_ps(3).tolist() == [50, 70, 0]
    assert cut.slots_at(np.array([49, 50, 99, 119, 120, 249, 250])).tolist() == [-1, 0, 0, 1, -1, 1, -1]
    assert len(joined([])) == 0


def test_holes_leave_what_is_between_them() -> None:
    assert without((0, 100), [(10, 20), (15, 30), (90, 200)]) == [(0, 10), (30, 90)]
    assert without((0, 100), [(-5, 200)]) == []
    assert frames_table(7, [(2, 10), (1, 5)]).end_ps.tolist() == [17, 27, 32]


def test_frames_of_a_dynamic_study_follow_the_clock_through_a_pause() -> None:
    marks = Marks().add("start", 0, "flow").add("pause", 1500 * MS).add("resume", 2250 * MS).add("stop", 5 * S, "time")
    (found,) = framed(setup(dynamic((3, S), (1, 2 * S))), marks, rows_of(np.arange(0, 6000, 250) * MS))

    assert found.kind is ImageKind.DYNAMIC
    assert found.slots.live_ps.tolist() == [S, 500 * MS + 1, 750 * MS - 1, 2 * S]
    assert found.counts.sum(axis=(0, 1, 3, 4)).tolist() == [4, 3, 2, 8]  # the last before a pause counts, as at a stop
    assert (found.slots.phase.tolist(), found.slots.time_slice.tolist()) == ([0, 0, 0, 1], [0, 1, 2, 0])
    assert found.slots.end_ps.tolist() == [S, 2 * S, 3 * S, 5 * S]


def test_frames_wait_for_the_bolus_and_begin_with_it() -> None:
    zero = FrameZero("count_rate", 1000.0)
    said = setup(dynamic((2, S), frame_zero=zero))
    marks = Marks().add("start", 0, "flow").add("frame_zero", 3 * S).add("stop", 5 * S, "time")
    rows = rows_of(np.arange(0, 6000, 100) * MS)

    (found,) = framed(said, marks, rows)
    (never,) = framed(said, Marks().step("flow", 0, 5 * S), rows)

    assert (found.frame_zero_ps, found.slots.begin_ps.tolist()) == (3 * S, [3 * S, 4 * S])
    assert found.counts.sum(axis=(0, 1, 3, 4)).tolist() == [10, 10]
    assert never.slots.begin_ps.tolist() == [0, S]
    assert never.notes == ("what frames were to begin with never came: they begin with the step",)


def test_frames_that_have_not_begun_are_not_there() -> None:
    (found,) = framed(setup(dynamic((60, S))), Marks().step("flow", 0, 2500 * MS), rows_of([100 * MS]))

    assert len(found.slots) == 3
    assert found.slots.live_ps.tolist() == [S, S, 500 * MS + 1]


def test_a_pause_of_a_static_view_does_not_count() -> None:
    marks = Marks().add("start", 0, "a step").add("pause", S).add("resume", 2 * S).add("stop", 3 * S, "time")
    (found,) = framed(setup(step()), marks, rows_of([S, S + 1, 2 * S, 2 * S + 1, 3 * S, 3 * S + 1]))

    assert int(found.counts.sum()) == 3
    assert int(found.slots.live_ps[0]) == 2 * S + 1


def test_a_head_that_falls_silent_is_named_in_every_step_until_it_is_heard() -> None:
    marks = Marks().add("start", 0, "a").add("silent", 3 * S, source=1, value2=1.5).add("stop", 4 * S, "time")
    marks.add("step", 5 * S, "b: end").add("stop", 6 * S, "time").add("heard", 7 * S, source=1)
    marks.add("silent", 7 * S, "service", source=0, value2=9.0).add("step", 8 * S, "c: end").add("stop", 9 * S, "time")

    assert [one.notes for one in framed(setup(), marks)] == [
        ("source 1 was silent in step 1 from 1.5 s on",), ("source 1 was silent in step 2 from 0.0 s on",), (),
    ]  # fmt: skip


def test_words_that_are_missing_shorten_the_live_time_of_their_frame() -> None:
    marks = Marks().add("start", 0, "flow").add("gap", 1500 * MS, source=1, value=25).add("jump", 1600 * MS, value=-5)
    marks.add("stop", 3 * S, "time")
    rows = rows_of(np.arange(0, 3000, 10) * MS, [400.0] * 300, windows=np.arange(300) % 2)  # wherever they are seen
    (found,) = framed(setup(dynamic((3, S))), marks, rows)

    assert found.slots.live_ps.tolist() == [S, S * 100 // 125, S]
    assert found.notes == (
        "25 words are missing in step 1: live times are shorter by their share",
        "the clock of the front ends went back in step 1: do not rely on its times",
    )


def test_stops_of_a_rotation_are_views_of_one_series() -> None:
    views = [
        step(f"SPECT {n + 1}/4", "spect", positions={"gantry": 90.0 * n}, image=Image(64, 64, 1.0)) for n in range(4)
    ]
    marks = Marks()
    for n in range(3):
        marks.add("position", n * 10 * S - S, "gantry", value2=90.0 * n)
        marks.add("position", n * 10 * S - S, "front_radius", value2=200.0 + n)
        marks.add("start" if n == 0 else "step", n * 10 * S, f"SPECT {n + 1}/4" + (": end" if n else ""))
        marks.add("stop", n * 10 * S + 5 * S, "time=5s")
    (found,) = framed(setup(*views), marks, rows_of(np.arange(30) * S, head=np.arange(30) % 2))

    assert (found.kind, found.name, found.steps) == (ImageKind.TOMO, "SPECT", (1, 2, 3))
    assert found.slots.gantry_deg.tolist() == [0.0, 90.0, 180.0]
    assert found.slots.view.tolist() == [0, 1, 2]
    assert found.counts.sum(axis=(0, 1, 3, 4)).tolist() == [6, 5, 5]
    assert (found.rotation, found.arc_deg, found.completed) == ("CC", 360.0, False)
    assert found.heads[0].radius_mm == (200.0, 201.0, 202.0)
    assert [head.angle_deg for head in found.heads] == [180.0, 0.0]


def test_pictures_of_who_lies_feet_first_are_turned_so_that_the_head_is_up() -> None:
    rows = rows_of([1, 2], 55.0, 105.0)
    marks = Marks().step("a step", 0, S)
    (first,) = framed(setup(step()), marks, rows)
    (feet,) = framed(setup(step(), orientation=PatientOrientation.FFS), marks, rows)

    assert np.array_equal(feet.counts[..., ::-1, ::-1], first.counts)
    assert np.argwhere(first.counts[0, 0, 0]).tolist() == [[15, 16]]


def test_ten_thousand_large_frames_are_refused_in_words() -> None:
    many = dynamic((10_000, S), image=Image(256, 256, 1.0))
    with pytest.raises(RefusedError, match=r"10,000 frames of 256 x 256 pixels, 2 heads, 1 windows need 5\.24 GB"):
        rules_of(setup(many), many, "flow")

    assert rules_of(setup(many, most_pixels=32), many, "flow")[0].pixels.columns == 32


def test_series_that_do_not_fit_together_are_refused_in_words() -> None:
    steps = [dynamic((40, S), name=name, key=name, image=Image(128, 128, 1.0)) for name in ("flow", "renal")]
    marks = Marks().step("flow", 0, 40 * S).step("renal", 50 * S, 90 * S)
    said = setup(*steps, most_cells=60 * 2 * 128 * 128)

    with pytest.raises(RefusedError, match=r"renal: with the series before it pictures need 0\.01 GB; at most"):
        framed(said, marks)


def test_other_frames_make_other_pictures_of_the_same_rows() -> None:
    rows, marks = rows_of(np.arange(0, 4 * S, 10 * MS)), Marks().step("a step", 0, 4 * S)
    (plain,) = framed(setup(step()), marks, rows)
    (cut,) = framed(setup(step(), frames=(Phase(2, S), Phase(1, 2 * S))), marks, rows)

    assert plain.kind is ImageKind.STATIC
    assert cut.kind is ImageKind.DYNAMIC
    assert np.array_equal(cut.counts.sum(axis=2, keepdims=True), plain.counts)


def test_pixels_are_the_matrix_over_the_width_of_the_field() -> None:
    one = step(image=Image(128, 128, 1.35))
    pixels = rules_of(setup(one), one, one.name)[0].pixels

    assert pixels.pixel_mm == pytest.approx(540 / 128 / 1.35)
    assert pixels.x0_mm == pytest.approx(-64 * pixels.pixel_mm)


def test_weights_of_a_uniformity_map_are_of_the_place_on_the_detector() -> None:
    maps = {
        (head.number, "photopeak"): Grid.of(np.array([[0.5, 1.5]]), x0_mm=-100, y0_mm=0, pitch_mm=200) for head in HEADS
    }
    said = setup(step(), uniformity=maps, weighted=True)
    (found,) = framed(said, Marks().step("a step", 0, S), rows_of([1, 2, 3], [-150.0, 150.0, 0.0]))

    assert found.weighted is not None
    assert sorted(found.weighted[found.weighted > 0].tolist()) == [32768, 65536, 98304]


def test_words_on_a_comb_are_spread_over_its_teeth() -> None:
    random = np.random.default_rng(5)
    teeth = random.integers(-200, 200, 200_000) * 0.6
    rows = rows_of(np.sort(random.integers(0, S, len(teeth))), teeth)
    pixels = Pixels(-105.0, -100.0, 2.1, 100, 100)
    (comb,) = framed(setup(field_pixels=pixels), Marks().step("", 0, S), rows)
    (spread,) = framed(setup(field_pixels=pixels, code_mm=(0.6, 0.6)), Marks().step("", 0, S), rows)

    ragged, even = (one.counts.sum(axis=(0, 1, 2, 3))[5:95].astype(float) for one in (comb, spread))
    assert ragged.std() > 3 * np.sqrt(ragged.mean())
    assert even.std() < 1.3 * np.sqrt(even.mean())


def test_a_transmission_is_a_series_of_its_own_in_its_own_window_and_adds_nothing_to_the_view_of_nodes() -> None:
    """Rows in both windows, which overlap: each series counts those of its step and its window alone."""
    windows = (EnergyWindow(126.0, 154.0, "photopeak"), EnergyWindow(110.0, 134.0, "co57"))
    nodes = step("nodes", windows=("photopeak",))
    outline = step("outline", key="steps[1]", windows=("co57",), role="transmission")
    marks = Marks().add("start", 0, "nodes").add("step", 10 * S, "outline: time").add("stop", 20 * S, "time")
    times = np.arange(S // 20, 20 * S, S // 10)
    found = framed(setup(nodes, outline, windows=windows), marks, rows_of(times, windows=3))

    assert [(one.name, one.role, [w.name for w in one.windows]) for one in found] == [
        ("nodes", "emission", ["photopeak"]), ("outline", "transmission", ["co57"]),
    ]  # fmt: skip
    assert [int(one.counts.sum()) for one in found] == [100, 100]
