"""The bias supply of a FERS-5200 board as high voltage of a station, by the board's connection for commands.

A board serves one such connection. While a readout records from the board that one is the readout's, and what is asked
here goes through it: it lets reads pass and what concerns the supply, nothing else. Otherwise a connection is made for
each look and closed again, so that a readout that begins finds the board free. Switching off never waits for a readout:
where that does not pass it on, the board is told directly, at the price of the readout's connection.

The supply keeps its limit of current and its slope by itself; nothing on it limits the voltage, so that this driver
does, and says that limit as its own. It gives 20 V or more, or nothing.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from daq.devices.abilities import Identity
from daq.devices.high_voltage import GuardedHighVoltage
from daq.devices.limits import VoltageLimits
from daq.devices.supply import Protection, SupplyStatus
from daq.errors import DeadlineError, RefusedError, ScandaqError, UnreachableError
from daq.readout import registry
from daq.readout.control import ask
from daq.readout.fers import FersLink
from daq.readout.plan import CONTROL, PLAN
from daq.wire import fers_bias as bias
from daq.wire.fers import CONTROL_PORT, Request

Found = TypeVar("Found")
Make = Callable[[], Generator[Request, bytes, Found]]
_WAIT_S = 0.4


class _GivenUpError(Exception):
    """The turn of something came when nobody waited for it any more; nobody hears this either."""


class FersRoute:
    """The way to one board: through the readout that records from it, else by a connection of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._lock = threading.Lock()

    def carry_out(
        self, make: Make[Found], *, urgent: bool = False, given_up: Callable[[], bool] = lambda: False
    ) -> Found:
        """Carry out the sequence that `make` returns; raise what it raises, `UnreachableError` or `DeadlineError`.

        What was `given_up` while it waited for its turn is never said. What is `urgent` always is, and goes to the
        board itself where the readout does not pass it on: one that begins, or hangs.
        """
        with self._lock:
            if given_up() and not urgent:
                raise _GivenUpError
            readout = self._readout()
            if readout is None:
                return self._directly(make)
            try:
                return self._through(make(), *readout)
            except (RefusedError, UnreachableError, DeadlineError):
                if not urgent:
                    raise
                return self._directly(make)

    def _directly(self, make: Make[Found]) -> Found:
        with closing(FersLink(self._host, self._port, _WAIT_S)) as link:
            return link.run(make(), reply_wait_s=_WAIT_S)

    def _through(self, sequence: Generator[Request, bytes, Found], control: Path, source: int) -> Found:
        try:
            request = next(sequence)
            while True:
                request = sequence.send(self._asked(control, source, request))
        except StopIteration as end:
            found: Found = end.value
            return found

    @staticmethod
    def _asked(control: Path, source: int, request: Request) -> bytes:
        asked = {"do": "ask", "source": source, "bytes": request.encoded().hex(), "deadline_s": _WAIT_S}
        return bytes.fromhex(ask(control, asked, deadline_s=2 * _WAIT_S)["bytes"])

    def _readout(self) -> tuple[Path, int] | None:
        """Return control socket and source number of the readout that has the board; None where none has."""
        for found in registry.running():
            plan: dict[str, object] = {}
            with suppress(OSError, ValueError):  # it goes just now
                plan = json.loads((found.runtime / PLAN).read_text(encoding="utf-8"))
            number = self._number_in(plan)
            if number is not None:
                return found.runtime / CONTROL, number
        return None

    def _number_in(self, plan: dict[str, object]) -> int | None:
        layout, front_end, sources = plan.get("layout"), plan.get("front_end"), plan.get("sources")
        if not isinstance(layout, dict) or layout.get("decoder") != "fers" or not isinstance(sources, list):
            return None
        usual = (front_end.get("control_port") if isinstance(front_end, dict) else None) or CONTROL_PORT
        places = [(source.get("host"), source.get("control") or usual) for source in sources]
        return places.index((self._host, self._port)) if (self._host, self._port) in places else None


class FersSupply:
    """A `Supply`. Set to 0 means off; `connection` changes when the board was lost, or is another one."""

    def __init__(self, route: FersRoute, limits: VoltageLimits) -> None:
        self.connection, self.reply_s = 1, 0.5
        self.ramps, self.least_v = True, 0.0
        self._route = route
        self._max_v = limits.max_v
        self._asked: Protection | None = None
        self._board: tuple[int, int] | None = None
        self._lost = False

    async def identify(self) -> Identity:
        """Return the board's serial number, and that of its supply behind it."""
        serial, firmware = await self._run(bias.board_serial)
        supply = await self._run(partial(bias.own_serial, serial))
        number = f"{firmware >> 8 & 0xFF}.{firmware & 0xFF}"
        return Identity("CAEN", "A5202 with A7585", f"{serial}/{supply}", number)

    async def status(self) -> SupplyStatus:
        """Return what it says now."""
        board = self._board
        if board is None:
            board = await self._run(bias.board_serial)
        said = await self._run(partial(bias.read_bias, board[1]))
        troubles = {"over-current trip": said.over_current, "over-voltage": said.over_voltage}
        trouble = ", ".join(text for text, so in troubles.items() if so)
        return SupplyStatus(said.output_v, said.set_v if said.on else 0.0, 1e-3 * said.current_ma, said.on, trouble)

    async def set_v(self, volts: float) -> None:
        """Set; 0 switches off. Raise `RefusedError` above the limit, and between 0 and 20 V."""
        if volts > self._max_v:
            raise RefusedError(f"{volts:g} V: the limit is {self._max_v:g} V")
        if volts == 0:
            await self._run(partial(bias.switch, on=False), urgent=True)
            await self._run(partial(bias.set_voltage, bias.LEAST_V))
        else:
            await self._run(partial(bias.set_voltage, volts))

    async def switch_on(self) -> None:
        """Let the output go to what is set: at least 20 V."""
        await self._run(partial(bias.switch, on=True))

    async def switch_off(self) -> None:
        """Let the output go to nothing."""
        await self._run(partial(bias.switch, on=False), urgent=True)

    async def protect(self, protection: Protection) -> None:
        """Write limit of current and slope; keep that of the voltage here, and the time of a trip, which is at once."""
        await self._run(partial(bias.set_limits, _limits_of(protection)))
        self._max_v, self._asked = protection.max_v, protection

    async def protection(self) -> Protection:
        """Return the limits; those of the supply as it holds them."""
        held = await self._run(bias.read_limits)
        asked = self._asked
        if asked is not None and held == _rounded(_limits_of(asked)):
            return asked
        trip_s = asked.trip_s if asked else 0.0
        return Protection(self._max_v, held.ramp_v_per_s, 1e-3 * held.limit_ma, trip_s)

    async def _run(self, make: Make[Found], *, urgent: bool = False) -> Found:
        """Carry a sequence out in a thread, after a look whether it is still the same board."""
        given_up = threading.Event()  # a thread cannot be cancelled
        try:
            return await asyncio.to_thread(self._blocking, make, given_up.is_set, urgent=urgent)
        finally:
            given_up.set()

    def _blocking(self, make: Make[Found], given_up: Callable[[], bool], *, urgent: bool) -> Found:
        try:
            board, found = self._route.carry_out(lambda: _on_board(make()), urgent=urgent, given_up=given_up)
        except ScandaqError:
            self._lost = True
            raise
        if self._lost or (self._board is not None and board != self._board):
            self.connection += 1
        self._board, self._lost = board, False
        return found


class FersHighVoltage(GuardedHighVoltage):
    """A `HighVoltage` on a board at `host` and `port`, of serial number `serial` where one is expected."""

    def __init__(self, name: str, limits: VoltageLimits, host: str, port: int, *, serial: int | None = None) -> None:
        self._serial = serial
        super().__init__(name, limits, FersSupply(FersRoute(host, port), limits))

    async def identify(self) -> Identity:
        """Return who it says it is; raise `UnreachableError` where another board is expected there."""
        found = await super().identify()
        board = found.serial.partition("/")[0]
        if self._serial is not None and board != str(self._serial):
            raise UnreachableError(f"{self.name}: board {board} is connected, the site names {self._serial}")
        return found


def _on_board(
    sequence: Generator[Request, bytes, Found],
) -> Generator[Request, bytes, tuple[tuple[int, int], Found]]:
    """Ask who the board is before the sequence."""
    board = yield from bias.board_serial()
    return board, (yield from sequence)


def _limits_of(protection: Protection) -> bias.BiasLimits:
    return bias.BiasLimits(1e3 * protection.trip_a, protection.slope_v_per_s)


def _rounded(limits: bias.BiasLimits) -> bias.BiasLimits:
    """Return limits as the supply can hold them."""
    return bias.BiasLimits(
        round(limits.limit_ma * bias.SCALE) / bias.SCALE, round(limits.ramp_v_per_s * bias.SCALE) / bias.SCALE
    )
