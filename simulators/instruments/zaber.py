"""Zaber controllers by their ASCII protocol, version 2 (Zaber Technologies, ASCII protocol manual, firmware 7).

`/device axis id command` gives `@device axis id OK|RJ BUSY|IDLE warning data`. Positions are microsteps, `maxspeed` is
in microsteps per second times 1.6384. Warnings: FD driver without power, FS stalled, FE ran into a limit switch, WR no
reference, NC moved by hand, NI a movement was interrupted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from simulators.instruments.machine import Done, LineTalk
from simulators.instruments.motors import Motors
from simulators.instruments.moving import Motor

SPEED_OF_DATA = 1.6384
_REQUEST = re.compile(
    r"/(?:(?P<device>\d+)(?: (?P<axis>\d)(?: (?P<id>\d+|--))?)?)? ?(?P<command>[^:]*)(?::(?P<lrc>[0-9A-F]{2}))?"
)
_STALL_S = 0.2


class Zaber:
    """One device with `axes` motors."""

    def __init__(
        self, *, device: int = 1, axes: int = 1, serial: str = "45678", most: float = 1_000_000.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.device, self.serial, self.device_id, self.version = device, serial, "30222", "7.38"
        self._clock = clock
        self.motors = Motors(axes, least=0.0, most=most, speed=100_000.0, clock=clock)
        self.motors.rebooted = self._forget
        self._stalled_s: dict[int, float] = {}
        self._faults: dict[int, str] = {}

    def talk(self) -> LineTalk:
        """Return a conversation."""
        return LineTalk(self.answer, end=b"\n", reply_end=b"\r\n")

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return self.motors.told()

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {**self.motors.deeds(), "swap": lambda said: setattr(self, "serial", str(said.get("serial", "99999")))}

    def answer(self, line: str) -> str | None:
        """Return the reply to one line; None where another device is meant, or the checksum is wrong."""
        line = line.rstrip("\r")
        found = _REQUEST.fullmatch(line)
        if self.motors.deaf or found is None or not self._sum_fits(line, found["lrc"]):
            return None
        if found["device"] not in (None, "0", "00", str(self.device), f"{self.device:02d}"):
            return None
        axis = int(found["axis"] or 0)
        tag = f" {found['id']}" if found["id"] else ""
        if axis > len(self.motors):
            return f"@{self.device:02d} {axis}{tag} RJ IDLE -- BADAXIS"
        self._look()
        flag, data = self._do(axis, found["command"].strip().split(" "))
        chosen = self._chosen(axis)
        busy = "BUSY" if any(motor.moving for motor in chosen) else "IDLE"
        return f"@{self.device:02d} {axis}{tag} {flag} {busy} {self._warning(chosen)} {data}"

    def _do(self, axis: int, words: list[str]) -> tuple[str, str]:
        chosen = self._chosen(axis)
        match words:
            case ["get", name]:
                return self._get(chosen, name)
            case ["set", "maxspeed", number] if _is_number(number):
                for motor in chosen:
                    motor.speed = float(number) / SPEED_OF_DATA
                return "OK", "0"
            case ["stop" | "estop" | ""]:
                for motor in chosen if words[0] else ():
                    self._interrupt(motor)
                return "OK", "0"
            case ["warnings", *_]:
                return "OK", self._warnings(chosen, clear=words[-1] == "clear")
            case ["home" | "move", *_]:
                return self._begin(chosen, words)
        return "RJ", "BADCOMMAND"

    def _begin(self, chosen: list[Motor], how: list[str]) -> tuple[str, str]:
        number = float(how[-1]) if _is_number(how[-1]) else None
        known: dict[tuple[str, ...], Callable[[Motor], None]] = {
            ("home",): lambda motor: motor.go(motor.least, homing=True),
            ("move", "min"): lambda motor: motor.run(-motor.speed),
            ("move", "max"): lambda motor: motor.run(motor.speed),
        }
        if number is not None:
            known[("move", "abs", how[-1])] = lambda motor: motor.go(number)
            known[("move", "rel", how[-1])] = lambda motor: motor.go(motor.position + number)
            known[("move", "vel", how[-1])] = lambda motor: motor.run(number / SPEED_OF_DATA)
        move = known.get(tuple(how))
        if move is None or (how[1:2] == ["abs"] and not all(_may_go(motor, number) for motor in chosen)):
            return "RJ", "BADDATA"
        return self._move(chosen, move)

    def _move(self, chosen: list[Motor], how: Callable[[Motor], None]) -> tuple[str, str]:
        if not all(motor.powered for motor in chosen):
            return "RJ", "DRIVERDISABLED"
        if any(motor.by_hand for motor in chosen):
            return "RJ", "STATUSBUSY"
        for motor in chosen:
            self._faults.pop(id(motor), None)
            how(motor)
        return "OK", "0"

    def _get(self, chosen: list[Motor], name: str) -> tuple[str, str]:
        device = {
            "deviceid": self.device_id, "device.id": self.device_id, "system.serial": self.serial,
            "version": self.version, "system.axiscount": str(len(self.motors)), "comm.packet.size.max": "80",
            "comm.command.packets.max": "1", "comm.word.size.max": "50", "resolution": "64",
            "peripheralid": "0", "peripheral.id": "0",
        }  # fmt: skip
        if name in device:
            return "OK", device[name]
        axis: dict[str, Callable[[Motor], float]] = {
            "pos": lambda motor: motor.position, "maxspeed": lambda motor: motor.speed * SPEED_OF_DATA,
            "limit.min": lambda motor: motor.least, "limit.max": lambda motor: motor.most,
            "vel": lambda motor: motor.velocity * SPEED_OF_DATA,
            "limit.home.triggered": lambda motor: float(motor.homed),
        }  # fmt: skip
        if name not in axis:
            return "RJ", "BADCOMMAND"
        return "OK", " ".join(f"{axis[name](motor):.0f}" for motor in chosen)

    def _look(self) -> None:
        """Notice what stalls, after a moment in which the motor tries, and what ran into a switch."""
        for motor in self.motors:
            if not (motor.stalled and motor.moving):
                self._stalled_s.pop(id(motor), None)
            elif self._clock() - self._stalled_s.setdefault(id(motor), self._clock()) > _STALL_S:
                motor.stop()
                self._faults[id(motor)] = "FS"
            if any(motor.switches) and motor.least < motor.place < motor.most:
                self._faults[id(motor)] = "FE"

    def _warning(self, chosen: list[Motor]) -> str:
        found = [self._faults[id(motor)] for motor in chosen if id(motor) in self._faults]
        states = [
            ("FD", not all(motor.powered for motor in chosen)), *((fault, fault != "NI") for fault in found),
            ("WR", not all(motor.homed for motor in chosen)), ("NC", any(motor.by_hand for motor in chosen)),
            ("NI", "NI" in found),
        ]  # fmt: skip
        return next((flag for flag, so in states if so), "--")

    def _warnings(self, chosen: list[Motor], *, clear: bool) -> str:
        found = [self._warning([motor]) for motor in chosen]
        flags = sorted({flag for flag in found if flag != "--"})
        if clear:
            self._faults.clear()
        return " ".join([f"{len(flags):02d}", *flags])

    def _interrupt(self, motor: Motor) -> None:
        if motor.moving:
            self._faults.setdefault(id(motor), "NI")
        motor.stop()

    def _forget(self) -> None:
        self._faults.clear()
        self._stalled_s.clear()

    def _chosen(self, axis: int) -> list[Motor]:
        return [self.motors[axis]] if axis else self.motors.each

    @staticmethod
    def _sum_fits(line: str, lrc: str | None) -> bool:
        return lrc is None or f"{-sum(line[1:-3].encode()) & 0xFF:02X}" == lrc


def _may_go(motor: Motor, target: float | None) -> bool:
    return motor.homed and target is not None and motor.least <= target <= motor.most


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
