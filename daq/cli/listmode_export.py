"""`daq listmode export`: a stream of a list-mode directory as one file that other programs read."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, RefusedError, UsageError

if TYPE_CHECKING:
    from daq.listmode.interfile import ListModeHeader
    from daq.storage.exportpairs import Wanted

FORMATS = ("arrow", "parquet", "raw", "petsird", "root", "safir", "dicom")
_MOST_HEADER_BYTES = 1 << 20
_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
_WINDOW = re.compile(rf"{_NUMBER}-{_NUMBER} ?keV", re.ASCII)


def add_verb(verbs: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
    """Add the verb; return its parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export", help="write a stream to one file, or all pictures as DICOM, for other programs"
    )
    parser.add_argument(
        "--to", required=True, choices=FORMATS,
        help="arrow: IPC file; raw: the front end's own bytes; petsird: PETSIRD 0.12; root: trees as GATE's; dicom: NM "
        "images",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the file to write; it must not exist")
    parser.add_argument("--stream", help="default: singles or coincidences, whichever there is")
    parser.add_argument("--allow-damaged", action="store_true", help="export what is whole and say what is missing")
    group = parser.add_argument_group("petsird, root and safir: what the recording itself does not say")
    group.add_argument("--scanner", metavar="NAME", help="scanner profile: a shipped id or a TOML file")
    group.add_argument(
        "--header", type=Path, metavar="FILE", help="Interfile header that explains the bin addresses of a PETLINK file"
    )
    group.add_argument("--half-window", metavar="TIME", help='W, within which two singles paired, e.g. "2.25 ns"')
    group.add_argument("--energy-window", metavar="LOW-HIGH keV", help='energies that pair, e.g. "430-650 keV"')
    group.add_argument("--tof-bin", metavar="TIME", help='petsird: width of a time-of-flight bin, e.g. "40 ps"')
    group.add_argument("--energy-bins", type=_above_zero, default=1, metavar="N", help="petsird: default 1")
    group.add_argument(
        "--step",
        type=_above_zero,
        metavar="N",
        help="rows of step N alone, e.g. of one bed position; dicom: its series",
    )
    images = parser.add_argument_group("dicom")
    images.add_argument("--divide", action="store_true", help="divide counts above 65,535 in a pixel, and say so in it")
    images.add_argument(
        "--uniformity",
        action="store_true",
        help="each event counts its weight by the uniformity map; default: raw counts",
    )
    parser.set_defaults(run=run_export)
    return parser


def run_export(options: argparse.Namespace) -> int:
    """Export a stream to a file, or pictures to a folder."""
    if options.to == "dicom":
        return _run_dicom(options)
    if options.divide or options.uniformity:
        raise UsageError(f"--divide and --uniformity are of pictures: --to dicom, not {options.to}")
    from dataclasses import asdict

    from daq.cli.output import print_json, print_line, say
    from daq.storage.export import export

    made = export(
        options.directory, options.out, to=options.to, stream=options.stream, allow_damaged=options.allow_damaged,
        wanted=_wanted(options),
    )  # fmt: skip
    for missing in made.missing:
        say(f"missing: {missing}")
    for cause, rows in made.left_out.items():
        say(f"left out: {rows:,} rows, {cause}")
    if options.json:
        print_json({**asdict(made), "file": str(made.file)})
    else:
        print_line(f"{made.file}: {made.rows:,} rows of {made.stream} as {made.to}, {made.size_bytes:,} bytes")
        print_line(f"SHA-256 {made.sha256}")
        for note in made.notes:
            print_line(note)
    return 0


def _run_dicom(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from daq.cli.output import print_json, print_line, say
    from daq.storage.exportdicom import export_dicom

    if options.stream not in (None, "singles"):
        raise UsageError(f"--stream {options.stream}: dicom is made of singles")
    made = export_dicom(
        options.directory, options.out, step=options.step, overflow="divide" if options.divide else "refuse",
        weighted=options.uniformity, allow_damaged=options.allow_damaged,
    )  # fmt: skip
    for missing in made.missing:
        say(f"missing: {missing}")
    if options.json:
        objects = [{**asdict(each), "file": str(each.file)} for each in made.objects]
        print_json({"to": "dicom", "directory": str(made.directory), "objects": objects, "missing": made.missing})
        return 0
    for each in made.objects:
        print_line(
            f"{each.file}: {each.kind}, {each.frames:,} frames, {each.counts:,} counts, {each.size_bytes:,} bytes"
        )
    return 0


def _wanted(options: argparse.Namespace) -> Wanted:
    from daq.storage.exportpairs import Wanted
    from device_profiles.scanners import load_scanner

    return Wanted(
        scanner=load_scanner(options.scanner) if options.scanner else None,
        header=_read_header(options.header) if options.header else None,
        half_window_ps=_ps("--half-window", options.half_window, "2.25 ns"),
        energy_window_kev=_window(options.energy_window),
        tof_bin_ps=_ps("--tof-bin", options.tof_bin, "40 ps"),
        energy_bins=options.energy_bins,
        step=options.step,
    )


def _read_header(path: Path) -> ListModeHeader:
    from daq.listmode.interfile import parse_header

    try:
        with path.open("rb") as file:
            text = file.read(_MOST_HEADER_BYTES).decode("utf-8", "replace")
    except OSError as why:
        raise MissingError(f"{path}: {why.strerror}") from None
    return parse_header(text, str(path))


def _above_zero(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise UsageError(f"{text!r}: must be a whole number above zero")
    return int(text)


def _ps(option: str, text: str | None, example: str) -> int | None:
    from daq.model.quantity import Wanted as Quantity
    from daq.model.quantity import parse_quantity

    if text is None:
        return None
    try:
        return parse_quantity(text, Quantity(("time",), example, whole=True)).ps
    except RefusedError as why:
        raise UsageError(f"{option} {text!r}: {why}") from None


def _window(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    found = _WINDOW.fullmatch(text)
    window = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    if not window[0] < window[1]:
        raise UsageError(f'--energy-window {text!r}: write LOW-HIGH keV, e.g. "430-650 keV"')
    return window
