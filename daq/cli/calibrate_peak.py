"""`daq calibrate peak`: where the photopeak is; on a source it may be corrected, on a patient it is only verified."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_EXIT_FAILED = 6


def add_verbs(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add the verbs."""
    from daq.cli.calibrate import FLOOD_HELP, above_zero, add_subject

    parser = verbs.add_parser("peak", help="find the photopeak; on a source correct it within a limit")
    add_subject(parser)
    parser.add_argument("recording", type=Path, metavar="DIR", help="a recording of a source or of a patient")
    parser.add_argument("--limit", type=above_zero, required=True, metavar="PERCENT", help="how far off it may be")
    parser.add_argument(
        "--patient", action="store_true", help="only verify: scatter in a patient pulls the peak low; exit 6 beyond"
    )
    parser.set_defaults(run=run_peak)

    parser = verbs.add_parser("peaking", help="pedestals and gains of channels, and their light, by a flood")
    add_subject(parser)
    parser.add_argument("--flood", action="append", required=True, type=Path, metavar="DIR", help=FLOOD_HELP)
    parser.add_argument("--pedestals", type=Path, metavar="DIR",
                        help="a recording without light (default: from channels far from the flash)")  # fmt: skip
    parser.add_argument("--estimator", choices=("anger", "weighted", "maximum-likelihood"),
                        default="maximum-likelihood", help="of positions (default %(default)s)")  # fmt: skip
    parser.set_defaults(run=run_peaking)


def run_peak(options: argparse.Namespace) -> int:
    """Find the peak; write the correction where it is one of a source, else return 6 beyond the limit."""
    from daq.cli.calibrate import bench_asked, new_bench, written
    from daq.cli.output import print_json, print_line
    from daq.composition.peaks import measure_peak, peak_of

    if not options.patient:
        bench = new_bench(options, [options.recording])
        return written(options, measure_peak(bench, [options.recording], limit_percent=options.limit))
    bench = bench_asked(options, options.recording)
    found = peak_of(bench, [options.recording], bench.corrections())
    passed = abs(found.off_percent) <= options.limit
    told = {
        "peak_kev": found.peak.at, "line_kev": found.line_kev, "off_percent": found.off_percent,
        "sigma_percent": found.sigma_percent, "limit_percent": options.limit, "passed": passed,
    }  # fmt: skip
    if options.json:
        print_json(told)
    else:
        print_line(
            f"{'PASSED' if passed else 'FAILED'}: photopeak at {found.peak.at:.2f} keV, {found.off_percent:+.2f} % off "
            f"{found.line_kev:g} keV, the limit is {options.limit:g} %; nothing was changed"
        )
    return 0 if passed else _EXIT_FAILED


def run_peaking(options: argparse.Namespace) -> int:
    """Measure pedestals, gains and light."""
    from daq.cli.calibrate import new_bench, written
    from daq.composition.peaks import measure_peaking

    bench = new_bench(options, options.flood)
    return written(
        options, measure_peaking(bench, options.flood, pedestals=options.pedestals, estimator=options.estimator)
    )
