"""The bit map of a kind of word as rows of text, for people: every bit from the highest to the lowest."""

from __future__ import annotations

from daq.model.layout import BitField, Clock, Kind, Layout, bit_mask

COLUMNS = ["bits", "name", "column", "unit", "physical value", "meaning"]


def bit_rows(layout: Layout, kind: Kind, clock: Clock) -> list[list[str]]:
    """Return one row per range: bits, name, column, unit, how to get the physical value, meaning."""
    rows = [
        (bits, ["(tag)", "", "", f"= 0b{value:0{bit_mask(bits).bit_count()}b}", ""]) for bits, value in kind.tag.items()
    ]
    rows += [(field.bits, _field_row(name, field, kind, layout, clock)) for name, field in kind.fields.items()]
    rows += [(bits, ["(reserved)", "", "", "", ""]) for bits in kind.reserved]
    rows += [(bits, ["(unnamed)", "", "", "", ""]) for bits in _unnamed(layout, rows)]
    rows.sort(key=lambda row: -int(row[0].partition(":")[0]))
    return [[bits, *cells] for bits, cells in rows]


def about(name: str, kind: Kind) -> str:
    """Return the heading of a kind: its name, what it yields, its meaning."""
    yields = f"mark {kind.mark}" if kind.mark else kind.yields
    return f"{name} -> {yields}" + (f": {kind.meaning}" if kind.meaning else "")


def detector_text(kind: Kind) -> str:
    """Return how detector numbers are made, or an empty text."""
    texts = []
    for which in ("detector", "detector_a", "detector_b"):
        number = getattr(kind, which)
        if number is not None:
            digits = ", ".join(f"{digit} of {radix}" for digit, radix in zip(number.digits, number.radix, strict=True))
            looked_up = ", then the lookup table" if number.lookup is not None else ""
            texts.append(f"{which}: {digits} = {number.count} numbers{looked_up}")
    return "; ".join(texts)


def _field_row(name: str, field: BitField, kind: Kind, layout: Layout, clock: Clock) -> list[str]:
    column = f"{'value' if kind.yields == 'time' else 'time_ps'}" if field.to == "time" else field.to or ""
    added = layout.carries_time and kind.yields != "time"
    return [name, column, field.unit, _physical(field, clock, added=added), field.meaning]


def _physical(field: BitField, clock: Clock, *, added: bool) -> str:
    """Return how the physical value is made. `added`: a time field counts on from the last time word."""
    raw = "signed raw" if field.signed else "raw"
    if field.to == "time":
        counts = f" * {field.ticks}" if field.ticks != 1 else ""
        how = "after the last time word" if added else f"wraps at {field.wrap or 1 << field.width}"
        return f"{raw}{counts} * {clock.tick_ps} ps, {how}"
    scaled = f"{raw} * {field.scale:g}" if field.scale != 1 else raw
    return f"{scaled} {'+' if field.offset > 0 else '-'} {abs(field.offset):g}" if field.offset else scaled


def _unnamed(layout: Layout, rows: list[tuple[str, list[str]]]) -> list[str]:
    named = 0
    for bits, _ in rows:
        named |= bit_mask(bits)
    left = ((1 << layout.word_bits) - 1) & ~named
    ranges = []
    while left:
        high = low = left.bit_length() - 1
        while low and left >> (low - 1) & 1:
            low -= 1
        ranges.append(f"{high}:{low}" if high > low else str(high))
        left &= (1 << low) - 1
    return ranges
