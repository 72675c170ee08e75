"""`daq probe record`: nodes numbered, in vivo and ex vivo, background, the bed, the 10 % rule, from recordings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError

if TYPE_CHECKING:
    from daq.pipeline.probe import Net

_EXIT_FAILED = 6


def add_record(verbs: Any) -> None:
    """Add the verb `record`."""
    record = verbs.add_parser("record", help="work out the record of a sentinel node procedure from recordings")
    record.add_argument("directories", nargs="+", metavar="DIR", help="list-mode directories, in any order")
    record.add_argument("--window", metavar="NAME", help="energy window, or all (default: the first there is)")
    record.add_argument("--input", type=int, default=None, choices=(0, 1), help="of the board (default: the first)")
    record.add_argument("--out", metavar="FILE", help="write the result as JSON, too")
    record.add_argument("--json", action="store_true", help="print the result as JSON")
    record.set_defaults(run=run_record)


def run_record(options: argparse.Namespace) -> int:
    """Work out the record; return 6 where the bed is not below the limit. A file that exists is not replaced."""
    from daq.cli.output import print_json, print_line, print_table, say
    from daq.composition.proberecords import probe_record

    found = probe_record([Path(each) for each in options.directories], window=options.window, number=options.input)
    record = found.record
    told = {**record.to_json(), "study": found.study, "acquisitions": list(found.acquisitions)}
    if options.out:
        _write(Path(options.out), told)
    if options.json:
        print_json(told)
    else:
        columns = ["node", "in vivo, 1/s", "ex vivo, 1/s"]
        print_table("", columns, [[node.name, _rate(node.in_vivo), _rate(node.ex_vivo)] for node in record.nodes])
        print_line(f"bed {_rate(record.bed)} per second, all net of background")
        if record.rule is not None:
            print_line(str(record.rule))
        for doubt in record.doubts:
            say(f"daq: warning: {doubt}")
    return _EXIT_FAILED if record.rule is not None and record.rule.go_on else 0


def _write(path: Path, told: dict[str, Any]) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(told, indent=1) + "\n")
    except FileExistsError:
        raise RefusedError(f"{path} exists: nothing is replaced") from None
    except OSError as why:
        raise RefusedError(f"{path} cannot be written: {why.strerror}") from None


def _rate(value: Net | None) -> str:
    return "not measured" if value is None else f"{value.per_s:,.1f} ± {value.error_per_s:.1f}"
