"""A FERS-5200 board: commands on a connection of their own, beside the stream of events.

It is looked at and set up before it is listened to, started when the recording starts, and stopped on every way out.
"""

from __future__ import annotations

import logging
import socket
import threading
import time

from daq.errors import DeadlineError, MismatchError, RefusedError, ScandaqError, UnreachableError
from daq.model.fersboard import FersBoard
from daq.model.frontend import FrontEnd
from daq.model.packets import Packets
from daq.readout.plan import Plan
from daq.readout.streams import TcpSource, connected
from daq.wire.fers import CONTROL_PORT, Request, parse_request
from daq.wire.fers_bias import may_be_asked
from daq.wire.fers_setup import Board, Found, Place, Sequence, halt, identify, require_well, runs, set_up, start, stop

_LOG = logging.getLogger(__name__)
REPLY_WAIT_S = 2.0
MOST_SEQUENCE_S = 30.0
"""For all commands of a sequence: a set-up has about a thousand, and nobody can stop a recording that arms."""
_GOODBYE_WAIT_S = 0.5
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 2, socket.TCP_KEEPINTVL: 1, socket.TCP_KEEPCNT: 3}
"""After so many seconds of silence a probe goes out: a board without power, or begun anew, does not stay unnoticed."""


class FersLink:
    """The control connection of one board. Each request is answered before the next one; each wait has a deadline."""

    def __init__(self, host: str, port: int, connect_s: float) -> None:
        """Connect, or raise `UnreachableError`."""
        self._host, self._port, self._where = host, port, f"tcp://{host}:{port}"
        self._lock = threading.Lock()
        self._socket: socket.socket | None = self._connected(connect_s)

    def run(
        self, sequence: Sequence[Found], *, reply_wait_s: float = REPLY_WAIT_S, within_s: float = MOST_SEQUENCE_S
    ) -> Found:
        """Carry out a sequence and return its result; errors say of which board."""
        give_up_s, asked = time.monotonic() + within_s, 0
        try:
            request = next(sequence)
            while time.monotonic() < give_up_s:
                request, asked = sequence.send(self.ask(request, reply_wait_s)), asked + 1
            raise DeadlineError(f"the board answered {asked} commands within {within_s:g} s, which were not all")
        except StopIteration as end:
            found: Found = end.value
            return found
        except ScandaqError as why:
            raise type(why)(f"{self._where}: {why}") from None

    def close(self) -> None:
        """Close the connection, once whoever asks has its answer."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()

    def ask(self, request: Request, wait_s: float) -> bytes:
        """Return the reply to one request; any thread may ask. Raise `DeadlineError` or `UnreachableError`."""
        with self._lock:
            return self._ask(request, wait_s)

    def _connected(self, wait_s: float) -> socket.socket:
        link = connected(self._host, self._port, wait_s, self._where)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    def _ask(self, request: Request, wait_s: float) -> bytes:
        """Ask, on a new connection where the one before was given up: what comes late there answers nothing here."""
        give_up_s = time.monotonic() + wait_s
        link = self._socket or self._connected(wait_s)
        self._socket = None
        try:
            link.settimeout(wait_s)
            link.sendall(request.encoded())
            reply = b""
            while len(reply) < request.reply_bytes:
                link.settimeout(max(give_up_s - time.monotonic(), 0.001))
                chunk = link.recv(request.reply_bytes - len(reply))
                if not chunk:
                    raise UnreachableError("the board hung up in the middle of a command")
                reply += chunk
            self._socket = link
        except TimeoutError:
            raise DeadlineError(f"no answer to a command within {wait_s:g} s") from None
        except OSError as why:
            raise UnreachableError(f"the board broke the connection for commands: {why.strerror or why}") from None
        finally:
            if self._socket is None:
                link.close()
        return reply


class FersSource(TcpSource):
    """A board and its stream."""

    def __init__(self, plan: Plan, number: int = 0) -> None:
        """Connect to the board at the `number`-th address, find out who it is, and set it up.

        Raise `UnreachableError`, `MismatchError` for another board than the calibrations were made on, and what
        `daq.wire.fers_setup.set_up` raises when it does not take its settings.
        """
        settings = plan.front_end or FrontEnd()
        self._board = settings.board
        self._place = Place(number, len(plan.sources))
        self._running = False
        address = plan.sources[number]
        self._link = FersLink(address.host, address.control or settings.control_port or CONTROL_PORT, plan.connect_s)
        try:
            self.identity = self._prepare(plan)
            super().__init__(plan, number)
        except BaseException:
            self._link.close()
            raise
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE.items():
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)
        _LOG.info("%s: %s", address, self.identity)

    def _prepare(self, plan: Plan) -> Board:
        board = self._link.run(identify())
        _require_own_calibrations(plan, self._place.number, board)
        self._link.run(halt())
        if self._board is not None:
            self._link.run(set_up(self._board, self._place))
        self._link.run(require_well())
        return board

    @property
    def _starts_by_command(self) -> bool:
        return (self._board or FersBoard()).start == "command" or self._place.number == 0

    def begin(self) -> None:
        """Start the board, unless another one does; raise `DeadlineError` when it does not run."""
        self._running = True
        if self._starts_by_command:
            self._link.run(start(time.monotonic))

    def confirm(self) -> None:
        """Look whether the board runs; raise `DeadlineError` when it does not."""
        self._link.run(runs(time.monotonic))

    def read(self) -> Packets | None:
        """Return what came; a board never ends its stream by itself: raise `UnreachableError` when it does."""
        packets = super().read()
        if packets is None and self._running:
            raise UnreachableError(f"{self._where}: {self.identity} ended its stream in mid-acquisition")
        return packets

    def ended(self) -> None:
        """Stop the board, if it was started. Whether it does so is only logged: the recording is to be sealed."""
        if not self._running:
            return
        self._running = False
        try:
            self._link.run(stop(), reply_wait_s=_GOODBYE_WAIT_S)
        except ScandaqError as why:
            _LOG.warning("%s", why)

    def asked(self, data: bytes, deadline_s: float) -> bytes:
        """Return the board's reply to a request; raise `RefusedError` for one that would disturb the recording."""
        request, size = parse_request(data)
        if request is None or size != len(data):
            raise RefusedError(f"{self._where}: {len(data)} bytes are not one whole request to a FERS board")
        if not may_be_asked(request):
            raise RefusedError(
                f"{self._where}: while it records a board is read, and its bias supply set, nothing else"
            )
        return self._link.ask(request, deadline_s)

    def health(self) -> dict[str, int]:
        """Return who the board is."""
        name = f"board_{self.number}"
        return {f"{name}_serial": self.identity.serial, f"{name}_firmware": self.identity.firmware}

    def close(self) -> None:
        """Stop the board and close both connections."""
        self.ended()
        self._link.close()
        super().close()


def _require_own_calibrations(plan: Plan, number: int, board: Board) -> None:
    """Refuse a board that another one's calibrations would be applied to."""
    for corrections in plan.processing.heads:
        if corrections.head != number:
            continue
        for used in corrections.used:
            if used.serial != str(board.serial):
                raise MismatchError(
                    f"{plan.sources[number]}: board {board.serial} is connected; the {used.kind} calibration {used.id} "
                    f"of head {number} was made on {used.serial}"
                )
