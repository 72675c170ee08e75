"""The statements of a TOML text, each with the comments before it, so that a text can be changed in places alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]

_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:""|")?' r"|'''.*?'''(?:''|')?" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A header or a key with its value. `lead` are the comments and empty lines before it, `raw` the statement itself.

    `path` are the parts of its key; of a key below a header, those after the header's. `comment` stands behind the
    value, empty where none does.
    """

    lead: str
    raw: str
    path: Path
    is_header: bool
    comment: str = ""


def statements(text: str) -> tuple[list[Statement], str]:
    """Return the statements of a text that is TOML, and what stands behind the last of them."""
    found: list[Statement] = []
    at, begin = 0, 0
    while at < len(text):
        line_end = _line_end(text, at)
        line = text[at:line_end].strip()
        if not line or line.startswith("#"):
            at = line_end
            continue
        end, comment_at = _statement_end(text, at)
        comment = "" if comment_at is None else text[comment_at:end].strip()
        found.append(_statement(text[begin:at], text[at:end], comment))
        at = begin = end
    return found, text[begin:]


def comments(text: str) -> list[str]:
    """Return every comment of a text that is TOML, in order, with its hash sign."""
    found = []
    at = 0
    while at < len(text):
        if text[at] in "\"'":
            at = _after_string(text, at)
        elif text[at] == "#":
            end = _line_end(text, at)
            found.append(text[at:end].strip())
            at = end
        else:
            at += 1
    return found


def _statement(lead: str, raw: str, comment: str) -> Statement:
    if raw.lstrip().startswith("["):
        return Statement(lead, raw, tuple(_keys(tomllib.loads(raw))), is_header=True, comment=comment)
    key = raw[: _equals(raw)]
    return Statement(lead, raw, tuple(_keys(tomllib.loads(f"{key.strip()} = 0"))), is_header=False, comment=comment)


def _keys(tables: Any) -> Iterator[str]:
    while tables:
        tables = tables[0] if isinstance(tables, list) else tables
        if not isinstance(tables, dict) or not tables:
            return
        key = next(iter(tables))
        yield key
        tables = tables[key]


def _equals(raw: str) -> int:
    at = 0
    while raw[at] != "=":
        at = _after_string(raw, at) if raw[at] in "\"'" else at + 1
    return at


def _statement_end(text: str, at: int) -> tuple[int, int | None]:
    """Return where a statement ends, after its newline, and where the comment behind it begins."""
    depth = 0
    while at < len(text):
        sign = text[at]
        if sign in "\"'":
            at = _after_string(text, at)
            continue
        if sign == "#":
            end = _line_end(text, at)
            if depth == 0:
                return end, at
            at = end
            continue
        depth += (sign in "[{") - (sign in "]}")
        at += 1
        if sign == "\n" and depth == 0:
            break
    return at, None


def _after_string(text: str, at: int) -> int:
    found = _STRING.match(text, at)
    return at + 1 if found is None else found.end()


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1
