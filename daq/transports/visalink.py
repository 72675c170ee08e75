"""A VISA resource, through pyvisa: its calls block, so each session has a thread of its own.

Proven on simulators with pyvisa-py: sockets, VXI-11, HiSLIP. USBTMC and GPIB are the same calls, and were never tried
for want of the hardware.

A VISA session cannot tell an instrument that hung up from one that is silent. So after a reply that did not come it
says of itself that it is not open, and is opened anew; instruments with a clear of their own (all but sockets) are
cleared then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from daq.errors import DeadlineError, ProfileError, UnreachableError
from daq.transports.worker import Worker

T = TypeVar("T")
_SHARE = 0.9
"""Of a deadline, for the library; the rest for the way there and back."""
_GRACE_S = 0.5
"""A library that does not return by then hangs."""
_MOST_HUNG = 4
"""Threads that never came back; with more of them nothing is opened any more."""
_CHUNK = 65536
_LOOK_S = 0.02
_LINE_FEED = 10
_SOCKET = re.compile(r"TCPIP\d*::.*::SOCKET", re.IGNORECASE)
_KNOWN = re.compile(r"(TCPIP|USB|GPIB)\d*::.+", re.IGNORECASE)


class VisaLink:
    """A `Link` to `resource`, e.g. `TCPIP::10.0.0.5::INSTR`, by the pure-Python library or another one of the site.

    `line_end`: the last byte of a reply; where it comes by a socket nothing else says that it is whole.
    """

    def __init__(self, resource: str, *, library: str = "@py", line_end: int = _LINE_FEED) -> None:
        if not _KNOWN.fullmatch(resource):
            raise ProfileError(f"visa://{resource}: resources are TCPIP::..., USB::... or GPIB::...; serial lines"
                               " are written serial:///PATH")  # fmt: skip
        self.connection = 0
        self.dropped_bytes = 0
        self.place = f"visa://{resource}"
        self._resource, self._library, self._line_end = resource, library, line_end
        self._is_socket = _SOCKET.fullmatch(resource) is not None
        self._worker: Worker | None = None
        self._session: Any = None
        self._hung: list[Worker] = []
        self._silent = False

    @property
    def is_open(self) -> bool:
        """Return True while it is open, and what was read last did come."""
        return self._session is not None and not self._silent

    async def open(self, within_s: float) -> None:
        """Open it, and clear it where it can be cleared. Raises `UnreachableError` or `DeadlineError`."""
        await self.close()
        self._session = await self._done("open", lambda: self._opened(within_s * _SHARE), within_s)
        self._silent = False
        self.connection += 1

    async def close(self) -> None:
        """Close it; nothing happens where it is closed."""
        session, self._session = self._session, None
        if session is None:
            return
        with contextlib.suppress(DeadlineError, UnreachableError):  # it is gone either way; a thread that hangs counts
            await self._done("close", session.close, _GRACE_S)

    async def write(self, data: bytes, within_s: float) -> None:
        """Send bytes with an end. Raises `UnreachableError` or `DeadlineError`.

        What waits for the end of another call, e.g. of a reading, and is given up meanwhile, is never said.
        """
        session, given_up = self._opened_session(), threading.Event()

        def send() -> None:
            if given_up.is_set():
                return
            session.timeout = max(1, round(1000 * within_s * _SHARE))
            session.write_raw(data)

        try:
            await self._done("take what is written", send, within_s)
        except BaseException:
            given_up.set()
            raise

    async def read(self, within_s: float) -> bytes:
        """Return a reply, or part of one. Raises `DeadlineError`, `UnreachableError`."""
        session = self._opened_session()
        self._silent = True  # until something came

        def receive() -> bytes:
            session.timeout = max(1, round(1000 * within_s * _SHARE))
            until_s = time.monotonic() + within_s * _SHARE
            data, _ = session.visalib.read(session.session, _CHUNK)
            while not data and time.monotonic() < until_s:  # HiSLIP says nothing, and at once, before it was asked
                time.sleep(_LOOK_S)
                data, _ = session.visalib.read(session.session, _CHUNK)
            return bytes(data)

        data = await self._done("answer", receive, within_s)
        if not data:
            raise DeadlineError(f"{self.place} does not answer in {within_s:.3g} s")
        self._silent = False
        return data

    def waiting(self) -> bytes:
        """Return nothing: VISA fetches what an instrument says when it is read, not before."""
        return b""

    def _opened_session(self) -> Any:
        if self._session is None:
            raise UnreachableError(f"{self.place}: it is not open")
        return self._session

    def _opened(self, within_s: float) -> Any:
        """Return the session; in the thread, where the import of pyvisa belongs, too."""
        import pyvisa
        from pyvisa.constants import VI_TRUE, ResourceAttribute

        logging.getLogger("pyvisa").setLevel(logging.CRITICAL)  # what goes wrong is raised here, and told once
        manager = pyvisa.ResourceManager(self._library)
        session: Any = manager.open_resource(self._resource, open_timeout=round(1000 * within_s))
        session.timeout = max(1, round(1000 * within_s))
        if self._is_socket:
            session.set_visa_attribute(ResourceAttribute.termchar, self._line_end)
            session.set_visa_attribute(ResourceAttribute.termchar_enabled, VI_TRUE)
        else:
            session.clear()
        return session

    async def _done(self, what: str, call: Callable[[], T], within_s: float) -> T:
        """Return what the library returns in time. A thread that hangs is left behind; a new one takes its place."""
        worker = self._working()
        try:
            async with asyncio.timeout(within_s + _GRACE_S):
                return await worker.do(call)
        except TimeoutError:
            self._worker, self._session = None, None
            worker.end()
            self._hung.append(worker)
            raise DeadlineError(f"{self.place} does not {what} in {within_s:.3g} s, and VISA hangs") from None
        except asyncio.CancelledError:
            self._silent = True
            raise
        except Exception as why:  # noqa: BLE001 - pyvisa-py raises bare exceptions, those of sockets and of RPC
            raise self._meant(what, why, within_s) from None

    def _working(self) -> Worker:
        self._hung = [each for each in self._hung if each.busy]
        if len(self._hung) >= _MOST_HUNG:
            raise UnreachableError(f"{self.place}: VISA hangs in {len(self._hung)} threads; restart the program")
        if self._worker is None:
            self._worker = Worker(self.place)
        return self._worker

    def _meant(self, what: str, why: Exception, within_s: float) -> DeadlineError | UnreachableError:
        from pyvisa.constants import StatusCode
        from pyvisa.errors import VisaIOError

        if isinstance(why, TimeoutError) or (
            isinstance(why, VisaIOError) and why.error_code == StatusCode.error_timeout
        ):
            return DeadlineError(f"{self.place} does not {what} in {within_s:.3g} s")
        self._silent = True
        text = str(why).split("\n")[0] or type(why).__name__
        return UnreachableError(f"{self.place} does not {what}: {text}")
