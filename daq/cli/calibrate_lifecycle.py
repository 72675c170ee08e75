"""`daq calibrate lifecycle|sign|activate|roll-back|retire`: which calibrations of a folder are used, and by whom."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_STEPS = (
    ("sign", "sign a calibration that was verified"),
    ("activate", "use a signed calibration from now on, in place of the active one"),
    ("roll-back", "take the active calibration back: the one before is active again"),
    ("retire", "take a calibration out for good"),
)


def add_verbs(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add the verbs."""
    parser = verbs.add_parser("lifecycle", help="which calibrations of a folder are active, and who said so")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--begin", action="store_true", help="begin one: from now on only what is active is used")
    _add_said(parser, required=False)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run_lifecycle)
    for verb, about in _STEPS:
        step = verbs.add_parser(verb, help=about)
        step.add_argument("folder", type=Path, metavar="DIR")
        step.add_argument("calibration", metavar="ID", help="its id, as the list says it")
        if verb == "sign":
            step.add_argument("--check", metavar="TEXT", help="what verified it, where `daq calibrate verify` does not")
        _add_said(step, required=True)
        step.set_defaults(run=run_step, step=verb)


def run_lifecycle(options: argparse.Namespace) -> int:
    """List the calibrations of a folder with where each stands, or begin its life-cycle."""
    from daq.cli.output import print_json, print_line, print_table
    from daq.composition.lifecyclesteps import begun, standing
    from daq.errors import UsageError

    if options.begin:
        if not options.reason:
            raise UsageError("--begin needs --reason: from then on only what is active is used")
        begun(options.folder, reason=options.reason, by=options.by)
        print_line(f"{options.folder}: begun; nothing is active yet, and what is not active is not used")
        return 0
    rows = standing(options.folder)
    if options.json:
        print_json({"folder": str(options.folder), "calibrations": rows})
        return 0
    columns = ("calibration", "state", "made", "checked", "by", "at_utc", "reason")
    print_table("", columns, [["" if each[name] is None else str(each[name]) for name in columns] for each in rows])
    return 0


def run_step(options: argparse.Namespace) -> int:
    """Take one step and say what it changed."""
    from daq.cli.output import print_line
    from daq.composition import lifecyclesteps as steps

    said = {"reason": options.reason, "by": options.by}
    if options.step == "sign":
        one = steps.signed(options.folder, options.calibration, check=options.check, **said)
        print_line(f"{one.id}: signed; `daq calibrate activate` has it used")
    elif options.step == "activate":
        one, other = steps.activated(options.folder, options.calibration, **said)
        print_line(f"{one.id}: active ({one.slot}){f', in place of {other}' if other else ''}")
    elif options.step == "roll-back":
        one, other = steps.rolled_back(options.folder, options.calibration, **said)
        print_line(f"{one.id}: rolled back; {other} is active again ({one.slot})")
    else:
        one = steps.retired(options.folder, options.calibration, **said)
        print_line(f"{one.id}: retired")
    return 0


def _add_said(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--reason", required=required, metavar="TEXT", help="why; it is kept for good")
    parser.add_argument("--by", metavar="NAME", help="who says so (default: the user of this host, kept in any case)")
