"""What a report holds, apart from how it is written: HTML and PDF are made of the same parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from daq.model.qc.figures import Level

Tone = Literal["", "good", "quiet", "unclear", "action", "suspension", "missed"]
TONE_OF: dict[Level, Tone] = {
    Level.IN_LIMITS: "good", Level.NOT_JUDGED: "quiet", Level.NOT_EVALUABLE: "unclear", Level.ACTION: "action",
    Level.SUSPENSION: "suspension",
}  # fmt: skip
WORDS_OF: dict[Level, str] = {
    Level.IN_LIMITS: "in limits", Level.NOT_JUDGED: "not judged: nobody has set a limit",
    Level.NOT_EVALUABLE: "not evaluable: the test says nothing, good or bad",
    Level.ACTION: "beyond the action level: investigate", Level.SUSPENSION: "beyond the suspension level: do not use",
}  # fmt: skip
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
_MOST = 4000


@dataclass(frozen=True, slots=True)
class Cell:
    """A text in a table, with the tone that stands behind it; the text alone says everything."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are, two columns."""

    title: str
    rows: tuple[tuple[str, str], ...]
    kind: str = "facts"


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `narrow`: many columns of a few letters. `note`: below it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    narrow: bool = False
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences, one below the other."""

    title: str
    lines: tuple[str, ...]
    tone: Tone = ""
    kind: str = "sentences"


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A picture, PNG; `caption` says what it shows to who cannot see it."""

    title: str
    png: bytes
    caption: str
    kind: str = "drawing"


Part = Facts | Table | Sentences | Drawing


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """A page. `verdict`: in words, with its tone; `unsigned`: what is written large while a signature is missing."""

    title: str
    about: str
    verdict: Cell
    simulated: bool
    unsigned: str
    parts: tuple[Part, ...]
    made: str


def clean(text: object, most: int = _MOST) -> str:
    """Return a text of others on a page: no control, no direction mark, not longer than `most`."""
    kept = _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", str(text))
    return kept if len(kept) <= most else f"{kept[: most - 1]}…"
