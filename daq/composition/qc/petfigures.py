"""Figures by block, plane and crystal, and curves, out of arrays: what is no number is None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from daq.model.qc.figures import Curve, Figure

if TYPE_CHECKING:
    from daq.composition.qc.petscan import Spectra
    from daq.qc.peaks import Peak
    from daq.qc.pet.ringmap import RingMap
    from daq.qc.pet.timing import BlockTimes


def by_subject(name: str, unit: str, subjects: tuple[str, ...], values: Any, noise: Any, counts: Any) -> Figure:
    """Return a figure of many subjects, arrays of their length."""
    return Figure(name, unit, subjects, *(plain(each) for each in (values, noise, counts)))


def plain(values: Any) -> tuple[float | None, ...]:
    """Return numbers as plain ones, None for what is no number."""
    return tuple(float(value) if np.isfinite(value) else None for value in np.asarray(values, np.float64))


def block_names(of: RingMap) -> tuple[str, ...]:
    """Return the subjects of blocks."""
    return tuple(f"block {number}" for number in range(of.blocks))


def plane_names(of: RingMap) -> tuple[str, ...]:
    """Return the subjects of rings of crystals."""
    return tuple(f"plane {number}" for number in range(of.ring.rings))


def spectrum_curve(spectra: Spectra, peak: Peak) -> Curve:
    """Return the spectrum of all with its photopeak marked."""
    label = "energy, keV" if spectra.unit == "keV" else "energy, ADC codes"
    return Curve(
        f"Energies of {spectra.of}", spectra.axis, spectra.counts.sum(axis=0).astype(np.float64), label, "counts",
        marks={"photopeak": peak.at},
    )  # fmt: skip


def times_curve(times: BlockTimes) -> Curve:
    """Return all differences of time once blocks are aligned."""
    return Curve("Differences of time, blocks aligned", times.axis_ps, times.curve, "t_b - t_a, ps", "trues")
