"""`daq listmode export`: a stream of a list-mode directory as one file that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, UsageError

if TYPE_CHECKING:
    from daq.listmode.interfile import ListModeHeader
    from daq.storage.exportpairs import Wanted

FORMATS = ("arrow", "parquet", "raw", "petsird", "root", "safir")
_MOST_HEADER_BYTES = 1 << 20


def add_verb(verbs: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
    """Add the verb; return its parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export", help="write a stream to one file that other programs read, and its SHA-256 beside it"
    )
    parser.add_argument(
        "--to", required=True, choices=FORMATS,
        help="arrow: IPC file; raw: the front end's own bytes; petsird: PETSIRD 0.12; root: trees as GATE's",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the file to write; it must not exist")
    parser.add_argument("--stream", help="default: singles or coincidences, whichever there is")
    parser.add_argument("--allow-damaged", action="store_true", help="export what is whole and say what is missing")
    group = parser.add_argument_group("petsird, root and safir: what the recording itself does not say")
    group.add_argument("--scanner", metavar="NAME", help="scanner profile: a shipped id or a TOML file")
    group.add_argument(
        "--header", type=Path, metavar="FILE", help="Interfile header that explains the bin addresses of a PETLINK file"
    )
    group.add_argument("--half-window-ps", type=_above_zero, metavar="N", help="half width of the coincidence window")
    group.add_argument("--energy-window", type=_window, metavar="LOW:HIGH", help="energies that pair, keV")
    group.add_argument("--tof-bin-ps", type=_above_zero, metavar="N", help="petsird: width of a time-of-flight bin")
    group.add_argument("--energy-bins", type=_above_zero, default=1, metavar="N", help="petsird: default 1")
    parser.set_defaults(run=run_export)
    return parser


def run_export(options: argparse.Namespace) -> int:
    """Export a stream to a file."""
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


def _wanted(options: argparse.Namespace) -> Wanted:
    from daq.storage.exportpairs import Wanted
    from device_profiles.scanners import load_scanner

    return Wanted(
        scanner=load_scanner(options.scanner) if options.scanner else None,
        header=_read_header(options.header) if options.header else None,
        half_window_ps=options.half_window_ps,
        energy_window_kev=options.energy_window,
        tof_bin_ps=options.tof_bin_ps,
        energy_bins=options.energy_bins,
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


def _window(text: str) -> tuple[float, float]:
    lower, _, upper = text.partition(":")
    try:
        window = float(lower), float(upper)
    except ValueError:
        raise UsageError(f"energy window {text!r}: give LOW:HIGH in keV, e.g. 435:650") from None
    if not 0 <= window[0] < window[1] < float("inf"):
        raise UsageError(f"energy window {text!r}: 0 <= LOW < HIGH")
    return window
