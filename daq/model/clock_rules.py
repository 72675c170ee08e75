"""Rules on the clock and on what counts it: decoders compute times in 64 bits and must neither overflow nor guess."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from daq.model.finding import Finding, Said, error, warning
from daq.model.layout import BitField, Clock, Layout

_INT64 = 1 << 63
TIME_LIMIT_PS = 1 << 62
"""The largest time from time zero, 53 days; also the largest number of ticks from there."""

_HALF_LIMIT_PS = TIME_LIMIT_PS // 2
"""What may be added to others: the carried start, and the time of an event after time words."""

_MAX_ODD_WRAP = 1 << 60
_MIN_WRAP = 3


def tick_is_computable(_layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Demand a tick whose conversion to picoseconds is exact in 64-bit integers."""
    tick = clock.tick
    if tick.numerator * tick.denominator >= _INT64:
        reason = f"as a fraction it is {tick}, too long for exact times in 64 bits; write the nominal fraction"
        yield error("clock.tick_ps", clock.tick_ps, reason)
    elif tick > TIME_LIMIT_PS:
        yield error("clock.tick_ps", clock.tick_ps, f"one tick passes the largest time, {TIME_LIMIT_PS} ps")


def start_is_a_time(_layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Demand a carried time that is one, and warn where nothing is known of it."""
    ticks = clock.start_ticks
    if ticks is None:
        return
    if abs(ticks) * max(clock.tick, Fraction(1)) > _HALF_LIMIT_PS:
        yield error("clock.start_ticks", ticks, f"passes half the largest time, {_HALF_LIMIT_PS} ps, or as many ticks")
    elif not clock.reset_at_start:
        reason = "says nothing on a live stream: the clock is not reset, so time zero is the first timed word"
        yield warning("clock.start_ticks", ticks, reason)


def counters_can_be_unfolded(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand wraps that leave a nearest way round, of the words that move the clock."""
    for key, field in _moving(layout):
        wrap, said = field.wrap or 1 << max(field.width, 0), "wrap" if field.wrap else "bits"
        shown = field.wrap or field.bits
        if 0 < wrap < _MIN_WRAP:
            yield error(f"{key}.{said}", shown, f"a counter of {wrap} cannot tell forwards from backwards")
        if wrap & (wrap - 1) and wrap * field.ticks > _MAX_ODD_WRAP:
            reason = f"{wrap} counts of {field.ticks} ticks pass 2^60 ticks; so long a wrap must be a power of two"
            yield error(f"{key}.{said}", shown, reason)


def times_after_time_words(layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Demand event times that do not wrap and stay in range where time words carry the time."""
    if not layout.carries_time:
        return
    for key, kind_yields, field in _times(layout):
        if kind_yields == "time":
            continue
        if field.wrap is not None:
            reason = "is not obeyed: the time of an event after time words is added to theirs and does not wrap"
            yield error(f"{key}.wrap", field.wrap, reason)
        if (field.ticks << max(field.width, 0)) * max(clock.tick, Fraction(1)) > _HALF_LIMIT_PS:
            reason = f"passes half the largest time, {_HALF_LIMIT_PS} ps, or as many ticks"
            yield error(f"{key}.bits", field.bits, reason)


def time_words_agree(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Warn of time words that count differently: each sets the whole time, they do not add up."""
    words = [(key, field) for key, kind_yields, field in _times(layout) if kind_yields == "time"]
    for key, field in words[1:]:
        first = words[0][1]
        if (field.ticks, field.wrap or 1 << field.width) != (first.ticks, first.wrap or 1 << first.width):
            counts = Said(f"{field.wrap or 1 << field.width} counts of {field.ticks} ticks")
            reason = "counts otherwise than the first kind of time word; each of them sets the whole time"
            yield warning(key, counts, reason)


def _times(layout: Layout) -> Iterator[tuple[str, str, BitField]]:
    """Yield (key, what the kind yields, field) of every time field with bits."""
    for kind_name, kind in layout.kinds.items():
        for name, field in kind.fields.items():
            if field.to == "time" and field.width > 0:
                yield f"layout.kinds.{kind_name}.fields.{name}", kind.yields, field


def _moving(layout: Layout) -> Iterator[tuple[str, BitField]]:
    """Yield (key, field) of the fields that move the clock: those of time words, or all where there are none."""
    for key, kind_yields, field in _times(layout):
        if kind_yields == "time" or not layout.carries_time:
            yield key, field


CLOCK_RULES = (
    tick_is_computable,
    start_is_a_time,
    counters_can_be_unfolded,
    times_after_time_words,
    time_words_agree,
)
