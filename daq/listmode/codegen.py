"""Compile a layout into the source text of a decoder module: one branch per kind of word, constants folded in.

The text is plain Python for numba's subset, so it can be read, diffed and single-stepped. `daq.storage.kernels` keeps
it in the user's cache, named by its hash. Sans-IO: a layout in, text out.

The kernel walks packets and words once. Its running state per source is int64 `state[source]` =
(time known?, carried or last ticks, latest time_ps); time zero per clock domain is `zero[domain]` = (known?, ticks).
"""

from __future__ import annotations

from dataclasses import dataclass

from daq.listmode.columns import DECODED_STREAMS, NUMPY_TYPES, decoded_columns
from daq.model.events import MARKS, STREAMS
from daq.model.layout import BitField, Clock, DetectorNumber, Kind, Layout
from daq.model.packets import NOT_DECODED

VERSION = 1
"""Raise it when the meaning or the signature of generated code changes: modules of other versions are not used."""

CAUSES = ("unknown", "out_of_range", "untimed")
"""Words that give no row, by cause; their counts follow those of the kinds."""

TIME_LIMIT_PS = 1 << 62
"""A time beyond this (53 days) is no time: the word is `out_of_range`."""

COUNTERS = {"singles": "ns", "coincidences": "nc", "marks": "nm"}
_MACHINE_WORD_BITS = 64
_PREFIX = {"singles": "s", "coincidences": "c", "marks": "m"}
_NUMBA = {"i8": "int64", "u4": "uint32", "i4": "int32", "u2": "uint16", "u1": "uint8", "f4": "float32", "f8": "float64"}


def lookup_tables(layout: Layout) -> list[tuple[int, ...]]:
    """Return the detector lookup tables in the order in which the kernel takes them."""
    numbers = (n for kind in layout.kinds.values() for n in _detectors(kind).values())
    return [number.lookup for number in numbers if number.lookup is not None]


def decoder_source(layout: Layout, clock: Clock) -> str:
    """Return the module text; its `decode` fills column arrays and returns rows per stream."""
    columns = [
        (f"{_PREFIX[stream]}_{name}", NUMPY_TYPES[STREAMS[stream][name].type])
        for stream, names in decoded_columns(layout).items()
        for name in names
    ]
    tables = [f"table{i}" for i in range(len(lookup_tables(layout)))]
    return "\n".join([*_head(columns, tables), *_body(layout, clock), ""])


def _head(columns: list[tuple[str, str]], tables: list[str]) -> list[str]:
    names = [
        "data",
        "offset",
        "length",
        "source",
        "flags",
        "state",
        "zero",
        "counts",
        *tables,
        *(c for c, _ in columns),
    ]
    types = [
        *("_frozen(uint8)", "_frozen(int64)", "_frozen(int64)", "_frozen(uint16)", "_frozen(uint8)"),
        *("int64[:, ::1]", "int64[:, ::1]", "int64[:, ::1]"),
        *("_frozen(int64)" for _ in tables),
        *(f"{_NUMBA[kind]}[::1]" for _, kind in columns),
    ]
    return [
        '"""Made by scandaq from an event layout. Do not edit: it is rewritten whenever it differs."""',
        "",
        "from numba import njit, types",
        "",
        "from daq.listmode.loads import (",
        "    load_u8, load_u16_big, load_u16_little, load_u32_big, load_u32_little, load_u64_big, load_u64_little,",
        ")",
        "from numba.core.types import float32, float64, int32, int64, uint8, uint16, uint32, uint64",
        "",
        "",
        "NAN = float('nan')",
        "",
        "",
        "def _frozen(kind):",
        "    return types.Array(kind, 1, 'C', readonly=True)",
        "",
        "",
        f"_SIGNATURE = types.UniTuple(int64, 3)({', '.join(types)})",
        "",
        "",
        "@njit(_SIGNATURE, nogil=True, cache=CACHE)",
        f"def decode({', '.join(names)}):",
    ]


def _body(layout: Layout, clock: Clock) -> list[str]:
    kinds = list(layout.kinds.items())
    size = layout.word_bytes
    locals_ = [f"k{i}" for i in range(len(kinds) + len(CAUSES))]
    compiler = _Kinds(layout, clock)
    lines = [
        "ns, nc, nm = uint64(0), uint64(0), uint64(0)  # unsigned: a signed index costs a wrap-around test",
        "for p in range(offset.size):",
        f"    if flags[p] & {int(NOT_DECODED)}:",
        "        continue",
        "    s = int64(source[p])",
        f"    d = {'0' if clock.shared else 's'}",
        "    known, ref, latest = state[s, 0], state[s, 1], state[s, 2]",
        "    zeroed, origin = zero[d, 0], zero[d, 1]",
        "    timed = known != 0 and zeroed != 0",
        *_indent(compiler.now()),
        f"    {' = '.join(locals_)} = 0",
        "    at = offset[p]",
        f"    for _ in range(length[p] // {size}):",
        f"        w = {_load(layout)}",
        f"        at += {size}",
    ]
    for position, branch in enumerate(_branches([kind for _, kind in kinds])):
        lines.append(f"        {'el' if position else ''}if {branch.test}:")
        lines += [f"            {line}" for line in compiler.branch(branch)]
    lines += [
        "        else:",
        f"            {compiler.cause('unknown')} += 1",
        "    state[s, 0], state[s, 1], state[s, 2] = known, ref, latest",
        "    zero[d, 0], zero[d, 1] = zeroed, origin",
        *(f"    counts[s, {i}] += {name}" for i, name in enumerate(locals_)),
        "return int64(ns), int64(nc), int64(nm)",
    ]
    return [f"    {line}" for line in lines]


def _load(layout: Layout) -> str:
    """Return the expression of the word at byte `at`: one load, or two joined where no machine word fits."""
    size, order = layout.word_bytes, layout.byte_order
    parts, at = [], 0
    for piece in _PIECES[size]:
        shift = 8 * (at if order == "little" else size - at - piece)
        name = f"load_u{8 * piece}" + (f"_{order}" if piece > 1 else "")
        place = f"at + {at}" if at else "at"
        parts.append(f"uint64({name}(data, {place}))" + (f" << uint64({shift})" if shift else ""))
        at += piece
    return " | ".join(f"({part})" for part in parts)


_PIECES = {1: (1,), 2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 6: (4, 2), 7: (4, 2, 1), 8: (8,)}
"""How a word of so many bytes is loaded."""


@dataclass(frozen=True, slots=True)
class _Branch:
    """A kind, or a prompt and a delayed kind that differ in nothing but one tag bit, decoded without a jump.

    Which of the two it is follows no pattern, so a jump would be mispredicted; measured 1.4 times faster.
    """

    kind: Kind
    index: int
    twin_index: int | None = None
    bit: int = 0

    @property
    def test(self) -> str:
        """Return the condition on the word."""
        mask = self.kind.tag_mask & ~self.bit
        return f"(w & uint64({mask:#x})) == uint64({self.kind.tag_value & mask:#x})" if mask else "True"

    @property
    def other(self) -> str:
        """Return 1 for the twin and 0 for the kind itself, from the word."""
        low = self.bit.bit_length() - 1
        wanted = 1 if self.kind.tag_value & self.bit else 0
        bit = f"int64((w >> uint64({low})) & uint64(1))"
        return f"1 - {bit}" if wanted else bit


def _branches(kinds: list[Kind]) -> list[_Branch]:
    branches: list[_Branch] = []
    for index, kind in enumerate(kinds):
        last = branches[-1] if branches else None
        if last is not None and last.twin_index is None and _twins(last.kind, kind):
            bit = last.kind.tag_value ^ kind.tag_value
            branches[-1] = _Branch(last.kind, last.index, index, bit)
        else:
            branches.append(_Branch(kind, index))
    return branches


def _twins(kind: Kind, other: Kind) -> bool:
    """Return True for prompt and delayed (either order) with equal fields and detectors and one tag bit apart."""
    if {kind.yields, other.yields} != {"prompt", "delayed"} or kind.tag_mask != other.tag_mask:
        return False
    same = kind.fields == other.fields and _detectors(kind) == _detectors(other)
    looked_up = any(number.lookup is not None for number in _detectors(kind).values())
    return same and not looked_up and (kind.tag_value ^ other.tag_value).bit_count() == 1


def _detectors(kind: Kind) -> dict[str, DetectorNumber]:
    named = {"detector": kind.detector, "detector_a": kind.detector_a, "detector_b": kind.detector_b}
    return {name: number for name, number in named.items() if number is not None}


class _Kinds:
    """Writes the branch of each kind; remembers which lookup table comes next."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        self._layout = layout
        self._tick = clock.tick
        self._kinds = len(layout.kinds)
        self._next_table = 0
        self._columns = decoded_columns(layout)

    def cause(self, name: str) -> str:
        """Return the local counter of a cause."""
        return f"k{self._kinds + CAUSES.index(name)}"

    def branch(self, branch: _Branch) -> list[str]:
        """Return the statements for a word of the branch's kind."""
        if branch.kind.yields in ("prompt", "delayed"):
            return self._coincidence(branch)
        write = {"time": self._time_word, "mark": self._mark, "nothing": lambda _: [], "single": self._single}
        return [*write[branch.kind.yields](branch.kind), f"k{branch.index} += 1"]

    def _time_word(self, kind: Kind) -> list[str]:
        field = kind.field_to("time")
        if field is None:
            return []
        lines = [*self._unfold(field), *self._advance()]
        return [*lines, *self._mark_row(kind, _raw(field))] if kind.stored else lines

    def _mark(self, kind: Kind) -> list[str]:
        lines: list[str] = []
        if kind.field_to("time") is not None:
            lines += self._event_time(kind)
        else:
            lines += ["t = now if timed else int64(0)"]
        if not kind.stored:
            return lines
        value = kind.field_to("value")
        return [*lines, *self._mark_row(kind, _raw(value) if value else "int64(0)")]

    def _mark_row(self, kind: Kind, value: str) -> list[str]:
        physical = kind.field_to("value2")
        return [
            "m_time_ps[nm] = t",
            f"m_kind[nm] = {MARKS.index(kind.mark or 'time')}",
            "m_source[nm] = source[p]",
            f"m_value[nm] = {value}",
            f"m_value2[nm] = {_physical(physical) if physical else 'NAN'}",
            "nm += uint64(1)",
        ]

    def _single(self, kind: Kind) -> list[str]:
        lines = [*self._event_time(kind), *self._detector_numbers(kind), "s_time_ps[ns] = t"]
        if kind.detector is not None:
            lines.append("s_detector[ns] = detector")
        lines += self._plain_columns(kind, "singles", "ns")
        return [*lines, "ns += uint64(1)"]

    def _coincidence(self, branch: _Branch) -> list[str]:
        kind = branch.kind
        own = 0 if kind.yields == "prompt" else 1
        lines = [*self._event_time(kind), *self._detector_numbers(kind), "c_time_ps[nc] = t"]
        if branch.twin_index is None:
            lines += [f"c_kind[nc] = {own}", f"k{branch.index} += 1"]
        else:
            lines += [f"other = {branch.other}", f"c_kind[nc] = {'1 - ' if own else ''}other"]
            lines += [f"k{branch.index} += 1 - other", f"k{branch.twin_index} += other"]
        lines += self._plain_columns(kind, "coincidences", "nc")
        if kind.detector_a is not None and kind.detector_b is not None:
            lines += self._ordered_pair(kind)
        return [*lines, "nc += uint64(1)"]

    def _ordered_pair(self, kind: Kind) -> list[str]:
        """Store the lower detector number first; what belongs to a detector moves along, TOF turns its sign."""
        lines = ["if detector_a > detector_b:", "    detector_a, detector_b = detector_b, detector_a"]
        if kind.field_to("energy_a_kev") and kind.field_to("energy_b_kev"):
            lines.append("    c_energy_a_kev[nc], c_energy_b_kev[nc] = c_energy_b_kev[nc], c_energy_a_kev[nc]")
        if kind.field_to("tof_ps"):
            lines.append("    c_tof_ps[nc] = -c_tof_ps[nc]")
        return [*lines, "c_detector_a[nc] = detector_a", "c_detector_b[nc] = detector_b"]

    def _plain_columns(self, kind: Kind, stream: str, row: str) -> list[str]:
        """Fill every other column of the stream; a column that only another kind fills gets zero here."""
        lines = []
        for column in self._columns[stream]:  # type: ignore[index]
            if column in ("time_ps", "kind") or (column.startswith("detector") and getattr(kind, column) is not None):
                continue
            field = kind.field_to(column)  # type: ignore[arg-type]
            lines.append(f"{_PREFIX[stream]}_{column}[{row}] = {_column_value(field, column)}")
        return lines

    def _event_time(self, kind: Kind) -> list[str]:
        field = kind.field_to("time")
        if not self._layout.carries_time:
            if field is None:
                return ["t = int64(0)"]
            return [*self._unfold(field), *self._advance()]
        lines = ["if not timed:", f"    {self.cause('untimed')} += 1", "    continue"]
        if field is None:
            return [*lines, "t = now"]
        return [*lines, *self._ps_of(f"(ref + {_raw(field)} * {field.ticks})"), *_LATEST]

    def _unfold(self, field: BitField) -> list[str]:
        """Advance `ref` (ticks) to the field's value by the nearest way round its wrap."""
        wrap = (field.wrap or 1 << field.width) * field.ticks
        half = wrap // 2
        value = f"{_raw(field)} * {field.ticks}"
        if wrap & (wrap - 1) == 0 and wrap < 1 << 63:
            step = f"((v - ref + {half}) & {wrap - 1}) - {half}"
        elif wrap < 1 << 62:
            step = f"((v - ref + {half}) % {wrap}) - {half}"
        else:
            step = "v - ref"
        lines = [f"v = {value}"]
        if field.wrap and field.wrap < 1 << field.width:
            lines += [f"if v >= {wrap}:", f"    {self.cause('out_of_range')} += 1", "    continue"]
        lines += [f"stepped = ref + {step} if known else v"]
        limit = int(TIME_LIMIT_PS / self._tick)
        if wrap * self._tick > 1 << 40:
            lines += [
                f"if stepped > {limit} or stepped < -{limit}:",
                f"    {self.cause('out_of_range')} += 1",
                "    continue",
            ]
        return [*lines, "ref = stepped", "known = int64(1)"]

    def now(self) -> list[str]:
        """Return the statements that give `now`, the carried time in ps, at the start of a packet."""
        return [*self._ps_of("ref"), "now = t"]

    def _advance(self) -> list[str]:
        """Make the carried ticks the time of this word, and time zero where there was none."""
        zero = ["if not zeroed:", "    origin = ref", "    zeroed = int64(1)"]
        return [*zero, *self._ps_of("ref"), "now = t", "timed = True", *_LATEST]

    def _ps_of(self, ticks: str) -> list[str]:
        """Compute `t`, ps from time zero, rounding half to even."""
        num, den = self._tick.numerator, self._tick.denominator
        if den == 1:
            return [f"t = ({ticks} - origin) * {num}"]
        shift = den.bit_length() - 1
        if den == 1 << shift:
            whole, rest, carried = f"n >> {shift}", f"n & {den - 1}", f"part >> {shift}"
            remainder = f"part & {den - 1}"
        else:
            whole, rest, carried = f"n // {den}", f"n - (n // {den}) * {den}", f"part // {den}"
            remainder = f"part - (part // {den}) * {den}"
        # No jump for the rounding: it would be mispredicted every other time.
        tie = f" + int64(rest == {den // 2}) * (t & 1)" if den % 2 == 0 else ""
        return [
            f"n = {ticks} - origin",
            f"part = ({rest}) * {num}",
            f"t = ({whole}) * {num} + ({carried})",
            f"rest = {remainder}",
            f"t += int64(rest > {den // 2}){tie}",
        ]

    def _detector_numbers(self, kind: Kind) -> list[str]:
        lines, tests = [], []
        for name, number in _detectors(kind).items():
            index = "int64(0)"
            for digit, radix in zip(number.digits, number.radix, strict=True):
                field = kind.fields[digit]
                lines.append(f"{name}_{digit} = {_raw(field)}")
                if radix < 1 << field.width:
                    tests.append(f"{name}_{digit} >= {radix}")
                index = f"{name}_{digit}" if index == "int64(0)" else f"({index}) * {radix} + {name}_{digit}"
            lines.append(f"{name} = {index}")
        refuse = [f"    {self.cause('out_of_range')} += 1", "    continue"]
        if tests:
            lines += [f"if {' or '.join(tests)}:", *refuse]
        lines += self._looked_up(kind, refuse)
        if kind.detector_a is not None and kind.detector_b is not None:
            lines += ["if detector_a == detector_b:", *refuse]
        return lines

    def _looked_up(self, kind: Kind, refuse: list[str]) -> list[str]:
        lines = []
        for name, number in _detectors(kind).items():
            if number.lookup is not None:
                lines += [f"{name} = table{self._next_table}[{name}]", f"if {name} < 0:", *refuse]
                self._next_table += 1
        return lines


_LATEST = ["if t > latest:", "    latest = t"]


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _raw(field: BitField) -> str:
    """Return an int64 expression of the field's integer value."""
    shifted = f"(w >> uint64({field.low}))" if field.low else "w"
    raw = f"int64({shifted} & uint64({(1 << field.width) - 1:#x}))"
    if not field.signed:
        return raw
    sign = 1 << (field.width - 1)
    return f"(({raw} ^ int64({sign})) - int64({sign}))" if field.width < _MACHINE_WORD_BITS else raw


def _physical(field: BitField) -> str:
    if field.scale == 1.0 and field.offset == 0.0:
        return f"float64({_raw(field)})"
    return f"(float64({_raw(field)}) * {field.scale!r} + {field.offset!r})"


def _column_value(field: BitField | None, column: str) -> str:
    if field is None:
        return "0"
    if column.endswith(("_kev", "_mm")):
        return f"float32({_physical(field)})"
    if column == "tof_ps" and (field.scale != 1.0 or field.offset != 0.0):
        return f"int32(round({_physical(field)}))"
    return _raw(field)


__all__ = ["CAUSES", "COUNTERS", "DECODED_STREAMS", "VERSION", "decoder_source", "lookup_tables"]
