"""Supplies on one wire in the test's own time. Each number they tell is unique: it says what it was the answer to.

Each reply is spoilt as the test says; the wire keeps the order of its bytes. `log` has everything that was said, heard
and done, with the time: the proof where an assertion fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support_conversation import PROFILE, Clock

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.devices.instruments.wire import Wire
from daq.errors import DeadlineError, UnreachableError
from daq.model.control import ControlProfile
from daq.wire.control.lines import LinesCodec

_REQUEST = re.compile(r"\$BD:(\d\d),CMD:(MON|SET)(?:,CH:(\d))?,PAR:([A-Z]+)(?:,VAL:(.+))?\r\n")
_PIECES: Mapping[str, Callable[[bytes], list[tuple[float, bytes]]]] = {
    "good": lambda reply: [(0.01, reply)],
    "missing": lambda reply: [],
    "late": lambda reply: [(0.9, reply)],
    "doubled": lambda reply: [(0.01, reply), (0.0, reply)],
    "doubled-late": lambda reply: [(0.01, reply), (0.3, reply)],
    "cut-short": lambda reply: [(0.01, reply[: len(reply) // 2])],
    "stray": lambda reply: [(0.01, b"#BD:00,CMD:OK\r\n"), (0.0, reply)],
    "garbled": lambda reply: [(0.01, reply.replace(b"CMD", b"CND"))],
    "hang-up": lambda reply: [(0.01, b"")],
    "refused": lambda reply: [(0.01, reply[:6] + b",LOC:ERR\r\n")],
}
SPOILS = tuple(_PIECES)


@dataclass(frozen=True, slots=True)
class Meant:
    """What a number was told for, and when."""

    board: str
    parameter: str
    channel: str
    told_s: float


class Bus:
    """A `Link` to supplies with four channels each. `dead` ones say nothing."""

    def __init__(self, clock: Clock, spoilt: Callable[[], str]) -> None:
        self.connection = self.dropped_bytes = 0
        self.is_open = False
        self.meant: dict[float, Meant] = {}
        self.log: list[str] = []
        self.set_v: list[float] = []
        self.dead: set[str] = set()
        self.serials: dict[str, str] = {}
        self.actions: list[str] = []
        self.volts: dict[str, float] | None = None
        self._clock, self._spoilt = clock, spoilt
        self._coming: list[tuple[float, bytes]] = []
        self._told = 0

    async def open(self, within_s: float) -> None:
        del within_s
        self.note("opened")
        self.is_open, self.connection = True, self.connection + 1
        self._coming.clear()

    async def close(self) -> None:
        self.is_open = False
        self._coming.clear()

    async def write(self, data: bytes, within_s: float) -> None:
        del within_s
        if not self.is_open:
            raise UnreachableError("closed")
        text = data.decode()
        self.note(f"> {text!r}")
        asked = _REQUEST.fullmatch(text)
        assert asked is not None, f"no request: {text!r}"
        if asked[4] == "VSET" and asked[2] == "SET":
            self.set_v.append(float(asked[5]))
        if asked[1] in self.dead:
            return
        reply = f"#BD:{asked[1]},{self._answer(*asked.groups())}\r\n".encode()
        at_s = max([self._clock.now_s, *(each[0] for each in self._coming)])
        for delay_s, piece in _PIECES[self._spoilt()](reply):
            at_s += delay_s
            self._coming.append((at_s, piece))

    async def read(self, within_s: float) -> bytes:
        if not self.is_open:
            raise UnreachableError("it hung up")
        until_s = self._clock.now_s + within_s
        if not self._coming or self._coming[0][0] > until_s:
            self._clock.now_s = until_s
            raise DeadlineError("nothing came")
        self._clock.now_s = max(self._clock.now_s, self._coming[0][0])
        if self._coming[0][1] == b"":
            self.note("hung up")
            self.is_open = False
            raise UnreachableError("it hung up")
        return self.waiting()

    def waiting(self) -> bytes:
        here = b"".join(data for at_s, data in self._coming if at_s <= self._clock.now_s and data)
        self._coming = [each for each in self._coming if each[0] > self._clock.now_s or not each[1]]
        if here:
            self.note(f"< {here!r}")
        return here

    def note(self, what: str) -> None:
        self.log.append(f"{self._clock.now_s:9.3f} {what}")

    def _answer(self, board: str, command: str, channel: str | None, parameter: str, value: str | None) -> str:
        if command == "SET":
            self.actions.append(f"{board} {channel or '-'} {parameter}" + (f"={value}" if value else ""))
            return "CMD:OK"
        who = {"BDNAME": "N1470", "BDSNUM": self.serials.get(board, f"7{board}"), "BDFREL": "1.3.0"}
        if parameter in who:
            return f"CMD:OK,VAL:{who[parameter]}"
        told = [self._number(board, parameter, each) for each in ("0123" if channel == "4" else channel or "")]
        return f"CMD:OK,VAL:{';'.join(told)}"

    def _number(self, board: str, parameter: str, channel: str) -> str:
        if self.volts is not None and parameter == "VMON":
            return f"{self.volts[channel]:06.1f}"
        if self.volts is not None and parameter == "STAT":
            return "00000"
        self._told += 1
        self.meant[float(self._told)] = Meant(board, parameter, channel, self._clock.now_s)
        return f"{self._told:05d}"


def on_one_bus(
    boards: int, *, spoilt: Callable[[], str] = lambda: "good", profile: ControlProfile = PROFILE
) -> tuple[list[Instrument], Bus, Clock]:
    """Return instruments that share one wire, the wire, and the clock of all of them."""
    clock = Clock()
    bus = Bus(clock, spoilt)
    wire = Wire(bus, name="bus", clock=clock)
    names = [f"{board:02d}" for board in range(boards)]
    made = [
        Session(
            f"hv{name}", profile, wire, LinesCodec(profile.framing), variables={"board": name}, clock=clock,
            sleep=clock.sleep,
        )
        for name in names
    ]  # fmt: skip
    return [Instrument(each) for each in made], bus, clock
