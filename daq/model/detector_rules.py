"""Rules on detector numbers: digits, radices, lookup tables."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.layout import Clock, DetectorNumber, Kind, Layout

MAX_DETECTORS = 1 << 32
"""The columns are uint32."""


def detector_numbers(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand detector numbers where they belong, computed from the fields of their kind."""
    for name, kind in layout.kinds.items():
        key = f"layout.kinds.{name}"
        yield from _belongs(key, kind)
        for which, number in _numbers(kind):
            yield from _digits(f"{key}.{which}", number, kind)
            yield from _lookup(f"{key}.{which}", number)


def _numbers(kind: Kind) -> Iterator[tuple[str, DetectorNumber]]:
    for which in ("detector", "detector_a", "detector_b"):
        number: DetectorNumber | None = getattr(kind, which)
        if number is not None:
            yield which, number


def _belongs(key: str, kind: Kind) -> Iterator[Finding]:
    """Demand `detector` for singles only; `detector_a` and `detector_b` together, of one numbering."""
    allowed = {"single": {"detector"}, "prompt": {"detector_a", "detector_b"}, "delayed": {"detector_a", "detector_b"}}
    for which, number in _numbers(kind):
        if which not in allowed.get(kind.yields, set()):
            yield error(f"{key}.{which}", _text(number), f"not for a kind that yields {kind.yields}")
    a, b = kind.detector_a, kind.detector_b
    if (a is None) != (b is None):
        missing = "detector_a" if a is None else "detector_b"
        yield error(f"{key}.{missing}", ABSENT, "a coincidence has both detector_a and detector_b or neither")
    if a is not None and b is not None and (a.radix, a.lookup) != (b.radix, b.lookup):
        yield error(f"{key}.detector_b", _text(b), "numbers its detectors otherwise than detector_a (radix or lookup)")
    if a is not None and b is not None and a.digits == b.digits:
        yield error(f"{key}.detector_b.digits", list(b.digits), "the digits of detector_a: each with itself, no pair")


def _digits(key: str, number: DetectorNumber, kind: Kind) -> Iterator[Finding]:
    if not number.digits:
        yield error(f"{key}.digits", [], "at least one digit is needed")
    if len(number.digits) != len(number.radix):
        yield error(f"{key}.radix", list(number.radix), f"{len(number.radix)} radices for {len(number.digits)} digits")
    for index, digit in enumerate(number.digits):
        where = f"{key}.digits[{index}]"
        if digit in number.digits[:index]:
            yield error(where, digit, "is used twice")
        if digit not in kind.fields:
            yield error(where, digit, f"is not a field of this kind; fields: {', '.join(kind.fields) or 'none'}")
        elif kind.fields[digit].signed:
            yield error(where, digit, "is a signed field; a digit counts from 0")
    yield from _radices(key, number, kind)


def _radices(key: str, number: DetectorNumber, kind: Kind) -> Iterator[Finding]:
    for index, (digit, radix) in enumerate(zip(number.digits, number.radix, strict=False)):
        field = kind.fields.get(digit)
        if field is not None and field.width > 0 and radix > 1 << field.width:
            reason = f"is never reached: {digit} has {field.width} bits, so {1 << field.width} values"
            yield warning(f"{key}.radix[{index}]", radix, reason)
    if prod(number.radix) > MAX_DETECTORS:
        yield error(f"{key}.radix", list(number.radix), f"{prod(number.radix)} numbers do not fit the uint32 column")


def _lookup(key: str, number: DetectorNumber) -> Iterator[Finding]:
    if number.lookup is None:
        return
    where = f"{key}.lookup"
    if len(number.lookup) != number.count:
        reason = f"{len(number.lookup)} entries; the digits give {number.count} numbers"
        yield error(where, list(number.lookup), reason)
    for index, entry in enumerate(number.lookup):
        if not -1 <= entry < MAX_DETECTORS:
            yield error(
                f"{where}[{index}]", entry, "must be a detector number of 32 bits, or -1 for an address not in use"
            )
    used = [entry for entry in number.lookup if entry >= 0]
    if not used:
        yield error(where, list(number.lookup), "no address is in use: every such word would be refused")
    if len(set(used)) != len(used):
        yield warning(where, list(number.lookup), "two addresses give one detector: they cannot be told apart later")


def _text(number: DetectorNumber) -> Said:
    return Said(f"digits [{', '.join(number.digits)}]")
