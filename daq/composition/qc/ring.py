"""NEMA NU 2 of a PET ring: sensitivity, from frames with one to five sleeves about a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.composition.qc.ringframes import Frame, filled, frames_of, ring_of
from daq.errors import RefusedError, UsageError
from daq.model.qc.figures import Curve, Figure, Findings
from daq.qc.pet.nemalines import LorTable
from daq.qc.pet.nemasensitivity import (
    SLEEVE_WALL_MM,
    Sensitivity,
    SleeveRate,
    axial_profile,
    sensitivity,
)

if TYPE_CHECKING:
    from daq.composition.qc.material import Material

_STANDARD_SLEEVES = 5
_FAR_OFF_MM = 100.0
_HIGH_RANDOMS = 0.05
_OFF_LINE_SIGMA = 5.0
Counts = npt.NDArray[np.int64]


def measure_sensitivity(material: Material) -> Findings:
    """Return the sensitivity of each distance from the axis, from one frame for each number of sleeves."""
    frames = frames_of(material)
    try:
        table, source = LorTable(ring_of(frames)), filled(material, frames)
        sleeves, offsets = _arrangement(material, len(frames))
        counted = [_by_slice(frame, table) for frame in frames]
        wall = material.number("sleeve_wall_mm", SLEEVE_WALL_MM)
        rates = [
            SleeveRate(
                wall * worn, int(prompts.sum()), int(delayeds.sum()), frame.seconds, source.mean_mbq(frame) / source.mbq
            )
            for worn, frame, (prompts, delayeds) in zip(sleeves, frames, counted, strict=True)
        ]
        found = {
            at: sensitivity([rate for rate, off in zip(rates, offsets, strict=True) if off == at], source.mbq * 1e3)
            for at in dict.fromkeys(offsets)
        }
    except (RefusedError, UsageError) as why:
        return Findings(obstacles=(str(why),))
    first = min(range(len(frames)), key=lambda at: (sleeves[at], offsets[at]))
    trues = counted[first][0] - counted[first][1]
    profile = axial_profile(np.maximum(trues, 0), rates[first].per_s / source.mbq / 1e3)
    return Findings(
        obstacles=tuple(_grows(found)),
        figures=_sensitivities(found, rates, offsets, profile, trues),
        remarks=(*_sensitivity_remarks(found, rates), *_delayeds_missing(frames)),
        curves=(Curve("Axial sensitivity, one sleeve", table.slice_z_mm(), profile, "z, mm", "cps/kBq"),),
    )


def _arrangement(material: Material, frames: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return sleeves and distance from the axis of each frame; raise `UsageError` where they do not fit."""
    told = material.test.parameters.get("sleeves")
    standard = tuple(range(1, _STANDARD_SLEEVES + 1))
    twice = frames == 2 * _STANDARD_SLEEVES
    sleeves = tuple(round(each) for each in told) if isinstance(told, tuple) else standard * (2 if twice else 1)
    away = material.test.parameters.get("offsets_mm")
    usual = tuple(0.0 if at < _STANDARD_SLEEVES else _FAR_OFF_MM for at in range(frames)) if twice else (0.0,) * frames
    offsets = away if isinstance(away, tuple) else usual
    if len(sleeves) != frames or len(offsets) != frames:
        raise UsageError(
            f"{frames} frames, {len(sleeves)} numbers of sleeves and {len(offsets)} distances from the axis: "
            "each frame needs both; a frame is missing, or `sleeves` and `offsets_mm` say something else"
        )
    return sleeves, offsets


def _by_slice(frame: Frame, table: LorTable) -> tuple[Counts, Counts]:
    """Return prompts and delayeds of each slice."""
    found = []
    for runs in (frame.prompts(), frame.delayeds()):
        counts = np.zeros(table.slices, np.int64)
        for part in runs:
            at = table.lors(part["detector_a"], part["detector_b"]).slice
            counts += np.bincount(at, minlength=table.slices)
        found.append(counts)
    return found[0], found[1]


def _sensitivities(
    found: dict[float, Sensitivity], rates: list[SleeveRate], offsets: tuple[float, ...],
    profile: npt.NDArray[np.float64], trues: Counts,
) -> tuple[Figure, ...]:  # fmt: skip
    subjects = tuple(f"line at {at:g} mm" for at in found)
    counts = tuple(
        float(sum(rate.prompts - rate.delayeds for rate, off in zip(rates, offsets, strict=True) if off == at))
        for at in found
    )
    made = found.values()
    top = int(profile.argmax())
    of_top = float(trues[top])
    return (
        Figure("sensitivity", "cps/kBq", subjects, tuple(one.cps_per_kbq for one in made),
               tuple(one.error_cps_per_kbq for one in made), counts),
        Figure("attenuation", "1/mm", subjects, tuple(one.attenuation_per_mm for one in made),
               tuple(one.attenuation_error_per_mm for one in made), counts),
        Figure.of("peak_slice", float(profile[top]), "cps/kBq", noise=float(profile[top] / np.sqrt(max(of_top, 1.0))),
                  counts=of_top),
    )  # fmt: skip


def _sensitivity_remarks(found: dict[float, Sensitivity], rates: list[SleeveRate]) -> list[str]:
    said = [
        f"line at {at:g} mm: a frame lies {one.worst_sigma:.1f} standard deviations off the straight line of the others"
        for at, one in found.items()
        if one.worst_sigma > _OFF_LINE_SIGMA
    ]
    high = [rate.delayeds / (rate.prompts - rate.delayeds) for rate in rates]
    if max(high) > _HIGH_RANDOMS:
        said.append(f"randoms are {100 * max(high):.1f} % of trues; NEMA NU 2 wants less than 5 %: the line is too hot")
    return said


def _grows(found: dict[float, Sensitivity]) -> list[str]:
    """Say where more metal lets more through: the frames were measured in another order than is said."""
    return [
        f"line at {at:g} mm: the rate grows with metal, {-one.attenuation_per_mm:.3g} 1/mm: sleeves in the wrong order"
        for at, one in found.items()
        if one.attenuation_per_mm < -2.0 * one.attenuation_error_per_mm
    ]


def _delayeds_missing(frames: list[Frame]) -> list[str]:
    bare = [frame.name for frame in frames if not frame.has_delayeds]
    return [f"no delayed window in {', '.join(bare)}: randoms are not taken off"] if bare else []
