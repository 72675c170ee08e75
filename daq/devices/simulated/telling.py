"""A simulated axis tells a simulator where it is, so that a simulated patient moves with a simulated bed.

One JSON object in a datagram: `{"axis": "bed", "monotonic_ns": N, "position": P, "target": T, "speed": V}`: from that
moment of this host's monotonic clock on it goes from P to T at V units a second; V = 0: it stands at P.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from daq.transports.datagram import send_datagram

_LOG = logging.getLogger(__name__)
AGAIN_S = 1.0
"""What has not changed is said again so often, to whoever came late or did not hear."""


@dataclass(frozen=True, slots=True)
class Going:
    """From `at_s` of the drive's clock on: from `position` to `target` at `speed`, all in the axis's unit."""

    at_s: float
    position: float
    target: float
    speed: float

    @classmethod
    def stands(cls, at_s: float, position: float) -> Going:
        """Return that it stands there."""
        return cls(at_s, position, position, 0.0)


Tell = Callable[[Going], None]
"""Hears how a drive goes; must not wait."""


class Teller:
    """Tells one axis to one endpoint, `udp://HOST:PORT`. `lost`: datagrams that this host could not send."""

    def __init__(self, axis: str, url: str) -> None:
        self._axis = axis
        place = urlsplit(url)
        self._host, self._port = place.hostname or "", place.port or 0
        self.lost = 0

    def __call__(self, going: Going) -> None:
        """Send it."""
        said = {
            "axis": self._axis, "monotonic_ns": round(going.at_s * 1e9), "position": going.position,
            "target": going.target, "speed": going.speed,
        }  # fmt: skip
        try:
            send_datagram(self._host, self._port, json.dumps(said).encode())
        except OSError as why:
            self.lost += 1
            if self.lost == 1:
                _LOG.warning("%s cannot tell udp://%s:%d how it moves: %s", self._axis, self._host, self._port, why)
