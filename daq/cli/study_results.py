"""`daq study uptake`, `renal`, `ejection`: what is worked out of a study's counts. Not for diagnosis."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import UsageError

if TYPE_CHECKING:
    from daq.composition.studyresults import Box, Look

_CORNERS = 4
_PAIR = 2
_S_PER_H = 3600.0
_NO_DEAD_TIME = "not every head told its dead time: rates are not corrected for it, and high ones are too low"
_NOTE = "not for diagnosis: a check of the acquisition"


_MINUS = "; one that begins with a minus is written with =, e.g. --region=-30,-20,10,20"


def add_verbs(verbs: Any) -> None:
    """Add the verbs."""
    uptake = _verb(verbs, "uptake", "uptake of the thyroid: (neck - thigh) / (syringe - residual)", run_uptake)
    uptake.add_argument("directories", nargs="+", metavar="DIR", help="recordings of one study, in any order")
    uptake.add_argument(
        "--region", metavar="BOX", help="X0,Y0,X1,Y1 in mm of the picture (default the whole field)" + _MINUS
    )

    renal = _verb(verbs, "renal", "share of each kidney, injected counts, what is left in the bladder", run_renal)
    renal.add_argument("directories", nargs=1, metavar="DIR", help="the recording of a renogram")
    for side in ("left", "right"):
        renal.add_argument(
            f"--{side}",
            required=True,
            metavar="BOX",
            help=f"{side} kidney, on the posterior picture" + _MINUS.replace("region", side),
        )
        renal.add_argument(
            f"--{side}-background", required=True, metavar="BOX", help=f"beside it; what lies in --{side} is left out"
        )
    renal.add_argument("--bladder", metavar="BOX", help="for what is left after voiding; the voided volume is recorded")
    renal.add_argument("--between", default="60,120", metavar="S,S", help="seconds that are compared (default 60,120)")
    renal.add_argument("--both-heads", action="store_true", help="geometric mean of posterior and anterior counts")

    ejection = _verb(verbs, "ejection", "ejection fraction of a gated blood pool", run_ejection)
    ejection.add_argument("directories", nargs=1, metavar="DIR", help="the recording of a gated study")
    ejection.add_argument(
        "--region", required=True, metavar="BOX", help="the left ventricle, X0,Y0,X1,Y1 in mm" + _MINUS
    )
    ejection.add_argument("--background", required=True, metavar="BOX", help="beside it")


def _verb(verbs: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    parser.add_argument("--window", metavar="NAME", help="energy window (default the first)")
    parser.add_argument("--head", type=int, metavar="N", help="head (default: see the page of the verb)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)
    return parser


def run_uptake(options: argparse.Namespace) -> int:
    """Print the uptake at each time at which neck and thigh were measured."""
    from daq.cli.output import print_json, print_line, say
    from daq.composition.studyresults import recorded, thyroid_uptakes

    region = None if options.region is None else _box("--region", options.region)
    found = thyroid_uptakes(recorded(_paths(options)), _look(options), region)
    if options.json:
        print_json({"uptakes": found})
        return 0
    for each in found:
        after = f"{each['after_s'] / _S_PER_H:.1f} h after the {each['since']}"
        print_line(f"uptake {100 * each['uptake']:.1f} ± {100 * each['error']:.1f} %, {after} ({each['acquisition']})")
    if not all(each["dead_time_told"] for each in found):
        say(_NO_DEAD_TIME)
    say(_NOTE)
    return 0


def run_renal(options: argparse.Namespace) -> int:
    """Print the share of each kidney and what else the study tells."""
    from daq.cli.output import print_json, print_line, say
    from daq.composition.studyresults import Kidneys, recorded, renogram

    kidneys = Kidneys(
        left=_box("--left", options.left), right=_box("--right", options.right),
        left_background=_box("--left-background", options.left_background),
        right_background=_box("--right-background", options.right_background),
        bladder=None if options.bladder is None else _box("--bladder", options.bladder),
        between_s=_pair("--between", options.between), both_heads=options.both_heads,
    )  # fmt: skip
    (one,) = recorded(_paths(options))
    told = renogram(one, kidneys, _look(options))
    if options.json:
        print_json(told)
        return 0
    share, error = 100 * told["left_share"], 100 * told["left_share_error"]
    begin_s, end_s = told["between_s"]
    print_line(
        f"left {share:.1f} ± {error:.1f} %, right {100 - share:.1f} %, from {begin_s:g} to {end_s:g} s; {told['head']}"
    )
    if "injected_per_s" in told:
        rate = f"{told['injected_per_s']:,.1f} ± {told['injected_error_per_s']:.1f} counts per second"
        print_line(f"injected: {rate}; {told['injected_head']}")
        if not told["dead_time_told"]:
            say(_NO_DEAD_TIME)
    if "residual_volume_ml" in told:
        left_ml, error_ml = told["residual_volume_ml"], told["residual_volume_error_ml"]
        print_line(f"left in the bladder: {left_ml:.0f} ± {error_ml:.0f} ml; {told['residual_volume_head']}")
    say(_NOTE)
    return 0


def run_ejection(options: argparse.Namespace) -> int:
    """Print the ejection fraction."""
    from daq.cli.output import print_json, print_line, say
    from daq.composition.studyresults import ejection, recorded

    (one,) = recorded(_paths(options))
    found, name, head = ejection(
        one, _box("--region", options.region), _box("--background", options.background), _look(options)
    )
    if options.json:
        print_json({
            "acquisition": one.name, "series": name, "head": head, "ejection_fraction": found.fraction.value,
            "error": found.fraction.error, "diastole": found.diastole + 1, "systole": found.systole + 1,
            "method": found.method,
        })  # fmt: skip
        return 0
    slots = f"diastole {found.diastole + 1}, systole {found.systole + 1}"
    print_line(f"ejection fraction {found.fraction.percent}; {slots}; {head}")
    say(_NOTE)
    return 0


def _paths(options: argparse.Namespace) -> list[Path]:
    return [Path(each) for each in options.directories]


def _look(options: argparse.Namespace) -> Look:
    from daq.composition.studyresults import Look

    return Look(options.window, options.head)


def _box(option: str, text: str) -> Box:
    numbers = _numbers(option, text, _CORNERS, "X0,Y0,X1,Y1 in mm, e.g. -80,-40,-20,40")
    x0, y0, x1, y1 = numbers
    return (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _pair(option: str, text: str) -> tuple[float, float]:
    begin, end = _numbers(option, text, _PAIR, "two times in s, e.g. 60,120")
    if not 0 <= begin < end:
        raise UsageError(f"{option} {text}: the first must lie before the second")
    return begin, end


def _numbers(option: str, text: str, count: int, wanted: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not all(abs(number) < float("inf") for number in found):
        raise UsageError(f"{option} {text}: write {wanted}")
    return found
