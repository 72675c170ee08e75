"""PI motion controllers by the General Command Set 2 (Physik Instrumente, MS249E for the C-863.12, version 1.2.1).

Lines of words: `MOV 1 10 2 5` says nothing; `POS? 1 2` gives `1=10.00000` a line, each but the last ends with a space
before its LF. What was wrong stays in `ERR?` until it is asked. Single bytes: 4 status, 5 which axes move, 7 ready, 24
stop all. Positions in mm or degrees. A servo that cannot follow switches itself off (-1024).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulators.instruments.machine import Done
from simulators.instruments.motors import Motors
from simulators.instruments.moving import Motor

_FOLLOWS_S = 0.1
"""So long a servo tries; by then what it should have gone is too far ahead."""
_ON_TARGET = 1e-4
_MOST_BYTES = 4096
_MAKER = "(c)2015 Physik Instrumente (PI) GmbH & Co. KG"
SYNTAX, UNKNOWN, NOT_READY, POSITION, VELOCITY, STOPPED, AXIS = 1, 2, 5, 7, 8, 10, 15
JOYSTICK, LIMIT, MOTION = 51, 216, -1024
_HELP = (
    "*IDN? Get Device Identification", "ERR? Get Error Number", "FNL [{<AxisID>}] Fast Move To Negative Limit",
    "FRF [{<AxisID>}] Fast Move To Reference Switch", "FRF? [{<AxisID>}] Get Referencing Result",
    "HLP? Get List of Available Commands", "HLT [{<AxisID>}] Halt Motion Smoothly",
    "MOV {<AxisID> <Position>} Set Target Position", "MOV? [{<AxisID>}] Get Target Position",
    "MVR {<AxisID> <Distance>} Set Target Relative", "ONT? [{<AxisID>}] Get On Target State",
    "POS? [{<AxisID>}] Get Real Position", "RBT Reboot System", "SAI? [ALL] Get List of Current Axis Identifiers",
    "SRG? {<ItemID> <RegisterID>} Query Status Register Value", "SSN? Get Device Serial Number", "STP Stop All Axes",
    "SVO {<AxisID> <ServoState>} Set Servo Mode", "SVO? [{<AxisID>}] Get Servo Mode",
    "TMN? [{<AxisID>}] Get Minimum Commandable Position", "TMX? [{<AxisID>}] Get Maximum Commandable Position",
    "VEL {<AxisID> <Velocity>} Set Closed-Loop Velocity", "VEL? [{<AxisID>}] Get Closed-Loop Velocity",
    "VER? Get Versions Of Firmware And Drivers",
)  # fmt: skip


class _WrongError(Exception):
    """What a request is wrong with, as `ERR?` says it."""


class Gcs:
    """One controller with `axes` motors. `model`, `serial`, `version`: as `*IDN?` says them."""

    def __init__(
        self, *, axes: int = 4, model: str = "C-884.4DC", serial: str = "0121000001", least: float = 0.0,
        most: float = 400.0, fastest: float = 50.0, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.model, self.serial, self.version = model, serial, "2.2.0.0"
        self.motors = Motors(axes, least=least, most=most, speed=fastest, clock=clock)
        self.motors.rebooted = self._start
        self._clock, self._fastest = clock, fastest
        self._start()

    def talk(self) -> GcsTalk:
        """Return a conversation."""
        return GcsTalk(self)

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {**self.motors.deeds(), "swap": lambda said: setattr(self, "serial", str(said.get("serial", "99999")))}

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {**self.motors.told(), "servo": list(self._servo), "error": self.error}

    def answer(self, line: str) -> str | None:
        """Return the reply to a line, its lines apart by a space and LF; None where it says nothing."""
        if self.motors.deaf:
            return None
        self.look()
        words = line.split()
        if not words:
            return None
        try:
            if words[0].endswith("?"):
                return self._asked(words[0][:-1], words[1:])
            self._told(words[0], words[1:])
        except _WrongError as why:
            self.error = int(str(why))
        return None

    def at_once(self, byte: int) -> str | None:
        """Do what a single byte says; return the reply."""
        if self.motors.deaf:
            return None
        self.look()
        if byte == 24:  # noqa: PLR2004 - the protocol's number
            self._stop(self.motors.each)
            return None
        moving = sum(1 << number for number, motor in enumerate(self.motors) if motor.moving)
        ready = chr(0xB1)
        return {4: f"0x{self._register(1):04X}", 5: f"{moving:X}", 7: ready}[byte]

    def look(self) -> None:
        """Notice what cannot follow, and what ran into a switch: its motion stops."""
        now_s = self._clock()
        for number, motor in enumerate(self.motors):
            if not (motor.stalled and motor.moving):
                self._stalled_s.pop(number, None)
            elif now_s - self._stalled_s.setdefault(number, now_s) > _FOLLOWS_S:
                self._give_up(number, MOTION)
            if self._servo[number] and not motor.powered:
                self._give_up(number, MOTION)
            if any(motor.switches) and motor.least < motor.place < motor.most and number not in self._hit:
                self._hit.add(number)
                self.error = LIMIT

    def _start(self) -> None:
        self._servo = [False] * len(self.motors)
        self._target = [0.0] * len(self.motors)
        self._stalled_s: dict[int, float] = {}
        self._hit: set[int] = set()
        self.error = 0

    def _give_up(self, number: int, error: int) -> None:
        self.motors.each[number].stop()
        self._servo[number], self.error = False, error

    def _asked(self, what: str, words: list[str]) -> str:
        told: dict[str, Callable[[], str]] = {
            "*IDN": lambda: f"{_MAKER}, {self.model}, {self.serial}, {self.version}",
            "ERR": self._error_once, "SSN": lambda: self.serial, "VER": lambda: f"FW_DSP: {self.version}",
            "SAI": lambda: " \n".join(str(number + 1) for number in range(len(self.motors))),
            "HLP": lambda: " \n".join(["The following commands are valid:", *_HELP, "end of help"]),
            "SRG": lambda: self._registers(words[::2]),
        }  # fmt: skip
        return told[what]() if what in told else self._each(what, self._axes(words))

    def _error_once(self) -> str:
        error, self.error = self.error, 0
        return str(error)

    def _registers(self, words: list[str]) -> str:
        return " \n".join(f"{number + 1} 1=0x{self._register(number + 1):04X}" for number in self._axes(words))

    def _each(self, what: str, numbers: Sequence[int]) -> str:
        known: dict[str, Callable[[int, Motor], str]] = {
            "POS": lambda _, motor: f"{motor.position:.5f}", "MOV": lambda number, _: f"{self._target[number]:.5f}",
            "VEL": lambda _, motor: f"{motor.speed:.5f}", "TMN": lambda _, motor: f"{motor.least:.5f}",
            "TMX": lambda _, motor: f"{motor.most:.5f}", "SVO": lambda number, _: str(int(self._servo[number])),
            "FRF": lambda _, motor: str(int(motor.homed)), "ONT": lambda number, _: str(int(self._on_target(number))),
        }  # fmt: skip
        if what not in known:
            raise _WrongError(UNKNOWN)
        return " \n".join(f"{number + 1}={known[what](number, self.motors.each[number])}" for number in numbers)

    def _told(self, what: str, words: list[str]) -> None:
        match what:
            case "HLT":
                self._stop([self.motors.each[number] for number in self._axes(words)])
            case "STP":
                self._stop(self.motors.each)
            case "RBT":
                self.deeds()["reboot"]({})
            case "FRF" | "FNL":
                for number in self._axes(words):
                    self._reference(number)
            case "MOV" | "MVR" | "VEL" | "SVO":
                self._set(what, [(number, self._number(text)) for number, text in self._pairs(words)])
            case _:
                raise _WrongError(UNKNOWN)

    def _set(self, what: str, pairs: list[tuple[int, float]]) -> None:
        """Set all of them, or none where one is wrong."""
        motors = self.motors.each
        if what == "VEL":
            if not all(0 < number <= self._fastest for _, number in pairs):
                raise _WrongError(VELOCITY)
            for axis, number in pairs:
                motors[axis].speed = number
        elif what == "SVO":
            for axis, number in pairs:
                self._switch(axis, on=number != 0)
        else:
            targets = [(axis, number + (motors[axis].position if what == "MVR" else 0.0)) for axis, number in pairs]
            for axis, target in targets:
                self._require_ready(axis, target)
            for axis, target in targets:
                self._target[axis] = target
                self._hit.discard(axis)
                motors[axis].go(target)

    def _switch(self, axis: int, *, on: bool) -> None:
        motor = self.motors.each[axis]
        if on and not motor.powered:
            raise _WrongError(MOTION)
        if not on:
            motor.stop()
        self._servo[axis], self._target[axis] = on, motor.position

    def _require_ready(self, axis: int, target: float) -> None:
        motor = self.motors.each[axis]
        if motor.by_hand:
            raise _WrongError(JOYSTICK)
        if not (self._servo[axis] and motor.homed):
            raise _WrongError(NOT_READY)
        if not motor.least <= target <= motor.most:
            raise _WrongError(POSITION)

    def _reference(self, number: int) -> None:
        motor = self.motors.each[number]
        if motor.by_hand:
            raise _WrongError(JOYSTICK)
        if not self._servo[number]:
            raise _WrongError(NOT_READY)
        self._hit.discard(number)
        motor.go(motor.least, homing=True)
        self._target[number] = motor.least

    def _stop(self, motors: Sequence[Motor]) -> None:
        for motor in motors:
            if not motor.by_hand:
                motor.stop()
        self.error = STOPPED

    def _on_target(self, number: int) -> bool:
        motor = self.motors.each[number]
        near = abs(motor.position - self._target[number]) <= _ON_TARGET
        return self._servo[number] and near and not motor.moving

    def _register(self, axis: int) -> int:
        motor, number = self.motors[axis], axis - 1
        low, high = motor.switches
        bits = {
            15: self._on_target(number), 14: motor.homing, 13: motor.moving, 12: self._servo[number],
            8: self.error != 0, 2: high, 0: low,
        }  # fmt: skip
        return sum(1 << bit for bit, so in bits.items() if so)

    def _axes(self, words: Sequence[str]) -> list[int]:
        """Return the axes that are named, from 0; all where none is."""
        known = {str(number + 1): number for number in range(len(self.motors))}
        if any(word not in known for word in words):
            raise _WrongError(AXIS)
        return [known[word] for word in words] or list(known.values())

    def _pairs(self, words: list[str]) -> list[tuple[int, str]]:
        if not words or len(words) % 2:
            raise _WrongError(SYNTAX)
        return list(zip(self._axes(words[::2]), words[1::2], strict=True))

    @staticmethod
    def _number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise _WrongError(SYNTAX) from None


class GcsTalk:
    """Lines that end with LF, and single bytes between them that are done at once."""

    def __init__(self, gcs: Gcs) -> None:
        self._gcs = gcs
        self._line = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return whole replies."""
        replies = []
        for byte in data:
            if byte in (4, 5, 7, 24):
                replies.append(self._gcs.at_once(byte))
            elif byte == 10:  # noqa: PLR2004 - LF
                replies.append(self._gcs.answer(self._line.decode("ascii", errors="replace")))
                self._line.clear()
            elif len(self._line) < _MOST_BYTES:
                self._line.append(byte)
        return [reply.encode("latin-1") + b"\n" for reply in replies if reply is not None]
