"""Many datagrams at once are judged as each one alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import WireError
from daq.model.events import NO_SOURCE
from daq.model.packets import NO_SEQUENCE, Flag
from daq.wire.native import HEADER, HEADER_BYTES, MAGIC, NativeFlag, decode
from daq.wire.native_batch import packets_of, unframed_packets_of

fields = st.tuples(
    st.sampled_from([MAGIC, MAGIC, MAGIC, 0x1234]),
    st.sampled_from([0, 1, 77, 0xFFFE, NO_SOURCE]),
    st.sampled_from([0, 1, 2, 4, 8, 16, 3, 0x8000]),
    st.sampled_from([0, 1, 2, 3, 364, 365, 0xFFFF]),
    st.sampled_from([0, 1, 10**9, 2**63 - 1, 2**63, 2**64 - 1]),
)
datagrams = st.builds(
    lambda header, payload, cut: (HEADER.pack(*header) + bytes(payload))[: HEADER_BYTES + payload - cut],
    fields,
    st.sampled_from([0, 3, 4, 8, 12, 13, 1456, 1457]),
    st.sampled_from([0, 0, 0, 1, 5, 20]),
)


def judged(datagram: bytes) -> tuple[int, int, int, bytes]:
    """Return source, sequence, flags and payload, a refused datagram as malformed and whole."""
    try:
        got = decode(datagram, 4)
    except WireError:
        return NO_SOURCE, NO_SEQUENCE, int(Flag.MALFORMED), datagram
    if got.header.flags & NativeFlag.REQUEST:
        return NO_SOURCE, NO_SEQUENCE, int(Flag.MALFORMED), datagram
    return got.header.source, got.header.first_word_index, got.flags, bytes(got.payload)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(datagrams, st.binary(max_size=40)), max_size=12))
def test_one_by_one_and_all_at_once_agree(received: list[bytes]) -> None:
    lengths = np.array([len(datagram) for datagram in received], np.int64)
    data = np.frombuffer(b"".join(received) or b"-", np.uint8)

    got = packets_of(data, np.cumsum(lengths) - lengths, lengths, np.zeros(len(received), np.int64), 4)

    rows = zip(
        got.source.tolist(), got.sequence.tolist(), got.flags.tolist(), got.offset.tolist(), got.length.tolist(),
        strict=True,
    )  # fmt: skip
    assert [(s, q, f, data[o : o + n].tobytes()) for s, q, f, o, n in rows] == [judged(d) for d in received]


def test_empty_datagrams_alone_are_malformed() -> None:
    lengths = np.zeros(3, np.int64)

    got = packets_of(np.empty(0, np.uint8), lengths, lengths, lengths, 4)

    assert got.flags.tolist() == [int(Flag.MALFORMED)] * 3


def test_datagrams_without_framing_are_words_of_source_0_and_a_cut_word_is_flagged() -> None:
    lengths = np.array([8, 0, 9], np.int64)
    data = np.arange(17, dtype=np.uint8)

    got = unframed_packets_of(data, np.cumsum(lengths) - lengths, lengths, np.arange(3), 4)

    assert got.flags.tolist() == [0, 0, int(Flag.TRUNCATED)]
    assert got.source.tolist() == [0, 0, 0]
    assert got.length.tolist() == [8, 0, 9]
    assert got.sequence.tolist() == [NO_SEQUENCE] * 3
