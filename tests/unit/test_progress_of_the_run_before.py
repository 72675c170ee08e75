"""The last progress of a run stays known to the station; whoever watches the next run does not see it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from support_station import RUN, progress

from daq.cli.bars import Bars, Lines
from daq.model.station import payload

NEXT = {
    "event": "status",
    "data": {"state": "preparing", "run": "the-next", "protocol": "demo", "step": 0, "detail": ""},
}
BEFORE = payload(progress())
LATE = {"event": "progress", "data": BEFORE}


def test_lines_leave_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.show(NEXT)
    lines.show(LATE)
    lines.show({"event": "progress", "data": payload(progress(run="the-next", counts={"events": 7}))})

    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "events" in line] == [line for line in said if "7 events" in line]
    assert len(said) == 2


def test_bars_leave_it_out() -> None:
    bars = Bars(Console(file=io.StringIO(), force_terminal=True, width=110))
    bars.show(NEXT)
    bars.show(LATE)

    assert BEFORE["run"] == RUN
    assert bars._progress is None
