"""Every parameter of a protocol says where it comes from: `[sources]` maps key paths, or prefixes of them, to texts.

A step is named by its name: `"steps.flow.stop"`. `*` stands for any one part of a path: `"steps.*.image"`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daq.model.finding import Finding, error
from daq.model.tables import dotted

Path = tuple[str, ...]

EXEMPT = frozenset({"schema", "id", "version", "title", "kind", "modality", "notes", "sources", "time_lapse"})
"""Keys that name or describe the file; they are no parameters."""
EXEMPT_OF_STEP = frozenset({"name", "kind", "instruction"})


def findings(tables: dict[str, Any]) -> Iterator[Finding]:
    """Yield parameters without a source, and sources that no parameter has."""
    sources: Mapping[str, str] = tables["sources"]
    used: set[str] = set()
    for path, place, value in parameters(tables):
        key = source_of(path, sources)
        if key is None:
            example = ".".join(path[:-1] or path)
            yield error(place, value, f'has no source; add to [sources] e.g. "{example}" = "where it comes from"')
        used |= {key for key in sources if _covers(key, path)}
    for key in sources:
        if key not in used:
            yield error(f"sources.{dotted((key,))}", sources[key], "is a source of nothing: no parameter begins so")


def source_of(path: Path, sources: Mapping[str, str]) -> str | None:
    """Return the key of `sources` that fits a path best: the longest, one without `*` before one with."""
    fitting = [key for key in sources if _covers(key, path)]
    return max(fitting, key=lambda key: (len(key.split(".")), -key.count("*")), default=None)


def parameters(tables: dict[str, Any]) -> Iterator[tuple[Path, str, object]]:
    """Yield path, place in the file and value of every parameter that the file states."""
    for key, value in tables.items():
        if key == "steps":
            for index, step in enumerate(value):
                rest = {name: below for name, below in step.items() if name not in EXEMPT_OF_STEP}
                yield from _leaves(rest, ("steps", step["name"]), f"steps[{index}]")
        elif key not in EXEMPT:
            yield from _leaves(value, (key,), key)


def _leaves(value: object, path: Path, place: str) -> Iterator[tuple[Path, str, object]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(below, (*path, name), f"{place}.{dotted((name,))}")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, below in enumerate(value):
            yield from _leaves(below, path, f"{place}[{index}]")
    else:
        yield path, place, value


def _covers(key: str, path: Path) -> bool:
    parts = key.split(".")
    return len(parts) <= len(path) and all(part in {"*", at} for part, at in zip(parts, path, strict=False))
