"""Files of recorded conversations with instruments, `control-record/1`: a JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daq.errors import FormatError, MissingError, RefusedError
from daq.model.controlrecord import ControlRecord, Exchanged, Head, Understood

_MOST_BYTES = 64 << 20


def write_control_record(path: Path, record: ControlRecord) -> None:
    """Write a recording as a new file. Raises `RefusedError` where one is there."""
    lines = [record.head.model_dump(mode="json"), *(line.model_dump(mode="json") for line in record.lines)]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line, ensure_ascii=True)}\n" for line in lines)
    except FileExistsError:
        raise RefusedError(f"{path} is there already; a recording does not replace another one") from None


def read_control_record(path: Path) -> ControlRecord:
    """Return a recording. Raises `MissingError`, `FormatError` with file, line and reason."""
    if not path.is_file():
        raise MissingError(f"{path}: no such file")
    if path.stat().st_size > _MOST_BYTES:
        raise FormatError(f"{path}: more than {_MOST_BYTES} bytes, that is no recording of a conversation")
    made: list[Any] = []
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            made.append(_line(number, json.loads(text)))
        except ValidationError as why:
            first = why.errors()[0]
            where = ".".join(str(each) for each in first["loc"])
            raise FormatError(f"{path}: line {number}: {where}: {first['msg']}") from None
        except ValueError as why:
            raise FormatError(f"{path}: line {number}: {why}") from None
    if not made:
        raise FormatError(f"{path}: it is empty")
    return ControlRecord(head=made[0], lines=tuple(made[1:]))


def _line(number: int, said: object) -> Head | Exchanged | Understood:
    kind: type[Head | Exchanged | Understood] = Head
    if number > 1:
        kind = Exchanged if isinstance(said, dict) and "say" in said else Understood
    return kind.model_validate_json(json.dumps(said))
