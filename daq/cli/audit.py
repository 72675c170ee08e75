"""`daq audit`: read and verify the audit log. No daemon is needed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import ScandaqError, StorageFailedError, UsageError

if TYPE_CHECKING:
    from daq.storage.auditverify import AuditReport

_EXIT_FAILED = 6
_MOST_SHOWN = 100_000
_DEFAULT_SHOWN = 20


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `audit` with its verbs."""
    noun = nouns.add_parser("audit", help="read and verify the audit log")
    verbs = noun.add_subparsers(metavar="VERB", required=True)

    verify = _verb(verbs, "verify", "check that nothing was edited, removed, inserted or moved; exit 6 if it was")
    verify.add_argument("--expect", metavar="SEQ:HASH", help="a line that must be there, as verify printed it earlier")
    verify.set_defaults(run=run_verify)

    show = _verb(verbs, "show", "show the newest lines")
    show.add_argument("--last", type=int, default=_DEFAULT_SHOWN, metavar="N", help="how many; default 20")
    show.set_defaults(run=run_show)


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    parser.add_argument(
        "place", metavar="FILE", type=Path, nargs="?", help="one file or the folder; default: that of the station"
    )
    parser.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def run_verify(options: argparse.Namespace) -> int:
    """Print the verdict; exit 6 where the chain is broken."""
    from daq.cli.output import print_json, print_line
    from daq.storage.auditverify import parse_head, verify_audit

    place = _place(options)
    expect = None if options.expect is None else parse_head(options.expect)
    try:
        report = verify_audit(place, expect=expect)
    except OSError as why:
        raise _unreadable(place, why) from None
    if options.json:
        print_json({"place": str(place), **report_json(report)})
    else:
        for line in _report_lines(report):
            print_line(line)
    return 0 if report.is_good else _EXIT_FAILED


def run_show(options: argparse.Namespace) -> int:
    """Print the newest lines, oldest first."""
    from daq.cli.output import print_json, print_table
    from daq.storage.auditverify import last_lines

    if not 0 < options.last <= _MOST_SHOWN:
        raise UsageError(f"--last {options.last}: from 1 to {_MOST_SHOWN}")
    place = _place(options)
    try:
        lines = [line.content for line in last_lines(place, options.last)]
    except OSError as why:
        raise _unreadable(place, why) from None
    if options.json:
        print_json({"place": str(place), "lines": lines})
        return 0
    rows = [
        [*(_said(line.get(key)) for key in ("seq", "ts_utc", "user", "origin", "verb", "object")), *_what(line)]
        for line in lines
    ]
    print_table("", ["seq", "time", "user", "origin", "verb", "object", "change", "result", "why"], rows)
    return 0


def report_json(report: AuditReport) -> dict[str, Any]:
    """Return the report as plain data with stable keys."""
    from dataclasses import asdict

    return {
        "verdict": "ok" if report.is_good else "FAILED",
        "files": report.files,
        "lines": report.lines,
        "first_seq": report.first_seq,
        "head": str(report.head) if report.lines else None,
        "kept": report.kept,
        "broken": None if report.broken is None else asdict(report.broken),
    }


def _place(options: argparse.Namespace) -> Path:
    """Return the file or folder that was given, else the station's."""
    if options.place is not None and options.site is not None:
        raise UsageError("FILE and --site exclude each other")
    if options.place is not None:
        return Path(options.place)
    from daq.storage.auditfile import AUDIT_FOLDER
    from device_profiles.places import find_site
    from device_profiles.site import load_site

    return load_site(find_site(options.site)).state_folder / AUDIT_FOLDER


def _unreadable(place: Path, why: OSError) -> ScandaqError:
    return StorageFailedError(f"{why.filename or place}: cannot be read: {why.strerror or why}")


def _report_lines(report: AuditReport) -> list[str]:
    files = f"{len(report.files)} file{'' if len(report.files) == 1 else 's'}"
    lines = [f"{files}, {report.lines:,} lines, from line {report.first_seq} to {report.head.seq}"] * bool(report.lines)
    lines += [f"kept aside after a crash, on record: {kept}" for kept in report.kept]
    if report.broken is not None:
        broken = report.broken
        which = "" if broken.seq is None else f" (numbered {broken.seq})"
        return [*lines, f"{broken.file} line {broken.line}{which}: {broken.kind}: {broken.reason}", "verdict: FAILED"]
    return [*lines, f"head {report.head}: note it elsewhere, and give it to --expect later", "verdict: ok"]


def _what(line: dict[str, Any]) -> tuple[str, str, str]:
    old, new = _said(line.get("old")), _said(line.get("new"))
    change = f"{old} -> {new}" if old and new else old or new
    return (
        change,
        _said(line.get("result")),
        "; ".join(filter(None, map(_said, (line.get("reason"), line.get("error"))))),
    )


def _said(value: object) -> str:
    return "" if value is None else str(value)
