"""`daq calibrate`: make calibrations of gamma-camera heads and of rings, check them, list them. No daemon is needed."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.cli import calibrate_check, calibrate_lifecycle, calibrate_peak, calibrate_pet
from daq.errors import UsageError

if TYPE_CHECKING:
    from daq.composition.headbench import HeadBench
    from daq.model.cameracalibration import CameraCalibration


def add_parser(nouns: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    noun = nouns.add_parser("calibrate", help="make, check and list the calibrations of gamma-camera heads and rings")
    verbs = noun.add_subparsers(metavar="VERB", required=True)

    parser = verbs.add_parser("energy-map", help="where the photopeak lies over the detector, by a flood")
    add_subject(parser)
    parser.add_argument("--flood", action="append", required=True, type=Path, metavar="DIR", help=FLOOD_HELP)
    parser.add_argument(
        "--pitch", type=above_zero, default=10.0, metavar="MM", help="of the cells (default %(default)g)"
    )
    parser.set_defaults(run=run_energy_map)

    parser = verbs.add_parser("linearity", help="where positions belong, by two slit masks or a grid of holes")
    add_subject(parser)
    add_masks(parser)
    parser.add_argument("--holes", action="append", default=[], type=Path, metavar="DIR", help="a grid of holes")
    parser.add_argument(
        "--pitch", type=above_zero, required=True, metavar="MM", help="from line to line, or hole to hole"
    )
    parser.set_defaults(run=run_linearity)

    parser = verbs.add_parser("uniformity", help="what an event counts in pictures, by a flood")
    add_subject(parser)
    parser.add_argument("--flood", action="append", required=True, type=Path, metavar="DIR", help=FLOOD_HELP)
    parser.set_defaults(run=run_uniformity)

    parser = verbs.add_parser("centre-of-rotation", help="where the axis lies on the head, by a point source")
    add_subject(parser)
    parser.add_argument("--view", action="append", required=True, metavar="ANGLE=DIR",
                        help="a recording at an angle in degrees; eight or more over half a turn")  # fmt: skip
    parser.set_defaults(run=run_rotation)

    parser = verbs.add_parser("window-registration", help="how pictures of windows lie, by a point source")
    add_subject(parser, nuclide="Ga-67")
    parser.add_argument("--point", action="append", required=True, type=Path, metavar="DIR",
                        help="a recording of the source at one place")  # fmt: skip
    parser.set_defaults(run=run_registration)
    calibrate_peak.add_verbs(verbs)
    calibrate_check.add_verbs(verbs)
    calibrate_lifecycle.add_verbs(verbs)
    calibrate_pet.add_verbs(verbs)


_SERIAL = re.compile(r"[A-Za-z0-9._-]{1,40}")
FLOOD_HELP = "a recording of a flood; may be repeated: their counts are added"


def add_subject(parser: argparse.ArgumentParser, *, nuclide: str = "Tc-99m") -> None:
    """Add what says which head it is about, and where its calibrations are."""
    add = parser.add_argument
    add("--head", type=int, default=0, metavar="N", help="number of the head (default 0)")
    add("--scanner", metavar="NAME", help="scanner profile (default: that of the recording)")
    add("--serial", type=_serial, metavar="TEXT",
        help="serial number of the head (default: of the board that was recorded)")  # fmt: skip
    add("--folder", type=Path, metavar="DIR", help="folder of the calibration files of heads")
    add("--collimator", metavar="NAME", help="the collimator that was mounted (default: as recorded, else none)")
    add("--nuclide", default=nuclide, metavar="NAME", help="what the source is of (default %(default)s)")
    add("--window", metavar="NAME=LOW-HIGH keV", help="the photopeak's window (default: the nuclide's first usual one)")
    add("--json", action="store_true", help="print the result as JSON")


def above_zero(text: str) -> float:
    """Return a finite number above zero, as an option's type."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: a finite number above zero is needed")
    return value


def _serial(text: str) -> str:
    """Return a serial number that can stand in the name of a file."""
    if not _SERIAL.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r}: up to 40 letters, digits, '.', '_' and '-' are allowed, for it is part of a file's name"
        )
    return text


def add_masks(parser: argparse.ArgumentParser) -> None:
    """Add recordings of slit masks."""
    for across in ("x", "y"):
        parser.add_argument(f"--slits-{across}", action="append", default=[], type=Path, metavar="DIR",
                            help=f"a recording of slits that are apart along {across}; may be repeated")  # fmt: skip


def bench_asked(options: argparse.Namespace, directory: Path) -> HeadBench:
    """Return the head that the options speak of."""
    from daq.composition.headbench import bench_of
    from daq.composition.sorting import window_of

    return bench_of(
        directory, scanner=options.scanner, number=options.head, folder=options.folder, serial=options.serial,
        collimator=options.collimator, nuclide_name=options.nuclide,
        window=window_of(options.window) if options.window else None,
    )  # fmt: skip


def written(options: argparse.Namespace, made: CameraCalibration) -> int:
    """Write a calibration into the folder and tell of it."""
    from daq.cli.output import print_json, print_line
    from device_profiles.cameracalibrations import write_camera_calibration

    folder = folder_asked(options)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{made.id}.toml"
    write_camera_calibration(path, made)
    if options.json:
        print_json({"file": str(path), "calibration": calibrate_check.told(made)})
    else:
        calibrate_check.print_calibration(made)
        print_line(f"written: {path}")
    return 0


def folder_asked(options: argparse.Namespace) -> Path:
    """Return the folder of calibrations; raise `UsageError` without one."""
    if options.folder is None:
        raise UsageError("--folder is missing: calibrations are kept in a folder, each in a file of its own")
    return Path(options.folder)


def run_energy_map(options: argparse.Namespace) -> int:
    """Measure an energy map."""
    from daq.composition.calibrating import measure_energy_map

    return written(
        options, measure_energy_map(new_bench(options, options.flood), options.flood, pitch_mm=options.pitch)
    )


def run_linearity(options: argparse.Namespace) -> int:
    """Measure a linearity map."""
    from daq.composition.calibrating import measure_linearity

    recorded = [*options.slits_x, *options.slits_y, *options.holes]
    if not recorded:
        raise UsageError("linearity is measured by --slits-x and --slits-y together, or by --holes alone")
    made = measure_linearity(
        new_bench(options, recorded), slits_x=options.slits_x, slits_y=options.slits_y, holes=options.holes,
        pitch_mm=options.pitch,
    )  # fmt: skip
    return written(options, made)


def run_uniformity(options: argparse.Namespace) -> int:
    """Measure a uniformity map."""
    from daq.composition.calibrating import measure_uniformity

    return written(options, measure_uniformity(new_bench(options, options.flood), options.flood))


def run_rotation(options: argparse.Namespace) -> int:
    """Measure the centre of rotation."""
    from daq.composition.calibrating import measure_rotation

    views = [_view(text) for text in options.view]
    return written(options, measure_rotation(new_bench(options, [directory for _, directory in views]), views))


def run_registration(options: argparse.Namespace) -> int:
    """Measure how windows are registered."""
    from daq.composition.calibrating import measure_registration
    from daq.model.window_sets import window_set

    bench = new_bench(options, options.point)
    return written(options, measure_registration(bench, options.point, window_set([options.nuclide]).windows))


def new_bench(options: argparse.Namespace, recorded: list[Path]) -> HeadBench:
    """Return the bench; whatever is missing is said before minutes of work."""
    folder_asked(options)
    bench = bench_asked(options, recorded[0])
    bench.require_serial()
    return bench if bench.folder is not None and bench.folder.is_dir() else _without_folder(bench)


def _without_folder(bench: HeadBench) -> HeadBench:
    from dataclasses import replace

    return replace(bench, folder=None)


def _view(text: str) -> tuple[float, Path]:
    angle, equals, directory = text.partition("=")
    try:
        degrees = float(angle)
    except ValueError:
        equals = ""
    if not equals:
        raise UsageError(f"--view {text!r}: write ANGLE=DIR, e.g. 45=recordings/view-4")
    return degrees, Path(directory)
