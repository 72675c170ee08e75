"""CAEN A5202 boards of the FERS-5200 family on TCP, as the vendor's own library knows them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from daq.errors import UsageError
from device_profiles.scanners import load_scanner
from simulators.camera.command import add_scene_options, scene_of
from simulators.faults.board import FaultBoard
from simulators.fers.faults import KINDS, FersRules
from simulators.fers.line import CONTROL, STREAM
from simulators.fers.run import Link
from simulators.fers.server import Boards, Setup
from simulators.fers.signals import PS, Signals, random_light
from simulators.options import add_serving_options, positive_float, truth_file, whole

LIGHT_KEYS = (
    "photons_per_kev", "detection", "excess", "intrinsic_fwhm", "adc_per_photoelectron", "gain_sigma",
    "drift_sigma_per_h",
)  # fmt: skip
"""What can be said of the light; pedestals and noise are the board's."""
DEFAULT_RATE = 20_000.0
DEFAULT_SCANNER = "fers-compact-camera"
LONGEST_LOOP_S = 10.0
LOOP_EVENTS = 400_000
_LEAST_BUFFER_BYTES, _BUFFER_BYTES = 4096, 262_144
_DESCRIBED = (
    "boards", "pid", "rate", "seconds", "loop", "seed", "head_seed", "link", "buffer", "bias", "protocol",
    "speed",
)  # fmt: skip
_NOT_HERE = {"response": "a board sends amplitudes", "electronics": "the board has its own"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `caen-fers`."""
    add_serving_options(parser, KINDS, (CONTROL, STREAM))
    add_scene_options(parser, DEFAULT_SCANNER)
    parser.add_argument(
        "--light", metavar="TEXT",
        help="light and amplification of the sensors with --activity or --field, KEY=VALUE,...:"
        f" {', '.join(LIGHT_KEYS)}",
    )  # fmt: skip
    parser.add_argument(
        "--boards", type=whole(1, 16), metavar="N",
        help="boards on one clock, each at its own address, --host and those after it (default: one per head, or 1)",
    )  # fmt: skip
    parser.add_argument(
        "--pid", type=whole(1, 0xFFFFFF00), default=21_001, metavar="N",
        help="serial number of the first board, the others follow (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=positive_float, default=DEFAULT_RATE, metavar="CPS",
        help="without --activity and --field: photons per second and board at random (default %(default)g)",
    )  # fmt: skip
    parser.add_argument("--seconds", type=positive_float, metavar="S", help="time after which no light comes any more")
    parser.add_argument("--loop", type=positive_float, metavar="S", help="time after which photons repeat")
    parser.add_argument(
        "--seed", type=whole(0, 1 << 31), default=0, metavar="S", help="the same seed, the same photons"
    )
    parser.add_argument(
        "--head-seed", type=whole(0, 1 << 31), default=0, metavar="N",
        help="with --activity or --field: the same number, the same gains and drifts of the sensors (default 0)",
    )  # fmt: skip
    parser.add_argument(
        "--photons", type=Path, metavar="FILE", help="Arrow stream: the truth about each photon of a loop"
    )
    parser.add_argument(
        "--link", type=_link, default=100.0, metavar="MBIT|max", help="speed of the link in Mbit/s (default 100)"
    )
    parser.add_argument(
        "--buffer", type=whole(_LEAST_BUFFER_BYTES, 1 << 30), default=_BUFFER_BYTES, metavar="BYTES",
        help="room for events on a board; triggers that find none are lost (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--bias", choices=("own", "board"), default="own",
        help="where sensors have their voltage from: of their own, or the board's, which begins switched off",
    )  # fmt: skip
    parser.add_argument(
        "--protocol", choices=("new", "old"), default="new", help="framing of the events (default %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve boards. Raises `UsageError`, `RefusedError`, `MissingError`."""
    truth = truth_file(arguments)
    sources, about = sources_of(arguments)
    faults = FaultBoard(FersRules(len(sources)), arguments.fault, seed=arguments.fault_seed, kinds=KINDS)
    setup = Setup(
        arguments.host,
        dict(arguments.port),
        arguments.pid,
        arguments.speed,
        Link(arguments.buffer, (arguments.link or 0.0) * 1e6 / 8, arguments.protocol == "old"),
        None if arguments.seconds is None else round(arguments.seconds * PS),
        arguments.seed,
        arguments.once,
        arguments.bias == "board",
        truth,
        {"options": {key: getattr(arguments, key) for key in _DESCRIBED}} | about,
    )
    return Boards(setup, sources, faults).serve()


def sources_of(arguments: argparse.Namespace) -> tuple[list[Signals], dict[str, Any]]:
    """Return the light on each board and what makes it again. Raises `UsageError`, `RefusedError`, `MissingError`."""
    if arguments.activity or arguments.field:
        return _scene(arguments)
    if arguments.photons or arguments.light:
        raise UsageError("--photons and --light go with --activity or --field")
    length_s = arguments.loop or min(LONGEST_LOOP_S, LOOP_EVENTS / arguments.rate, arguments.seconds or LONGEST_LOOP_S)
    if length_s * arguments.rate > 4 * LOOP_EVENTS:
        raise UsageError(f"--loop {length_s:g} at {arguments.rate:g} cps: at most {4 * LOOP_EVENTS} photons")
    length_ps = max(1, round(length_s * PS))
    boards = range(arguments.boards or 1)
    return [random_light(arguments.rate, length_ps, arguments.seed + board) for board in boards], {}


def _scene(arguments: argparse.Namespace) -> tuple[list[Signals], dict[str, Any]]:
    for name, why in _NOT_HERE.items():
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name} is not for caen-fers: {why}")
    from simulators.fers.scene import LONGEST_LOOP_S as LONGEST_S
    from simulators.fers.scene import LitBoards, parse_light

    seconds = arguments.seconds
    arguments.seconds = max(seconds or LONGEST_S, arguments.loop or 0.0)
    scene, arguments.seconds = scene_of(arguments), seconds
    boards = LitBoards(
        scene,
        load_scanner(arguments.scanner),
        parse_light(arguments.light, LIGHT_KEYS),
        loop_s=arguments.loop,
        seed=arguments.seed,
        head_seed=arguments.head_seed,
    )
    if arguments.boards not in (None, len(scene.heads)):
        raise UsageError(f"--boards {arguments.boards}: the scene has {len(scene.heads)} heads, a board for each")
    if arguments.photons is not None:
        boards.write(arguments.photons)
    return boards.signals(), boards.described()


def _link(text: str) -> float | None:
    return None if text == "max" else positive_float(text)
