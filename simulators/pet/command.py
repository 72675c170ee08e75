"""`python -m simulators pet`: a PET scanner's front ends, fed by the physics of `simulators.pet`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from daq.errors import RefusedError, UsageError
from daq.model.scanner import Ring
from device_profiles.scanners import load_scanner
from simulators.options import add_options as add_shared_options
from simulators.options import instrument, positive, positive_float, service, source_number
from simulators.pet.model import Scan
from simulators.pet.options import (
    ACTIVITY_HELP,
    DETECTORS_HELP,
    FAULT_HELP,
    MEDIUM_HELP,
    parse_activity,
    parse_detectors,
    parse_fault,
    parse_medium,
)  # fmt: skip
from simulators.serve import Server

DEFAULT_SECONDS = 10.0
DEFAULT_KEV_PER_ADC = 0.5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `pet`."""
    add_shared_options(parser)
    add_scan_options(parser, "reference-ring")
    parser.add_argument(
        "--seconds", type=positive_float, default=DEFAULT_SECONDS, metavar="S", help="of the scan (default %(default)g)"
    )
    parser.add_argument(
        "--loop", type=positive_float, metavar="S", help="make S seconds once and send them again and again: no limit"
    )
    parser.add_argument("--sources", type=positive, default=1, metavar="N", help="front ends that share the modules")
    parser.add_argument("--source-id", type=source_number, default=0, metavar="N", help="number of the first of them")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same words")
    parser.add_argument(
        "--kev-per-adc", type=positive_float, default=DEFAULT_KEV_PER_ADC, metavar="E", help="energy of one code"
    )


def add_scan_options(parser: argparse.ArgumentParser, scanner: str) -> None:
    """Register what says what decays, where, in which scanner, and where to write the truth about it."""
    parser.add_argument(
        "--scanner", default=scanner, metavar="NAME", help="scanner profile with a ring (default %(default)s)"
    )
    parser.add_argument("--activity", action="append", default=[], metavar="TEXT", help=ACTIVITY_HELP)
    parser.add_argument("--medium", metavar="TEXT", help=MEDIUM_HELP)
    parser.add_argument("--detectors", metavar="TEXT", help=DETECTORS_HELP)
    parser.add_argument("--module-fault", action="append", default=[], metavar="TEXT", help=FAULT_HELP)
    parser.add_argument(
        "--scatter-fraction", type=float, default=0.0, metavar="F", help="share of pairs with a turned photon"
    )
    parser.add_argument("--photons", type=Path, metavar="FILE", help="Arrow stream: the truth about every single")
    parser.add_argument("--calibration", type=Path, metavar="FILE.toml", help="write the calibration of the modules")


def run(arguments: argparse.Namespace) -> int:
    """Serve a scan. Raises `UsageError`, `RefusedError`, `MissingError`."""
    device = instrument(arguments.profile)
    scan = scan_of(arguments)
    from simulators.pet.calibrationfile import write_true_calibration
    from simulators.pet.supply import PetSupply
    from simulators.pet.truthfile import write_photons

    supply = PetSupply(
        device,
        scan,
        seed=arguments.seed,
        sources=arguments.sources,
        first_source=arguments.source_id,
        loop_s=arguments.loop,
        kev_per_adc=arguments.kev_per_adc,
    )
    asked = service("pet", arguments)
    if arguments.calibration is not None:
        write_true_calibration(
            arguments.calibration, scan, seed=arguments.seed, instrument=device.profile,
            kev_per_adc=arguments.kev_per_adc, made=datetime.now(UTC),
        )  # fmt: skip
    if arguments.photons is not None:
        write_photons(arguments.photons, supply.photons(), supply.described())
    return Server(device, supply, asked).serve()


def scan_of(arguments: argparse.Namespace) -> Scan:
    """Return the scan that the options ask for. Raises `UsageError`, `RefusedError`, `MissingError`."""
    detectors = parse_detectors(arguments.detectors)
    sources = tuple(source for text in arguments.activity for source in parse_activity(text))
    if not sources and not detectors.lutetium_bq:
        raise UsageError("nothing decays: give --activity, e.g. point:F-18,mbq=1, or --detectors lutetium_bq=20")
    return Scan(
        ring_of(arguments.scanner),
        sources,
        detectors,
        parse_medium(arguments.medium),
        scatter_fraction=arguments.scatter_fraction,
        seconds=arguments.seconds,
        faults=tuple(parse_fault(text) for text in arguments.module_fault),
    )


def ring_of(name: str) -> Ring:
    """Return the ring of a scanner profile. Raises `MissingError`, `ProfileError`, `RefusedError` without a ring."""
    ring = load_scanner(name).ring
    if ring is None:
        raise RefusedError(f"--scanner {name}: has no ring of crystals")
    return ring
