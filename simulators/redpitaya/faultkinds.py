"""What can go wrong with this board."""

from __future__ import annotations

from simulators.faults.spec import FaultKind, FaultSpec

_AT = (("at_s",),)
_SPELL = (("at_s", "for_s"),)

KINDS: dict[str, FaultKind] = {
    "cut": FaultKind("the connection breaks and cannot be made again for `for_s`; the board goes on counting", _SPELL),
    "reboot": FaultKind("dead for `for_s`, then as after power-on", _SPELL),
    "stall": FaultKind("no answers for `for_s`, then all of them", _SPELL),
    "reset": FaultKind("somebody else empties the histogram of input 0", _AT),
    "stop": FaultKind("somebody else stops the timer of input 0", _AT),
    "hot": FaultKind("`cps` photons more of the source, for `for_s`", (("at_s", "for_s", "cps"),)),
    "noisy": FaultKind("`cps` pulses of noise in the lowest 64 bins, for `for_s`", (("at_s", "for_s", "cps"),)),
}  # fmt: skip


class BoardRules:
    """Every fault can be had."""

    def check(self, spec: FaultSpec) -> None:
        """Accept it."""
        del spec

    @staticmethod
    def refused_on(spec: FaultSpec, wire: str) -> str:
        """Return why a wire cannot have a fault: it can."""
        del spec, wire
        return ""
