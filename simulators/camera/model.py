"""What a simulated scene consists of: heads, sources, what they lie in, masks on crystals, the electronics, the time.

Patient coordinates are those of DICOM in mm: x to the patient's left, y to the back, z to the head, 0 on the axis of
the gantry. A head at angle a looks from (sin a, cos a) at the axis; on it x is to the right and y up, as it sees them.
What the model leaves out is listed in docs/explanations/camera-simulation.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from daq.errors import RefusedError, UsageError
from daq.model.camera import Collimator, Crystal
from daq.model.nuclide_table import nuclide
from daq.model.nuclides import Nuclide
from simulators.camera.masks import Mask
from simulators.pet.model import Medium, Position

REFERENCE_KEV = 140.511
"""Where resolutions are stated: the photon of Tc-99m."""
MAX_SECONDS = 1e6
MOST_SOURCES = 255
MOST_HEADS = 16


class Shape(IntEnum):
    """Codes of the shapes in the compiled loops; the first four are those of `simulators.pet`."""

    POINT = 0
    LINE = 1
    CYLINDER = 2
    SPHERE = 3
    BOX = 4


class PhotonFlag(IntFlag):
    """What is true of an event.

    `CONTINUUM`: the crystal got only a part of the energy of the photon. `THROUGH`: it passed the collimator's walls.
    """

    SCATTERED = 1
    PILED_UP = 2
    CONTINUUM = 16
    THROUGH = 32


@dataclass(frozen=True, slots=True)
class Source:
    """Activity (Bq at time zero) spread evenly over a shape in the patient's coordinates, seen through collimators.

    `size_mm`: of a line half of it as a vector; of a cylinder (along z) radius, half its length, 0; of a sphere its
    radius; of a box half its edges.
    """

    nuclide: str
    activity_bq: float
    shape: Shape = Shape.POINT
    position_mm: Position = (0.0, 0.0, 0.0)
    size_mm: Position = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        _check_activity(self.nuclide, self.activity_bq)
        if not all(math.isfinite(value) for value in (*self.position_mm, *self.size_mm)):
            raise UsageError(f"source at {self.position_mm} mm, size {self.size_mm} mm: numbers must be finite")
        if min(self.size_mm) < 0 and self.shape is not Shape.LINE:
            raise UsageError(f"source of size {self.size_mm} mm: must be zero or more")

    def reach_mm(self, angle_rad: float) -> float:
        """Return how far it reaches from the axis towards a head at an angle."""
        sine, cosine = math.sin(angle_rad), math.cos(angle_rad)
        middle = self.position_mm[0] * sine + self.position_mm[1] * cosine
        if self.shape in (Shape.LINE, Shape.BOX):
            return middle + abs(self.size_mm[0] * sine) + abs(self.size_mm[1] * cosine)
        return middle + (0.0 if self.shape is Shape.POINT else self.size_mm[0])


@dataclass(frozen=True, slots=True)
class Field:
    """A point source far in front of the middle of the bare crystal of one head, with a mask on the crystal or none."""

    nuclide: str
    activity_bq: float
    head: int = 0
    distance_mm: float = 3000.0
    mask: Mask = field(default_factory=Mask)

    def __post_init__(self) -> None:
        _check_activity(self.nuclide, self.activity_bq)
        if not (self.distance_mm > 0 and math.isfinite(self.distance_mm)):
            raise UsageError(f"a point source {self.distance_mm} mm from the crystal: must be above zero")


@dataclass(frozen=True, slots=True)
class Response:
    """What a head that sends positions and energies does to them; a head read out by amplitudes has `light` instead.

    `energy_fwhm` as a fraction and `position_fwhm_mm` hold at 140.5 keV and go with 1/sqrt(E). `gain`: energies are
    reported so many times too high at time zero, growing by `gain_drift_per_h`. What repeats with the tubes, `tube_mm`
    from one to the next: positions are pulled to their middles by at most `shift_mm`, energies are up to
    `energy_share` higher there and as much lower between them. `shear`: y grows by so much of x, as a skewed grid.
    `stretch_per_100_kev`: positions grow by so much with the energy above 140.5 keV, so that windows do not lie on each
    other. `offset_x_mm`, `offset_y_mm`: what is added to all positions, as by a head that hangs off its place.
    """

    energy_fwhm: float = 0.098
    position_fwhm_mm: float = 3.6
    gain: float = 1.0
    gain_drift_per_h: float = 0.0
    shift_mm: float = 0.0
    energy_share: float = 0.0
    tube_mm: float = 60.0
    shear: float = 0.0
    stretch_per_100_kev: float = 0.0
    offset_x_mm: float = 0.0
    offset_y_mm: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not math.isfinite(getattr(self, name)):
                raise UsageError(f"response of {name} {getattr(self, name)}: must be finite")
        for name in ("energy_fwhm", "position_fwhm_mm", "shift_mm", "energy_share"):
            if getattr(self, name) < 0:
                raise UsageError(f"response of {name} {getattr(self, name)}: must be zero or more")
        if self.gain <= 0 or self.tube_mm <= 0 or self.energy_share >= 1:
            raise UsageError("response: gain and tube_mm must be above zero, energy_share below 1")
        if 2 * math.pi * self.shift_mm >= self.tube_mm:
            raise UsageError(
                f"shift_mm {self.shift_mm}: 2 pi shift_mm must be below tube_mm {self.tube_mm}, or positions fold over"
            )


@dataclass(frozen=True, slots=True)
class Electronics:
    """What the electronics of a head do with photons that arrive.

    A photon of `threshold_kev` or more triggers. `dead_time_ps`: paralysable or not. What arrives within
    `integration_ps` of a photon that is recorded adds its light to it; that of others is never seen.
    """

    threshold_kev: float = 0.0
    dead_time_ps: int = 0
    paralysable: bool = False
    integration_ps: int = 0

    def __post_init__(self) -> None:
        if not (self.threshold_kev >= 0 and math.isfinite(self.threshold_kev)):
            raise UsageError(f"threshold_kev {self.threshold_kev}: must be zero or more")
        if not 0 <= self.integration_ps <= self.dead_time_ps <= MOST_DEAD_TIME_PS:
            raise UsageError(
                f"integration_ps {self.integration_ps}, dead_time_ps {self.dead_time_ps}: must be zero or more, the"
                f" first not longer than the second and that at most {MOST_DEAD_TIME_PS}"
            )


MOST_DEAD_TIME_PS = 10**12


@dataclass(frozen=True, slots=True)
class SimulatedHead:
    """A head: its crystal, where it stands, what is in front of it. `radius_mm`: axis to the collimator's face."""

    number: int
    crystal: Crystal
    angle_deg: float = 180.0
    radius_mm: float = 150.0
    collimator: Collimator | None = None
    response: Response = field(default_factory=Response)

    def __post_init__(self) -> None:
        if not 0 <= self.number < MOST_HEADS:
            raise UsageError(f"head {self.number}: heads have numbers 0 to {MOST_HEADS - 1}")
        if not (math.isfinite(self.angle_deg) and self.radius_mm > 0 and math.isfinite(self.radius_mm)):
            raise UsageError(f"head {self.number} at {self.angle_deg} degrees, {self.radius_mm} mm from the axis")


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens from `start_s` for `seconds`; activities hold at time zero. `orders`: scatterings in the medium."""

    heads: tuple[SimulatedHead, ...]
    sources: tuple[Source | Field, ...]
    medium: Medium | None = None
    electronics: Electronics = field(default_factory=Electronics)
    start_s: float = 0.0
    seconds: float = 1.0
    orders: int = 3

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and 0 < self.seconds <= MAX_SECONDS and abs(self.start_s) <= MAX_SECONDS):
            raise UsageError(f"a scene of {self.seconds} s from {self.start_s} s; at most {MAX_SECONDS:g} s")
        if len(self.sources) > MOST_SOURCES or not 0 <= self.orders <= 10:  # noqa: PLR2004
            raise UsageError(f"{len(self.sources)} sources, {self.orders} orders; at most {MOST_SOURCES} and 10")
        numbers = [head.number for head in self.heads]
        if not numbers or len(set(numbers)) != len(numbers):
            raise UsageError(f"heads {numbers}: at least one, and each number once")
        for source in self.sources:
            self._check(source)
        for head in self.heads:
            if self.medium is not None and head.collimator and self.medium.reach_mm >= head.radius_mm:
                raise UsageError(
                    f"the medium reaches {self.medium.reach_mm:g} mm from the axis; the collimator of head"
                    f" {head.number} is at {head.radius_mm:g} mm"
                )

    def _check(self, source: Source | Field) -> None:
        """Raise where a source is not in front of the heads that see it."""
        if isinstance(source, Field):
            if source.head not in [head.number for head in self.heads]:
                raise UsageError(f"a field on head {source.head}: there is no such head")
            return
        for head in self.heads:
            if head.collimator is None:
                raise RefusedError(
                    f"head {head.number} has no collimator: it can see a field only, no {source.shape.name}"
                )
            reach_mm = source.reach_mm(math.radians(head.angle_deg))
            if reach_mm >= head.radius_mm:
                raise UsageError(
                    f"a source reaches {reach_mm:g} mm towards head {head.number}, whose collimator is at"
                    f" {head.radius_mm:g} mm"
                )


def _check_activity(name: str, activity_bq: float) -> Nuclide:
    """Return the nuclide. Raises `MissingError`, `UsageError`."""
    if not (math.isfinite(activity_bq) and activity_bq >= 0):
        raise UsageError(f"source of {activity_bq} Bq: must be zero or more")
    return nuclide(name)


def point(nuclide: str, activity_bq: float, position_mm: Position = (0.0, 0.0, 0.0)) -> Source:
    """Return a point source."""
    return Source(nuclide, activity_bq, Shape.POINT, position_mm)


def line(nuclide: str, activity_bq: float, half_mm: Position, position_mm: Position = (0.0, 0.0, 0.0)) -> Source:
    """Return a line source from `position_mm` - `half_mm` to `position_mm` + `half_mm`."""
    return Source(nuclide, activity_bq, Shape.LINE, position_mm, half_mm)


def sheet(
    nuclide: str, activity_bq: float, width_mm: float, height_mm: float, position_mm: Position = (0.0, 0.0, 0.0)
) -> Source:
    """Return a thin sheet across y: `width_mm` along x, `height_mm` along z."""
    return Source(nuclide, activity_bq, Shape.BOX, position_mm, (width_mm / 2, 0.0, height_mm / 2))


def cylinder(
    nuclide: str, activity_bq: float, radius_mm: float, length_mm: float, position_mm: Position = (0.0, 0.0, 0.0)
) -> Source:
    """Return a cylinder along z."""
    return Source(nuclide, activity_bq, Shape.CYLINDER, position_mm, (radius_mm, length_mm / 2, 0.0))


def sphere(nuclide: str, activity_bq: float, radius_mm: float, position_mm: Position = (0.0, 0.0, 0.0)) -> Source:
    """Return a sphere."""
    return Source(nuclide, activity_bq, Shape.SPHERE, position_mm, (radius_mm, 0.0, 0.0))


def spots(nuclide: str, activity_bq: float, position_mm: Position = (0.0, 0.0, 0.0)) -> tuple[Source, ...]:
    """Return a sheet of 260 mm by 300 mm with hot spots, for demonstrations; a third of the activity is in the spots.

    No two of its sides are alike: a picture that is mirrored or turned shows it. Five spheres become larger from the
    patient's left at the head to the middle; a line lies across, low on the right.
    """
    x, y, z = position_mm
    places = ((80.0, 110.0, 5.0), (62.0, 80.0, 6.5), (40.0, 48.0, 8.5), (12.0, 14.0, 11.0), (-20.0, -22.0, 14.0))
    share = activity_bq / 3 / (len(places) + 1)
    hot = [sphere(nuclide, share, radius, (x + across, y, z + up)) for across, up, radius in places]
    low = line(nuclide, share, (45.0, 0.0, 0.0), (x - 60.0, y, z - 110.0))
    return sheet(nuclide, activity_bq * 2 / 3, 260.0, 300.0, position_mm), *hot, low
