"""Rules on a layout with the hand-written decoder of MCPHA polls."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model import mcpha as m
from daq.model.finding import ABSENT, Finding, error, warning
from daq.model.layout import Clock, Layout, Mcpha

_WORD_BITS = 16
_BIN, _INPUT = "11:0", "12"


def mcpha_layout(layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Demand of a layout with the decoder `mcpha` the bins, the clock and the settings that the decoder knows."""
    if (layout.decoder == "mcpha") != (layout.mcpha is not None):
        reason = 'goes with layout.decoder = "mcpha", one does not do without the other'
        yield error("layout.mcpha", ABSENT if layout.mcpha is None else "a table", reason)
    if layout.decoder != "mcpha" or layout.mcpha is None:
        return
    if clock.tick != m.CLOCK_PS:
        yield error("clock.tick_ps", clock.tick_ps, f"an MCPHA clock is {m.CLOCK_PS} ps")
    if layout.word_bits != _WORD_BITS:
        yield error("layout.word_bits", layout.word_bits, f"a bin with its input is said in {_WORD_BITS} bits")
    if list(layout.kinds) != ["single"] or layout.kinds["single"].yields != "single":
        yield error("layout.kinds", list(layout.kinds), "histograms hold one kind of count, `single`")
        return
    yield from _fields(layout)
    yield from _settings(layout.mcpha, clock)


def _fields(layout: Layout) -> Iterator[Finding]:
    single = layout.kinds["single"]
    fields = {name: (field.bits, field.to) for name, field in single.fields.items()}
    wanted = {"bin": (_BIN, "energy_adc"), "input": (_INPUT, None)}
    if fields != wanted:
        yield error("layout.kinds.single.fields", fields, f"the decoder takes {wanted}")
    number = single.detector
    digits = None if number is None else (number.digits, number.radix, number.lookup)
    if digits != (("input",), (m.INPUTS,), None):
        yield error("layout.kinds.single.detector", ABSENT, f"its one digit is the input, of radix {m.INPUTS}")


def _settings(settings: Mcpha, clock: Clock) -> Iterator[Finding]:
    if len(set(settings.inputs)) != len(settings.inputs):
        yield error("layout.mcpha.inputs", list(settings.inputs), "names an input twice")
    low, high = settings.threshold_min_adc, settings.threshold_max_adc
    if low >= high:
        yield error("layout.mcpha.threshold_min_adc", low, f"must be below threshold_max_adc = {high}")
    if clock.precision_ps < settings.poll_ms * 10**9:
        reason = f"a count has the time of its poll: no better than poll_ms = {settings.poll_ms}"
        yield warning("clock.precision_ps", clock.precision_ps, reason)
