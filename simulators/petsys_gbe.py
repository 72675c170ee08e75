"""A PETsys TOFPET2 front end with Gigabit Ethernet, as the vendor's own host knows it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from daq.errors import UsageError
from daq.model import tofpet2 as t
from simulators.faults.board import FaultBoard
from simulators.options import add_serving_options, positive_float, truth_file, whole
from simulators.pet.command import add_scan_options
from simulators.petsys.encoding import NOMINAL, encode
from simulators.petsys.faultkinds import KINDS, PetsysRules
from simulators.petsys.loop import Content
from simulators.petsys.physics import scan_singles
from simulators.petsys.server import FrontEnd, Setup
from simulators.petsys.singles import Singles, poisson_singles
from simulators.petsys.stream import Pace

DEFAULT_RATE = 100_000.0
LONGEST_LOOP_S = 10.0
LOOP_EVENTS = 4_000_000
MOST_LOOP_EVENTS = 30_000_000
DATAGRAM_BYTES = 1472
SCAN_LOOP_S = 1.0
MOST_SCAN_S = 100.0
_DESCRIBED = ("asics", "first_detector", "unit", "energy", "seconds", "seed", "first_frame", "datagram_bytes")
_LEAST_DATAGRAM_BYTES = 64
_MOST_DATAGRAM_BYTES = 65_507


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `petsys-gbe`."""
    add_serving_options(parser, KINDS)
    add_scan_options(parser, "petsys-small-ring")
    parser.add_argument(
        "--rate", type=positive_float, default=DEFAULT_RATE, metavar="CPS",
        help="singles per second at random, without --activity (default %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--asics", type=whole(1, t.MOST_CHIPS), default=16, metavar="N", help="ASICs, 64 detectors each (default 16)"
    )
    parser.add_argument(
        "--first-detector", type=whole(0, 1 << 30), default=0, metavar="N",
        help="detector that channel 0 is: several front ends share a scanner (default 0)",
    )  # fmt: skip
    parser.add_argument(
        "--unit", type=whole(0, t.ADDRESS_MASK), default=0, metavar="N",
        help="32 * port + slave that frames and events bear (default 0)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=positive_float, metavar="S",
        help="detector time after which there are idle frames only (default: never)",
    )  # fmt: skip
    parser.add_argument(
        "--loop",
        type=positive_float,
        metavar="S",
        help=f"detector time after which events repeat (default: {LONGEST_LOOP_S:g}, less at high rates; of a scan"
        f" {SCAN_LOOP_S:g})",
    )
    parser.add_argument(
        "--energy", choices=("qdc", "tot"), default="qdc", help="charge, or time over threshold (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same events")
    parser.add_argument(
        "--first-frame", type=whole(0, t.FRAME_ID_MASK), default=0, metavar="ID",
        help="id of the first frame after a sync, to be near the wrap (default 0, as hardware)",
    )  # fmt: skip
    parser.add_argument(
        "--datagram-bytes", type=whole(_LEAST_DATAGRAM_BYTES, _MOST_DATAGRAM_BYTES), default=DATAGRAM_BYTES,
        metavar="N", help="longest datagram, but for a frame that is longer by itself (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--free-run", action="store_true", help="frames with events from the hello on: somebody has initialised it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve a front end. Raises `UsageError`, `RefusedError`."""
    ports = dict(arguments.port)
    if "tcp" in ports:
        raise UsageError("--port tcp: the front end speaks UDP only")
    loop_s = frames_of(arguments) * t.FRAME_PS * 1e-12
    board = FaultBoard(PetsysRules(arguments.asics, loop_s), arguments.fault, seed=arguments.fault_seed, kinds=KINDS)
    words = (arguments.datagram_bytes - 1) // t.WORD_BYTES
    singles, described = source_of(arguments)
    nominal = replace(NOMINAL, tot=arguments.energy == "tot")
    content = Content(encode(singles, arguments.unit, nominal), arguments.unit, words, arguments.seed)
    frames = None if arguments.seconds is None else round(arguments.seconds * t.CLOCK_HZ / t.FRAME_CLOCKS)
    setup = Setup(
        arguments.host,
        ports.get("udp", 0),
        arguments.asics,
        Pace(arguments.speed, frames, arguments.first_frame),
        words,
        arguments.free_run,
        arguments.once,
        truth_file(arguments),
        described | {"speed": arguments.speed or "max"},
    )
    return FrontEnd(setup, content, board).serve()


def source_of(arguments: argparse.Namespace) -> tuple[Singles, dict[str, Any]]:
    """Return the singles that are sent round and round, and what makes them again. Raises `UsageError`."""
    described = {key: getattr(arguments, key) for key in _DESCRIBED}
    frames = frames_of(arguments)
    if _is_scan(arguments):
        singles, about = scan_singles(arguments, frames)
    else:
        detectors = arguments.asics * t.CHANNELS_PER_CHIP
        singles = poisson_singles(arguments.rate, detectors, frames * t.FRAME_PS, arguments.seed)
        about = {"rate": arguments.rate}
    return singles, {"options": described | about, "loop_frames": frames, "loop_events": len(singles.time_ps)}


def frames_of(arguments: argparse.Namespace) -> int:
    """Return how many frames there are before events repeat. Raises `UsageError`."""
    if _is_scan(arguments):
        return scan_frames(arguments.loop, arguments.seconds)
    return loop_frames(arguments.rate, arguments.loop, arguments.seconds)


def _is_scan(arguments: argparse.Namespace) -> bool:
    return bool(arguments.activity or arguments.detectors)


def scan_frames(loop_s: float | None, seconds: float | None) -> int:
    """Return how many frames a loop of a scan has. Raises `UsageError`."""
    length_s = loop_s or min(SCAN_LOOP_S, seconds or SCAN_LOOP_S)
    if length_s > MOST_SCAN_S:
        raise UsageError(f"--loop {length_s:g}: of a scan at most {MOST_SCAN_S:g} s")
    return max(1, round(length_s * t.CLOCK_HZ / t.FRAME_CLOCKS))


def loop_frames(rate_cps: float, loop_s: float | None, seconds: float | None) -> int:
    """Return how many frames a loop of random singles has. Raises `UsageError` for more than memory should hold."""
    length_s = loop_s or min(LONGEST_LOOP_S, LOOP_EVENTS / rate_cps, seconds or LONGEST_LOOP_S)
    if length_s * rate_cps > MOST_LOOP_EVENTS:
        raise UsageError(
            f"--loop {length_s:g} at {rate_cps:g} cps: {length_s * rate_cps:g} events, at most {MOST_LOOP_EVENTS:g}"
        )
    return max(1, round(length_s * t.CLOCK_HZ / t.FRAME_CLOCKS))
