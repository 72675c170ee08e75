"""Words in steps: spread before they are corrected, event for event alike, without lines and without bias."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support_cameras import PHOTOPEAK, made
from support_heads import grid_of

from daq.composition.heads import camera_of
from daq.model.headcalibration import HeadCorrections, steps_of
from daq.pipeline.heads import HeadStage
from device_profiles.cameracalibrations import write_camera_calibration
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

XYE = load_profile("head-xye64")
STEPS = (0.6, 0.6, 0.5)
PIXEL_MM = 2.2
STRETCH = 0.012
EVENTS = 400_000

Columns = dict[str, npt.NDArray[Any]]


def flood(count: int, seed: int = 1) -> tuple[Columns, Columns]:
    """Return photons evenly over 500 x 360 mm with a peak at 140.5 keV, and the words that say them in steps."""
    draw = np.random.default_rng(seed)
    true = {
        "x_mm": draw.uniform(-250, 250, count), "y_mm": draw.uniform(-180, 180, count),
        "energy_kev": draw.normal(140.5, 6.0, count),
    }  # fmt: skip
    words = {name: (np.rint(true[name] / step) * step) for name, step in zip(true, STEPS, strict=True)}
    rows = {name: values.astype(np.float32) for name, values in words.items()}
    times = np.sort(draw.integers(0, count, count)) * 1_000_000
    return true, {"time_ps": times, "head": np.zeros(count, np.uint8), **rows}


def through(stage: HeadStage, rows: Columns) -> Columns:
    found = stage(rows, np.array([len(rows["time_ps"])]), np.zeros(1, np.uint16))
    return {name: values.copy() for name, values in found.items()}


def stretching(steps: tuple[float, float, float]) -> HeadCorrections:
    """Return a linearity map that makes pictures larger by STRETCH."""
    points = np.arange(-300.0, 301.0, 10.0)
    across = np.tile(points * STRETCH, (len(points), 1))
    shift_x, shift_y = (grid_of(values, pitch_mm=10.0) for values in (across, across.T))
    return HeadCorrections(head=0, shift_x=shift_x, shift_y=shift_y, steps=steps)


def beat(positions: npt.NDArray[Any]) -> float:
    """Return the power of a profile at the beat of steps and pixels, over that of counting alone."""
    pixels = 160  # all within the flood
    counts = np.histogram(positions, pixels, (-pixels * PIXEL_MM / 2, pixels * PIXEL_MM / 2))[0]
    per_pixel = PIXEL_MM / (STEPS[0] * (1 + STRETCH))
    wave = np.exp(-2j * np.pi * (per_pixel % 1) * np.arange(pixels))
    return float(abs((counts - counts.mean()) @ wave) ** 2 / counts.sum())


@pytest.mark.parametrize("axis", ["x_mm", "y_mm"])
def test_a_flood_of_words_shows_no_lines_after_a_linearity_map(axis: str) -> None:
    """Counting alone has a power of 1 on average, and more than 12 six times in a million."""
    rows = flood(EVENTS)[1]

    spread = through(HeadStage([stretching(STEPS)]), rows)[axis]
    combed = through(HeadStage([stretching((0.0, 0.0, 0.0))]), rows)[axis]

    assert beat(spread) < 12
    assert beat(combed) > 300


def test_what_is_spread_stays_in_its_step_and_fills_it_evenly() -> None:
    rows = flood(EVENTS)[1]
    found = through(HeadStage([HeadCorrections(head=0, steps=STEPS)]), rows)

    shares = {
        name: (found[name].astype(float) - rows[name]) / step
        for name, step in zip(("x_mm", "y_mm", "energy_kev"), STEPS, strict=True)
    }
    for values in shares.values():
        assert np.abs(values).max() < 0.5001
        counts = np.histogram(values, 100, (-0.5, 0.5))[0]
        chi2 = ((counts - EVENTS / 100) ** 2 / (EVENTS / 100)).sum()
        assert abs(chi2 - 99) < 4 * np.sqrt(2 * 99)
    of = np.array(list(shares.values()))
    together = np.corrcoef(np.vstack([of[:, 1:], of[:, :-1]]))
    assert np.abs(together - np.eye(6)).max() < 4.5 / np.sqrt(EVENTS)


def test_counts_in_windows_are_those_of_the_energies_themselves() -> None:
    true, rows = flood(EVENTS, seed=3)
    found = through(HeadStage([HeadCorrections(head=0, steps=STEPS)]), rows)["energy_kev"]

    for low, high in ((126.45, 154.55), (130.2, 140.4), (140.4, 140.9)):
        wanted, had = (((of >= low) & (of < high)).sum() for of in (true["energy_kev"], found))
        crossing = sum((np.abs(true["energy_kev"] - edge) < STEPS[2]).sum() for edge in (low, high))
        assert abs(int(had) - int(wanted)) < 4 * np.sqrt(crossing)


def test_an_event_is_spread_alike_wherever_rows_are_cut_and_whatever_else_is_there() -> None:
    rows = flood(3000)[1]
    whole = through(HeadStage([stretching(STEPS)]), rows)

    stage, parts = HeadStage([stretching(STEPS)]), []
    for begin, end in ((0, 1), (1, 700), (700, 700), (700, 3000)):
        parts.append(through(stage, {name: values[begin:end] for name, values in rows.items()}))
    backwards = through(stage.fork(), {name: values[::-1].copy() for name, values in rows.items()})

    for name in ("x_mm", "y_mm", "energy_kev"):
        assert np.array_equal(np.concatenate([part[name] for part in parts]), whole[name])
        assert np.array_equal(backwards[name][::-1], whole[name])


def test_steps_are_those_of_the_layout_for_heads_that_are_corrected(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "map.toml", made("energy-map", instrument="head-xye64", head=1))

    camera = camera_of(XYE, load_scanner("dual-head"), tmp_path, windows=[PHOTOPEAK])

    assert steps_of(XYE.layout) == STEPS
    assert [head.steps for head in camera.heads] == [(0.0, 0.0, 0.0), STEPS]
    assert steps_of(load_profile("caen-fers-a5202").layout) == (0.0, 0.0, 0.0)
