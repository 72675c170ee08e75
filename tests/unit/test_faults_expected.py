"""Interval arithmetic against sets of numbers, and the accounts of a source against lists of what came."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.faults import expected
from simulators.faults.expected import SourceBook, WordSet, common, merged, size
from simulators.faults.items import What, no_items

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=30)
WORD_BYTES = 4


def numbers(ranges: np.ndarray) -> set[int]:
    return {n for first, stop in ranges.tolist() for n in range(first, stop)}


def word_set(drawn: list[tuple[int, int]], cut: int = 1000) -> WordSet:
    words = WordSet()
    rows = np.array(drawn, np.int64).reshape(-1, 2)
    for part in (rows[:cut], rows[cut:]):
        words.add(part[:, 0], part[:, 0] + part[:, 1])
    return words


@given(RANGES, RANGES)
def test_sets_of_words_behave_as_sets(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    first, second = word_set(one, 3), word_set(other)
    plain = {n for a, count in one for n in range(a, a + count)}, {n for a, count in other for n in range(a, a + count)}

    assert numbers(first.ranges()) == plain[0]
    assert size(first.ranges()) == len(plain[0])
    assert first.given == sum(count for _, count in one)
    assert (first.ranges()[1:, 0] > first.ranges()[:-1, 1]).all()
    both = common(first.ranges(), second.ranges())
    assert numbers(both) == plain[0] & plain[1]
    assert size(both) == len(plain[0] & plain[1])
    assert numbers(merged(np.concatenate([first.ranges(), second.ranges()]))) == plain[0] | plain[1]


def test_a_long_list_of_ranges_is_kept_short(monkeypatch: object) -> None:
    words = WordSet()
    for n in range(0, 100_000, 10):
        words.add(np.array([n]), np.array([n + 10]))

    assert len(words._merged) == 1
    assert words._new_rows <= expected._MERGE_AT + 2
    assert words.ranges().tolist() == [[0, 100_000]]


@dataclass
class Plain:
    """One account kept by hand: numbers that came, what was spoken of."""

    came: set[int] = field(default_factory=set)
    spoken: int = 0
    counted: int = -1
    delivered: int = 0


ROWS = st.lists(
    st.tuples(
        st.sampled_from([What.WORDS, What.WORDS, What.WORDS, What.HEARTBEAT, What.END]),
        st.integers(0, 40),
        st.integers(1, 6),
        st.integers(0, 30),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3), st.sets(st.integers(0, 45)), st.integers(1, 7))
def test_accounts_of_every_start_add_up(sessions: list[list[tuple[int, ...]]], wrong: set[int], at_once: int) -> None:
    book, plain, items = SourceBook(), [], no_items()
    for number, rows in enumerate(sessions):
        account = Plain()
        plain.append(account)
        made = no_items(1 + len(rows))
        made["session"], made["what"][0], made["start"][0], made["length"][0] = number, What.START, True, 16
        for item, (what, first, words, cut) in zip(made[1:], rows, strict=True):
            whole = max(words * WORD_BYTES - cut, 0) // WORD_BYTES
            item["what"], item["first"] = what, first
            item["length"] = 16
            if what == What.WORDS:
                item["words"], item["length"] = words, 16 + max(words * WORD_BYTES - cut, 0)
                account.came |= set(range(first, first + whole))
                account.delivered += whole
                account.spoken = max(account.spoken, first + words)
            else:
                account.counted = max(account.counted, first)
        items = np.concatenate([items, made])
        bad = np.array(sorted(wrong), np.int64)
        book.bad[number] = WordSet()
        book.bad[number].add(bad, bad + 1)

    for at in range(0, len(items), at_once):
        book.add(items[at : at + at_once], 16, WORD_BYTES)

    sent = [max(account.spoken, account.counted, 0) for account in plain]
    received = [len(account.came) for account in plain]
    counters = all(account.counted == end for account, end in zip(plain, sent, strict=True))
    assert book.figures() == {
        "basis": "counter" if counters else "sequence",
        "sent": sum(sent),
        "gap": sum(sent) - sum(received),
        "received": sum(received),
        "malformed": sum(len(account.came & wrong) for account in plain),
        "duplicates": sum(account.delivered for account in plain) - sum(received),
    }


def words_of(session: int, first: int, count: int, *, start: bool = False) -> np.ndarray:
    item = no_items(1)
    item["session"], item["first"], item["words"], item["start"] = session, first, count, start
    item["length"] = 16 + count * WORD_BYTES
    return item


def test_without_a_start_the_lowest_word_that_came_is_the_first() -> None:
    book = SourceBook()

    book.add(np.concatenate([words_of(0, 100, 10), words_of(0, 90, 5), words_of(0, 120, 5)]), 16, WORD_BYTES)

    assert book.figures() | {"basis": ""} == {
        "basis": "", "sent": 35, "gap": 15, "received": 20, "malformed": 0, "duplicates": 0,
    }  # fmt: skip


def test_a_restart_whose_start_never_came_passes_for_copies_of_old_words() -> None:
    book = SourceBook()
    book.bad = {0: word_set([(5, 2)]), 1: word_set([(12, 4)])}

    book.add(np.concatenate([words_of(0, 0, 10, start=True), words_of(1, 0, 14)]), 16, WORD_BYTES)

    figures = book.figures()
    assert (figures["sent"], figures["received"], figures["duplicates"]) == (14, 14, 10)
    assert figures["malformed"] == 4  # 5 and 6 of the first start, 12 and 13 of the second, which were new
