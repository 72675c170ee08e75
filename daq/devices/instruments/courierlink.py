"""A wire of datagrams made sure: what was lost is said again where that is safe, and answers come in order.

What comes is looked at as it comes, and what is next is said at once: of a hundred accesses only the last one wakes
whoever waits for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from daq.errors import DeadlineError, ScandaqError, UnreachableError
from daq.model.control import ControlProfile
from daq.transports.link import Link
from daq.transports.udplink import UdpLink
from daq.wire.control.courier import Courier
from daq.wire.control.couriers import courier_of

_LONGEST = 20.0


class CourierLink:
    """A `Link` whose bytes a `Courier` carries as datagrams, over a wire that keeps neither order nor number."""

    def __init__(self, link: UdpLink, courier: Courier, clock: Callable[[], float] = time.monotonic) -> None:
        self.courier = courier
        self.connection = self.dropped_bytes = 0
        self._link, self._clock = link, clock
        self._link.listener = self._heard
        self._something = asyncio.Event()
        self._trouble: ScandaqError | None = None
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Return True while it can be used, as far as can be told."""
        return self._link.is_open

    async def open(self, within_s: float) -> None:
        """Open it, and know nothing of the other side."""
        await self._link.open(within_s)
        self.connection, self._trouble = self._link.connection, None
        self.courier.opened()

    async def close(self) -> None:
        """Close it; nothing happens where it is closed."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        await self._link.close()

    async def write(self, data: bytes, within_s: float) -> None:
        """Hand requests over, each after its length; they are said as soon as may be."""
        del within_s  # datagrams leave at once
        self.courier.submit(data)
        self._say()

    async def read(self, within_s: float) -> bytes:
        """Return all answers in the order of the requests, each after its length; what was lost is said again.

        As long as answers to many requests come one after the other, each has the whole time; together they have
        twenty times as long. Raises `DeadlineError`: what is under way then is given up, as it is where the caller is
        cancelled. Raises `UnreachableError` where nobody is there.
        """
        courier, began_s = self.courier, self._clock()
        until_s, answered = began_s + within_s, courier.answered
        while True:
            self._something.clear()
            self._say()
            if not courier.under_way and (found := courier.replies()):
                return found
            if not self._link.is_open:
                raise UnreachableError(f"{self._link.place}: nobody is there")
            now_s = self._clock()
            if now_s >= until_s:
                if courier.answered == answered or now_s >= began_s + _LONGEST * within_s:
                    courier.abandon()
                    raise DeadlineError(f"nothing came in {within_s:.3g} s")
                until_s, answered = now_s + within_s, courier.answered
            wake_s = courier.wake_s
            await self._wait((until_s if wake_s is None else min(until_s, max(wake_s, now_s))) - now_s)

    def waiting(self) -> bytes:
        """Return the answers that are here already, and take them away."""
        return self.courier.replies()

    async def _wait(self, within_s: float) -> None:
        """Return when something happened, or it is time to say something again.

        An alarm that rings earlier is left as it is: thousands of accesses a second need few alarms.
        """
        loop = asyncio.get_running_loop()
        at_s = loop.time() + within_s
        if self._alarm is None or self._alarm.when() > at_s:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = loop.call_at(at_s, self._ring)
        try:
            await self._something.wait()
        except asyncio.CancelledError:  # what nobody waits for any more is not said later
            self.courier.abandon()
            raise

    def _ring(self) -> None:
        self._alarm = None
        self._something.set()

    def _heard(self, datagram: bytes) -> None:
        """Take a datagram, say what is next, and wake whoever waits when nothing more is under way."""
        if datagram:
            self.courier.incoming(datagram, self._clock())
            try:
                self._out()
            except ScandaqError as why:
                self._trouble = why
        if not datagram or self._trouble is not None or not self.courier.under_way:
            self._something.set()

    def _say(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble
        self._out()

    def _out(self) -> None:
        for datagram in self.courier.outgoing(self._clock()):
            self._link.say(datagram)


def carried(profile: ControlProfile, link: Link, clock: Callable[[], float] = time.monotonic) -> Link:
    """Return the wire as the profile's protocol needs it: with a courier where it is one of datagrams."""
    courier = courier_of(profile)
    return CourierLink(link, courier, clock) if courier is not None and isinstance(link, UdpLink) else link
