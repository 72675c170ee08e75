"""The motors of a simulated controller tell a simulated camera where they are, so that it turns and shifts with them.

What is told is what a simulated axis of the daemon tells (one JSON object in a datagram): from `monotonic_ns` on the
axis goes from `position` to `target` at `speed`. It is the truth, whatever the controller says on its wire.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from daq.errors import UsageError
from simulators.instruments.motors import Motors
from simulators.instruments.moving import Motor

AGAIN_S = 1.0
_WAY = "axis=NAME,motor=N,per_unit=X,zero=X,to=udp://HOST:PORT"
_KEYS = {"axis", "motor", "per_unit", "zero", "to"}
_PORTS = range(1, 65536)


@dataclass(frozen=True, slots=True)
class Shown:
    """One motor by the axis it moves: `controller = (axis - zero) * per_unit`."""

    axis: str
    motor: int
    per_unit: float
    zero: float
    to: tuple[str, int]

    def going(self, motor: Motor) -> tuple[float, float, float]:
        """Return where the axis is, where it will stand, and how fast it goes there, in its own unit."""
        place, target = (raw / self.per_unit + self.zero for raw in (motor.place, motor.bound_for))
        return place, target, abs(motor.velocity / self.per_unit)


class Showing:
    """Looks at motors, and tells how they go when that changes, and once a second. `lost`: could not be sent."""

    def __init__(self, motors: Motors, shown: tuple[Shown, ...]) -> None:
        self.lost = 0
        self._motors, self._shown = motors, shown
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._said: dict[str, tuple[float, float]] = {}
        self._said_s: dict[str, float] = {}

    def __call__(self) -> None:
        """Tell what is new."""
        for one in self._shown:
            place, target, speed = one.going(self._motors[one.motor])
            going, now_s = (target, speed), time.monotonic()
            if self._said.get(one.axis) != going or now_s - self._said_s[one.axis] >= AGAIN_S:
                self._said[one.axis], self._said_s[one.axis] = going, now_s
                self._tell(one, now_s, place, target, speed)

    def close(self) -> None:
        """Tell nobody any more."""
        self._socket.close()

    def _tell(self, one: Shown, now_s: float, place: float, target: float, speed: float) -> None:
        said = {
            "axis": one.axis, "monotonic_ns": round(now_s * 1e9), "position": place, "target": target, "speed": speed
        }  # fmt: skip
        try:
            self._socket.sendto(json.dumps(said).encode(), one.to)
        except OSError:
            self.lost += 1


def add_tell_option(parser: argparse.ArgumentParser) -> None:
    """Register what a controller's motors move."""
    parser.add_argument(
        "--tell", action="append", default=[], metavar="TEXT",
        help=f"a motor moves an axis of a simulated camera: {_WAY}; may be given again",
    )  # fmt: skip


def showing(arguments: argparse.Namespace, motors: Motors) -> Showing | None:
    """Return what tells, by the options; None where nobody is told. Raises `UsageError`."""
    shown = tuple(_shown(text, len(motors)) for text in arguments.tell)
    return Showing(motors, shown) if shown else None


def _shown(text: str, motors: int) -> Shown:
    said = dict(part.partition("=")[::2] for part in text.split(","))
    if set(said) - _KEYS or not {"axis", "motor", "per_unit", "to"} <= set(said):
        raise UsageError(f"--tell {text}: is written {_WAY}")
    try:
        number, per_unit, zero = int(said["motor"]), float(said["per_unit"]), float(said.get("zero", "0"))
        place = urlsplit(said["to"])
        host, port = place.hostname, place.port
    except ValueError:
        raise UsageError(f"--tell {text}: motor, per_unit, zero and the port are numbers") from None
    if not 1 <= number <= motors or per_unit == 0 or not math.isfinite(per_unit) or not math.isfinite(zero):
        raise UsageError(f"--tell {text}: motor from 1 to {motors}, per_unit not 0, all finite")
    if place.scheme != "udp" or not host or port is None or port not in _PORTS:
        raise UsageError(f"--tell {text}: to=udp://HOST:PORT")
    return Shown(said["axis"], number, per_unit, zero, (host, port))
