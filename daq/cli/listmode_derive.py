"""`daq listmode import` and `daq listmode replay`: directories made from a file, rows made again from raw."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from daq.errors import UsageError

_MOST_DIFFERENCES = 20
_MOST_HEADS = 256


def add_verbs(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add the verbs."""
    parser = verbs.add_parser("import", help="make a list-mode directory from a file in a front end's wire format")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--profile", required=True, help="instrument profile: a shipped id or a TOML file")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="the directory to write; it must not exist or be empty"
    )
    parser.add_argument(
        "--scanner", metavar="NAME", help="scanner profile with the heads that the file's amplitudes are of"
    )
    parser.add_argument("--head", type=int, default=0, metavar="N", help="which of them the file is of (default: 0)")
    parser.add_argument("--head-calibrations", metavar="DIR", help="folder of the calibration files of heads")
    parser.add_argument("--collimator", metavar="NAME", help="the collimator that was mounted")
    parser.add_argument("--no-raw", action="store_true", help="keep rows only; no replay, no export to raw")
    parser.add_argument("--force", action="store_true", help="import even if the file does not look like the profile's")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run_import)

    parser = verbs.add_parser("replay", help="derive the rows again from raw and compare them with those stored")
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--out", metavar="DIR", help="write the recording, derived again, to a new directory")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run_replay)


def run_import(options: argparse.Namespace) -> int:
    """Import a file."""
    from daq import composition
    from daq.cli.output import print_json, progress
    from daq.composition.processing import Asked, asked_of
    from daq.composition.sorting import Said
    from daq.storage.importing import import_file
    from daq.storage.info import describe, print_info
    from device_profiles.load import list_profiles, load_profile

    profile = load_profile(options.profile)
    path = Path(options.file)
    out = composition.output_directory(options.out, None, "")
    manifest = composition.new_manifest(
        profile, identity=composition.identity_of(options.out), source=path.resolve().as_uri(), stop="end"
    )
    others = {item.profile.id: item.profile.layout.preamble_begins for item in list_profiles()}
    others.pop(profile.id, None)
    if not 0 <= options.head < _MOST_HEADS:
        raise UsageError(f"--head {options.head}: 0 to {_MOST_HEADS - 1}")
    asked = Asked(
        Said(scanner=options.scanner), head_calibrations=options.head_calibrations, collimator=options.collimator
    )
    processing = asked_of(profile, manifest, asked)
    with progress(quiet=options.json) as display:
        task = display.add_task("importing", total=None, figures="")
        import_file(
            path, out, manifest, profile.layout, profile.clock, store_raw=not options.no_raw, force=options.force,
            foreign=others, order=profile.order, processing=processing, source=options.head,
            progress=lambda done, total: display.update(task, completed=done, total=total),
        )  # fmt: skip
    if options.json:
        print_json({"directory": str(out), **describe(out)})
    else:
        print_info(out)
    return 0


def run_replay(options: argparse.Namespace) -> int:
    """Replay a recording; exit 6 when a row differs."""
    from daq import composition
    from daq.cli.output import grouped, print_json, print_line
    from daq.storage.reader import open_listmode
    from daq.storage.replaying import compare, rewrite

    out = composition.output_directory(options.out, None, "") if options.out else None
    with open_listmode(Path(options.directory)) as recording:
        result = compare(recording)
        if out is not None:
            rewrite(recording, out)
    if options.json:
        print_json({"equal": result.equal, "rows": result.rows, "differences": result.differences, "out": options.out})
    else:
        for stream, rows in result.rows.items():
            print_line(f"{stream}: {grouped(rows)} rows derived again")
        for difference in result.differences[:_MOST_DIFFERENCES]:
            print_line(f"  differs: {difference}")
        print_line("equal, column for column" if result.equal else "FAILED: the rows differ")
        if options.out:
            print_line(f"written to {options.out}")
    return 0 if result.equal else 6
