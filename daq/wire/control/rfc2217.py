"""Telnet with the options of a serial port (RFC 854, 855, 856, 2217): bytes of a line, and how the line is set.

The far end is told speed, bits, parity, stop bits and flow control, and says for each what it does: only that is
proof. Bytes of value 255 are doubled on the way.
"""

from __future__ import annotations

from daq.errors import WireError
from daq.model.control import SerialLine

_IAC, _DONT, _DO, _WONT, _WILL, _SB, _SE = 255, 254, 253, 252, 251, 250, 240
_BARGAINS = (_DONT, _DO, _WONT, _WILL)
_BINARY, _SUPPRESS_GO_AHEAD, _COM_PORT = 0, 3, 44
_OURS = (_BINARY, _SUPPRESS_GO_AHEAD, _COM_PORT)
_BAUD, _BITS, _PARITY, _STOP, _CONTROL, _PURGE = 1, 2, 3, 4, 5, 12
_FROM_SERVER = 100
"""Commands of the server are those of the client, and 100."""
_PARITIES = {"none": 1, "odd": 2, "even": 3}
_FLOWS = {"none": 1, "xon-xoff": 2, "rts-cts": 3}
_WORDS = {_BAUD: "baud", _BITS: "bits", _PARITY: "parity", _STOP: "stop bits", _CONTROL: "flow control"}
_LONGEST = 64
"""Bytes of one subnegotiation; what is longer is nonsense."""


class TelnetPort:
    """One connection. `wanted` becomes `settled` when the far end has said of each setting that it is so."""

    def __init__(self, line: SerialLine) -> None:
        self._settings = {
            _BAUD: line.baud.to_bytes(4, "big"), _BITS: bytes([line.bits]), _PARITY: bytes([_PARITIES[line.parity]]),
            _STOP: bytes([line.stop]), _CONTROL: bytes([_FLOWS[line.flow]]),
        }  # fmt: skip
        self._open = set(self._settings)
        self._agreed: set[tuple[int, int]] = set()
        self._command = bytearray()

    @property
    def settled(self) -> bool:
        """Return True once the line is set as it was wanted."""
        return not self._open

    @property
    def missing(self) -> str:
        """Return what the far end has not confirmed yet."""
        return ", ".join(_WORDS[each] for each in sorted(self._open))

    def hello(self) -> bytes:
        """Return what is said first: both sides send bytes as they are, and this is about a serial port."""
        both = b"".join(bytes([_IAC, _WILL, each, _IAC, _DO, each]) for each in (_BINARY, _SUPPRESS_GO_AHEAD))
        return both + bytes([_IAC, _WILL, _COM_PORT])

    def escaped(self, data: bytes) -> bytes:
        """Return bytes for the line as they travel."""
        return data.replace(b"\xff", b"\xff\xff")

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what came; return the bytes of the line, and what must be answered. Raises `WireError`."""
        line, answer = bytearray(), bytearray()
        for byte in data:
            if not self._command and byte != _IAC:
                line.append(byte)
                continue
            self._command.append(byte)
            if len(self._command) > _LONGEST:
                raise WireError(f"a telnet command of more than {_LONGEST} bytes: {bytes(self._command[:16]).hex(' ')}")
            done = self._whole(line, answer)
            if done:
                self._command.clear()
        return bytes(line), bytes(answer)

    def _whole(self, line: bytearray, answer: bytearray) -> bool:
        """Return True where a command is whole, and do what it says."""
        command = self._command
        verb = command[1] if len(command) > 1 else None
        if verb == _SB:
            whole = len(command) > 3 and command[-2:] == bytes([_IAC, _SE]) and not self._halves(command)  # noqa: PLR2004
            if whole:
                self._take(bytes(command[2:-2]).replace(b"\xff\xff", b"\xff"))
        elif verb in _BARGAINS:
            whole = len(command) == 3  # noqa: PLR2004
            if whole:
                answer += self._agree(verb, command[2])
        else:
            whole = verb is not None  # 255, doubled; or a command without parameter, e.g. "no operation"
            if verb == _IAC:
                line.append(_IAC)
        return whole

    def _halves(self, command: bytearray) -> bool:
        """Return True where the last IAC is the second half of a doubled one, so that SE is a value."""
        count = 0
        while command[-2 - count] == _IAC:
            count += 1
        return count % 2 == 0

    def _agree(self, verb: int, option: int) -> bytes:
        """Answer one demand or offer; each is answered once, so that two ends never answer each other for ever."""
        if verb in (_DONT, _WONT):
            if option == _BINARY or (verb, option) == (_DONT, _COM_PORT):
                what = "bytes as they are" if option == _BINARY else "settings of a serial port"
                raise WireError(f"the far end refuses {what}: it is no server of RFC 2217")
            return b""
        if (verb, option) in self._agreed:
            return b""
        self._agreed.add((verb, option))
        if option not in _OURS:
            return bytes([_IAC, _WONT if verb == _DO else _DONT, option])
        return self._set_line() if (verb, option) == (_DO, _COM_PORT) else b""

    def _set_line(self) -> bytes:
        said = [(which, value) for which, value in self._settings.items()] + [(_PURGE, b"\x03")]
        return b"".join(
            bytes([_IAC, _SB, _COM_PORT, which]) + self.escaped(value) + bytes([_IAC, _SE]) for which, value in said
        )

    def _take(self, said: bytes) -> None:
        """Take what the far end says it does."""
        if len(said) < 2 or said[0] != _COM_PORT:  # noqa: PLR2004
            return
        which, value = said[1] - _FROM_SERVER, said[2:]
        wanted = self._settings.get(which)
        if wanted is None or which not in self._open:
            return
        if value != wanted:
            is_, should = int.from_bytes(value, "big"), int.from_bytes(wanted, "big")
            raise WireError(f"the far end sets {_WORDS[which]} to {is_} by RFC 2217, {should} was wanted")
        self._open.discard(which)
