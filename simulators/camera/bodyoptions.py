"""The options of `camera` for a body on a bed before heads that move."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from daq.errors import UsageError
from daq.model.geometry import PatientOrientation
from simulators.camera.bodies import BODY_HELP, ECG_HELP, TRANSMISSION_HELP
from simulators.options import positive_float

MOTION = "motion"
"""The endpoint that hears how axes go."""


def add_body_options(parser: argparse.ArgumentParser) -> None:
    """Register what says which body lies how, and how axes go."""
    parser.add_argument("--body", metavar="TEXT", help=BODY_HELP)
    parser.add_argument(
        "--orientation", choices=list(PatientOrientation), default=PatientOrientation.HFS, help="how the patient lies"
    )
    parser.add_argument("--bed", type=float, default=0.0, metavar="MM", help="where it is until the axis `bed` speaks")
    parser.add_argument(
        "--bed-zero", type=float, default=0.0, metavar="MM", help="where the bed is when the body lies as described"
    )
    parser.add_argument(
        "--move", action="append", default=[], metavar="TEXT",
        help="the patient moves: at=S,x=MM,y=MM,z=MM to the left, to the back, to the head; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--motion-file", type=Path, metavar="FILE", help="how axes go: JSON lines, with time_s from the beginning"
    )
    parser.add_argument(
        "--room",
        type=Path,
        metavar="FILE",
        help="other scenes by name, brought while it is served by the endpoint motion",
    )
    parser.add_argument("--still", action="store_true", help="no axis moves: no endpoint motion, the same words again")
    parser.add_argument(
        "--times",
        type=positive_float,
        default=1.0,
        metavar="N",
        help="the patient's uptake and decay go N times faster",
    )
    parser.add_argument(
        "--orders", type=int, default=2, metavar="N", help="scatterings in the body, 0 for none (default %(default)s)"
    )
    parser.add_argument("--transmission", action="append", default=[], metavar="TEXT", help=TRANSMISSION_HELP)
    parser.add_argument("--ecg", metavar="TEXT", help=ECG_HELP)
    parser.add_argument("--beats", type=Path, metavar="FILE", help="JSON lines: the truth about every beat of a run")


def without_bodies(arguments: argparse.Namespace) -> None:
    """Refuse options that mean nothing without a body. Raises `UsageError`."""
    given: dict[str, Any] = {
        "--motion-file": arguments.motion_file, "--still": arguments.still, "--ecg": arguments.ecg,
        "--beats": arguments.beats, "--room": arguments.room, "--move": arguments.move,
        "--transmission": arguments.transmission,
    }  # fmt: skip
    for name, value in given.items():
        if value:
            raise UsageError(f"{name}: needs --body")
