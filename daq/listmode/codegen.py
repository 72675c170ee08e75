"""Compile a layout into the source text of a decoder module: one branch per kind of word, constants folded in.

The text is plain Python for numba's subset, so it can be read, diffed and single-stepped. `daq.storage.kernels` keeps
it in the user's cache, named by its hash. Sans-IO: a layout in, text out.

The kernel walks packets and words once. Its running state per source is int64 `state[source]` =
(time known?, carried or last ticks, latest time_ps), known being 1 where it is assumed, 2 where it was read. Per clock
domain `zero[domain]` = (zero known?, its ticks, any ticks read?, the newest). The first time of a source is unfolded
next to the newest of its domain, which may have wrapped many times before the source spoke.
For each packet it notes in `ends` how many rows of each stream there are after it, and its source's latest time.
"""

from __future__ import annotations

from daq.listmode.branches import branches_of, detectors_of
from daq.listmode.columns import NUMPY_TYPES, decoded_columns
from daq.listmode.expressions import load
from daq.listmode.statements import PREFIX, Statements, indent
from daq.model.events import STREAMS
from daq.model.layout import Clock, Layout
from daq.model.layout_rules import CAUSES
from daq.model.packets import NOT_DECODED

VERSION = 3
"""Raise it when the meaning or the signature of generated code changes: modules of other versions are not used."""

_NUMBA = {"i8": "int64", "u4": "uint32", "i4": "int32", "u2": "uint16", "u1": "uint8", "f4": "float32", "f8": "float64"}


def lookup_tables(layout: Layout) -> list[tuple[int, ...]]:
    """Return the detector lookup tables in the order in which the kernel takes them."""
    numbers = (n for kind in layout.kinds.values() for n in detectors_of(kind).values())
    return [number.lookup for number in numbers if number.lookup is not None]


def decoder_source(layout: Layout, clock: Clock) -> str:
    """Return the module text; its `decode` fills column arrays and returns rows per stream."""
    columns = [
        (f"{PREFIX[stream]}_{name}", NUMPY_TYPES[STREAMS[stream][name].type])
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
        "ends",
        *tables,
        *(c for c, _ in columns),
    ]
    types = [
        *("_frozen(uint8)", "_frozen(int64)", "_frozen(int64)", "_frozen(uint16)", "_frozen(uint8)"),
        *("int64[:, ::1]", "int64[:, ::1]", "int64[:, ::1]", "int64[:, ::1]"),
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
    compiler = Statements(layout, clock)
    lines = [
        "ns, nc, nm = uint64(0), uint64(0), uint64(0)  # unsigned: a signed index costs a wrap-around test",
        "for p in range(offset.size):",
        "    s = int64(source[p])",
        f"    if flags[p] & {int(NOT_DECODED)}:",
        "        ends[p, 0], ends[p, 1], ends[p, 2], ends[p, 3] = ns, nc, nm, state[s, 2]",
        "        continue",
        f"    d = {'0' if clock.shared else 's'}",
        "    known, ref, latest = state[s, 0], state[s, 1], state[s, 2]",
        "    zeroed, origin = zero[d, 0], zero[d, 1]",
        "    near = known != 0",
        "    if known < 2 and zero[d, 2] != 0:",
        "        ref, near = zero[d, 3], True",
        "    timed = known != 0 and zeroed != 0",
        *indent(compiler.now()),
        f"    {' = '.join(locals_)} = 0",
        "    at = offset[p]",
        f"    for _ in range(length[p] // {size}):",
        f"        w = {load(layout)}",
        f"        at += {size}",
    ]
    for position, branch in enumerate(branches_of([kind for _, kind in kinds])):
        lines.append(f"        {'el' if position else ''}if {branch.test}:")
        lines += [f"            {line}" for line in compiler.branch(branch)]
    lines += [
        "        else:",
        f"            {compiler.cause('unknown')} += 1",
        "    state[s, 0], state[s, 1], state[s, 2] = known, ref, latest",
        "    zero[d, 0], zero[d, 1] = zeroed, origin",
        "    if known == 2 and (zero[d, 2] == 0 or ref > zero[d, 3]):",
        "        zero[d, 2], zero[d, 3] = 1, ref",
        *(f"    counts[s, {i}] += {name}" for i, name in enumerate(locals_)),
        "    ends[p, 0], ends[p, 1], ends[p, 2], ends[p, 3] = ns, nc, nm, latest",
        "return int64(ns), int64(nc), int64(nm)",
    ]
    return [f"    {line}" for line in lines]


__all__ = ["CAUSES", "VERSION", "decoder_source", "lookup_tables"]
