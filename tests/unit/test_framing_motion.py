"""Strips and continuous rotations: exposures in closed form, flat under a flood, head up whichever way one lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_framing import HEADS, MS, Marks, S, flood, framed, gate, rows_of, setup, step, sweep_step

from daq.model.framed import ImageKind, Pixels
from daq.model.geometry import PatientOrientation
from daq.model.protocol import Image, Sweep
from daq.pipeline.timetable import TimeTable
from daq.pipeline.timetablemotion import exposure_ps

HALF_MM = 200.0


def sweeping(length_mm: float = 1000.0, speed: float = 20.0, *, end: float | None = None, slack_ps: int = S) -> Marks:
    """Return the marks of a sweep: a second of standing before and after, samples every 50 ms."""
    until = length_mm if end is None else end
    times = slack_ps + np.arange(0, until / speed * S + 1, 50 * MS).astype(np.int64)
    marks = Marks().add("position", -S, "bed", value2=0.0).add("start", 0, "whole body", value2=1.0)
    marks.axis("bed", times, (times - slack_ps) / S * speed)
    return marks.add("stop", int(times[-1]) + slack_ps, "arrived")


def test_a_strip_under_a_flood_is_uniform_within_noise_where_it_is_fully_exposed() -> None:
    said = setup(sweep_step(image=Image(27, 200, 1.0)))
    (found,) = framed(said, sweeping(), flood(np.random.default_rng(1), 2_000_000, 0, 52 * S))
    strip = found.strip
    assert found.kind is ImageKind.WHOLE_BODY
    assert strip is not None
    rows = found.counts.sum(axis=(0, 1, 2, 4)).astype(float)
    exposure = np.array(strip.exposure_ps)
    whole = strip.exposed(0.999)

    assert strip.full_ps == pytest.approx(2 * HALF_MM / 20.0 * S, rel=1e-6)
    assert whole.sum() == pytest.approx(600 / 20, abs=1)
    assert exposure[whole] == pytest.approx(strip.full_ps, rel=1e-3)
    mean = rows[whole].mean()
    assert ((rows[whole] - mean) ** 2 / mean).mean() == pytest.approx(1.0, abs=0.8)  # chi squared of some 30 rows
    expected = exposure / exposure.sum() * rows.sum()
    assert ((rows - expected) ** 2 / np.maximum(expected, 1)).mean() == pytest.approx(1.0, abs=0.6)
    assert (strip.bed_begin_mm, strip.bed_end_mm) == (0.0, 1000.0)
    assert (strip.slowest_mm_per_s, strip.fastest_mm_per_s) == pytest.approx((20.0, 20.0))


@pytest.mark.parametrize("orientation", [PatientOrientation.HFS, PatientOrientation.FFS])
def test_a_point_on_the_patient_is_one_row_of_the_strip_head_up(orientation: PatientOrientation) -> None:
    """A spot at z = -515 mm and 100 mm to the picture's right, seen for as long as it is inside of the field."""
    first = orientation is PatientOrientation.HFS
    times = np.arange(0, 52 * S, 20 * MS)
    bed = np.clip((times - S) / S * 20.0, 0, 1000)
    y = (-515.0 + bed) if first else (bed - 515.0)
    rows = rows_of(times, 100.0 if first else -100.0, y)
    said = setup(sweep_step(image=Image(27, 200, 1.0)), orientation=orientation)
    (found,) = framed(said, sweeping(), {name: column[np.abs(y) < HALF_MM] for name, column in rows.items()})

    places = np.argwhere(found.counts[0, 0, 0])
    z = found.pixels.y0_mm + (places[:, 0] + 0.5) * found.pixels.pixel_mm
    assert places[:, 1].tolist() == [18]
    assert z == pytest.approx([-515.0 if first else 515.0], abs=10.0)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 20), st.floats(-300, 300)), min_size=1, max_size=8), st.booleans())
def test_exposures_are_those_that_adding_up_small_steps_gives(moves: list[tuple[int, float]], first: bool) -> None:
    lasting = np.array([length for length, _ in moves]) * 1000
    places = np.cumsum([0.0, *(way for _, way in moves)])
    ends = np.cumsum(lasting)
    table = TimeTable.of(ends - lasting, ends, 0, places[:-1], np.diff(places) / lasting)
    pixels, usable = Pixels(-10.0, -310.0, 20.0, 1, 31), (-60.0, 90.0)

    found = exposure_ps(table, pixels, usable, head_first=first)

    low, high = usable if first else (-usable[1], -usable[0])
    wanted = np.zeros(pixels.rows)
    fine = pixels.y0_mm + (np.arange(pixels.rows * 40) + 0.5) * 0.5
    for number, length in enumerate(lasting.tolist()):
        shift = np.linspace(places[number], places[number + 1], 200)
        inside = (fine[:, None] >= low + shift) & (fine[:, None] < high + shift)
        wanted += inside.mean(axis=1).reshape(pixels.rows, 40).mean(axis=1) * length
    assert found == pytest.approx(wanted, abs=0.02 * ends[-1])


@pytest.mark.parametrize("heads", [(0, 1), (1,)])
def test_words_that_are_missing_shorten_the_exposure_of_the_rows_that_were_seen_then(heads: tuple[int, ...]) -> None:
    said = setup(sweep_step(image=Image(27, 200, 1.0)))
    rows = flood(np.random.default_rng(2), 1_000_000, 0, 52 * S)
    lost = (rows["time_ps"] >= 24 * S) & (rows["time_ps"] < 27 * S) & np.isin(rows["head"], heads)
    marks = sweeping()
    for head in heads:
        missing = int((lost & (rows["head"] == head)).sum())
        marks.add("gap", 26 * S - S // 2, value=missing // 2, source=head)
        marks.add("gap", 27 * S, value=missing - missing // 2, source=head)
    (found,) = framed(said, marks, {name: column[~lost] for name, column in rows.items()})

    assert found.strip is not None
    counts = found.counts.sum(axis=(0, 1, 2, 4)).astype(float)
    exposure = np.array(found.strip.exposure_ps)
    expected = exposure / exposure.sum() * counts.sum()
    assert exposure.sum() / (1000 * found.strip.full_ps) * 20 == pytest.approx(1 - len(heads) * 1.5 / 50, rel=2e-3)
    least = exposure[20:50].min() / found.strip.full_ps  # of both heads together
    assert least == pytest.approx(1 - len(heads) * 1.5 / 20, rel=0.02)
    assert ((counts - expected) ** 2 / np.maximum(expected, 1)).mean() == pytest.approx(1.0, abs=0.6)


def test_a_bed_that_stops_halfway_leaves_rows_that_are_not_exposed() -> None:
    (found,) = framed(setup(sweep_step(image=Image(27, 200, 1.0))), sweeping(end=500.0))

    assert found.strip is not None
    assert found.strip.bed_end_mm == 500.0
    assert found.strip.exposed(0.999).sum() == pytest.approx(100 / 20, abs=1)
    assert found.strip.exposed().sum() == pytest.approx((100 + 2 * 40) / 20, abs=1)


def test_a_bed_that_slips_shows_in_the_exposure_and_not_in_the_place() -> None:
    times = S + np.arange(0, 50 * S + 1, 50 * MS)
    places = (times - S) / S * 20.0
    places[400:] -= 10.0  # it slips by 10 mm at 400 mm
    marks = Marks().add("start", 0, "whole body").axis("bed", times, places).add("stop", 52 * S, "arrived")
    (found,) = framed(setup(sweep_step(image=Image(108, 800, 1.0))), marks)
    (even,) = framed(setup(sweep_step(image=Image(108, 800, 1.0))), sweeping())

    assert found.strip is not None
    assert even.strip is not None
    assert found.strip.slowest_mm_per_s < 15.0
    assert max(found.strip.exposure_ps) > max(even.strip.exposure_ps)


def test_where_nobody_knows_where_the_bed_was_nothing_counts() -> None:
    marks = Marks().add("start", 0, "whole body")
    marks.add("position", 0, "bed", value=1).add("position", 20 * S, "bed", value=1, value2=400.0)
    (found,) = framed(setup(sweep_step()), marks.add("stop", 20 * S, "time"), rows_of([S, 2 * S]))

    assert int(found.counts.sum()) == 0
    assert found.notes == ("no position of the moving axis bed is recorded: no event can be placed",)


def turning(seconds: float = 60.0, *, degrees: float = 360.0, stall: tuple[float, float] | None = None) -> Marks:
    times = np.arange(0, seconds * S + 1, 50 * MS).astype(np.int64)
    places = times / S * (degrees / seconds)
    if stall is not None:
        at, lasts = stall
        places = np.where(places < at, places, np.maximum(at, places - lasts * degrees / seconds))
    marks = Marks().add("position", -S, "gantry", value2=0.0).add("start", 0, "SPECT", value2=1.0)
    return marks.axis("gantry", times, places).add("stop", int(times[-1]) + S, "arrived")


def rotation(views: int = 60, **changes: object) -> object:
    sweep = Sweep("gantry", 0.0, 360.0, 6.0, "deg", views=views)
    return step("SPECT", "spect", sweep=sweep, image=Image(16, 16, 1.0), **changes)


def test_a_continuous_rotation_is_cut_into_views_of_equal_angle() -> None:
    (found,) = framed(setup(rotation()), turning(), rows_of(np.arange(0, 60 * S, 10 * MS)))

    assert (found.kind, found.continuous, found.rotation, found.arc_deg) == (ImageKind.TOMO, True, "CC", 360.0)
    assert found.completed
    assert found.slots.live_ps == pytest.approx([S] * 60, abs=1)
    assert found.slots.gantry_deg == pytest.approx(3.0 + 6.0 * np.arange(60), abs=1e-6)
    assert found.counts.sum(axis=(0, 1, 3, 4)).tolist() == [100] * 60


def test_a_gantry_that_stalls_leaves_the_time_in_the_view_where_it_stood() -> None:
    (found,) = framed(setup(rotation()), turning(stall=(37.0, 5.0)))

    live = found.slots.live_ps / S
    assert live[6] == pytest.approx(6.0, abs=0.1)
    assert np.delete(live, 6)[:50] == pytest.approx(1.0, abs=0.1)
    assert len(found.slots) == 55


def test_motion_that_is_lost_ends_the_views() -> None:
    marks = turning()
    marks.add("motion_lost", 10 * S, "the gantry stands", told_ps=10 * S)
    (found,) = framed(setup(rotation()), marks, rows_of(np.arange(0, 60 * S, 10 * MS)))

    assert (found.ended_by, len(found.slots)) == ("motion lost", 11)
    assert found.counts.sum(axis=(0, 1, 3, 4))[:10].tolist() == [100] * 10


def test_a_gated_continuous_rotation_has_beats_in_each_view() -> None:
    marks = turning()
    marks.triggers(np.arange(61) * S)
    found, plain = framed(setup(rotation(30, gate=gate(bins=4))), marks, rows_of(np.arange(0, 60 * S, 10 * MS)))

    assert (found.kind, plain.ungated) == (ImageKind.GATED_TOMO, True)
    assert found.slots.live_ps.tolist() == pytest.approx([500 * MS] * 120, abs=2)
    assert found.beats is not None
    assert found.beats.accepted == 60
    assert int(found.counts.sum()) == int(plain.counts.sum()) == 6000


def test_a_strip_is_as_wide_and_as_fine_as_its_matrix() -> None:
    (found,) = framed(setup(sweep_step(1950.0, 1.667, image=Image(256, 1024, 1.0))), Marks().step("whole body", 0, S))

    assert (found.pixels.columns, found.pixels.rows) == (256, 1024)
    assert found.pixels.pixel_mm == pytest.approx(HEADS[0].width_mm / 256)  # type: ignore[operator]
    assert found.pixels.y0_mm + found.pixels.rows * found.pixels.pixel_mm / 2 == pytest.approx(-975.0)
