"""The encoder of an event layout: rows to words, vectorised. Simulators and round-trip tests use it.

Times are given in ticks of the layout's clock. Where the layout carries time in time words, the encoder inserts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from daq.errors import EncodeError
from daq.model.layout import BitField, Clock, DetectorNumber, Kind, Layout, Target

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
TimeWords = Literal["changes", "all"]
"""When time words are inserted: where the carried time changes, or one for every count of the time word's field."""


class Encoder:
    """Encodes runs of events of one source; consecutive calls make one stream."""

    def __init__(self, layout: Layout, clock: Clock, *, time_words: TimeWords = "changes") -> None:
        self.layout = layout
        self.kinds = tuple(layout.kinds)
        """Names in the order of the kind codes that `encode` takes."""
        self._time_words = time_words
        self._time_code = next((i for i, kind in enumerate(layout.kinds.values()) if kind.yields == "time"), None)
        self._last: int | None = None
        self._begun = False
        """Whether the decoder's carried time is that of `_last`: then only a change needs a time word."""
        if clock.start_ticks is not None:
            unit = 1 if self._time_code is None else self._time_field().ticks
            self._last, odd = divmod(clock.start_ticks, unit)
            self._begun = odd == 0

    def encode(
        self, kinds: npt.NDArray[np.integer[Any]], ticks: Ints, values: Mapping[str, npt.NDArray[Any]]
    ) -> npt.NDArray[np.uint8]:
        """Return the words of `n` events as bytes (uint8).

        `kinds` [n] are indices into `self.kinds`, none of a time kind; `ticks` [n] are clock ticks from tick zero;
        `values` maps column names (`detector`, `energy_kev`, `bin`, `value` ...) to arrays [n], read where the kind has
        that column. Raises `EncodeError` for a value that its field cannot hold.
        """
        words = np.zeros(len(kinds), np.uint64)
        for code, (name, kind) in enumerate(self.layout.kinds.items()):
            rows = np.flatnonzero(kinds == code)
            if len(rows):
                if kind.yields == "time":
                    raise EncodeError(f"kind {name}: time words are inserted by the encoder, they are no events")
                words[rows] = self._event_words(name, kind, ticks[rows], {k: v[rows] for k, v in values.items()})
        if self._time_code is None:
            self._check_gaps(kinds, ticks)
        else:
            words = self._with_time_words(words, ticks // self._time_field().ticks)
        return self._to_bytes(words)

    def _event_words(self, name: str, kind: Kind, ticks: Ints, values: Mapping[str, npt.NDArray[Any]]) -> Words:
        words = np.full(len(ticks), kind.tag_value, np.uint64)
        digits = _digits(name, kind, values)
        for field_name, field in kind.fields.items():
            if field.to == "time":
                raw = self._time_raw(name, field, ticks)
            elif field_name in digits:
                raw = digits[field_name]
            elif field.to is not None and field.to in values:
                raw = _raw_value(name, field_name, field, values[field.to])
            else:
                continue
            words |= (raw.astype(np.uint64) & np.uint64((1 << field.width) - 1)) << np.uint64(field.low)
        return words

    def _time_raw(self, name: str, field: BitField, ticks: Ints) -> Ints:
        wrap = field.wrap or 1 << field.width
        if self._time_code is None:
            return _wrapped(ticks // field.ticks, wrap)
        fine = (ticks % self._time_field().ticks) // field.ticks
        if len(fine) and int(fine.max()) >= wrap:
            raise EncodeError(f"kind {name}: {int(fine.max())} fine counts after a time word; the field holds {wrap}")
        return fine

    def _check_gaps(self, kinds: npt.NDArray[np.integer[Any]], ticks: Ints) -> None:
        """Refuse silences that the decoder could not unfold: half a wrap of the clock or more.

        All kinds that bear a time move one clock; the shortest wrap among them limits it.
        """
        fields = {c: f for c, kind in enumerate(self.layout.kinds.values()) if (f := kind.field_to("time"))}
        timed = ticks[np.isin(kinds, list(fields))]
        if len(timed) == 0:
            return
        wrap_ticks = min((field.wrap or 1 << field.width) * field.ticks for field in fields.values())
        if self._last is None and not 0 <= timed[0] < wrap_ticks:
            raise EncodeError(f"the first timed event is at tick {timed[0]}; the clock begins at 0 of {wrap_ticks}")
        before = timed[0] if self._last is None else self._last
        worst = int(np.abs(np.diff(timed, prepend=before)).max())
        self._last = int(timed[-1])
        if 2 * worst >= wrap_ticks:
            raise EncodeError(f"{worst} ticks between two timed events; the clock wraps after {wrap_ticks}")

    def _time_field(self) -> BitField:
        kind = list(self.layout.kinds.values())[self._time_code or 0]
        field = kind.field_to("time")
        if field is None:
            raise EncodeError(f'kind {self.kinds[self._time_code or 0]} has no field to = "time"')
        return field

    def _with_time_words(self, words: Words, counts: Ints) -> Words:
        if len(words) == 0:
            return words
        code = self._time_code or 0
        field = self._time_field()
        first = self._last is None
        before = np.concatenate([[counts[0] - 1 if self._last is None else self._last], counts[:-1]])
        self._last = int(counts[-1])
        steps = counts - before
        wrap = field.wrap or 1 << field.width
        if first and not 0 <= counts[0] < wrap:
            raise EncodeError(f"the first time word is at count {counts[0]}; the clock begins at 0 of {wrap}")
        jumps = np.abs(steps[first:] if self._time_words == "changes" else np.minimum(steps, 0))
        if len(jumps) and 2 * int(jumps.max()) >= wrap:
            raise EncodeError(f"{int(jumps.max())} counts between two time words; their field wraps at {wrap}")
        inserted = np.where(steps > 0, steps if self._time_words == "all" else 1, steps != 0).astype(np.int64)
        inserted[0] = max(inserted[0], not self._begun)
        self._begun = True
        place = np.arange(len(words)) + np.cumsum(inserted)
        out = np.zeros(len(words) + int(inserted.sum()), np.uint64)
        is_time = np.ones(len(out), bool)
        is_time[place] = False
        back = np.repeat(place, inserted) - np.flatnonzero(is_time) - 1
        raw = _wrapped(np.repeat(counts, inserted) - back, wrap)
        kind = self.layout.kinds[self.kinds[code]]
        out[is_time] = np.uint64(kind.tag_value) | (raw.astype(np.uint64) << np.uint64(field.low))
        out[place] = words
        return out

    def _to_bytes(self, words: Words) -> npt.NDArray[np.uint8]:
        size = self.layout.word_bytes
        if self.layout.byte_order == "little":
            return np.ascontiguousarray(words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :size]).reshape(-1)
        return np.ascontiguousarray(words.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - size :]).reshape(-1)


def _wrapped(counts: Ints, wrap: int) -> Ints:
    """Return counts modulo `wrap`, which may be 2^63 and so no int64."""
    return counts & (wrap - 1) if wrap & (wrap - 1) == 0 else counts % wrap


def _digits(name: str, kind: Kind, values: Mapping[str, npt.NDArray[Any]]) -> dict[str, Ints]:
    """Return the raw value of every field that is a digit of a detector number."""
    digits: dict[str, Ints] = {}
    for column in ("detector", "detector_a", "detector_b"):
        number: DetectorNumber | None = getattr(kind, column)
        if number is None or column not in values:
            continue
        index = _index_of(name, column, number, values[column].astype(np.int64))
        for digit, radix in zip(reversed(number.digits), reversed(number.radix), strict=True):
            index, digits[digit] = np.divmod(index, radix)
    return digits


def _index_of(name: str, column: str, number: DetectorNumber, detectors: Ints) -> Ints:
    if number.lookup is None:
        if len(detectors) and (int(detectors.min()) < 0 or int(detectors.max()) >= number.count):
            raise EncodeError(f"kind {name}: {column} {int(detectors.max())}; the digits express 0..{number.count - 1}")
        return detectors
    table = np.array(number.lookup, np.int64)
    order = np.argsort(table, kind="stable")
    place = np.minimum(np.searchsorted(table[order], detectors), len(table) - 1)
    found = order[place]
    wrong = detectors[table[found] != detectors]
    if len(wrong):
        raise EncodeError(f"kind {name}: {column} {int(wrong[0])} is not in the lookup table")
    return found.astype(np.int64)


def _raw_value(kind: str, name: str, field: BitField, physical: npt.NDArray[Any]) -> Ints:
    if field.scale == 1.0 and field.offset == 0.0:
        raw = np.rint(physical).astype(np.int64) if physical.dtype.kind == "f" else physical.astype(np.int64)
    else:
        raw = np.rint((physical.astype(np.float64) - field.offset) / field.scale).astype(np.int64)
    low = -(1 << (field.width - 1)) if field.signed else 0
    high = low + (1 << field.width) - 1
    if len(raw) and (int(raw.min()) < low or int(raw.max()) > high):
        worst = int(raw.min()) if int(raw.min()) < low else int(raw.max())
        raise EncodeError(f"kind {kind}, field {name}: raw value {worst}; {field.width} bits hold {low}..{high}")
    return raw


def event_columns(kind: Kind) -> list[Target | str]:
    """Return the columns that a kind's words can express, time apart."""
    names: list[Target | str] = [f.to for f in kind.fields.values() if f.to not in (None, "time")]
    return names + [n for n in ("detector", "detector_a", "detector_b") if getattr(kind, n) is not None]
