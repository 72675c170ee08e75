"""A PETsys front end at the other end of a UDP socket: hello, commands and replies while nobody else reads it."""

from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from daq.errors import DeadlineError, ScandaqError, UnreachableError, WireError
from daq.readout.receive import UDP_GRO
from daq.wire.petsys import HELLO, SERIAL_WRAP, Command, Kind, decode_reply, encode_command, kind_of
from daq.wire.petsys_setup import Ask, Sequence, Unit

_LOG = logging.getLogger(__name__)

HELLO_WAIT_S = 0.1
REPLY_WAIT_S = 0.25
"""The vendor's own waits for an answer."""
TRIES = 10
_MOST_DATAGRAM = 1 << 16


class PetsysLink:
    """Says hello and runs sequences of commands on a connected socket. Each wait has a deadline.

    `data` counts data datagrams that came meanwhile, which are thrown away, `replies` those to other commands. The
    kernel puts no datagrams together meanwhile (GRO): a reply could be the tail of a bundle of data.
    """

    def __init__(self, udp: socket.socket, where: str) -> None:
        self._socket = udp
        self._where = where
        self._serial = secrets.randbelow(SERIAL_WRAP)
        self.data = 0
        self.replies = 0

    def greet(self, deadline_s: float) -> None:
        """Say hello until something comes back; raise `UnreachableError` after `deadline_s`."""
        give_up_s = time.monotonic() + deadline_s
        tries = 0
        with self._one_by_one():
            while time.monotonic() < give_up_s:
                tries += 1
                self._send(HELLO)
                if self._next(time.monotonic() + HELLO_WAIT_S) is not None:
                    return
        raise UnreachableError(f"{self._where}: no answer to {tries} hellos in {deadline_s:g} s")

    def run(self, sequence: Sequence, *, tries: int = TRIES) -> Unit:
        """Carry out a sequence and return its result; errors say of which front end."""
        with self._one_by_one():
            try:
                ask = next(sequence)
                while True:
                    ask = sequence.send(self._ask(ask, tries))
            except StopIteration as end:
                unit: Unit = end.value
                return unit
            except ScandaqError as why:
                raise type(why)(f"{self._where}: {why}") from None

    def _ask(self, ask: Ask, tries: int) -> bytes:
        """Return the payload of the reply to any of the tries; each has a number of its own."""
        serials: set[int] = set()
        for _ in range(tries):
            self._serial = (self._serial + 1) % SERIAL_WRAP
            serials.add(self._serial)
            self._send(encode_command(Command(self._serial, ask.function, ask.payload)))
            give_up_s = time.monotonic() + REPLY_WAIT_S
            while (datagram := self._next(give_up_s)) is not None:
                if (payload := self._payload(datagram, ask, serials)) is not None:
                    return payload
        raise DeadlineError(f"no reply to {tries} commands for {ask.function.name.lower()}, {REPLY_WAIT_S:g} s each")

    def _payload(self, datagram: bytes, ask: Ask, serials: set[int]) -> bytes | None:
        """Return the payload when the datagram is the reply to one of the tries `serials`; count what else it is."""
        if kind_of(datagram) is Kind.DATA:
            self.data += 1
            return None
        try:
            reply = decode_reply(datagram)
        except WireError as why:
            _LOG.warning("%s: %s", self._where, why)
            return None
        if reply.serial not in serials or reply.function != ask.function:
            self.replies += 1
            return None
        return reply.payload

    @contextmanager
    def _one_by_one(self) -> Iterator[None]:
        """Keep the kernel from putting datagrams together; one that cannot anyway says so."""
        try:
            before = self._socket.getsockopt(socket.SOL_UDP, UDP_GRO)
            self._socket.setsockopt(socket.SOL_UDP, UDP_GRO, 0)
        except OSError:
            before = 0
        try:
            yield
        finally:
            if before:
                self._socket.setsockopt(socket.SOL_UDP, UDP_GRO, before)

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except OSError as why:  # the network's answer to what was sent before; the deadlines decide
            _LOG.info("%s: %s", self._where, why.strerror)

    def _next(self, until_s: float) -> bytes | None:
        """Return the next datagram, None when none comes before `until_s`."""
        while (left_s := until_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                return self._socket.recv(_MOST_DATAGRAM)
            except TimeoutError:
                return None
            except OSError as why:  # nobody there just now
                _LOG.info("%s: %s", self._where, why.strerror)
                time.sleep(min(0.01, max(left_s, 0.0)))
            finally:
                self._socket.settimeout(None)
        return None
