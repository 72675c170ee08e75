"""Random events of any event layout: Poisson times, uniform values, all within what the layout can express."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError
from daq.model.layout import BitField, DetectorNumber, Kind, Layout
from simulators.timing import EVENTS

Ints = npt.NDArray[np.int64]
Rng = np.random.Generator
_DETECTORS = ("detector", "detector_a", "detector_b")


def parse_mix(text: str | None, layout: Layout) -> dict[str, float]:
    """Return the share of each event kind, adding up to 1, of a text such as `prompt=0.8,delayed=0.2`.

    Without a text the shares are equal. Raises `UsageError`.
    """
    kinds = [name for name, kind in layout.kinds.items() if kind.yields in EVENTS]
    if not kinds:
        raise RefusedError("the layout has no kind that yields single, prompt or delayed")
    if text is None:
        return dict.fromkeys(kinds, 1 / len(kinds))
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in kinds:
            raise UsageError(f"--mix {part}: the layout's event kinds are {', '.join(kinds)}")
        try:
            shares[name] = float(value)
        except ValueError:
            raise UsageError(f"--mix {part}: the share must be a number") from None
    total = sum(shares.values())
    if not (0 < total < float("inf")) or min(shares.values()) < 0:
        raise UsageError(f"--mix {text}: shares must not be negative and add up to more than zero")
    return {name: share / total for name, share in shares.items()}


def preamble_of(layout: Layout) -> bytes:
    """Return a preamble as the layout wants it: its first text, then zeros."""
    begin = layout.preamble_begins[0].encode("ascii") if layout.preamble_begins else b""
    return begin.ljust(layout.preamble_bytes, b"\0")


class Drawer:
    """Draws kinds and values of events."""

    def __init__(self, layout: Layout, mix: Mapping[str, float]) -> None:
        names = list(layout.kinds)
        self._codes = np.array([names.index(name) for name in mix], np.int64)
        self._edges = np.cumsum(list(mix.values()))[:-1]
        self._groups: list[tuple[Kind, list[int]]] = []
        for name in mix:
            kind = layout.kinds[name]
            for model, codes in self._groups:
                if _same_values(model, kind):
                    codes.append(names.index(name))
                    break
            else:
                self._groups.append((kind, [names.index(name)]))

    def draw(self, rng: Rng, count: int) -> tuple[Ints, dict[str, npt.NDArray[Any]]]:
        """Return kind codes [count] and the values that `daq.listmode.encoder.Encoder.encode` takes."""
        kinds = self._draw_kinds(rng, count)
        if len(self._groups) == 1:
            return kinds, draw_values(rng, self._groups[0][0], count)
        values: dict[str, npt.NDArray[Any]] = {}
        for kind, codes in self._groups:
            rows = np.flatnonzero(np.isin(kinds, codes))
            for name, drawn in draw_values(rng, kind, len(rows)).items():
                column = values.get(name, np.zeros(count, drawn.dtype))
                values[name] = column.astype(np.result_type(column, drawn), copy=False)
                values[name][rows] = drawn
        return kinds, values

    def _draw_kinds(self, rng: Rng, count: int) -> Ints:
        if len(self._codes) == 1:
            return np.full(count, self._codes[0])
        chances = rng.random(count, np.float32)
        if len(self._codes) == 2:  # noqa: PLR2004 - prompts and delayeds: four times quicker than a search
            two: Ints = np.where(chances < self._edges[0], self._codes[0], self._codes[1])
            return two
        kinds: Ints = self._codes[np.searchsorted(self._edges, chances, "right")]
        return kinds


def draw_values(rng: Rng, kind: Kind, count: int) -> dict[str, npt.NDArray[Any]]:
    """Return `count` values of every column that the kind's words can express, time apart."""
    values: dict[str, npt.NDArray[Any]] = {
        field.to: _draw_field(rng, field, count) for field in kind.fields.values() if field.to not in (None, "time")
    }
    for name in _DETECTORS:
        number: DetectorNumber | None = getattr(kind, name)
        if number is not None:
            values[name] = _draw_detector(rng, number, count)
    if kind.detector_a is not None and kind.detector_b is not None:
        _part_pairs(rng, kind.detector_b, values)
    return values


def _draw_field(rng: Rng, field: BitField, count: int) -> npt.NDArray[Any]:
    bits = min(field.width, 63)
    low = -(1 << (bits - 1)) if field.signed else 0
    if not field.signed and bits <= 32:  # noqa: PLR2004 - the quick way for what most fields are
        raw: npt.NDArray[Any] = rng.integers(0, 1 << bits, count, np.uint32)
    else:
        raw = rng.integers(low, low + (1 << bits) - 1, count, np.int64, endpoint=True)
    if field.scale == 1.0 and field.offset == 0.0:
        return raw
    return raw * field.scale + field.offset


def _draw_detector(rng: Rng, number: DetectorNumber, count: int) -> Ints:
    if number.lookup is None:
        return rng.integers(0, number.count, count, np.int64)
    table = np.array(number.lookup, np.int64)
    table = table[: number.count]
    return table[table >= 0][rng.integers(0, int((table >= 0).sum()), count)]


def _part_pairs(rng: Rng, number: DetectorNumber, values: dict[str, npt.NDArray[Any]]) -> None:
    """Draw `detector_b` again where it is the same as `detector_a`: no detector coincides with itself."""
    numbers = number.count if number.lookup is None else len({n for n in number.lookup if n >= 0})
    if numbers < 2:  # noqa: PLR2004
        raise RefusedError("the layout's detector_b has only one number: no pair of two detectors exists")
    same = np.flatnonzero(values["detector_a"] == values["detector_b"])
    while len(same):
        values["detector_b"][same] = _draw_detector(rng, number, len(same))
        same = same[values["detector_a"][same] == values["detector_b"][same]]


def _same_values(kind: Kind, other: Kind) -> bool:
    return kind.fields == other.fields and all(getattr(kind, name) == getattr(other, name) for name in _DETECTORS)
