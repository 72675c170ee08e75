"""The simulated analyser against closed forms, seeds fixed; what its servers answer, without sockets."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from daq.model import mcpha as m
from daq.wire.mcpha import Code, PhaCode, command, pha_command
from simulators.redpitaya.analyser import Analyser
from simulators.redpitaya.board import FIFO_EVENTS, Board
from simulators.redpitaya.scene import Component, noise, parse_moves

SECOND = float(m.CLOCK_HZ)
POOL = np.full(1000, 562, np.int32)


def analyser(*, delay: int = 100, low: int = 50, high: int = 4095) -> Analyser:
    made = Analyser(np.random.default_rng(1))
    made.settings.delay, made.settings.low, made.settings.high = delay, low, high
    made.settings.timer, made.settings.running = m.MOST_TIMER, True
    return made


@pytest.mark.parametrize("cps", [1e3, 3e4, 1e5, 1e6])
def test_the_dead_time_curve_is_that_of_a_dead_time_that_is_not_extended(cps: float) -> None:
    made = analyser()
    made.advance(0.0, 2 * SECOND, [Component(POOL, cps)], 0.0)

    dead_s = 100 * 4 / SECOND
    expected = 2 * cps / (1 + cps * dead_s)
    sigma = math.sqrt(expected) / (1 + cps * dead_s)
    assert abs(made.tally["counted"] - expected) < 4 * sigma
    assert abs(made.tally["counted"] + made.tally["lost"] - 2 * cps) < 4 * math.sqrt(2 * cps) + 2
    assert made.counts[562] == made.tally["counted"]


def test_how_time_is_cut_does_not_change_the_rate() -> None:
    made = analyser()
    for step in range(400):
        made.advance(step * SECOND / 200, (step + 1) * SECOND / 200, [Component(POOL, 1e5)], 0.0)

    expected = 2e5 / (1 + 1e5 * 3.2e-6)
    assert abs(made.tally["counted"] - expected) < 4 * math.sqrt(expected)
    assert made.clocks == 2 * m.CLOCK_HZ


def test_pulses_below_the_lower_threshold_cost_no_time_and_those_above_the_upper_one_do() -> None:
    quiet, loud = analyser(low=1000), analyser(high=100)
    for each in (quiet, loud):
        each.advance(0.0, SECOND, [Component(POOL, 1e5)], 0.0)

    assert quiet.tally == {"counted": 0, "lost": 0, "too_high": 0, "resets": 0}
    assert loud.tally["counted"] == 0
    assert loud.tally["too_high"] > 7e4
    assert loud.tally["lost"] > 2e4


def test_a_timer_that_has_run_out_counts_no_more() -> None:
    made = analyser()
    made.settings.timer = m.CLOCK_HZ // 2
    taken = made.advance(0.0, 2 * SECOND, [Component(POOL, 1e4)], 0.0)

    assert made.clocks == m.CLOCK_HZ // 2
    assert taken.clocks.max() < m.CLOCK_HZ // 2
    assert abs(made.tally["counted"] - 5000) < 4 * math.sqrt(5000)


def test_rates_follow_the_moves_of_the_probe() -> None:
    made = analyser()
    source = Component(POOL, 1e4, parse_moves("0:0,1:1,2:0.1"))
    per_second = []
    for second in range(3):
        before = made.tally["counted"]
        made.advance(second * SECOND, (second + 1) * SECOND, [source], 0.0)
        per_second.append(made.tally["counted"] - before)

    assert per_second[0] == 0
    assert all(
        abs(found - wanted) < 4 * math.sqrt(wanted) for found, wanted in zip(per_second[1:], (9690, 997), strict=True)
    )


def test_noise_stays_in_its_bins() -> None:
    assert noise(64, 0).max() < 64


def board() -> Board:
    return Board([[Component(POOL, 1e5)], []], seed=3, speed=1.0)


def test_commands_that_ask_nothing_have_no_answer_and_those_that_read_have_theirs() -> None:
    made = board()

    assert made.command(command(Code.RUN, 1)) == b""
    assert len(made.command(command(Code.READ_STATUS))) == 36
    assert len(made.command(command(Code.READ_HISTOGRAM, input_number=1))) == 16384
    assert made.command(command(Code.SCOPE_SAMPLES, 10)) == b""
    assert len(made.command(command(Code.READ_SCOPE))) == 40


def test_a_command_that_the_board_does_not_know_is_ignored() -> None:
    made = board()

    assert made.command(struct.pack("<Q", 99 << 56)) == b""
    assert made.described()["commands_ignored"] == 1


def test_a_board_that_was_switched_on_again_has_forgotten_all() -> None:
    made = board()
    made.command(command(Code.TIMER, 1000))
    made.command(command(Code.RUN, 1))
    made.switch_on()

    assert made.command(command(Code.READ_STATUS)) == bytes(36)
    assert made.histograms[0].settings.timer == 0
    assert made.scene_s is not None


def test_list_mode_that_nobody_reads_loses_what_its_memory_does_not_hold() -> None:
    made = board()
    for code, value in (
        (PhaCode.DELAY, 100),
        (PhaCode.THRESHOLD_MAX, 4095),
        (PhaCode.TIMER, m.MOST_TIMER),
        (PhaCode.START, 0),
    ):
        made.pha_command(pha_command(code, value))
    made._began_ns -= 100_000_000
    made._scene_began_ns -= 100_000_000
    events = made.take_events()

    assert len(events) == FIFO_EVENTS
    assert made.fifo_lost + len(events) == made.lists[0].tally["counted"]
    assert (np.diff(events["clocks"].astype(np.int64)) >= 0).all()
