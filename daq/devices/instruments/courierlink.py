"""A wire of datagrams made sure: what was lost is said again where that is safe, and answers come in order."""

from __future__ import annotations

import time
from collections.abc import Callable

from daq.errors import DeadlineError
from daq.model.control import ControlProfile
from daq.transports.link import Link
from daq.wire.control.courier import Courier
from daq.wire.control.couriers import courier_of


class CourierLink:
    """A `Link` whose bytes a `Courier` carries over another one, which keeps neither order nor number."""

    def __init__(self, link: Link, courier: Courier, clock: Callable[[], float] = time.monotonic) -> None:
        self.courier = courier
        self.connection = self.dropped_bytes = 0
        self._link, self._clock = link, clock

    @property
    def is_open(self) -> bool:
        """Return True while it can be used, as far as can be told."""
        return self._link.is_open

    async def open(self, within_s: float) -> None:
        """Open it, and know nothing of the other side."""
        await self._link.open(within_s)
        self.connection = self._link.connection
        self.courier.opened()

    async def close(self) -> None:
        """Close it; nothing happens where it is closed."""
        await self._link.close()

    async def write(self, data: bytes, within_s: float) -> None:
        """Hand requests over, each after its length; they are said as soon as may be."""
        self.courier.submit(data)
        await self._say(within_s)

    async def read(self, within_s: float) -> bytes:
        """Return answers in the order of the requests, each after its length; what was lost is said again meanwhile.

        Raises `DeadlineError`: what is under way then is given up.
        """
        courier, until_s = self.courier, self._clock() + within_s
        while True:
            if found := courier.replies():
                return found
            await self._say(within_s)
            now_s = self._clock()
            if now_s >= until_s:
                courier.abandon()
                raise DeadlineError(f"nothing came in {within_s:.3g} s")
            wake_s = courier.wake_s
            wait_s = until_s - now_s if wake_s is None else min(until_s, max(wake_s, now_s)) - now_s
            try:
                courier.incoming(await self._link.read(wait_s), self._clock())
            except DeadlineError:
                continue  # it may be time to say something again
            finally:
                self.dropped_bytes = self._link.dropped_bytes

    def waiting(self) -> bytes:
        """Return the answers that are here already, and take them away."""
        return self.courier.replies()

    async def _say(self, within_s: float) -> None:
        for datagram in self.courier.outgoing(self._clock()):
            await self._link.write(datagram, within_s)


def carried(profile: ControlProfile, link: Link, clock: Callable[[], float] = time.monotonic) -> Link:
    """Return the wire as the profile's protocol needs it: with a courier where it is one of datagrams."""
    courier = courier_of(profile)
    return link if courier is None else CourierLink(link, courier, clock)
