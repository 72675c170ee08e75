"""The compiled loops of a ring's live figures. None holds the GIL; counts are uint64, which no rate overflows."""

from __future__ import annotations

from typing import Any

import numpy as np

from daq.model.kernel import kernel


@kernel("void(uint32[::1], int32[:,::1], uint64[::1])")
def add_modules(detector: Any, places: Any, bins: Any) -> None:
    """Count detectors [n] by their module into `bins`: [the modules, nowhere]."""
    known = np.uint32(len(places))
    beyond = len(bins) - 1
    for i in range(len(detector)):
        number = detector[i]
        module = np.int64(places[number, 0]) if number < known else np.int64(-1)
        bins[module if module >= 0 else beyond] += np.uint64(1)


@kernel("void(int32[::1], uint8[::1], int64, uint64[:,::1])")
def add_tof(tof: Any, kind: Any, reach: Any, bins: Any) -> None:
    """Count times of flight [n] into `bins` [kinds, below + bins + above], equal bins over -reach to +reach."""
    count = bins.shape[1] - 2
    width = 2 * reach + 1
    for i in range(len(tof)):
        if kind[i] >= bins.shape[0]:
            continue
        at = np.int64(tof[i]) + reach
        where = at * count // width + 1 if 0 <= at < width else (0 if at < 0 else count + 1)
        bins[kind[i], where] += np.uint64(1)


@kernel("void(uint32[::1], uint32[::1], uint8[::1], int32[:,::1], int64[::1], uint64[:,::1], uint64[:,:,::1])")
def add_lines(a: Any, b: Any, kind: Any, places: Any, frame: Any, axial: Any, sinogram: Any) -> None:
    """Count lines between detectors [n] into `axial` [kinds, planes + nowhere] and `sinogram` [kinds, views, radii].

    `frame` is (crystals in a ring, ring difference, views per bin, radii per bin). With crystals p < q of n the line's
    normal is at the angle (p + q) pi / n, at the distance R cos((q - p) pi / n); beyond half a turn both change sign.
    """
    crystals, difference, fold_angle, fold_radius = frame[0], frame[1], frame[2], frame[3]
    known = np.uint32(len(places))
    nowhere = axial.shape[1] - 1
    for i in range(len(a)):
        if kind[i] >= axial.shape[0]:
            continue
        if a[i] >= known or b[i] >= known or places[a[i], 0] < 0 or places[b[i], 0] < 0:
            axial[kind[i], nowhere] += np.uint64(1)
            continue
        ring_a, ring_b = np.int64(places[a[i], 1]), np.int64(places[b[i], 1])
        axial[kind[i], ring_a + ring_b] += np.uint64(1)
        p, q = np.int64(places[a[i], 2]), np.int64(places[b[i], 2])
        if abs(ring_a - ring_b) > difference or p == q:
            continue
        p, q = min(p, q), max(p, q)
        total, apart = p + q, q - p
        if total >= crystals:
            total, apart = total - crystals, crystals - apart
        view = total // 2 // fold_angle
        radius = (crystals - 1 - apart) // fold_radius
        if view < sinogram.shape[1] and 0 <= radius < sinogram.shape[2]:
            sinogram[kind[i], view, radius] += np.uint64(1)
