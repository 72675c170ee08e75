"""A Trinamic module of up to six stepper motors, by TMCL (TMCM-6212; axis parameters by pytrinamic 0.2.26).

Nine bytes each way; bytes 4 to 7 a signed number, the last one the sum. It counts microsteps and knows speeds in
microsteps per second. It does not remember that it was homed; user variables (bank 2) keep what they were told until it
loses power. A stalled motor stops by itself and says so once (axis parameter 207). Global parameter 68 is its watchdog:
without a command for so many milliseconds all motors stop.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from simulators.instruments.machine import Done
from simulators.instruments.motors import Motors
from simulators.instruments.moving import Motor

_LENGTH = 9
_MODULE, _VERSION, _WHO = 6212, 0x010B, 136
DONE, WRONG_SUM, NO_COMMAND, WRONG_TYPE, WRONG_VALUE = 100, 1, 2, 3, 4
HEARTBEAT = 68
_BODY = struct.Struct(">BBBBi")
_MOST_SPEED = 7_999_774
_HOST = 2
_USERS, _SERIAL = 56, 55
"""User variables, and the one in which a site keeps a serial number."""
_KEPT = (5, 6, 7, 12, 13, 140, 181, 193, 194, 195)
_SEARCH_S = 0.2
"""The least that a search for the reference takes: it leaves the switch and meets it again."""
_GAP_S = 0.05
"""A frame that pauses for longer is forgotten."""


class _WrongError(Exception):
    """The status of a request that is wrong."""


class Tmcl:
    """One module. `number`: its address on the bus. `serial`: user variable 55, which its EEPROM keeps."""

    def __init__(
        self, *, axes: int = 6, number: int = 1, serial: int = 1001, least: float = 0.0,
        most: float = 1_000_000.0, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.number, self.serial = number, serial
        self.clock = clock
        self.motors = Motors(axes, least=least, most=most, speed=51_200.0, clock=clock)
        self.motors.rebooted = self._forget
        self._forget()

    def talk(self) -> TmclTalk:
        """Return a conversation."""
        return TmclTalk(self)

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it."""
        return {**self.motors.deeds(), "swap": self._swap}

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {**self.motors.told(), "heartbeat_ms": self._heartbeat_ms, "searching": list(self._searching)}

    def answer(self, frame: bytes) -> bytes | None:
        """Return the reply to a frame; None where another module is meant."""
        module, command, kind, motor, value = _BODY.unpack(frame[:-1])
        if self.motors.deaf or module != self.number:
            return None
        if command == _WHO and kind == 0:
            return bytes([_HOST]) + f"{_MODULE}V{_VERSION >> 8}{_VERSION & 0xFF:02d}".encode()
        status, told = DONE, value
        if sum(frame[:-1]) & 0xFF != frame[-1]:
            status = WRONG_SUM
        else:
            self._look()
            self._fed()
            try:
                told = self._do(command, kind, motor, value)
            except _WrongError as why:
                status = int(str(why))
        body = _BODY.pack(_HOST, self.number, status, command, told)
        return body + bytes([sum(body) & 0xFF])

    def _do(self, command: int, kind: int, number: int, value: int) -> int:
        known: dict[int, Callable[[int, int, int], int]] = {
            1: lambda _, at, speed: self._run(at, speed), 2: lambda _, at, speed: self._run(at, -speed),
            3: lambda _, at, __: self._stop(at), 4: self._move, 5: self._set_axis, 6: self._get_axis,
            9: self._set_global, 10: self._get_global, 11: self._store, 13: self._search,
            _WHO: lambda *_: _MODULE << 16 | _VERSION,
        }  # fmt: skip
        if command not in known:
            raise _WrongError(NO_COMMAND)
        return known[command](kind, number, value)

    def _motor(self, number: int) -> Motor:
        if not 0 <= number < len(self.motors):
            raise _WrongError(WRONG_VALUE)
        return self.motors.each[number]

    def _run(self, number: int, speed: int) -> int:
        motor = self._motor(number)
        if abs(speed) > _MOST_SPEED:
            raise _WrongError(WRONG_VALUE)
        if not motor.by_hand:
            motor.run(speed)
        return speed

    def _stop(self, number: int) -> int:
        self._motor(number).stop()
        return 0

    def _move(self, kind: int, number: int, value: int) -> int:
        motor = self._motor(number)
        if kind not in (0, 1):
            raise _WrongError(WRONG_TYPE)
        target = value + (motor.position if kind == 1 else 0.0)
        self._targets[number] = round(target)
        if not motor.by_hand:
            motor.go(target)
        return round(target)

    def _set_axis(self, kind: int, number: int, value: int) -> int:
        motor = self._motor(number)
        match kind:
            case 0:
                return self._move(0, number, value)
            case 1:
                motor.offset = value - motor.place
            case 2:
                return self._run(number, value)
            case 4:
                if not 0 < value <= _MOST_SPEED:
                    raise _WrongError(WRONG_VALUE)
                motor.speed = float(value)
            case _ if kind in _KEPT:
                self._kept[number, kind] = value
            case _:
                raise _WrongError(WRONG_TYPE)
        return value

    def _get_axis(self, kind: int, number: int, _: int) -> int:
        motor = self._motor(number)
        low, high = motor.switches
        known: dict[int, Callable[[], float]] = {
            0: lambda: self._targets[number], 1: lambda: motor.position, 2: lambda: motor.velocity,
            3: lambda: motor.velocity, 4: lambda: motor.speed,
            8: lambda: float(not motor.moving and round(motor.position) == self._targets[number]),
            10: lambda: float(high), 11: lambda: float(low), 207: lambda: self._flags_once(number),
        }  # fmt: skip
        if kind in known:
            return round(known[kind]())
        if kind in _KEPT:
            return self._kept.get((number, kind), 0)
        raise _WrongError(WRONG_TYPE)

    def _flags_once(self, number: int) -> int:
        flags, self._flags[number] = self._flags[number], 0
        return flags

    def _set_global(self, kind: int, bank: int, value: int) -> int:
        if (kind, bank) == (HEARTBEAT, 0):
            if not 0 <= value <= 65535:  # noqa: PLR2004 - 16 bits
                raise _WrongError(WRONG_VALUE)
            self._heartbeat_ms = value
            self._fed()
        elif bank == 2 and kind < _USERS:  # noqa: PLR2004 - the bank of user variables
            self._variables[kind] = value
        else:
            raise _WrongError(WRONG_TYPE)
        return value

    def _get_global(self, kind: int, bank: int, _: int) -> int:
        if (kind, bank) == (HEARTBEAT, 0):
            return self._heartbeat_ms
        if bank == 2 and kind < _USERS:  # noqa: PLR2004 - the bank of user variables
            return self._variables.get(kind, self.serial if kind == _SERIAL else 0)
        raise _WrongError(WRONG_TYPE)

    def _store(self, kind: int, bank: int, _: int) -> int:
        if (kind, bank) != (_SERIAL, 2):
            raise _WrongError(WRONG_TYPE)
        self.serial = self._variables.get(_SERIAL, self.serial)
        return self.serial

    def _search(self, kind: int, number: int, _: int) -> int:
        motor = self._motor(number)
        if kind == 0:
            if motor.obeys and motor.powered and not motor.by_hand:
                motor.go(motor.least, homing=True)
                self._searching[number], self._search_began_s[number] = True, self.clock()
            return 0
        if kind == 1:
            motor.stop()
            self._searching[number] = False
            return 0
        if kind == 2:  # noqa: PLR2004 - STATUS
            return int(self._searching[number])
        raise _WrongError(WRONG_TYPE)

    def _look(self) -> None:
        """Notice what stalls, what ended a search, and at which count it ended."""
        for number, motor in enumerate(self.motors):
            if motor.stalled and motor.moving:
                motor.stop()
                self._flags[number] |= 1
                self._searching[number] = False
            searched_s = self.clock() - self._search_began_s[number]
            if self._searching[number] and not motor.moving and searched_s >= _SEARCH_S:
                self._searching[number] = False
                if motor.homed:
                    motor.offset = -motor.place  # the reference is 0

    def _fed(self) -> None:
        self.motors.stop_by(self.clock() + 1e-3 * self._heartbeat_ms if self._heartbeat_ms else math.inf)

    def _forget(self) -> None:
        axes = len(self.motors)
        self._targets, self._flags, self._searching = [0] * axes, [0] * axes, [False] * axes
        self._search_began_s = [0.0] * axes
        self._variables: dict[int, int] = {}
        self._kept: dict[tuple[int, int], int] = {}
        self._heartbeat_ms = 0
        self._fed()

    def _swap(self, said: Mapping[str, Any]) -> None:
        self.serial = int(said.get("serial", 9999))
        self._variables.pop(_SERIAL, None)


class TmclTalk:
    """Frames of nine bytes, without any mark where one begins."""

    def __init__(self, module: Tmcl) -> None:
        self._module = module
        self._got = bytearray()
        self._heard_s = -math.inf

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return whole replies. What came long before is no part of a frame."""
        now_s = self._module.clock()
        if now_s - self._heard_s > _GAP_S:
            self._got.clear()
        self._heard_s = now_s
        self._got += data
        replies = []
        while len(self._got) >= _LENGTH:
            reply = self._module.answer(bytes(self._got[:_LENGTH]))
            del self._got[:_LENGTH]
            replies.append(reply)
        return [reply for reply in replies if reply is not None]
