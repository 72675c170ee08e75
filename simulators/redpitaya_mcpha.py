"""A gamma probe on a Red Pitaya with the multichannel pulse height analyser, as its own client knows it."""

from __future__ import annotations

import argparse

from daq.errors import UsageError
from simulators.faults.board import FaultBoard
from simulators.options import add_serving_options, positive_float, truth_file
from simulators.redpitaya.board import Board
from simulators.redpitaya.faultkinds import KINDS, BoardRules
from simulators.redpitaya.scene import Component, Scale, background, parse_moves, pulses
from simulators.redpitaya.server import Servers, Setup

ENDPOINTS = ("mcpha", "pha")
_DESCRIBED = ("nuclide", "cps", "background_cps", "moves", "kev_per_bin", "resolution_percent", "events", "seed")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `redpitaya-mcpha`."""
    add_serving_options(parser, KINDS, ENDPOINTS)
    add = parser.add_argument
    add("--nuclide", default="Tc-99m", help="what is in front of the probe (default %(default)s)")
    add("--cps", type=positive_float, default=1000.0, help="photons of it per second in the crystal (default 1000)")
    add("--background-cps", type=positive_float, default=20.0, help="others per second (default 20)")
    add("--moves", default="0:1", metavar="S:FACTOR,...", help="from second S on FACTOR times --cps: the probe is moved"
        " (default %(default)s)")  # fmt: skip
    add("--kev-per-bin", type=positive_float, default=0.25, help="keV per bin of the histogram (default 0.25)")
    add("--resolution-percent", type=positive_float, default=12.0, help="FWHM at 140.5 keV (default 12)")
    add("--events", choices=("time-first", "words-reversed"), default="words-reversed",
        help="how list mode orders its words: until 2024, or since (default %(default)s)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="S", help="of the chances")


def run(arguments: argparse.Namespace) -> int:
    """Serve a board. Raises `UsageError`, `MissingError`, `RefusedError`."""
    if arguments.speed is None:
        raise UsageError("--speed max: a board counts by its own clock; give how many times faster than real time")
    truth = truth_file(arguments)
    moves = parse_moves(arguments.moves)
    faults = FaultBoard(BoardRules(), arguments.fault, seed=arguments.fault_seed, kinds=KINDS)
    scale = Scale(arguments.kev_per_bin, arguments.resolution_percent / 100)
    source = pulses(arguments.nuclide, scale, arguments.seed)
    seen = [
        Component(source, arguments.cps, moves),
        Component(background(scale, arguments.seed), arguments.background_cps),
    ]
    board = Board([seen, []], seed=arguments.seed, speed=arguments.speed)
    described = {key: getattr(arguments, key) for key in _DESCRIBED}
    setup = Setup(
        arguments.host, dict(arguments.port), arguments.events, arguments.once, truth, {"options": described}, source,
        arguments.seed,
    )  # fmt: skip
    return Servers(setup, board, faults).serve()
