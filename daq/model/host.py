"""What a probe of the host has to say: what was found, what a recording wants, and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["good", "limits", "bad"]
"""`limits`: works, up to a point; `bad`: words will be lost at the rate in question, or nothing works at all."""

Figure = int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class HostFinding:
    """One finding. `key` and the keys of `figures` are stable; texts are for people and bear their units.

    `mend` says what to do, with the exact command where there is one; it is empty for what is good. `impossible` says
    that nothing can be recorded until it is mended.
    """

    key: str
    what: str
    value: str
    want: str
    verdict: Verdict
    mend: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    impossible: bool = False

    def __str__(self) -> str:
        """Return one line: what, the value, what is wanted, how to mend it."""
        mend = f": {self.mend}" if self.mend else ""
        return f"{self.what} {self.value}, wanted {self.want}{mend}"

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain data, without its key."""
        return {
            "what": self.what, "value": self.value, "want": self.want, "verdict": self.verdict, "mend": self.mend,
            "impossible": self.impossible, "figures": dict(self.figures),
        }  # fmt: skip
