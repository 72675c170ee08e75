"""Singles of a simulated PET scan for the front end: those of its detectors, in a loop that fits its frames."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from daq.model import tofpet2 as t
from simulators.pet.command import scan_of
from simulators.petsys.encoding import NOMINAL
from simulators.petsys.singles import Singles

INSTRUMENT = "petsys-tofpet2-gbe"


def scan_singles(arguments: argparse.Namespace, frames: int) -> tuple[Singles, dict[str, Any]]:
    """Return the singles of `frames` frames of the scan that the options ask for, and what makes them again.

    What ends after the last frame comes at the beginning: the loop has no seam. Writes the truth about each single and
    the calibration of the modules where asked for. Raises `UsageError`, `RefusedError`, `MissingError`.
    """
    from simulators.pet.calibrationfile import write_true_calibration
    from simulators.pet.generate import generate
    from simulators.pet.truthfile import write_photons

    length_ps = frames * t.FRAME_PS
    scan = scan_of(argparse.Namespace(**vars(arguments) | {"seconds": length_ps * 1e-12}))
    photons = generate(scan, arguments.seed)
    first, count = arguments.first_detector, arguments.asics * t.CHANNELS_PER_CHIP
    own = photons.rows((photons.detector >= first) & (photons.detector < first + count))
    folded = replace(own, time_ps=own.time_ps % length_ps)
    sent = folded.rows(np.argsort(folded.time_ps, kind="stable"))
    described = {
        "scanner": arguments.scanner,
        "activity_bq": [[source.nuclide, source.activity_bq] for source in scan.sources],
        "kev_per_adc": NOMINAL.kev_per_code,
        "loop_ps": length_ps,
    }
    if arguments.calibration is not None:
        write_true_calibration(
            arguments.calibration, scan, seed=arguments.seed, instrument=INSTRUMENT,
            kev_per_adc=NOMINAL.kev_per_code, made=datetime.now(UTC),
        )  # fmt: skip
    if arguments.photons is not None:
        write_photons(arguments.photons, [sent], described | {"seed": arguments.seed})
    return Singles(sent.time_ps, sent.detector.astype(np.int64) - first, sent.energy_kev, length_ps), described
