"""The text of a protocol with other content: what did not change stays as it was written, with its comments.

A document is what TOML reads a protocol as: tables, arrays, texts and numbers. Statements whose values are the same
stay byte for byte; others are written anew in their places; comments before and behind a key stay with the key, those
of a step with the step, wherever it is moved. A comment goes where its key, its step, or the array around it goes.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from acquisition_protocols.toml_scan import Path, Statement, comments, statements
from acquisition_protocols.toml_write import key_text, lines, value_text

Document = dict[str, Any]
_STEPS = "steps"
_LAST = "sources"
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A text, and the comments of the old one that are not in it any more."""

    text: str
    comments_lost: tuple[str, ...] = ()


@dataclass(slots=True)
class _Block:
    """A header, None of the top, and what stands below it. `path` leads to its table, in the document or a step."""

    path: Path
    header: Statement | None = None
    body: list[Statement] = field(default_factory=list)


@dataclass(slots=True)
class _Parts:
    """A text in parts: `before` and `after` the steps, each step with the tables below it, and what ends the text."""

    before: list[_Block] = field(default_factory=lambda: [_Block(())])
    steps: list[list[_Block]] = field(default_factory=list)
    after: list[_Block] = field(default_factory=list)
    rest: str = ""


def rewritten(old: str, document: Document) -> Rewritten:
    """Return the text for a document, made from an old text that is TOML; the empty text where there is none.

    Where the old text is laid out so that it cannot be changed in places, all of it is written anew.
    """
    text = _changed(old, document)
    if not _says(text, document):
        text = _changed("", document)
    there = Counter(comments(text))
    lost = Counter(comments(old)) - there
    return Rewritten(text, tuple(lost.elements()))


def _says(text: str, document: Document) -> bool:
    try:
        return tomllib.loads(text) == document
    except ValueError:
        return False


def _changed(old: str, document: Document) -> str:
    parts = _parts(old)
    tables = {key: value for key, value in document.items() if key != _STEPS}
    was = tomllib.loads(old)
    blocks = [*parts.before, *parts.after]
    told = _written(blocks, was, tables)
    split = len(parts.before)
    pieces = [*told.blocks[:split], *told.fresh, *_steps(parts, was, document.get(_STEPS, []))]
    pieces += [*told.blocks[split:], *told.fresh_last]
    text = "".join(_spaced(pieces)) + parts.rest
    return text if text.endswith("\n") else text + "\n"


def _spaced(pieces: list[str]) -> Iterator[str]:
    """Yield blocks of text with an empty line before each that has none."""
    before = ""
    for piece in pieces:
        if not piece:
            continue
        if before and not piece.startswith(("\n", "\r\n")) and not before.endswith("\n\n"):
            yield "\n" if before.endswith("\n") else "\n\n"
        yield piece
        before = piece


def _parts(text: str) -> _Parts:
    found, rest = statements(text)
    parts = _Parts(rest=rest)
    block = parts.before[0]
    for each in found:
        if not each.is_header:
            block.body.append(each)
            continue
        in_step = each.path[0] == _STEPS
        block = _Block(each.path[1:] if in_step else each.path, each)
        if in_step and each.path == (_STEPS,):
            parts.steps.append([block])
        elif in_step and parts.steps:
            parts.steps[-1].append(block)
        else:
            (parts.after if parts.steps else parts.before).append(block)
    return parts


@dataclass(slots=True)
class _Told:
    """The texts of blocks, and of tables that no block is of."""

    blocks: list[str]
    fresh: list[str] = field(default_factory=list)
    fresh_last: list[str] = field(default_factory=list)


def _written(blocks: list[_Block], was: Mapping[str, Any], now: Mapping[str, Any], *, in_step: bool = False) -> _Told:
    """Return the texts of blocks, with `now` where `was` was; what is new goes to the block that is nearest."""
    covered: set[Path] = set()
    texts = [_block(block, was, now, covered) for block in blocks]
    headers = {block.path for block, text in zip(blocks, texts, strict=True) if text is not None}
    told = _Told(["" if text is None else text for text in texts])
    for path, value in _missing(now, (), covered, headers):
        home = max((there for there in headers if path[: len(there)] == there), key=len, default=())
        if isinstance(value, Mapping) and home == () and not in_step:
            for table in _tables(path, value):
                (told.fresh_last if path[0] == _LAST else told.fresh).append(table)
            continue
        index = next(number for number, block in enumerate(blocks) if block.path == home)
        said = "".join(lines(path[len(home) :], value))
        told.blocks[index] = _joined(told.blocks[index], said)
    return told


def _joined(text: str, said: str) -> str:
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{said}"


def _block(block: _Block, was: Mapping[str, Any], now: Mapping[str, Any], covered: set[Path]) -> str | None:
    """Return the text of a block, None where its table is no more; add what it says to `covered`."""
    if block.header is not None and not isinstance(_at(now, block.path), Mapping):
        return None
    text = "" if block.header is None else block.header.lead + block.header.raw
    for each in block.body:
        path = block.path + each.path
        value = _at(now, path)
        if value is _MISSING:
            continue
        covered.add(path)
        text += each.lead
        if value == _at(was, path) and type(value) is type(_at(was, path)):
            text += each.raw
        else:
            comment = f"  {each.comment}" if each.comment else ""
            text += f"{key_text(each.path)} = {value_text(value)}{comment}\n"
    return text


def _steps(parts: _Parts, was: Mapping[str, Any], steps: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the texts of the steps: of each the old one of its name, changed, or a new one."""
    named = {str(step.get("name")): number for number, step in enumerate(was.get(_STEPS, []))}
    for step in steps:
        number = named.pop(str(step.get("name")), None)
        if number is None or number >= len(parts.steps):
            said = (line for name, value in step.items() for line in lines((name,), value))
            yield "\n[[steps]]\n" + "".join(said)
        else:
            told = _written(parts.steps[number], was[_STEPS][number], step, in_step=True)
            yield "".join(told.blocks)


def _tables(path: Path, value: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table under its header; one whose values are tables all, as windows are, a header for each."""
    if value and all(isinstance(below, Mapping) for below in value.values()):
        for name, below in value.items():
            yield from _tables((*path, name), below)
    else:
        yield f"\n[{key_text(path)}]\n" + "".join(f"{key_text((key,))} = {value_text(v)}\n" for key, v in value.items())


def _missing(value: object, path: Path, covered: set[Path], headers: set[Path]) -> Iterator[tuple[Path, object]]:
    """Yield what of a document no statement says: as few and as large parts as possible."""
    if path in covered:
        return
    begun = not path or any(there[: len(path)] == path for there in (*covered, *headers) if there)
    if isinstance(value, Mapping) and begun:
        for name, below in value.items():
            yield from _missing(below, (*path, name), covered, headers)
    else:
        yield path, value


def _at(tables: object, path: Path) -> Any:
    for part in path:
        if not isinstance(tables, Mapping) or part not in tables:
            return _MISSING
        tables = tables[part]
    return tables
