"""`scanner-profile/0`: instruments composed into a scanner (a ring of crystals or heads); where detectors are.

Scanner coordinates are right-handed, in mm; z is the axis of the ring and 0 in its middle, ring 0 lies at the lowest z.
The angle of a detector is measured from +x towards +y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from daq.errors import MismatchError
from daq.model.camera import Collimator, Crystal, Sensors
from daq.model.envelope import EnvelopeRule
from daq.model.layout import Name, Strict
from daq.model.qc.limits import QcTest, TestName

SCANNER_SCHEMA = "scanner-profile/0"

Latency = Annotated[float, Field(ge=0.0, le=1000.0)]
CollimatorName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]

Detectors = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.int64]


class Ring(Strict):
    """A cylinder of crystals. `detector = layer * layer_stride + ring * ring_stride + crystal`.

    The strides are those of the instrument profile's detector number; by default the numbers have no holes.
    """

    radius_mm: PositiveFloat
    """Axis to the inner face of the crystals of layer 0."""
    interaction_depth_mm: NonNegativeFloat = 0.0
    """Mean depth of interaction, added to the radius for positions."""
    rings: PositiveInt
    detectors_per_ring: PositiveInt
    """Positions around one ring, virtual ones in the gaps between modules included."""
    axial_pitch_mm: PositiveFloat
    """From ring to ring."""
    layers: PositiveInt = 1
    layer_pitch_mm: PositiveFloat | None = None
    """From layer to layer, outwards; required with more than one layer."""
    first_angle_deg: float = 0.0
    """Angle of crystal 0."""
    direction: Literal["counter_clockwise", "clockwise"] = "counter_clockwise"
    """How the crystal number grows, seen with x to the right and y up."""
    ring_stride: PositiveInt | None = None
    layer_stride: PositiveInt | None = None
    module_detectors: PositiveInt
    """Positions of one module around the ring."""
    module_rings: PositiveInt
    """Rings of one module."""
    virtual_positions: tuple[NonNegativeInt, ...] = ()
    """Positions within `module_detectors` where there is a gap and no crystal."""
    sectors: PositiveInt
    """Equal parts of the ring for `minimum_sector_difference`."""
    minimum_sector_difference: NonNegativeInt
    """Two detectors may be paired when their sectors are at least so far apart, the shorter way round."""
    crystal_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    """Size of one crystal along the radius, around the ring and along the axis."""
    energy_resolution_at_511: PositiveFloat | None = None
    """Full width at half maximum of the photopeak at 511 keV, as a fraction of 511 keV."""
    coincidence_resolution_ps: PositiveFloat | None = None
    """Full width at half maximum of the time difference of two detectors."""

    @property
    def ring_step(self) -> int:
        """Return how far detector numbers of neighbouring rings are apart."""
        return self.ring_stride or self.detectors_per_ring

    @property
    def layer_step(self) -> int:
        """Return how far detector numbers of neighbouring layers are apart."""
        return self.layer_stride or self.ring_step * self.rings

    @property
    def highest_detector(self) -> int:
        """Return the highest detector number."""
        last_ring = (self.rings - 1) * self.ring_step
        return (self.layers - 1) * self.layer_step + last_ring + self.detectors_per_ring - 1


class Head(Strict):
    """A detector head on the gantry."""

    id: Name
    number: Annotated[int, Field(ge=0, le=255)]
    """What the column `head` says for its events."""
    instrument: str
    """Id of its instrument profile."""
    angle_deg: float
    """Its place at gantry angle 0, as DICOM counts: 0 at the patient's back, counter-clockwise seen from the feet."""
    width_mm: PositiveFloat
    """Useful field of view along x of the detector."""
    height_mm: PositiveFloat
    """Useful field of view along y of the detector."""
    crystal: Crystal | None = None
    sensors: Sensors | None = None
    """Required where its instrument sends amplitudes of channels."""


class RotaryAxis(Strict):
    """Limits of an axis that turns."""

    min_deg: float
    max_deg: float
    max_speed_deg_per_s: PositiveFloat
    max_overtravel_deg: PositiveFloat | None = None
    """How far it may go on after a stop; not judged where it is not said."""
    away: Literal["minimum", "maximum"] | None = None
    """The end that is away from the patient; without it there is no retreat."""


class LinearAxis(Strict):
    """Limits of an axis that moves along a line."""

    min_mm: float
    max_mm: float
    max_speed_mm_per_s: PositiveFloat
    max_overtravel_mm: PositiveFloat | None = None
    """How far it may go on after a stop; not judged where it is not said."""
    away: Literal["minimum", "maximum"] | None = None
    """The end that is away from the patient; without it there is no retreat."""


class Axes(Strict):
    """The axes of the scanner by name."""

    rotary: dict[Name, RotaryAxis] = Field(default_factory=dict)
    linear: dict[Name, LinearAxis] = Field(default_factory=dict)


class SupplyLimits(Strict):
    """What a channel of high voltage of the scanner may be asked for, as magnitudes."""

    head: Name | None = None
    """Id of the head it feeds; None: more than one, or a ring."""
    max_v: PositiveFloat
    max_slope_v_per_s: PositiveFloat
    max_step_v: PositiveFloat
    """How far it is raised before it is read back."""
    tolerance_v: PositiveFloat
    """How far what is read may be from what was set."""
    trip_ua: PositiveFloat
    """Current of the supply's own trip."""
    trip_s: PositiveFloat
    """How long it may last."""
    trip_group: Name | None = None
    """All supplies of a group are lowered when one of them trips; None: only that one goes."""
    power_down: Literal["ramp", "kill"] | None = None
    """How the output goes where it is switched off, or its power fails; said and read back before it is raised."""


class NeededInterlocks(Strict):
    """Interlocks that a station with this scanner must have, beyond those that every station needs."""

    move: tuple[Literal["emergency_stop", "collision_pad", "drive_power", "watchdog"], ...] = ()
    """Before anything moves, each of these is watched, true and fresh."""
    raise_voltage: tuple[Literal["service_cover", "temperature"], ...] = ()
    """Of each head that a supply feeds, each of these is watched; never the door of the room."""


class ScannerProfile(Strict):
    """One scanner: either a `ring` or `heads`."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["scanner-profile/0"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    title: Annotated[str, Field(min_length=1)]
    vendor: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    """Where the numbers were taken from."""
    verified: Literal["simulated", "hardware"]
    instrument: str | None = None
    """Id of the instrument profile of a ring."""
    ring: Ring | None = None
    heads: tuple[Head, ...] = ()
    collimators: dict[CollimatorName, Collimator] = Field(default_factory=dict)
    """The collimators that fit its heads, by the name that protocols use, e.g. `LEHR`."""
    axes: Axes = Axes()
    supplies: dict[Name, SupplyLimits] = Field(default_factory=dict)
    """Its channels of high voltage by name."""
    interlocks: NeededInterlocks = NeededInterlocks()
    envelope: tuple[EnvelopeRule, ...] = ()
    """Where axes must not be together."""
    qc: dict[TestName, QcTest] = Field(default_factory=dict)
    """Its tests of quality control by name, with their limits."""
    trigger_latency_ms: dict[Literal["ecg", "respiration"], Latency] = Field(default_factory=dict)
    """By what a gate begins with: how long after the R wave, or the breath, the time of its word is. Of a trigger that
    is not named nobody knows."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where detectors sit: int64 arrays of one length; `crystal` counts around the ring."""

    layer: Indices
    ring: Indices
    crystal: Indices


def place(ring: Ring, detector: Detectors) -> Place:
    """Return layer, ring and crystal of detector numbers. Raises `MismatchError` for a number not in the ring."""
    number = np.asarray(detector).astype(np.int64)
    layer, rest = np.divmod(number, ring.layer_step)
    ring_index, crystal = np.divmod(rest, ring.ring_step)
    outside = (layer >= ring.layers) | (ring_index >= ring.rings) | (crystal >= ring.detectors_per_ring) | (number < 0)
    if np.any(outside):
        wrong = int(number[outside].flat[0])
        limit = (
            f"{ring.layers} layers of {ring.rings} rings of {ring.detectors_per_ring} (highest {ring.highest_detector})"
        )
        raise MismatchError(f"detector {wrong} is not in a scanner with {limit}")
    return Place(layer, ring_index, crystal)


def positions_mm(ring: Ring, detector: Detectors) -> npt.NDArray[np.float64]:
    """Return x, y, z in mm of detector numbers [n] as float64 [n, 3]. Raises `MismatchError`."""
    at = place(ring, detector)
    turn = 360.0 / ring.detectors_per_ring * (1 if ring.direction == "counter_clockwise" else -1)
    angle = np.radians(ring.first_angle_deg + turn * at.crystal)
    radius_mm = ring.radius_mm + ring.interaction_depth_mm + (ring.layer_pitch_mm or 0.0) * at.layer
    z_mm = (at.ring - (ring.rings - 1) / 2) * ring.axial_pitch_mm
    return np.stack([radius_mm * np.cos(angle), radius_mm * np.sin(angle), z_mm], axis=-1)


def modules(ring: Ring, detector: Detectors) -> Indices:
    """Return the module of detector numbers: counted around the ring, then along the axis; layers share modules."""
    at = place(ring, detector)
    per_turn = ring.detectors_per_ring // ring.module_detectors
    return (at.ring // ring.module_rings) * per_turn + at.crystal // ring.module_detectors


def sectors(ring: Ring, detector: Detectors) -> Indices:
    """Return the sector of detector numbers, counted around the ring."""
    return place(ring, detector).crystal * ring.sectors // ring.detectors_per_ring


def are_virtual(ring: Ring, detector: Detectors) -> npt.NDArray[np.bool_]:
    """Return True where a detector number means a gap between modules: no crystal is there."""
    return np.isin(place(ring, detector).crystal % ring.module_detectors, ring.virtual_positions)


def may_pair(ring: Ring, detector_a: Detectors, detector_b: Detectors) -> npt.NDArray[np.bool_]:
    """Return True where two detectors are at least `minimum_sector_difference` sectors apart, the shorter way round."""
    straight = np.abs(sectors(ring, detector_a) - sectors(ring, detector_b))
    apart: Indices = np.minimum(straight, ring.sectors - straight)
    return apart >= ring.minimum_sector_difference
