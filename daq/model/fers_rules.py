"""Rules on a layout with the hand-written decoder of FERS-5200 events."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model import fers as f
from daq.model.finding import ABSENT, Finding, error
from daq.model.layout import Clock, Fers, Layout

SINGLES = {"spectroscopy": ("spectroscopy", "spectroscopy_timing"), "timing": ("timing",)}
"""Kinds of events that give singles, by what the settings say."""


def fers_layout(layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Demand of a layout with the decoder `fers` the words, the clock and the kinds that the decoder knows."""
    if (layout.decoder == "fers") != (layout.fers is not None):
        reason = 'goes with layout.decoder = "fers", one does not do without the other'
        yield error("layout.fers", ABSENT if layout.fers is None else "a table", reason)
    if layout.decoder != "fers":
        return
    if (layout.word_bits, layout.byte_order) != (8 * f.WORD_BYTES, "little"):
        yield error("layout.word_bits", layout.word_bits, "words of FERS events have 32 bits, little-endian")
    if layout.preamble_bytes:
        yield error("layout.preamble_bytes", layout.preamble_bytes, "FERS streams begin with an event")
    if clock.tick != f.CLOCK_PS:
        yield error("clock.tick_ps", clock.tick_ps, f"a FERS clock is {f.CLOCK_PS} ps")
    yield from _kinds(layout)
    if layout.fers is not None:
        yield from _gains(layout.fers)


def _kinds(layout: Layout) -> Iterator[Finding]:
    if tuple(layout.kinds) != f.KINDS:
        yield error("layout.kinds", list(layout.kinds), f"the decoder counts {', '.join(f.KINDS)}, in this order")
        return
    singles = SINGLES[layout.fers.events] if layout.fers is not None else ()
    for (name, kind), tag in zip(layout.kinds.items(), f.TAGS, strict=True):
        wanted = "single" if name in singles else "nothing"
        if layout.fers is not None and kind.yields != wanted:
            reason = f'with layout.fers.events = "{layout.fers.events}" it gives: {wanted}'
            yield error(f"layout.kinds.{name}.yields", kind.yields, reason)
        if kind.tag != tag:
            yield error(f"layout.kinds.{name}.tag", dict(kind.tag), f"the decoder knows it by {tag}")
        for field_name, field in kind.fields.items():
            if field.to is not None:
                reason = "the decoder alone fills columns"
                yield error(f"layout.kinds.{name}.fields.{field_name}.to", field.to, reason)


def _gains(fers: Fers) -> Iterator[Finding]:
    if fers.high_pedestal_adc >= fers.high_gain_to_adc:
        reason = f"must be below high_gain_to_adc = {fers.high_gain_to_adc}"
        yield error("layout.fers.high_pedestal_adc", fers.high_pedestal_adc, reason)
