"""`daq calibrate list|show|verify|nema`: what calibrations there are, what they say, and whether they hold."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from daq.composition.headbench import HeadBench
    from daq.composition.nema import Report
    from daq.model.cameracalibration import CameraCalibration
    from daq.model.headcalibration import HeadCorrections

_EXIT_FAILED = 6
BEFORE, AFTER = "before", "after"


def add_verbs(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add the verbs."""
    from daq.cli.calibrate import FLOOD_HELP, above_zero, add_masks, add_subject

    parser = verbs.add_parser("list", help="list the calibrations in a folder, and which are in use")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run_list)

    parser = verbs.add_parser("show", help="show what a calibration file says")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run_show)

    parser = verbs.add_parser("verify", help="check a calibration by another recording; exit 6 where it fails")
    parser.add_argument("file", type=Path, metavar="FILE", help="the calibration, in the folder of those it builds on")
    add_subject(parser)
    parser.add_argument("--flood", action="append", default=[], type=Path, metavar="DIR", help=FLOOD_HELP)
    add_masks(parser)
    parser.add_argument(
        "--pitch", type=above_zero, default=30.0, metavar="MM", help="of the slits (default %(default)g)"
    )
    parser.add_argument("--limit", type=above_zero, required=True, metavar="NUMBER",
                        help="peak off by at most that many per cent; absolute linearity, mm; integral uniformity, "
                        "per cent")  # fmt: skip
    parser.set_defaults(run=run_verify)

    parser = verbs.add_parser("nema", help="energy and spatial resolution, linearity and uniformity by NEMA NU 1")
    add_subject(parser)
    parser.add_argument("--flood", action="append", default=[], type=Path, metavar="DIR", help=FLOOD_HELP)
    add_masks(parser)
    parser.add_argument(
        "--pitch", type=above_zero, default=30.0, metavar="MM", help="of the slits (default %(default)g)"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw floods, masks and spectra")
    parser.set_defaults(run=run_nema)


def run_list(options: argparse.Namespace) -> int:
    """List the calibrations."""
    from daq.cli.output import print_json, print_line, print_table
    from daq.composition.calibrationlist import listed

    found = listed(options.folder)
    if options.json:
        print_json({"folder": str(options.folder), "calibrations": found})
        return 0
    columns = ("head", "kind", "made", "serial", "state", "checked", "file")
    rows = [[str(each[name]) for name in columns] for each in found]
    print_table("", columns, rows)
    for each in found:
        if each["problem"]:
            print_line(f"{each['state']}: {each['problem']}")
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Show one calibration."""
    from daq.cli.output import print_json
    from device_profiles.cameracalibrations import load_camera_calibration

    found = load_camera_calibration(options.file)
    if options.json:
        print_json(told(found))
    else:
        print_calibration(found)
    return 0


def run_verify(options: argparse.Namespace) -> int:
    """Check one calibration, write what the check said beside it, and return 6 where it failed."""
    from daq.cli.calibrate import bench_asked
    from daq.cli.output import print_json, print_line
    from daq.composition.verifying import verified
    from device_profiles.cameracalibrations import load_camera_calibration, write_check

    recorded = _recorded(options)
    calibration = load_camera_calibration(options.file)
    options.folder = options.folder or options.file.parent
    options.head, options.nuclide = calibration.head, calibration.nuclide or options.nuclide
    if calibration.kind == "uniformity":
        options.collimator = options.collimator or calibration.collimator
    options.serial = options.serial or calibration.serial
    done = verified(
        bench_asked(options, recorded[0]), calibration, floods=options.flood, slits_x=options.slits_x,
        slits_y=options.slits_y, pitch_mm=options.pitch, limit=options.limit,
    )  # fmt: skip
    path = write_check(options.file, done)
    if options.json:
        print_json({"file": str(path), "check": done.model_dump(mode="json")})
    else:
        print_line(f"{'PASSED' if done.passed else 'FAILED'}: {done.reason}")
        print_line(f"written: {path}")
    return 0 if done.passed else _EXIT_FAILED


def run_nema(options: argparse.Namespace) -> int:
    """Print the table, of the head as it is and, with a folder, as it is corrected."""
    from daq.cli.calibrate import bench_asked
    from daq.cli.output import print_json
    from daq.composition.nema import report

    recorded = _recorded(options)
    if options.picture is not None and (options.picture.suffix != ".png" or options.picture.exists()):
        raise RefusedError(f"{options.picture}: must end in .png, and nothing is written over")
    bench = bench_asked(options, recorded[0])
    ways: list[tuple[str, HeadCorrections]] = [(BEFORE, bench.untouched())]
    if bench.folder is not None:
        ways.append((AFTER, bench.corrections()))
    masks = {"slits_x": options.slits_x, "slits_y": options.slits_y}
    made = [(name, report(bench, used, floods=options.flood, pitch_mm=options.pitch, **masks), used)
            for name, used in ways]  # fmt: skip
    if options.picture is not None:
        _draw(options, bench, made)
    if options.json:
        print_json(
            {"head": bench.head.number, "nuclide": bench.nuclide_name, **{name: _numbers(of) for name, of, _ in made}}
        )
    else:
        _print_report(made)
    return 0


def told(of: CameraCalibration) -> dict[str, Any]:
    """Return a calibration as plain data, without its maps."""
    from daq.model.cameracalibration import TABLES

    plain = of.model_dump(mode="json", exclude=set(TABLES.values()))
    small = of.centre_of_rotation or of.window_registration or of.peaking
    return {**plain, **({TABLES[of.kind]: small.model_dump(mode="json")} if small is not None else {})}


def print_calibration(of: CameraCalibration) -> None:
    """Print what a calibration says."""
    from daq.cli.output import print_line, print_table

    print_line(f"{of.kind} {of.id}")
    print_line(f"  head {of.head}, serial number {of.serial}, instrument {of.instrument}, made {of.made_utc}")
    print_line(f"  {of.method}")
    if of.builds_on:
        print_line(f"  measured with {', '.join(of.builds_on)}")
    rows = [[name.replace("_", " "), f"{one.value:.4g}", one.unit] for name, one in of.figures.items()]
    for small in (of.centre_of_rotation, of.window_registration):
        if small is not None:
            rows += [[name.replace("_", " "), str(value), ""] for name, value in small.model_dump().items()]
    if rows:
        print_table("", ("figure", "value", "unit"), rows)


def _recorded(options: argparse.Namespace) -> list[Path]:
    recorded: list[Path] = [*options.flood, *options.slits_x, *options.slits_y]
    if not recorded:
        raise UsageError("nothing to judge: give --flood, or --slits-x and --slits-y")
    return recorded


def _numbers(of: Report) -> dict[str, Any]:
    rows = [
        {"name": one.name, "value": one.value, "unit": one.unit, "noise": one.noise, "enough_counts": one.enough}
        for one in of.numbers
    ]
    return {"calibrations": list(of.used), "numbers": rows}


def _print_report(made: list[tuple[str, Report, HeadCorrections]]) -> None:
    from daq.cli.output import print_line, print_table

    first = made[0][1].numbers
    rows = []
    for index, one in enumerate(first):
        values = [f"{of.numbers[index].value:,.3f}" for _, of, _ in made]
        noise = "" if one.noise is None else f"{one.noise:.3f}"
        rows.append([one.name, *values, one.unit, noise, "" if one.enough else "too few counts for NEMA NU 1"])
    print_table("", ("NEMA NU 1", *(name for name, _, _ in made), "unit", "noise alone", "remark"), rows)
    for name, of, _ in made:
        print_line(f"{name}: {', '.join(of.used) or 'no calibration in use'}")


def _draw(options: argparse.Namespace, bench: HeadBench, made: list[tuple[str, Report, HeadCorrections]]) -> None:
    from daq.composition.headbench import manifest_of
    from daq.composition.nemapicture import drawn

    recorded = _recorded(options)
    masks = [("slits apart along x", options.slits_x), ("slits apart along y", options.slits_y)]
    lines = [f"head {bench.head.number}, {bench.nuclide_name}, window {bench.window}"]
    columns = [(name, of, used) for name, of, used in made]
    image = drawn(bench, columns, masks, lines, simulated=any(manifest_of(each).simulated for each in recorded))
    try:
        with options.picture.open("xb") as opened:
            image.save(opened, format="PNG")
    except OSError as why:
        raise RefusedError(f"{options.picture}: cannot be written: {why.strerror or why}") from None
