"""The calendar of quality control: of each test what was done on which day, what was missed, what is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from daq.model.qc.documents import Document
from daq.model.qc.figures import Level
from daq.model.qc.limits import QcTest
from daq.qc.judging import RANKS
from daq.qc.schedule import Due, period_after
from daq.services.qc.abilities import Kept

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Span:
    """Days of the site, one after the other. `today` may lie outside of them."""

    first: date
    count: int
    today: date
    zone: tzinfo

    @property
    def days(self) -> tuple[date, ...]:
        """Return the days."""
        return tuple(self.first + timedelta(days=number) for number in range(self.count))

    def moment(self, day: date) -> datetime:
        """Return when a day begins, as UTC."""
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    def of(self, at_utc: str) -> date:
        """Return the day of a time of a document."""
        return datetime.fromisoformat(at_utc).astimezone(self.zone).date()


def calendar_of(
    span: Span, tests: Mapping[str, QcTest], results: Iterable[Kept], due: Iterable[Due], events: Iterable[Document],
    begun: Mapping[str, date],
) -> dict[str, Any]:  # fmt: skip
    """Return rows of tests and their days, as plain data.

    `begun`: the day of the first result of each test that has one, as far as it is known: before it nothing was missed.
    """
    by_day: dict[tuple[str, date], list[Kept]] = {}
    for kept in results:
        if kept.struck is None:
            by_day.setdefault((kept.result.test, span.of(kept.document.at_utc)), []).append(kept)
    stands = {each.test: each for each in due}
    return {
        "first": span.first.isoformat(), "today": span.today.isoformat(),
        "days": [day.isoformat() for day in span.days],
        "tests": [
            {
                "test": name, "title": test.title, "every": test.every, "blocking": test.blocking,
                "cells": [_cell(by_day.get((name, day), ()), day in missed, day == wanted) for day in span.days],
            }
            for name, test in tests.items()
            for missed in [_missed(name, test, span, by_day, begun.get(name))]
            for wanted in [_wanted(stands.get(name), span)]
        ],
        "events": [
            {"day": span.of(each.at_utc).isoformat(), "what": each.body.get("what"), "text": each.body.get("text"),
             "by": each.by}
            for each in events
        ],
    }  # fmt: skip


def _cell(done: Sequence[Kept], missed: bool, due: bool) -> dict[str, Any] | None:  # noqa: FBT001 - a cell has just these
    if not done:
        return {"level": None, "missed": missed, "due": due} if missed or due else None
    worst = max(done, key=lambda kept: RANKS.index(kept.result.level))
    signed = all(any(kept.holds(each) for each in kept.signatures) for kept in done)
    return {
        "level": str(worst.result.level), "result": worst.document.id, "count": len(done), "signed": signed,
        "missed": False, "due": due,
    }  # fmt: skip


def _missed(
    name: str, test: QcTest, span: Span, by_day: Mapping[tuple[str, date], Sequence[Kept]], begun: date | None
) -> frozenset[date]:
    """Return the last days of past periods in which it was to be done and was not; of a daily test working days."""
    if test.every is None or begun is None:
        return frozenset()
    done = {
        period_after(span.moment(day), test.every, span.zone)
        for (of, day), each in by_day.items()
        if of == name and any(kept.result.level is not Level.NOT_EVALUABLE for kept in each)
    }
    missed = set()
    for day in span.days:
        end = period_after(span.moment(day), test.every, span.zone)
        last = (end - timedelta(seconds=1)).astimezone(span.zone).date()
        at_work = test.every != "day" or day.weekday() < _SATURDAY
        if begun <= day == last < span.today and end not in done and at_work:
            missed.add(day)
    return frozenset(missed)


def _wanted(due: Due | None, span: Span) -> date | None:
    """Return the day on which it is to be done next: today where it is asked for now."""
    if due is None:
        return None
    if due.asked:
        return span.today
    return None if due.next_due is None else due.next_due.astimezone(span.zone).date()
