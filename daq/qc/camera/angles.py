"""Angles of a gantry: even steps by the encoder, and whether pictures turn as far as the encoder says."""

from __future__ import annotations

import math

import numpy as np

from daq.errors import RefusedError
from daq.qc.camera.alignment import SourceFit
from daq.qc.fields import Floats


def even_steps(gantry_deg: Floats) -> float:
    """Return the largest distance, degrees, of the places of a gantry [views] from the best even steps."""
    told = np.degrees(np.unwrap(np.radians(np.asarray(gantry_deg, np.float64))))
    if len(told) < 3:  # noqa: PLR2004 - two are even always
        raise RefusedError(f"{len(told)} places of the gantry: whether its steps are even cannot be told")
    views = np.arange(len(told))
    return float(np.abs(told - np.polyval(np.polyfit(views, told, 1), views)).max())


def angle_scale(angle_deg: Floats, fit: SourceFit) -> tuple[float, float]:
    """Return by how much pictures turn more than told, %, and its sigma by counting.

    A source at s = offset + y sin a - x cos a moves by ds/da for each radian; what remains of the sine, over that, is a
    turn too much that grows with the angle. Fitted beside the sine, to first order. Only views in the order in which
    they were taken tell it.
    """
    told = np.unwrap(np.radians(np.asarray(angle_deg, np.float64)))
    since = told - told.mean()
    slope = fit.back_mm * np.cos(told) + fit.left_mm * np.sin(told)
    terms = np.stack([np.ones_like(told), np.cos(told), np.sin(told), slope * since], axis=1)
    found, *_ = np.linalg.lstsq(terms, fit.off_mm, rcond=None)
    spread = np.linalg.inv(terms.T @ terms)
    return 100.0 * float(found[3]), 100.0 * fit.noise_x_mm * math.sqrt(spread[3, 3])
