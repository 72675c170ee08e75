"""An iseg SHQ: two channels on a serial line, which sends back every character (SHQ operator's manual, page 15).

What the manual leaves open is as somebody saw it on an NHQ of the same commands: the status word comes after `S1=`, a
voltage above the limit is refused and the limit kept in its place, reading the status word lets go of a trip, and then
starts the old voltage again where autostart is on.
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

MOST_V, MOST_A = 3000.0, 4e-3
_COMMAND = re.compile(r"(?P<name>[UIMNDVGSTA]|L[BS]?)(?P<channel>\d)(=(?P<value>\d+(\.\d+)?))?")
_BREAK = re.compile(r"W(=(?P<value>\d+))?")
_AUTOSTART = 8
_QUALITY, _ERROR, _INHIBIT, _KILL, _OFF, _POSITIVE, _MANUAL, _DISPLAY = 128, 64, 32, 16, 8, 4, 2, 1


@dataclass(slots=True)
class Channel:
    """One channel. `goal_v`: where it was started to; `latched`: why it is off until its status is read."""

    output: Output
    set_v: float = 0.0
    goal_v: float = 0.0
    slope: float = 2.0
    trip_a: float = 0.0
    autostart: int = 0
    latched: str = ""
    inhibited: bool = False
    switched: bool = True
    manual: bool = False
    spark_a: float = 0.0

    def current_a(self) -> float:
        """Return what flows."""
        return self.output.current_a + (self.spark_a if self.output.volts > 0 else 0.0)

    def look(self) -> None:
        """Trip where the current is too high."""
        if self.trip_a and not self.latched and self.current_a() > self.trip_a:
            self.fail("TRP")

    def fail(self, why: str) -> None:
        """Be off until the status is read."""
        self.latched = why
        self.output.drop()

    def start(self) -> None:
        """Let the output go to what is set."""
        if self.latched or self.inhibited or self.manual or not self.switched:
            return
        self.goal_v = self.set_v
        self.output.slopes(up=self.slope, down=self.slope)
        self.output.go(self.goal_v)

    def word(self) -> str:
        """Return the status word."""
        ramp = self.output.ramping
        known = (
            ("MAN", self.manual), ("OFF", not self.switched), (self.latched, bool(self.latched)),
            ("INH", self.inhibited), ("L2H", ramp > 0), ("H2L", ramp < 0),
        )  # fmt: skip
        return next((word for word, so in known if so), "ON ")

    def read_word(self) -> str:
        """Return the status word, and let go of what was latched; with autostart the old voltage comes again."""
        said = self.word()
        if self.latched and not self.inhibited:
            self.latched = ""
            if self.autostart & _AUTOSTART:
                self.start()
        return said


class IsegShq:
    """The module."""

    def __init__(
        self, *, serial: str = "480132", load_ohm: float = 1e9, limit_percent: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.serial, self.obeys, self.break_ms, self.limit_percent = serial, True, 3, limit_percent
        self.channels = [Channel(Output(clock, 2.0, 2.0, load_ohm)) for _ in range(2)]

    def talk(self) -> LineTalk:
        """Return a conversation."""
        return LineTalk(self.answer, end=b"\r\n", reply_end=b"\r\n", echo=True)

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        self.look()
        return {"volts": [channel.output.volts for channel in self.channels]}

    def look(self) -> None:
        """Do what is due by now, though nobody asks: trips."""
        for channel in self.channels:
            channel.look()

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "trip": lambda said: self._of(said).fail("TRP"),
            "open-interlock": lambda said: self._inhibit(active=True),
            "close-interlock": lambda said: self._inhibit(active=False),
            "local": lambda said: setattr(self._of(said), "manual", True),
            "remote": lambda said: setattr(self._of(said), "manual", False),
            "spark": lambda said: setattr(self._of(said), "spark_a", 1e-6 * float(said.get("ua", 500.0))),
            "ignore": lambda said: setattr(self, "obeys", False),
            "obey": lambda said: setattr(self, "obeys", True),
            "swap": lambda said: setattr(self, "serial", str(said.get("serial", "999999"))),
            "reboot": lambda said: self._reboot(),
        }

    def answer(self, line: str) -> str | None:
        """Return the reply to one line; after what was set, an empty one."""
        self.look()
        if (found := _BREAK.fullmatch(line)) is not None:
            return self._break(found["value"])
        if line in ("", "#"):
            return f"{self.serial};3.09;{MOST_V:.0f}V;{1e3 * MOST_A:.0f}mA" if line else None
        command = _COMMAND.fullmatch(line)
        return "????" if command is None else self._of_channel(command)

    def _of_channel(self, command: re.Match[str]) -> str:
        if not 1 <= int(command["channel"]) <= len(self.channels):
            return "?WCN"
        channel = self.channels[int(command["channel"]) - 1]
        if command["value"] is None:
            return self._read(channel, command["name"], command["channel"])
        return self._write(channel, command["name"], float(command["value"]))

    def _break(self, value: str | None) -> str:
        if value is None:
            return f"{self.break_ms:03d}"
        self.break_ms = int(value)
        return ""

    def _read(self, channel: Channel, name: str, number: str) -> str:
        if name == "G":
            waits = bool(channel.latched) or channel.inhibited
            if self.obeys:
                channel.start()
            return f"S{number}={'LAS' if waits else channel.word()}"
        if name == "S":
            return f"S{number}={channel.read_word()}"
        volts, amps = channel.output.volts, channel.current_a()
        return {
            "U": f"+{round(10 * volts):05d}-01", "I": f"{round(1e7 * amps):05d}-07",
            "D": f"{round(10 * channel.set_v):05d}-01", "V": f"{round(channel.slope):03d}",
            "M": f"{self.limit_percent:03d}", "N": "100", "A": f"{channel.autostart:03d}",
            "T": f"{self._module(channel):03d}",
        }.get(name) or f"{round(1e7 * channel.trip_a):05d}-07"  # fmt: skip

    def _module(self, channel: Channel) -> int:
        lit = {
            _QUALITY: channel.output.ramping != 0, _ERROR: channel.latched == "ERR",
            _INHIBIT: channel.inhibited or channel.latched == "INH", _OFF: not channel.switched, _POSITIVE: True,
            _MANUAL: channel.manual, _DISPLAY: True,
        }  # fmt: skip
        return sum(bit for bit, so in lit.items() if so)

    def _write(self, channel: Channel, name: str, value: float) -> str:
        if name == "D":
            return self._voltage(channel, value)
        if name == "V" and not 2 <= value <= 255:  # noqa: PLR2004
            return "????"
        known = {"V": ("slope", value), "A": ("autostart", int(value)), "LS": ("trip_a", 1e-6 * value)}
        known |= dict.fromkeys(("L", "LB"), ("trip_a", 1e-3 * value))
        if name not in known:
            return "????"
        if self.obeys:
            setattr(channel, *known[name])
        return ""

    def _voltage(self, channel: Channel, volts: float) -> str:
        most = MOST_V * self.limit_percent / 100
        if not self.obeys:
            return ""
        channel.set_v = min(volts, most)
        if channel.autostart & _AUTOSTART:
            channel.start()
        return "" if volts <= most else f"? UMAX={most:04.0f}"

    def _inhibit(self, *, active: bool) -> None:
        for channel in self.channels:
            channel.inhibited = active
            if active:
                channel.fail("INH")

    def _reboot(self) -> None:
        for channel in self.channels:
            channel.output.drop()
            channel.set_v, channel.goal_v, channel.latched = 0.0, 0.0, ""

    def _of(self, said: Mapping[str, Any]) -> Channel:
        at = said.get("channel", 0)
        if not isinstance(at, int) or not 0 <= at < len(self.channels):
            raise UsageError(
                f"channel {at!r}: 0 to {len(self.channels) - 1} are there, the first is channel 1 on its wire"
            )
        return self.channels[at]
