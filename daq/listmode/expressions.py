"""Expressions of generated decoders: the word, a field's integer, its physical value, the value of a column."""

from __future__ import annotations

from daq.model.layout import BitField, Layout

_MACHINE_WORD_BITS = 64


def load(layout: Layout) -> str:
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


def raw(field: BitField) -> str:
    """Return an int64 expression of the field's integer value."""
    shifted = f"(w >> uint64({field.low}))" if field.low else "w"
    value = f"int64({shifted} & uint64({(1 << field.width) - 1:#x}))"
    if not field.signed:
        return value
    sign = 1 << (field.width - 1)
    return f"(({value} ^ int64({sign})) - int64({sign}))" if field.width < _MACHINE_WORD_BITS else value


def physical(field: BitField) -> str:
    """Return a float64 expression of the field's physical value."""
    if field.scale == 1.0 and field.offset == 0.0:
        return f"float64({raw(field)})"
    return f"(float64({raw(field)}) * {field.scale!r} + {field.offset!r})"


def column_value(field: BitField | None, column: str) -> str:
    """Return the expression that fills a column; zero where the kind has no field for it."""
    if field is None:
        return "0"
    if column.endswith(("_kev", "_mm")):
        return f"float32({physical(field)})"
    if column == "tof_ps" and (field.scale != 1.0 or field.offset != 0.0):
        return f"int32(round({physical(field)}))"
    return raw(field)
