"""Read a TOML file of any scandaq schema; `daq.model.tables` says what is wrong with its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daq.errors import MissingError, ProfileError
from daq.model.finding import errors
from daq.model.tables import Model, Rules, check, parse_toml, refusal

MAX_BYTES = 4 << 20
"""A profile is written by people; lookup tables of a large scanner stay far below."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises `MissingError` or `ProfileError` (not TOML: with line and column)."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # never more: a device has no end
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except OSError as why:
        raise ProfileError(f"{path}: cannot be read ({why.strerror})") from None
    if len(content) > MAX_BYTES:
        raise ProfileError(f"{path}: a profile has at most {MAX_BYTES} bytes")
    return parse_toml(content, str(path))


def load(model: type[Model], path: Path, rules: Rules[Model]) -> Model:
    """Return the model of a file. Raises `MissingError`, or `ProfileError` with every problem, one a line."""
    made, found = check(model, read_toml(path), rules)
    wrong = errors(found)
    if made is None or wrong:
        raise ProfileError(refusal(str(path), wrong))
    return made
