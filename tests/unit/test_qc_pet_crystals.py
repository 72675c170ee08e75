"""Crystals of a block found in its flood histogram, against the truth of every event."""

from __future__ import annotations

import numpy as np
import pytest

from daq.errors import RefusedError, UsageError
from daq.qc.pet.crystals import NO_CRYSTAL, crystal_map


def flood(
    columns: int, rows: int, *, seed: int, pincushion: float, spread: float = 0.15, blur: float = 0.12,
    counts: int = 100_000, pixels: int = 160, moved: tuple[int, float] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """A flood of crystals that see unequal counts, drawn together at the edges; with the crystal of every event."""
    rng = np.random.default_rng(seed)
    seen = np.clip(1 + spread * rng.standard_normal(rows * columns), 0.2, 2.0)
    crystal = rng.choice(rows * columns, counts, p=seen / seen.sum())
    u = (crystal % columns + 0.5) / columns * 2 - 1
    v = (crystal // columns + 0.5) / rows * 2 - 1
    if moved is not None:
        u = np.where(crystal == moved[0], u + moved[1] * 2 / columns, u)
    bend = (1 + pincushion) / (1 + pincushion * (u**2 + v**2))
    x = 0.8 * u * bend + blur * 1.6 / columns * rng.standard_normal(counts)
    y = 0.8 * v * bend + blur * 1.6 / rows * rng.standard_normal(counts)
    at_x, at_y = (np.rint((each + 1) / 2 * (pixels - 1)).astype(int).clip(0, pixels - 1) for each in (x, y))
    histogram = np.zeros((pixels, pixels), np.int64)
    np.add.at(histogram, (at_y, at_x), 1)
    return histogram, crystal, at_x, at_y


@pytest.mark.parametrize(
    ("columns", "rows", "pincushion", "spread", "blur"),
    [
        (8, 8, 0.2, 0.15, 0.12), (8, 8, 0.0, 0.3, 0.12), (13, 13, 0.15, 0.15, 0.12), (4, 8, 0.2, 0.2, 0.12),
        (8, 8, -0.1, 0.15, 0.12), (8, 8, 0.2, 0.4, 0.16), (16, 16, 0.15, 0.2, 0.12),
    ],
)  # fmt: skip
def test_of_events_99_in_a_hundred_get_their_crystal(
    columns: int, rows: int, pincushion: float, spread: float, blur: float
) -> None:
    histogram, crystal, x, y = flood(columns, rows, seed=1, pincushion=pincushion, spread=spread, blur=blur)
    found = crystal_map(histogram, rows=rows, columns=columns)

    assert (found.table[y, x] == crystal).mean() >= 0.99
    assert found.out_of_order == ()
    assert found.not_separated == ()
    assert np.all(np.diff(found.x, axis=1) > 0)
    assert np.all(np.diff(found.y, axis=0) > 0)


def test_two_crystals_on_one_spot_are_named() -> None:
    histogram, *_ = flood(8, 8, seed=3, pincushion=0.1, moved=(28, -0.9))
    found = crystal_map(histogram, rows=8, columns=8)

    assert {27, 28} & set(found.not_separated)
    assert len(found.not_separated) < 12


def test_a_blurred_flood_says_that_its_crystals_are_not_separated() -> None:
    histogram, *_ = flood(8, 8, seed=4, pincushion=0.0, blur=0.6)

    assert len(crystal_map(histogram, rows=8, columns=8).not_separated) > 32


def test_pixels_far_from_all_crystals_have_none_and_counts_add_up() -> None:
    histogram, *_ = flood(8, 8, seed=5, pincushion=0.1)
    wide = np.pad(histogram, 100)
    found = crystal_map(wide, rows=8, columns=8)

    assert found.table[0, 0] == NO_CRYSTAL
    assert found.counts.sum() == wide[found.table != NO_CRYSTAL].sum()


def test_floods_that_say_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="two each way"):
        crystal_map(np.ones((50, 50)), rows=1, columns=8)
    with pytest.raises(RefusedError, match="three pixels"):
        crystal_map(np.ones((20, 20)), rows=8, columns=8)
    with pytest.raises(RefusedError, match="100 for each"):
        crystal_map(np.ones((64, 64)), rows=8, columns=8)
