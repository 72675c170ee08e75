"""What a rule has to say about a profile: key, value, reason, and whether it forbids the use of the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `key` is the dotted path in the TOML file; `value` is what stands there, as text."""

    key: str
    value: str
    reason: str
    severity: Severity = "error"

    def __str__(self) -> str:
        """Return `key = value: reason`; a warning says that it is one."""
        warns = "warning: " if self.severity == "warning" else ""
        return f"{self.key} = {self.value}: {warns}{self.reason}"


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
    """Return a value as people write it, shortened to one line."""
    text = repr(value) if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
