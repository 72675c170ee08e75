"""An iseg supply that speaks SCPI: an NHR of four channels (iseg, SCPI protocol common instruction set, 2020-10-07).

On its serial line it sends back what it hears, on TCP it does not. `*OPC?` says 1 whether anything happened or not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daq.errors import UsageError
from simulators.instruments.machine import Done, LineTalk
from simulators.instruments.ramping import Output
from simulators.instruments.scpi import NO_NUMBER, Get, Scpi, Set, number

NOMINAL_V, NOMINAL_A = 3000.0, 4e-3
_CHANNELS = re.compile(r"(?:(?P<value>.*),)?\s*\(@(?P<list>[0-9,\- ]+)\)")
_POSITIVE, _INPUT_ERROR, _ON, _RAMP, _EMERGENCY, _VOLTAGE_CONTROL = 0, 2, 3, 4, 5, 7
_INHIBIT, _TRIP = 12, 13


@dataclass(slots=True)
class Channel:
    """One channel: what was set, and its output."""

    output: Output
    set_v: float = 0.0
    set_a: float = NOMINAL_A
    up: float = 250.0
    down: float = 250.0
    trip_action: int = 0
    trip_ms: int = 100
    inhibit_action: int = 0
    on: bool = False
    emergency: bool = False
    inhibit: bool = False
    tripped: bool = False
    over_s: float | None = None
    spark_a: float = 0.0

    def current_a(self) -> float:
        """Return what flows."""
        return self.output.current_a + (self.spark_a if self.output.volts > 0 else 0.0)

    def look(self, now_s: float) -> None:
        """Do what is due by now: a current above what is set, for as long as the trip needs."""
        over = self.on and self.current_a() > self.set_a
        self.over_s = (now_s if self.over_s is None else self.over_s) if over else None
        if self.over_s is not None and self.trip_action and 1e3 * (now_s - self.over_s) >= self.trip_ms:
            self.trip()

    def trip(self) -> None:
        """Switch off, or ramp down, as its action says."""
        self.tripped, self.on = True, False
        self.follow()
        if self.trip_action != 1:
            self.output.drop()

    def follow(self) -> None:
        """Let the output go to where it should be."""
        self.output.slopes(up=self.up, down=self.down)
        self.output.go(self.set_v if self.on else 0.0)

    def status(self) -> int:
        """Return the bits of the channel status."""
        lit = {
            _POSITIVE: True, _ON: self.on, _RAMP: self.output.ramping != 0, _EMERGENCY: self.emergency,
            _VOLTAGE_CONTROL: self.on, _INHIBIT: self.inhibit, _TRIP: self.tripped,
        }  # fmt: skip
        return sum(1 << bit for bit, so in lit.items() if so)


class IsegScpi:
    """The module."""

    def __init__(
        self, *, serial: str = "8200005", load_ohm: float = 1e9, channels: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.serial, self.obeys = serial, True
        self._clock = clock
        self.channels = [Channel(Output(clock, 250.0, 250.0, load_ohm)) for _ in range(channels)]
        self.scpi = Scpi([*self._module(), *self._read(), *self._set()])

    def talk(self) -> LineTalk:
        """Return a conversation over TCP."""
        return LineTalk(self.answer, end=b"\r\n", reply_end=b"\r\n")

    def terminal_talk(self) -> LineTalk:
        """Return the conversation on the serial line, with its echo."""
        return LineTalk(self.answer, end=b"\r\n", reply_end=b"\r\n", echo=True)

    def answer(self, line: str) -> str | None:
        """Return the reply to one line."""
        self.look()
        return self.scpi.answer(line)

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        self.look()
        return {"volts": [channel.output.volts for channel in self.channels], "on": [c.on for c in self.channels]}

    def look(self) -> None:
        """Do what is due by now, though nobody asks: trips."""
        for channel in self.channels:
            channel.look(self._clock())

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "trip": lambda said: self._of(said).trip(),
            "open-interlock": lambda said: self._inhibit(active=True),
            "close-interlock": lambda said: self._inhibit(active=False),
            "spark": lambda said: setattr(self._of(said), "spark_a", 1e-6 * float(said.get("ua", 500.0))),
            "ignore": lambda said: setattr(self, "obeys", False),
            "obey": lambda said: setattr(self, "obeys", True),
            "swap": lambda said: setattr(self, "serial", str(said.get("serial", "9999"))),
            "reboot": lambda said: self._reboot(),
        }

    def _module(self) -> list[tuple[str, Get | None, Set | None]]:
        return [
            ("*IDN", lambda _: f"iseg Spezialelektronik GmbH,NR042060r4050000200,{self.serial},5.74", None),
            ("*OPC", lambda _: "1", lambda _: None),
            ("READ:MODule:CHANnelnumber", lambda _: str(len(self.channels)), None),
            ("READ:MODule:TEMPerature", lambda _: "31.5C", None),
            ("READ:MODule:STATus", lambda _: "65472", None),
            ("READ:FIRMware:NAME", lambda _: "E08B0", None), ("READ:FIRMware:RELEase", lambda _: "5.74", None),
            ("CONFigure:SERIAL:ECHO", lambda _: "1", None),
        ]  # fmt: skip

    def _read(self) -> list[tuple[str, Get | None, Set | None]]:
        shown: dict[str, Callable[[Channel], str]] = {
            "READ:VOLTage": lambda c: f"{_short(c.set_v)}V", "READ:VOLTage:NOMinal": lambda _: f"{_short(NOMINAL_V)}V",
            "READ:VOLTage:LIMit": lambda _: f"{_short(NOMINAL_V)}V", "READ:VOLTage:ON": lambda c: str(int(c.on)),
            "READ:CURRent": lambda c: f"{_short(c.set_a)}A", "READ:CURRent:NOMinal": lambda _: f"{_short(NOMINAL_A)}A",
            "READ:CHANnel:STATus": lambda c: str(c.status()), "READ:CHANnel:CONTrol": lambda c: str(int(c.on) << _ON),
            "READ:RAMP:VOLTage": lambda c: f"{_short(c.up)}V/s",
            "MEASure:VOLTage": lambda c: f"{_short(c.output.volts)}V",
            "MEASure:CURRent": lambda c: f"{_short(c.current_a())}A",
        }  # fmt: skip
        return [(spec, self._each(how), None) for spec, how in shown.items()]

    def _set(self) -> list[tuple[str, Get | None, Set | None]]:
        most = NOMINAL_V * 1.2
        return [
            ("VOLTage", None, self._voltage),
            ("CURRent", None, lambda text: self._number(text, "set_a", 0.0, NOMINAL_A)),
            ("CONFigure:RAMP:VOLTage", None, lambda text: self._slopes(text, ("up", "down"), most)),
            ("CONFigure:RAMP:VOLTage:UP", self._each(lambda c: f"{_short(c.up)}V/s"),
             lambda text: self._slopes(text, ("up",), most)),
            ("CONFigure:RAMP:VOLTage:DOWN", self._each(lambda c: f"{_short(c.down)}V/s"),
             lambda text: self._slopes(text, ("down",), most)),
            ("CONFigure:TRIP:ACTion", self._each(lambda c: str(c.trip_action)),
             lambda text: self._number(text, "trip_action", 0, 4)),
            ("CONFigure:TRIP:TIMEout", self._each(lambda c: str(c.trip_ms)),
             lambda text: self._number(text, "trip_ms", 1, 4095)),
            ("CONFigure:TRIP:TIME", self._each(lambda c: str(c.trip_ms)),
             lambda text: self._number(text, "trip_ms", 1, 4095)),
            ("CONFigure:INHP:ACTion", self._each(lambda c: str(c.inhibit_action)),
             lambda text: self._number(text, "inhibit_action", 0, 4)),
            ("EVENt", None, self._clear),
        ]  # fmt: skip

    def _each(self, how: Callable[[Channel], str]) -> Get:
        return lambda text: ",".join(how(channel) for channel in self._split(text)[1])

    def _split(self, text: str) -> tuple[str, list[Channel]]:
        """Return what stands before the list of channels, and the channels."""
        found = _CHANNELS.fullmatch(text)
        if found is None:
            raise NO_NUMBER
        chosen: list[Channel] = []
        for part in found["list"].split(","):
            first, _, last = part.strip().partition("-")
            if int(last or first) >= len(self.channels):
                raise NO_NUMBER
            chosen += self.channels[int(first) : int(last or first) + 1]
        return (found["value"] or "").strip(), chosen

    def _voltage(self, text: str) -> None:
        word, chosen = self._split(text)
        if not self.obeys:
            return
        switches = {"ON": True, "OFF": False}
        for channel in chosen:
            if word.upper() in switches:
                channel.on = switches[word.upper()] and not (channel.tripped or channel.emergency or channel.inhibit)
            elif word.upper() == "EMCY OFF":
                channel.emergency, channel.on = True, False
                channel.output.drop()
            elif word.upper() == "EMCY CLR":
                channel.emergency = False
            else:
                channel.set_v = number(word, 0.0, NOMINAL_V)
            channel.follow()

    def _number(self, text: str, name: str, least: float, most: float) -> None:
        word, chosen = self._split(text)
        for channel in chosen if self.obeys else ():
            setattr(channel, name, type(getattr(channel, name))(number(word, least, most)))

    def _slopes(self, text: str, names: tuple[str, ...], most: float) -> None:
        for name in names:
            self._number(text, name, 0.05, most)
        for channel in self._split(text)[1]:
            channel.follow()

    def _clear(self, text: str) -> None:
        word, chosen = self._split(text)
        if word.upper() != "CLEAR":
            raise NO_NUMBER
        for channel in chosen:
            channel.tripped = False

    def _inhibit(self, *, active: bool) -> None:
        for channel in self.channels:
            channel.inhibit = active
            if active:
                channel.on = False
                channel.follow()
                channel.output.drop()

    def _reboot(self) -> None:
        for channel in self.channels:
            channel.output.drop()
            channel.on, channel.set_v, channel.tripped, channel.emergency = False, 0.0, False, False

    def _of(self, said: Mapping[str, Any]) -> Channel:
        at = said.get("channel", 0)
        if not isinstance(at, int) or not 0 <= at < len(self.channels):
            raise UsageError(f"channel {at!r}: 0 to {len(self.channels) - 1} are there")
        return self.channels[at]


def _short(value: float) -> str:
    """Return a number as the module writes it: 5.00000E2."""
    digits, _, exponent = f"{value:.5E}".partition("E")
    return f"{digits}E{int(exponent)}"
