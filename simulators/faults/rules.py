"""Which faults a simulator can have: its sources, its layout, its pace and its wires decide."""

from __future__ import annotations

from daq.errors import UsageError
from simulators.faults.badwords import BadWords
from simulators.faults.clock import ClockTurner
from simulators.faults.spec import FAULT_KINDS, FaultSpec
from simulators.supply import Supply


class Rules:
    """What can be asked of one simulator. `wires`: those it has, of `udp`, `tcp`, `bare` (datagrams of words alone)."""

    def __init__(self, supply: Supply, *, paced: bool, wires: tuple[str, ...]) -> None:
        self._layout, self._clock, self._sources = supply.layout, supply.clock, supply.sources
        self._paced = paced
        self._wires = wires

    def check(self, spec: FaultSpec) -> None:
        """Raise `UsageError` for a fault that makes no sense here."""
        if spec.source is not None and spec.source not in self._sources:
            raise UsageError(f"fault {spec.text!r}: the sources are {_listed(self._sources)}")
        refusals = [why for wire in self._wires if (why := self.refused_on(spec, wire))]
        if len(refusals) == len(self._wires):
            raise UsageError(f"fault {spec.text!r}: {refusals[0]}")
        if spec.kind == "burst" and not self._paced:
            raise UsageError(
                f"fault {spec.text!r}: flat out everything is one burst; it takes a --speed other than max"
            )
        if spec.kind == "jump":
            self._check_jump(spec)
        if spec.kind == "corrupt" and not len(BadWords(self._layout, self._clock).samples):
            raise UsageError(f"fault {spec.text!r}: every word of the layout means something")

    def refused_on(self, spec: FaultSpec, wire: str) -> str:
        """Return why a wire (`udp` or `tcp`) cannot have the fault; empty when it can."""
        if spec.kind == "truncate":
            return self._truncation_refused(spec, wire)
        if wire == "bare" and spec.kind == "garbage":
            return "without headers nobody can tell garbage from words"
        return FAULT_KINDS[spec.kind].tcp if wire == "tcp" else ""

    def _truncation_refused(self, spec: FaultSpec, wire: str) -> str:
        if wire != "tcp":
            return "" if spec.share is not None else "datagrams are cut by share; at_s and after cut a TCP connection"
        if spec.share is not None:
            return "a TCP connection is cut once: at_s or after"
        return "" if self._layout.word_bytes > 1 else "a word of one byte has no middle to cut a connection in"

    def _check_jump(self, spec: FaultSpec) -> None:
        turner = ClockTurner(self._layout, self._clock)
        ticks = spec.ticks if spec.ticks is not None else turner.ticks_of(spec.by_s or 0)
        turner.check_jump(ticks, f"fault {spec.text!r}")


def _listed(sources: tuple[int, ...]) -> str:
    few = 8
    return ", ".join(map(str, sources[:few])) + (f" ... {sources[-1]}" if len(sources) > few else "")
