"""`daq qc import`: take past results in from a CSV file. Without `--yes` it says what it would do, and does nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import UsageError

if TYPE_CHECKING:
    from daq.services.qc.pasttable import Past

_ANSWER_S = 300.0
_MOST_BYTES = 256 << 20
_PORTION_BYTES = 48_000
"""Of one request: the local socket takes 64 KiB."""
_MOST_SHOWN = 20
_EXIT_WRONG = 3


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser("import", help="take past results in from a CSV file")
    parser.add_argument(
        "file", type=Path, metavar="FILE.csv", help="with a header; or what `daq qc export --csv` wrote"
    )
    parser.add_argument("--test", metavar="TEST", help="test of the scanner profile that they are results of")
    parser.add_argument(
        "--column", action="append", default=[], metavar="F[U]=COLUMN",
        help="ufov_integral[%%]=IU, or ufov_integral[%%]@head 0=IU1: figure, unit, subject, column; may be repeated",
    )  # fmt: skip
    parser.add_argument("--date", metavar="COLUMN", help="column of the date or time")
    parser.add_argument("--date-format", metavar="FORMAT", help="of strptime, e.g. %%d.%%m.%%Y; default ISO 8601")
    parser.add_argument("--zone", metavar="ZONE", help="of times without one: Europe/Berlin; default this host's")
    parser.add_argument("--subject", metavar="COLUMN", help="column of the subject, where each has a row: block 17")
    parser.add_argument(
        "--delimiter", metavar="SIGN", help="default: that of comma, semicolon, tab the header has most"
    )
    parser.add_argument("--decimal", default=".", choices=(".", ","), help="decimal sign; default a point")
    parser.add_argument("--skip-wrong", action="store_true", help="take what is right in, although lines are wrong")
    parser.add_argument("--yes", action="store_true", help="enter them; without it nothing is changed")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say what the table holds, and enter it where that was asked for."""
    from daq.cli.output import print_json, print_line, say

    past = _past(options)
    for line, why in past.wrong[:_MOST_SHOWN]:
        say(f"{options.file}: line {line}: {why}")
    if len(past.wrong) > _MOST_SHOWN:
        say(f"{options.file}: and {len(past.wrong) - _MOST_SHOWN} more lines are wrong")
    told: dict[str, Any] = {"results": len(past.results), "wrong": [list(each) for each in past.wrong]}
    refused = bool(past.wrong) and not options.skip_wrong
    if options.yes and not refused:
        told |= _entered(options, past)
    if options.json:
        print_json(told)
    else:
        values = sum(len(figure["values"]) for result in past.results for figure in result["figures"])
        print_line(f"{len(past.results):,} results with {values:,} values; {len(past.wrong):,} lines are wrong")
        print_line(_fate(told, options, refused=refused))
    return _EXIT_WRONG if refused or told.get("refused") else 0


def _fate(told: dict[str, Any], options: argparse.Namespace, *, refused: bool) -> str:
    if "entered" in told:
        said = f"{told['entered']:,} entered, {told['there']:,} were there already"
        said += "".join(f"\nline {line}: {why}" for line, why in told["refused"][:_MOST_SHOWN])
        return said + ("\nand more" if len(told["refused"]) > _MOST_SHOWN else "")
    if refused:
        return "nothing is entered: mend the lines, or say --skip-wrong"
    return "nothing is entered yet: --yes enters them" if not options.yes else ""


def _past(options: argparse.Namespace) -> Past:
    from daq.services.qc.pasttable import Mapped, column_of, exported_results, is_exported, past_results

    text = _text(options.file)
    if is_exported(text) and not options.column:
        return exported_results(text, options.test)
    missing = [name for name in ("test", "column", "date") if not getattr(options, name)]
    if missing:
        raise UsageError(f"daq qc import: --{', --'.join(missing)} must say what the columns are")
    mapped = Mapped(
        options.test, tuple(map(column_of, options.column)), options.date, _zone(options.zone), options.date_format,
        options.subject, options.decimal,
    )  # fmt: skip
    return past_results(text, mapped, options.delimiter)


def _text(path: Path) -> str:
    from daq.errors import MissingError

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path}: larger than {_MOST_BYTES} bytes; take it in by parts")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except UnicodeDecodeError as why:
        raise UsageError(f"{path}: not UTF-8 at byte {why.start}; save it as CSV in UTF-8") from None
    except OSError as why:
        raise UsageError(f"{path}: cannot be read: {why.strerror}") from None


def _zone(name: str | None) -> Any:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name is None:
        return datetime.now(UTC).astimezone().tzinfo
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"--zone {name}: not known, such as Europe/Berlin or UTC") from None


def _entered(options: argparse.Namespace, past: Past) -> dict[str, Any]:
    """Have the daemon enter them, a portion at a time; `refused` has the line of each that it did not take."""
    from daq.cli.localsocket import socket_of
    from daq.cli.output import progress
    from daq.transports.localclient import LocalClient

    done: dict[str, Any] = {"entered": 0, "there": 0, "refused": []}
    with LocalClient(socket_of(options)) as client, progress(quiet=options.json) as shown:
        task = shown.add_task("results", total=len(past.results), figures="")
        first = 0
        for portion in _portions(past.results):
            answer = client.ask("qc-import", {"documents": portion}, within_s=_ANSWER_S)
            done["entered"] += answer["entered"]
            done["there"] += answer["there"]
            done["refused"] += [[past.lines[first + number], why] for number, why in answer["refused"]]
            first += len(portion)
            shown.update(task, completed=first, figures=f"{first:,}")
    return done


def _portions(results: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    import json

    portions: list[list[dict[str, Any]]] = [[]]
    size = 0
    for result in results:
        own = len(json.dumps(result))
        if portions[-1] and (size + own > _PORTION_BYTES or len(portions[-1]) >= 100):  # noqa: PLR2004
            portions.append([])
            size = 0
        portions[-1].append(result)
        size += own
    return [portion for portion in portions if portion]
