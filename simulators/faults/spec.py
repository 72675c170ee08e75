"""What can go wrong, as text: `KIND:key=value,...`, e.g. `loss:share=0.01` or `pause:at_s=2,for_s=1,source=3`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daq.errors import UsageError

MAX_BY = 1000
"""How many packets one may be delayed by: a receiver remembers 4096 missing stretches, so it can still place it."""
MAX_COPIES = 9
MAX_SECONDS = 1e6
MAX_TICKS = 1 << 62


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault. `text` is what was asked for; keys that were not given are None, or their default."""

    kind: str
    text: str
    source: int | None = None
    at_s: float | None = None
    after: int | None = None
    from_s: float = 0.0
    until_s: float = math.inf
    share: float | None = None
    burst: int | None = None
    every: int | None = None
    by: int | None = None
    copies: int = 1
    within: int = 0
    of: str = "both"
    for_s: float | None = None
    ticks: int | None = None
    by_s: float | None = None
    control: bool = False
    module: int | None = None
    channel: int | None = None
    cps: float | None = None


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a kind of fault does, which keys it needs (one of `ways`), and which it may have."""

    does: str
    ways: tuple[tuple[str, ...], ...]
    also: tuple[str, ...] = ()
    tcp: str = ""
    """Why a stream cannot have it; empty: it can."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Return all keys, in the order in which help lists them."""
        return tuple(dict.fromkeys([*(key for way in self.ways for key in way), *self.also]))


_POINT = (("at_s",), ("after",))
_SPELL = (("at_s", "for_s"), ("after", "for_s"))
_WINDOW = ("source", "from_s", "until_s")
_NETWORK = (*_WINDOW, "control")
_ALL = "a TCP connection delivers every byte once and in order"
_ONE = "a TCP connection carries one source and neither start, heartbeat nor end"

FAULT_KINDS: dict[str, FaultKind] = {
    "loss": FaultKind("datagrams that never arrive", (("share",), ("burst", "every")), _NETWORK, _ALL),
    "duplicate": FaultKind(
        "datagrams that arrive again, up to `within` packets later",
        (("share",),),
        ("copies", "within", *_NETWORK),
        _ALL,
    ),
    "reorder": FaultKind("datagrams that up to `by` later ones overtake", (("share", "by"),), _NETWORK, _ALL),
    "truncate": FaultKind(
        "datagrams cut at any byte (share); a connection that ends in the middle of a word (at_s, after)",
        (("share",), *_POINT), _NETWORK,
    ),
    "garbage": FaultKind(
        "datagrams of random bytes, or with a header that breaks the framing", (("share",),), ("of", *_WINDOW), _ALL
    ),
    "corrupt": FaultKind("words that become words of no kind, or out of range", (("share",),), _WINDOW),
    "pause": FaultKind("nothing is sent for `for_s` of wall time, then everything goes on later", _SPELL, ("source",)),
    "burst": FaultKind("what is due within `for_s` is held back and then sent flat out", _SPELL, ("source",)),
    "jump": FaultKind(
        "the clock jumps, forwards or backwards",
        (("at_s", "ticks"), ("at_s", "by_s"), ("after", "ticks"), ("after", "by_s")), ("source",),
    ),
    "late": FaultKind("the source is switched on late; nothing counts before", _POINT, ("source",), _ONE),
    "silent": FaultKind("neither words nor heartbeats from a point on", _POINT, ("source",), _ONE),
    "outage": FaultKind("cut off for `for_s`; the front end goes on counting", _SPELL, ("source",), _ONE),
    "restart": FaultKind(
        "dead for `for_s`, then a new start with word number and clock at zero", _SPELL, ("source",), _ONE
    ),
}  # fmt: skip


def parse_fault(text: str, kinds: Mapping[str, FaultKind] = FAULT_KINDS) -> FaultSpec:
    """Return the fault, one of `kinds`, that `text` says. Raises `UsageError`."""
    name, _, rest = text.strip().partition(":")
    kind = kinds.get(name)
    if kind is None:
        raise UsageError(f"fault {text!r}: kinds are {', '.join(kinds)}")
    values: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in rest.split(","))):
        key, _, value = pair.partition("=")
        if key not in kind.keys:
            raise UsageError(f"fault {text!r}: {name} has no key {key!r}; its keys are {', '.join(kind.keys)}")
        if key in values:
            raise UsageError(f"fault {text!r}: {key} stands there twice")
        values[key] = _value(text, key, value)
    _check_way(text, kind, values)
    return FaultSpec(name, _canonical(name, rest), **values)


def _canonical(name: str, rest: str) -> str:
    return f"{name}:{','.join(part.strip() for part in rest.split(',') if part.strip())}"


def _check_way(text: str, kind: FaultKind, values: dict[str, Any]) -> None:
    """Demand exactly one of the ways to say when or how much."""
    needed = {key for way in kind.ways for key in way}
    if not any(set(way) == needed & set(values) for way in kind.ways):
        ways = " or ".join(" and ".join(way) for way in kind.ways)
        raise UsageError(f"fault {text!r}: needs {ways}")
    if values.get("burst", 0) > values.get("every", math.inf):
        raise UsageError(f"fault {text!r}: {values['burst']} out of every {values['every']} packets")
    if values.get("from_s", 0.0) >= values.get("until_s", math.inf):
        raise UsageError(f"fault {text!r}: from_s must be before until_s")
    if "control" in values and "share" not in values:
        raise UsageError(f"fault {text!r}: control goes with share")


def _value(text: str, key: str, value: str) -> Any:
    parse, wanted = _KEYS[key]
    try:
        return parse(value.strip())
    except ValueError:
        raise UsageError(f"fault {text!r}: {key} must be {wanted}, not {value!r}") from None


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError
        return number

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isascii() or len(value) > 20:  # noqa: PLR2004 - int() takes time for thousands of digits
            raise ValueError
        number = int(value)
        if not low <= number <= high:
            raise ValueError
        return number

    return parse


def _share(value: str) -> float:
    number = float(value)
    if not 0 < number <= 1:
        raise ValueError
    return number


def _ticks(value: str) -> int:
    number = _whole(-MAX_TICKS, MAX_TICKS)(value)
    if number == 0:
        raise ValueError
    return number


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in words:
            raise ValueError
        return value

    return parse


def _flag(value: str) -> bool:
    return _one_of("true", "false")(value) == "true"


_SECONDS = (_number(0, MAX_SECONDS), f"seconds from 0 to {MAX_SECONDS:g}")
_PACKETS = (_whole(0, 1 << 50), "a number of packets, 0 or more")
_KEYS: dict[str, tuple[Callable[[str], Any], str]] = {
    "source": (_whole(0, 0xFFFE), "a source number, 0 to 65534"),
    "at_s": _SECONDS,
    "after": _PACKETS,
    "from_s": _SECONDS,
    "until_s": _SECONDS,
    "for_s": _SECONDS,
    "share": (_share, "a share above 0, at most 1"),
    "burst": (_whole(1, 1 << 30), "a number of packets, 1 or more"),
    "every": (_whole(1, 1 << 30), "a number of packets, 1 or more"),
    "by": (_whole(1, MAX_BY), f"a number of packets, 1 to {MAX_BY}"),
    "copies": (_whole(1, MAX_COPIES), f"a number of copies, 1 to {MAX_COPIES}"),
    "within": (_whole(0, MAX_BY), f"a number of packets, 0 to {MAX_BY}"),
    "of": (_one_of("bytes", "header", "both"), "bytes, header or both"),
    "ticks": (_ticks, f"a number of ticks other than 0, {-MAX_TICKS} to {MAX_TICKS}"),
    "by_s": (_number(-MAX_SECONDS, MAX_SECONDS), f"seconds from {-MAX_SECONDS:g} to {MAX_SECONDS:g}"),
    "control": (_flag, "true or false"),
    "module": (_whole(0, 63), "the number of a module, 0 to 63"),
    "channel": (_whole(0, 63), "the number of a channel, 0 to 63"),
    "cps": (_number(1, 1e9), "events per second, 1 to 1e9"),
}


def describe_kinds(kinds: Mapping[str, FaultKind] = FAULT_KINDS) -> str:
    """Return the kinds with their keys, one per line, for help."""
    lines = []
    for name, kind in kinds.items():
        ways = " | ".join(",".join(way) for way in kind.ways)
        also = "".join(f" [{key}]" for key in kind.also)
        lines.append(f"  {name + ':' + ways + also}\n      {kind.does}{' (UDP)' if kind.tcp else ''}")
    return "\n".join(lines)
