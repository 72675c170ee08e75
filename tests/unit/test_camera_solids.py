"""Solids, the grids they make, and axes as they are told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from daq.errors import ScandaqError, UsageError
from simulators.camera.axes import Axes, Said, read_motion, understood
from simulators.camera.bodies import BODIES, parse_body, parse_transmission
from simulators.camera.body import COLD, DENSITY_STEPS, Grid, Organ
from simulators.camera.depths import depth_of, settle
from simulators.camera.solids import Solid, ball, block, chain, disc, point, rod, shell

depth_at = depth_of.py_func  # not compiled by itself
SOLIDS = (
    ball((10, -5, 30), (20, 30, 40), tilt_deg=(20, 50, -30)), disc((0, 0, 0), (30, 12, 25), tilt_deg=(90, 0, 10)),
    block((5, 5, 5), (10, 20, 30), tilt_deg=(0, 30, 0)),
    shell((0, 0, 0), (30, 30, 45), 0.7, cut=0.5, tilt_deg=(30, 0, 0)), rod((0, 0, -40), (30, 10, 60), 12.0, wide=1.5),
)  # fmt: skip


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda solid: solid.form.name)
def test_places_in_a_solid_are_even_inside_and_its_volume_is_what_it_holds(solid: Solid) -> None:
    low, high = np.array(solid.centre_mm) - solid.half_mm, np.array(solid.centre_mm) + solid.half_mm
    draw = np.random.default_rng(1)
    box = draw.uniform(low, high, (200_000, 3))
    held = solid.holds(box)
    share = held.mean()
    assert share * np.prod(high - low) == pytest.approx(solid.volume_mm3, rel=5 * math.sqrt((1 - share) / share / 2e5))

    state, place, places = np.array([7], np.uint64), np.zeros(3), np.empty((20_000, 3))
    for row in places:
        settle(state, np.array([*solid.numbers, 0.0, 0.0]), 1.0, place)
        row[:] = place
    assert solid.holds(places).mean() > 0.9999
    inside = box[held]
    error = inside.std(axis=0) / math.sqrt(20_000) + inside.std(axis=0) / math.sqrt(len(inside))
    assert np.all(np.abs(places.mean(axis=0) - inside.mean(axis=0)) < 4 * error)
    assert places.std(axis=0) == pytest.approx(inside.std(axis=0), rel=0.03)


def test_points_and_chains_are_solids_too() -> None:
    assert point((1, 2, 3)).volume_mm3 == 0
    assert not point((1, 2, 3)).holds(np.array([1.0, 2.0, 3.0]))
    assert len(chain([(0, 0, 0), (0, 0, 10), (0, 5, 20)], 2.0)) == 2
    mirrored = ball((10, 0, 0), (3, 4, 5), tilt_deg=(0, 0, 30)).mirrored()
    assert mirrored.holds(np.array([-12.0, 0.5, 0.0]))
    with pytest.raises(UsageError, match="longer than zero"):
        rod((1, 1, 1), (1, 1, 1), 2.0)


def test_a_ray_through_a_grid_is_as_deep_as_what_it_goes_through() -> None:
    tank, core, hole = disc((0, 0, 0), (60, 60, 16)), ball((20, 0, 0), 15.0), ball((-30, 0, 0), 10.0)
    grid = Grid.of(((tank, 1.0), (core, 1.5)), 1.0, (hole,))
    depths = []
    for turn in np.linspace(0, 2 * math.pi, 24, endpoint=False):
        way = (math.cos(turn), math.sin(turn), 0.0)
        depths.append(depth_at(np.zeros(3), way, grid.numbers, grid.codes, 1e9))
        inside = math.sqrt(max(15**2 - (20 * math.sin(turn)) ** 2, 0.0)) if math.cos(turn) > 0 else 0.0
        assert depths[-1] == pytest.approx(60 + 0.5 * 2 * inside, abs=1.6)
    outside = depth_at(np.array([0.0, -500.0, 0.0]), (0.0, 1.0, 0.0), grid.numbers, grid.codes, 1e9)
    assert outside == pytest.approx(120, abs=2)
    assert depth_at(np.array([0.0, -500.0, 0.0]), (0.0, -1.0, 0.0), grid.numbers, grid.codes, 1e9) == 0
    assert depth_at(np.zeros(3), (1.0, 0.0, 0.0), grid.numbers, grid.codes, 10.0) >= 10
    assert grid.codes.max() == COLD + DENSITY_STEPS


@pytest.mark.parametrize("name", list(BODIES))
def test_every_body_can_be_named_and_lies_where_bodies_lie(name: str) -> None:
    asked = parse_body(f"{name}:Tc-99m,mbq=100")
    body = asked.body
    if name == "plain":
        assert body.organs == ()
        return
    for since_s in (0.0, 30.0, 600.0, 1e4, 2e5):
        assert 0 <= sum(one.share(since_s) for one in body.organs) <= 1.2
    codes = body.grid().codes
    assert (codes.max() > 0) == (name not in ("flood", "syringe"))
    low, high = body.span_mm()
    assert (high <= 1 and low < -1700) if body.leads else low < 0 < high


def test_bodies_without_sense_are_refused_in_words() -> None:
    for text, sentence in (
        ("ghost,mbq=1", "bodies are skeleton"), ("skeleton", "mbq missing"), ("iec,mbq=1,ratio=0", "above zero"),
        ("skeleton,mbq=1,beard=2", "'beard' is unknown"), ("skeleton,mbq=1,lesions=-1", "must be zero or more"),
        ("skeleton:Xx-1,mbq=1", "Xx-1"),
    ):  # fmt: skip
        with pytest.raises(ScandaqError, match=sentence):
            parse_body(text)
    with pytest.raises(UsageError, match="head must be whole"):
        parse_transmission("Co-57,mbq=1,head=0.5")
    with pytest.raises(UsageError, match="1 in all"):
        Organ("x", (ball((0, 0, 0), 1.0),), (0.5,))


def test_axes_go_as_they_are_told_whatever_the_order_of_arrival() -> None:
    axes = Axes()
    axes.hear("bed", Said(2_000_000_000, 30.0, 30.0, 0.0))
    axes.hear("bed", Said(1_000_000_000, 10.0, 50.0, 20.0))

    assert axes.place("bed", 0, 7.0) == 7.0
    assert axes.place("bed", 1.5e9, 7.0) == pytest.approx(20.0)
    assert axes.place("bed", 9e9, 7.0) == 30.0
    assert axes.place("gantry", 9e9, -1.0) == -1.0
    assert axes.turns_ns() == [1_000_000_000, 2_000_000_000, 3_000_000_000]
    assert Said(0, 5.0, -5.0, 2.0).place(2e9) == 1.0
    assert Said(0, 5.0, -5.0, 2.0).place(9e9) == -5.0
    for number in range(300):
        axes.hear("gantry", Said(number, float(number), float(number), 0.0))
    assert axes.place("gantry", 10, -1.0) == -1.0  # what is long past is forgotten
    assert axes.told == 302


def test_what_is_told_of_axes_is_understood_or_refused_in_words(tmp_path: Path) -> None:
    said = {"axis": "bed", "monotonic_ns": 12_345_678_901_234_567, "position": 1, "target": 2.5, "speed": 3}
    assert understood(json.dumps(said), "monotonic_ns") == ("bed", Said(12_345_678_901_234_567, 1.0, 2.5, 3.0))
    for wrong, sentence in (
        ("[]", "JSON object"), ("{", "JSON object"), ('{"axis": 3}', "axis must be a name"),
        ('{"axis": "bed", "position": "x"}', "position 'x' is no number"),
        ('{"axis": "bed", "position": 1, "time_s": true}', "time_s True is no number"),
        ('{"axis": "bed", "position": 1, "time_s": 1, "speed": -2}', "target says where to"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=sentence):
            understood(wrong, "time_s")
    file = tmp_path / "motion.jsonl"
    file.write_text('{"axis": "bed", "time_s": 0.5, "position": 3, "target": 9, "speed": 2}\n\n{"axis": "bed"}\n')
    with pytest.raises(UsageError, match=r"line 3: motion: position None is no number"):
        read_motion(file)
    file.write_text('{"axis": "bed", "time_s": 0.5, "position": 3, "target": 9, "speed": 2}\n')
    assert read_motion(file).place("bed", 1.5e9, 0.0) == 5.0
