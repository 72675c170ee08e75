"""A report as PDF: the same parts as on the HTML page, A4, the fonts in it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from unicodedata import bidirectional
from xml.sax.saxutils import escape

from daq.composition.qc.reportdraw import characters, font_file
from daq.composition.qc.reportmodel import Cell, Drawing, Facts, Part, Report, Sentences, Table

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

_MM = 72.0 / 25.4
_MARGIN = 14.0 * _MM
_WIDTH = 210.0 * _MM - 2.0 * _MARGIN
_MOST_HEIGHT = 225.0 * _MM
_FACT_SHARE = 0.26
_LETTER, _WIDEST_WORD, _LONGEST = 4.9, 90.0, 150
_NARROW_FIRST, _NARROW_LAST = 24.0 * _MM, 10.0 * _MM
_FONT, _BOLD = "ScandaqSans", "ScandaqSansBold"
_INK, _PALE, _RULE = "#1d2733", "#5d6b7a", "#c9d1da"
_BOX = "\N{WHITE SQUARE}"
_TONES = {
    "": None, "good": "#e4f2e6", "quiet": "#f3f5f7", "unclear": "#e9e6f5", "action": "#fdeccf",
    "suspension": "#f9d9d6", "missed": None,
}  # fmt: skip
_EDGES = {"good": "#2e6b34", "unclear": "#5b4a9e", "action": "#b45f06", "suspension": "#b3261e"}


def pdf_of(report: Report) -> bytes:
    """Return the pages. Texts are escaped, so that none is taken for markup."""
    from reportlab.platypus import SimpleDocTemplate

    _require_fonts()
    made = io.BytesIO()
    document = SimpleDocTemplate(
        made, pagesize=(210.0 * _MM, 297.0 * _MM), leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN,
        bottomMargin=_MARGIN + 4.0 * _MM, title=report.title, author="", creator="scandaq", invariant=True,
    )  # fmt: skip
    story = _head(report)
    for part in report.parts:
        story += _part(part)

    def around(canvas: Any, page: Any) -> None:
        _around(canvas, page.page, report)

    document.build(story, onFirstPage=around, onLaterPages=around)
    return made.getvalue()


@lru_cache(maxsize=1)
def _require_fonts() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    pdfmetrics.registerFont(TTFont(_FONT, str(font_file())))
    pdfmetrics.registerFont(TTFont(_BOLD, str(font_file(bold=True))))


def _style(size: float, *, bold: bool = False, colour: str = _INK, **other: Any) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    font = _BOLD if bold else _FONT
    return ParagraphStyle(
        f"{font}{size}{colour}", fontName=font, fontSize=size, leading=1.3 * size, textColor=colour, splitLongWords=1,
        wordWrap="CJK" if other.pop("anywhere", False) else None, **other,
    )  # fmt: skip


def _text(text: str, style: Any) -> Flowable:
    from reportlab.platypus import Paragraph

    return Paragraph(escape(_printable(text)).replace("\n", "<br/>"), style)


def _printable(text: str) -> str:
    """Return a text with a box for each letter that the font lacks: reportlab would print one, or nothing, or stop."""
    known = characters()
    return "".join(each if ord(each) in known or each.isspace() else _BOX for each in text)


def unprintable(report: Report) -> str:
    """Return what is said where names or words are of a script that these pages cannot show; else nothing."""
    letters = {each for text in _texts(report) for each in text if not each.isspace()}
    said = []
    if lacking := letters - set(map(chr, characters())):
        said.append(f"{len(lacking)} letters of scripts that the font of this PDF lacks are printed as {_BOX}")
    if any(bidirectional(each) in {"R", "AL", "AN"} for each in letters):
        said.append("letters of scripts that are read from right to left are printed unjoined and from left to right")
    return f"{'; '.join(said)}. The HTML page of this report shows them as they are." if said else ""


def _texts(report: Report) -> Iterator[str]:
    yield from (report.title, report.about, report.verdict.text)
    for part in report.parts:
        yield part.title
        match part:
            case Facts():
                yield from (text for row in part.rows for text in row)
            case Table():
                yield from (cell.text for row in part.rows for cell in row)
            case Sentences():
                yield from part.lines
            case Drawing():
                yield part.caption


def _head(report: Report) -> list[Flowable]:
    from reportlab.platypus import Spacer

    story = [_text(report.title, _style(17, bold=True)), _text(report.about, _style(9, colour=_PALE)), Spacer(1, 6)]
    tone = report.verdict.tone
    box: list[Any] = [("BACKGROUND", (0, 0), (-1, -1), _TONES[tone] or "#f3f5f7")]
    box += [("LINEBEFORE", (0, 0), (0, -1), 6, _EDGES.get(tone, _RULE))]
    story.append(_grid([[_text(report.verdict.text, _style(12.5, bold=True))]], [_WIDTH], box))
    if words := unprintable(report):
        story += [Spacer(1, 4), _text(words, _style(8.5, colour=_EDGES["action"]))]
    if report.unsigned:
        story += [Spacer(1, 6), _grid([[_text(report.unsigned, _style(16, bold=True, alignment=1))]], [_WIDTH],
                                      [("BOX", (0, 0), (-1, -1), 2, _INK)])]  # fmt: skip
    return story


def _part(part: Part) -> list[Flowable]:
    from reportlab.platypus import CondPageBreak, HRFlowable, KeepTogether, Spacer

    match part:
        case Facts():
            body = _facts(part)
        case Table():
            body = _table(part)
        case Sentences():
            body = _sentences(part)
        case Drawing():
            body = _drawing(part)
    rule = HRFlowable(width="100%", thickness=0.7, color=_RULE)
    head = [Spacer(1, 11), _text(part.title, _style(11.5, bold=True)), rule, Spacer(1, 3)]
    if isinstance(part, Drawing):
        return [KeepTogether([*head, *body])]
    return [CondPageBreak(30.0 * _MM), *head, *body]


def _facts(part: Facts) -> list[Flowable]:
    rows = [[_text(name, _style(8.5, colour=_PALE)), _text(value, _style(8.5))] for name, value in part.rows]
    widths = [_FACT_SHARE * _WIDTH, (1.0 - _FACT_SHARE) * _WIDTH]
    return [_grid(rows, widths, [("LINEBELOW", (0, 0), (-1, -1), 0.4, "#e3e7eb")])] if rows else []


def _table(part: Table) -> list[Flowable]:
    size = 5.6 if part.narrow else 7.6
    head = [_text(name, _style(size, bold=True, colour=_PALE)) for name in part.head]
    rows = [head, *([_cell(cell, size) for cell in row] for row in part.rows)]
    lines: list[Any] = [("LINEBELOW", (0, 0), (-1, -1), 0.4, "#e3e7eb"), ("LINEBELOW", (0, 0), (-1, 0), 0.8, _PALE)]
    if part.narrow:
        lines += [(f"{side}PADDING", (0, 0), (-1, -1), 1.0) for side in ("LEFT", "RIGHT")]
        lines.append(("INNERGRID", (0, 0), (-1, -1), 0.3, "#e3e7eb"))
    for down, row in enumerate(part.rows, start=1):
        for across, cell in enumerate(row):
            if _TONES[cell.tone]:
                lines.append(("BACKGROUND", (across, down), (across, down), _TONES[cell.tone]))
    found: list[Flowable] = [_grid(rows, _widths(part), lines, repeated=1)]
    return [*found, _text(part.note, _style(7.5, colour=_PALE))] if part.note else found


def _cell(cell: Cell, size: float) -> Flowable:
    return _text(cell.text, _style(size, colour="#b3261e" if cell.tone == "missed" else _INK))


def _widths(part: Table) -> list[float]:
    """Return widths of columns: by the longest text of each; of a narrow table all but the first alike."""
    columns = len(part.head)
    if part.narrow and columns > 1:
        between = (_WIDTH - _NARROW_FIRST - _NARROW_LAST) / max(columns - 2, 1)
        return [_NARROW_FIRST, *[between] * (columns - 2), _NARROW_LAST]
    texts = [[name, *(row[at].text for row in part.rows)] for at, name in enumerate(part.head)]
    words = [[word for text in column for word in text.split()] for column in texts]
    least = [min(max(map(len, column), default=1) * _LETTER + 10.0, _WIDEST_WORD) for column in words]
    wanted = [min(max(map(len, column)), _LONGEST) for column in texts]
    room = max(_WIDTH - sum(least), 0.0)
    found = [low + room * each / sum(wanted) for low, each in zip(least, wanted, strict=True)]
    return [_WIDTH * each / sum(found) for each in found]


def _sentences(part: Sentences) -> list[Flowable]:
    from reportlab.platypus import Spacer

    colour = _EDGES.get(part.tone, _INK)
    return [each for line in part.lines for each in (_text(f"•  {line}", _style(8.5, colour=colour)), Spacer(1, 2))]


def _drawing(part: Drawing) -> list[Flowable]:
    from reportlab.lib.utils import ImageReader
    from reportlab.platypus import Image

    wide, high = ImageReader(io.BytesIO(part.png)).getSize()
    scale = min(_WIDTH / wide, _MOST_HEIGHT / high)
    picture = Image(io.BytesIO(part.png), width=wide * scale, height=high * scale)
    return [picture, _text(part.caption, _style(7.5, colour=_PALE))]


def _grid(rows: list[list[Flowable]], widths: list[float], lines: list[Any], *, repeated: int = 0) -> Flowable:
    from reportlab.platypus import Table as Grid
    from reportlab.platypus import TableStyle

    grid = Grid(rows, colWidths=widths, repeatRows=repeated, hAlign="LEFT")
    padding: list[Any] = [("VALIGN", (0, 0), (-1, -1), "TOP")]
    padding += [(f"{side}PADDING", (0, 0), (-1, -1), 2.5) for side in ("TOP", "BOTTOM")]
    padding += [(f"{side}PADDING", (0, 0), (-1, -1), 4.0) for side in ("LEFT", "RIGHT")]
    grid.setStyle(TableStyle([*padding, *lines]))
    return grid


def _around(canvas: Any, number: int, report: Report) -> None:
    """Write the foot of a page, and SIMULATED across it."""
    canvas.saveState()
    canvas.setFont(_FONT, 7)
    canvas.setFillColor(_PALE)
    canvas.drawString(_MARGIN, 9.0 * _MM, report.made[:130])
    canvas.drawRightString(_MARGIN + _WIDTH, 9.0 * _MM, f"page {number}")
    if report.simulated:
        canvas.setFillColor("#b3261e", alpha=0.13)
        canvas.setFont(_BOLD, 74)
        canvas.translate(105.0 * _MM, 148.0 * _MM)
        canvas.rotate(38)
        canvas.drawCentredString(0, 0, "SIMULATED")
    canvas.restoreState()
