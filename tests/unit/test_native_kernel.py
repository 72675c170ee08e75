"""A compiled loop judges a datagram as the vectorised parser does, whatever arrived."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.model.events import NO_SOURCE
from daq.wire.native import HEADER, HEADER_BYTES, MAGIC
from daq.wire.native_batch import packets_of
from daq.wire.native_kernel import little_endian_u64, parsed_datagram

Judged = list[tuple[int, int, int, int, int]]

fields = st.tuples(
    st.one_of(st.just(MAGIC), st.sampled_from([0, 0x4E52, 0x534E, 0xFFFF])),
    st.one_of(st.sampled_from([0, 1, 0xFFFE, NO_SOURCE]), st.integers(0, 0xFFFF)),
    st.one_of(st.integers(0, 15), st.sampled_from([16, 0x80, 0x100, 0x8000, 0xFFFF])),
    st.one_of(st.integers(0, 5), st.sampled_from([182, 183, 364, 365, 0x8000, 0xFFFF])),
    st.one_of(
        st.integers(0, 2**64 - 1),
        st.sampled_from([0, 2**63 - 1, 2**63 - 2, 2**63 - 183, 2**63, 2**64 - 1]),
    ),
)
datagrams = st.one_of(
    st.builds(
        lambda header, payload, cut: (HEADER.pack(*header) + bytes(payload))[: HEADER_BYTES + payload - cut],
        fields,
        st.sampled_from([0, 3, 4, 8, 12, 13, 16, 40, 1455, 1456, 1457]),
        st.sampled_from([0, 0, 0, 1, 5, 8, 20]),
    ),
    st.binary(max_size=40),
)


def one_by_one(
    data: npt.NDArray[np.uint8], offset: npt.NDArray[np.int64], length: npt.NDArray[np.int64], word_bytes: int
) -> Judged:
    return [
        parsed_datagram(data, at, size, word_bytes) for at, size in zip(offset.tolist(), length.tolist(), strict=True)
    ]


def all_at_once(
    data: npt.NDArray[np.uint8], offset: npt.NDArray[np.int64], length: npt.NDArray[np.int64], word_bytes: int
) -> Judged:
    got = packets_of(data, offset, length, np.zeros(len(offset), np.int64), word_bytes)
    columns = (got.flags, got.source, got.sequence, got.offset, got.length)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(datagrams, max_size=10), st.sampled_from([1, 2, 4, 8, 16]), st.integers(0, 9))
def test_a_compiled_loop_and_the_vectorised_parser_agree(received: list[bytes], word_bytes: int, apart: int) -> None:
    between = b"SN" * apart
    lengths = np.array([len(datagram) for datagram in received], np.int64)
    data = np.frombuffer(between + between.join(received) + b"-", np.uint8)
    offsets = np.cumsum(lengths + len(between)) - lengths

    assert one_by_one(data, offsets, lengths, word_bytes) == all_at_once(data, offsets, lengths, word_bytes)


def test_twenty_thousand_headers_with_flipped_bits_are_judged_alike() -> None:
    rng = np.random.default_rng(3)
    count, stride = 20_000, 24
    rows = np.zeros((count, stride), np.uint8)
    rows[:, :HEADER_BYTES] = np.frombuffer(HEADER.pack(MAGIC, 5, 0, 2, 1000), np.uint8)
    for _ in range(2):
        rows[np.arange(count), rng.integers(0, HEADER_BYTES, count)] ^= np.uint8(1) << rng.integers(0, 8, count).astype(
            np.uint8
        )
    data = rows.reshape(-1)
    offsets = np.arange(count, dtype=np.int64) * stride
    lengths = rng.choice([15, 16, 17, 20, 23, 24], count).astype(np.int64)

    judged = one_by_one(data, offsets, lengths, 4)

    assert judged == all_at_once(data, offsets, lengths, 4)
    assert len({flags for flags, *_ in judged}) > 3


@pytest.mark.parametrize("at", range(4))
def test_eight_bytes_are_read_from_any_address(at: int) -> None:
    data = np.arange(250, 262, dtype=np.int64).astype(np.uint8)

    assert little_endian_u64(data, at) == int.from_bytes(data[at : at + 8].tobytes(), "little")
