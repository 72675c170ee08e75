"""A supply in the test's own time: what it answers says what it was asked and when; its wire keeps order and spoils."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.errors import DeadlineError, ScandaqError, UnreachableError
from daq.wire.control.lines import LinesCodec
from device_profiles.control import load_control

PROFILE = load_control("caen-n1470")
_REQUEST = re.compile(r"\$BD:00,CMD:(MON|SET)(?:,CH:(\d))?,PAR:([A-Z]+)(?:,VAL:(.+))?\r\n")
_WHO = {"BDNAME": "N1470", "BDSNUM": "77", "BDFREL": "1.3.0"}
SPOILS = ("good", "late", "missing", "doubled", "doubled-late", "cut-short", "stray", "hang-up", "refused")


class Clock:
    """Seconds that pass when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class SpoiltWire:
    """A `Link` to a supply of four channels. Each number it tells is unique; `meant` says what it was the answer to.

    `spoils` says what becomes of each reply in turn; when they are used up the wire is good.
    """

    def __init__(self, clock: Clock, spoils: Iterator[str]) -> None:
        self.connection = self.dropped_bytes = 0
        self.is_open = False
        self.meant: dict[float, tuple[str, str, float]] = {}
        self.heard: list[str] = []
        self._clock, self._spoils = clock, spoils
        self._coming: list[tuple[float, bytes]] = []
        self._told = 0

    async def open(self, within_s: float) -> None:
        del within_s
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
        self.heard.append(text)
        asked = _REQUEST.fullmatch(text)
        if asked is not None:
            self._spoil(f"#BD:00,{self._answer(asked)}\r\n".encode(), next(self._spoils, "good"))

    async def read(self, within_s: float) -> bytes:
        if not self.is_open:
            raise UnreachableError("it hung up")
        until_s = self._clock.now_s + within_s
        if not self._coming or self._coming[0][0] > until_s:
            self._clock.now_s = until_s
            raise DeadlineError("nothing came")
        self._clock.now_s = max(self._clock.now_s, self._coming[0][0])
        if self._coming[0][1] == b"":
            self.is_open = False
            raise UnreachableError("it hung up")
        return self.waiting()

    def waiting(self) -> bytes:
        here = [data for at_s, data in self._coming if at_s <= self._clock.now_s and data]
        self._coming = [each for each in self._coming if each[0] > self._clock.now_s or not each[1]]
        return b"".join(here)

    def _answer(self, asked: re.Match[str]) -> str:
        command, channel, parameter, _ = asked.groups()
        if command == "SET":
            return "CMD:OK"
        if parameter in _WHO:
            return f"CMD:OK,VAL:{_WHO[parameter]}"
        numbers = []
        for each in "0123" if channel == "4" else channel:
            self._told += 1
            self.meant[float(self._told)] = (parameter, each, self._clock.now_s)
            numbers.append(f"{self._told:05d}")
        return f"CMD:OK,VAL:{';'.join(numbers)}"

    def _spoil(self, reply: bytes, how: str) -> None:
        pieces = {
            "missing": [], "late": [(0.9, reply)], "doubled": [(0.01, reply), (0.0, reply)],
            "doubled-late": [(0.01, reply), (0.3, reply)], "cut-short": [(0.01, reply[: len(reply) // 2])],
            "stray": [(0.01, b"#BD:00,CMD:OK\r\n"), (0.0, reply)], "hang-up": [(0.01, b"")],
            "refused": [(0.01, b"#BD:00,LOC:ERR\r\n")],
        }.get(how, [(0.01, reply)])  # fmt: skip
        at_s = max([self._clock.now_s, *(each[0] for each in self._coming)])
        for delay_s, data in pieces:
            at_s += delay_s
            self._coming.append((at_s, data))


PARAMETERS = {"voltage": "VMON", "current": "IMON", "voltage_set": "VSET", "status": "STAT"}


def made(spoils: Sequence[str] = ()) -> tuple[Instrument, SpoiltWire, Clock]:
    clock = Clock()
    wire = SpoiltWire(clock, iter(spoils))
    session = Session("hv", PROFILE, wire, LinesCodec(PROFILE.framing), clock=clock, sleep=clock.sleep)
    return Instrument(session), wire, clock


async def read_each(spoils: Sequence[str], wanted: Sequence[tuple[str, str]]) -> int:
    """Read again and again over a wire that spoils; return how many readings there were, all of them true."""
    supply, wire, clock = made(spoils)
    good = 0
    for name, channel in wanted:
        asked_s = clock.now_s
        try:
            found = await supply.read(name, channel)
        except ScandaqError:
            clock.now_s += 1.0
            continue
        parameter, told_channel, told_s = wire.meant[float(found)]  # type: ignore[arg-type]
        assert (parameter, told_channel) == (PARAMETERS[name], channel)
        assert told_s >= asked_s
        good += 1
    return good
