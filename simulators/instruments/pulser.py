"""A pulse generator that says `ok`: BNC 575, Quantum Composers 9520 and 9530 (Quantum Composers 9530/8530 manual 4.8).

Every command is answered with `ok`, or with `?` and a digit that says what is wrong with it. Channel 0 is the clock.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.instruments.machine import Done, LineTalk
from simulators.instruments.scpi import ScpiError, number, pattern, switch

NO_PREFIX, NO_KEYWORD, NOT_PARAMETER, NO_PARAMETER, QUERY_ONLY = 1, 3, 5, 4, 6
Command = tuple[re.Pattern[str], Callable[[], str], Callable[[str], None] | None]
_NUMBERS = {"WIDTh": (1e-8, 999.0), "DELay": (-999.0, 999.0), "OUTPut:AMPLitude": (2.0, 20.0)}


@dataclass(slots=True)
class Channel:
    """One output."""

    state: bool = False
    numbers: dict[str, float] = field(default_factory=lambda: {"WIDTh": 1e-6, "DELay": 0.0, "OUTPut:AMPLitude": 4.0})
    polarity: str = "NORM"


class Pulser:
    """One generator with `channels` outputs."""

    def __init__(
        self, *, channels: int = 4, serial: str = "31309", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.serial, self.obeys = serial, True
        self.channels = [Channel() for _ in range(channels)]
        self.period_s, self.runs, self.mode = 1e-3, False, "NORM"
        self._pulses, self._since_s = 0.0, clock()
        self._commands = list(self._known())

    def talk(self) -> LineTalk:
        """Return a conversation."""
        return LineTalk(lambda line: self.answer(line.rstrip("\r")), end=b"\n", reply_end=b"\r\n")

    @property
    def pulses(self) -> int:
        """Return how many came out of the first output so far."""
        now_s = self._clock()
        if self.runs and self.channels[0].state:
            self._pulses += (now_s - self._since_s) / self.period_s
        self._since_s = now_s
        return int(self._pulses)

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {"runs": self.runs, "pulses": self.pulses, "states": [channel.state for channel in self.channels]}

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "ignore": lambda _: setattr(self, "obeys", False), "obey": lambda _: setattr(self, "obeys", True),
            "swap": lambda said: setattr(self, "serial", str(said.get("serial", "99999"))),
            "reboot": lambda _: self._reset(),
        }  # fmt: skip

    def answer(self, line: str) -> str:
        """Return the reply to a line: what was asked, `ok`, or what is wrong."""
        header, _, given = line.strip().partition(" ")
        if not header.startswith((":", "*")):
            return f"?{NO_PREFIX}"
        asks, name = header.endswith("?"), header.removesuffix("?").lstrip(":").upper()
        for known, get, take in self._commands:
            if known.fullmatch(name) is None:
                continue
            if asks:
                return get()
            if take is None:
                return f"?{QUERY_ONLY}"
            return self._taken(take, given.strip())
        return f"?{NO_KEYWORD}"

    def _taken(self, take: Callable[[str], None], given: str) -> str:
        if not given:
            return f"?{NO_PARAMETER}"
        _ = self.pulses
        try:
            if self.obeys:
                take(given)
        except ScpiError:
            return f"?{NOT_PARAMETER}"
        return "ok"

    def _known(self) -> Iterator[Command]:
        """Yield header, what answers `?`, and what sets, or None."""
        yield pattern("*IDN"), lambda: f"BNC,575-{len(self.channels)},{self.serial},2.4.1-1.0.9", None
        yield (
            pattern("PULSe0[:STATe]"), lambda: str(int(self.runs)), lambda text: setattr(self, "runs", switch(text)),
        )  # fmt: skip
        yield (
            pattern("PULSe0:PERiod"), lambda: f"{self.period_s:.9f}",
            lambda text: setattr(self, "period_s", number(text, 1e-7, 5000.0)),
        )  # fmt: skip
        yield pattern("PULSe0:MODE"), lambda: self.mode, lambda text: setattr(self, "mode", _one(text, "NORM", "SING"))
        for at, channel in enumerate(self.channels, 1):
            yield from _outputs(at, channel)

    def _reset(self) -> None:
        _ = self.pulses
        self.runs, self.period_s = False, 1e-3
        for channel in self.channels:
            channel.state = False


def _outputs(at: int, channel: Channel) -> Iterator[Command]:
    yield (
        pattern(f"PULSe{at}[:STATe]"), lambda: str(int(channel.state)),
        lambda text: setattr(channel, "state", switch(text)),
    )  # fmt: skip
    yield (
        pattern(f"PULSe{at}:POLarity"), lambda: channel.polarity,
        lambda text: setattr(channel, "polarity", _one(text, "NORM", "COMP", "INV")),
    )  # fmt: skip
    for name in _NUMBERS:
        yield _numbered(at, channel, name)


def _numbered(at: int, channel: Channel, name: str) -> Command:
    least, most = _NUMBERS[name]
    return (
        pattern(f"PULSe{at}:{name}"), lambda: f"{channel.numbers[name]:.9f}",
        lambda text: channel.numbers.update({name: number(text, least, most)}),
    )  # fmt: skip


def _one(text: str, *known: str) -> str:
    found = next((word for word in known if text.upper().startswith(word)), None)
    if found is None:
        raise ScpiError(-224, "Illegal parameter value")
    return found
