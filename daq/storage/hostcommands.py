"""What the host did to a recording and no packet tells: read back from the marks, so that a replay does it again.

Every such mark says after how many packets it was made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

from daq.errors import FormatError, UsageError
from daq.model.events import NO_SOURCE
from daq.model.stop import StopCondition, parse_stop
from daq.storage.derive import Derivation, Rows
from daq.storage.derivedmarks import SHED_PAIRS
from daq.storage.hostmarks import AxisPlace, one_mark
from daq.storage.reader import ListMode
from daq.storage.steps import MOVING, WHOLE

_COMMANDS = (
    "operator", "shed", "step", "pause", "resume", "flush", "stop", "motion_lost", "hand_over", "injection", "silent",
    "heard", "axes",
)  # fmt: skip

_OF_SOURCES = ("silent", "heard")


class _Command(NamedTuple):
    kind: str
    time_ps: int
    seen: int
    value2: float
    text: str
    source: int = NO_SOURCE
    places: tuple[AxisPlace, ...] = ()
    """Of `axes`: those that were told then."""


@dataclass(slots=True)
class HostCommands:
    """The host's clock and commands, in the order in which they were given."""

    utc_ns: deque[int]
    commands: deque[_Command]
    start: _Command | None = None

    @classmethod
    def of(cls, recording: ListMode) -> Self:
        """Read the marks of `recording`."""
        utc: deque[int] = deque()
        commands: deque[_Command] = deque()
        start: _Command | None = None
        names = ["kind", "time_ps", "value", "value2", "text", "source"]
        for batch in recording.batches("marks", names) if "marks" in recording.streams else ():
            for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                mark = _Command(*row)
                if mark.kind == "clock":
                    utc.append(mark.seen)
                elif mark.kind in _COMMANDS:
                    commands.append(mark)
                elif mark.kind == "position" and commands and commands[-1].kind == "axes":
                    told = AxisPlace(mark.text, mark.time_ps, mark.value2, mark.seen != 0)
                    commands[-1] = commands[-1]._replace(places=(*commands[-1].places, told))
                elif mark.kind == "start":
                    start = start or mark
        return cls(utc, commands, start)

    def begin(self, derivation: Derivation) -> Rows:
        """Return the mark of the beginning."""
        if self.start is None:
            return derivation.start()
        return derivation.start(self.start.text, moving=self.start.value2 == MOVING)

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
        return derivation.step(_condition(command.text), command.text, moving=command.value2 == MOVING)
    if command.kind == "stop":
        decided = derivation.decides(command.text)  # where it releases the deciding pair
        return {} if decided else derivation.stop_now(command.text, whole=command.value2 == WHOLE)
    if command.kind == "motion_lost":
        return derivation.motion_lost(command.text)
    again: dict[str, Callable[[], Rows]] = {
        "pause": derivation.pause, "resume": derivation.resume, "flush": derivation.flush,
        "axes": lambda: derivation.positions(command.places),
    }  # fmt: skip
    if command.kind in again:
        return again[command.kind]()
    if command.kind == "shed":
        derivation.shed(pairs_alone=command.text == SHED_PAIRS)
    if command.kind in _OF_SOURCES:
        return source_noted(derivation, command.kind, command.source, command.value2, command.text)
    return derivation.mark(command.kind, time_ps=command.time_ps, text=command.text)


def source_noted(derivation: Derivation, kind: str, source: int, value2: float, text: str) -> Rows:
    """Return the mark that says, after the packets seen, that a source is `silent`, or `heard` again."""
    seen, now_ps = derivation.packets_seen, derivation.latest_ps
    return {"marks": [one_mark(kind, now_ps, value=seen, value2=value2, text=text, source=source)]}


def _condition(text: str) -> StopCondition:
    """Return the condition of a step mark: `name: condition`, or the condition alone."""
    try:
        return parse_stop([text.rpartition(": ")[2]])
    except UsageError as why:
        raise FormatError(f"the step mark {text!r}: {why}") from None
