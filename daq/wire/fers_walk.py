"""Where events of a FERS-5200 board begin and end in a stream of bytes; compiled.

An event is taken for one when it begins with the mark of its protocol, says a size that its kind can have, ends where
it says it does and, where it holds amplitudes, has as many words as its channels need. What is none of that is skipped
up to the next event: one whose length lies costs itself alone, even where it claims those behind it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from daq.model import fers as f
from daq.model.bits import ones
from daq.model.kernel import kernel, spliced

UNKNOWN, NEW, OLD = 0, 1, 2
"""Which protocol a stream has: known from the first event on."""
GOOD, BAD = 0, 1
"""What a span holds: whole events, or bytes that are none."""
MOST_SPAN_BYTES = 64 * 1024

_NO_EVENT, _EVENT, _WAIT = 0, 1, 2
_OLD_OVERHEAD = f.OLD_HEADER_BYTES + f.OLD_GROUP_BYTES
_NEW_OVERHEAD = f.HEADER_BYTES + f.WORD_BYTES
_SLACK_WORDS = _NEW_OVERHEAD // f.WORD_BYTES - 1
"""Words that may follow the amplitudes: fewer than the smallest event has."""
_MASK_WORDS = 2
_MOST_SERVICE_WORDS = 5 + f.RATES + _SLACK_WORDS
_MOST_COUNTING_WORDS = 1 + f.RATES + _SLACK_WORDS
_MOST_SPECTROSCOPY_WORDS = 1 + _MASK_WORDS + f.CHANNELS + _SLACK_WORDS


@spliced
def _u32(data: Any, at: Any) -> Any:
    """Return the little-endian number of 32 bits at a byte."""
    return (
        np.int64(data[at]) | np.int64(data[at + 1]) << 8 | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24
    )


@spliced
def _most_words(qualifier: Any) -> Any:
    """Return the words that the payload of an event can have at most."""
    if qualifier == f.SERVICE:
        return _MOST_SERVICE_WORDS
    if qualifier in (f.TEST, f.START_EVENT):
        return f.MOST_TEST_WORDS
    mode = qualifier & f.MODE_MASK
    if mode == f.SPECTROSCOPY:
        return _MOST_SPECTROSCOPY_WORDS
    return _MOST_COUNTING_WORDS if mode == f.COUNTING else f.MOST_PAYLOAD_WORDS


@spliced
def _fits(data: Any, at: Any, end: Any, qualifier: Any, words: Any) -> Any:
    """Return whether an event has room for the channels in its mask; True while the mask is not there yet."""
    mode = qualifier & f.MODE_MASK
    if mode not in (f.SPECTROSCOPY, f.SPECTROSCOPY_TIMING):
        return True
    mask_word = 1 if qualifier & f.RELATIVE_TIME else 0
    if words < mask_word + _MASK_WORDS:
        return False
    mask = at + f.HEADER_BYTES + mask_word * f.WORD_BYTES
    if mask + _MASK_WORDS * f.WORD_BYTES > end:
        return True
    channels = ones(_u32(data, mask)) + ones(_u32(data, mask + f.WORD_BYTES))
    needed = mask_word + _MASK_WORDS + (channels if qualifier & f.BOTH_GAINS else (channels + 1) // 2)
    return words >= needed and (mode == f.SPECTROSCOPY_TIMING or words <= needed + _SLACK_WORDS)


@spliced
def _new_event(data: Any, at: Any, end: Any) -> Any:
    """Judge what begins with the mark of the new protocol; return the verdict and the bytes of the event."""
    if at + 2 * f.WORD_BYTES > end:
        return _WAIT, 0
    head = _u32(data, at + f.WORD_BYTES)
    words, qualifier = head & 0xFFFFFF, head >> 24
    if words > _most_words(qualifier) or not _fits(data, at, end, qualifier, words):
        return _NO_EVENT, 0
    size = _NEW_OVERHEAD + words * f.WORD_BYTES
    if at + size > end:
        return _WAIT, 0
    return (_EVENT, size) if _u32(data, at + size - f.WORD_BYTES) == f.END else (_NO_EVENT, 0)


@spliced
def _old_event(data: Any, at: Any, end: Any) -> Any:
    """Judge what begins with the mark of the old protocol."""
    if at + 2 * f.OLD_GROUP_BYTES > end:
        return _WAIT, 0
    words = np.int64(data[at + 14]) << 8 | np.int64(data[at + 15])
    if words > _most_words(np.int64(data[at + 12])):
        return _NO_EVENT, 0
    groups = (words * f.WORD_BYTES + f.OLD_PAYLOAD_BYTES - 1) // f.OLD_PAYLOAD_BYTES
    size = _OLD_OVERHEAD + groups * f.OLD_GROUP_BYTES
    if at + size > end:
        return _WAIT, 0
    return (_EVENT, size) if data[at + size - f.OLD_GROUP_BYTES] == f.OLD_TRAILER else (_NO_EVENT, 0)


@spliced
def _judge(data: Any, at: Any, end: Any, protocol: Any) -> Any:
    """Judge what is at a byte; return the verdict, the bytes of the event and its protocol."""
    if at + f.WORD_BYTES > end:
        return _WAIT, 0, protocol
    mark = _u32(data, at)
    if mark == f.START and protocol != OLD:
        verdict, size = _new_event(data, at, end)
        return verdict, size, NEW
    if mark == f.OLD_START and protocol != NEW:
        verdict, size = _old_event(data, at, end)
        return verdict, size, OLD
    return _NO_EVENT, 0, protocol


@spliced
def _next_event(data: Any, at: Any, end: Any, protocol: Any, final: Any) -> Any:
    """Return where behind `at` the next event begins, or what may become one; else `end`, or what a span can hold."""
    limit = min(end, at + MOST_SPAN_BYTES)
    for begin in range(at + 1, limit):
        verdict, _, _ = _judge(data, begin, end, protocol)
        if verdict == _EVENT or (verdict == _WAIT and not final):
            return begin
    return limit


def _frozen(kind: Any) -> Any:
    return types.Array(kind, 1, "C", readonly=True)


@kernel(
    types.UniTuple(types.int64, 4)(  # type: ignore[no-untyped-call]
        _frozen(types.uint8), types.int64, types.int64, types.int64, types.boolean, types.int64[:, ::1]
    )
)
def spans(data: Any, begin: Any, end: Any, protocol: Any, final: Any, out: Any) -> Any:
    """Cut bytes `begin` to `end` into spans of whole events and of bytes that are none, as long as `out` has room.

    `out` int64 [4, room]: first byte, byte behind the last, GOOD or BAD, events. Return how many spans, the byte up to
    which is cut, the protocol, and whether what is left is only waiting for more bytes (1) or for room (0). With
    `final` nothing waits: what is left then ends in the middle of an event.
    """
    count, at = 0, begin
    while count < out.shape[1] - 1:
        first, events = at, 0
        verdict, size, kind = _judge(data, at, end, protocol)
        while verdict == _EVENT and at + size - first <= MOST_SPAN_BYTES:
            at += size
            events += 1
            protocol = kind
            verdict, size, kind = _judge(data, at, end, protocol)
        if events:
            out[0, count], out[1, count], out[2, count], out[3, count] = first, at, GOOD, events
            count += 1
        if verdict == _EVENT:
            continue
        if at == end or (verdict == _WAIT and not final):
            return count, at, protocol, 1
        following = _next_event(data, at, end, protocol, final)
        if following == end and final and verdict == _WAIT:
            return count, at, protocol, 1
        verdict, _, _ = _judge(data, following, end, protocol)
        if verdict != _EVENT and not final and following - at < MOST_SPAN_BYTES:
            return count, at, protocol, 1  # the next event, which ends this, is not whole yet
        out[0, count], out[1, count], out[2, count], out[3, count] = at, following, BAD, 0
        count += 1
        at = following
    return count, at, protocol, 0
