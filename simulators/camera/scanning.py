"""Serve a body that moves before heads that move."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import replace

from daq.errors import UsageError
from daq.model.geometry import PatientOrientation
from daq.model.scanner import ScannerProfile
from device_profiles.scanners import load_scanner
from simulators.camera.axes import Axes, Listener, read_motion
from simulators.camera.bodies import lying, parse_body, parse_ecg, parse_transmission
from simulators.camera.body import Stuff
from simulators.camera.bodyoptions import MOTION
from simulators.camera.live import BodySupply, Scan
from simulators.camera.model import Scene, SimulatedHead
from simulators.camera.options import parse_activity
from simulators.camera.room import scans_of
from simulators.camera.setting import Lies, Move, Place, Set
from simulators.camera.solids import disc
from simulators.camera.stage import INJECTION, WATER_PER_MM
from simulators.camera.truthfile import write_photons
from simulators.options import Service
from simulators.pet.options import numbers_of, parse_medium
from simulators.serve import Server
from simulators.supply import Instrument

_MOST_ORDERS = 10


def serve_body(
    arguments: argparse.Namespace, device: Instrument, scene: Scene, asked: Service, port: int,
    front_ends: tuple[tuple[int, ...], ...], *, parser_options: Callable[[argparse.ArgumentParser], None],
    scene_of: Callable[[argparse.Namespace], Scene],
) -> int:  # fmt: skip
    """Serve a scene with a body: with the endpoint `motion`, or, by a file or standing still, the same words again.

    `parser_options` and `scene_of` are of the command line, for the scenes of a room, too.

    Raises `UsageError`, `RefusedError`, `MissingError`.
    """
    live = not (arguments.still or arguments.motion_file)
    if arguments.room is not None and not live:
        raise UsageError("--room: not with --still and --motion-file; scenes are brought while it happens")
    if live and (arguments.speed != 1.0 or arguments.photons is not None):
        raise UsageError(
            "--body: with --speed and --photons give --motion-file or --still; else it is made as it passes"
        )
    if arguments.still and arguments.motion_file:
        raise UsageError("--still and --motion-file: give one of them")
    listener = Listener(asked.host, port) if live else None
    with closing(listener) if listener else nullcontext():
        axes = listener.axes if listener else read_motion(arguments.motion_file) if arguments.motion_file else Axes()

        def scan_of(own: argparse.Namespace, before: Scene) -> Scan:
            lying = set_of(own, load_scanner(own.scanner), before.heads, axes)
            return Scan(before, lying, own.seed, live, parse_ecg(own.ecg), own.beats)

        supply = BodySupply(device, scan_of(arguments, scene), front_ends=front_ends, first_source=arguments.source_id)
        if listener and arguments.room is not None:
            _furnish(listener, supply, scans_of(arguments, parser_options, lambda own: scan_of(own, scene_of(own))))
        if arguments.photons is not None:
            write_photons(arguments.photons, supply.photons(), supply.described())
        also = {MOTION: listener.url} if listener else {}
        return Server(device, supply, asked, also=also, live=live).serve()


def _furnish(listener: Listener, supply: BodySupply, scans: Mapping[str, Scan]) -> None:
    """Let the endpoint bring scenes; who comes is not injected until that is said."""

    def bring(name: str) -> bool:
        if name in scans:
            listener.axes.forget(INJECTION)
            supply.show(scans[name])
        return name in scans

    listener.on_scene = bring


def set_of(arguments: argparse.Namespace, scanner: ScannerProfile, heads: tuple[SimulatedHead, ...], axes: Axes) -> Set:
    """Return what is set up before the heads. Raises `UsageError`, `RefusedError`, `MissingError`."""
    found = parse_body(arguments.body)
    names = {head.number: head.id for head in scanner.heads}
    gantry = next(iter(scanner.axes.rotary), "gantry")
    places = tuple(Place(gantry, f"{names[head.number]}_radius", head.angle_deg - arguments.gantry) for head in heads)
    lies = Lies(PatientOrientation(arguments.orientation), arguments.bed_zero, tuple(map(_move, arguments.move)))
    if not 0 <= arguments.orders <= _MOST_ORDERS:
        raise UsageError(f"--orders {arguments.orders}: from 0 to {_MOST_ORDERS}")
    start = {"bed": arguments.bed, gantry: arguments.gantry}
    sources = [lying(source, found.mbq) for text in arguments.activity for source in parse_activity(text)]
    body = replace(found.body, organs=(*found.body.organs, *sources), stuff=(*_bath(arguments), *found.body.stuff))
    return Set(
        body,
        found.mbq,
        found.after_s,
        heads,
        places,
        axes,
        lies,
        start,
        arguments.times,
        arguments.orders,
        fixed=tuple(map(parse_transmission, arguments.transmission)),
    )


def _bath(arguments: argparse.Namespace) -> Stuff:
    """Return the medium of the options as what surrounds a body."""
    medium = parse_medium(arguments.medium)
    if medium is None:
        return ()
    size = medium.radius_mm, medium.radius_mm, medium.length_mm / 2
    return ((disc(medium.position_mm, size), medium.mu_per_mm / WATER_PER_MM),)


def _move(text: str) -> Move:
    """Return the movement of `at=S,x=MM,...`. Raises `UsageError`."""
    values = numbers_of("--move", text, text, needed=("at",), may=("x", "y", "z"))
    return Move(values["at"], (values.get("x", 0.0), values.get("y", 0.0), values.get("z", 0.0)))
