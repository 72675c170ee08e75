"""`daq record`: one acquisition with the readout alone, no daemon: arm, record, seal, print the ledger."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.readout.plan import Plan
    from daq.storage.manifest import Manifest

_POLL_S = 0.2
_STOP_HELP = (
    "end (default), time=10s (detector time), host=60s, events=1M, singles=, prompts=, delayeds=, coincidences=, "
    "singles[WINDOW]@HEADS=; the first one reached counts"
)

_SOURCE_HELP = (
    "udp://HOST:PORT, udp://@HOST:PORT (listen), tcp://HOST:PORT (?control=PORT for commands), file:///PATH; several "
    "front ends on one clock: once for each, the k-th becomes source k, counted from 0"
)


def add_parser(nouns: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = nouns.add_parser("record", help="record a front end or a file into a list-mode directory")
    parser.add_argument("--profile", required=True, help="instrument profile: a shipped id or a TOML file")
    parser.add_argument("--source", required=True, action="append", metavar="URL", help=_SOURCE_HELP)
    parser.add_argument("--stop", action="append", default=[], metavar="LIMIT", help=_STOP_HELP)
    parser.add_argument("--out", metavar="DIR", help="the directory to write; it must not exist or be empty")
    parser.add_argument("--storage", metavar="DIR", help="write to DIR/<date>/<id> (default: recordings)")
    parser.add_argument("--no-raw", action="store_true", help="keep rows only; no replay, no export to raw")
    parser.add_argument("--no-rows", action="store_true", help="keep raw only; `replay` derives the rows later")
    _add_processing(parser)
    parser.add_argument(
        "--no-gro", action="store_true", help="take datagrams one by one, not put together by the kernel"
    )
    parser.add_argument(
        "--priority",
        type=int,
        default=0,
        metavar="N",
        help="real-time priority 1 to 99 of the receiving thread (default 0: none; needs the right to it)",
    )
    parser.add_argument(
        "--stall",
        type=float,
        default=10.0,
        metavar="S",
        help="give up after S seconds of silence, also before the first word",
    )
    parser.add_argument("--simulated", action="store_true", help="say in the manifest that the data are simulated")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def _add_processing(parser: argparse.ArgumentParser) -> None:
    """Add what is done to singles."""
    add = parser.add_argument_group("singles: windows and pairs").add_argument
    add(
        "--scanner",
        metavar="NAME",
        help="scanner profile, a shipped id or a TOML file: a ring (counts by module) "
        "or heads (positions of channels, with --head-calibrations)",
    )
    add("--calibration", metavar="FILE", help="calibration file (TOML) of times and energies (default: identity)")
    add("--window", action="append", default=[], metavar="NAME=LOW-HIGH keV",
        help='an energy window, e.g. "photopeak=430-650 keV"; may be repeated; any of them pairs')  # fmt: skip
    add("--nuclide", action="append", default=[], metavar="NAME",
        help="the usual windows on photopeaks of a nuclide, e.g. Ga-67; may be repeated: dual isotope")  # fmt: skip
    add("--tew", type=float, metavar="KEV", help="with --nuclide: scatter windows so wide below and above each of them")
    add("--half-window", metavar="TIME", help='pair singles within W, e.g. "2.25 ns" (default: no pairs)')
    add("--delay", metavar="TIME", help='of the delayed window, e.g. "100 ns" (default: no delayed window)')
    add("--policy", metavar="POLICY", help="what becomes of multiples, by GATE's names (default takeAllGoods)")
    add("--head-calibrations", metavar="DIR", help="folder of the calibration files of gamma-camera heads")
    add("--collimator", metavar="NAME", help="the collimator that is mounted, by its name in the scanner profile")
    add("--singles", choices=("all", "windowed", "none"), default="all", help="which singles to store (default all)")


def run(options: argparse.Namespace) -> int:
    """Record, and return 0, or 7 when the front end fell silent before a limit was reached."""
    from daq import composition
    from daq.cli.output import print_json, say
    from daq.composition.processing import Asked
    from daq.composition.sorting import Said
    from daq.storage.info import describe, print_info
    from daq.storage.listing import load_manifest
    from device_profiles.load import load_profile

    profile = load_profile(options.profile)
    windows = [*options.window, *_usual_windows(options)]
    said = Said(options.scanner, options.half_window, options.delay, options.policy, windows)
    plan, runtime = composition.plan_recording(
        profile, sources=options.source, stop_texts=options.stop,
        out=options.out, storage=options.storage, store_raw=not options.no_raw, stall_s=options.stall,
        simulated=options.simulated, store_rows=not options.no_rows, gro=not options.no_gro, priority=options.priority,
        asked=Asked(said, options.calibration, options.singles, options.head_calibrations, options.collimator),
    )  # fmt: skip
    for why in plan.manifest.calibrations.get("left_out", ()):
        say(f"daq: warning: {why}")
    status = follow(plan, runtime, quiet=options.json)
    manifest = load_manifest(Path(plan.directory))
    if options.json:
        print_json({"directory": plan.directory, "ended_by": manifest.ended_by, **describe(Path(plan.directory))})
    else:
        print_info(Path(plan.directory))
    return _verdict(manifest, status, say)


def _usual_windows(options: argparse.Namespace) -> list[str]:
    """Return the windows of the nuclides that are named, as they would be written out."""
    from daq.errors import UsageError
    from daq.model.window_sets import window_set

    if options.tew is not None and not options.nuclide:
        raise UsageError("--tew puts scatter windows beside those of --nuclide, and none is named")
    made = window_set(options.nuclide, tew_width_kev=options.tew).windows
    return [f"{one.name}={one.lower_kev:.3f}-{one.upper_kev:.3f} keV" for one in made]


def follow(plan: Plan, runtime: Path, *, quiet: bool) -> dict[str, Any]:
    """Start the readout, show its progress until it has ended, and return its last status.

    The first Ctrl-C (or SIGTERM) stops it in order. The second leaves it alone and raises `KeyboardInterrupt`.
    """
    from daq import composition
    from daq.cli.output import grouped, progress, say

    with _interruptions() as interruptions, progress(quiet=quiet) as display:
        task = display.add_task("starting", total=None, figures="")
        readout = composition.start_readout(plan, runtime)
        stopping, warned = False, set[str]()
        while readout.running():
            status = readout.status()
            _warn(status, warned)
            figures = f"{grouped(_events(status))} events  {status.get('duration_ps', 0) / 1e12:.1f} s"
            display.update(task, description=status["state"], figures=figures)
            if interruptions and not stopping:
                stopping = True
                say("stopping: what is buffered is written and the recording sealed; Ctrl-C again leaves it to itself")
                readout.stop()
            if len(interruptions) > 1:
                say(
                    f"left alone: the readout (process {readout.pid}) ends the recording by itself; "
                    f"until then it answers at {readout.control}"
                )
                readout.close()
                raise KeyboardInterrupt
            time.sleep(_POLL_S)
        status = readout.result()
        _warn(status, warned)
        return status


def _events(status: dict[str, Any]) -> int:
    return int(status.get("counts_live", {}).get("events", 0))


def _warn(status: dict[str, Any], warned: set[str]) -> None:
    """Say what the readout warns of, each thing once."""
    from daq.cli.output import say

    for warning in status.get("warnings", []):
        if warning not in warned:
            warned.add(warning)
            say(f"daq: warning: {warning}")


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM in a list instead of dying of them, which would leave the readout without a word."""
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda signalled, _: heard.append(signalled))
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _verdict(manifest: Manifest, status: dict[str, Any], say: Any) -> int:
    if manifest.ended_by == "stalled":
        say(f"daq: the source fell silent; what came is sealed in {status['directory']}")
        return 7
    if manifest.ended_by == "silent":
        say("daq: the source never sent anything")
        return 5
    return 0
