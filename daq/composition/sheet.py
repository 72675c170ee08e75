"""The contact sheet of a study: every series on one page, with what a reader must know before looking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from types import MappingProxyType
from typing import TYPE_CHECKING

from daq.composition.sheetheart import gated_rows
from daq.composition.sheetkinds import WIDE, frame_rows, static_panels, strip_rows, view_rows
from daq.composition.sheetoutline import outlines_for
from daq.composition.sheetviews import QUALITY_CONTROL, SheetStyle
from daq.model.framed import Framed, ImageKind
from daq.model.verdict import Grade
from daq.storage.drawing import PALE, WARNING, flowed, page, text_panel

if TYPE_CHECKING:
    from PIL.Image import Image

    from daq.model.verdict import Verdict
    from daq.storage.manifest import Manifest

_LETTERS = 190
_BLOCK = 16
_MOST_SENTENCES = 12
_ROWS: Mapping[ImageKind, Callable[[Framed, SheetStyle], list[list[Image]]]] = MappingProxyType({
    ImageKind.WHOLE_BODY: strip_rows,
    ImageKind.DYNAMIC: frame_rows,
    ImageKind.GATED: gated_rows,
    ImageKind.TOMO: view_rows,
    ImageKind.GATED_TOMO: lambda one, style: [*view_rows(one, style), *gated_rows(one, style)],
})  # fmt: skip


def contact_sheet(
    series: Sequence[Framed], manifest: Manifest, verdict: Verdict | None = None, style: SheetStyle | None = None
) -> Image:
    """Return the page: what was acquired, what is judged of it, and the pictures of each series in order.

    Series without a slot are named and have no picture.
    """
    style = style or SheetStyle()
    rows: list[list[Image]] = [[panel] for panel in _judged(verdict)]
    for numbered in _together(series):
        for number, one in numbered:
            rows.append([text_panel([_title(number, one)], size=_BLOCK)])
            rows.append([text_panel(_about(one), shade=PALE)])
        rows += _block([one for _, one in numbered if len(one.slots)], series, style)
    return page(rows, heading(manifest, series), warning="SIMULATED" if manifest.simulated else "")


def heading(manifest: Manifest, series: Sequence[Framed]) -> list[str]:
    """Return the lines above the pictures: protocol, acquisition, scanner, how the patient lies. No patient's name."""
    told = manifest.protocol or {}
    study = manifest.study or {}
    scanner = (manifest.scanner or {}).get("title") or manifest.profile.get("title", "")
    session = f", session {study['session']}" if study.get("session") else ""
    label = f": {study['label']}" if study.get("label") else ""
    lies = ", ".join(sorted({str(one.orientation) for one in series})) or str(study.get("patient_orientation", "-"))
    lies = f"patient {lies}; pictures as the detector sees the patient, head up"
    if series and all(one.role == QUALITY_CONTROL for one in series):
        lies = "nobody on the bed"
    made = f"{manifest.created_utc[:19].replace('T', ' ')} UTC"
    return [
        str(told.get("title") or told.get("id") or "no protocol"),
        f"acquisition {manifest.acquisition_id}{session}{label}; {made}; {manifest.state}",
        f"{scanner}; {lies}",
    ]


def _together(series: Sequence[Framed]) -> list[list[tuple[int, Framed]]]:
    """Return the series with their numbers, static views that follow each other as one."""
    found: list[list[tuple[int, Framed]]] = []
    for number, one in enumerate(series, start=1):
        if found and one.kind is ImageKind.STATIC and found[-1][-1][1].kind is ImageKind.STATIC:
            found[-1].append((number, one))
        else:
            found.append([(number, one)])
    return found


def _block(these: Sequence[Framed], series: Sequence[Framed], style: SheetStyle) -> list[list[Image]]:
    """Return the pictures of one series, or of several static views."""
    if not these:
        return []
    rows_of = _ROWS.get(these[0].kind)
    if rows_of is not None:
        return rows_of(these[0], style)
    panels = [panel for each in these for panel in static_panels(each, style, outlines_for(each, series))]
    return flowed(panels, WIDE)


def _title(number: int, one: Framed) -> str:
    label = f" ({one.label})" if one.label and one.label != one.name else ""
    ungated = ", all beats" if one.ungated else ""
    return f"{number}. {one.name}{label}: {str(one.kind).lower()}{ungated}{', all parts added up' if one.parts else ''}"


def _about(one: Framed) -> list[str]:
    counts = int(one.counts.sum(dtype="uint64"))
    outside = int(one.outside.sum())
    what = [f"{len(one.slots)} frames"] if len(one.slots) > 1 else []
    what += [f"{counts:,} counts in the {'strips' if one.kind is ImageKind.WHOLE_BODY else 'pictures'}"]
    what += [f"{outside:,} more {one.outside_words}"] if outside else []
    what += [one.role.replace("_", " ")] if one.role != "emission" else []
    what += [one.region.replace("_", " ")] if one.region else []
    what += [f"ended by {one.ended_by}"] if one.ended_by else []
    what += [] if one.completed else ["NOT COMPLETED"]
    notes = [line for note in one.notes for line in wrap(note, _LETTERS)]
    return ["; ".join(what), *notes]


def _judged(verdict: Verdict | None) -> list[Image]:
    """Return the verdict in words, what is wrong in red."""
    if verdict is None:
        return []
    sentences = [line for text in verdict.sentences for line in wrap(text, _LETTERS)]
    more = len(sentences) - _MOST_SENTENCES
    checked = sum(check.grade is not Grade.NOTE for check in verdict.checks)
    lines = [f"verdict: {verdict.grade.word}, {checked} checks", *sentences[:_MOST_SENTENCES]]
    lines += [f"and {more} more lines: verdict.json"] if more > 0 else []
    wrong = verdict.grade >= Grade.DOUBTFUL
    return [text_panel(lines, shade=WARNING) if wrong else text_panel(lines)]
