"""The outbox: the newest of a topic, every document, never more than there is room for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daq.services.status_mqtt.outbox import MOST_REPLIES, Lane, Outbox, Outgoing


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def message(topic: str, seq: int, lane: Lane = Lane.NORMAL, every_s: float = 0.0) -> Outgoing:
    return Outgoing(topic, b"", seq, 0, lane=lane, every_s=every_s)


def drained(outbox: Outbox) -> list[tuple[str, int]]:
    found = []
    while (one := outbox.next()) is not None:
        found.append((one.topic, one.seq))
    return found


def test_of_a_topic_only_the_newest_is_sent_in_the_place_of_the_first() -> None:
    outbox = Outbox()
    for seq, topic in enumerate(["a", "b", "a", "a", "c"]):
        outbox.put(message(topic, seq))

    assert drained(outbox) == [("a", 3), ("b", 1), ("c", 4)]
    assert outbox.superseded == 2


def test_every_document_is_sent_in_order() -> None:
    outbox = Outbox()
    for seq in range(5):
        outbox.put(message("run/document", seq, Lane.DOCUMENT))

    assert drained(outbox) == [("run/document", seq) for seq in range(5)]


def test_documents_and_replies_that_find_no_room_are_counted() -> None:
    outbox = Outbox(most_documents=3)
    for seq in range(5):
        outbox.put(message("d", seq, Lane.DOCUMENT))
    for seq in range(MOST_REPLIES + 7):
        outbox.put(message("r", seq, Lane.REPLY))

    assert outbox.dropped[Lane.DOCUMENT] == 2
    assert outbox.dropped[Lane.REPLY] == 7
    assert len(outbox) == 3 + MOST_REPLIES


def test_new_topics_find_no_room_where_known_ones_do() -> None:
    outbox = Outbox(most_topics=2)
    for seq, topic in enumerate(["a", "b", "c", "a"]):
        outbox.put(message(topic, seq))

    assert drained(outbox) == [("a", 3), ("b", 1)]
    assert outbox.dropped[Lane.NORMAL] == 1


def test_urgent_ones_go_first_and_the_others_take_turns() -> None:
    outbox = Outbox()
    for seq in range(3):
        outbox.put(message(f"n{seq}", seq))
        outbox.put(message("d", seq, Lane.DOCUMENT))
        outbox.put(message("r", seq, Lane.REPLY))
    outbox.put(message("state", 9, Lane.URGENT))
    order = [topic for topic, _ in drained(outbox)]

    assert order == ["state", "r", "n0", "d", "r", "n1", "d", "r", "n2", "d"]


def test_a_paced_topic_is_sent_at_once_and_then_its_newest_after_its_time() -> None:
    clock = Clock()
    outbox = Outbox(clock=clock)
    outbox.put(message("p", 1, every_s=0.5))
    first = drained(outbox)
    clock.now_s += 0.1
    outbox.put(message("p", 2, every_s=0.5))
    outbox.put(message("p", 3, every_s=0.5))
    early, due_in_s = drained(outbox), outbox.due_in_s()
    clock.now_s += 0.41
    late = drained(outbox)

    assert (first, early, late) == ([("p", 1)], [], [("p", 3)])
    assert due_in_s is not None
    assert abs(due_in_s - 0.4) < 1e-6
    assert outbox.due_in_s() is None


def test_in_a_hurry_nothing_waits_for_its_time() -> None:
    clock = Clock()
    outbox = Outbox(clock=clock)
    outbox.put(message("p", 1, every_s=0.5))
    drained(outbox)
    outbox.put(message("p", 2, every_s=0.5))
    outbox.hurry()

    assert drained(outbox) == [("p", 2)]
    assert len(outbox) == 0


def test_what_was_not_acknowledged_comes_back_unless_there_is_newer() -> None:
    outbox = Outbox()
    outbox.put(message("a", 5))
    outbox.put(message("d", 6, Lane.DOCUMENT))
    outbox.back([message("a", 1), message("b", 2), message("d", 3, Lane.DOCUMENT), message("d", 4, Lane.DOCUMENT)])

    assert sorted(drained(outbox)) == [("a", 5), ("b", 2), ("d", 3), ("d", 4), ("d", 6)]


def test_documents_that_come_back_come_first() -> None:
    outbox = Outbox()
    outbox.put(message("d", 3, Lane.DOCUMENT))
    outbox.back([message("d", 1, Lane.DOCUMENT), message("d", 2, Lane.DOCUMENT)])

    assert [seq for _, seq in drained(outbox)] == [1, 2, 3]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcdefgh"), st.sampled_from([0.0, 0.5, 2.0])),
        st.tuples(st.just("document"), st.just("doc"), st.just(0.0)),
        st.tuples(st.just("wait"), st.just(""), st.floats(0.0, 1.0)),
        st.tuples(st.just("take"), st.just(""), st.just(0.0)),
        st.tuples(st.just("lose"), st.just(""), st.just(0.0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_last_word_of_every_topic_arrives_and_never_before_an_older_one(
    steps: list[tuple[str, str, float]],
) -> None:
    """However puts, waits, sends and lost connections mix: bounded, paced, newest last, no document lost."""
    clock = Clock()
    outbox = Outbox(clock=clock)
    pace = {topic: [0.0, 0.5, 2.0][ord(topic) % 3] for topic in "abcdefgh"}
    last: dict[str, int] = {}
    documents: list[int] = []
    sent: list[Outgoing] = []
    for seq, (what, topic, number) in enumerate(steps):
        if what == "put":
            outbox.put(message(topic, seq, every_s=pace[topic]))
            last[topic] = seq
        elif what == "document":
            outbox.put(message(topic, seq, Lane.DOCUMENT))
            documents.append(seq)
        elif what == "wait":
            clock.now_s += number
        elif what == "take":
            sent += [one for one in [outbox.next()] if one is not None]
        else:
            outbox.back(sent[-2:])
            del sent[-2:]
    for _ in range(20):
        clock.now_s += 1.0
        while (one := outbox.next()) is not None:
            sent.append(one)

    arrived = {topic: [one.seq for one in sent if one.topic == topic] for topic in [*last, "doc"]}
    assert {topic: seqs[-1] for topic, seqs in arrived.items() if topic != "doc"} == last
    assert arrived["doc"] == documents
    assert all(seqs == sorted(seqs) for seqs in arrived.values())
    assert len(outbox) == 0
    assert outbox.due_in_s() is None
