from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import MismatchError
from daq.model.packets import Flag
from daq.wire.stream import MAX_ROW_BYTES, StreamFramer

TEXTS = ("SAFIR CListModeData", "MUPET CListModeData")


def rows_of(framer: StreamFramer, chunks: list[bytes]) -> list[tuple[int, bytes]]:
    rows = [row for chunk in chunks for row in framer.feed(chunk)]
    return rows + framer.finish()


@given(
    st.binary(max_size=300),
    st.lists(st.integers(0, 300), max_size=8),
    st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8]),
    st.integers(0, 12),
)
def test_rows_are_whole_words_wherever_the_stream_is_cut(
    stream: bytes, cuts: list[int], word_bytes: int, preamble_bytes: int
) -> None:
    stream = bytes(preamble_bytes) + stream
    edges = [0, *sorted(cuts), len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(edges)]

    rows = rows_of(StreamFramer(word_bytes, preamble_bytes), chunks)

    words = [row for row in rows if row[0] == 0]
    assert b"".join(data for _, data in rows) == stream
    assert [len(data) for flag, data in rows if flag == Flag.PREAMBLE] == [preamble_bytes] * bool(preamble_bytes)
    assert all(data and len(data) % word_bytes == 0 for _, data in words)
    left = (len(stream) - preamble_bytes) % word_bytes
    assert [len(data) for flag, data in rows if flag == Flag.TRUNCATED] == [left] * bool(left)


@pytest.mark.parametrize("word_bytes", [3, 4, 8])
def test_a_long_chunk_becomes_rows_of_at_most_64_kib(word_bytes: int) -> None:
    stream = bytes(range(256)) * 1000

    rows = rows_of(StreamFramer(word_bytes), [stream])

    assert b"".join(data for _, data in rows) == stream
    assert {len(data) for _, data in rows[:-2]} == {MAX_ROW_BYTES // word_bytes * word_bytes}
    assert max(len(data) for _, data in rows) <= MAX_ROW_BYTES


@pytest.mark.parametrize("text", TEXTS)
def test_any_of_the_texts_may_begin_the_preamble(text: str) -> None:
    stream = text.encode().ljust(32, b"\0") + bytes(8)

    rows = rows_of(StreamFramer(8, 32, TEXTS), [bytes([byte]) for byte in stream])

    assert rows == [(int(Flag.PREAMBLE), stream[:32]), (0, bytes(8))]


def test_a_foreign_preamble_is_refused_with_both_texts() -> None:
    with pytest.raises(MismatchError) as refusal:
        StreamFramer(8, 32, TEXTS).feed(b"\x7fELF" + bytes(60))

    assert str(refusal.value) == (
        r"the stream begins with b'\x7fELF\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00',"
        " the profile says b'SAFIR CListModeData' or b'MUPET CListModeData'"
    )


def test_a_foreign_preamble_is_refused_at_its_first_wrong_byte() -> None:
    framer = StreamFramer(8, 32, TEXTS)
    framer.feed(b"SAFIR C")

    with pytest.raises(MismatchError, match="begins with b'SAFIR CX'"):
        framer.feed(b"X")


@pytest.mark.parametrize("length", [0, 1, 31])
def test_a_stream_that_ends_within_its_preamble_is_refused(length: int) -> None:
    framer = StreamFramer(8, 32, TEXTS)
    framer.feed(b"SAFIR CListModeData".ljust(32, b"\0")[:length])

    with pytest.raises(MismatchError, match=f"ended after {length} bytes, the profile says 32 bytes of preamble"):
        framer.finish()


def test_an_empty_stream_without_preamble_has_no_rows() -> None:
    assert rows_of(StreamFramer(4), []) == []
