"""What `qc-due` answers: each test with where it stands and the next step as a command, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from daq.model.qc.analyses_entered import DIMENSIONS
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import QcTest
from daq.qc.schedule import Due


def due_row(due: Due, test: QcTest, *, analysing: bool = False) -> dict[str, Any]:
    """Return the row of a test. Times are UTC; `next` is a command, empty where nothing is to be done."""
    newest = due.newest
    return {
        "test": due.test, "title": due.title, "state": due.state, "words": due.words,
        "every": test.every, "blocking": due.blocking, "blocks": due.blocks, "asked": due.asked,
        "result": None if newest is None else newest.id, "level": None if newest is None else str(newest.level),
        "performed_utc": None if newest is None else _utc(newest.performed),
        "valid_until_utc": None if due.next_due is None else _utc(due.next_due),
        "auto_at": test.auto_at, "analysing": analysing, "ignored": list(due.ignored),
        "next": next_step(due.test, test), "asks": asks(test),
    }  # fmt: skip


def next_step(name: str, test: QcTest) -> str:
    """Return the command by which a test is done."""
    if test.protocol is not None:
        return f"daq qc run {name}"
    kind = ANALYSES.get(test.analysis)
    if kind is not None and kind.made_of == "recordings":
        return f"daq qc analyse DIR --test {name}"
    return f"daq qc enter {name}"


def asks(test: QcTest) -> list[dict[str, str]]:
    """Return what a person enters for a test: name, what it is, its unit (empty for yes or no)."""
    kind = ANALYSES.get(test.analysis)
    if kind is None or kind.made_of != "entered":
        return []
    if test.items:
        return [
            {"name": f"item_{number}", "about": text, "unit": ""} for number, text in enumerate(test.items, start=1)
        ]
    named = {name for name, _ in kind.parameters} & set(test.parameters)
    if not kind.entries and named:
        return [
            {"name": each.strip(), "about": name, "unit": DIMENSIONS.get(name, "")}
            for name in sorted(named)
            for each in str(test.parameters[name]).split(";")
        ]
    return [{"name": name, "about": unit, "unit": unit} for name, unit in kind.entries]


def due_table(due: tuple[Due, ...], tests: Mapping[str, QcTest], analysing: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Return the rows, the most urgent first."""
    return [due_row(each, tests[each.test], analysing=analysing.get(each.test, False)) for each in due]


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
