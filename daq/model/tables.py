"""Check the tables of a TOML file against a scandaq schema; say all that is wrong at once: key, value, reason."""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from daq.errors import ProfileError
from daq.model.finding import ABSENT, Finding, Said, error, shown

Model = TypeVar("Model", bound=BaseModel)
Rules = Callable[[Model], list[Finding]]

_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 64) - 1
_MAX_DEPTH = 32


def parse_toml(content: bytes, where: str) -> dict[str, Any]:
    """Return the tables of a TOML text. Raises `ProfileError` (with line and column); `where` names the file."""
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as why:
        line = content[: why.start].count(b"\n") + 1
        raise ProfileError(f"{where}: not UTF-8 text (line {line})") from None
    except RecursionError:
        raise ProfileError(f"{where}: not TOML: nested too deep") from None
    except ValueError as why:  # TOMLDecodeError, or a number with more digits than Python reads
        raise ProfileError(f"{where}: not TOML: {why}") from None


def make(model: type[Model], tables: dict[str, Any]) -> tuple[Model | None, list[Finding]]:
    """Return the model and nothing, or None and what is wrong with keys and types."""
    found = [*_other_schema(model, tables)] or [*_not_json(tables, "")]
    if found:
        return None, found
    try:
        return model.model_validate_json(json.dumps(tables)), []
    except ValidationError as why:
        return None, from_pydantic(why, known_keys(model))


def check(model: type[Model], tables: dict[str, Any], rules: Rules[Model]) -> tuple[Model | None, list[Finding]]:
    """Return the model, or None where keys or types are wrong, and every finding."""
    made, found = make(model, tables)
    return made, found if made is None else rules(made)


def refusal(where: str, found: list[Finding]) -> str:
    """Return the text of a refusal: one line for one problem, else a count and one line each."""
    if len(found) == 1:
        return f"{where}: {found[0]}"
    lines = "".join(f"\n  {finding}" for finding in found)
    return f"{where}: {len(found)} problems{lines}"


def from_pydantic(why: ValidationError, known: tuple[str, ...]) -> list[Finding]:
    """Return pydantic's errors as findings. An array is not short of what was left out for being wrong itself."""
    items = [dict(item) for item in why.errors(include_url=False, include_context=False)]
    return [_finding(item, known) for item in items if not (item["type"] == "too_short" and _has_below(item, items))]


def known_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """Return every key of a model and of the tables inside it, as the TOML file spells them."""
    keys: dict[str, None] = {}
    seen: set[type[BaseModel]] = set()
    waiting: list[Any] = [model]
    while waiting:
        item = waiting.pop()
        if isinstance(item, type) and issubclass(item, BaseModel):
            if item not in seen:
                seen.add(item)
                keys.update({field.alias or name: None for name, field in item.model_fields.items()})
                waiting.extend(field.annotation for field in item.model_fields.values())
        else:
            waiting.extend(getattr(item, "__args__", ()))
    return tuple(keys)


def close_names(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """Return `did you mean a, b?` for the names nearest to `name`, or all names when none is near."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(known) or 'none'}."


def _has_below(item: dict[str, Any], items: list[dict[str, Any]]) -> bool:
    depth = len(item["loc"])
    return any(len(other["loc"]) > depth and other["loc"][:depth] == item["loc"] for other in items)


def _finding(item: dict[str, Any], known: tuple[str, ...]) -> Finding:
    where = tuple(part for part in item["loc"] if part != "[key]")
    key = dotted(where)
    if item["type"] == "missing":
        return error(key, ABSENT, _why_needed(str(where[-1])))
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(where[-1]), known, n=2, cutoff=0.6)
        return error(key, item["input"], f"unknown key; did you mean {', '.join(close)}?" if close else "unknown key")
    if item["type"] in ("dict_type", "model_type"):
        return error(key, item["input"], "must be a table")
    reason = str(item["msg"]).removeprefix("Value error, ")
    return Finding(key, shown(item["input"]), reason[:1].lower() + reason[1:])


def _why_needed(key: str) -> str:
    if key == "unit":
        return 'required: every field states its unit; a pure number is "1"'
    return "required key is missing"


def dotted(where: tuple[object, ...]) -> str:
    """Return a key path as TOML writes it: `layout.kinds.prompt.tag."31:30"`, with `[n]` in arrays."""
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = str(part).replace("_", "").replace("-", "").isalnum()
            text += ("." if text else "") + (str(part) if plain else json.dumps(str(part)))
    return text or "file"


def _other_schema(model: type[BaseModel], tables: dict[str, Any]) -> Iterator[Finding]:
    """Yield one finding for a file of another schema or version, in place of one for each of its keys."""
    (wanted,) = get_args(model.model_fields["schema_id"].annotation)
    stated = tables.get("schema", wanted)
    if stated != wanted:
        yield error("schema", stated, f"another schema or version; wanted is {wanted!r}")


def _not_json(value: object, key: str, depth: int = 0) -> Iterator[Finding]:
    """Yield what TOML can say and a profile cannot: dates, infinities, integers past 64 bits, bottomless tables."""
    if depth > _MAX_DEPTH:
        yield error(key, Said("..."), f"nested more than {_MAX_DEPTH} deep")
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _not_json(below, f"{key}.{dotted((name,))}" if key else dotted((name,)), depth + 1)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _not_json(below, f"{key}[{index}]", depth + 1)
    else:
        reason = _why_not_json(value)
        if reason is not None:
            yield error(key, Said("...") if isinstance(value, int) else value, reason)


def _why_not_json(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if isinstance(value, int) and not _MIN_INTEGER <= value <= _MAX_INTEGER:
        return "an integer past 64 bits"
    if not isinstance(value, str | int | float | bool):
        return f"a {type(value).__name__}; write it as text, in quotes"
    return None
