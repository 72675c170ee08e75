"""`daq study show`: the verdict on a recording, or on all recordings of a study. No daemon is needed."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, UsageError

if TYPE_CHECKING:
    from daq.composition.wholestudy import WholeStudy

_EXIT_FAILED = 6
_MOST_ROWS = 1000


def add_verbs(verbs: Any) -> None:
    """Add `show`."""
    show = verbs.add_parser("show", help="tell the verdict on a recording, or on a study and what of it is missing")
    show.add_argument(
        "what", nargs="+", metavar="STUDY|DIR",
        help="key of a study, or directories of its recordings; a single directory: that recording with its files",
    )  # fmt: skip
    show.add_argument(
        "--site", metavar="FILE", help="of a key: site file; else $SCANDAQ_SITE, the user's, the machine's"
    )
    show.add_argument("--storage", metavar="DIR", help="of a key: folder of recordings, in place of a site file")
    show.add_argument("--json", action="store_true", help="print the result as JSON")
    show.set_defaults(run=run_show)


def run_show(options: argparse.Namespace) -> int:
    """Print a verdict; exit 6 where a file is gone or was changed, or the verdict on a study is bad."""
    keys = [what for what in options.what if what.startswith("s-") and not Path(what).exists()]
    if keys and len(options.what) > 1:
        raise UsageError("name one study by its key, or recordings by their directories")
    if keys:
        return _show_study(options, _directories(options, keys[0]))
    if len(options.what) > 1:
        return _show_study(options, list(map(Path, options.what)))
    return _show_recording(options, Path(options.what[0]))


def _directories(options: argparse.Namespace, key: str) -> list[Path]:
    """Return where the acquisitions of a study are. Raise `MissingError` for a study that is not there."""
    from daq.cli.catalogue import place
    from daq.model.study import study_key
    from daq.services.catalogue.entry import Filter

    wanted = Filter(study=study_key(key), in_study=True)
    database, _, _ = place(options)
    try:
        rows = database.find(wanted, limit=_MOST_ROWS)
    finally:
        database.close()
    if not rows:
        raise MissingError(f"there is no study {key} in the catalogue")
    return [Path(row.directory) for row in rows]


def _show_study(options: argparse.Namespace, directories: list[Path]) -> int:
    from daq.cli.output import print_json, print_line
    from daq.composition.wholestudy import study_of
    from daq.model.verdict import Grade

    found: WholeStudy = study_of(directories, datetime.now(UTC))
    if options.json:
        print_json(found.to_json())
    else:
        print_line(f"study {found.key}: {found.verdict.grade.word}")
        for check in found.verdict.checks:
            of = f"{check.name}, {check.of}: " if check.of else ""
            print_line(f"  {check.grade.word:14} {of}{check.text}")
    return _EXIT_FAILED if found.verdict.grade is Grade.BAD else 0


def _show_recording(options: argparse.Namespace, directory: Path) -> int:
    """Print what is in the verdict's file; exit 6 where a file is gone or was changed."""
    from daq.cli.output import print_json, print_line
    from daq.composition.finishingfolder import IMAGES, changed_files, read_sums, read_verdict

    images = directory / IMAGES
    told = read_verdict(images)
    changed = changed_files(images)
    if options.json:
        print_json({"directory": str(directory), **told, "files": read_sums(images), "changed": changed})
        return _EXIT_FAILED if changed else 0
    print_line(f"verdict: {told.get('grade') or 'none'}")
    for check in told.get("checks", ()):
        print_line(f"  {check['grade']:14} {check['of'] + ': ' if check['of'] else ''}{check['text']}")
    for problem in told.get("problems", ()):
        print_line(f"not made: {problem}")
    for one in told.get("series", ()):
        print_line(f"series: {one['name']}, {one['kind'].lower()}, {one['slots']} frames, {one['counts']:,} counts")
    for name in read_sums(images):
        print_line(f"file: {images / name}{', CHANGED or gone since it was made' if name in changed else ''}")
    return _EXIT_FAILED if changed else 0
