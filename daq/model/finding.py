"""What a rule has to say about a profile: key, value, reason, and whether it forbids the use of the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `key` is the dotted path in the TOML file; `value` is what stands there, as text.

    Both are empty for a finding on the file as a whole.
    """

    key: str
    value: str
    reason: str
    severity: Severity = "error"

    def __str__(self) -> str:
        """Return `key = value: reason`; a warning says that it is one."""
        warns = "warning: " if self.severity == "warning" else ""
        where = f"{self.key} = {self.value}: " if self.key else ""
        return f"{where}{warns}{self.reason}"


class Said(str):
    """Words about a value, in place of a value that stands in the file: not quoted."""

    __slots__ = ()


ABSENT = Said("absent")


def error(key: str, value: object, reason: str) -> Finding:
    """Return a finding that forbids the use of the file."""
    return Finding(key, shown(value), reason)


def warning(key: str, value: object, reason: str) -> Finding:
    """Return a finding that a person should look at; the file can be used."""
    return Finding(key, shown(value), reason, "warning")


def errors(found: Iterable[Finding]) -> list[Finding]:
    """Return only the findings that forbid the use of the file."""
    return [finding for finding in found if finding.severity == "error"]


def shown(value: object) -> str:
    """Return a value as TOML writes it, shortened to one line: texts in quotes, truth in lower case."""
    text = repr(value) if isinstance(value, str) and not isinstance(value, Said) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
