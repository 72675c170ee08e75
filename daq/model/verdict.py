"""What is said of a study when it ends: each thing that was checked, in words, and whether it holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any


class Grade(IntEnum):
    """From good to bad; the worst of the checks is that of the study."""

    NOTE = -1
    """Not checked, for equipment of this kind never tells it: said in words, and no grade of a study."""
    GOOD = 0
    NOT_EVALUABLE = 1
    """What it needs was not recorded."""
    DOUBTFUL = 2
    """To be looked at before the patient leaves."""
    BAD = 3
    """Outside of what the protocol takes."""

    @property
    def word(self) -> str:
        """Return it for people."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. `of`: the step or series it is about; `value` and `limit` are in `unit`."""

    name: str
    of: str
    grade: Grade
    text: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks of a study."""

    checks: tuple[Check, ...]

    @property
    def grade(self) -> Grade:
        """Return the worst, notes left out; not evaluable where nothing was checked."""
        checked = (check.grade for check in self.checks if check.grade is not Grade.NOTE)
        return max(checked, default=Grade.NOT_EVALUABLE)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return what is not good, the worst first, notes last; what is noted of several steps is said once."""
        wrong = sorted((check for check in self.checks if check.grade is not Grade.GOOD), key=lambda c: -c.grade)
        noted: dict[str, list[str]] = {}
        for check in wrong:
            if check.grade is Grade.NOTE:
                noted.setdefault(check.text, []).append(check.of)
        said = [(check.of, check.text) for check in wrong if check.grade is not Grade.NOTE]
        said += [(of[0] if len(of) == 1 else f"{len(of)} times", text) for text, of in noted.items()]
        return tuple(f"{of}: {text}" if of else text for of, text in said)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        checks = [asdict(check) | {"grade": check.grade.word} for check in self.checks]
        return {"grade": self.grade.word, "sentences": list(self.sentences), "checks": checks}
