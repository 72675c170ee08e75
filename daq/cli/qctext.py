"""Results of quality control and lists of what is due, in lines for people; and the exit codes that go with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from daq.model.qc.words import Level

if TYPE_CHECKING:
    from daq.model.qc.documents import QcResult
    from daq.model.qc.figures import Figure

EXIT: dict[Level, int] = {
    Level.IN_LIMITS: 0, Level.NOT_JUDGED: 0, Level.NOT_EVALUABLE: 3, Level.ACTION: 6, Level.SUSPENSION: 6,
}  # fmt: skip
"""What `daq qc run`, `enter` and `analyse` return for the level of a result."""
_MOST_SUBJECTS = 8
_MOST_BARE = 4
_NEXT = {
    Level.IN_LIMITS: "it may be used",
    Level.NOT_JUDGED: "nobody has set a limit: look at the figures yourself",
    Level.NOT_EVALUABLE: "it says nothing, good or bad: mend what stands against it, and do it again",
    Level.ACTION: "action level: investigate; it may be used meanwhile",
    Level.SUSPENSION: "suspension level: do not use it before somebody who may has found out why",
}


def result_lines(result: QcResult, identity: str | None = None) -> list[str]:
    """Return a result: figures against limits, what stands against it, what to do next."""
    lines = [f"{result.title}: {str(result.level).upper()}" + (f"   (result {identity})" if identity else "")]
    lines += [f"  {line}" for line in _figures(result)]
    lines += [f"  without a limit: {text}" for text in _bare(result)]
    lines += [f"  against it: {text}" for text in result.obstacles]
    lines += [f"  {text}" for text in result.remarks]
    lines.append(f"  next: {result.advice or _NEXT[result.level]}")
    return lines


def _figures(result: QcResult) -> list[str]:
    """Return a line for each figure of each subject, the worst subjects of one that has many."""
    lines = []
    said = {(each.figure, each.subject): each.level for each in result.judged}
    for figure in result.figures:
        limit = result.limits.get(figure.name)
        if limit is None:
            continue
        for at in _shown(figure):
            subject = figure.subjects[at]
            level = said.get((figure.name, subject)) or said.get((figure.name, ""))
            lines.append(_line(figure, at, limit, level))
        if len(figure.subjects) > _MOST_SUBJECTS:
            lines.append(f"{figure.name}: {len(figure.subjects) - _MOST_SUBJECTS} more of lesser size")
    widths = [max((len(line[column]) for line in lines if isinstance(line, tuple)), default=0) for column in range(5)]
    return [
        line if isinstance(line, str) else "  ".join(
            cell.ljust(width) if column in (0, 1, 4) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]  # fmt: skip


def _bare(result: QcResult) -> list[str]:
    """Return the figures that nobody has set a limit for, a few in a line, each with its lowest and highest value."""
    said = []
    for figure in result.figures:
        known = [value for value in figure.values if value is not None]
        if figure.name not in result.limits and known:
            low, high = min(known), max(known)
            span = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
            said.append(f"{figure.name} {span} {figure.unit if figure.unit != '1' else ''}".strip())
    return ["; ".join(said[at : at + _MOST_BARE]) for at in range(0, len(said), _MOST_BARE)]


def _shown(figure: Figure) -> list[int]:
    """Return the places of the subjects that are shown: all of few, else those with the largest values."""
    places = list(range(len(figure.subjects)))
    if len(places) <= _MOST_SUBJECTS:
        return places
    sizes = [-math.inf if value is None else abs(value) for value in figure.values]
    return sorted(sorted(places, key=lambda at: -sizes[at])[:_MOST_SUBJECTS])


def _line(figure: Figure, at: int, limit: Any, level: Level | None) -> Any:
    value = figure.values[at]
    noise = figure.noise[at] if at < len(figure.noise) else None
    shown = "none" if value is None else f"{value:.4g} {figure.unit}".strip()
    floor = "" if noise is None else f"noise {noise:.2g}"
    verdict = " ".join(part for part in (str(level or ""), limit_text(limit)) if part)
    return figure.name, figure.subjects[at], shown, floor, verdict


def limit_text(limit: Mapping[str, Any] | None) -> str:
    """Return a limit as short as it can be said; empty where there is none."""
    if not limit:
        return ""
    of = {"value": "", "reference-percent": " of the reference", "reference-difference": " from the reference"}
    parts = [
        f"{name} {words} {bounds[side]:g}"
        for name in ("action", "suspension")
        if (bounds := limit.get(name)) is not None
        for side, words in (("below", "below"), ("above", "above"))
        if bounds.get(side) is not None
    ]
    return f"({', '.join(parts)} {limit['unit']}{of[str(limit['of'])]})" if parts else ""


def due_lines(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rows of the table of what is due: test, how it stands, last result, next step."""
    return [(row["test"], _stands(row), _last(row), "" if not row["asked"] and row["every"] else row["next"])
            for row in rows]  # fmt: skip


def _stands(row: Mapping[str, Any]) -> str:
    state = {"after-service": "due after service", "never": "never done"}.get(str(row["state"]), str(row["state"]))
    if row["analysing"]:
        return f"{state}, being analysed"
    blocks = ", BLOCKS patients" if row["blocks"] else ""
    until = f" until {local(row['valid_until_utc'])}" if row["state"] == "valid" and row["valid_until_utc"] else ""
    return f"{state}{until}{blocks}"


def _last(row: Mapping[str, Any]) -> str:
    return "" if row["performed_utc"] is None else f"{row['level']}, {local(row['performed_utc'])}"


def local(utc: str) -> str:
    """Return a time of a document as people at this host read it."""
    return datetime.fromisoformat(utc).astimezone().strftime("%Y-%m-%d %H:%M")
