"""Values, keys and steps as TOML writes them, in the style of the shipped protocols."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from daq.errors import RefusedError

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_DOTTED = frozenset({"set", "stop", "image"})
"""Tables of a step that are written as `stop.time = ...`, a line for each key."""
_WIDE = 100
_INDENT = "    "


def key_text(path: tuple[str, ...]) -> str:
    """Return a key as TOML writes it: `stop.time`, `"steps.*.image"`."""
    return ".".join(part if _BARE.fullmatch(part) else _text(part) for part in path)


def value_text(value: object) -> str:
    """Return a value as TOML writes it; long arrays take a line for each item. Raises `RefusedError`."""
    if isinstance(value, list):
        items = [value_text(item) for item in value]
        flat = f"[{', '.join(items)}]"
        return flat if len(flat) <= _WIDE else "[\n" + "".join(f"{_INDENT}{line}\n" for line in _wrapped(items)) + "]"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key_text((name,))} = {_flat(below)}" for name, below in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return _flat(value)


def lines(path: tuple[str, ...], value: object) -> Iterator[str]:
    """Yield the lines that say a value of a step or a table."""
    if isinstance(value, Mapping) and value and path[-1] in _DOTTED:
        for name, below in value.items():
            yield f"{key_text((*path, name))} = {value_text(below)}\n"
    else:
        yield f"{key_text(path)} = {value_text(value)}\n"


def _flat(value: object) -> str:
    """Return a value on one line, as inline tables want it."""
    if isinstance(value, list):
        return f"[{', '.join(_flat(item) for item in value)}]"
    if isinstance(value, Mapping):
        return value_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    raise RefusedError(f"a protocol cannot say a {type(value).__name__}")


def _text(value: str) -> str:
    """Return a text in quotes. JSON escapes all that TOML forbids in them but DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _wrapped(items: list[str]) -> Iterator[str]:
    line = ""
    for item in items:
        if line and len(line) + len(item) > _WIDE:
            yield line
            line = ""
        line += f"{' ' if line else ''}{item},"
    if line:
        yield line
