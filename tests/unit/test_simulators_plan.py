"""Plans: the right packets in the right order, and an account that holds wherever sending ends."""

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.layout import BitField, Clock, Kind, Layout
from daq.wire.native import decode
from simulators import plan as plan_module
from simulators.plan import Plan, Planner, Show
from simulators.supply import Chunk

LAYOUT = Layout(
    word_bits=16,
    byte_order="little",
    kinds={
        "time": Kind(yields="time", tag={"15": 1}, fields={"t": BitField(bits="14:0", unit="tick", to="time")}),
        "single": Kind(yields="single", tag={"15": 0}, fields={"e": BitField(bits="14:0", unit="1", to="energy_adc")}),
    },
)
CLOCK = Clock(tick_ps="1000000", precision_ps=1, reset_at_start=True)


class FixedSupply:
    layout, clock, preamble, tail = LAYOUT, CLOCK, b"", b""

    def __init__(self, slices: list[list[Chunk]]) -> None:
        self._slices = slices
        self.sources = tuple(dict.fromkeys(chunk.source for chunks in slices for chunk in chunks))
        self.size_bytes = sum(len(chunk.words) for chunks in slices for chunk in chunks)

    def slices(self) -> Iterator[list[Chunk]]:
        yield from self._slices

    def described(self) -> dict[str, Any]:
        return {}


def chunk(source: int, words: list[int]) -> Chunk:
    return Chunk(source, np.array(words, "<u2").view(np.uint8))


def supply_of(words: dict[int, list[list[int]]]) -> FixedSupply:
    slices = max(map(len, words.values()))
    return FixedSupply([[chunk(source, lists[i]) for source, lists in words.items()] for i in range(slices)])


def datagrams(plans: list[Plan]) -> list[tuple[int, int, list[int], int]]:
    """Return (source, first word, words, due) in the order of sending."""
    out = []
    for plan in plans:
        for part, packet, due_ns in zip(plan.order.part, plan.order.packet, plan.order.due_ns.tolist(), strict=True):
            block = plan.parts[part].datagrams
            assert block is not None
            got = decode(bytes(block.buffer[packet, : block.length[packet]]), 2)
            words = np.frombuffer(got.payload, "<u2").tolist()
            out.append((got.header.source, got.header.first_word_index, words, due_ns))
    return out


def test_packets_of_all_sources_leave_by_their_times() -> None:
    at = 0x8000
    supply = supply_of({
        3: [[at + 0, 1, at + 12_000, 2], [at + 24_000, 3]],
        4: [[at + 10, 4, at + 11_000, 5], [at + 23_000, 6]],
    })  # fmt: skip

    got = datagrams(list(Planner(supply, speed=1.0, datagrams=True).plans()))

    assert got == [
        (3, 0, [0x8000, 1], 0),
        (4, 0, [0x800A, 4], 10_000),
        (4, 2, [at + 11_000, 5], 11_000_000),
        (3, 2, [at + 12_000, 2], 12_000_000),
        (4, 4, [at + 23_000, 6], 23_000_000),
        (3, 4, [at + 24_000, 3], 24_000_000),
    ]


def test_twice_the_speed_halves_the_times() -> None:
    supply = supply_of({0: [[0x8000, 1, 0x8000 + 15_000, 2, 0x8000 + 25_000, 3]]})

    due_ns = [due for *_, due in datagrams(list(Planner(supply, speed=2.0, datagrams=True).plans()))]

    assert due_ns == [7_500_000, 12_500_000]


def test_words_of_a_slow_source_do_not_wait_for_a_full_packet() -> None:
    at = 0x8000
    supply = supply_of({0: [[at, 1, at + 5_000, 2, at + 19_000, 3, at + 21_000, 4]]})

    cut = {
        age: [
            words for _, _, words, _ in datagrams(list(Planner(supply, speed=None, datagrams=True, age_ms=age).plans()))
        ]
        for age in (20.0, 3.0)
    }

    assert cut[20.0] == [[at, 1, at + 5_000, 2, at + 19_000, 3], [at + 21_000, 4]]
    assert cut[3.0] == [[at, 1], [at + 5_000, 2], [at + 19_000, 3], [at + 21_000, 4]]


def test_a_recording_that_rewinds_goes_on_in_time() -> None:
    words = chunk(0, [0x8000 + 5, 1, 0x8000 + 12_005, 2]).words
    supply = FixedSupply([[Chunk(0, words, rewinds=True)], [Chunk(0, words, rewinds=True)]])

    got = datagrams(list(Planner(supply, speed=1.0, datagrams=True).plans()))

    assert [due for *_, due in got] == [0, 12_000_000, 12_000_000, 24_000_000]
    assert [first for _, first, _, _ in got] == [0, 2, 4, 6]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=30), min_size=1, max_size=4), st.integers(0, 30))
def test_the_account_of_a_part_is_that_of_the_words_before_the_cut(lists: list[list[int]], cut: int) -> None:
    plans = list(Planner(supply_of({0: lists}), speed=None, datagrams=True).plans())
    part = plans[-1].parts[0]
    cut = min(cut, part.words)
    sent = [word for words in lists[:-1] for word in words] + lists[-1][:cut]

    summary = part.tally_after(cut).summary(CLOCK)

    whole = list(Planner(supply_of({0: [sent]} if sent else {0: [[]]}), speed=None, datagrams=False).plans())
    assert summary == whole[-1].after[0].summary(CLOCK)
    assert summary["words"] == len(sent)
    assert summary["events"] == sum(word < 0x8000 for word in sent)
    assert summary["sha256"] == hashlib.sha256(np.array(sent, "<u2").tobytes()).hexdigest()


def test_a_long_run_made_while_it_is_sent_is_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    supply = supply_of({0: [[0x8000 + i, i] for i in range(50)]})
    prepared = datagrams(list(Show(supply, speed=1.0, datagrams=True).run()))
    monkeypatch.setattr(plan_module, "AHEAD_BYTES", 0)

    streamed = datagrams(list(Show(supply, speed=1.0, datagrams=True).run()))

    assert streamed == prepared


def test_a_failure_while_making_a_long_run_reaches_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    class BrokenSupply(FixedSupply):
        def slices(self) -> Iterator[list[Chunk]]:
            yield [chunk(0, [1])]
            raise OSError("the file is gone")

    monkeypatch.setattr(plan_module, "AHEAD_BYTES", 0)
    show = Show(BrokenSupply([[chunk(0, [1])]]), speed=None, datagrams=True)

    with pytest.raises(OSError, match="the file is gone"):
        list(show.run())


def test_a_run_left_in_the_middle_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "AHEAD_BYTES", 0)
    show = Show(supply_of({0: [[i] for i in range(100)]}), speed=None, datagrams=True)
    before = threading.active_count()
    run = show.run()
    next(run)

    run.close()

    assert threading.active_count() == before
