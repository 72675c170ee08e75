"""CAEN A5202 boards of the FERS-5200 family on TCP, as the vendor's own library knows them."""

from __future__ import annotations

import argparse
from typing import Any

from daq.errors import UsageError
from simulators.faults.board import FaultBoard
from simulators.fers.faults import KINDS, FersRules
from simulators.fers.line import CONTROL, STREAM
from simulators.fers.run import PS, Link
from simulators.fers.server import Boards, Setup
from simulators.fers.signals import Signals, random_light
from simulators.options import add_serving_options, positive_float, truth_file, whole

DEFAULT_RATE = 20_000.0
LONGEST_LOOP_S = 10.0
LOOP_EVENTS = 400_000
_DESCRIBED = ("boards", "pid", "rate", "seconds", "loop", "seed", "link", "buffer", "protocol", "speed")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `caen-fers`."""
    add_serving_options(parser, KINDS, (CONTROL, STREAM))
    parser.add_argument(
        "--boards", type=whole(1, 16), default=1, metavar="N",
        help="boards on one clock, each at its own address: --host and those after it (default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--pid", type=whole(1, 0xFFFFFF00), default=21_001, metavar="N",
        help="serial number of the first board, the others follow (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=positive_float, default=DEFAULT_RATE, metavar="CPS",
        help="photons per second and board at random times and places (default %(default)g)",
    )  # fmt: skip
    parser.add_argument("--seconds", type=positive_float, metavar="S", help="time after which no light comes any more")
    parser.add_argument("--loop", type=positive_float, metavar="S", help="time after which photons repeat")
    parser.add_argument(
        "--seed", type=whole(0, 1 << 31), default=0, metavar="S", help="the same seed, the same photons"
    )
    parser.add_argument(
        "--link", type=_link, default=100.0, metavar="MBIT|max", help="speed of the link in Mbit/s (default 100)"
    )
    parser.add_argument(
        "--buffer", type=whole(4096, 1 << 30), default=262_144, metavar="BYTES",
        help="room for events on a board; triggers that find none are lost (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--protocol", choices=("new", "old"), default="new", help="framing of the events (default %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve boards. Raises `UsageError`, `RefusedError`."""
    faults = FaultBoard(FersRules(arguments.boards), arguments.fault, seed=arguments.fault_seed, kinds=KINDS)
    limit_ps = None if arguments.seconds is None else round(arguments.seconds * PS)
    link = Link(arguments.buffer, (arguments.link or 0.0) * 1e6 / 8, arguments.protocol == "old")
    setup = Setup(
        arguments.host, dict(arguments.port), arguments.pid, arguments.speed, link, limit_ps, arguments.seed,
        arguments.once, truth_file(arguments), {"options": described(arguments)},
    )  # fmt: skip
    return Boards(setup, sources_of(arguments), faults).serve()


def described(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that make the same photons again."""
    return {key: getattr(arguments, key) for key in _DESCRIBED}


def sources_of(arguments: argparse.Namespace) -> list[Signals]:
    """Return the light on each board. Raises `UsageError`."""
    length_s = arguments.loop or min(LONGEST_LOOP_S, LOOP_EVENTS / arguments.rate, arguments.seconds or LONGEST_LOOP_S)
    if length_s * arguments.rate > 4 * LOOP_EVENTS:
        raise UsageError(f"--loop {length_s:g} at {arguments.rate:g} cps: at most {4 * LOOP_EVENTS} photons")
    return [
        random_light(arguments.rate, max(1, round(length_s * PS)), arguments.seed + board)
        for board in range(arguments.boards)
    ]


def _link(text: str) -> float | None:
    return None if text == "max" else positive_float(text)
