"""Values in documents of the Bluesky event model: their types, limits and names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Dtype = Literal["number", "string", "boolean", "integer", "array"]
Value = float | int | str | bool | None

_LIMIT_KEYS = re.compile(r"^(?:(control|display|warning|alarm)_)?(low|high|min|max|minimum|maximum)$")
_SIDES = {
    "low": "low", "min": "low", "minimum": "low", "high": "high", "max": "high", "maximum": "high",
}  # fmt: skip
_NUMPY = {"number": "<f8", "integer": "<i8", "boolean": "|b1"}
_MOST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class DataKey:
    """What a value of an event is. `object_name`: device or part it belongs to; `limits` as in `limits_of`."""

    dtype: Dtype
    source: str
    object_name: str
    units: str | None = None
    limits: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict, hash=False)

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """Return what must be the same within a stream."""
        return self.dtype, self.source, self.units

    def as_document(self) -> dict[str, Any]:
        """Return the entry of `data_keys`."""
        key: dict[str, Any] = {
            "source": self.source,
            "dtype": self.dtype,
            "shape": [1] if self.dtype == "array" else [],
            "object_name": self.object_name,
            "units": self.units,
        }
        if self.dtype in _NUMPY:
            key["dtype_numpy"] = _NUMPY[self.dtype]
        if self.dtype == "array":
            key["external"] = "STREAM:"
        if self.limits:
            key["limits"] = {kind: dict(span) for kind, span in self.limits.items()}
        return key


def limits_of(given: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    """Return limits as the event model has them: `{"alarm": {"low": 780.0, "high": 820.0}}`.

    Keys are `low`, `min` or `minimum`, `high`, `max` or `maximum`, alone (then they are alarm limits, where no others
    are given) or after `control_`, `display_`, `warning_`, `alarm_`. Others are left out.
    """
    limits: dict[str, dict[str, float | None]] = {}
    for key, value in sorted(given.items(), key=lambda each: "_" in each[0]):
        named = _LIMIT_KEYS.match(key)
        if named is not None and math.isfinite(value):
            limits.setdefault(named[1] or "alarm", {"low": None, "high": None})[_SIDES[named[2]]] = float(value)
    return limits


def dtype_of(value: Value) -> Dtype | None:
    """Return the type of a value; None for a missing one. Numbers are `number` whether or not they are whole."""
    match value:
        case None:
            return None
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case _:
            return "string"


def key_name(*parts: str) -> str:
    """Return a name that every reader of the documents takes as a key: letters, digits, underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", "_".join(parts)).strip("_") or "unnamed"


def plain(value: Value, dtype: Dtype) -> Value:
    """Return the value as an event holds it: null where it is no finite number, texts cut at 1000 characters."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if dtype == "number":
        return float(value)
    return value[:_MOST_TEXT] if isinstance(value, str) else value


def storable(value: Any) -> Any:
    """Return JSON data with keys that the event model allows, and null for numbers that JSON cannot hold."""
    match value:
        case Mapping():
            return {re.sub(r"[./]", "_", str(key)): storable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [storable(inner) for inner in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
