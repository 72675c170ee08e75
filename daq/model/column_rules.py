"""Rules on the fields of a word: which column they fill, in which unit, and where the time comes from."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import isfinite

from daq.model.finding import Finding, Said, error, warning
from daq.model.layout import BitField, Clock, Kind, Layout, Target, Yields
from daq.model.units import (
    ENERGY_COLUMN_UNIT,
    LENGTH_COLUMN_UNIT,
    TIME_COLUMN_UNIT,
    UNITS,
    convert,
    is_dimensionless,
    why_unknown,
)

_COINCIDENCE: tuple[Target, ...] = ("time", "bin", "tof_ps", "energy_a_kev", "energy_b_kev")

TARGETS: dict[Yields, tuple[Target, ...]] = {
    "single": ("time", "energy_adc", "energy_kev", "x_mm", "y_mm", "head"),
    "prompt": _COINCIDENCE,
    "delayed": _COINCIDENCE,
    "time": ("time",),
    "mark": ("time", "value", "value2"),
    "nothing": (),
}
"""The columns a field may fill, by what its kind yields."""

COLUMN_UNITS: dict[Target, str] = {
    "energy_kev": ENERGY_COLUMN_UNIT,
    "energy_a_kev": ENERGY_COLUMN_UNIT,
    "energy_b_kev": ENERGY_COLUMN_UNIT,
    "x_mm": LENGTH_COLUMN_UNIT,
    "y_mm": LENGTH_COLUMN_UNIT,
    "tof_ps": TIME_COLUMN_UNIT,
}
"""Columns with a unit in their name: `raw * scale + offset` must give the value in exactly this unit."""

COUNT_COLUMNS: dict[Target, int] = {"energy_adc": 16, "head": 8, "bin": 32}
"""Columns that take the count as it is: dimensionless, unsigned, without scale or offset, at most so many bits."""

_UNSCALED: tuple[Target, ...] = (*COUNT_COLUMNS, "time", "value")
_INT32_MAX = (1 << 31) - 1
_INT64_BITS = 63
_FLOAT32_MAX = (2 - 2**-23) * 2.0**127
_PAIR_ENERGIES: tuple[Target, ...] = ("energy_a_kev", "energy_b_kev")
_EVENTS = ("single", "prompt", "delayed")
_COINCIDENCES = ("prompt", "delayed")


def _fields(layout: Layout) -> Iterator[tuple[str, Kind, BitField]]:
    """Yield (key, kind, field) of every field."""
    for kind_name, kind in layout.kinds.items():
        for name, field in kind.fields.items():
            yield f"layout.kinds.{kind_name}.fields.{name}", kind, field


def units_are_known(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand that every field names a unit of the table."""
    for key, _, field in _fields(layout):
        why = why_unknown(field.unit)
        if why is not None:
            yield error(f"{key}.unit", field.unit, why)


def columns_belong(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand that a field fills a column of its kind, and alone."""
    for key, kind, field in _fields(layout):
        if field.to is None:
            continue
        allowed = TARGETS[kind.yields]
        if field.to not in allowed:
            possible = ", ".join(allowed) or "none"
            yield error(f"{key}.to", field.to, f"no column of a kind that yields {kind.yields}; possible: {possible}")
        if kind.field_to(field.to) is not field:
            yield error(f"{key}.to", field.to, "two fields of this kind fill one column")


def column_units(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand the unit in a column's name, exactly; a column of counts gets a pure number."""
    for key, _, field in _fields(layout):
        wanted = COLUMN_UNITS.get(field.to) if field.to else None
        if wanted is not None and field.unit in UNITS and field.unit != wanted:
            reason = f"{field.to} is in {wanted}: scale and offset must give {wanted}, and unit must say so"
            yield error(f"{key}.unit", field.unit, reason)
        if field.to in COUNT_COLUMNS and field.unit in UNITS and not is_dimensionless(field.unit):
            yield error(f"{key}.unit", field.unit, f'{field.to} is a pure number: the unit is "1", "adc" or "code"')


def counts_stay_counts(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand the raw count for integer columns: no scale, no offset, no sign where the column has none."""
    for key, _, field in _fields(layout):
        if field.to in _UNSCALED and (field.scale != 1 or field.offset != 0):
            other = "ticks" if field.to == "time" else "value2" if field.to == "value" else "a column with a unit"
            reason = f"{field.to} takes the count as it is; for a physical value use {other}"
            yield error(f"{key}.scale", Said(f"{field.scale:g}, offset {field.offset:g}"), reason)
        if field.signed and (field.to in COUNT_COLUMNS or field.to == "time"):
            yield error(f"{key}.signed", Said("true"), f"{field.to} is unsigned")


def values_fit_columns(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand that the widest value of a field fits its column."""
    for key, _, field in _fields(layout):
        limit = COUNT_COLUMNS.get(field.to, 64) if field.to else 64
        if field.to == "time" or (field.to == "value" and not field.signed):
            limit = _INT64_BITS
        if field.width > limit:
            yield error(f"{key}.bits", field.bits, f"{field.width} bits; {field.to} takes at most {limit}")
        if field.to == "tof_ps" and _largest(field) > _INT32_MAX:
            reason = f"reaches {_largest(field):.4g} ps; tof_ps is 32 bits, so at most {_INT32_MAX} ps"
            yield error(f"{key}.scale", field.scale, reason)
        elif field.to and isfinite(field.scale) and isfinite(field.offset) and not _largest(field) <= _FLOAT32_MAX:
            reason = f"reaches {_largest(field):.4g}; {field.to} holds at most {_FLOAT32_MAX:.4g}"
            yield error(f"{key}.scale", field.scale, reason)


def scales_are_numbers(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand a scale that can be undone when encoding: finite and not zero."""
    for key, _, field in _fields(layout):
        if not isfinite(field.scale) or field.scale == 0:
            yield error(f"{key}.scale", field.scale, "must be finite and not zero, for the encoder divides by it")
        if not isfinite(field.offset):
            yield error(f"{key}.offset", field.offset, "must be finite")


def time_keys(layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Demand `ticks` and `wrap` on time fields only, whose unit agrees with the clock."""
    for key, _, field in _fields(layout):
        if field.to != "time":
            if field.ticks != 1 or field.wrap is not None:
                wrong = "ticks" if field.ticks != 1 else "wrap"
                yield error(f"{key}.{wrong}", getattr(field, wrong), 'only for a field with to = "time"')
            continue
        if field.wrap is not None and field.width > 0 and field.wrap > 1 << field.width:
            reason = f"{field.width} bits wrap after {1 << field.width} counts at the latest"
            yield error(f"{key}.wrap", field.wrap, reason)
        if 0 < field.width <= _INT64_BITS and (field.wrap or 1 << field.width) * field.ticks > 1 << _INT64_BITS:
            reason = f"{field.width} bits of {field.ticks} ticks pass 2^{_INT64_BITS} ticks, the range of the time"
            yield error(f"{key}.ticks", field.ticks, reason)
        yield from _time_unit(key, field, clock)


def _time_unit(key: str, field: BitField, clock: Clock) -> Iterator[Finding]:
    """Demand that a unit of time says what the clock says: one count is `ticks * tick_ps`."""
    if field.unit not in UNITS or field.unit in ("tick", "1"):
        return
    if UNITS[field.unit].dimension != "time":
        yield error(f"{key}.unit", field.unit, 'a time field counts ticks: the unit is "tick" or a unit of time')
        return
    count_ps = field.ticks * clock.tick
    if convert(Fraction(1), unit=field.unit, to="ps") != count_ps:
        reason = f"one count is ticks * tick_ps = {count_ps} ps by the clock, which is not 1 {field.unit}"
        yield error(f"{key}.unit", field.unit, reason)


def time_words(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand a time field in every time word."""
    for name, kind in layout.kinds.items():
        if kind.yields == "time" and kind.field_to("time") is None:
            yield error(f"layout.kinds.{name}.fields", Said("no time"), 'a time word needs one field with to = "time"')


def events_have_time(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand that, without time words, each event carries its own time."""
    if layout.carries_time or layout.decoder is not None:
        return
    for name, kind in layout.kinds.items():
        if kind.field_to("time") is not None:
            continue
        reason = 'has no field with to = "time", and no kind yields time words: '
        if kind.yields in _EVENTS:
            yield error(f"layout.kinds.{name}.fields", Said("no time"), f"{reason}its events have no time")
        if kind.yields == "mark":
            yield warning(
                f"layout.kinds.{name}.fields", Said("no time"), f"{reason}the mark takes that of the last event"
            )


def events_say_where(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Warn of coincidences that say neither detectors nor bin."""
    for name, kind in layout.kinds.items():
        if kind.yields in _COINCIDENCES and kind.detector_a is None and kind.field_to("bin") is None:
            reason = "neither detector_a and detector_b nor a bin: the rows say when, not where"
            yield warning(f"layout.kinds.{name}", kind.yields, reason)


def pair_energies(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand both energies of a pair or neither: they change places together with their detectors."""
    for name, kind in layout.kinds.items():
        given = [target for target in _PAIR_ENERGIES if kind.field_to(target) is not None]
        if len(given) == 1:
            reason = "a coincidence gives energy_a_kev and energy_b_kev, both or neither"
            yield error(f"layout.kinds.{name}.fields", given[0], reason)


def one_stream_one_set_of_columns(layout: Layout, _clock: Clock) -> Iterator[Finding]:
    """Demand the same columns of all kinds that share a stream: a column is there in every row or not at all."""
    for family in (("single",), _COINCIDENCES):
        kinds = [(name, kind) for name, kind in layout.kinds.items() if kind.yields in family]
        for name, kind in kinds[1:]:
            first, given = _columns(kinds[0][1]), _columns(kind)
            if given != first:
                odd = ", ".join(sorted(given ^ first))
                reason = f"shares a stream with {kinds[0][0]}, but only one of the two gives {odd}"
                yield error(f"layout.kinds.{name}.fields", Said(", ".join(sorted(given)) or "none"), reason)


def precision(layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Warn of a precision finer than one count of the event time."""
    own = [kind.field_to("time") for kind in layout.kinds.values() if kind.yields in _EVENTS]
    words = [kind.field_to("time") for kind in layout.kinds.values() if kind.yields == "time"]
    fields = own if any(own) else words
    steps = [field.ticks * clock.tick for field in fields if field is not None]
    if steps and clock.precision_ps < min(steps) - 1:
        reason = f"finer than one count of the event time, {float(min(steps)):g} ps"
        yield warning("clock.precision_ps", clock.precision_ps, reason)


def _columns(kind: Kind) -> set[str]:
    """Return the columns of a row other than its time."""
    columns: set[str] = {field.to for field in kind.fields.values() if field.to not in (None, "time")}
    return columns | {name for name in ("detector", "detector_a", "detector_b") if getattr(kind, name) is not None}


def _largest(field: BitField) -> float:
    """Return the largest absolute physical value the field can hold."""
    width = max(field.width, 0)
    ends = (-(1 << max(width - 1, 0)), (1 << max(width - 1, 0)) - 1) if field.signed else (0, (1 << width) - 1)
    return max(abs(raw * field.scale + field.offset) for raw in ends)


COLUMN_RULES = (
    units_are_known,
    columns_belong,
    column_units,
    counts_stay_counts,
    values_fit_columns,
    scales_are_numbers,
    time_keys,
    time_words,
    events_have_time,
    events_say_where,
    pair_energies,
    one_stream_one_set_of_columns,
    precision,
)
