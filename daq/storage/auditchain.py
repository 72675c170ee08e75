"""The audit log's lines and what chains them. No file is touched here.

A line is one JSON object in UTF-8. Its last key, `sha256`, is the SHA-256 of the line's bytes before the comma in front
of that key; `previous` is the `sha256` of the line before, in the same file or the one before; `seq` counts up by one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = str | int | float | bool | None
Fields = Mapping[str, Value]

NOTHING_BEFORE = "0" * 64
"""`previous` of the first line of all."""

AUDIT_FORMAT = "audit/1"
OPEN = "audit-open"
CLOSE = "audit-close"
"""Verbs of the first line of every file, which names the file before, and of the last, which names the file after."""

EMPTY = "it is empty"
"""What `parse_line` says of a line without bytes."""

_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\Z')
_FILE = re.compile(r"audit-([0-9]{5,9})\.jsonl\Z")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the number of its last line and the hash that this line bears."""

    seq: int = 0
    sha256: str = NOTHING_BEFORE

    def __str__(self) -> str:
        """Return it as `daq audit verify --expect` takes it."""
        return f"{self.seq}:{self.sha256}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is whole by its own hash. `content` has all its keys."""

    seq: int
    previous: str
    sha256: str
    content: dict[str, Any]

    @property
    def head(self) -> Head:
        """Return the end of the chain that ends with this line."""
        return Head(self.seq, self.sha256)

    def follows(self, head: Head) -> bool:
        """Return True where this line is the next one after `head`."""
        return self.seq == head.seq + 1 and self.previous == head.sha256


def chained(fields: Fields, head: Head) -> tuple[bytes, Head]:
    """Return the line that comes after `head`, its newline included, and the head that it makes.

    Raise `ValueError` for a number that JSON does not have, `TypeError` for a value that is no plain one.
    """
    whole = {"seq": head.seq + 1, **fields, "previous": head.sha256}
    body = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return b'%s,"sha256":"%s"}\n' % (body, digest.encode()), Head(head.seq + 1, digest)


def parse_line(raw: bytes) -> Line | str:
    """Return the line without its newline as parsed, or in words why it cannot be believed."""
    seal = _SEAL.search(raw)
    if seal is None:
        return "it does not end with a hash" if raw else EMPTY
    stated = seal[1].decode()
    if hashlib.sha256(raw[: seal.start()]).hexdigest() != stated:
        return "its hash is not that of its text"
    try:
        content = json.loads(raw)
        seq, previous = content["seq"], content["previous"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it is no line of an audit log"
    if type(seq) is not int or not isinstance(previous, str):
        return "its number or the hash of the line before it is missing"
    return Line(seq, previous, stated, content)


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines of a file without their newlines, and the bytes after the last newline."""
    *lines, tail = data.split(b"\n")
    return lines, tail


def file_name(number: int) -> str:
    """Return the name of the file of a number, from 1."""
    return f"audit-{number:05d}.jsonl"


def file_number(name: str) -> int | None:
    """Return the number of an audit file's name, None for any other name."""
    found = _FILE.match(name)
    return int(found[1]) if found else None


def torn(tail: bytes) -> str:
    """Return what the line that opens the next file says of a file with bytes after its last line."""
    return f"torn {len(tail)} bytes sha256:{hashlib.sha256(tail).hexdigest()}"
