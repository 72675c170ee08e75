"""A decoder as one would write it on the blackboard: word after word, plain integers, no NumPy, no numba.

It is written from the grammar of layouts alone and shares no code with the generated kernels.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from daq.model.events import MARKS
from daq.model.layout import BitField, Clock, DetectorNumber, Kind, Layout

LIMIT_PS = 1 << 62


class OutOfRangeError(Exception):
    pass


class Oracle:
    """Decodes the words of one source."""

    def __init__(self, layout: Layout, clock: Clock, *, imported: bool) -> None:
        self.layout, self.clock = layout, clock
        self.ticks: int | None = clock.start_ticks
        self.zero: int | None = 0 if imported or clock.reset_at_start else None
        self.rows: dict[str, list[dict[str, Any]]] = {"singles": [], "coincidences": [], "marks": []}
        self.counts: dict[str, int] = {}

    def feed(self, data: bytes) -> None:
        size = self.layout.word_bytes
        for at in range(0, len(data) // size * size, size):
            word = int.from_bytes(data[at : at + size], self.layout.byte_order)
            name = self._name(word)
            try:
                cause = self._word(self.layout.kinds[name], word) if name else "unknown"
            except OutOfRangeError:
                cause = "out_of_range"
            counted = cause or name or "unknown"
            self.counts[counted] = self.counts.get(counted, 0) + 1

    def _name(self, word: int) -> str | None:
        for name, kind in self.layout.kinds.items():
            if all(_bits(word, bits) == value for bits, value in kind.tag.items()):
                return name
        return None

    def _word(self, kind: Kind, word: int) -> str | None:
        if kind.yields == "time":
            self._unfold(kind, word)
            if kind.stored:
                field = kind.field_to("time")
                self._mark(kind, "time", self._now(), _raw(field, word) if field else 0, float("nan"))
            return None
        if kind.yields == "mark":
            time_ps = self._event_time(kind, word) if kind.field_to("time") else self._now_or_zero()
            value, value2 = kind.field_to("value"), kind.field_to("value2")
            if time_ps is None:
                return "untimed"
            if kind.stored:
                physical = _physical(value2, word) if value2 else float("nan")
                self._mark(kind, kind.mark or "time", time_ps, _raw(value, word) if value else 0, physical)
            return None
        return None if kind.yields == "nothing" else self._event(kind, word)

    def _event(self, kind: Kind, word: int) -> str | None:
        time_ps = self._event_time(kind, word)
        if time_ps is None:
            return "untimed"
        row: dict[str, Any] = {"time_ps": time_ps}
        for field in kind.fields.values():
            if field.to not in (None, "time"):
                scaled = field.to.endswith(("_kev", "_mm"))  # type: ignore[union-attr]
                row[str(field.to)] = _physical(field, word) if scaled else _raw(field, word)
                if field.to == "tof_ps" and (field.scale, field.offset) != (1.0, 0.0):
                    row["tof_ps"] = round(_physical(field, word))
        for column in ("detector", "detector_a", "detector_b"):
            number = getattr(kind, column)
            if number is not None:
                row[column] = _detector(kind, number, word)
        if kind.yields == "single":
            self.rows["singles"].append(row)
            return None
        row["kind"] = 0 if kind.yields == "prompt" else 1
        self.rows["coincidences"].append(_ordered(row))
        return None

    def _event_time(self, kind: Kind, word: int) -> int | None:
        field = kind.field_to("time")
        if not self.layout.carries_time:
            if field is None:
                return 0
            self._unfold(kind, word)
            return self._now()
        if self.ticks is None or self.zero is None:
            return None
        return self._ps(self.ticks + (_raw(field, word) * field.ticks if field else 0))

    def _unfold(self, kind: Kind, word: int) -> None:
        field = kind.field_to("time")
        assert field is not None
        raw = _raw(field, word)
        wrap = field.wrap or 2**field.width
        if raw >= wrap:
            raise OutOfRangeError
        new = raw * field.ticks
        if self.ticks is not None:
            span = wrap * field.ticks
            step = (new - self.ticks) % span
            if step >= span - span // 2:
                step -= span
            new = self.ticks + step
        if self.zero is not None and abs(new - self.zero) > int(LIMIT_PS / max(self.clock.tick, 1)):
            raise OutOfRangeError
        self.ticks = new
        self.zero = new if self.zero is None else self.zero

    def _now(self) -> int:
        assert self.ticks is not None
        return self._ps(self.ticks)

    def _now_or_zero(self) -> int:
        return 0 if self.ticks is None or self.zero is None else self._now()

    def _ps(self, ticks: int) -> int:
        return round((ticks - (self.zero or 0)) * Fraction(self.clock.tick_ps))

    def _mark(self, kind: Kind, mark: str, time_ps: int, value: int, value2: float) -> None:
        self.rows["marks"].append({"time_ps": time_ps, "kind": MARKS.index(mark), "value": value, "value2": value2})


def _bits(word: int, bits: str) -> int:
    high, _, low = bits.partition(":")
    return (word >> int(low or high)) % 2 ** (int(high) - int(low or high) + 1)


def _raw(field: BitField, word: int) -> int:
    value = _bits(word, field.bits)
    width = field.high - field.low + 1
    return value - 2**width if field.signed and value >= 2 ** (width - 1) else value


def _physical(field: BitField, word: int) -> float:
    return float(_raw(field, word)) * field.scale + field.offset


def _detector(kind: Kind, number: DetectorNumber, word: int) -> int:
    index = 0
    for name, radix in zip(number.digits, number.radix, strict=True):
        digit = _raw(kind.fields[name], word)
        if digit >= radix:
            raise OutOfRangeError
        index = index * radix + digit
    found = index if number.lookup is None else number.lookup[index]
    if found < 0:
        raise OutOfRangeError
    return found


def _ordered(row: dict[str, Any]) -> dict[str, Any]:
    if "detector_a" not in row or "detector_b" not in row:
        return row
    if row["detector_a"] == row["detector_b"]:
        raise OutOfRangeError
    if row["detector_a"] > row["detector_b"]:
        row["detector_a"], row["detector_b"] = row["detector_b"], row["detector_a"]
        if "energy_a_kev" in row and "energy_b_kev" in row:
            row["energy_a_kev"], row["energy_b_kev"] = row["energy_b_kev"], row["energy_a_kev"]
        if "tof_ps" in row:
            row["tof_ps"] = -row["tof_ps"]
    return row
