"""`daq qc show`: one result with all that is needed to see what was found and why it was judged so."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from daq.cli.qc_place import add_reading_place, one, read
from daq.model.qc.words import Level

if TYPE_CHECKING:
    from daq.model.qc.figures import Figure
    from daq.services.qc.abilities import Kept

_MOST_SUBJECTS = 16
"""Of a figure with more subjects, those beyond a limit are shown, and what the others range over."""


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser("show", help="one result: figures, limits, signatures, hash")
    parser.add_argument("result", metavar="ID", help="id of a result, or a test: its newest result")
    parser.add_argument("--all", action="store_true", help="every subject of every figure")
    add_reading_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the result as its file has it now."""
    from daq.cli.output import print_json
    from daq.cli.qc_history import told

    kept = read(options.site, lambda books: one(books, options.result))
    if options.json:
        print_json(told(kept))
    else:
        print_result(kept, everything=options.all)
    return 0


def print_result(kept: Kept, *, everything: bool = False) -> None:
    """Print a result for people."""
    from daq.cli.output import print_line, print_table

    for line in _head(kept):
        print_line(line)
    rows = [row for figure in kept.result.figures for row in _rows(kept, figure, everything=everything)]
    print_table("", ["figure", "of", "value", "unit", "noise", "level"], rows)
    for line in _said(kept):
        print_line(line)


def _head(kept: Kept) -> Iterator[str]:
    document, result = kept.document, kept.result
    yield f"{result.title} ({result.test}): {str(result.level).upper()}"
    yield f"  performed {document.at_utc} by {document.by}, entered {document.entered_utc}"
    where = f"  station {document.station or 'not said'}, scanner {document.scanner or 'not said'}"
    yield where + (", SIMULATED" if document.simulated else "")
    yield f"  analysis {result.analysis} of version {result.analysis_version}, {result.software or 'software not said'}"
    if result.protocol:
        yield f"  protocol {result.protocol.get('id')} of version {result.protocol.get('version')}"
    if result.source:
        yield f"  source {result.source.get('serial')}, {result.source.get('nuclide')}"
    for recording in result.acquisitions:
        yield f"  recording {recording.get('id')}"
    yield f"  id {document.id}"
    yield f"  sha256 {document.sha256}"


def _rows(kept: Kept, figure: Figure, *, everything: bool) -> Iterator[tuple[str, ...]]:
    levels = {each.subject: each.level for each in kept.result.judged if each.figure == figure.name}
    beyond = (Level.ACTION, Level.SUSPENSION, Level.NOT_EVALUABLE)
    is_long = len(figure.subjects) > _MOST_SUBJECTS and not everything
    hidden: list[float] = []
    for subject, value in zip(figure.subjects, figure.values, strict=True):
        level = levels.get(subject)
        if is_long and level not in beyond:
            hidden += [] if value is None else [value]
            continue
        own = figure.of_subject(subject)
        noise = own.noise[0] if own is not None and own.noise else None
        yield figure.name, subject, _number(value), figure.unit, _number(noise), str(level or Level.NOT_JUDGED)
    if hidden:
        yield figure.name, f"{len(hidden)} others", f"{min(hidden):g} to {max(hidden):g}", figure.unit, "", ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _said(kept: Kept) -> Iterator[str]:
    result = kept.result
    for title, lines in (
        ("not evaluable", result.obstacles),
        ("judged", [each.text for each in result.judged if each.level not in (Level.IN_LIMITS, Level.NOT_JUDGED)]),
        ("remark", result.remarks),
        ("what to do", [result.advice] if result.advice else []),
        ("stated", [f"{what}: {text}" for what, text in result.statements.items()]),
        ("overridden", [f"{what}: {why}" for what, why in result.overrides.items()]),
        ("comment", [result.comment] if result.comment else []),
        ("doubt", kept.doubts),
    ):
        yield from (f"{title}: {line}" for line in lines)
    for each in kept.signatures:
        state = "" if kept.holds(each) else ": BROKEN, it is of another content than the result has now"
        yield f"signed as {each.body['meaning']} by {each.by}, {each.at_utc}{state}"
    if kept.struck is not None:
        yield f"STRUCK OUT by {kept.struck.by}, {kept.struck.at_utc}: {kept.struck.body.get('reason')}"
