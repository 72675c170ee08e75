"""What a head that sends positions and energies reports for photons: resolution, distortion, gain, pile-up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.camera.generate import Photons
from simulators.camera.model import REFERENCE_KEV, Response, SimulatedHead
from simulators.pet.model import FWHM_PER_SIGMA

Floats = npt.NDArray[np.float64]

HOUR_PS = 3.6e15


@dataclass(frozen=True, slots=True, eq=False)
class Reported:
    """What a front end reports, float64 [n] each."""

    x_mm: Floats
    y_mm: Floats
    energy_kev: Floats


def shifted(
    response: Response, x_mm: Floats, y_mm: Floats, energy_kev: Floats | float = REFERENCE_KEV
) -> tuple[Floats, Floats]:
    """Return where flashes are reported, without resolution: pulled to the middles of the tubes, skewed, stretched."""
    turn = 2 * math.pi / response.tube_mm
    stretch = 1 + response.stretch_per_100_kev * (np.asarray(energy_kev) - REFERENCE_KEV) / 100
    return (
        (x_mm - response.shift_mm * np.sin(turn * x_mm)) * stretch + response.offset_x_mm,
        (y_mm - response.shift_mm * np.sin(turn * y_mm) + response.shear * x_mm) * stretch + response.offset_y_mm,
    )


def brightness(response: Response, x_mm: Floats, y_mm: Floats) -> Floats:
    """Return by how much energies of flashes are reported too high, at time zero: 1 is right."""
    turn = 2 * math.pi / response.tube_mm
    return np.asarray(
        response.gain * (1 + response.energy_share * (np.cos(turn * x_mm) + np.cos(turn * y_mm)) / 2), np.float64
    )


def report(photons: Photons, heads: tuple[SimulatedHead, ...], rng: np.random.Generator) -> Reported:
    """Return what heads report. What piled up has the sum of the energies, and their middle as its place."""
    own, added = photons.energy_kev.astype(np.float64), photons.added_kev.astype(np.float64)
    total = own + added
    shares = np.divide(added, total, out=np.zeros_like(total), where=total > 0)
    x_mm = photons.x_mm + (photons.added_x_mm - photons.x_mm) * shares
    y_mm = photons.y_mm + (photons.added_y_mm - photons.y_mm) * shares
    noise = rng.standard_normal((3, len(photons)))
    reported = Reported(np.empty(len(photons)), np.empty(len(photons)), np.empty(len(photons)))
    for head in heads:
        rows = np.flatnonzero(photons.head == head.number)
        response = head.response
        energy = np.maximum(total[rows], 1e-3)
        blur_mm = response.position_fwhm_mm / FWHM_PER_SIGMA * np.sqrt(REFERENCE_KEV / energy)
        x, y = shifted(response, x_mm[rows], y_mm[rows], energy)
        reported.x_mm[rows] = x + blur_mm * noise[0, rows]
        reported.y_mm[rows] = y + blur_mm * noise[1, rows]
        sigma_kev = response.energy_fwhm / FWHM_PER_SIGMA * np.sqrt(REFERENCE_KEV * energy)
        drift = 1 + response.gain_drift_per_h * photons.time_ps[rows] / HOUR_PS
        bright = brightness(response, x_mm[rows], y_mm[rows]) * drift
        reported.energy_kev[rows] = np.maximum((energy + sigma_kev * noise[2, rows]) * bright, 0.0)
    return reported
