"""What turns one head's light or raw positions into corrected positions and energies: plain data for the plan.

    amplitudes -> (code - pedestal_adc) * kev_per_adc -> estimator -> x, y, E
    words with x, y, E -> spread evenly over the steps they come in
    energy_kev = E / energy(x, y);  x_mm = x + shift_x(x, y), y_mm = y + shift_y(x, y)

The two corrections keep every count. Uniformity comes last and counts with a weight: an event at the corrected (x, y)
in window w counts `uniformity[w](x, y)` in a picture; what is stored are the counts themselves.
"""

from __future__ import annotations

import base64
import zlib
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from daq.errors import ProfileError
from daq.model.camera import MOST_CHANNELS, Sensors
from daq.model.layout import Layout, Strict

MOST_POINTS = 512
CameraCalibrationKind = Literal[
    "peaking", "energy-map", "linearity", "uniformity", "centre-of-rotation", "window-registration"
]
Estimator = Literal["anger", "weighted", "maximum-likelihood"]


class Grid(Strict):
    """A map over the detector: values at points `x0_mm + column * pitch_mm`, `y0_mm + row * pitch_mm`.

    Between points it is bilinear; outside, the value of the nearest edge.
    """

    x0_mm: float
    y0_mm: float
    pitch_mm: PositiveFloat
    rows: Annotated[int, Field(ge=1, le=MOST_POINTS)]
    columns: Annotated[int, Field(ge=1, le=MOST_POINTS)]
    data: str
    """Base64 of the zlib-compressed little-endian float32 values, row after row."""

    @classmethod
    def of(cls, values: npt.NDArray[np.floating], *, x0_mm: float, y0_mm: float, pitch_mm: float) -> Self:
        """Return the map of finite `values` [rows, columns]."""
        plain = np.ascontiguousarray(values, "<f4")
        text = base64.b64encode(zlib.compress(plain.tobytes(), 6)).decode("ascii")
        rows, columns = plain.shape
        return cls(x0_mm=x0_mm, y0_mm=y0_mm, pitch_mm=pitch_mm, rows=rows, columns=columns, data=text)

    def values(self) -> npt.NDArray[np.float32]:
        """Return float32 [rows, columns]; raise `ProfileError` for data that are not as many finite numbers."""
        wanted = 4 * self.rows * self.columns
        try:
            inflater = zlib.decompressobj()
            content = inflater.decompress(base64.b64decode(self.data, validate=True), wanted + 1)
        except (ValueError, zlib.error) as why:
            raise ProfileError(f"a map of {self.rows} x {self.columns} points cannot be read: {why}") from None
        if len(content) != wanted:
            raise ProfileError(f"a map of {self.rows} x {self.columns} points holds {len(content)} bytes, not {wanted}")
        found = np.frombuffer(content, "<f4").reshape(self.rows, self.columns).astype(np.float32)
        if not np.isfinite(found).all():
            raise ProfileError(f"a map of {self.rows} x {self.columns} points holds a value that is no finite number")
        return found


class CalibrationReference(Strict):
    """Which calibration file a correction was read from, as every acquisition that used it names it."""

    kind: CameraCalibrationKind
    id: Annotated[str, Field(min_length=1, max_length=100)]
    made_utc: str
    sha256: str
    """Of the file that holds the values."""
    serial: str
    """Serial number of the head or board that it was measured on."""
    verified_utc: str | None = None
    """When a check acquisition confirmed it; None: none did."""
    state: str | None = None
    """`active` by the life-cycle that its folder keeps; `trial` while it is checked; None: its folder keeps none."""


class HeadCorrections(Strict):
    """Everything that is done to the events of one head. Nothing set: they stay as the front end gives them."""

    head: NonNegativeInt
    """What the column `head` says for its events."""
    used: tuple[CalibrationReference, ...] = ()
    sensors: Sensors | None = None
    """Required where the front end sends amplitudes of channels."""
    steps: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = (0.0, 0.0, 0.0)
    """Of x and y in mm and of energies in keV, where the words of a front end hold them in steps: events are spread
    evenly over a step before they are corrected, or pictures and spectra would show its beats with pixels and bins.
    0: taken as they come."""
    estimator: Estimator = "anger"
    light: LightResponse | None = None
    """What a sensor gets by its distance from the flash; required by the maximum-likelihood estimator."""
    pedestal_adc: Annotated[tuple[float, ...], Field(max_length=MOST_CHANNELS)] = ()
    kev_per_adc: Annotated[tuple[float, ...], Field(max_length=MOST_CHANNELS)] = ()
    """By channel; empty: pedestals of 0, gains of 1."""
    dead_channels: tuple[NonNegativeInt, ...] = ()
    saturated_adc: PositiveInt | None = None
    """A code at or above is a saturated channel, and its event is excluded and counted; None: none is."""
    pile_up_kev: PositiveFloat | None = None
    """With the maximum-likelihood estimator: an event is piled up, excluded and counted where the light of one flash
    leaves more than that unexplained: the mean over channels of (light - expected)^2 / expected. Photo-electrons alone
    leave the energy that makes one. None: nothing is judged."""
    energy: Grid | None = None
    """Where a photopeak is found, over where it should be."""
    shift_x: Grid | None = None
    shift_y: Grid | None = None
    """Millimetres to add."""
    uniformity: dict[str, Grid] = Field(default_factory=dict)
    """By window name; a window without a map counts 1."""
    collimator: str | None = None
    """The collimator that the uniformity map belongs to; None: measured without one."""


def steps_of(layout: Layout) -> tuple[float, float, float]:
    """Return the steps in which singles of a layout hold x, y and energy; 0 where they do not hold them.

    Where kinds of words differ, the finest: what is spread too little keeps its place.
    """
    fields = [one for kind in layout.kinds.values() if kind.yields == "single" for one in kind.fields.values()]
    of = {name: [abs(one.scale) for one in fields if one.to == name] for name in ("x_mm", "y_mm", "energy_kev")}
    return min(of["x_mm"], default=0.0), min(of["y_mm"], default=0.0), min(of["energy_kev"], default=0.0)


class LightResponse(Strict):
    """The share of a flash that a sensor sees at distance r: `height / (1 + (r / width_mm)^2)^power + floor`."""

    height: PositiveFloat
    width_mm: PositiveFloat
    power: PositiveFloat
    floor: NonNegativeFloat = 0.0


HeadCorrections.model_rebuild()
