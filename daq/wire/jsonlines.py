"""JSON objects, one a line: cutting what comes into lines, reading one, writing one. Nothing that comes is trusted.

Stricter than `json` alone: UTF-8 only, no key twice, no number that is none (NaN, infinity) or beyond 64 bits, no half
of a surrogate pair, and only so deep.
"""

from __future__ import annotations

import json
import math
from typing import Any

from daq.errors import UsageError

MOST_REQUEST_BYTES = 64 * 1024
"""Of a request, its newline included."""
MOST_ANSWER_BYTES = 4 << 20
MOST_DEPTH = 12
"""Objects and arrays within each other."""
_MOST_INTEGER = 2**63 - 1


class Lines:
    """Cuts a stream into lines. Of one that has not ended yet it keeps at most `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> None:
        """Take what has come. The caller bounds it: take all lines before feeding again."""
        self._kept += data

    def next(self) -> bytes | None:
        """Return the next line with its end, None where there is none yet; raise `UsageError` when it is too long."""
        end = self._kept.find(b"\n", self._searched) + 1
        self._searched = len(self._kept)
        if end > self._most_bytes or (not end and len(self._kept) >= self._most_bytes):
            raise UsageError(f"a line has at most {self._most_bytes} bytes")
        if not end:
            return None
        self._searched = 0
        return self._cut(end)

    def rest(self) -> bytes:
        """Return what came after the last line, and forget it."""
        self._searched = 0
        return self._cut(len(self._kept))

    @property
    def kept_bytes(self) -> int:
        """Return how much waits to become a line, or to be taken."""
        return len(self._kept)

    def _cut(self, end: int) -> bytes:
        line = bytes(self._kept[:end])
        del self._kept[:end]
        return line


def parse_object(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line; raise `UsageError` saying which rule it breaks."""
    try:
        found = json.loads(
            line.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite
        )
    except (ValueError, RecursionError):
        raise UsageError("a message is one JSON object on one line, in UTF-8") from None
    if not isinstance(found, dict):
        raise UsageError(f"a message is one JSON object on one line, not {_name_of(found)}")
    _check(found)
    return found


def encode(message: dict[str, Any]) -> bytes:
    """Return the line of a message; raise `ValueError` or `TypeError` where it cannot be written as JSON."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UsageError(f"the key {twice[:40]!r} stands twice in an object")
    return found


def _no_number(text: str) -> float:
    raise UsageError(f"{text} is no number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise UsageError(f"the number {text[:40]} is too large")
    return number


def _check(message: dict[str, Any]) -> None:
    level: list[dict[str, Any] | list[Any]] = [message]
    for _ in range(MOST_DEPTH):
        below: list[Any] = []
        for container in level:
            below += [*container, *container.values()] if isinstance(container, dict) else container
        for value in below:
            _check_scalar(value)
        level = [value for value in below if isinstance(value, dict | list)]
        if not level:
            return
    raise UsageError(f"a message has at most {MOST_DEPTH} objects and arrays within each other")


def _check_scalar(value: object) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise UsageError("a text has half of a surrogate pair")
    elif isinstance(value, int) and not -_MOST_INTEGER <= value <= _MOST_INTEGER:
        raise UsageError(f"a whole number is at most {_MOST_INTEGER}")


def _name_of(value: object) -> str:
    return {list: "an array", str: "a text", type(None): "null", bool: "true or false"}.get(type(value), "a number")
