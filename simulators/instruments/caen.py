"""CAEN supplies of the N1470 and 803x families, asked by `CMD:..` and `PAR:..`.

An N1470 has four channels and a number on a bus (user's manual of the N1470 family, rev. 20). An R803x has eight or
sixteen, no number, other bits in STAT, and describes its parameters (user's manual of the 803x series, pages 24 and
25; the order of its bits is from public notes).

Their outputs ramp; they trip when the current stays above ISET for TRIP seconds; interlock, over-temperature, KILL
input and the switch LOCAL do what they do on the front panel. A reply says nothing of what was asked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daq.errors import UsageError
from simulators.instruments.machine import Done, LineTalk
from simulators.instruments.ramping import Output

CHANNELS = 4
MOST_V, MOST_UA = 8000.0, 3000.0
_NEVER_S = 1000.0
_REQUEST = re.compile(
    r"\$(BD:(?P<board>\d{1,2}),)?CMD:(?P<command>[A-Z]+)(,CH:(?P<channel>\d{1,2}))?,PAR:(?P<parameter>[A-Z]+)"
    r"(,VAL:(?P<value>.+))?"
)
BITS = ("on", "rup", "rdw", "ovc", "ovv", "unv", "maxv", "trip", "ovp", "ovt", "dis", "kill", "ilk", "nocal")
BITS_R803X = (
    "on", "rup", "rdw", "ovc", "ovv", "unv", "trip", "ovp", "twn", "ovt", "kill", "ilk", "dis", "fail", "lock", "maxv",
)  # fmt: skip
_SET = {  # parameter: attribute, least, most, digits before and after the point
    "VSET": ("vset", 0.0, MOST_V, 6, 1), "ISET": ("iset", 0.0, MOST_UA, 7, 2), "MAXV": ("maxv", 0.0, 8100.0, 4, 0),
    "RUP": ("rup", 1.0, 500.0, 3, 0), "RDW": ("rdw", 1.0, 500.0, 3, 0), "TRIP": ("trip", 0.0, _NEVER_S, 6, 1),
}  # fmt: skip


@dataclass(slots=True)
class Channel:
    """One channel: what was set, and its output."""

    output: Output
    vset: float = 0.0
    iset: float = 100.0
    maxv: float = MOST_V
    rup: float = 50.0
    rdw: float = 50.0
    trip: float = _NEVER_S
    pdwn: str = "RAMP"
    on: bool = False
    bits: tuple[str, ...] = BITS
    latched: set[str] = field(default_factory=set)
    over_s: float | None = None
    spark_ua: float = 0.0

    def status(self, now_s: float) -> int:
        """Return the bits of STAT, after what was due by now."""
        over = self._over_current(now_s)
        ramp = self.output.ramping
        lit = {
            "on": self.on, "rup": ramp > 0, "rdw": ramp < 0, "ovc": over, "maxv": self.on and self.vset > self.maxv,
            **dict.fromkeys(self.latched, True),
        }  # fmt: skip
        return sum(1 << self.bits.index(name) for name, so in lit.items() if so)

    def current_ua(self) -> float:
        """Return what flows."""
        return self.output.current_a * 1e6 + (self.spark_ua if self.output.volts > 0 else 0.0)

    def switch(self, *, on: bool) -> bool:
        """Switch; return False where something latched forbids it."""
        if on and self.latched - {"trip"}:
            return False
        self.latched.discard("trip")
        self.on, self.over_s = on, None
        self.follow()
        return True

    def follow(self) -> None:
        """Let the output go to where it should be."""
        self.output.slopes(up=self.rup, down=self.rdw)
        self.output.go(min(self.vset, self.maxv) if self.on else 0.0)

    def fail(self, why: str) -> None:
        """Switch off for a reason that stays."""
        self.latched.add(why)
        self.on = False
        self.follow()
        if self.pdwn == "KILL" or why in ("kill", "ilk"):
            self.output.drop()

    def _over_current(self, now_s: float) -> bool:
        over = self.on and self.current_ua() > self.iset
        self.over_s = (now_s if self.over_s is None else self.over_s) if over else None
        if self.over_s is not None and self.trip < _NEVER_S and now_s - self.over_s >= self.trip:
            self.fail("trip")
        return over


class CaenN1470:
    """The module. `board` is its number on the bus."""

    bits: tuple[str, ...] = BITS
    model, firmware = "N1470", "1.3.0"

    def __init__(
        self, *, board: int | None = 0, serial: str = "1234", load_ohm: float = 1e8, channels: int = CHANNELS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.board, self.serial = board, serial
        self._clock = clock
        self.control = "REMOTE"
        self.interlock = False
        self.obeys = True
        self.channels = [Channel(Output(clock, 50.0, 50.0, load_ohm), bits=self.bits) for _ in range(channels)]
        self._mark = "#" if board is None else f"#BD:{board:02d},"

    def talk(self) -> LineTalk:
        """Return a conversation."""
        return LineTalk(self.answer, end=b"\r\n", reply_end=b"\r\n")

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        self.look()
        return {"volts": [channel.output.volts for channel in self.channels], "on": [c.on for c in self.channels]}

    def look(self) -> None:
        """Do what is due by now, though nobody asks: trips."""
        for channel in self.channels:
            channel.status(self._clock())

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "trip": lambda said: self._of(said).fail("trip"),
            "over-temperature": lambda said: self._of(said).fail("ovt"),
            "kill": lambda said: self._kill(),
            "open-interlock": lambda said: self._interlock(opened=True),
            "close-interlock": lambda said: self._interlock(opened=False),
            "local": lambda said: setattr(self, "control", "LOCAL"),
            "remote": lambda said: setattr(self, "control", "REMOTE"),
            "ignore": lambda said: setattr(self, "obeys", False),
            "obey": lambda said: setattr(self, "obeys", True),
            "spark": lambda said: setattr(self._of(said), "spark_ua", float(said.get("ua", 500.0))),
            "swap": lambda said: setattr(self, "serial", str(said.get("serial", "9999"))),
            "reboot": lambda said: self._reboot(),
        }

    def answer(self, line: str) -> str | None:
        """Return the reply to one line; None where another board is meant."""
        found = _REQUEST.fullmatch(line)
        if found is None or (found["board"] is None) != (self.board is None):
            return f"{self._mark}CMD:ERR"
        if self.board is not None and int(found["board"]) != self.board:
            return None
        return self._mark + (self._board(found) if found["channel"] is None else self._channel(found))

    def _board(self, asked: re.Match[str]) -> str:
        parameter = asked["parameter"]
        told = {
            "BDNAME": self.model, "BDNCH": str(len(self.channels)), "BDFREL": self.firmware, "BDSNUM": self.serial,
            "BDILK": "YES" if self.interlock else "NO", "BDCTR": self.control, "BDILKM": "CLOSED", "BDTERM": "OFF",
            "BDALARM": f"{sum(1 << n for n, c in enumerate(self.channels) if c.latched):05d}",
        }  # fmt: skip
        if asked["command"] == "MON":
            return f"CMD:OK,VAL:{told[parameter]}" if parameter in told else "PAR:ERR"
        if asked["command"] != "SET":
            return "CMD:ERR"
        if self.control == "LOCAL":
            return "LOC:ERR"
        if parameter != "BDCLR":
            return "PAR:ERR"
        if not self.interlock:
            for channel in self.channels:
                channel.latched.clear()
        return "CMD:OK"

    def _channel(self, asked: re.Match[str]) -> str:
        number = int(asked["channel"])
        chosen = self.channels if number == len(self.channels) else self.channels[number : number + 1]
        if not chosen:
            return "CH:ERR"
        if asked["command"] == "MON":
            values = [self._shown(channel, asked["parameter"]) for channel in chosen]
            return "PAR:ERR" if None in values else f"CMD:OK,VAL:{';'.join(str(value) for value in values)}"
        if asked["command"] == "INFO" and self.board is None:
            return self._described(asked["parameter"])
        return self._told_to(chosen, asked) if asked["command"] == "SET" else "CMD:ERR"

    def _told_to(self, chosen: list[Channel], asked: re.Match[str]) -> str:
        if self.control == "LOCAL":
            return "LOC:ERR"
        if not self.obeys:
            return "CMD:OK"
        replies = [self._set(channel, asked["parameter"], asked["value"]) for channel in chosen]
        return next((reply for reply in replies if reply != "CMD:OK"), "CMD:OK")

    def _described(self, parameter: str) -> str:
        """Return type, access, limits, digits, resolution, exponent, unit, and the words of on and off."""
        known = {"VSET": "V", "ISET": "uA", "MAXV": "V", "RUP": "V/s", "RDW": "V/s", "TRIP": "s"}
        if parameter not in known:
            return "PAR:ERR"
        _, least, most, _, digits = _SET[parameter]
        return f"CMD:OK,VAL:0;2;{least:.{digits}f};{most:.{digits}f};{digits};{10**-digits:g};0;{known[parameter]};;"

    def _shown(self, channel: Channel, parameter: str) -> str | None:
        bits = channel.status(self._clock())
        if parameter in _SET:
            name, _, _, width, digits = _SET[parameter]
            return f"{getattr(channel, name):0{width}.{digits}f}"
        return {
            "VMON": f"{channel.output.volts:06.1f}", "IMON": f"{channel.current_ua():07.2f}", "STAT": f"{bits:05d}",
            "POL": "+", "PDWN": channel.pdwn, "IMRANGE": "HIGH",
        }.get(parameter)  # fmt: skip

    def _set(self, channel: Channel, parameter: str, value: str | None) -> str:
        channel.status(self._clock())
        if parameter in ("ON", "OFF"):
            return "CMD:OK" if channel.switch(on=parameter == "ON") else "PAR:ERR"
        if parameter == "PDWN" and value in ("RAMP", "KILL"):
            channel.pdwn = value
            return "CMD:OK"
        if parameter not in _SET:
            return "PAR:ERR"
        name, least, most, _, _ = _SET[parameter]
        try:
            number = float(value or "")
        except ValueError:
            return "VAL:ERR"
        if not least <= number <= most:
            return "VAL:ERR"
        setattr(channel, name, number)
        channel.follow()
        return "CMD:OK"

    def _interlock(self, *, opened: bool) -> None:
        self.interlock = opened
        for channel in self.channels if opened else ():
            channel.fail("ilk")

    def _kill(self) -> None:
        for channel in self.channels:
            channel.fail("kill")

    def _reboot(self) -> None:
        for channel in self.channels:
            channel.output.drop()
            channel.on, channel.vset = False, 0.0
            channel.latched.clear()

    def _of(self, said: Mapping[str, Any]) -> Channel:
        number = said.get("channel", 0)
        if not isinstance(number, int) or not 0 <= number < len(self.channels):
            raise UsageError(f"channel {number!r}: 0 to {len(self.channels) - 1} are there")
        return self.channels[number]


class CaenR803x(CaenN1470):
    """An R8033 or R8034: no number on a bus, other bits, parameters that describe themselves."""

    bits = BITS_R803X
    model, firmware = "R8033N", "1.05"

    def __init__(
        self, *, serial: str = "803", load_ohm: float = 1e8, channels: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__(board=None, serial=serial, load_ohm=load_ohm, channels=channels, clock=clock)
