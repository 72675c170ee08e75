"""What `daq acquire prepare` sends: the protocol, reasons, and the contents of files, identity's above all."""

from __future__ import annotations

import argparse
import json
import tomllib
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from daq.errors import MissingError, RefusedError, UsageError

_MOST_BYTES = 32 * 1024
_OTHERS_READ = 0o004


def prepare_args(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `prepare`. Raises `UsageError`, `MissingError`, `RefusedError`, never with contents."""
    args: dict[str, Any] = {"protocol": options.protocol, "overrides": overrides(options.override)}
    for name in (
        "reason", "draft_reason", "continues", "repeats", "same_position_as", "study", "session", "patient_orientation",
        "label", "entry",
    ):  # fmt: skip
        if getattr(options, name, None):
            args[name] = getattr(options, name)
    if options.administration:
        args["administration"] = read_table(Path(options.administration))
    if options.patient:
        args["patient"] = read_patient_file(options.patient)
    return args


def read_patient_file(name: str) -> dict[str, Any]:
    """Return the identity in a file; warn where every user can read that."""
    _warn_of_readers(Path(name))
    return read_table(Path(name))


def overrides(texts: list[str]) -> dict[str, str]:
    """Return requirement to reason of `NAME=REASON` texts."""
    found = {}
    for text in texts:
        name, equals, reason = text.partition("=")
        if not (name.strip() and equals and reason.strip()):
            raise UsageError(f"--override {text!r}: write NAME=REASON, e.g. collimator='no sensor on this head'")
        if name in found:
            raise UsageError(f"--override {name!r} is given twice")
        found[name.strip()] = reason.strip()
    return found


def read_table(path: Path) -> dict[str, Any]:
    """Return the table of a TOML file, or of a JSON file (by its ending) as plain data; times as RFC 3339 texts."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except OSError as why:
        raise RefusedError(f"{path}: cannot be read ({why.strerror})") from None
    if len(content) > _MOST_BYTES:
        raise RefusedError(f"{path}: at most {_MOST_BYTES} bytes are possible")
    kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        text = content.decode("utf-8-sig")
        found = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as why:
        place = f" (line {why.lineno})" if isinstance(why, json.JSONDecodeError) else ""
        raise RefusedError(f"{path}: not {kind}{place}") from None
    if not isinstance(found, dict):
        raise RefusedError(f"{path}: must be a table, not a list or a single value")
    return {key: _plain(value) for key, value in found.items()}


def _plain(value: Any) -> Any:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case dict():
            return {key: _plain(below) for key, below in value.items()}
        case list():
            return [_plain(below) for below in value]
        case _:
            return value


def _warn_of_readers(path: Path) -> None:
    from daq.cli.output import say

    if path.exists() and path.stat().st_mode & _OTHERS_READ:
        say(
            f"daq: warning: every user of this host can read {path}, which holds a patient's identity: chmod 600 {path}"
        )
