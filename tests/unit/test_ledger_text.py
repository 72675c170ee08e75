"""The ledger as a physicist reads it: rows, total, percentages, and one sentence that says what happened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.model.ledger import Beside, Ledger, Socket, SourceLedger
from daq.storage.ledgertext import MOST_SOURCES, ledger_text


def account(source: int = 0, *, sent: int = 1_000_000, **lost: int) -> SourceLedger:
    received = sent - lost.get("gap", 0)
    recorded = received - sum(count for name, count in lost.items() if name != "gap")
    return SourceLedger(source=source, basis="counter", sent=sent, received=received, recorded=recorded, **lost)


def text(*sources: SourceLedger, **more: object) -> list[str]:
    ledger = Ledger.model_validate({"unit": "word", "sources": sources, **more})
    return ledger_text(ledger.model_dump(mode="json")).splitlines()


def test_without_a_loss_the_sentence_says_that_all_was_recorded() -> None:
    lines = text(account(0, sent=1_000_000), account(1, sent=234_567))

    assert lines[0] == "ledger, in words: balanced"
    assert lines[1].split("  ")[-1] == "balanced"
    assert lines[-2].split() == ["all", "counter", "1,234,567", "0", "1,234,567", "1,234,567", *"0000", "yes"]
    assert lines[-1] == "All 1,234,567 words that 2 sources sent were recorded."


def test_one_source_has_no_row_of_the_total() -> None:
    lines = text(account(3, sent=1000))

    assert [line.split()[0] for line in lines] == ["ledger,", "source", "3", "All"]
    assert lines[-1] == "All 1,000 words that source 3 sent were recorded."


def test_a_gap_has_its_percentage_and_the_kernel_its_datagrams() -> None:
    lines = text(account(0), account(1, gap=182), socket=Socket(kernel_drops=1))

    assert lines[1].split()[:5] == ["source", "basis", "sent", "gap", "gap"]
    assert lines[3].split()[:6] == ["1", "counter", "1,000,000", "182", "0.018", "999,818"]
    assert lines[-2] == "  beside all sums, in datagrams: kernel drops 1"
    assert lines[-1] == (
        "Source 1: 182 of 1,000,000 words (0.018 %) never arrived; the kernel dropped 1 datagram at our socket."
    )


def test_every_fate_is_put_in_words() -> None:
    lines = text(account(0, gap=1000, malformed=1, ring_full=20, shed=30, disk=40), account(1, malformed=9), account(2))

    assert lines[-1] == (
        "2 of 3 sources: 1,000 of 2,000,000 words (0.050 %) never arrived, 10 of 2,000,000 words (<0.001 %) were"
        " malformed, 20 of 2,000,000 words (0.001 %) arrived and found the buffer full, 30 of 2,000,000 words (0.002 %)"
        " were left out under overload, 40 of 2,000,000 words (0.002 %) did not reach the disk."
    )


def test_what_stands_beside_has_a_table_of_its_own() -> None:
    source = account(0, sent=10).model_copy(update={"beside": Beside(duplicates=5, untimed=1234)})

    lines = text(source, account(1, sent=10))

    assert lines[5:9] == [
        "  beside the sums",
        "  source  duplicates  untimed",
        "       0           5    1,234",
        "       1           0        0",
    ]


def test_what_the_front_end_itself_lost_is_said_in_a_sentence_of_its_own() -> None:
    lossy = account(0, sent=10).model_copy(update={"beside": Beside(lossy_frames=5, lost_frames=1)})
    other = account(1, sent=10).model_copy(update={"beside": Beside(lossy_frames=2)})

    assert (
        text(lossy, other)[-1]
        == "The front end itself lost all of the events of 1 frame and some of the events of 7 frames."
    )
    assert text(other)[-1] == "The front end itself lost some of the events of 2 frames."


def test_a_source_that_cannot_be_judged_is_said_to_be_so() -> None:
    blind = SourceLedger(source=7, basis="none", sent=None, received=60, recorded=60)

    assert text(blind)[-1] == "All 60 words that arrived were recorded; nobody knows how many source 7 sent."
    mixed = text(blind, account(1, gap=1000))
    assert mixed[-2].split()[:5] == ["all", "mixed", "not", "known", "1,000"]
    assert mixed[-1].endswith("(0.100 %) never arrived. Nobody knows how much source 7 sent.")


def test_numbers_without_an_end_packet_say_how_far_they_reach() -> None:
    source = SourceLedger(source=1, basis="sequence", sent=5, received=5, recorded=5)

    assert text(source)[-1] == ("All 5 words that source 1 sent as far as the numbers of what came tell were recorded.")


def test_sums_that_do_not_hold_are_a_fault_and_nothing_is_concluded_from_them() -> None:
    lines = text(account(0), SourceLedger(source=1, basis="counter", sent=10, received=9, recorded=9))

    assert lines[0] == "ledger, in words: NOT BALANCED"
    assert lines[-1].startswith("The sums of source 1 do not hold")


@pytest.mark.parametrize(("lossy", "note"), [([], "the first 20 of 30"), ([25, 29], "those that lost most: 20 of 30")])
def test_of_many_sources_the_worst_are_shown_and_the_total(lossy: list[int], note: str) -> None:
    lines = text(*(account(number, **({"gap": number} if number in lossy else {})) for number in range(30)))

    shown = [line.split()[0] for line in lines[3 : 3 + MOST_SOURCES]]
    assert note in lines[1]
    assert shown[: len(lossy)] == [str(number) for number in sorted(lossy, reverse=True)]
    assert lines[3 + MOST_SOURCES].split()[0] == "all"
    assert lines[3 + MOST_SOURCES].split()[2] == "30,000,000"


def test_no_ledger_no_source_and_no_word_are_each_said() -> None:
    assert ledger_text(None) == "ledger: not known"
    assert [line.split()[0] for line in text()] == ["ledger,", "source"]
    assert text(account(0, sent=0))[-1] == "Source 0 sent nothing."
    assert text(account(0, sent=1))[-1] == "The one word that source 0 sent was recorded."


@given(st.integers(1, 10**12), st.data())
def test_a_loss_is_never_rounded_to_nothing_nor_to_all(sent: int, data: st.DataObject) -> None:
    gap = data.draw(st.integers(0, sent))

    percent = text(account(0, sent=sent, gap=gap))[-1].partition("(")[2].partition(" %")[0]

    assert (percent == "100") == (gap == sent)
    assert percent not in ("0", "0.000", "100.000")
    assert bool(percent) == bool(gap)
