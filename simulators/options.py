"""The options that all simulators share, and the words they are refused with."""

from __future__ import annotations

import argparse
import ipaddress
import math
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daq.errors import RefusedError, UsageError
from device_profiles.load import load_profile
from simulators.faults.spec import FAULT_KINDS, MAX_TICKS, FaultKind, FaultSpec, describe_kinds, parse_fault
from simulators.pacing import PACKET_AGE_MS
from simulators.supply import Instrument

ENDPOINTS = ("tcp", "udp")
MAX_SOURCE = 0xFFFE


@dataclass(frozen=True, slots=True)
class Service:
    """Where and how a simulator serves. `speed` None: flat out. `ports`: 0 takes a free one."""

    kind: str
    host: str
    ports: dict[str, int]
    to: tuple[str, int] | None
    once: bool
    truth: Path | None
    speed: float | None
    packet_age_ms: float = PACKET_AGE_MS
    faults: tuple[FaultSpec, ...] = ()
    fault_seed: int = 0
    start_ticks: int | None = None


def add_options(parser: argparse.ArgumentParser, *, endpoints: tuple[str, ...] = ENDPOINTS) -> None:
    """Register what every kind takes; `endpoints` are the names of its ports."""
    parser.add_argument(
        "--profile", required=True, metavar="NAME", help="instrument profile: shipped id or path of a TOML"
    )
    add_serving_options(parser, endpoints=endpoints)
    parser.add_argument("--to", type=_address, metavar="HOST:PORT", help="push one run of datagrams there at once")
    parser.add_argument(
        "--packet-age-ms",
        type=positive_float,
        default=PACKET_AGE_MS,
        metavar="MS",
        help="detector time after which a datagram leaves even if not full (default %(default)g)",
    )
    parser.add_argument(
        "--start-ticks",
        type=_ticks,
        metavar="N",
        help="let the clock start N ticks later; negative: so far before its wrap",
    )


def add_serving_options(
    parser: argparse.ArgumentParser, kinds: Mapping[str, FaultKind] = FAULT_KINDS,
    endpoints: tuple[str, ...] = ENDPOINTS,
) -> None:  # fmt: skip
    """Register what every kind takes that serves without a profile, too.

    `kinds` are the faults it can have, `endpoints` the names of its ports.
    """
    parser.add_argument(
        "--host", default="127.0.0.1", type=_host, help="IPv4 address to serve on (default %(default)s)"
    )
    parser.add_argument(
        "--port",
        action="append",
        default=[],
        type=partial(_port, endpoints=endpoints),
        metavar="NAME=N",
        help=f"{' or '.join(f'{name}=N' for name in endpoints)}; 0, the default, takes a free one",
    )
    parser.add_argument("--once", action="store_true", help="stop after one complete run")
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="JSON file that says what was sent, written after every run"
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="1|N|max", help="times real time, or max for flat out (default 1)"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=partial(_fault, kinds=kinds),
        metavar="KIND:KEY=VALUE,...",
        help="a fault, e.g. loss:share=0.01; may be given again; the kinds are below",
    )
    parser.add_argument(
        "--fault-seed",
        type=_seed,
        default=0,
        metavar="N",
        help="the same seed gives the same faults (default %(default)s)",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"faults: kind, what it needs, [what it may have]\n{describe_kinds(kinds)}"


def service(kind: str, arguments: argparse.Namespace) -> Service:
    """Return the service that the options ask for. Raises `UsageError`."""
    truth = truth_file(arguments)
    ports = dict.fromkeys(ENDPOINTS, 0) | dict(arguments.port)
    return Service(
        kind,
        arguments.host,
        ports,
        arguments.to,
        arguments.once,
        truth,
        arguments.speed,
        arguments.packet_age_ms,
        tuple(arguments.fault),
        arguments.fault_seed,
        arguments.start_ticks,
    )


def truth_file(arguments: argparse.Namespace) -> Path | None:
    """Return where the truth is to be written. Raises `UsageError` where that cannot be."""
    truth: Path | None = arguments.truth
    if truth is not None and not truth.absolute().parent.is_dir():
        raise UsageError(f"--truth {truth}: there is no folder {truth.absolute().parent}")
    if truth is not None and truth.is_dir():
        raise UsageError(f"--truth {truth}: is a folder; name a file")
    return truth


_PLAYED_BY = {"tofpet2": "petsys-gbe", "fers": "caen-fers", "mcpha": "redpitaya-mcpha"}


def instrument(name: str) -> Instrument:
    """Return the instrument of a profile.

    Raises `MissingError`, `ProfileError`, `RefusedError` without TCP and UDP and for one that another kind plays.
    """
    profile = load_profile(name)
    if profile.layout.decoder is not None:
        kind = _PLAYED_BY[profile.layout.decoder]
        raise RefusedError(f"profile {profile.id}: it sends no plain words; the kind {kind} plays such a front end")
    kinds = [kind for kind in ENDPOINTS if kind in profile.transport.kinds]
    if "udp" in kinds and profile.transport.datagram_framing != "native":
        kinds.remove("udp")
    if not kinds:
        raise RefusedError(
            f"profile {profile.id}: transport.kinds = {list(profile.transport.kinds)}; a simulator serves tcp,"
            " and udp in the native framing"
        )
    return Instrument(profile.id, profile.layout, profile.clock, tuple(kinds))


def source_number(text: str) -> int:
    """Return a source number, 0 to 65534."""
    return _whole(text, 0, MAX_SOURCE)


def positive(text: str) -> int:
    """Return a whole number above zero; `k`, `M` and `G` may follow it."""
    factor = {"k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:], 1)
    return _whole(text[:-1] if factor > 1 else text, 1, 1 << 50) * factor


def positive_float(text: str) -> float:
    """Return a finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number from `low` to `high`."""
    return partial(_whole, low=low, high=high)


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
    return int(text)


def _port(text: str, endpoints: tuple[str, ...]) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in endpoints:
        raise argparse.ArgumentTypeError(f"{text!r}: endpoints are {' and '.join(endpoints)}, e.g. {endpoints[-1]}=0")
    return name, _whole(number, 0, 0xFFFF)


def _host(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address") from None


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    number = _whole(port, 1, 0xFFFF)
    try:
        return socket.gethostbyname(host), number
    except (OSError, UnicodeError):
        raise argparse.ArgumentTypeError(f"{text!r}: {host!r} is no IPv4 host") from None


def _fault(text: str, kinds: Mapping[str, FaultKind]) -> FaultSpec:
    try:
        return parse_fault(text, kinds)
    except UsageError as why:
        raise argparse.ArgumentTypeError(str(why)) from None


def _seed(text: str) -> int:
    return _whole(text, 0, (1 << 63) - 1)


def _ticks(text: str) -> int:
    magnitude = _whole(text.removeprefix("-"), 0, MAX_TICKS)
    return -magnitude if text.startswith("-") else magnitude


def _speed(text: str) -> float | None:
    return None if text == "max" else positive_float(text)
