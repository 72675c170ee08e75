"""`python -m simulators camera`: the heads of a gamma camera, fed by the physics of `simulators.camera`."""

from __future__ import annotations

import argparse
from pathlib import Path

from daq.errors import MissingError, RefusedError, UsageError
from daq.model.camera import Collimator, Crystal
from daq.model.scanner import Head, ScannerProfile
from device_profiles.scanners import load_scanner
from simulators.camera.bodyoptions import MOTION, add_body_options, without_bodies
from simulators.camera.model import Electronics, Field, Response, Scene, SimulatedHead, Source
from simulators.camera.options import (
    ACTIVITY_HELP,
    FIELD_HELP,
    MASK_HELP,
    parse_activity,
    parse_field,
    parse_mask,
    parse_settings,
    settings_help,
)  # fmt: skip
from simulators.options import ENDPOINTS, instrument, positive, positive_float, service, source_number
from simulators.options import add_options as add_shared_options
from simulators.pet.options import MEDIUM_HELP, parse_medium
from simulators.serve import Server

DEFAULT_SECONDS = 10.0
DEFAULT_RADIUS_MM = 150.0
PLAIN_THICKNESS_MM = 9.5
"""Of the crystal of a head whose scanner profile has none; the rest of it is that of its field of view."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `camera`."""
    add_shared_options(parser, endpoints=(*ENDPOINTS, MOTION))
    add_scene_options(parser, "dual-head")
    add_body_options(parser)
    parser.add_argument(
        "--seconds",
        type=positive_float,
        default=DEFAULT_SECONDS,
        metavar="S",
        help="of the scene (default %(default)g)",
    )
    parser.add_argument(
        "--loop", type=positive_float, metavar="S", help="make S seconds once and send them again and again: no limit"
    )
    parser.add_argument("--sources", type=positive, default=1, metavar="N", help="front ends: 1, or one for each head")
    parser.add_argument("--source-id", type=source_number, default=0, metavar="N", help="number of the first of them")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same words")
    parser.add_argument("--photons", type=Path, metavar="FILE", help="Arrow stream: the truth about every event")


def add_scene_options(parser: argparse.ArgumentParser, scanner: str) -> None:
    """Register what says what decays, where, in front of which heads."""
    parser.add_argument(
        "--scanner", default=scanner, metavar="NAME", help="scanner profile with heads (default %(default)s)"
    )
    parser.add_argument(
        "--head", action="append", type=int, metavar="N", help="serve this head alone; may be given again; default all"
    )
    parser.add_argument("--collimator", metavar="NAME", help="collimator of the scanner profile, on all heads")
    parser.add_argument(
        "--radius", type=positive_float, default=DEFAULT_RADIUS_MM, metavar="MM",
        help="from the axis to the faces of the collimators (default %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--gantry", type=float, default=0.0, metavar="DEG", help="its angle, added to those of the heads (default 0)"
    )
    parser.add_argument("--activity", action="append", default=[], metavar="TEXT", help=ACTIVITY_HELP)
    parser.add_argument("--field", action="append", default=[], metavar="TEXT", help=FIELD_HELP)
    parser.add_argument("--mask", metavar="TEXT", help=MASK_HELP)
    parser.add_argument("--medium", metavar="TEXT", help=MEDIUM_HELP)
    parser.add_argument("--response", metavar="TEXT", help=settings_help("what heads report", Response))
    parser.add_argument("--electronics", metavar="TEXT", help=settings_help("dead time and pile-up", Electronics))


def run(arguments: argparse.Namespace) -> int:
    """Serve a scene. Raises `UsageError`, `RefusedError`, `MissingError`."""
    device = instrument(arguments.profile)
    scene = scene_of(arguments, empty=arguments.body is not None)
    asked = service("camera", arguments)
    if arguments.body is not None:
        from simulators.camera.scanning import serve_body

        if arguments.loop is not None:
            raise UsageError("--loop: not with --body")
        readers = front_ends(scene, arguments.sources)
        return serve_body(
            arguments, device, scene, asked, dict(arguments.port).get(MOTION, 0), readers,
            parser_options=add_options, scene_of=lambda own: scene_of(own, empty=True),
        )  # fmt: skip
    without_bodies(arguments)
    from simulators.camera.supply import CameraSupply
    from simulators.camera.truthfile import write_photons

    supply = CameraSupply(
        device,
        scene,
        seed=arguments.seed,
        front_ends=front_ends(scene, arguments.sources),
        first_source=arguments.source_id,
        loop_s=arguments.loop,
    )
    if arguments.photons is not None:
        write_photons(arguments.photons, supply.photons(), supply.described())
    return Server(device, supply, asked).serve()


def front_ends(scene: Scene, count: int) -> tuple[tuple[int, ...], ...]:
    """Return which heads each front end reads out. Raises `UsageError`."""
    numbers = tuple(head.number for head in scene.heads)
    if count == 1:
        return (numbers,)
    if count != len(numbers):
        raise UsageError(f"--sources {count}: there are {len(numbers)} heads; give 1 or {len(numbers)}")
    return tuple((number,) for number in numbers)


def scene_of(arguments: argparse.Namespace, *, empty: bool = False) -> Scene:
    """Return the scene that the options ask for; `empty`: without sources, for these lie on the bed with a body.

    Raises `UsageError`, `RefusedError`, `MissingError`.
    """
    mask = parse_mask(arguments.mask)
    sources: list[Source | Field] = [source for text in arguments.activity for source in parse_activity(text)]
    sources += [parse_field(text, mask) for text in arguments.field]
    if empty and arguments.field:
        raise UsageError("--body: not with --field")
    if not sources and not empty:
        raise UsageError("nothing decays: give --activity, e.g. point:Tc-99m,mbq=10, or --field Tc-99m,mbq=20")
    response = parse_settings("--response", arguments.response, Response)
    return Scene(
        heads_of(
            load_scanner(arguments.scanner),
            arguments.collimator,
            arguments.radius,
            response,
            chosen=arguments.head,
            gantry_deg=arguments.gantry,
        ),
        () if empty else tuple(sources),
        parse_medium(arguments.medium),
        parse_settings("--electronics", arguments.electronics, Electronics),
        seconds=arguments.seconds,
    )


def heads_of(
    scanner: ScannerProfile,
    collimator: str | None,
    radius_mm: float,
    response: Response,
    *,
    chosen: list[int] | None = None,
    gantry_deg: float = 0.0,
) -> tuple[SimulatedHead, ...]:
    """Return the heads of a scanner. Raises `RefusedError` without any, `MissingError` for an unknown collimator."""
    if not scanner.heads:
        raise RefusedError(f"--scanner {scanner.id}: has no heads")
    numbers = [head.number for head in scanner.heads]
    unknown = [number for number in chosen or () if number not in numbers]
    if unknown:
        raise MissingError(f"--head {unknown[0]}: scanner {scanner.id} has heads {', '.join(map(str, numbers))}")
    plate = collimator_of(scanner, collimator) if collimator is not None else None
    return tuple(
        SimulatedHead(head.number, crystal_of(head), head.angle_deg + gantry_deg, radius_mm, plate, response)
        for head in scanner.heads
        if chosen is None or head.number in chosen
    )


def collimator_of(scanner: ScannerProfile, name: str) -> Collimator:
    """Return a collimator of a scanner profile. Raises `MissingError`."""
    found = scanner.collimators.get(name)
    if found is None:
        known = ", ".join(scanner.collimators) or "none"
        raise MissingError(f"--collimator {name}: scanner {scanner.id} has {known}")
    return found


def crystal_of(head: Head) -> Crystal:
    """Return the crystal of a head; of one that does not say, NaI as wide as its field of view."""
    if head.crystal is not None:
        return head.crystal
    return Crystal(
        material="NaI(Tl)", thickness_mm=PLAIN_THICKNESS_MM, width_mm=head.width_mm, height_mm=head.height_mm
    )
