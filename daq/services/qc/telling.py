"""Results of quality control as plain data for a screen: figures beside limits, who signed, what pictures there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from daq.model.qc.documents import Document, QcResult
from daq.model.qc.figures import Curve, Figure, Level, Picture
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import Limit
from daq.qc.judging import RANKS
from daq.qc.judgingwords import bounds_text
from daq.services.qc.abilities import Kept

_MOST_POINTS = 1500
"""Of a curve so many points are told at most; a screen has not many more columns."""
_EACH = 12
"""Subjects of a figure that are told one by one; of more, those that stand worst."""


def row_of(kept: Kept) -> dict[str, Any]:
    """Return a result in short: what a list or a card shows."""
    document, result = kept.document, kept.result
    return {
        "id": document.id, "sha256": document.sha256, "test": result.test, "title": result.title,
        "level": str(result.level), "performed_utc": document.at_utc, "by": document.by,
        "simulated": document.simulated, "collimator": result.collimator,
        "figures": [figure_of(figure, result, 1) for figure in _important(result)],
        "signatures": [signature_of(kept, each) for each in kept.signatures], "struck": struck_of(kept),
        "doubts": list(kept.doubts), "obstacles": list(result.obstacles), "advice": result.advice,
        "runs": [str(each.get("id")) for each in result.acquisitions], "evidence": result.evidence_sha256 is not None,
    }  # fmt: skip


def _important(result: QcResult) -> Sequence[Figure]:
    """Return the figures that are held against a limit; the first of a result that has none."""
    return [figure for figure in result.figures if figure.name in result.limits] or result.figures[:1]


def whole_of(kept: Kept, pictures: Sequence[Picture], curves: Sequence[Curve]) -> dict[str, Any]:
    """Return a result with all that its document says, and what its pictures and curves are."""
    result = kept.result
    return {
        **row_of(kept), "document": kept.document.to_json(),
        "all_figures": [figure_of(figure, result, _EACH) for figure in result.figures],
        "limits": {name: limit_of(told) for name, told in result.limits.items()},
        "pictures": [_picture(number, each) for number, each in enumerate(pictures)],
        "curves": [curve_of(each) for each in curves],
    }  # fmt: skip


def figure_of(figure: Figure, result: QcResult, most: int) -> dict[str, Any]:
    """Return a figure with its limit and its subjects, those that stand worst first, at most `most` of them."""
    kind = ANALYSES[result.analysis].figure(figure.name) if result.analysis in ANALYSES else None
    judged = {each.subject: each for each in result.judged if each.figure == figure.name}
    limit = result.limits.get(figure.name)
    each = [_subject(figure, at, judged) for at in range(len(figure.subjects))]
    many = len(each) > most
    if many:
        each.sort(key=_urgency, reverse=True)
    return {
        "name": figure.name, "about": kind.about if kind else figure.name.replace("_", " "), "unit": figure.unit,
        "per": kind.per if kind else "", "noise_kind": kind.noise if kind else "deviation",
        "limit": None if limit is None else limit_of(limit), "subjects": len(figure.subjects),
        "level": str(max((one.level for one in judged.values()), key=RANKS.index, default=Level.NOT_JUDGED)),
        "each": each[:most], "text": [one.text for one in judged.values()][:_EACH],
    }  # fmt: skip


def _subject(figure: Figure, at: int, judged: Mapping[str, Any]) -> dict[str, Any]:
    subject = figure.subjects[at]
    said = judged.get(subject) or judged.get("")
    return {
        "subject": subject, "value": figure.values[at], "noise": _at(figure.noise, at),
        "counts": _at(figure.counts, at), "level": str(said.level if said is not None else Level.NOT_JUDGED),
    }  # fmt: skip


def _urgency(told: Mapping[str, Any]) -> tuple[int, float]:
    return RANKS.index(Level(told["level"])), abs(told["value"] or 0.0)


def _at(kept: Sequence[float | None], at: int) -> float | None:
    return kept[at] if at < len(kept) else None


def limit_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a limit as it was used, with its words; of one that this version cannot read, that it is so."""
    try:
        words = bounds_text(Limit.model_validate(dict(told)))
    except ValidationError:
        words = "a limit that this version cannot read: see the document"
    kept = {name: told.get(name) for name in ("of", "unit", "action", "suspension", "counts_needed", "source")}
    return {**kept, "words": words}


def signature_of(kept: Kept, signature: Document) -> dict[str, Any]:
    """Return who signed it as what, and whether it is a signature of just this result."""
    body = signature.body
    return {
        "by": signature.by, "meaning": body.get("meaning"), "at_utc": signature.at_utc, "sha256": body.get("sha256"),
        "comment": body.get("comment", ""), "holds": kept.holds(signature),
    }  # fmt: skip


def struck_of(kept: Kept) -> dict[str, Any] | None:
    """Return who struck it out and why; None where nobody did."""
    if kept.struck is None:
        return None
    return {"by": kept.struck.by, "at_utc": kept.struck.at_utc, "reason": kept.struck.body.get("reason", "")}


def _picture(number: int, picture: Picture) -> dict[str, Any]:
    rows, columns = picture.values.shape
    return {
        "number": number, "title": picture.title, "unit": picture.unit, "pixel_mm": picture.pixel_mm, "rows": rows,
        "columns": columns, "fields": {name: list(size) for name, size in picture.fields.items()},
    }  # fmt: skip


def curve_of(curve: Curve) -> dict[str, Any]:
    """Return a curve, thinned where it has more points than a screen shows; numbers that are none as null."""
    step = -(-len(curve.x) // _MOST_POINTS)
    fitted = None if curve.fitted is None else _numbers(curve.fitted[::step])
    return {
        "title": curve.title, "x": _numbers(curve.x[::step]), "y": _numbers(curve.y[::step]), "fitted": fitted,
        "x_label": curve.x_label, "y_label": curve.y_label, "marks": dict(curve.marks),
    }  # fmt: skip


def _numbers(values: Any) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
