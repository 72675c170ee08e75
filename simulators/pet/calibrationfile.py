"""The calibration that undoes what a simulated scan's modules do wrong, as a calibration file of the product."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from daq.model.calibration import Calibration
from daq.model.scanner import modules
from device_profiles.calibrations import write_calibration
from simulators.pet.generate import misalignment, real_detectors
from simulators.pet.model import Scan


def write_true_calibration(
    path: Path, scan: Scan, *, seed: int, instrument: str, kev_per_adc: float, made: datetime
) -> Calibration:
    """Write gain and time offset of every detector, exactly as simulated. Raises `RefusedError` over an older file."""
    numbers = real_detectors(scan.ring)
    wrong = misalignment(scan.ring, scan.detectors, seed, scan.faults)
    module = modules(scan.ring, numbers.astype(np.uint32))
    return write_calibration(
        path,
        id=path.stem,
        instrument=instrument,
        made_utc=made.isoformat(),
        method=f"truth of the PET simulator, seed {seed}: no measurement",
        detectors=numbers.tolist(),
        time_offset_ps=wrong.offset_ps[module].tolist(),
        kev_per_adc=(kev_per_adc / wrong.gain[module]).tolist(),
    )
