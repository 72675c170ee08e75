"""`daq listmode sort`: coincidences made anew from recorded singles, with another window, delay, policy or scanner."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.storage.sorting import Sorted, Wanted

_PS_PER_NS = 1000


def add_verb(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add the verb."""
    parser = verbs.add_parser("sort", help="pair recorded singles again with other settings, into a new directory")
    parser.add_argument("directory", metavar="DIR", type=Path, help="a list-mode directory with singles or raw")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="the directory to write; it must not exist or be empty"
    )
    add = parser.add_argument
    add("--scanner", metavar="NAME", help="scanner profile: a shipped id or a TOML file (default: as recorded)")
    add("--half-window", metavar="TIME", help='W: two singles pair within it, e.g. "2.25 ns" (default: as recorded)')
    add("--delay", metavar="TIME", help='of the delayed window, e.g. "100 ns", or none (default: as recorded)')
    add("--policy", metavar="POLICY", help="what becomes of multiples, by GATE's names (default: as recorded)")
    add("--window", action="append", default=[], metavar="NAME=LOW-HIGH keV",
        help='energies that pair, e.g. "photopeak=430-650 keV"; may be repeated; none: every single')  # fmt: skip
    add("--min-sector-difference", type=int, metavar="N", help="in place of the scanner's own")
    add("--max-ring-difference", metavar="N", help="rings that two detectors may be apart, or none")
    add("--timing-sigma", metavar="TIME", help="of a time difference, e.g. 120 ps, to judge the window by")
    add("--threads", type=int, metavar="N", help="threads that pair (default: as many as there are cores)")
    add("--force", action="store_true", help="sort also by settings that lose true pairs")
    add("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sort the singles of a directory again."""
    from daq import composition
    from daq.cli.output import print_json, progress, say
    from daq.composition.sorting import Said, judged, rule_of
    from daq.storage.hashing import hash_segments
    from daq.storage.reader import open_listmode
    from daq.storage.recordedprocessing import recorded_processing
    from daq.storage.sorting import Wanted, sort
    from daq.storage.sortingsource import are_codes

    out = composition.output_directory(options.out, None, "")
    said = Said(
        options.scanner, options.half_window, options.delay, options.policy, options.window,
        options.min_sector_difference, options.max_ring_difference, options.timing_sigma,
    )  # fmt: skip
    with open_listmode(options.directory) as recording, progress(quiet=options.json) as display:
        rule, windows = rule_of(recording.manifest, recorded_processing(recording.manifest, recording.directory), said)
        for note in judged(rule, force=options.force):
            say(note)
        if windows and are_codes(recording):
            say("energies are not calibrated: windows in keV are compared with ADC codes")
        wanted = Wanted(rule, windows, threads=_cores() if options.threads is None else options.threads)
        task = display.add_task("sorting", total=None, figures="")
        made = sort(
            recording, out, wanted, identity=composition.identity_of(options.out), software=composition.versions(),
            progress=lambda done, total: display.update(task, completed=done, total=total),
        )  # fmt: skip
    made.manifest = hash_segments(out)
    if options.json:
        print_json(result_json(out, wanted, made))
    else:
        _print(out, wanted, made)
    return 0


def result_json(out: Path, wanted: Wanted, made: Sorted) -> dict[str, Any]:
    """Return the result as plain data with stable keys."""
    manifest = made.manifest
    return {
        "directory": str(out),
        "acquisition_id": manifest.acquisition_id,
        "sorted_from": manifest.sorted_from,
        "singles": made.singles,
        "prompts": made.counts["prompts"],
        "delayeds": made.counts["delayeds"],
        "counts": dict(made.counts),
        "half_window_ps": wanted.pairing.half_window_ps,
        "delay_ps": wanted.pairing.delay_ps,
        "policy": str(wanted.pairing.policy),
        "windows": (manifest.processing or {}).get("windows", []),
        "threads": wanted.threads,
    }


def _print(out: Path, wanted: Wanted, made: Sorted) -> None:
    from daq.cli.output import grouped, print_line

    rule = wanted.pairing
    delay = "no delayed window" if rule.delay_ps is None else f"delay {rule.delay_ps / _PS_PER_NS:g} ns"
    print_line(f"{grouped(made.singles)} singles from {made.origin}")
    print_line(f"window ±{rule.half_window_ps / _PS_PER_NS:g} ns, {delay}, {rule.policy}")
    wide = max(len(name) for name in made.counts)
    for name, count in made.counts.items():
        print_line(f"  {name:<{wide}}  {grouped(count):>15}")
    print_line(f"written to {out}")


def _cores() -> int:
    return min(len(os.sched_getaffinity(0)), 64)
