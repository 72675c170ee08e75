"""What can go wrong with this front end, and which of it a given one cannot have."""

from __future__ import annotations

from daq.errors import UsageError
from simulators.faults.spec import FaultKind, FaultSpec

_WINDOW = ("from_s", "until_s")
_SHARE = (("share",),)
_AT = (("at_s",),)

KINDS: dict[str, FaultKind] = {
    "loss": FaultKind("frames that the front end lost: their ids are missing", _SHARE, _WINDOW),
    "duplicate": FaultKind("frames that come twice", _SHARE, _WINDOW),
    "swap": FaultKind("frames that come after the one that follows them", _SHARE, _WINDOW),
    "truncate": FaultKind("datagrams that end in the middle of their last frame", _SHARE, _WINDOW),
    "lie": FaultKind("frames that claim more events than they have", _SHARE, _WINDOW),
    "port": FaultKind("frames of a unit that is not there", _SHARE, _WINDOW),
    "lost-flag": FaultKind("frames that lost their last event, or all they had, and say so", _SHARE, _WINDOW),
    "restart": FaultKind("frame ids begin again at 0", _AT),
    "silent": FaultKind("a module sends nothing more, or nothing for `for_s`", (("module", "at_s"),), ("for_s",)),
    "noisy": FaultKind(
        "a module sends `cps` events of noise per second, for ever or for `for_s`", (("module", "at_s", "cps"),),
        ("for_s",),
    ),
    "jump": FaultKind("the clock of a module jumps by `ticks` clocks of 5 ns", (("module", "at_s", "ticks"),)),
    "reboot": FaultKind("dead for `for_s`, then as after power-on", (("at_s", "for_s"),)),
    "reply-late": FaultKind("replies that come `for_s` late", (("share", "for_s"),)),
    "reply-twice": FaultKind("replies that come twice", _SHARE),
    "reply-other": FaultKind("replies with the serial number of another command", _SHARE),
    "reply-lost": FaultKind("commands that are carried out and not answered", _SHARE),
    "asic-acknowledge": FaultKind("commands that an ASIC does not acknowledge", _SHARE),
    "asic-checksum": FaultKind("replies of ASICs with a wrong checksum", _SHARE),
}  # fmt: skip

FRAME_KINDS = ("loss", "lie", "port", "lost-flag", "duplicate", "swap", "truncate")
MODULE_KINDS = ("silent", "noisy", "jump")
_MOST_NOISE = 20_000_000
"""Events of noise in a loop: they are memory."""


class PetsysRules:
    """Says no to faults of modules that are not there, and to more noise than `loop_s` seconds of it can hold."""

    def __init__(self, asics: int, loop_s: float) -> None:
        self._asics = asics
        self._loop_s = loop_s

    def check(self, spec: FaultSpec) -> None:
        """Raise `UsageError` for a fault that makes no sense here."""
        if spec.module is not None and spec.module >= self._asics:
            raise UsageError(f"fault {spec.text!r}: there are modules 0 to {self._asics - 1}")
        if (spec.cps or 0) * self._loop_s > _MOST_NOISE:
            most = _MOST_NOISE / self._loop_s
            raise UsageError(f"fault {spec.text!r}: at most {most:.3g} events per second, more with a shorter --loop")

    @staticmethod
    def refused_on(spec: FaultSpec, wire: str) -> str:
        """Return why a wire cannot have a fault: there is one wire, and it can have all."""
        del spec, wire
        return ""
