"""The ledger: both sums, what stands beside them, and who decides when one source is out of balance."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support_sequence import SequenceTracker

from daq.model.ledger import Beside, Ledger, Socket, SourceLedger

counts = st.integers(0, 2**63)
CAUSES = ("malformed", "ring_full", "shed", "disk")


def balanced_account(**changed: Any) -> SourceLedger:
    """One source: 1000 words sent, 10 missing; 990 received, of which 4 are lost by four causes."""
    account: dict[str, Any] = {
        "source": 3, "basis": "counter", "sent": 1000, "gap": 10, "received": 990, "recorded": 986,
        "malformed": 1, "ring_full": 1, "shed": 1, "disk": 1,
    }  # fmt: skip
    return SourceLedger(**(account | changed))


def test_an_account_whose_two_sums_hold_is_balanced() -> None:
    assert balanced_account().balanced is True


@pytest.mark.parametrize("column", ["sent", "gap", "received", "recorded", *CAUSES])
def test_one_unit_more_in_any_column_puts_the_account_out_of_balance(column: str) -> None:
    one_more = getattr(balanced_account(), column) + 1

    assert balanced_account(**{column: one_more}).balanced is False


@pytest.mark.parametrize("column", list(Beside.model_fields))
def test_what_stands_beside_the_sum_never_changes_the_balance(column: str) -> None:
    assert balanced_account(beside=Beside(**{column: 7})).balanced is True


@pytest.mark.parametrize("column", list(Socket.model_fields))
def test_what_only_the_socket_knows_never_changes_the_balance(column: str) -> None:
    assert Ledger(unit="word", sources=(balanced_account(),), socket=Socket(**{column: 7})).balanced is True


def test_nothing_can_be_said_when_what_was_sent_is_unknown() -> None:
    assert balanced_account(basis="none", sent=None, gap=0).balanced is None


def test_a_wrong_host_sum_is_wrong_even_when_what_was_sent_is_unknown() -> None:
    assert balanced_account(basis="none", sent=None, gap=0, recorded=985).balanced is False


@given(counts, counts, st.lists(counts, min_size=4, max_size=4))
def test_counts_of_any_size_balance_exactly(gap: int, recorded: int, lost: list[int]) -> None:
    received = recorded + sum(lost)
    columns = dict(zip(CAUSES, lost, strict=True))
    account = {"source": 0, "basis": "sequence", "gap": gap, "received": received, "recorded": recorded, **columns}

    assert SourceLedger(sent=received + gap, **account).balanced is True
    assert SourceLedger(sent=received + gap + 1, **account).balanced is False


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ((), True),
        ((True, True), True),
        ((True, None), None),
        ((None, False), False),
        ((True, False), False),
    ],
)
def test_one_source_out_of_balance_decides_and_one_unknown_leaves_the_whole_unknown(
    verdicts: tuple[bool | None, ...], whole: bool | None
) -> None:
    made = {True: {}, False: {"gap": 11}, None: {"sent": None, "basis": "none"}}
    sources = tuple(balanced_account(**made[verdict]) for verdict in verdicts)

    assert [source.balanced for source in sources] == list(verdicts)
    assert Ledger(unit="word", sources=sources).balanced is whole


def test_the_document_states_the_balance_of_every_source_and_of_the_whole() -> None:
    document = Ledger(unit="event", sources=(balanced_account(),)).model_dump(mode="json")

    assert document["balanced"] is True
    assert document["sources"][0]["balanced"] is True
    assert document["sources"][0]["sent"] == 1000


def test_a_balance_that_a_document_claims_is_not_believed() -> None:
    with pytest.raises(ValidationError, match="balanced"):
        Ledger.model_validate({"unit": "word", "sources": [], "balanced": True})


@pytest.mark.parametrize("column", ["source", "sent", "gap", "received", "recorded", *CAUSES])
def test_a_negative_count_is_refused(column: str) -> None:
    with pytest.raises(ValidationError, match=f"{column}\n.*greater than or equal to 0"):
        balanced_account(**{column: -1})


def test_an_unknown_basis_and_an_unknown_unit_are_refused() -> None:
    with pytest.raises(ValidationError, match="'counter', 'sequence', 'stream' or 'none'"):
        balanced_account(basis="guess")
    with pytest.raises(ValidationError, match="'word', 'event' or 'frame'"):
        Ledger.model_validate({"unit": "photon"})


def test_an_unknown_cause_is_refused() -> None:
    with pytest.raises(ValidationError, match="vanished"):
        balanced_account(vanished=1)


def test_two_sources_do_not_share_what_stands_beside() -> None:
    first, second = balanced_account(), balanced_account()

    first.beside.duplicates += 5

    assert second.beside.duplicates == 0


def test_the_worked_example_of_the_documentation_comes_out_as_it_says() -> None:
    """docs/explanations/ledger.md."""
    tracker = SequenceTracker()

    gaps = [
        tracker.seen(0, 182, start=True).gap_words,
        tracker.seen(364, 182).gap_words,
        tracker.seen(364, 182).gap_words,
        tracker.seen(546, 100, announced=182).gap_words,
        tracker.counter(1000, end=True),
    ]
    entry = SourceLedger(
        source=3, basis=tracker.basis, sent=tracker.sent, gap=tracker.gap, received=tracker.received,
        recorded=tracker.received - 3, malformed=3, beside=Beside(duplicates=tracker.duplicates),
    )  # fmt: skip

    assert gaps == [0, 182, 0, 82, 272]
    assert (entry.sent, entry.gap, entry.received, entry.recorded) == (1000, 536, 464, 461)
    assert (entry.basis, entry.beside.duplicates, entry.balanced) == ("counter", 182, True)


def test_without_its_end_packet_the_worked_example_knows_less_and_balances_all_the_same() -> None:
    tracker = SequenceTracker()

    tracker.seen(0, 182, start=True)
    tracker.seen(364, 182)
    tracker.seen(546, 100, announced=182)

    assert (tracker.basis, tracker.sent, tracker.gap, tracker.received) == ("sequence", 728, 264, 464)
