"""The report of one result: what was found, against which limits, since when, on what it rests, who signed it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import daq
from daq.composition.qc.reportimages import curves_png, picture_png
from daq.composition.qc.reportmodel import TONE_OF, WORDS_OF, Cell, Drawing, Part, Report, Sentences, clean
from daq.composition.qc.reportparts import (
    facts_of,
    figures_table,
    limits_sources,
    sentences_of,
    signatures_table,
    urgent_of,
)
from daq.composition.qc.reporttrend import Trend
from daq.composition.qc.reporttrenddraw import shown_subject, trends_png
from daq.composition.qc.reportwords import rate_sentence, trend_sentences
from daq.model.qc.figures import Curve, Picture
from daq.services.qc.abilities import Kept

MOST_PICTURES, MOST_CURVES = 12, 12
_MOST_TRENDS = 5
_LEAST_DRAWN = 5
_DAY_S, _YEAR_DAYS = 86_400.0, 366.0


def report_of(
    kept: Kept, evidence: tuple[Sequence[Picture], Sequence[Curve]], trends: Sequence[Trend], made_utc: str
) -> Report:
    """Return the report of a result with its pictures and curves, and trends, drawn over the year before it."""
    result, simulated = kept.result, kept.document.simulated
    pictures, curves = evidence
    urgent, calm = urgent_of(result), sentences_of(result)
    parts: list[Part] = [
        *_struck(kept), *urgent, figures_table(result), *calm,
        *_drawn(pictures, curves, simulated=simulated),
        *trend_parts(trends, simulated=simulated, since_day=year_before(kept.document.at_utc)), facts_of(kept),
    ]  # fmt: skip
    sources = limits_sources(result)
    parts += [sources] if sources else []
    parts.append(signatures_table([kept]))
    return Report(
        title=clean(result.title, 200), about=_about(kept),
        verdict=Cell(f"{'SIMULATED: ' if simulated else ''}{WORDS_OF[result.level]}", TONE_OF[result.level]),
        simulated=simulated, unsigned=_unsigned(kept), parts=tuple(parts),
        made=made_words(made_utc),
    )  # fmt: skip


def _unsigned(kept: Kept) -> str:
    """Return what is written large: that nobody signed, or that somebody signed something else."""
    holds = [kept.holds(each) for each in kept.signatures]
    said = [] if any(holds) else ["NOT SIGNED"]
    return "; ".join([*said, *([] if all(holds) else ["A SIGNATURE IS BROKEN"])])


def made_words(made_utc: str) -> str:
    """Return the foot of a page."""
    return f"Made {made_utc[:16].replace('T', ' ')} UTC by scandaq {daq.__version__}; not a medical device."


def _about(kept: Kept) -> str:
    at = kept.document.at_utc[:16].replace("T", " ")
    return clean(f"{at} UTC; {kept.document.scanner or 'no scanner named'}; by {kept.document.by}", 300)


def _struck(kept: Kept) -> list[Part]:
    if kept.struck is None:
        return []
    why = kept.struck.body.get("reason") or kept.struck.body.get("text") or "no reason given"
    return [Sentences("Struck out", (clean(f"{kept.struck.by}, {kept.struck.at_utc}: {why}"),), "suspension")]


def _drawn(pictures: Sequence[Picture], curves: Sequence[Curve], *, simulated: bool) -> list[Part]:
    parts: list[Part] = []
    for picture in pictures[:MOST_PICTURES]:
        fields = ", ".join(f"{name} {wide:.0f} x {high:.0f} mm" for name, (wide, high) in picture.fields.items())
        rows, columns = picture.values.shape
        pixel = f", pixels of {picture.pixel_mm:.3g} mm" if picture.pixel_mm else ""
        caption = f"{picture.title}: {columns} x {rows} pixels{pixel}; colours in {picture.unit}; {fields or 'whole'}; "
        caption += "first row at the bottom, first column at the left (of a head x to the right, y up)"
        parts.append(Drawing(clean(picture.title, 120), picture_png(picture, simulated=simulated), clean(caption, 400)))
    shown = tuple(curves[:MOST_CURVES])
    if shown:
        caption = "; ".join(f"{curve.title}: {curve.y_label} over {curve.x_label}" for curve in shown)
        parts.append(Drawing("Curves", curves_png(shown, simulated=simulated), clean(caption, 600)))
    left = [one.title for one in pictures[MOST_PICTURES:]] + [one.title for one in curves[MOST_CURVES:]]
    more = f"Not drawn here, but kept beside the result: {', '.join(left[:20])}; {len(left)} in all"
    return [*parts, Sentences("Further pictures", (clean(more),))] if left else parts


def year_before(at_utc: str) -> float:
    """Return the day, since 1970, a year before a time."""
    at = datetime.fromisoformat(at_utc)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() / _DAY_S - _YEAR_DAYS


def trend_parts(
    trends: Sequence[Trend], *, simulated: bool, since_day: float, title: str = "Trend of the last year"
) -> list[Part]:
    """Return the charts in words and as a picture from a day on; what changed comes first."""
    told = sorted(trends, key=lambda trend: not trend.changed)
    if not told:
        return []
    lines = [rate_sentence(list(trends))]
    lines += [f"{trend.about}: {line}" for trend in told for line in trend_sentences(trend)]
    panels = [(trend, shown_subject(trend)) for trend in told if len(trend.watched.series.days) >= _LEAST_DRAWN]
    panels = panels[:_MOST_TRENDS]
    parts: list[Part] = [Sentences(title, tuple(map(clean, lines)))]
    if panels:
        names = ", ".join(f"{trend.about} {subject}".strip() for trend, subject in panels)
        caption = f"Results, their normal, their average with its limits, and fixed limits: {names}"
        parts.append(
            Drawing("Control charts", trends_png(panels, simulated=simulated, since_day=since_day), clean(caption, 500))
        )
    return parts
