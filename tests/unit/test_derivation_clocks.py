"""Clocks that wrap, jump, restart or are damaged: whose rows are late, and what the marks say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from support_derivation import (
    MS,
    Row,
    cuts,
    decoder_of,
    derivation,
    epoch,
    marks_of,
    packet,
    prompt,
    received,
    rows_of,
    single,
    time_word,
)

from daq.model.order import OrderRule
from daq.model.stop import parse_stop
from daq.storage.accounts import Accounts, unnumbered
from daq.storage.derive import Derivation
from daq.wire.native import NativeFlag


def test_a_source_that_speaks_after_the_clock_has_wrapped_is_put_beside_the_others() -> None:
    derived = derivation("short shared clock")
    first = packet(0, [tick << 8 for tick in range(0, 250, 50)] * 9, size=2)
    second = packet(0, [(210 << 8) | 1, (20 << 8) | 2], source=1, size=2)

    rows = rows_of(derived, received([first, second], [0, 0], 2), [1])

    times = [row["time_ps"] for row in rows["singles"]]
    assert times[44] == 8 * 256 + 200
    assert times[45:] == [8 * 256 + 210, 9 * 256 + 20]


def read_whole(name: str, words: list[int], *, size: int) -> tuple[dict[str, list[Row]], Derivation]:
    """Return the rows of a file that is imported, and the derivation at its end."""
    derived = derivation(name, framing="stream", imported=True, order=OrderRule())
    data = b"".join(word.to_bytes(size, "little") for word in words)
    rows = rows_of(derived, unnumbered([(0, data)], source=0, arrival_ns=0), [])
    for stream, runs in derived.finish("end").items():
        for run in runs:
            columns = [np.asarray(column).tolist() for column in run.values()]
            rows.setdefault(stream, []).extend(dict(zip(run, row, strict=True)) for row in zip(*columns, strict=True))
    return rows, derived


def late_of(derived: Derivation) -> list[int]:
    return [source.beside.late for source in derived.ledger().sources]


@pytest.mark.parametrize("bit", range(29))
def test_one_damaged_time_word_in_a_file_makes_no_more_than_its_own_events_late(bit: int) -> None:
    words = [word for ms in range(20_000, 21_000) for word in (time_word(ms), prompt(ms), prompt(1))]
    words[1500] ^= 1 << bit

    rows, derived = read_whole("siemens-petlink32", words, size=4)

    assert len(rows["coincidences"]) == 2000
    assert late_of(derived)[0] <= 2


@pytest.mark.parametrize("bit", range(8, 34))
def test_one_damaged_epoch_in_a_file_makes_no_more_than_its_own_singles_late(bit: int) -> None:
    words = [word for number in range(100_000, 101_000) for word in (epoch(number), single(5, 1), single(9, 2))]
    words[1500] ^= 1 << bit

    rows, derived = read_whole("singles64", words, size=8)
    late = [place for place, row in enumerate(rows["singles"]) if row["late"]]

    assert len(rows["singles"]) == 2000
    assert len(late) == late_of(derived)[0] <= 2
    in_time = [row["time_ps"] for row in rows["singles"] if not row["late"]]
    assert sum(later < earlier for earlier, later in pairwise(in_time)) <= 1


@settings(max_examples=30, deadline=None)
@given(cuts)
def test_rows_of_a_front_end_that_restarts_in_mid_run_are_not_late(cut: list[int]) -> None:
    lives = [(0, range(60_000, 60_010)), (100, range(10))]
    datagrams = [
        packet(first + 2 * place, [time_word(ms), prompt(ms)], flags=0 if place else int(NativeFlag.START))
        for first, life in lives
        for place, ms in enumerate(life)
    ]
    derived = derivation(order=OrderRule())

    rows = rows_of(derived, received(datagrams, [0] * 20), cut)
    rest = derived.finish("end")["coincidences"]

    assert late_of(derived) == [0]
    jumps = [(row["value"], row["time_ps"]) for row in marks_of(rows, "jump")]
    assert jumps == [(-60_009 * MS, 60_009 * MS)]
    assert [warning.partition(":")[0] for warning in derived.warnings] == [
        "the clock of the detector went back by 60.0 s"
    ]
    assert [row["bin"] for row in rows["coincidences"]] == list(range(60_000, 60_010))
    assert [number for run in rest for number in run["bin"].tolist()] == list(range(10))


@settings(max_examples=30, deadline=None)
@given(cuts)
def test_every_jump_of_a_call_is_marked_after_the_packet_that_showed_it(cut: list[int]) -> None:
    ms = [1, 90_000, 2, 3, 90_001, 4, 50_000, 60_500, 20_000]
    datagrams = [packet(2 * place, [time_word(at), prompt(1)]) for place, at in enumerate(ms)]
    derived = derivation(order=OrderRule())

    marks = rows_of(derived, received(datagrams, [0] * len(ms)), cut)["marks"]

    found = [row["value"] // (1 if row["kind"] == "time" else MS) for row in marks if row["kind"] in ("time", "jump")]
    assert found == [
        1, 90_000, 2, 2 - 90_000, 3, 90_001, 4, 4 - 90_001, 50_000, 60_500, 20_000, 20_000 - 60_500,
    ]  # fmt: skip
    assert {row["source"] for row in marks if row["kind"] == "jump"} == {0}


def test_a_source_whose_clock_jumped_does_not_end_a_step_by_time() -> None:
    decoder = decoder_of("singles64")
    rule = OrderRule(max_disorder_ps=10**6, max_step_ps=10**9)
    derived = Derivation(
        decoder, Accounts("native", 8, "word"), imported=True, stop=parse_stop(["time=1s"]), order=rule
    )  # fmt: skip
    near = [single(k, 5) for k in range(3)]
    datagrams = [
        packet(0, [epoch(0), *near], size=8),
        packet(0, [epoch(0), *near], source=1, size=8),
        packet(4, [epoch(10**6), *near], source=1, size=8),
        packet(4, [single(4, 1)], size=8),
    ]

    rows_of(derived, received(datagrams, [0] * 4, 8), [2])

    assert 0 < derived.latest_ps < 10**12
    assert derived.stopped is None
