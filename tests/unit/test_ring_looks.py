"""Live figures of a ring: where lines of response are counted, and what is in no bin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from daq.model.events import DELAYED, PROMPT, StreamName
from daq.model.scanner import Ring, modules, positions_mm
from daq.readout.pairdeclaration import MOST_SIDE, RingLook, declare_ring, places_of
from daq.readout.pairlooks import RingLooks

PAIRS = ("time_ps", "detector_a", "detector_b", "tof_ps", "kind")
RING = Ring(
    radius_mm=100.0, rings=4, detectors_per_ring=32, axial_pitch_mm=2.0, module_detectors=4, module_rings=2,
    sectors=8, minimum_sector_difference=1,
)  # fmt: skip


def looks_of(ring: Ring = RING, **more: Any) -> tuple[RingLooks, RingLook]:
    columns: dict[StreamName, Any] = {"singles": ("time_ps", "detector"), "coincidences": PAIRS}
    look = declare_ring({**columns, **more}, ring, half_window_ps=1000)
    assert look is not None
    return RingLooks(look, "looks"), look


def pairs(a: list[int], b: list[int], *, kind: int = PROMPT, tof_ps: list[int] | None = None) -> dict[Any, Any]:
    return {
        "coincidences": {
            "time_ps": np.zeros(len(a), np.int64),
            "detector_a": np.array(a, np.uint32),
            "detector_b": np.array(b, np.uint32),
            "tof_ps": np.array(tof_ps or [0] * len(a), np.int32),
            "kind": np.full(len(a), kind, np.uint8),
        }
    }


def test_every_line_through_a_point_lies_on_its_sine_in_the_sinogram() -> None:
    """Geometry decides: the normal's angle and the distance of a line, worked out from positions in mm."""
    ring = RING.model_copy(update={"detectors_per_ring": 64, "rings": 1, "module_rings": 1})
    looks, look = looks_of(ring)
    n = ring.detectors_per_ring
    for a in range(n):
        for b in range(a + 1, n):
            before = looks.arrays()["sinogram"].copy()
            looks.see(pairs([a], [b]))
            (_, view, radius) = np.argwhere(looks.arrays()["sinogram"] != before)[0]
            p, q = positions_mm(ring, np.array([a, b], np.uint32))[:, :2]
            normal = np.array([(p[1] - q[1]), (q[0] - p[0])]) / np.hypot(*(p - q))
            angle, distance = np.degrees(np.arctan2(normal[1], normal[0])), float(normal @ p)
            if not -1e-9 <= angle < 180.0 - 1e-9:
                angle, distance = angle % 180.0, -distance
            assert view == round(angle / 180.0 * n) // 2
            expected = ring.radius_mm * np.cos(np.pi * (n - 1 - radius) / n)
            assert distance == pytest.approx(expected, abs=1e-6)
    assert look.views == n // 2


def test_the_order_of_the_two_detectors_does_not_matter() -> None:
    one, _ = looks_of()
    other, _ = looks_of()
    one.see(pairs([0, 3, 40], [16, 20, 60]))
    other.see(pairs([16, 20, 60], [0, 3, 40]))
    assert np.array_equal(one.arrays()["sinogram"], other.arrays()["sinogram"])
    assert np.array_equal(one.arrays()["axial"], other.arrays()["axial"])


def test_prompts_and_delayeds_have_histograms_of_their_own() -> None:
    looks, look = looks_of()
    looks.see(pairs([0, 1], [16, 17], tof_ps=[-1000, 0]))
    looks.see(pairs([0], [16], kind=DELAYED, tof_ps=[1000]))
    tof = looks.arrays()["tof"]
    assert tof.sum(axis=1).tolist() == [2, 1]
    assert (tof[0, 0], tof[0, look.tof_bins // 2], tof[1, -1]) == (1, 1, 1)
    assert looks.arrays()["axial"].sum(axis=1).tolist() == [2, 1]


def test_times_outside_the_window_are_counted_apart() -> None:
    looks, _ = looks_of()
    looks.see(pairs([0, 0, 0], [16, 16, 16], tof_ps=[-1001, 1001, 5]))
    assert looks.arrays()["tof"].sum() == 1
    assert looks.beyond()["tof_outside"] == 2


def test_planes_add_the_two_rings_and_oblique_lines_are_not_in_the_sinogram() -> None:
    ring = RING.model_copy(update={"rings": 16})
    looks, look = looks_of(ring)
    looks.see(pairs([0, 0], [16, 15 * 32 + 16]))
    axial = looks.arrays()["axial"]
    assert (look.planes, axial[0, 0], axial[0, 15]) == (31, 1, 1)
    assert looks.arrays()["sinogram"].sum() == 1
    assert look.ring_difference == 3


def test_modules_are_those_of_the_scanner_and_unknown_detectors_are_counted_apart() -> None:
    looks, look = looks_of()
    numbers = np.arange(RING.highest_detector + 1, dtype=np.uint32)
    beyond = np.array([RING.highest_detector + 1, 0xFFFFFFFF], np.uint32)
    both = np.concatenate([numbers, beyond])
    looks.see({"singles": {"time_ps": np.zeros(len(both), np.int64), "detector": both}})
    expected = np.bincount(modules(RING, numbers), minlength=look.modules)
    assert looks.arrays()["modules"].tolist() == expected.tolist()
    assert looks.beyond()["modules_nowhere"] == 2


def test_pairs_of_detectors_that_the_ring_does_not_have_are_counted_apart() -> None:
    looks, _ = looks_of()
    looks.see(pairs([0], [10_000]))
    assert looks.beyond()["pairs_nowhere"] == 1
    assert looks.arrays()["sinogram"].sum() == 0


def test_coincidences_count_for_their_modules_where_there_are_no_singles() -> None:
    looks, look = looks_of(singles=())
    assert look.module_stream == "coincidences"
    looks.see(pairs([0], [16]))
    assert looks.arrays()["modules"].sum() == 2


def test_without_a_ring_or_without_detectors_there_are_no_figures() -> None:
    assert declare_ring({"coincidences": PAIRS}, None) is None
    assert declare_ring({"coincidences": ("time_ps", "bin", "kind")}, RING) is None


def test_a_large_ring_is_folded_into_a_picture_of_bounded_size() -> None:
    ring = RING.model_copy(update={"detectors_per_ring": 1024, "module_detectors": 16, "rings": 80})
    looks, look = looks_of(ring)
    looks.see(pairs([5], [520]))
    sinogram = looks.arrays()["sinogram"]
    assert sinogram.shape == (2, look.views, look.radii)
    assert max(sinogram.shape) <= MOST_SIDE
    assert sinogram.sum() == 1


def test_holes_between_layers_have_no_place() -> None:
    ring = RING.model_copy(update={"ring_stride": 40})
    table = places_of(ring)
    assert (table[32:40] == -1).all()
    assert table[40].tolist() == [0, 1, 0]
