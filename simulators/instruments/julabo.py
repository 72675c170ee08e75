"""A JULABO circulator by its serial commands (JULABO operating manuals of CF, FL and HT series, remote control).

Lines end with CR; replies to `IN_...`, `VERSION`, `STATUS` with CR LF. `OUT_...` has no reply: what was wrong with it
is told by `STATUS`. The bath goes at a rate to what is set while the pump runs, and to the room where it does not.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from simulators.instruments.machine import Done, LineTalk

_SET = re.compile(r"OUT_(?P<name>SP_00|MODE_05) (?P<value>-?\d+(\.\d+)?)")
LEAST_C, MOST_C = -28.0, 200.0
MESSAGES = {
    -1: "LOW LEVEL ALARM", -3: "EXCESS TEMPERATURE WARNING", -5: "WORKING SENSOR ALARM", -8: "INVALID COMMAND",
    -9: "COMMAND NOT ALLOWED IN CURRENT OPERATING MODE", -10: "VALUE TOO SMALL", -11: "VALUE TOO LARGE",
    0: "MANUAL STOP", 1: "MANUAL START", 2: "REMOTE STOP", 3: "REMOTE START",
}  # fmt: skip


class Julabo:
    """One circulator. `rate_k_per_s`: how fast its bath goes; `room_c`: where it goes when it stands."""

    def __init__(
        self, *, rate_k_per_s: float = 0.08, room_c: float = 22.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._rate, self._room_c = clock, rate_k_per_s, room_c
        self._bath_c, self._since_s = room_c, clock()
        self.version = "JULABO HIGHTECH FL FL-Version 5.1"
        self.setpoint_c, self.runs, self.remote, self.obeys = 20.0, False, True, True
        self.blank = False
        self.alarm = self.wrong = 0

    def talk(self) -> LineTalk:
        """Return a conversation."""
        return LineTalk(self.answer, end=b"\r", reply_end=b"\r\n")

    @property
    def bath_c(self) -> float:
        """Return the temperature of the bath now."""
        now_s = self._clock()
        target, rate = (self.setpoint_c, self._rate) if self.runs else (self._room_c, self._rate / 20)
        step, self._since_s = rate * (now_s - self._since_s), now_s
        left = target - self._bath_c
        self._bath_c += math.copysign(min(step, abs(left)), left)
        return self._bath_c

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {"bath_c": self.bath_c, "setpoint_c": self.setpoint_c, "runs": self.runs, "alarm": self.alarm}

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "low-level": lambda _: self._alarm(-1),
            "sensor-fault": lambda _: self._alarm(-5),
            "refill": lambda _: setattr(self, "alarm", 0),
            "local": lambda _: setattr(self, "remote", False),
            "remote": lambda _: setattr(self, "remote", True),
            "ignore": lambda _: setattr(self, "obeys", False),
            "obey": lambda _: setattr(self, "obeys", True),
            "acknowledge": lambda _: setattr(self, "blank", True),
            "swap": lambda said: setattr(self, "version", str(said.get("version", "JULABO FP50-HE 1.0"))),
            "reboot": lambda _: self._reboot(),
        }

    def answer(self, line: str) -> str | None:
        """Return the reply to one line; to what sets, none, or an empty line as some firmware gives."""
        line = line.strip().upper()
        if line.startswith("OUT_"):
            self._set(line)
            return "" if self.blank else None
        known: dict[str, Callable[[], str]] = {
            "VERSION": lambda: self.version, "STATUS": self._status,
            "IN_PV_00": lambda: f"{self.bath_c:.2f}", "IN_PV_01": lambda: f"{self._heating():.0f}",
            "IN_PV_02": lambda: "---.--", "IN_SP_00": lambda: f"{self.setpoint_c:.2f}",
            "IN_MODE_05": lambda: str(int(self.runs)),
        }  # fmt: skip
        if line in known:
            return known[line]()
        self.wrong = -8
        return None

    def _status(self) -> str:
        """Return the gravest that there is to say; what was wrong with a command is told once."""
        wrong, self.wrong = self.wrong, 0
        code = self.alarm or wrong or 2 * self.remote + self.runs
        return f"{code:0{3 if code < 0 else 2}d} {MESSAGES[code]}"

    def _heating(self) -> float:
        return max(-100.0, min(100.0, 20.0 * (self.setpoint_c - self.bath_c))) if self.runs else 0.0

    def _set(self, line: str) -> None:
        found = _SET.fullmatch(line)
        if found is None:
            self.wrong = -8
        elif not self.remote:
            self.wrong = -9
        elif self.obeys:
            self._take(found["name"], float(found["value"]))

    def _take(self, name: str, number: float) -> None:
        _ = self.bath_c
        if name == "MODE_05":
            self.runs = number == 1 and not self.alarm
        elif LEAST_C <= number <= MOST_C:
            self.setpoint_c = number
        else:
            self.wrong = -10 if number < LEAST_C else -11

    def _alarm(self, code: int) -> None:
        _ = self.bath_c
        self.alarm, self.runs = code, False

    def _reboot(self) -> None:
        """Lose the mains for a moment: in remote control it does not start by itself again."""
        _ = self.bath_c
        self.runs, self.wrong = False, 0
