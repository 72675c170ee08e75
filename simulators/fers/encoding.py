"""Events as the bytes of the stream.

Source: CAEN FERSlib 1.3.0, `src/FERS_readout.c`: `eth_usb_ReadRawEvent` for the frame of an event,
`FERS_DecodeEvent_5202` for what is in it. All words are little-endian; of a mask of 64 channels the high word is first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

START, END = 0x82000000, 0xF1000000
HEADER_WORDS = 6
WORD_BYTES = 4
SPECTROSCOPY, TIMING, COUNTING, START_EVENT, SERVICE = 0x01, 0x02, 0x04, 0x0F, 0x2F
BOTH_GAINS, RELATIVE_TIME = 0x10, 0x80
TIMING_MODE_SHIFT = 4
LOW_GAIN_MARK, CHARGE_MARK = 1 << 14, 1 << 15
REFERENCE_MARK = 1 << 31
T_OR, Q_OR = 64, 65

Words = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_OLD_START = b"\x81" + bytes(7)
_OLD_PIECE = 7


def frame(qualifier: int, number: int, ticks: int, payload: Words) -> Words:
    """Return one event: its header, its payload, its end."""
    return frames(qualifier, np.array([number]), np.array([ticks]), np.array([len(payload)]), payload)


def frames(qualifier: int, numbers: Ints, ticks: Ints, lengths: Ints, payload: Words) -> Words:
    """Return events [n] of one kind; `payload` holds theirs one after the other, `lengths` words each."""
    if not len(numbers):
        return np.empty(0, np.uint32)
    ends = np.cumsum(lengths + HEADER_WORDS + 1)
    words = np.empty(int(ends[-1]), np.uint32)
    starts = ends - lengths - HEADER_WORDS - 1
    header = _header(qualifier, numbers, ticks, lengths)
    if len(lengths) and (lengths == lengths[0]).all():
        table = words.reshape(len(numbers), -1)
        table[:, :HEADER_WORDS] = header
        table[:, HEADER_WORDS:-1] = payload.reshape(len(numbers), -1)
        table[:, -1] = END
        return words
    for k in range(HEADER_WORDS):
        words[starts + k] = header[:, k]
    before = np.cumsum(lengths) - lengths
    words[np.arange(len(payload)) + np.repeat(starts + HEADER_WORDS - before, lengths)] = payload
    words[ends - 1] = END
    return words


def _header(qualifier: int, numbers: Ints, ticks: Ints, lengths: Ints) -> Words:
    header = np.empty((len(numbers), HEADER_WORDS), np.uint32)
    header[:, 0] = START
    header[:, 1] = (qualifier << 24 | lengths).astype(np.uint32)
    for at, value in ((2, numbers), (4, ticks)):
        header[:, at] = (value & 0xFFFFFFFF).astype(np.uint32)
        header[:, at + 1] = (value >> 32 & 0xFFFFFF).astype(np.uint32)
    return header


def mask_words(present: Bools) -> Words:
    """Return a mask [n, 64] as two words each, the high one first."""
    packed = np.packbits(present, axis=1, bitorder="little").view("<u4").reshape(len(present), 2)
    return np.ascontiguousarray(packed[:, ::-1], np.uint32)


def both_gains(present: Bools, high: Ints, low: Ints, fired: Bools) -> tuple[Words, Ints]:
    """Return the amplitudes [n, 64] of the channels that are present, a word each, and the words of each event."""
    words = (high | fired * CHARGE_MARK | low << 16).astype(np.uint32)
    return words[present], present.sum(axis=1)


def one_gain(present: Bools, value: Ints, is_low: Bools, fired: Bools) -> tuple[Words, Ints]:
    """Return amplitudes [n, 64], two in a word, the first in its low half; an odd one leaves the last half empty."""
    halves = (value | is_low * LOW_GAIN_MARK | fired * CHARGE_MARK).astype(np.uint16)
    counts = present.sum(axis=1)
    lengths = (counts + 1) // 2
    if (counts % 2 == 0).all():
        return np.ascontiguousarray(halves[present]).view("<u4").astype(np.uint32), lengths
    places = np.repeat(2 * (np.cumsum(lengths) - lengths) - (np.cumsum(counts) - counts), counts)
    packed = np.zeros(2 * int(lengths.sum()), np.uint16)
    packed[np.arange(int(counts.sum())) + places] = halves[present]
    return packed.view("<u4").astype(np.uint32), lengths


def old_protocol(words: Words, said: Words | None = None) -> bytes:
    """Return events in the older frame: big-endian, seven bytes of payload in eight, their number at the end.

    `said` are the same words with other lengths in their headers than the events have.
    """
    out, at = [], 0
    said = words if said is None else said
    while at < len(words):
        length = int(words[at + 1]) & 0xFFFFFF
        head = said[at : at + HEADER_WORDS].tolist()
        payload = words[at + HEADER_WORDS : at + HEADER_WORDS + length].astype(">u4").tobytes()
        pieces = [payload[k : k + _OLD_PIECE].ljust(_OLD_PIECE, b"\0") for k in range(0, len(payload), _OLD_PIECE)]
        out += [
            _OLD_START, bytes(4), head[1].to_bytes(4, "big"),
            (head[3] << 32 | head[2]).to_bytes(8, "big"), (head[5] << 32 | head[4]).to_bytes(8, "big"),
            *(b"\0" + piece for piece in pieces), (0xC0000000 << 32 | len(pieces)).to_bytes(8, "big"),
        ]  # fmt: skip
        at += HEADER_WORDS + length + 1
    return b"".join(out)
