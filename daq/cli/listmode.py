"""`daq listmode`: look at, check, save and hand on list-mode directories. No daemon is needed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.cli import listmode_derive, listmode_export, listmode_frame, listmode_picture, listmode_sort

if TYPE_CHECKING:
    from daq.storage.verify import Report, SegmentReport

_EXIT_FAILED = 6
_MB = 1e6


def add_parser(nouns: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    noun = nouns.add_parser("listmode", help="look at, check, save and export list-mode directories")
    verbs = noun.add_subparsers(metavar="VERB", required=True)

    parser = verbs.add_parser("info", help="tell what a directory is and holds")
    parser.set_defaults(run=run_info)
    _add_directory(parser)

    parser = verbs.add_parser("verify", help="check every byte; exit 6 unless it is sealed and whole")
    parser.add_argument("--sha256", action="store_true", help="compare the SHA-256 that the manifest holds, too")
    parser.set_defaults(run=run_verify)
    _add_directory(parser)

    parser = verbs.add_parser("recover", help="save what is whole into a new directory; the original stays untouched")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="the directory to write; it must not exist"
    )
    parser.set_defaults(run=run_recover)
    _add_directory(parser)

    _add_directory(listmode_export.add_verb(verbs))
    _add_directory(listmode_picture.add_verb(verbs))
    _add_directory(listmode_frame.add_verb(verbs))
    listmode_derive.add_verbs(verbs)
    listmode_sort.add_verb(verbs)


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="a list-mode directory")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run_info(options: argparse.Namespace) -> int:
    """Print what the directory is."""
    from daq.cli.output import print_json
    from daq.storage.info import describe, print_info

    if options.json:
        print_json(describe(options.directory))
    else:
        print_info(options.directory)
    return 0


def run_verify(options: argparse.Namespace) -> int:
    """Verify the directory; exit 6 unless it is sealed and whole."""
    from daq.cli.output import print_json
    from daq.storage.verify import verify

    report = verify(options.directory, sha256=options.sha256)
    if options.json:
        print_json(report_json(report))
    else:
        _print_report(report)
    return 0 if report.verdict == "ok" else _EXIT_FAILED


def run_recover(options: argparse.Namespace) -> int:
    """Recover the directory into a new one."""
    from daq.cli.output import print_json, print_line
    from daq.storage.info import describe, print_info
    from daq.storage.recover import recover

    recover(options.directory, options.out)
    if options.json:
        print_json({"directory": str(options.out), **describe(options.out)})
    else:
        print_info(options.out)
        print_line(f"\nwritten to {options.out}")
    return 0


def report_json(report: Report) -> dict[str, Any]:
    """Return the report as plain data with stable keys."""
    return {
        "directory": str(report.directory),
        "verdict": report.verdict,
        "state": report.state,
        "balanced": report.balanced,
        "rows": report.rows,
        "size_bytes": report.size_bytes,
        "seconds": round(report.seconds, 6),
        "problems": list(report.problems),
        "segments": [_segment_json(segment) for segment in report.segments],
    }


def _segment_json(segment: SegmentReport) -> dict[str, Any]:
    tail = segment.tail
    return {
        "file": segment.file,
        "stream": segment.stream,
        "batches": segment.batches,
        "rows": segment.rows,
        "size_bytes": segment.size_bytes,
        "sealed": segment.sealed,
        "sha256": segment.sha256,
        "problems": list(segment.problems),
        "tail": {"start_byte": tail.start, "stop_byte": tail.end, "reason": tail.reason} if tail else None,
        "damages": [
            {
                "start_byte": damage.start,
                "stop_byte": damage.end,
                "rows_lost": damage.rows is not None,
                "first_row": damage.rows[0] if damage.rows else None,
                "stop_row": damage.rows[1] if damage.rows else None,
                "reason": damage.reason,
            }
            for damage in segment.damages
        ],
    }


def _print_report(report: Report) -> None:
    from daq.cli.output import print_line, print_table

    rows = [
        (s.file, f"{s.batches:,}", f"{s.rows:,}", f"{s.size_bytes:,}", "yes" if s.sealed else "NO", _finding(s))
        for s in report.segments
    ]
    print_table("", ("segment", "batches", "rows", "bytes", "sealed", "finding"), rows)
    for segment in report.segments:
        for finding in [*segment.damages, *segment.problems]:
            print_line(f"{segment.file}: {finding}")
        if segment.tail is not None:
            print_line(f"{segment.file}: bytes {segment.tail.start} to {segment.tail.end}: {segment.tail.reason}")
    for problem in report.problems:
        print_line(problem)
    balance = {True: "balanced", False: "NOT BALANCED", None: "balance not known"}[report.balanced]
    speed = report.size_bytes / max(report.seconds, 1e-9) / 1e9
    print_line(f"ledger {balance}; {report.size_bytes / _MB:,.1f} MB in {report.seconds:.2f} s, {speed:.2f} GB/s")
    print_line(f"verdict: {report.verdict}")


def _finding(segment: SegmentReport) -> str:
    if segment.damages or segment.problems:
        return "damaged"
    return "ok" if segment.sealed else "unsealed"
