"""Reads the file of a worklist entry by entry: one that is wrong is told by line and field, and hides no other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from pydantic import ValidationError

from daq.errors import RefusedError
from daq.model.console.worklist import ScheduledStep, WorklistEntry, step_of
from daq.services.worklist.recorded import pieces, require_possible

MOST_ENTRIES = 10_000
MOST_BYTES = 64 << 20
MOST_PROBLEMS = 100
_SCHEMA = "worklist/1"
_SPACE = re.compile(r"[ \t\r\n]*")

KeyOf = Callable[[WorklistEntry], str]


@dataclass(slots=True)
class Reading:
    """What a text of a file says. `broken`: it could not be read to its end; `problems` say where."""

    steps: dict[str, ScheduledStep] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    broken: bool = False
    left_out: int = 0
    """Problems that are not told, because there are too many."""

    def tell(self, problem: str) -> None:
        """Note a problem."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)
        else:
            self.left_out += 1


class _NoJsonError(Exception):
    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at, self.why = at, why


def read_text(text: str, key_of: KeyOf, zone: tzinfo) -> Reading:
    """Return the steps of a file's text, and what is wrong with it. Raises nothing for whatever it holds."""
    found = Reading()
    lines = _Lines(text)
    first: dict[str, int] = {}
    try:
        for at, end, told in _entries(text):
            line = lines.of(at)
            _require_few(len(first), at)
            step = _step(told, text[at:end], line, key_of, zone, found)
            if step is None:
                continue
            if step.key in first:
                found.tell(f"line {line}: the same step as in line {first[step.key]}; the first one counts")
                continue
            first[step.key] = line
            found.steps[step.key] = step
    except _NoJsonError as why:
        found.broken = True
        found.tell(f"line {lines.of(why.at)}: {why.why}")
    if found.left_out:
        found.problems.append(f"and {found.left_out} more that are not told")
    return found


class _Lines:
    """Numbers of lines by place in a text, which is gone through once."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._line = text, 0, 1

    def of(self, at: int) -> int:
        """Return the line of a place, which is not before the last one asked for."""
        self._line += self._text.count("\n", self._at, at)
        self._at = max(at, self._at)
        return self._line


def _step(
    told: Any, text: str, line: int, key_of: KeyOf, zone: tzinfo, found: Reading
) -> ScheduledStep | None:  # fmt: skip
    if not isinstance(told, dict):
        found.tell(f"line {line}: an entry is an object {{...}}")
        return None
    try:
        entry = WorklistEntry.model_validate(told)
        step = step_of(entry, key_of(entry), zone)
        if step.administration:
            require_possible(pieces(step, {}))
    except ValidationError as why:
        for error in why.errors(include_url=False, include_context=False, include_input=False):
            name = ".".join(str(part) for part in error["loc"])
            said = "unknown key" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
            shown = name if error["type"] != "extra_forbidden" else name[:40]
            found.tell(f"line {_line_of(text, name, line)}: {shown + ': ' if shown else ''}{said}")
    except RefusedError as why:
        name = str(why).removeprefix("patient ").split(":")[0]
        name = "administration" if name.startswith("administration") else name
        found.tell(f"line {_line_of(text, f'patient_{name}', _line_of(text, name, line))}: {why}")
    else:
        return step
    return None


def _line_of(text: str, name: str, line: int) -> int:
    """Return the line of a key within an entry that begins in `line`; that of the entry where it is not there."""
    found = re.search(rf'"{re.escape(name.partition(".")[0])}"\s*:', text) if name else None
    return line + (text.count("\n", 0, found.start()) if found else 0)


def _require_few(count: int, at: int) -> None:
    if count >= MOST_ENTRIES:
        raise _NoJsonError(at, f"more than {MOST_ENTRIES} entries; those from here on are left out")


def _entries(text: str) -> Iterator[tuple[int, int, Any]]:
    """Yield begin, end and content of each entry. Raise `_NoJsonError` where the file is none, or of another kind."""
    decoder = json.JSONDecoder()
    at = _skip(text, _after(text, _skip(text, 0), "{", 'a worklist is an object {"schema": ..., "entries": [...]}'))
    schema: Any = None
    while text[at : at + 1] != "}":
        begin = at
        name, at = _value(decoder, text, begin)
        at = _skip(text, _after(text, _skip(text, at), ":", "no JSON: a colon is missing"))
        if name == "schema":
            schema, at = _value(decoder, text, at)
        elif name == "entries":
            _require_schema(schema, begin)
            at = yield from _listed(decoder, text, at)
        else:
            raise _NoJsonError(begin, "the keys of a worklist are schema and entries")
        at = _next(text, at, "}")
    _require_schema(schema, at)


def _require_schema(schema: object, at: int) -> None:
    if schema != _SCHEMA:
        raise _NoJsonError(at, f"schema: comes first and is {_SCHEMA!r}")


def _listed(decoder: json.JSONDecoder, text: str, at: int) -> Generator[tuple[int, int, Any], None, int]:
    at = _skip(text, _after(text, at, "[", "entries: must be a list"))
    while text[at : at + 1] != "]":
        told, end = _value(decoder, text, at)
        yield at, end, told
        at = _next(text, end, "]")
    return at + 1


def _next(text: str, at: int, end: str) -> int:
    """Return where the next member begins, or the end stands."""
    at = _skip(text, at)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    return _after(text, at, end, f"no JSON: a comma or {end} is missing; entries from here on are left out") - 1


def _value(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, at)
    except json.JSONDecodeError as why:
        raise _NoJsonError(why.pos, f"no JSON ({why.msg}); entries from here on are left out") from None
    except RecursionError:
        raise _NoJsonError(at, "nested too deeply; entries from here on are left out") from None


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _after(text: str, at: int, wanted: str, why: str) -> int:
    if text[at : at + 1] != wanted:
        raise _NoJsonError(min(at, len(text)), why)
    return at + 1
