"""The limits in force: what each needs in counts, what noise its protocol leaves, its source, its reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from acquisition_protocols.load import load_protocol
from daq.errors import MissingError, ScandaqError
from daq.model.qc.analyses import AnalysisKind, FigureKind
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import Limit, QcTest
from daq.model.scanner import Head, ScannerProfile
from daq.qc.camera.floodnoise import noise_factors
from daq.qc.fields import FieldOfView
from daq.qc.judging import counts_for
from daq.qc.judgingwords import bounds_text
from daq.qc.uniformity import NEMA_PIXEL_MM, pixels_for
from daq.services.qc.abilities import Books

_HALF = 0.5
_UNCORRECTED = "uncorrected_"


def tests_of(scanner: ScannerProfile, name: str | None) -> dict[str, QcTest]:
    """Return the tests of a scanner, or the one of a name. Raises `MissingError` for one that it does not have."""
    if name is None:
        return dict(scanner.qc)
    if name not in scanner.qc:
        raise MissingError(f"scanner {scanner.id} has no test {name!r}; it has {', '.join(scanner.qc) or 'none'}")
    return {name: scanner.qc[name]}


async def references_of(books: Books, tests: Mapping[str, QcTest]) -> dict[str, str]:
    """Return the id of the result that each test is compared with, of those that are compared with any."""
    found = {name: await books.reference(name) for name in tests}
    return {name: kept.document.id for name, kept in found.items() if kept is not None}


def limit_rows(
    scanner: ScannerProfile, tests: Mapping[str, QcTest], *, protocols: Sequence[Path] = (),
    references: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a row of each figure with a limit, and of each that the analysis gives and nobody set a limit for.

    `noise`: the expected value of a uniformity by counting alone, with the counts per pixel at which the test's
    protocol ends, spread over the whole of the largest crystal; None of other figures, whose noise comes with the
    result.
    `counts_meaningful`: per pixel, below which noise takes up more than half of the limit. `references`: by test the id
    of the result that it is compared with; None: the books were not asked.
    """
    rows = []
    for name, test in tests.items():
        kind = ANALYSES[test.analysis]
        counts, problem = _counts(scanner, test, protocols)
        for figure in kind.figures:
            row = _row(name, test, figure, kind) | _noise(scanner, test.limits.get(figure.name), figure, counts)
            reference = None if references is None else references.get(name)
            rows.append({**row, "reference": reference, "problem": problem})
    return rows


def _row(name: str, test: QcTest, figure: FigureKind, kind: AnalysisKind) -> dict[str, Any]:
    limit = test.limits.get(figure.name)
    bounds = {} if limit is None else limit.model_dump(mode="json", include={"action", "suspension", "of"})
    return {
        "test": name, "title": test.title, "analysis": kind.name, "figure": figure.name, "about": figure.about,
        "unit": figure.unit, "per": figure.per, "limit": None if limit is None else bounds_text(limit), **bounds,
        "counts_needed": None if limit is None else limit.counts_needed,
        "source": None if limit is None else limit.source, "protocol": test.protocol,
    }  # fmt: skip


def _noise(
    scanner: ScannerProfile, limit: Limit | None, figure: FigureKind, counts: float | None
) -> dict[str, float | None]:
    factor = _factor(scanner, figure.name)
    if factor is None or counts is None:
        return {"counts": None, "noise": None, "counts_meaningful": None}
    noise = factor / counts**_HALF
    enough = counts_for(counts, noise, limit) if limit is not None and limit.of == "value" else None
    return {"counts": counts, "noise": noise, "counts_meaningful": enough}


def _factor(scanner: ScannerProfile, figure: str) -> float | None:
    """Return the expected uniformity times the root of the counts per pixel; None of another figure."""
    if not scanner.heads:
        return None
    head = _smallest(scanner)
    field = FieldOfView(head.width_mm, head.height_mm)
    rows, columns = pixels_for(field)
    useful, central = (each.pixels(rows, columns, NEMA_PIXEL_MM) for each in (field, field.central))
    return noise_factors(useful, central).get(figure.removeprefix(_UNCORRECTED))


def _counts(scanner: ScannerProfile, test: QcTest, folders: Sequence[Path]) -> tuple[float | None, str | None]:
    """Return the counts per pixel near 6.4 mm at which the protocol ends; what stands against saying it."""
    if test.protocol is None or not scanner.heads:
        return None, None
    try:
        protocol = load_protocol(test.protocol, folders).protocol
    except ScandaqError as why:
        return None, f"protocol {test.protocol}: {why}"
    stops = [step.stop.counts for step in protocol.steps if step.stop.counts is not None]
    if not stops:
        return None, None
    share = len(scanner.heads) if stops[0].head == "sum" else 1
    return stops[0].limit / share * NEMA_PIXEL_MM**2 / max(map(_lit_mm2, scanner.heads)), None


def _lit_mm2(head: Head) -> float:
    """Return the area over which counts spread: a crystal that goes beyond the field of view counts there, too."""
    of = head.crystal
    return head.width_mm * head.height_mm if of is None else of.width_mm * of.height_mm


def _smallest(scanner: ScannerProfile) -> Head:
    return min(scanner.heads, key=lambda head: head.width_mm * head.height_mm)
