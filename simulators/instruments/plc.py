"""A safety controller on Modbus TCP: contacts, covers and temperatures of heads, the enable, power for the drives.

Its own logic, which goes on whatever the program at the other end does: an emergency stop, a hit of the pad, and a
heartbeat that stays away while the watchdog is armed cut the power of the drives. It comes back when somebody in the
room presses *reset*, never by a command. The map is in docs/reference/interlock-plc.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daq.errors import UsageError
from simulators.instruments.machine import Done
from simulators.instruments.modbus import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusError, ModbusTalk
from simulators.instruments.wires import Wires

MODEL = "SCANDAQ-ILK"
MOST_HEADS = 4
_BEAT, _TIME, _ARMED = 0, 1, 0
_LEAST_10MS, _MOST_10MS = 10, 6000
_HOTTEST_C = 40.0


@dataclass(slots=True)
class Head:
    """One head: its service cover, a temperature that goes at a rate, the code of what is mounted on it."""

    cover: bool = True
    celsius: float = 22.0
    c_per_s: float = 0.0
    since_s: float = 0.0
    collimator: int = 0

    def temperature(self, now_s: float) -> float:
        """Return it now, in degC."""
        self.celsius += self.c_per_s * (now_s - self.since_s)
        self.since_s = now_s
        return self.celsius


class InterlockPlc:
    """The controller. Its inputs are read, its logic done and its outputs set in `scan`, as often as it is called."""

    def __init__(
        self, *, heads: int = 2, serial: int = 4711, unit: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._unit = clock, unit
        self.serial, self.version = serial, 100
        self.heads = [Head(since_s=clock()) for _ in range(heads)]
        closed = [f"cover-{n}-closed" for n in range(1, heads + 1)]
        opened = [f"cover-{n}-open" for n in range(1, heads + 1)]
        self.wires = Wires(("drive-power-off", "drive-power-on", *opened, *closed))
        self.closed = dict.fromkeys(("emergency_stop", "collision_pad", "room_door"), True)
        self.mains = self.obeys = self.scans = True
        self.power, self.tripped = True, ""
        self.armed = self.held = self.latched = self.hit = False
        self.timeout_10ms, self.beat, self.echo, self.count = 100, 0, 0, 0
        self._beaten_s = clock()
        self.objects = {0: "scandaq", 1: MODEL, 2: "1.00"}
        self._discrete: dict[int, bool] = {}
        self._input: dict[int, int] = {}
        self.scan()

    def talk(self) -> ModbusTalk:
        """Return a conversation."""
        return ModbusTalk(self, self._unit)

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {
            "drive_power": self.power, "tripped": self.tripped, "armed": self.armed, "beat": self.beat,
            "celsius": [head.temperature(self._clock()) for head in self.heads], "wires_lost": self.wires.lost,
        }  # fmt: skip

    def scan(self) -> None:
        """Do one cycle."""
        if not self.scans:
            return
        now_s = self._clock()
        late = self.armed and now_s - self._beaten_s > 0.01 * self.timeout_10ms
        pad, self.hit = not self.closed["collision_pad"] and not self.hit, not self.closed["collision_pad"]
        stop = not self.closed["emergency_stop"]
        for cause, there in (("watchdog", late), ("emergency_stop", stop), ("collision_pad", pad)):
            if there and not self.tripped:
                self.tripped = cause
        self.latched = self.latched and not self.tripped
        power = self.mains and not self.tripped
        if power != self.power:
            self.power = power
            self.wires.happened(f"drive-power-{'on' if power else 'off'}")
        self.echo, self.count = self.beat, (self.count + 1) % (1 << 16)
        self._show(now_s, late=late)

    def _show(self, now_s: float, *, late: bool) -> None:
        """Put what is the case where it is read: everything of one cycle is of one moment."""
        bits = [
            self.closed["emergency_stop"], self.closed["collision_pad"], self.power, self.closed["room_door"],
            self.held, self.latched, self.armed and not late, bool(self.tripped), self.tripped == "watchdog",
        ]  # fmt: skip
        self._discrete = dict(enumerate([*bits, *[False] * (16 - len(bits))]))
        words = [int.from_bytes(MODEL.encode().ljust(16, b"\0")[at : at + 2], "big") for at in range(0, 16, 2)]
        self._input = dict(enumerate([*words, self.serial >> 16, self.serial & 0xFFFF, self.version]))
        self._input |= {20: self.echo, 21: self.count}
        for number, head in enumerate(self.heads, 1):
            celsius = head.temperature(now_s)
            self._discrete |= {100 + 10 * number: head.cover, 101 + 10 * number: celsius < _HOTTEST_C}
            self._input |= {100 + 10 * number: round(10 * celsius) & 0xFFFF, 101 + 10 * number: head.collimator}

    # The tables

    def bits(self, table: str, address: int, count: int) -> Sequence[bool]:
        """Return coils or discrete inputs."""
        return _some({_ARMED: self.armed} if table == "coil" else self._discrete, address, count)

    def registers(self, table: str, address: int, count: int) -> Sequence[int]:
        """Return registers."""
        return _some(
            {_BEAT: self.beat, _TIME: self.timeout_10ms} if table == "holding" else self._input, address, count
        )

    def write_bits(self, address: int, values: Sequence[bool]) -> None:
        """Arm or disarm the watchdog; arming begins its time anew."""
        if address != _ARMED or len(values) != 1:
            raise ModbusError(ILLEGAL_ADDRESS)
        if self.obeys:
            self._beaten_s = self._clock() if values[0] and not self.armed else self._beaten_s
            self.armed = values[0]

    def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Take a heartbeat, which counts where it is another one than the last, or the watchdog's time."""
        if address + len(values) > _TIME + 1:
            raise ModbusError(ILLEGAL_ADDRESS)
        new = dict(enumerate(values, address))
        if not _LEAST_10MS <= new.get(_TIME, self.timeout_10ms) <= _MOST_10MS:
            raise ModbusError(ILLEGAL_VALUE)
        if not self.obeys:
            return
        self.timeout_10ms = new.get(_TIME, self.timeout_10ms)
        if new.get(_BEAT, self.beat) != self.beat:
            self.beat, self._beaten_s = new[_BEAT], self._clock()

    # What the world does to it

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {
            "press-stop": self._contact("emergency_stop", closed=False),
            "pull-stop": self._contact("emergency_stop", closed=True),
            "hit-pad": self._contact("collision_pad", closed=False),
            "leave-pad": self._contact("collision_pad", closed=True),
            "open-door": self._contact("room_door", closed=False),
            "close-door": self._contact("room_door", closed=True),
            "press-enable": lambda _: setattr(self, "held", True),
            "let-go": lambda _: setattr(self, "held", False),
            "press-latch": lambda _: setattr(self, "latched", not self.tripped),
            "drop-latch": lambda _: setattr(self, "latched", False),
            "collimator": self._mount,
            "power-cut": lambda _: setattr(self, "mains", False),
            "power-back": lambda _: setattr(self, "mains", True),
            "ignore": lambda _: setattr(self, "obeys", False),
            "obey": lambda _: setattr(self, "obeys", True),
            "freeze": lambda _: setattr(self, "scans", False),
            "thaw": lambda _: setattr(self, "scans", True),
            "reset": lambda _: self._reset(),
            "reboot": lambda _: self._reboot(),
            "open-cover": lambda said: self._cover(said, closed=False),
            "close-cover": lambda said: self._cover(said, closed=True),
            "temperature": self._heat,
            "swap": lambda said: setattr(self, "serial", int(said.get("serial", 9999))),
            "wire": lambda said: self.wires.connect(str(said.get("when")), str(said.get("to")), said.get("say")),
        }

    def _contact(self, name: str, *, closed: bool) -> Done:
        return lambda _: self.closed.update({name: closed})

    def _reset(self) -> None:
        """Press the button in the room: power comes back where nothing speaks against it any more."""
        if self.closed["emergency_stop"]:
            self.tripped = ""
            self._beaten_s = self._clock()

    def _reboot(self) -> None:
        """Start anew: without power for the drives, and with the watchdog as it comes from the box."""
        self.tripped, self.armed, self.timeout_10ms, self.beat = "reboot", False, 100, 0

    def _cover(self, said: Mapping[str, Any], *, closed: bool) -> None:
        number = _head(said, self.heads)
        self.heads[number - 1].cover = closed
        self.wires.happened(f"cover-{number}-{'closed' if closed else 'open'}")

    def _heat(self, said: Mapping[str, Any]) -> None:
        head = self.heads[_head(said, self.heads) - 1]
        head.celsius = float(said.get("celsius", head.temperature(self._clock())))
        head.c_per_s, head.since_s = float(said.get("c_per_h", 0.0)) / 3600, self._clock()

    def _mount(self, said: Mapping[str, Any]) -> None:
        self.heads[_head(said, self.heads) - 1].collimator = int(said.get("code", 0)) & 0xFFFF


def _some(table: Mapping[int, Any], address: int, count: int) -> list[Any]:
    if any(each not in table for each in range(address, address + count)):
        raise ModbusError(ILLEGAL_ADDRESS)
    return [table[each] for each in range(address, address + count)]


def _head(said: Mapping[str, Any], heads: Sequence[Head]) -> int:
    number = said.get("head", 1)
    if not isinstance(number, int) or not 1 <= number <= len(heads):
        raise UsageError(f"head {number!r}: 1 to {len(heads)} are there")
    return number
