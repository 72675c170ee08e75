"""The sending loop of the blaster: sendmmsg from compiled code, the pace kept there too."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types
from numba.core.types import ExternalFunction

from daq.model.kernel import inlined, kernel

ADDRESS_WORDS = 8
"""A `struct mmsghdr` on 64-bit Linux: name and its length, vectors and theirs, control and its, flags, bytes sent."""
EAGAIN, EINTR = 11, 4
_MONOTONIC = 1


class Count(IntEnum):
    """Places in the array of counts, which is also the state between calls."""

    POSITION = 0
    DATAGRAMS = 1
    CALLS = 2
    ERRORS = 3
    AGAIN = 4
    LATENESS_NS = 5
    LAST_ERROR = 6


_POSITION, _DATAGRAMS, _CALLS, _ERRORS, _AGAIN, _LATENESS, _LAST = (int(place) for place in Count)

_sendmmsg: Any = ExternalFunction("sendmmsg", types.int32(types.int32, types.uintp, types.uint32, types.int32))
_usleep: Any = ExternalFunction("usleep", types.int32(types.uint32))
_errno: Any = ExternalFunction("__errno_location", types.CPointer(types.int32)())
_clock_gettime: Any = ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))

_WORDS = types.Array(types.uint64, 2, "C")
_INTS = types.Array(types.int64, 1, "C")


def address_of(array: npt.NDArray[np.uint64]) -> np.uint64:
    """Return where the array's bytes are."""
    return np.uint64(array.ctypes.data)


@inlined
def _now_ns(clock):  # type: ignore[no-untyped-def]
    _clock_gettime(np.int32(_MONOTONIC), clock.ctypes.data)
    return clock[0] * np.int64(1_000_000_000) + clock[1]


@inlined
def _prepare(base, stride, rows, position, ready, segments, messages, vectors, take):  # type: ignore[no-untyped-def]
    """Fill messages for up to `ready` datagrams; return how many messages and, in `take`, the datagrams of each."""
    filled = 0
    ready = min(ready, rows)  # a datagram that goes out twice must be moved on in between
    while filled < messages.shape[0] and ready > 0:
        n = min(segments, ready, rows - position)
        vectors[filled, 0] = base + np.uint64(position * stride)
        vectors[filled, 1] = np.uint64(n * stride)
        messages[filled, 2] = np.uint64(vectors.ctypes.data + filled * 16)
        messages[filled, 3] = np.uint64(1)
        take[filled] = n
        position += n
        if position == rows:
            position = 0
        ready -= n
        filled += 1
    return filled


@inlined
def _advance(rows, epoch_at, epoch_begin, epochs, words, first, n):  # type: ignore[no-untyped-def]
    """Move the datagrams just sent on by one repetition."""
    for row in range(first, first + n):
        rows[row, 0] &= ~(np.uint64(1) << np.uint64(32))
        rows[row, 1] += words
        if epochs:
            for place in range(epoch_begin[row], epoch_begin[row + 1]):
                rows[row, epoch_at[place]] += epochs


@kernel(
    types.void(
        types.int32, types.uint64, _WORDS, _INTS, _INTS, types.uint64, types.uint64, _WORDS, _WORDS, _INTS,
        types.int64, types.int64, types.int64, types.int64, types.float64, types.int64,
    )
)  # fmt: skip
def send_until(
    fd, base, rows, epoch_at, epoch_begin, epochs, words, messages, vectors, count,
    segments, began_ns, until_ns, quota, rate_per_ns, tick_us,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Send datagrams until `until_ns` of the monotonic clock or `quota` datagrams; paced where a rate is given."""
    clock = np.zeros(2, np.int64)
    take = np.zeros(messages.shape[0], np.int64)
    stride = rows.shape[1] * 8
    now = _now_ns(clock)
    while now < until_ns and count[_DATAGRAMS] < quota:
        sent = count[_DATAGRAMS]
        ready = quota - sent
        if rate_per_ns > 0.0:
            group = min(segments, ready)
            ready = min(ready, np.int64((now - began_ns) * rate_per_ns) - sent)
            due = began_ns + np.int64((sent + group) / rate_per_ns)
            if ready < group:
                _usleep(np.uint32(max(tick_us, min((due - now) // 1000, (until_ns - now) // 1000 + 1))))
                now = _now_ns(clock)
                continue
            ready -= ready % group
            count[_LATENESS] = max(count[_LATENESS], now - due)
        filled = _prepare(base, stride, rows.shape[0], count[_POSITION], ready, segments, messages, vectors, take)
        done = _sendmmsg(fd, messages.ctypes.data, np.uint32(filled), np.int32(0))
        count[_CALLS] += 1
        if done < 0:
            why = carray(_errno(), 1)[0]
            count[_LAST] = why
            if why == EAGAIN:
                count[_AGAIN] += 1
            elif why != EINTR:
                count[_ERRORS] += 1
        for message in range(done):
            _advance(rows, epoch_at, epoch_begin, epochs, words, count[_POSITION], take[message])
            count[_POSITION] = (count[_POSITION] + take[message]) % rows.shape[0]
            count[_DATAGRAMS] += take[message]
        now = _now_ns(clock)
