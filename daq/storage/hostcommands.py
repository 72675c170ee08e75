"""What the host did to a recording and no packet tells: read back from the marks, so that a replay does it again.

Every such mark says after how many packets it was made.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, Self

from daq.errors import FormatError, UsageError
from daq.model.stop import StopCondition, parse_stop
from daq.storage.derive import Derivation, Rows
from daq.storage.reader import ListMode

_COMMANDS = ("operator", "shed", "step", "pause", "resume", "flush", "stop")


class _Command(NamedTuple):
    kind: str
    time_ps: int
    seen: int
    text: str


@dataclass(slots=True)
class HostCommands:
    """The host's clock and commands, in the order in which they were given."""

    utc_ns: deque[int]
    commands: deque[_Command]

    @classmethod
    def of(cls, recording: ListMode) -> Self:
        """Read the marks of `recording`."""
        utc: deque[int] = deque()
        commands: deque[_Command] = deque()
        if "marks" in recording.streams:
            for batch in recording.batches("marks", ["time_ps", "kind", "value", "text"]):
                columns = (batch.column(name).to_pylist() for name in ("time_ps", "kind", "value", "text"))
                for time_ps, kind, value, text in zip(*columns, strict=True):
                    if kind == "clock":
                        utc.append(value)
                    elif kind in _COMMANDS:
                        commands.append(_Command(kind, time_ps, value, text))
        return cls(utc, commands)

    def next_utc(self, _: int) -> int:
        """Return UTC of the next `clock` mark, ns."""
        return self.utc_ns.popleft() if self.utc_ns else 0

    def next_break(self) -> int | None:
        """Return the number of packets after which the host did something next."""
        return self.commands[0].seen if self.commands else None

    def due(self, derivation: Derivation) -> Rows:
        """Do what is due after the packets seen, return the rows it gives."""
        rows: Rows = {}
        while self.commands and self.commands[0].seen <= derivation.packets_seen:
            for stream, runs in _again(derivation, self.commands.popleft()).items():
                rows.setdefault(stream, []).extend(runs)
        return rows


def _again(derivation: Derivation, command: _Command) -> Rows:
    """Do to `derivation` what was done live. A stop that the data decided is decided by them again."""
    if command.kind == "step":
        return derivation.step(_condition(command.text), command.text)
    if command.kind == "stop":
        return derivation.stop_now(command.text)
    if command.kind in ("pause", "resume", "flush"):
        again = {"pause": derivation.pause, "resume": derivation.resume, "flush": derivation.flush}
        return again[command.kind]()
    if command.kind == "shed":
        derivation.withhold_jumps()
    return derivation.mark(command.kind, time_ps=command.time_ps, text=command.text)


def _condition(text: str) -> StopCondition:
    """Return the condition of a step mark: `name: condition`, or the condition alone."""
    try:
        return parse_stop([text.rpartition(": ")[2]])
    except UsageError as why:
        raise FormatError(f"the step mark {text!r}: {why}") from None
