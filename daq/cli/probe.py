"""`daq probe`: watch a gamma probe that is being recorded, count, judge nodes, calibrate energies."""

from __future__ import annotations

import argparse
from typing import Any

from daq.cli.probe_record import add_record
from daq.cli.probe_verbs import run_calibrate, run_count, run_nodes, run_watch


def add_parser(nouns: argparse._SubParsersAction[Any]) -> None:
    """Add the noun `probe` with its verbs."""
    noun = nouns.add_parser("probe", help="watch a gamma probe while it is recorded; count nodes; calibrate it")
    verbs = noun.add_subparsers(metavar="VERB", required=True)

    watch = verbs.add_parser("watch", help="show rate, net rate, highest rate and level, ten times a second")
    _add_probe(watch)
    watch.add_argument("--time-constant", type=float, default=1.0, metavar="S", help="of smoothing (default 1)")
    watch.add_argument(
        "--cue", default="10-5000", metavar="LOW-HIGH", help="net rates from which and up to which the level rises"
    )
    watch.add_argument("--bell", action="store_true", help="ring the terminal's bell, faster at higher rates")
    watch.add_argument("--seconds", type=float, metavar="S", help="stop watching after so long")
    watch.set_defaults(run=run_watch)

    count = verbs.add_parser("count", help="count for a time, by the probe's own clock: a node, the bed, background")
    _add_probe(count)
    count.add_argument("--seconds", type=float, default=10.0, metavar="S", help="how long (default 10)")
    count.set_defaults(run=run_count)

    nodes = verbs.add_parser("nodes", help="apply the 10 %% rule to nodes that were taken out")
    nodes.add_argument("--node", action="append", required=True, metavar="NAME=CPS", help="a node ex vivo; repeat it")
    nodes.add_argument("--bed", type=float, required=True, metavar="CPS", help="what is left in the bed")
    nodes.add_argument(
        "--background", type=float, default=0.0, metavar="CPS", help="is taken off all of them (default 0)"
    )
    nodes.add_argument("--json", action="store_true", help="print the result as JSON")
    nodes.set_defaults(run=run_nodes)

    add_record(verbs)
    calibrate = verbs.add_parser("calibrate", help="write a calibration of energies from photopeaks")
    calibrate.add_argument(
        "--peak", action="append", required=True, metavar="DIR=KEV[@LOW-HIGH]",
        help="a recording with a photopeak at KEV, between bins LOW and HIGH where it is not the highest; repeat it",
    )  # fmt: skip
    calibrate.add_argument("--input", type=int, default=0, choices=(0, 1), help="of the board (default 0)")
    calibrate.add_argument("--out", required=True, metavar="FILE.toml", help="the calibration file; a table beside it")
    calibrate.add_argument("--json", action="store_true", help="print the result as JSON")
    calibrate.set_defaults(run=run_calibrate)


def _add_probe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--readout", metavar="DIR", help="runtime directory of the readout (default: the one that records a probe)"
    )
    parser.add_argument("--input", type=int, default=None, choices=(0, 1), help="of the board (default: the first)")
    parser.add_argument("--window", metavar="NAME", help="energy window, or all (default: the first there is)")
    parser.add_argument("--background", metavar="CPS[+-ERROR]", help="rate to take off (default 0)")
    parser.add_argument("--json", action="store_true", help="print JSON; `watch`: one object a line")
