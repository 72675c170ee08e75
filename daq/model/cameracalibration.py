"""`camera-calibration/1`: what was measured on one head, once: dated, of one serial number, never changed afterwards.

Several of them, one of each kind, make the corrections of an acquisition (`daq.model.headcalibration`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from daq.model.calibration import time_findings
from daq.model.camera import MOST_CHANNELS
from daq.model.finding import Finding, error
from daq.model.headcalibration import CameraCalibrationKind, Estimator, Grid, LightResponse
from daq.model.layout import Strict

_Text = Annotated[str, Field(min_length=1, max_length=2000)]
_Word = Annotated[str, Field(min_length=1, max_length=100)]


class Peaking(Strict):
    """Channels made equal: energy in a channel = (code - pedestal_adc) * kev_per_adc. One entry per channel."""

    pedestal_adc: Annotated[tuple[float, ...], Field(min_length=1, max_length=MOST_CHANNELS)]
    kev_per_adc: Annotated[tuple[float, ...], Field(min_length=1, max_length=MOST_CHANNELS)]
    dead_channels: tuple[NonNegativeInt, ...] = ()
    saturated_adc: PositiveInt | None = None
    """A code at or above is a channel out of its range; None: not known."""
    estimator: Estimator = "anger"
    light: LightResponse | None = None
    pile_up_kev: PositiveFloat | None = None
    """What the light of one flash may leave unexplained, `daq.model.headcalibration`; None: nothing is judged."""


class EnergyMap(Strict):
    """Where a photopeak was found, over where it should be: 1.02 where it is 2 % too high."""

    ratio: Grid


class Linearity(Strict):
    """How far positions are to be moved, mm."""

    shift_x: Grid
    shift_y: Grid


class Uniformity(Strict):
    """What an event counts in pictures, by the name of its window: about 1 on average over the field of view."""

    weight: Annotated[dict[_Word, Grid], Field(min_length=1)]


class CentreOfRotation(Strict):
    """Where the axis of rotation is on the detector: x of the axis, what the fit left, how far y moves."""

    offset_mm: float
    residual_mm: NonNegativeFloat
    axial_shift_mm: float


class WindowRegistration(Strict):
    """How far pictures of other windows lie from that of the first, mm, by window name."""

    shift_mm: Annotated[dict[_Word, tuple[float, float]], Field(min_length=1)]


class Window(Strict):
    """An energy window that a calibration was measured in."""

    name: _Word
    lower_kev: NonNegativeFloat
    upper_kev: PositiveFloat


class Figure(Strict):
    """One number that tells how good it was, before or after, with its unit."""

    value: float
    unit: Annotated[str, Field(max_length=20)]


class CameraCalibration(Strict):
    """One calibration of one head. Exactly the table of its kind is there."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["camera-calibration/1"] = Field(default="camera-calibration/1", alias="schema")
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    kind: CameraCalibrationKind
    instrument: _Word
    """Id of the instrument profile."""
    serial: _Word
    """Serial number of the head, or of the board that reads it out."""
    head: NonNegativeInt
    """Number of the head in the scanner it was measured in."""
    made_utc: _Word
    """When it was measured: ISO 8601 with its zone."""
    valid_until_utc: _Word | None = None
    """From then on it is not chosen any more."""
    method: _Text
    """How it was measured, with the document that describes it."""
    acquisitions: tuple[_Word, ...] = ()
    """Ids of the recordings it was made of."""
    builds_on: tuple[_Word, ...] = ()
    """Ids of the calibrations that were in use meanwhile: with others in their place it is not valid."""
    nuclide: _Word | None = None
    collimator: _Word | None = None
    """None: without a collimator."""
    windows: tuple[Window, ...] = ()
    figures: dict[_Word, Figure] = Field(default_factory=dict)
    peaking: Peaking | None = None
    energy_map: EnergyMap | None = None
    linearity: Linearity | None = None
    uniformity: Uniformity | None = None
    centre_of_rotation: CentreOfRotation | None = None
    window_registration: WindowRegistration | None = None
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Of everything above, as `digest` says; the last line of a file, so that a file half written has none."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON of all but `sha256`."""
        content: dict[str, Any] = self.model_dump(mode="json", exclude={"sha256"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


TABLES: dict[str, str] = {
    "peaking": "peaking", "energy-map": "energy_map", "linearity": "linearity", "uniformity": "uniformity",
    "centre-of-rotation": "centre_of_rotation", "window-registration": "window_registration",
}  # fmt: skip
"""The table of each kind."""


def findings(calibration: CameraCalibration) -> list[Finding]:
    """Return what is wrong with a calibration."""
    return [
        *time_findings(calibration.made_utc, calibration.valid_until_utc),
        *_tables(calibration),
        *_peaking(calibration.peaking),
        *_maps(calibration),
    ]


def _tables(calibration: CameraCalibration) -> Iterator[Finding]:
    there = {kind for kind, table in TABLES.items() if getattr(calibration, table) is not None}
    if calibration.kind not in there:
        yield error("kind", calibration.kind, f"the table [{TABLES[calibration.kind]}] is missing")
    for kind in sorted(there - {calibration.kind}):
        yield error("kind", calibration.kind, f"the table [{TABLES[kind]}] belongs to another kind")
    if calibration.uniformity is not None:
        named = {window.name for window in calibration.windows}
        for name in calibration.uniformity.weight:
            if name not in named:
                yield error(f"uniformity.weight.{name}", name, "no window of this name in `windows`")
    for window in calibration.windows:
        if not window.lower_kev < window.upper_kev:
            yield error(f"windows.{window.name}", window.lower_kev, f"not below the upper bound, {window.upper_kev}")


def _peaking(peaking: Peaking | None) -> Iterator[Finding]:
    if peaking is None:
        return
    channels = len(peaking.kev_per_adc)
    if len(peaking.pedestal_adc) != channels:
        yield error("peaking.pedestal_adc", len(peaking.pedestal_adc), f"values; there are {channels} gains")
    for channel, gain in enumerate(peaking.kev_per_adc):
        if not 0.0 < gain < float("inf") and channel not in peaking.dead_channels:
            yield error(f"peaking.kev_per_adc[{channel}]", gain, "a gain is above zero and finite")
    for channel in peaking.dead_channels:
        if channel >= channels:
            yield error("peaking.dead_channels", channel, f"there are {channels} channels, from 0 on")
    yield from _estimator(peaking)


def _estimator(peaking: Peaking) -> Iterator[Finding]:
    is_likeliest = peaking.estimator == "maximum-likelihood"
    if is_likeliest and peaking.light is None:
        yield error("peaking.estimator", peaking.estimator, "it needs [peaking.light]")
    if peaking.pile_up_kev is not None and not is_likeliest:
        reason = f"is judged by maximum-likelihood, not by {peaking.estimator}"
        yield error("peaking.pile_up_kev", peaking.pile_up_kev, reason)


def _maps(calibration: CameraCalibration) -> Iterator[Finding]:
    """Judge what a map says; that it can be read is judged when it is."""
    if calibration.energy_map is not None and (calibration.energy_map.ratio.values() <= 0.0).any():
        yield error("energy_map.ratio", "a value", "at or below zero; a ratio of peaks is above")
    weights = calibration.uniformity.weight if calibration.uniformity is not None else {}
    for name, grid in weights.items():
        if (grid.values() < 0.0).any():
            yield error(f"uniformity.weight.{name}", "a value", "below zero; an event counts nothing at least")
