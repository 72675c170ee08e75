from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import WireError
from daq.model.packets import Flag
from daq.wire.native import (
    HEADER_BYTES,
    MAX_DATAGRAM_BYTES,
    MAX_PAYLOAD_BYTES,
    Header,
    NativeFlag,
    decode,
    encode,
    packetise,
    request,
    words_per_datagram,
)

word_sizes = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8])


def test_the_wire_layout_is_frozen() -> None:
    """A front end in the field sends exactly these bytes; this test must never change."""
    golden = bytes.fromhex("534e 0700 0100 0200 0807060504030201 aabbccdd 11223344")

    got = decode(golden, 4)

    assert got.header == Header(source=7, flags=1, words=2, first_word_index=0x0102030405060708)
    assert bytes(got.payload) == bytes.fromhex("aabbccdd11223344")
    assert encode(got.header, got.payload) == golden


def test_a_request_is_frozen() -> None:
    assert request() == bytes.fromhex("534e ffff 0800 0000 0000000000000000")


def test_182_words_of_8_bytes_make_1472_bytes() -> None:
    assert words_per_datagram(8) == 182
    assert MAX_DATAGRAM_BYTES == 1472
    assert len(encode(Header(1, 0, 182, 0), bytes(1456))) == 1472


@pytest.mark.parametrize("cut", range(HEADER_BYTES))
def test_less_than_a_header_is_refused(cut: int) -> None:
    with pytest.raises(WireError, match=f"^{cut} bytes, the header alone has 16$"):
        decode(request()[:cut], 4)


@pytest.mark.parametrize("cut", range(12))
def test_a_datagram_cut_short_gives_its_whole_words_and_how_many_are_missing(cut: int) -> None:
    whole = encode(Header(1, 0, 3, 10), bytes(range(12)))

    got = decode(whole[: HEADER_BYTES + cut], 4)

    assert (got.whole_words, got.missing_words) == (cut // 4, 3 - cut // 4)
    assert got.flags == Flag.TRUNCATED
    assert bytes(got.payload) == bytes(range(cut))


def test_flags_of_the_raw_stream_follow_the_header() -> None:
    got = decode(encode(Header(1, NativeFlag.START, 1, 0), bytes(4)), 4)

    assert got.flags == Flag.START


def test_a_request_sets_no_flag_of_the_raw_stream() -> None:
    assert decode(request(), 4).flags == 0


@pytest.mark.parametrize(
    ("datagram", "sentence"),
    [
        (b"XX" + bytes(14), "magic is 0x5858, not 0x4E53"),
        (
            encode(Header(1, 0, 3, 0), bytes(12)) + b"!",
            "announces 3 words of 4 bytes, 12 bytes, and carries 13",
        ),
        (bytes.fromhex("534e 0100 1000 0000 0000000000000000"), "flags are 0x0010; only 0x000F are defined"),
        (bytes.fromhex("534e 0100 0400 0100 0000000000000000 00000000"), "announces 1 words, must have none"),
        (
            bytes.fromhex("534e 0100 0000 6d01 0000000000000000"),
            "announces 365 words of 4 bytes.* at most 364",
        ),
        (bytes.fromhex("534e ffff 0000 0000 0000000000000000"), "source 65535 means none; only a request has it"),
        (
            bytes.fromhex("534e 0100 0000 0000 ffffffffffffffff"),
            "first_word_index 18446744073709551615: its words",
        ),
    ],
)
def test_what_breaks_the_framing_is_said_in_a_sentence(datagram: bytes, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        decode(datagram, 4)


@pytest.mark.parametrize(
    ("header", "words", "sentence"),
    [
        (Header(1, 0, 2, 0), bytes(7), "7 bytes are not 2 whole words"),
        (Header(1, 0, 0, 0), bytes(4), "4 bytes are not 0 whole words"),
        (Header(1, 0, 2, 0), b"", "0 bytes are not 2 whole words"),
        (Header(1, 0, 1457, 0), bytes(1457), "1457 bytes of words; a datagram carries at most 1456"),
        (Header(70000, 0, 0, 0), b"", "70000"),
        (Header(1, 0, 0, -1), b"", "-1"),
        (Header(1, NativeFlag.HEARTBEAT, 1, 0), bytes(4), "must have none"),
    ],
)
def test_what_cannot_be_framed_is_refused(header: Header, words: bytes, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        encode(header, words)


@given(st.binary(max_size=60), word_sizes)
def test_arbitrary_bytes_never_crash_the_decoder(garbage: bytes, word_bytes: int) -> None:
    with suppress(WireError):
        decode(garbage, word_bytes)
    with suppress(WireError):
        decode(b"SN" + garbage, word_bytes)


@given(word_sizes, st.integers(0, 3000), st.integers(0, 0xFFFE), st.integers(0, 1 << 62))
def test_packetised_words_come_back_in_order(word_bytes: int, count: int, source: int, first: int) -> None:
    words = np.random.default_rng(count).bytes(count * word_bytes)

    got = [decode(d, word_bytes) for d in packetise(words, word_bytes, source, first, first_flags=NativeFlag.START)]

    assert b"".join(bytes(d.payload) for d in got) == words
    assert [d.header.first_word_index for d in got] == [
        first + sum(d.whole_words for d in got[:i]) for i in range(len(got))
    ]
    assert all(d.header.source == source and not d.missing_words for d in got)
    assert [d.header.flags for d in got] == [1, *[0] * (len(got) - 1)][: len(got)]
    assert all(d.whole_words == words_per_datagram(word_bytes) for d in got[:-1])


@given(word_sizes, st.lists(st.integers(1, 182), min_size=1, max_size=20))
def test_datagrams_begin_where_told(word_bytes: int, sizes: list[int]) -> None:
    words = np.random.default_rng(1).bytes(sum(sizes) * word_bytes)
    starts = np.cumsum([0, *sizes[:-1]])

    block = packetise(words, word_bytes, 3, 100, starts=starts)

    assert [decode(d, word_bytes).whole_words for d in block] == sizes
    assert b"".join(bytes(decode(d, word_bytes).payload) for d in block) == words
    assert block.words.tolist() == sizes
    assert block.first.tolist() == (100 + starts).tolist()


def test_no_words_make_no_datagrams() -> None:
    assert len(packetise(b"", 4, 1, 0)) == 0


@pytest.mark.parametrize(
    ("starts", "sentence"),
    [
        ([1, 2], "must begin with word 0"),
        ([], "must begin with word 0"),
        ([0, 0], "of 0 to 400 words; 1 to 364 fit"),
        ([0], "of 400 to 400 words; 1 to 364 fit"),
        ([0, 300, 200], "of -100 to 300 words"),
    ],
)
def test_datagrams_that_cannot_be_cut_so_are_refused(starts: list[int], sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        packetise(bytes(1600), 4, 1, 0, starts=np.array(starts, np.int64))


def test_words_cut_in_the_middle_are_not_packetised() -> None:
    with pytest.raises(WireError, match="1457 bytes are not whole words of 4 bytes"):
        packetise(bytes(MAX_PAYLOAD_BYTES + 1), 4, 1, 0)


def test_the_example_of_the_reference_page_is_what_goes_out() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "native-framing.md").read_text(encoding="utf-8")
    words = bytes.fromhex("aabbccdd 11223344")

    example = bytes.fromhex(page.split("```")[1])

    assert encode(Header(7, NativeFlag.START, 2, 5), words) == example
