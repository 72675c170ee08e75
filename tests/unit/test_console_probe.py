"""What a probe counted in each step, and the 10 % rule, while the patient is still there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daq.errors import UnreachableError
from daq.services.probetally import ProbeTally, Where

CONTROL = Path("control")


class Board:
    """A probe of one input and one window; half of its counts lie in the window."""

    def __init__(self, dead_s: float = 0.0) -> None:
        self.about = {"looks": {"probe": {"inputs": [0], "windows": ["photopeak", "all"], "dead_s": dead_s}}}
        self.counts, self.seconds = 0, 0.0

    def some(self, _: Any) -> dict[str, Any]:
        return {
            "probe_counts": np.array([[self.counts // 2, self.counts]], np.uint64),
            "probe_seconds": np.array([self.seconds]),
        }


class Theatre:
    def __init__(self, **board: float) -> None:
        self.board, self.now = Board(**board), Where("r1", CONTROL, 1, "background", "background", records=True)
        self.tally = ProbeTally(lambda: self.now, lambda _: self.board)

    async def look(self, counts: int = 0, seconds: float = 0.0) -> None:
        self.board.counts, self.board.seconds = self.board.counts + counts, self.board.seconds + seconds
        await self.tally._follow(self.now)

    async def step(self, number: int, name: str, role: str, counts: int, seconds: float = 10.0) -> None:
        self.now = Where("r1", CONTROL, number, name, role, records=True)
        await self.look()
        await self.look(counts, seconds)


async def test_each_step_has_the_rate_of_what_came_while_it_recorded() -> None:
    room = Theatre()
    await room.step(1, "background", "background", 200)
    room.now = Where("r1", CONTROL, 1, "background", "background", records=False)
    await room.look(99_999, 30.0)
    await room.step(2, "node 1 in vivo", "in_vivo", 4000)

    told = room.tally.figures()

    assert [(each["name"], each["counts"], each["rate_per_s"]) for each in told["steps"]] == [
        ("background", 100, 10.0), ("node 1 in vivo", 2000, 200.0),
    ]  # fmt: skip
    assert (told["background_per_s"], told["steps"][1]["net_per_s"], told["rule"]) == (10.0, 190.0, None)
    assert room.tally.figures("all")["steps"][1]["rate_per_s"] == 400.0


async def test_the_rule_names_the_nodes_and_says_whether_to_search_on() -> None:
    room = Theatre()
    await room.step(1, "background", "background", 200)
    await room.step(2, "node 1 ex vivo", "ex_vivo", 20_200)
    await room.step(3, "node 2 ex vivo", "ex_vivo", 1_200)
    assert room.tally.figures()["rule"] == {
        "hottest": "node 1 ex vivo", "hottest_per_s": 1000.0, "bed_per_s": None, "limit_per_s": 100.0,
        "sentinel": ["node 1 ex vivo"], "go_on": None,
    }  # fmt: skip

    await room.step(4, "bed", "bed", 2_400)

    rule = room.tally.figures()["rule"]
    assert (rule["bed_per_s"], rule["go_on"]) == (pytest.approx(110.0), True)


async def test_rates_are_corrected_for_the_dead_time_of_all_pulses() -> None:
    room = Theatre(dead_s=1e-4)
    await room.step(1, "background", "background", 20_000)

    assert room.tally.figures()["steps"][0]["rate_per_s"] == pytest.approx(1000 / 0.8)


async def test_another_run_begins_with_nothing() -> None:
    room = Theatre()
    await room.step(1, "background", "background", 200)
    room.now = Where("r2", CONTROL, 1, "background", "background", records=True)
    await room.look()

    assert (room.tally.figures()["run"], room.tally.figures()["steps"][0]["counts"]) == ("r2", 0)


async def test_a_readout_that_is_not_there_yet_is_tried_again() -> None:
    room = Theatre()
    board, room.tally._attach = room.tally._attach, _nobody
    await room.look()
    assert (room.tally.failures, room.tally.figures()["steps"]) == (1, [])
    room.tally._attach = board

    await room.step(1, "background", "background", 200)

    assert room.tally.figures()["steps"][0]["counts"] == 100


def _nobody(_: Path) -> Any:
    raise UnreachableError("nobody listens")
