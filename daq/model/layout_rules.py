"""What makes an event layout sensible, beyond the types of its keys: the rules behind `daq profile lint`.

Each rule is a generator over (layout, clock). The bit and tag rules are here; rules on columns, units and time are in
`daq.model.column_rules`, those on detector numbers in `daq.model.detector_rules`. An error forbids the use of the
profile; a warning names what a hardware engineer should look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

from daq.model.clock_rules import CLOCK_RULES
from daq.model.column_rules import COLUMN_RULES
from daq.model.detector_rules import detector_numbers
from daq.model.fers_rules import fers_layout
from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.layout import Clock, Kind, Layout, bit_mask
from daq.model.mcpha_rules import mcpha_layout
from daq.model.tofpet2_rules import tofpet2_layout

EVENT_KINDS = ("single", "prompt", "delayed")

CAUSES = ("unknown", "out_of_range", "untimed")
"""Words that give no row, by cause; their counts follow those of the kinds."""

MAX_PREAMBLE_BYTES = 1 << 24

Rule = Callable[[Layout, Clock], Iterator[Finding]]


def findings(layout: Layout, clock: Clock) -> list[Finding]:
    """Return everything there is to say about a layout and its clock, in the order of the rules."""
    return [finding for rule in RULES for finding in rule(layout, clock)]


def _ranges(kind: Kind) -> Iterator[tuple[str, str]]:
    """Yield (key below the kind, bit range) of all tags, fields and reserved ranges."""
    for bits in kind.tag:
        yield f'tag."{bits}"', bits
    for name, field in kind.fields.items():
        yield f"fields.{name}.bits", field.bits
    for index, bits in enumerate(kind.reserved):
        yield f"reserved[{index}]", bits


def _named(layout: Layout) -> Iterator[tuple[str, Kind]]:
    """Yield (key, kind)."""
    for name, kind in layout.kinds.items():
        yield f"layout.kinds.{name}", kind


def ranges_fit(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand ranges inside the word, written high:low."""
    for key, kind in _named(layout):
        for below, bits in _ranges(kind):
            high, low = int(bits.partition(":")[0]), int(bits.rpartition(":")[2])
            if high < low:
                yield error(f"{key}.{below}", bits, f'the range is inverted; write the high bit first: "{low}:{high}"')
            if max(high, low) >= layout.word_bits:
                reason = (
                    f"bit {max(high, low)} is past the word of {layout.word_bits} bits (0 to {layout.word_bits - 1})"
                )
                yield error(f"{key}.{below}", bits, reason)


def no_bit_twice(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand that no bit has two meanings. Tags that overlap are judged by `tags_agree`."""
    for key, kind in _named(layout):
        for (key_a, bits_a), (key_b, bits_b) in combinations(_ranges(kind), 2):
            both = bit_mask(bits_a) & bit_mask(bits_b)
            if both and not (key_a.startswith("tag.") and key_b.startswith("tag.")):
                yield error(f"{key}.{key_b}", bits_b, f"overlaps {key_a} = {bits_a} in {bit_names(both)}")


def tag_values_fit(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand tag values no wider than their ranges."""
    for key, kind in _named(layout):
        for bits, value in kind.tag.items():
            width = bit_mask(bits).bit_count()
            if width and value >> width:
                reason = f"the value needs {value.bit_length()} bits, the range has {width}"
                yield error(f'{key}.tag."{bits}"', Said(hex(value)), reason)


def tags_agree(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand one value for a bit that is tagged twice."""
    for key, kind in _named(layout):
        for (bits_a, value_a), (bits_b, value_b) in combinations(kind.tag.items(), 2):
            both = bit_mask(bits_a) & bit_mask(bits_b)
            if (_placed(bits_a, value_a) ^ _placed(bits_b, value_b)) & both:
                other = f'tag."{bits_a}" = {_binary(bits_a, value_a)}'
                reason = f"tags {bit_names(both)} otherwise than {other}: no word can match both"
                yield error(f'{key}.tag."{bits_b}"', Said(_binary(bits_b, value_b)), reason)


def one_kind_per_word(layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Demand that no word matches two kinds: the order of kinds never matters, and each can be reached."""
    broken = {finding.key.split(".")[2] for rule in (tag_values_fit, tags_agree) for finding in rule(layout, clock)}
    sound = [(name, kind) for name, kind in layout.kinds.items() if name not in broken]
    for (name_a, a), (name_b, b) in combinations(sound, 2):
        if not (a.tag_value ^ b.tag_value) & a.tag_mask & b.tag_mask:
            yield _clash(name_a, a, name_b, b)


def _clash(name_a: str, a: Kind, name_b: str, b: Kind) -> Finding:
    """Return what is wrong between two kinds that a word can match both; `a` is written first."""
    key, tags = f"layout.kinds.{name_b}.tag", _tags(b)
    if a.tag_mask == b.tag_mask:
        return error(key, tags, f"unreachable: the same tag as {name_a}, which comes first")
    if not a.tag_mask & ~b.tag_mask:
        return error(key, tags, f"unreachable: every such word is a {name_a} {_tags(a)} already, which comes first")
    example = a.tag_value | b.tag_value
    return error(key, tags, f"ambiguous with {name_a} {_tags(a)}: the word {example:#x} matches both")


def every_bit_has_a_name(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Warn of bits in no tag, field or reserved range: most often a forgotten field."""
    word = (1 << layout.word_bits) - 1
    for key, kind in _named(layout):
        named = 0
        for _, bits in _ranges(kind):
            named |= bit_mask(bits)
        if word & ~named:
            reason = "in no tag, field or reserved range; name them or list them in `reserved`"
            yield warning(key, Said(bit_names(word & ~named)), reason)


def preamble_fits(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand a preamble text of ASCII that fits the preamble."""
    for index, text in enumerate(layout.preamble_begins):
        key = f"layout.preamble_begins[{index}]"
        if not text or not text.isascii():
            yield error(key, text, "must be ASCII text of at least one character")
        elif len(text) > layout.preamble_bytes:
            reason = f"{len(text)} bytes, longer than preamble_bytes = {layout.preamble_bytes}"
            yield error(key, text, reason)
    if layout.preamble_bytes > MAX_PREAMBLE_BYTES:
        yield error("layout.preamble_bytes", layout.preamble_bytes, f"at most {MAX_PREAMBLE_BYTES}")
    if layout.preamble_bytes and not layout.preamble_begins:
        reason = "no preamble_begins: a file of another format cannot be told from one of this"
        yield warning("layout.preamble_bytes", layout.preamble_bytes, reason)


def marks_are_named(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand `mark` where a mark is yielded and nowhere else; `stored` only for marks and time words."""
    for key, kind in _named(layout):
        if kind.yields == "mark" and kind.mark is None:
            yield error(f"{key}.mark", ABSENT, "required where yields is mark: it names the mark")
        if kind.yields != "mark" and kind.mark is not None:
            yield error(f"{key}.mark", kind.mark, f"only where yields is mark; here it is {kind.yields}")
        if not kind.stored and kind.yields not in ("mark", "time"):
            yield error(
                f"{key}.stored", Said("false"), f"only for marks and time words; this kind yields {kind.yields}"
            )


def something_is_detected(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand a kind that yields events."""
    if not any(kind.yields in EVENT_KINDS for kind in layout.kinds.values()):
        kinds = Said(", ".join(layout.kinds) or "none")
        yield error("layout.kinds", kinds, "no kind yields a single, prompt or delayed: nothing would be recorded")


def kinds_are_no_causes(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand kinds that are not named like a cause of a word without row: both are counted by name."""
    for name in layout.kinds:
        if name in CAUSES:
            reason = f"is a cause by which words without a row are counted ({', '.join(CAUSES)}): name it otherwise"
            yield error(f"layout.kinds.{name}", name, reason)


def bit_names(mask: int) -> str:
    """Return the set bits as people write them, e.g. `bits 31:29, 4`."""
    parts: list[str] = []
    bit = mask.bit_length() - 1
    while bit >= 0:
        if mask >> bit & 1:
            low = bit
            while low and mask >> (low - 1) & 1:
                low -= 1
            parts.append(f"{bit}:{low}" if bit > low else str(bit))
            bit = low
        bit -= 1
    one = len(parts) == 1 and ":" not in parts[0]
    return f"bit {parts[0]}" if one else f"bits {', '.join(parts)}"


def _placed(bits: str, value: int) -> int:
    return value << int(bits.rpartition(":")[2])


def _binary(bits: str, value: int) -> str:
    return f"0b{value:0{bit_mask(bits).bit_count()}b}"


def _tags(kind: Kind) -> Said:
    inside = ", ".join(f'"{bits}" = {_binary(bits, value)}' for bits, value in kind.tag.items())
    return Said(f"{{ {inside} }}" if inside else "{}")


RULES: tuple[Rule, ...] = (
    something_is_detected,
    kinds_are_no_causes,
    ranges_fit,
    no_bit_twice,
    tag_values_fit,
    tags_agree,
    one_kind_per_word,
    every_bit_has_a_name,
    preamble_fits,
    marks_are_named,
    *COLUMN_RULES,
    *CLOCK_RULES,
    detector_numbers,
    tofpet2_layout,
    mcpha_layout,
    fers_layout,
)
