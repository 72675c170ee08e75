"""Event layouts that nobody designed, and generated decoders run by plain Python, for tests of the layout compiler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from daq.listmode.codegen import decoder_source
from daq.model.layout import Clock, Layout

WORD_BITS = (8, 16, 24, 32, 40, 48, 56, 64)
TICKS_PS = ("1", "1000", "12500", "3125/128", "10000/3", "24.4140625", "1/2", "7/5", "1000000000", "999999/10000007")
_SIZED = {"energy_kev": 16, "energy_adc": 16, "x_mm": 12, "y_mm": 12, "head": 8, "bin": 32, "tof_ps": 16}


def plain_kernel(layout: Layout, clock: Clock) -> Callable[..., tuple[int, int, int]]:
    """Return the generated `decode`, interpreted over NumPy integers, which overflow as the machine's do."""
    text = decoder_source(layout, clock)
    names: dict[str, Any] = {name: getattr(np, name) for name in ("int64", "int32", "uint64", "float32", "float64")}
    names |= {"NAN": float("nan"), "load_u8": _load(1, "little")}
    names |= {f"load_u{8 * size}_{order}": _load(size, order) for size in (2, 4, 8) for order in ("little", "big")}
    exec(text[text.index("def decode(") :], names)  # noqa: S102 - our own text

    def decode(*arrays: Any) -> tuple[int, int, int]:
        with np.errstate(over="ignore"):
            return names["decode"](*arrays)  # type: ignore[no-any-return]

    return decode


def _load(size: int, order: Any) -> Callable[[Any, int], np.uint64]:
    def load(data: Any, at: int) -> np.uint64:
        return np.uint64(int.from_bytes(data[int(at) : int(at) + size].tobytes(), order))

    return load


@dataclass(slots=True)
class Room:
    """The bits of a word that are still free, and a way to take some."""

    draw: Any
    free: list[tuple[int, int]] = field(default_factory=list)
    """(lowest bit, width) of every gap."""

    def take(self, width: int) -> str | None:
        """Return a range of `width` bits at a drawn place, or None when no gap is that wide."""
        fitting = [gap for gap in self.free if gap[1] >= width]
        if not fitting:
            return None
        low, size = self.draw(st.sampled_from(fitting))
        at = low + self.draw(st.sampled_from([0, size - width, (size - width) // 2]))
        self.free.remove((low, size))
        self.free += [gap for gap in ((low, at - low), (at + width, low + size - at - width)) if gap[1]]
        return f"{at + width - 1}:{at}" if width > 1 or self.draw(st.booleans()) else f"{at}"

    def copy(self) -> Room:
        return Room(self.draw, list(self.free))


@st.composite
def layouts(draw: Any) -> tuple[Layout, Clock]:
    """Draw a layout in order, and its clock."""
    bits = draw(st.sampled_from(WORD_BITS))
    kinds = draw(_kinds(small=bits < 24))
    room = Room(draw, [(0, bits)])
    tags = _tags(room, len(kinds))
    carried = any(kind["yields"] == "time" for kind in kinds.values())
    clock = draw(_clocks())
    streams = {
        "singles": draw(_columns(("energy_kev", "energy_adc", "x_mm", "y_mm", "head"), "detector")),
        "coincidences": draw(_columns(("bin", "tof_ps", "energies"), "detector_a")),
    }
    longest = int((1 << 61) / max(clock.tick, 1)).bit_length() - 1
    for kind, tag in zip(kinds.values(), tags, strict=True):
        kind["tag"] = tag
        reach = longest if carried and kind["yields"] != "time" else 63
        _fill(draw, kind, room.copy(), streams, carried=carried, longest=reach)
    _same_columns(kinds)
    order = draw(st.sampled_from(["little", "big"]))
    layout = Layout.model_validate({"word_bits": bits, "byte_order": order, "kinds": kinds})
    return layout, clock


@st.composite
def _kinds(draw: Any, *, small: bool) -> dict[str, dict[str, Any]]:
    names = draw(st.sampled_from([["single"], ["prompt"], ["prompt", "delayed"], ["delayed", "prompt", "single"]]))
    if draw(st.booleans()):
        names = [*names, "time"]
    if not small:
        names += draw(st.lists(st.sampled_from(["mark", "nothing", "single", "delayed", "time"]), max_size=3))
    names = draw(st.permutations(names))
    kinds: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(names):
        kind: dict[str, Any] = {"yields": name}
        if name == "mark":
            kind["mark"] = draw(st.sampled_from(["gate", "cardiac_trigger", "control"]))
        if name in ("mark", "time"):
            kind["stored"] = draw(st.booleans())
        kinds[f"{name}_{index}"] = kind
    return kinds


@st.composite
def _clocks(draw: Any) -> Clock:
    tick = draw(st.sampled_from(TICKS_PS))
    limit = int((1 << 61) / max(Fraction(tick), 1))
    start = draw(st.one_of(st.none(), st.integers(-5, 5), st.integers(-limit, limit), st.sampled_from([limit, -limit])))
    return Clock(tick_ps=tick, precision_ps=1, reset_at_start=draw(st.booleans()), start_ticks=start)


@st.composite
def _columns(draw: Any, columns: tuple[str, ...], detector: str) -> dict[str, Any]:
    """Draw what the rows of a stream have: columns with their widths, and the digits of its detector numbers."""
    plan: dict[str, Any] = {}
    for column in draw(st.lists(st.sampled_from(columns), unique=True, max_size=3)):
        for name in ("energy_a_kev", "energy_b_kev") if column == "energies" else (column,):
            plan[name] = draw(st.integers(1, _SIZED.get(name, 10)))
    if draw(st.booleans()):
        widths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=2))
        radix = [draw(st.integers(1 if len(widths) > 1 else 2, 1 << width)) for width in widths]
        count = int(np.prod(radix))
        entries = st.permutations([-1, *range(1, count)]) if 1 < count <= 64 else st.none()
        lookup = draw(st.one_of(st.none(), entries))
        plan[detector] = {"widths": widths, "radix": radix, "lookup": lookup}
    return plan


def _tags(room: Room, count: int) -> list[dict[str, int]]:
    """Return one tag for each of `count` kinds, over the same bits, in one range or in single bits."""
    width = max(count - 1, 0).bit_length() + room.draw(st.integers(0, 1))
    values = room.draw(st.permutations(range(1 << width)))[:count]
    if width == 0:
        return [{}]
    if room.draw(st.booleans()):
        bits = room.take(width)
        assert bits is not None
        return [{bits: value} for value in values]
    ranges = [room.take(1) for _ in range(width)]
    return [{str(bits): value >> place & 1 for place, bits in enumerate(ranges)} for value in values]


def _fill(draw: Any, kind: dict[str, Any], room: Room, streams: dict[str, Any], *, carried: bool, longest: int) -> None:
    """Give a kind its fields: the time first, for it is never left out where it is needed."""
    fields: dict[str, Any] = {}
    kind["fields"] = fields
    yields = kind["yields"]
    event = yields in ("single", "prompt", "delayed")
    if yields == "time" or (event and not carried) or (yields != "nothing" and draw(st.booleans())):
        fields["when"] = _time(draw, room, moves=yields == "time" or not carried, longest=longest)
    if event:
        plan = streams["singles" if yields == "single" else "coincidences"]
        _detectors(draw, kind, room, plan)
        for column in (name for name in plan if not name.startswith("detector")):
            _place(draw, fields, room, column, plan[column])
    if yields == "mark":
        _place(draw, fields, room, "value", draw(st.integers(1, 63)))
        _place(draw, fields, room, "value2", draw(st.integers(1, 20)))


def _time(draw: Any, room: Room, *, moves: bool, longest: int) -> dict[str, Any]:
    widest = min(max(size for _, size in room.free), longest)
    width = draw(st.one_of(st.integers(2, max(widest, 2)), st.just(max(widest, 2))))
    spare = min(longest, 60) - width
    ticks = draw(st.sampled_from([1, 1, 3, 1000, 1 << 20])) if spare > 20 else 1
    made = {"bits": room.take(width), "unit": "tick", "to": "time", "ticks": ticks}
    if moves and 2 < width < 60 and draw(st.booleans()):
        made["wrap"] = draw(st.integers(3, 1 << width))
    return made


def _detectors(draw: Any, kind: dict[str, Any], room: Room, plan: dict[str, Any]) -> None:
    for column in ("detector",) if kind["yields"] == "single" else ("detector_a", "detector_b"):
        number = plan.get("detector" if column == "detector" else "detector_a")
        ranges = [room.take(width) for width in number["widths"]] if number else [None]
        if None in ranges:
            kind.pop("detector_a", None)
            return
        digits = [f"{column[-1]}{index}" for index in range(len(ranges))]
        kind["fields"] |= {digit: {"bits": r, "unit": "1"} for digit, r in zip(digits, ranges, strict=True)}
        kind[column] = {"digits": tuple(digits), "radix": tuple(number["radix"])}
        if number["lookup"] is not None:
            kind[column]["lookup"] = tuple(number["lookup"])


def _place(draw: Any, fields: dict[str, Any], room: Room, column: str, width: int) -> None:
    bits = room.take(width)
    if bits is None:
        return
    made: dict[str, Any] = {"bits": bits, "unit": "1", "to": column}
    if column.endswith(("_kev", "_mm", "_ps")) or column == "value2":
        made["unit"] = {"kev": "keV", "_mm": "mm", "_ps": "ps"}.get(column[-3:], "V")
        made["scale"] = draw(st.sampled_from([1.0, 0.125, -0.6, 25.0, 1 / 3, 1e-30]))
        made["offset"] = draw(st.sampled_from([0.0, -3.5, 511.0]))
        made["signed"] = draw(st.booleans())
    if column == "value":
        made["signed"] = draw(st.booleans())
    fields[column] = made


def _same_columns(kinds: dict[str, dict[str, Any]]) -> None:
    """Take away what does not fit into every kind of a stream, and an energy of a pair that lost the other."""
    for family in (("single",), ("prompt", "delayed")):
        members = [kind for kind in kinds.values() if kind["yields"] in family]
        pairs = all("detector_b" in kind for kind in members)
        shared = set.intersection(*({*kind["fields"]} for kind in members)) if members else set()
        if not {"energy_a_kev", "energy_b_kev"} <= shared:
            shared -= {"energy_a_kev", "energy_b_kev"}
        for kind in members:
            if family != ("single",) and not pairs:
                kind.pop("detector_a", None)
                kind.pop("detector_b", None)
            if family == ("single",) and not all("detector" in other for other in members):
                kind["drop"] = True
        for kind in members:
            if kind.pop("drop", False):
                kind.pop("detector", None)
            fields = kind["fields"]
            kind["fields"] = {n: f for n, f in fields.items() if f.get("to") in (None, "time") or n in shared}
