"""What the header of a PETSIRD file says, from the manifest and the scanner profile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.errors import RefusedError
from daq.listmode.petsird import CoincidencePolicy, Exam, Header
from daq.listmode.petsird_events import TofBins
from daq.listmode.petsird_geometry import geometry
from daq.model.coincidence import PairingRule, Policy
from daq.model.geometry import LIGHT_MM_PER_PS
from daq.model.windows import FWHM_PER_SIGMA
from daq.storage.exportpairs import PairSource, Survey, Written

if TYPE_CHECKING:
    from daq.storage.reader import ListMode

_FEW_TOF_BINS = 127
"""TOF bins of a number up to here take one byte; the default width makes no more."""


def tof_bins(source: PairSource, survey: Survey) -> TofBins:
    """Return the TOF bins, which span the coincidence window. Raise `RefusedError` where that is not known."""
    half_ps = source.half_window_ps
    if half_ps is None:
        raise RefusedError(
            'the coincidence window is not recorded; PETSIRD states it: give its half width (--half-window "2.25 ns")'
        )
    if not source.has_tof:
        return TofBins(2 * half_ps, 1)
    if survey.widest_tof_ps > half_ps:
        raise RefusedError(
            f"a difference of time of {survey.widest_tof_ps} ps is recorded, more than the half window of {half_ps} ps"
        )
    return TofBins.covering(half_ps, source.wanted.tof_bin_ps or math.ceil((2 * half_ps + 1) / _FEW_TOF_BINS))


def energy_edges(source: PairSource) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the edges of the energy bins in keV. Raise `RefusedError` where the energy window is not known."""
    window = source.energy_window_kev
    if window is None:
        raise RefusedError(
            'the energy window is not recorded; PETSIRD states it: give it (--energy-window "430-650 keV")'
        )
    if source.wanted.energy_bins > 1 and not source.has_energies:
        raise RefusedError(
            f"{source.wanted.energy_bins} energy bins are wanted; the recording has no energies of pairs"
        )
    return np.linspace(*window, source.wanted.energy_bins + 1).astype(np.float32)


def header_of(
    run: ListMode, source: PairSource, survey: Survey, tof: TofBins, edges: Any, written: Written, *, singles: bool
) -> Header:  # fmt: skip
    """Return the header; what is not known is NaN, and noted. Raise `RefusedError` without the size of crystals."""
    ring, pairing = source.ring, source.processing.pairing if source.processing else None
    resolution_ps = ring.coincidence_resolution_ps
    if resolution_ps is None and pairing is not None and pairing.timing_sigma_ps is not None:
        resolution_ps = FWHM_PER_SIGMA * pairing.timing_sigma_ps
    for what, value in (
        ("the resolution of time differences", resolution_ps),
        ("the energy resolution at 511 keV", ring.energy_resolution_at_511),
    ):
        if value is None:
            written.notes.append(f"{what} is not in the scanner profile: the file says NaN")
    nothing = float("nan")
    policy = _policy(pairing)
    return Header(
        model_name=source.model_name,
        geometry=geometry(ring),
        tof_edges_mm=tof.edges_mm,
        tof_resolution_mm=nothing if resolution_ps is None else resolution_ps * LIGHT_MM_PER_PS / 2,
        energy_edges_kev=edges,
        energy_resolution_at_511=ring.energy_resolution_at_511 or nothing,
        prompts=policy,
        delayeds=policy if has_delayeds(source, survey) else CoincidencePolicy.NONE,
        efficiency_method=_references(run),
        singles_per_module=singles,
        exam=_exam(run),
    )


def has_delayeds(source: PairSource, survey: Survey) -> bool:
    """Return True where delayed coincidences were looked for, found or not."""
    pairing = source.processing.pairing if source.processing else None
    return survey.delayeds > 0 or (pairing is not None and pairing.delay_ps is not None)


def _policy(pairing: PairingRule | None) -> CoincidencePolicy:
    """Return PETSIRD's word for what happens to multiples; `other` where it has none or where it is not known."""
    if pairing is not None and pairing.policy == Policy.TAKE_ALL_GOODS:
        return CoincidencePolicy.MULTIPLES_AS_ALL_COINCIDENCES
    if pairing is not None and pairing.policy == Policy.KILL_ALL:
        return CoincidencePolicy.REJECT_HIGHER_MULTIPLES
    return CoincidencePolicy.OTHER


def _references(run: ListMode) -> str:
    """Return what the file says of efficiencies: none are applied, and what a reconstruction needs to find."""
    found = [f"{key}: {_said(value)}" for key, value in sorted(run.manifest.calibrations.items())]
    found += [
        f"mu map: CT series {record.get('ct_series_uid')}, registration {record.get('registration_id')} of "
        f"{record.get('registration_date')}"
        for record in _attenuation(run)
    ]
    return f"efficiencies are not in this file (1 each); references of the recording: {'; '.join(found) or 'none'}"


def _attenuation(run: ListMode) -> Iterator[dict[str, Any]]:
    """Yield the records of CTs for attenuation that were handed over, in order; the last one counts."""
    for step in run.manifest.steps or ():
        for confirmed in step.hand_overs:
            record = confirmed.get("record")
            if isinstance(record, dict) and record.get("what") == "ct_attenuation":
                yield record


def _said(value: object) -> str:
    """Return a reference as text: what it is called, of when, and its checksum."""
    if isinstance(value, dict):
        return " ".join(str(value[key]) for key in ("id", "made_utc", "sha256") if value.get(key))
    return str(value)


def _exam(run: ListMode) -> Exam | None:
    """Return what is known of the examination; None for an imported file, of which not even the date is known."""
    manifest = run.manifest
    start_ns = manifest.time.get("start_utc_ns")
    if manifest.time.get("imported"):
        return None
    attenuation = list(_attenuation(run))
    return Exam(
        study_utc_ns=_utc_ns(manifest.created_utc),
        start_utc_ns=None if start_ns is None else int(start_ns),
        patient_id=manifest.patient_reference or "",
        frame_of_reference_uid=next((str(record.get("frame_of_reference_uid")) for record in attenuation[::-1]), ""),
    )


def _utc_ns(text: str) -> int:
    """Return the time of an ISO 8601 text; 0 for one that a recovery could not save."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return round(moment.timestamp() * 1000) * 10**6
