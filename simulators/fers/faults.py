"""What can go wrong with a board: sensors, events, configuration, connections; and when it does."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError
from simulators.faults.board import FaultBoard
from simulators.faults.network import Fault
from simulators.faults.spec import FaultKind, FaultSpec
from simulators.fers.encoding import Words
from simulators.fers.events import EventMaker
from simulators.fers.registers import CHANNELS
from simulators.fers.signals import Block

_WINDOW = ("source", "from_s", "until_s")
_SHARE = (("share",),)
_AT = (("at_s",),)
_CHANNEL = (("channel", "at_s"),)
_SPELL = ("for_s", "source")

KINDS: dict[str, FaultKind] = {
    "dead-channel": FaultKind("a channel that sees no light any more", _CHANNEL, _SPELL),
    "noisy-channel": FaultKind("a channel that triggers `cps` times a second by itself",
                               (("channel", "at_s", "cps"),), _SPELL),
    "saturated": FaultKind("a channel whose converter says full scale", _CHANNEL, _SPELL),
    "no-service": FaultKind("no service events, for ever or for `for_s`", _AT, _SPELL),
    "lie": FaultKind("events whose header says another length than they have", _SHARE, _WINDOW),
    "refuse": FaultKind("writes that the board refuses", _SHARE, ("source",)),
    "stuck": FaultKind("writes that are acknowledged and change nothing", _SHARE, ("source",)),
    "asic": FaultKind("set-ups of a chip that arrive with a wrong bit; the status says so", _SHARE, ("source",)),
    "trip": FaultKind("the bias supply switches off: its current is above the limit", _AT, _SPELL),
    "cut": FaultKind("the connection of the stream is closed", _AT, ("source",)),
    "unplug": FaultKind("nothing goes either way, for ever or for `for_s`; events meanwhile are lost", _AT, _SPELL),
    "reboot": FaultKind("dead for `for_s`, connections closed, then as after power-on", (("at_s", "for_s"),),
                        ("source",)),
}  # fmt: skip

_LIES = (1, -1, 7, -7, 200, 0xFFFFFF)
"""By how much a length is wrong; the last is what it says."""
_NOISE_SIGNAL = 900
_MOST_NOISE_CPS = 1e7


class FersRules:
    """Says no to faults of boards that are not there, and to noise beyond what can be made in time."""

    def __init__(self, boards: int) -> None:
        self._boards = boards

    def check(self, spec: FaultSpec) -> None:
        """Raise `UsageError` for a fault that makes no sense here."""
        if spec.source is not None and spec.source >= self._boards:
            raise UsageError(f"fault {spec.text!r}: there are boards 0 to {self._boards - 1}")
        if (spec.cps or 0) > _MOST_NOISE_CPS:
            raise UsageError(f"fault {spec.text!r}: at most {_MOST_NOISE_CPS:g} events per second")

    @staticmethod
    def refused_on(spec: FaultSpec, wire: str) -> str:
        """Return why a wire cannot have a fault: a board can have all."""
        del spec, wire
        return ""


class _OfBoard:
    """The faults of one board, and a generator for each of them."""

    def __init__(self, board: FaultBoard, number: int) -> None:
        self._board, self._number = board, number
        self._rngs: dict[int, np.random.Generator] = {}

    @property
    def active(self) -> bool:
        """Tell whether there may be faults."""
        return self._board.active

    def of(self, *kinds: str) -> list[Fault]:
        """Return the faults of these kinds."""
        if not self._board.active:
            return []
        faults = self._board.faults("tcp")
        return [f for f in faults if f.spec.kind in kinds and f.spec.source in (None, self._number)]

    def at(self, kind: str, seconds: float) -> list[Fault]:
        """Return the faults of a kind that are on `seconds` after the run began."""
        return [fault for fault in self.of(kind) if is_on(fault.spec, seconds)]

    def rng(self, fault: Fault) -> np.random.Generator:
        """Return the generator of a fault."""
        return self._rngs.setdefault(
            fault.number, np.random.default_rng([self._board.seed, fault.number, self._number])
        )


def is_on(spec: FaultSpec, seconds: float) -> bool:
    """Tell whether a fault that begins at some time is on."""
    begins = spec.at_s or 0.0
    return begins <= seconds and (spec.for_s is None or seconds < begins + spec.for_s)


class WriteFaults:
    """Draws for each write; `counts` says what happened."""

    def __init__(self, board: FaultBoard, number: int) -> None:
        self.counts: Counter[str] = Counter()
        self._faults = _OfBoard(board, number)

    def refused(self) -> bool:
        """Tell whether the next write is refused."""
        return self._hit("refuse")

    def stuck(self) -> bool:
        """Tell whether the next write is acknowledged without effect."""
        return self._hit("stuck")

    def asic_damaged(self) -> bool:
        """Tell whether the next stream into a chip arrives damaged."""
        return self._hit("asic")

    def _hit(self, kind: str) -> bool:
        for fault in self._faults.of(kind):
            if self._faults.rng(fault).random() < (fault.spec.share or 0.0):
                self.counts[kind] += 1
                return True
        return False


class RunFaults:
    """Faults of light and events in one run; `counts` says what happened."""

    def __init__(self, board: FaultBoard, number: int) -> None:
        self.counts: Counter[str] = Counter()
        self._faults = _OfBoard(board, number)

    def begin(self) -> None:
        """Count anew for a run."""
        self.counts.clear()

    def light(self, photons: Block, window_ps: tuple[int, int], seconds: float, maker: EventMaker) -> Block:
        """Return what the sensors see of photons of a stretch of time: dead channels, noise of others."""
        if not self._faults.active:
            return photons
        stuck = np.zeros(CHANNELS, bool)
        for fault in self._faults.at("saturated", seconds):
            stuck[fault.spec.channel or 0] = True
        maker.saturate(stuck)
        dead = [fault.spec.channel or 0 for fault in self._faults.at("dead-channel", seconds)]
        if dead:
            signal = photons.signal.copy()
            signal[:, dead] = 0
            photons = photons._replace(signal=signal)
        for fault in self._faults.at("noisy-channel", seconds):
            photons = self._noise(photons, fault, window_ps)
        return photons

    def no_service(self, seconds: float) -> bool:
        """Tell whether the service event that is due is held back."""
        held = bool(self._faults.at("no-service", seconds))
        self.counts["no-service"] += held
        return held

    def words(self, words: Words, starts: npt.NDArray[np.int64], seconds: float) -> Words:
        """Return events, some of them with a wrong length in their header."""
        for fault in self._faults.of("lie"):
            spec, rng = fault.spec, self._faults.rng(fault)
            hit = starts[rng.random(len(starts)) < (spec.share or 0.0)]
            if spec.from_s <= seconds < spec.until_s and len(hit):
                self.counts["lie"] += len(hit)
                words = words.copy()
                said = words[hit + 1].astype(np.int64)
                by = rng.choice(_LIES, len(hit))
                length = np.clip((said & 0xFFFFFF) + by, 0, 0xFFFFFF)
                words[hit + 1] = (said & 0xFF000000 | length).astype(np.uint32)
        return words

    def _noise(self, photons: Block, fault: Fault, window_ps: tuple[int, int]) -> Block:
        rng = self._faults.rng(fault)
        count = rng.poisson((fault.spec.cps or 0.0) * (window_ps[1] - window_ps[0]) * 1e-12)
        self.counts["noisy-channel"] += count
        signal = np.zeros((count, CHANNELS), np.uint16)
        signal[:, fault.spec.channel or 0] = rng.poisson(_NOISE_SIGNAL, count)
        times = np.concatenate([photons.time_ps, rng.integers(*window_ps, count)])
        order = np.argsort(times, kind="stable")
        return Block(times[order], np.concatenate([photons.signal, signal])[order])


class LineFaults:
    """Faults of the connections and the supply of one board, each of which happens once in a run."""

    def __init__(self, board: FaultBoard, number: int) -> None:
        self._faults = _OfBoard(board, number)
        self._done: set[tuple[int, int]] = set()

    def begins(self, kind: str, run: int, seconds: float) -> FaultSpec | None:
        """Return a fault of a kind whose time has come in this run, once."""
        for fault in self._faults.of(kind):
            key = (fault.number, run)
            if key not in self._done and seconds >= (fault.spec.at_s or 0.0):
                self._done.add(key)
                return fault.spec
        return None

    def is_on(self, kind: str, seconds: float) -> bool:
        """Tell whether a fault of a kind is on."""
        return bool(self._faults.at(kind, seconds))
