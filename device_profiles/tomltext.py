"""Write plain data as TOML: what `tomllib` reads back unchanged. Keys whose value is None are left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def toml_text(tables: Mapping[str, Any]) -> str:
    """Return the text of nested tables of texts, numbers, truths, lists and tables. Raises `TypeError` for others."""
    return "\n".join(_table((), tables)) + "\n"


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path:
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in table.items():
        if value is not None and key not in inner:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inner.items():
        yield from _table((*path, key), value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(each)}' for key, each in value.items() if each is not None)} }}"
    msg = f"{type(value).__name__} is nothing that TOML can say"
    raise TypeError(msg)


def _key(key: str) -> str:
    return key if key and set(key) <= _BARE else _quoted(key)


def _quoted(text: str) -> str:
    """Return a TOML basic string."""
    escaped = "".join(f"\\u{ord(c):04x}" if ord(c) < ord(" ") or c in '"\\' or c == "\x7f" else c for c in text)
    return f'"{escaped}"'
