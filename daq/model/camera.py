"""What a gamma-camera head is made of: crystal, light sensors, collimators. Plain data, part of a scanner profile.

Positions are as the detector sees them: x to the right, y up, 0 in the middle of the field of view, in mm.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from daq.model.layout import Strict

MOST_CHANNELS = 64
"""Channels of one head that can be combined into a position."""


class Crystal(Strict):
    """The scintillator of a head, one plate."""

    material: Annotated[str, Field(min_length=1)]
    thickness_mm: PositiveFloat
    width_mm: PositiveFloat
    height_mm: PositiveFloat


class Sensors(Strict):
    """The light sensors behind the crystal, one per channel of the front end: channel c is at (x_mm[c], y_mm[c])."""

    kind: Literal["pmt", "sipm"]
    shape: Literal["round", "hexagon", "square"]
    width_mm: PositiveFloat
    """Diameter, distance of flats, or side of the sensitive face."""
    light_guide_mm: NonNegativeFloat = 0.0
    """From the back of the crystal to the sensors."""
    x_mm: Annotated[tuple[float, ...], Field(min_length=3, max_length=MOST_CHANNELS)]
    y_mm: Annotated[tuple[float, ...], Field(min_length=3, max_length=MOST_CHANNELS)]


class Collimator(Strict):
    """Holes in front of the crystal. Parallel: `hole_mm` is the distance of flats; pinhole: the diameter."""

    kind: Literal["parallel", "pinhole"] = "parallel"
    hole_mm: PositiveFloat
    septum_mm: NonNegativeFloat = 0.0
    """Thickness of the walls between parallel holes."""
    length_mm: PositiveFloat
    """Length of parallel holes; of a pinhole the distance from it to the crystal."""
    opening_deg: PositiveFloat | None = None
    """Full opening angle of a pinhole."""
    material: Annotated[str, Field(min_length=1)] = "lead"
    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")] | None = None
    """What the sensor of a head says while it is mounted; None: it cannot be sensed."""
    energy_max_kev: PositiveFloat
    """The highest photon energy that it is made for."""
    source: Annotated[str, Field(min_length=1)]
    """Where its numbers were taken from."""
