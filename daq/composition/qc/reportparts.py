"""Parts of a report that are made of a result: figures against limits, what it rests on, who signed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from daq.composition.qc.reportmodel import TONE_OF, Cell, Facts, Sentences, Table, Tone, clean
from daq.model.qc.analyses import FigureKind
from daq.model.qc.documents import Document, Judged, QcResult
from daq.model.qc.figures import Figure, Level
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import Limit
from daq.qc.judging import RANKS
from daq.qc.judgingwords import bounds_text, number
from daq.services.qc.abilities import Kept

_EACH = 12
"""Figures of more subjects are told by their range, and by the subjects that are beyond a limit."""
_MOST_ROWS = 40


def figures_table(result: QcResult) -> Table:
    """Return every figure with noise, counts, limit and level; of many subjects the range."""
    ordered = sorted(result.figures, key=lambda figure: figure.name not in result.limits)
    rows = [row for figure in ordered for row in _figure_rows(figure, result)]
    head = ("figure", "of", "value", "counting noise", "counts", "limit", "level")
    more = f"{len(rows) - _MOST_ROWS} more rows are in the document of the result." if len(rows) > _MOST_ROWS else ""
    floors = [name for name in dict.fromkeys(figure.name for figure in result.figures) if _is_floor(name, result)]
    floor = f"Counting noise of {', '.join(floors)}: the value that counting alone gives of a perfect detector."
    note = " ".join(clean(each) for each in (floor if floors else "", more) if each)
    return Table("Figures against limits", head, tuple(rows[:_MOST_ROWS]), note=note)


def _kind(name: str, result: QcResult) -> FigureKind | None:
    return ANALYSES[result.analysis].figure(name) if result.analysis in ANALYSES else None


def _is_floor(name: str, result: QcResult) -> bool:
    kind = _kind(name, result)
    return kind is not None and kind.noise == "floor"


def _figure_rows(figure: Figure, result: QcResult) -> list[tuple[Cell, ...]]:
    kind = _kind(figure.name, result)
    about = clean(kind.about if kind else figure.name, 200)
    limit = _limit_words(result.limits.get(figure.name))
    judged = [one for one in result.judged if one.figure == figure.name]
    if len(figure.subjects) > _EACH:
        return [_range_row(figure, about, limit, judged), *_beyond_rows(figure, about, limit, judged)]
    return [_row(figure, at, about, limit, judged) for at in range(len(figure.subjects))]


def _row(figure: Figure, at: int, about: str, limit: str, judged: Sequence[Judged]) -> tuple[Cell, ...]:
    subject = figure.subjects[at]
    level = next((one.level for one in judged if one.subject == subject), None)
    level = level or next((one.level for one in judged if not one.subject), Level.NOT_JUDGED)
    noise, counts = (_at(kept, at) for kept in (figure.noise, figure.counts))
    return (
        Cell(about), Cell(clean(subject or "all", 200)), Cell(_valued(figure.values[at], figure.unit)),
        Cell("" if noise is None else f"{noise:.2g} {_unit(figure.unit)}".strip()),
        Cell("" if counts is None else f"{counts:,.0f}"), Cell(limit), Cell(str(level), TONE_OF[level]),
    )  # fmt: skip


def _range_row(figure: Figure, about: str, limit: str, judged: Sequence[Judged]) -> tuple[Cell, ...]:
    known = sorted(value for value in figure.values if value is not None)
    level = max((one.level for one in judged), key=RANKS.index, default=Level.NOT_JUDGED)
    noise, counts = ([each for each in kept if each is not None] for kept in (figure.noise, figure.counts))
    unit = _unit(figure.unit)
    told = f"{number(known[0])} to {number(known[-1])} {unit}, middle {number(known[len(known) // 2])}" if known else ""
    return (
        Cell(about), Cell(f"{len(figure.subjects)}, of {clean(figure.subjects[0], 60)} on"),
        Cell(told or "not determined"), Cell(f"{min(noise):.2g} to {max(noise):.2g} {unit}" if noise else ""),
        Cell(f"{min(counts):,.0f} to {max(counts):,.0f}" if counts else ""), Cell(limit),
        Cell(str(level), TONE_OF[level]),
    )  # fmt: skip


def _beyond_rows(figure: Figure, about: str, limit: str, judged: Sequence[Judged]) -> list[tuple[Cell, ...]]:
    beyond = {one.subject for one in judged if one.level in {Level.ACTION, Level.SUSPENSION}}
    return [_row(figure, at, about, limit, judged) for at, name in enumerate(figure.subjects) if name in beyond]


def _at(kept: tuple[float | None, ...], at: int) -> float | None:
    return kept[at] if at < len(kept) else None


def _valued(value: float | None, unit: str) -> str:
    return "not determined" if value is None else f"{number(value)} {_unit(unit)}".strip()


def _unit(unit: str) -> str:
    """Return a unit as it is written behind a number; of plain numbers none."""
    return "" if unit == "1" else clean(unit, 30)


def _limit_words(told: Any) -> str:
    """Return a limit as it was used, in words; what is none any more is said to be so."""
    if not told:
        return "none set"
    try:
        limit = Limit.model_validate(told)
    except ValidationError:
        return "a limit that this version cannot read: see the document"
    needed = f"; needs {limit.counts_needed:,.0f} counts" if limit.counts_needed else ""
    return clean(f"{bounds_text(limit)}{needed}", 300)


def urgent_of(result: QcResult) -> list[Sentences]:
    """Return what stands against the test, and what to do next: what is read first."""
    level = result.level
    return _said([
        ("What stands against the whole test", result.obstacles, "unclear"),
        ("What to do next", (result.advice,) if result.advice else (), TONE_OF[level] if level in _TOLD else ""),
    ])  # fmt: skip


def sentences_of(result: QcResult) -> list[Sentences]:
    """Return what was judged in sentences, remarks, and the comment."""
    judged = tuple(clean(one.text) for one in result.judged if one.level is not Level.NOT_JUDGED)
    return _said([
        ("In sentences", judged, ""),
        ("Remarks", result.remarks, ""),
        ("Comment", (result.comment,) if result.comment else (), ""),
    ])  # fmt: skip


def _said(told: Sequence[tuple[str, tuple[str, ...], Tone]]) -> list[Sentences]:
    return [Sentences(title, tuple(map(clean, lines)), tone) for title, lines, tone in told if lines]


_NOTHING: tuple[Any, ...] = ("", [], {}, ())
_TOLD = {Level.ACTION, Level.SUSPENSION, Level.NOT_EVALUABLE}


def limits_sources(result: QcResult) -> Sentences | None:
    """Return where each limit comes from; None where there is none."""
    lines = tuple(
        clean(f"{name}: {told.get('source', 'no source')}")
        for name, told in result.limits.items() if isinstance(told, Mapping)
    )  # fmt: skip
    return Sentences("Where the limits come from", lines) if lines else None


def facts_of(kept: Kept) -> Facts:
    """Return what the result rests on: when, by whom, which recording, protocol, source, calibrations, software."""
    document, result = kept.document, kept.result
    rows: list[tuple[str, object]] = [
        ("Test", f"{result.title} ({result.test})"),
        ("Performed", _utc(document.at_utc)),
        ("By", document.by),
        ("Scanner", document.scanner),
        ("Station", document.station),
        ("Analysis", f"{result.analysis}, version {result.analysis_version}"),
        ("Collimator", result.collimator or ""),
        ("Protocol", _named(result.protocol, "id", "version", "state")),
        ("Source", _source(result.source)),
        ("Reference", result.reference or ""),
        *(("Recording", _recording(each)) for each in result.acquisitions),
        *(("Calibration", _calibration(each)) for each in result.calibrations),
        *((f"Stated: {name}", by) for name, by in result.statements.items()),
        *((f"Overridden: {name}", why) for name, why in result.overrides.items()),
        *((f"Entered: {name}", value) for name, value in result.entries.items()),
        ("Software", result.software),
        ("Result", document.id),
        ("SHA-256 of the result", document.sha256),
        ("Entered", _utc(document.entered_utc)),
        *(("Doubt", doubt) for doubt in kept.doubts),
    ]
    told = tuple((clean(name, 100), clean(value, 500)) for name, value in rows if value is not None and value != "")
    return Facts("What it rests on", told)


def _named(told: Mapping[str, Any], *names: str) -> str:
    return ", ".join(f"{name} {told[name]}" if name != "id" else str(told[name]) for name in names if told.get(name))


def _source(told: Mapping[str, Any]) -> str:
    if not told:
        return ""
    activity = told.get("activity_mbq")
    had = f"{number(float(activity))} MBq at the time" if isinstance(activity, int | float) else ""
    return ", ".join(str(each) for each in (told.get("nuclide"), told.get("serial"), told.get("form"), had) if each)


def _recording(told: Mapping[str, Any]) -> str:
    manifest = f"manifest SHA-256 {told['manifest_sha256']}" if told.get("manifest_sha256") else ""
    return ", ".join(str(each) for each in (told.get("id"), told.get("directory"), manifest) if each)


def _calibration(told: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in told.items() if value is not None and value not in _NOTHING)


def signatures_table(kept: Iterable[Kept]) -> Table:
    """Return who signed what, when, as what, with the hashes; a signature of something else is said to be broken."""
    rows = [row for each in kept for row in (_signature(each, signature) for signature in each.signatures)]
    head = ("name", "meaning", "signed", "of", "SHA-256 that was signed", "holds", "comment")
    return Table("Signatures", head, tuple(rows), note="" if rows else "Nobody has signed.")


def _signature(kept: Kept, signature: Document) -> tuple[Cell, ...]:
    body, holds = signature.body, kept.holds(signature)
    return (
        Cell(clean(signature.by, 200)), Cell(clean(body.get("meaning", ""), 60)), Cell(_utc(signature.at_utc)),
        Cell(clean(kept.document.id, 120)), Cell(clean(body.get("sha256", ""), 70)),
        Cell("yes" if holds else "NO: the result is not what was signed", "" if holds else "suspension"),
        Cell(clean(body.get("comment", ""), 300)),
    )  # fmt: skip


def _utc(text: str) -> str:
    return clean(f"{text[:19].replace('T', ' ')} UTC" if text else "", 60)
