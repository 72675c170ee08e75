"""The native datagram framing: 16 bytes of header, then whole words. Bytes in, values out.

    offset  size  field             meaning
    0       2     magic             0x4E53, on the wire the bytes "SN"
    2       2     source            which front end; 0xFFFF is kept for "none"
    4       2     flags             bit 0 start, 1 heartbeat, 2 end, 3 request; other bits are zero
    6       2     words             words that follow
    8       8     first_word_index  words of this source sent before this datagram

All little-endian. Heartbeat, end and request carry no words; in heartbeat and end `first_word_index` is the
number of words sent so far. At most 1456 bytes of words follow, so that a datagram fits an Ethernet frame
(1500 - 28 - 16).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.errors import WireError
from daq.model.events import NO_SOURCE
from daq.model.packets import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = 0x4E53
HEADER = struct.Struct("<HHHHQ")
HEADER_BYTES = HEADER.size
MAX_PAYLOAD_BYTES = 1456
MAX_DATAGRAM_BYTES = HEADER_BYTES + MAX_PAYLOAD_BYTES
MAX_WORD_INDEX = (1 << 63) - 1
"""Word numbers stay signed 64-bit, as the marks that report gaps are."""

HEADER_DTYPE = np.dtype(
    [("magic", "<u2"), ("source", "<u2"), ("flags", "<u2"), ("words", "<u2"), ("first_word_index", "<u8")]
)


class NativeFlag(IntFlag):
    """Bits of the header field `flags`. The low three are those of `daq.model.packets.Flag`."""

    START = 1
    HEARTBEAT = 2
    END = 4
    REQUEST = 8


_KNOWN = int(NativeFlag.START | NativeFlag.HEARTBEAT | NativeFlag.END | NativeFlag.REQUEST)
_EMPTY = int(NativeFlag.HEARTBEAT | NativeFlag.END | NativeFlag.REQUEST)
_RAW = int(NativeFlag.START | NativeFlag.HEARTBEAT | NativeFlag.END)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a datagram. `words` is what the sender announces, not what arrived."""

    source: int
    flags: int
    words: int
    first_word_index: int


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram as received. `payload` is a view on the received bytes: copy it to keep it.

    `whole_words` can be decoded. `missing_words` were announced and did not arrive whole; when it is not zero
    the datagram was cut short on its way and `payload` may end in the middle of a word.
    """

    header: Header
    payload: memoryview
    whole_words: int
    missing_words: int

    @property
    def flags(self) -> int:
        """Return the bits of the raw stream's column `flags`."""
        return self.header.flags & _RAW | (int(Flag.TRUNCATED) if self.missing_words else 0)


@dataclass(frozen=True, slots=True, eq=False)
class DatagramBlock:
    """Datagrams ready to send: row i is `buffer[i, :length[i]]`, uint8 [n, bytes].

    `first` is the number of its first word, `words` how many it carries.
    """

    buffer: npt.NDArray[np.uint8]
    length: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of datagrams."""
        return len(self.length)

    def __iter__(self) -> Iterator[memoryview]:
        """Yield each datagram as a view."""
        for row, length in zip(self.buffer, self.length.tolist(), strict=True):
            yield memoryview(row)[:length]


def words_per_datagram(word_bytes: int) -> int:
    """Return how many words of `word_bytes` bytes the largest datagram carries."""
    return MAX_PAYLOAD_BYTES // word_bytes


def encode(header: Header, words: bytes | memoryview = b"") -> bytes:
    """Return the datagram. Raise `WireError` where a field does not fit its bits or the payload its limit."""
    _check(header)
    if len(words) > MAX_PAYLOAD_BYTES:
        raise WireError(f"{len(words)} bytes of words; a datagram carries at most {MAX_PAYLOAD_BYTES}")
    if bool(header.words) != bool(len(words)) or (header.words and len(words) % header.words):
        raise WireError(f"{len(words)} bytes are not {header.words} whole words")
    try:
        packed = HEADER.pack(MAGIC, header.source, header.flags, header.words, header.first_word_index)
    except struct.error as why:
        raise WireError(f"{header}: {why}") from None
    return packed + bytes(words)


def request() -> bytes:
    """Return the datagram that a receiver sends to a front end to subscribe."""
    return encode(Header(NO_SOURCE, NativeFlag.REQUEST, 0, 0))


def decode(datagram: bytes | bytearray | memoryview, word_bytes: int) -> Datagram:
    """Return the datagram, or raise a `WireError` that says which field is wrong.

    Fewer bytes than announced is no error: the whole words that did arrive are good (see `Datagram`).
    """
    if len(datagram) < HEADER_BYTES:
        raise WireError(f"{len(datagram)} bytes, the header alone has {HEADER_BYTES}")
    magic, source, flags, words, first = HEADER.unpack_from(datagram)
    if magic != MAGIC:
        raise WireError(f"magic is 0x{magic:04X}, not 0x{MAGIC:04X}")
    header = Header(source, flags, words, first)
    _check(header)
    payload = memoryview(datagram)[HEADER_BYTES:]
    announced_bytes = words * word_bytes
    if announced_bytes > MAX_PAYLOAD_BYTES:
        raise WireError(
            f"announces {words} words of {word_bytes} bytes; a datagram carries at most"
            f" {words_per_datagram(word_bytes)}"
        )
    if len(payload) > announced_bytes:
        raise WireError(
            f"announces {words} words of {word_bytes} bytes, {announced_bytes} bytes, and carries {len(payload)}"
        )
    whole = len(payload) // word_bytes
    return Datagram(header, payload, whole, words - whole)


def packetise(
    words: bytes | memoryview | npt.NDArray[np.uint8],
    word_bytes: int,
    source: int,
    first_word_index: int,
    *,
    starts: npt.NDArray[np.int64] | None = None,
    first_flags: int = 0,
) -> DatagramBlock:
    """Return `words` (whole words, uint8) cut into datagrams.

    Every datagram is full but the last, unless `starts` says where each begins: word numbers within `words`,
    ascending from 0, at most `words_per_datagram` apart. `first_flags` are set in the first datagram.
    """
    data = np.frombuffer(words, np.uint8)
    count, cut = divmod(len(data), word_bytes)
    if cut:
        raise WireError(f"{len(data)} bytes are not whole words of {word_bytes} bytes")
    capacity = words_per_datagram(word_bytes)
    begins = np.arange(0, count, capacity, dtype=np.int64) if starts is None else np.asarray(starts, np.int64)
    sizes = np.diff(begins, append=count)
    _check_cuts(begins, sizes, capacity, count)
    if len(begins):
        _check(Header(source, first_flags, int(sizes[0]), first_word_index + count))

    stride = HEADER_BYTES + int(sizes.max(initial=0)) * word_bytes
    buffer = np.zeros((len(begins), stride), np.uint8)
    headers = np.zeros(len(begins), HEADER_DTYPE)
    headers["magic"], headers["source"] = MAGIC, source
    headers["words"], headers["first_word_index"] = sizes, first_word_index + begins
    headers["flags"][:1] = first_flags
    buffer[:, :HEADER_BYTES] = headers.view(np.uint8).reshape(-1, HEADER_BYTES)
    _fill(buffer[:, HEADER_BYTES:], data, begins * word_bytes, sizes * word_bytes)
    return DatagramBlock(buffer, HEADER_BYTES + sizes * word_bytes, first_word_index + begins, sizes)


def _check(header: Header) -> None:
    if header.flags & ~_KNOWN:
        raise WireError(f"flags are 0x{header.flags:04X}; only 0x{_KNOWN:04X} are defined")
    if header.flags & _EMPTY and header.words:
        raise WireError(f"{NativeFlag(header.flags)!r} announces {header.words} words, must have none")
    if header.source == NO_SOURCE and not header.flags & NativeFlag.REQUEST:
        raise WireError(f"source {NO_SOURCE} means none; only a request has it")
    if header.first_word_index + header.words > MAX_WORD_INDEX:
        raise WireError(f"first_word_index {header.first_word_index}: its words are numbered above {MAX_WORD_INDEX}")


def _check_cuts(begins: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], capacity: int, count: int) -> None:
    if count and (not len(begins) or begins[0] != 0):
        raise WireError("the first datagram must begin with word 0")
    if len(sizes) and (sizes.min() < 1 or sizes.max() > capacity):
        raise WireError(f"a datagram of {int(sizes.min())} to {int(sizes.max())} words; 1 to {capacity} fit")


def _fill(
    rows: npt.NDArray[np.uint8],
    data: npt.NDArray[np.uint8],
    begin: npt.NDArray[np.int64],
    size: npt.NDArray[np.int64],
) -> None:
    """Copy `data[begin[i]:begin[i] + size[i]]` into row i; the full rows before others in one copy."""
    width = rows.shape[1]
    short = np.flatnonzero(size != width)
    full = int(short[0]) if len(short) else len(size)
    rows[:full] = data[: full * width].reshape(full, width)
    for row in range(full, len(begin)):
        rows[row, : size[row]] = data[begin[row] : begin[row] + size[row]]
