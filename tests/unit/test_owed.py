"""A word counts as durable when every row that it became is on the disk, and no sooner."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.events import StreamName
from daq.model.order import Moment
from daq.storage.owed import Owed, Words


def test_words_wait_for_the_rows_of_every_stream() -> None:
    owed = Owed()
    owed.owe({0: 5, 3: 2}, {"raw": 10, "singles": 7})

    owed.settle({"raw": 10, "singles": 6})
    before = owed.durable
    owed.settle({"raw": 10, "singles": 7})

    assert before == {}
    assert owed.durable == {0: 5, 3: 2}
    assert owed.durable_words == 7


def test_a_stream_of_which_nothing_is_acknowledged_yet_holds_words_up() -> None:
    owed = Owed()
    owed.owe({0: 1}, {"raw": 1})

    owed.settle({})

    assert owed.durable == {}


def test_words_that_give_no_row_are_durable_with_the_rows_before_them() -> None:
    owed = Owed()
    owed.owe({0: 4}, {})
    owed.owe({0: 1}, {"singles": 3})

    owed.settle({"singles": 2})

    assert owed.durable == {0: 4}


def test_held_words_are_owed_once_their_time_has_been_released() -> None:
    owed = Owed()
    owed.hold({0: 1}, newest=(0, 100))
    owed.hold({0: 10}, newest=(0, 200))

    owed.released({"singles": 1}, until=(0, 100))
    owed.settle({"singles": 50})
    at_the_edge = owed.durable_words
    owed.released({"singles": 1}, until=(0, 101))
    owed.settle({"singles": 50})
    one_released = owed.durable_words
    owed.released({"singles": 9}, until=None)
    owed.settle({"singles": 8})
    not_yet = owed.durable_words
    owed.settle({"singles": 9})

    assert (at_the_edge, one_released, not_yet, owed.durable_words) == (0, 1, 1, 11)


def test_words_held_are_owed_when_the_clock_went_back_behind_them() -> None:
    owed = Owed()
    owed.hold({0: 1}, newest=(0, 9000))
    owed.hold({0: 10}, newest=(1, 100))

    owed.released({"singles": 1}, until=(1, 50))
    owed.settle({"singles": 1})

    assert owed.durable == {0: 1}


def test_what_was_given_out_does_not_change() -> None:
    owed = Owed()
    handed: dict[StreamName, int] = {"raw": 1}
    owed.owe({0: 1}, handed)
    handed["raw"] = 100
    owed.settle({"raw": 1})

    durable = owed.durable
    owed.owe({0: 1}, {"raw": 1})
    owed.settle({"raw": 1})

    assert durable == {0: 1}
    assert owed.durable == {0: 2}


@dataclass
class Reference:
    """Words with what they wait for, looked through from the beginning each time."""

    held: list[tuple[Moment, Words]] = field(default_factory=list)
    owed: list[tuple[dict[StreamName, int], Words]] = field(default_factory=list)
    acknowledged: dict[StreamName, int] = field(default_factory=dict)
    durable: Words = field(default_factory=dict)

    def released(self, handed: dict[StreamName, int], until: Moment | None) -> None:
        while self.held and (until is None or self.held[0][0] < until):
            self.owed.append((dict(handed), self.held.pop(0)[1]))

    def settle(self) -> None:
        while self.owed and all(self.acknowledged.get(s, 0) >= rows for s, rows in self.owed[0][0].items()):
            for source, words in self.owed.pop(0)[1].items():
                self.durable[source] = self.durable.get(source, 0) + words


steps = st.lists(
    st.tuples(
        st.sampled_from(["rows", "hold", "release", "anew", "owe", "disk", "disk"]),
        st.integers(0, 3),
        st.integers(1, 9),
        st.integers(0, 20),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(steps)
def test_words_are_durable_in_the_order_in_which_they_came(drawn: list[tuple[str, int, int, int]]) -> None:
    owed, reference = Owed(), Reference()
    handed: dict[StreamName, int] = {}
    newest: Moment = (0, 0)
    edge: Moment = (0, 0)
    total = 0
    for what, source, words, number in drawn:
        stream: StreamName = "singles" if source % 2 else "coincidences"
        if what == "rows":
            handed[stream] = handed.get(stream, 0) + words
        elif what == "hold":
            newest, total = (newest[0], newest[1] + number), total + words
            owed.hold({source: words}, newest)
            reference.held.append((newest, {source: words}))
        elif what == "release":
            edge = edge[0], edge[1] + number
            until = None if number == 0 else edge
            owed.released(handed, until)
            reference.released(handed, until)
        elif what == "anew":
            newest = edge = newest[0] + 1, 0
        elif what == "owe":
            total += words
            owed.owe({source: words}, handed)
            reference.owed.append((dict(handed), {source: words}))
        else:
            reference.acknowledged[stream] = min(handed.get(stream, 0), number)
            owed.settle(reference.acknowledged)
            reference.settle()
            assert owed.durable == reference.durable

    owed.released(handed, None)
    owed.settle(handed)

    assert owed.durable_words == total


@pytest.mark.parametrize("words", [{}, {0: 0}])
def test_no_words_are_no_debt(words: Words) -> None:
    owed = Owed()
    owed.owe(words, {"raw": 10**9})

    assert owed.durable_words == 0
