"""Flashes on the shipped cameras of 64 sensors: their codes, corrections for each estimator, and how good those are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from daq.model.headcalibration import Estimator, Grid, HeadCorrections
from daq.model.scanner import Head
from daq.pipeline.heads import HeadStage
from device_profiles.scanners import load_scanner
from simulators.camera.light import Light, LightOutput, default_response, shares

PHOTON_KEV = 140.5
FWHM = 2.3548
CENTRAL = 0.75
"""The central field of view, of the useful one: NEMA NU 1."""
GRID_MM = 4.0
_TURNS = 60


@dataclass(frozen=True)
class Camera:
    """The first head of a shipped scanner profile with light as the simulator makes it, its channels known exactly."""

    name: str

    @cached_property
    def head(self) -> Head:
        return load_scanner(self.name).heads[0]

    @cached_property
    def light(self) -> Light:
        return Light(self.sensors, default_response(self.crystal, self.sensors), LightOutput(), seed=1)

    @property
    def sensors(self) -> Any:
        return self.head.sensors

    @property
    def crystal(self) -> Any:
        return self.head.crystal

    def codes(self, x: Any, y: Any, kev: float = PHOTON_KEV) -> Any:
        """Return the codes of flashes at places [n], uint16 [n, 64]."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        return self.light.amplitudes(x.ravel(), y.ravel(), np.full(x.size, kev))

    def corrections(self, estimator: Estimator, **changes: Any) -> HeadCorrections:
        """Return what is known of the channels: all together see the energy of a flash in the middle."""
        output, channels = self.light.output, self.light.channels
        share = shares(self.light.response, self.sensors, np.zeros(1), np.zeros(1)).sum()
        per_kev = output.adc_per_photoelectron * output.photons_per_kev * output.detection * share
        return HeadCorrections(
            head=0, sensors=self.sensors, estimator=estimator, light=self.light.response,
            pedestal_adc=tuple(channels.pedestal_adc), kev_per_adc=tuple(1 / (channels.gain * per_kev)),
            saturated_adc=output.full_scale_adc, **changes,
        )  # fmt: skip

    def linearised(self, estimator: Estimator) -> HeadCorrections:
        """Return corrections with the linearity maps that put flashes without noise where they were."""
        plain = self.corrections(estimator)
        reach = np.array([self.head.width_mm, self.head.height_mm]) / 2 + 10
        x = np.arange(-reach[0], reach[0] + GRID_MM, GRID_MM)
        y = np.arange(-reach[1], reach[1] + GRID_MM, GRID_MM)
        at_x, at_y = np.meshgrid(x, y)
        bright = shares(self.light.response, self.sensors, at_x.ravel(), at_y.ravel()) * 60000
        unit = plain.model_copy(update={"pedestal_adc": (), "kev_per_adc": (), "saturated_adc": None})
        found = located(HeadStage([unit]), np.rint(bright).astype(np.uint16))
        raw_x, raw_y = (values.reshape(at_x.shape).astype(float) for values in found[:2])
        grids = [Grid.of(raw, x0_mm=x[0], y0_mm=y[0], pitch_mm=GRID_MM) for raw in (raw_x, raw_y)]
        true_x, true_y = at_x.copy(), at_y.copy()
        for _ in range(_TURNS):
            true_x = np.clip(true_x + at_x - looked_up(grids[0], true_x, true_y), x[0], x[-1])
            true_y = np.clip(true_y + at_y - looked_up(grids[1], true_x, true_y), y[0], y[-1])
        shifts = [Grid.of(shift, x0_mm=x[0], y0_mm=y[0], pitch_mm=GRID_MM) for shift in (true_x - at_x, true_y - at_y)]
        return plain.model_copy(update={"shift_x": shifts[0], "shift_y": shifts[1]})


def looked_up(grid: Grid, x: Any, y: Any) -> Any:
    """Return the values of a map, bilinear."""
    values = grid.values().astype(float)
    right = np.clip((x - grid.x0_mm) / grid.pitch_mm, 0, grid.columns - 1.001)
    up = np.clip((y - grid.y0_mm) / grid.pitch_mm, 0, grid.rows - 1.001)
    column, row = right.astype(int), up.astype(int)
    u, v = right - column, up - row
    low = values[row, column] * (1 - u) + values[row, column + 1] * u
    return low * (1 - v) + (values[row + 1, column] * (1 - u) + values[row + 1, column + 1] * u) * v


def located(stage: HeadStage, codes: Any) -> tuple[Any, Any, Any]:
    """Return x, y and energy of codes, copied."""
    rows = {"time_ps": np.arange(len(codes)), "head": np.zeros(len(codes), np.uint8), "amplitudes": codes}
    found = stage(rows, np.array([len(codes)]), np.zeros(1, np.uint16))
    return found["x_mm"].copy(), found["y_mm"].copy(), found["energy_kev"].copy()


@dataclass(frozen=True)
class Quality:
    """How good an estimator is: full widths at half maximum in mm, in the useful and in the central field of view;
    what is left of its bias in the useful one, at most and as root of the mean square; its bias at the edge before
    correction; resolution of energies, %.
    """

    useful_mm: float
    central_mm: float
    left_most_mm: float
    left_mm: float
    edge_mm: float
    energy_percent: float


def quality(camera: Camera, estimator: Estimator, *, places: int = 160, each: int = 250) -> Quality:
    """Return how good an estimator is at places drawn evenly over the useful field of view."""
    draw = np.random.default_rng(3)
    half = np.array([camera.head.width_mm, camera.head.height_mm]) / 2
    at = draw.uniform(-half, half, (places, 2))
    codes = camera.codes(np.repeat(at[:, 0], each), np.repeat(at[:, 1], each))
    x, y, kev = (one.reshape(places, each) for one in located(HeadStage([camera.linearised(estimator)]), codes))
    widths = FWHM * np.sqrt((_variance(x) + _variance(y)) / 2)
    central = (np.abs(at) <= CENTRAL * half).all(axis=1)
    bias = np.hypot(np.nanmedian(x, axis=1) - at[:, 0], np.nanmedian(y, axis=1) - at[:, 1])
    edge = camera.codes(np.full(each, 0.95 * half[0]), np.linspace(-half[1] / 2, half[1] / 2, each))
    inward = np.nanmean(located(HeadStage([camera.corrections(estimator)]), edge)[0]) - 0.95 * half[0]
    return Quality(
        float(np.sqrt(np.mean(widths**2))), float(np.sqrt(np.mean(widths[central] ** 2))), float(bias.max()),
        float(np.sqrt(np.mean(bias**2))), float(inward),
        float(100 * FWHM * np.sqrt(np.mean(_variance(kev))) / np.nanmean(kev)),
    )  # fmt: skip


def best_mm(camera: Camera) -> float:
    """Return the width that photo-electrons allow on the average over the useful field of view: Cramer and Rao's bound.

    The noise of the electronics is counted as light that every channel sees besides.
    """
    response, output = camera.light.response, camera.light.output
    half = np.array([camera.head.width_mm, camera.head.height_mm]) / 2
    at = np.random.default_rng(3).uniform(-half, half, (160, 2))
    electrons = PHOTON_KEV * output.photons_per_kev * output.detection
    step = 0.01
    seen = shares(response, camera.sensors, at[:, 0], at[:, 1])
    along = [
        (shares(response, camera.sensors, at[:, 0] + dx, at[:, 1] + dy) - seen) / step
        for dx, dy in ((step, 0), (0, step))
    ]
    model = np.stack([seen, *along], axis=1)
    noise = (output.noise_adc / output.adc_per_photoelectron) ** 2 / (electrons * output.excess)
    known = electrons / output.excess * (model / (seen + noise)[:, None, :]) @ model.transpose(0, 2, 1)
    spread = np.linalg.inv(known)
    return float(FWHM * np.sqrt(np.mean((spread[:, 1, 1] + spread[:, 2, 2]) / 2)))


def _variance(values: Any) -> Any:
    """Return the variance in the rows, of what lies within four times the usual distance from the middle."""
    middle = np.nanmedian(values, axis=1, keepdims=True)
    usual = 1.4826 * np.nanmedian(np.abs(values - middle), axis=1, keepdims=True)
    return np.nanvar(np.where(np.abs(values - middle) <= 4 * usual, values, np.nan), axis=1)
