"""Datagrams from a socket into slabs, without the GIL: recvmmsg in a compiled loop.

The kernel fills a few slots; each datagram is copied behind the last one in the slab, its framing read on the way while
it lies in the cache. With UDP_GRO a slot holds many datagrams of one sender that the kernel put together.
"""

from __future__ import annotations

import select
import socket
from typing import Any

import numpy as np
from numba import types
from numba.core.typing.templates import signature

from daq.model.frontend import DatagramFraming
from daq.model.kernel import kernel
from daq.model.packets import NO_SEQUENCE, Flag
from daq.storage.slab import Slab
from daq.wire.native import HEADER_BYTES
from daq.wire.native_kernel import parsed_datagram
from daq.wire.petsys_parsing import parsed_petsys

SLICE, FULL, IDLE, ERROR = range(4)
"""Why `Receiver.receive` came back: a slice of packets is there; the slab is full; nothing came; an error waits."""

UDP_GRO = 104
_SOL_UDP = 17
_SLOTS = 64
_GRO_SLOTS = 16
_STRIDE_BYTES = (64 << 10) + 1472 + 64
"""A slot takes the largest datagram; the odd distance keeps slots from falling on the same lines of the cache."""
_CONTROL_BYTES = 64
_GRO_CONTROL_BYTES = 20
_NAP_US, _LONGEST_NAP_US = 300, 1000
_NAPS_PER_SLICE = 40
"""Where slices are long, for little comes, so are naps: each costs as much as many datagrams. What comes meanwhile lies
in the socket's buffer, and bears the time at which the nap ends."""
_CLOCK_MONOTONIC = 1
_MSG_DONTWAIT = 0x40
_TROUBLE = select.POLLERR | select.POLLHUP | select.POLLNVAL


def _external(name: str, *arguments: Any) -> Any:
    """Return a function of the C library, for compiled code; all of them return an int."""
    return types.ExternalFunction(name, signature(types.int32, *arguments))  # type: ignore[no-untyped-call]


_recvmmsg = _external("recvmmsg", types.int32, types.uint64, types.uint32, types.int32, types.uint64)
_poll = _external("poll", types.uint64, types.uint64, types.int32)
_usleep = _external("usleep", types.uint32)
_clock_gettime = _external("clock_gettime", types.int32, types.uint64)

_DROPPED, _TRUNCATED, _MALFORMED = np.uint8(Flag.DROPPED), np.uint8(Flag.TRUNCATED), np.uint8(Flag.MALFORMED)
_NONE = np.uint64(NO_SEQUENCE)


_NATIVE, _PETSYS = 1, 2
_FRAMINGS: dict[DatagramFraming, int] = {"none": 0, "native": _NATIVE, "petsys-gbe": _PETSYS}
_KEEP_DATA = 3
_PACKETS, _SLOT, _FILLED, _OFFSET, _ARRIVAL, _DATAGRAMS, _CALLS, _BEGIN = range(8)
"""Elements of the state vector that the loop keeps from call to call."""


@kernel(
    "int64(int32, uint8[::1], int64[:, ::1], uint8[:, ::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    " uint8[::1], int64[::1], int64[::1], uint16[::1], uint64[::1], int64[::1], uint8[::1], uint8[:, ::1])"
)
def _receive(  # type: ignore[no-untyped-def] # noqa: PLR0912, PLR0915, C901 - one loop, for its speed
    fd, staging, messages, control, poll_fd, clock, state, settings,
    data, starts, length, source, sequence, arrival_ns, flags, header,
):  # fmt: skip
    word_bytes, native, gro, keep_data = settings[0], settings[1], settings[2], settings[3]
    slice_ns, idle_ms, slots, stride, nap_us = settings[4], settings[5], settings[6], settings[7], settings[8]
    count = state[_PACKETS]
    begin = state[_BEGIN]
    end = starts[count]
    half = False
    while True:
        while state[_SLOT] < state[_FILLED]:
            slot = state[_SLOT]
            size = messages[slot, 7] & 0xFFFFFFFF
            step = size
            if gro and messages[slot, 5] >= _GRO_CONTROL_BYTES:
                step = np.int64(control[slot, 16]) | np.int64(control[slot, 17]) << 8
            if step <= 0:
                step = max(size, 1)
            offset = state[_OFFSET]
            base = slot * stride
            head = tail = np.uint64(0)
            while True:
                carried = min(step, size - offset)
                at = base + offset
                if native == _PETSYS:
                    flag, origin, number, head, tail = parsed_petsys(staging, at, carried)
                    payload, kept = at, carried
                elif native:
                    flag, origin, number, payload, kept = parsed_datagram(staging, at, carried, word_bytes)
                else:
                    flag, origin, number, payload, kept = np.uint8(0), np.uint16(0), _NONE, at, carried
                    if carried % word_bytes:
                        flag = _TRUNCATED
                if count == starts.size - 1 or (keep_data and end + kept > data.size):
                    state[_OFFSET] = offset
                    state[_PACKETS] = count
                    return FULL
                if native == _NATIVE and flag & _MALFORMED == 0:
                    for k in range(HEADER_BYTES):
                        header[count, k] = staging[at + k]
                elif native == _PETSYS:
                    for k in range(8):
                        header[count, k] = np.uint8(head >> np.uint64(8 * k) & np.uint64(0xFF))
                        header[count, 8 + k] = np.uint8(tail >> np.uint64(8 * k) & np.uint64(0xFF))
                else:
                    for k in range(HEADER_BYTES):
                        header[count, k] = 0
                if keep_data:
                    to, origin_at = np.uint64(end), np.uint64(payload)
                    for k in range(np.uint64(kept)):
                        data[to + k] = staging[origin_at + k]
                    end += kept
                elif kept:
                    flag |= _DROPPED
                length[count] = kept
                source[count] = origin
                sequence[count] = number
                arrival_ns[count] = state[_ARRIVAL]
                flags[count] = flag
                count += 1
                starts[count] = end
                state[_DATAGRAMS] += 1
                offset += step
                if offset >= size:
                    break
            state[_SLOT] = slot + 1
            state[_OFFSET] = 0
        state[_PACKETS] = count
        _clock_gettime(np.int32(_CLOCK_MONOTONIC), np.uint64(clock.ctypes.data))
        now = clock[0] * 1_000_000_000 + clock[1]
        if count > begin:
            if now - arrival_ns[begin] >= slice_ns:
                return SLICE
            if half:
                _usleep(np.uint32(nap_us))
        for slot in range(slots):
            messages[slot, 5] = control.shape[1]
            messages[slot, 6] = 0
        got = _recvmmsg(fd, np.uint64(messages.ctypes.data), np.uint32(slots), np.int32(_MSG_DONTWAIT), np.uint64(0))
        state[_CALLS] += 1
        half = 2 * got < slots
        if got > 0:
            _clock_gettime(np.int32(_CLOCK_MONOTONIC), np.uint64(clock.ctypes.data))
            state[_ARRIVAL] = clock[0] * 1_000_000_000 + clock[1]
            state[_SLOT] = 0
            state[_FILLED] = got
            continue
        if count == begin:
            ready = _poll(np.uint64(poll_fd.ctypes.data), np.uint64(1), np.int32(idle_ms))
            if ready == 0:
                return IDLE
            if (poll_fd[0] >> 48) & _TROUBLE:
                return ERROR


class Receiver:
    """Receives from one UDP socket into slabs. Used by one thread."""

    def __init__(
        self, udp: socket.socket, framing: DatagramFraming, word_bytes: int, *, gro: bool = True,
        slice_ms: float = 5.0, idle_ms: int = 50,
    ) -> None:  # fmt: skip
        """Take over the reading of `udp`. `gro`: let the kernel put datagrams together, where it can."""
        self.gro = gro and _grows_datagrams(udp)
        slots = _GRO_SLOTS if self.gro else _SLOTS
        self._socket = udp
        self._staging = np.zeros(slots * _STRIDE_BYTES, np.uint8)
        self._control = np.zeros((slots, _CONTROL_BYTES), np.uint8)
        self._vectors = np.zeros((slots, 2), np.int64)
        self._vectors[:, 0] = self._staging.ctypes.data + _STRIDE_BYTES * np.arange(slots)
        self._vectors[:, 1] = 64 << 10
        self._messages = np.zeros((slots, 8), np.int64)
        self._messages[:, 2] = self._vectors.ctypes.data + 16 * np.arange(slots)
        self._messages[:, 3] = 1
        self._messages[:, 4] = self._control.ctypes.data + _CONTROL_BYTES * np.arange(slots)
        self._poll = np.array([udp.fileno() | select.POLLIN << 32], np.int64)
        self._clock = np.zeros(2, np.int64)
        self._state = np.zeros(8, np.int64)
        nap_us = min(_LONGEST_NAP_US, max(_NAP_US, int(slice_ms * 1000) // _NAPS_PER_SLICE))
        self._settings = np.array(
            [
                word_bytes, _FRAMINGS[framing], self.gro, True, int(slice_ms * 1e6), idle_ms, slots, _STRIDE_BYTES,
                nap_us,
            ],
            np.int64,
        )  # fmt: skip

    @property
    def datagrams(self) -> int:
        """Return the datagrams received so far."""
        return int(self._state[_DATAGRAMS])

    @property
    def calls(self) -> int:
        """Return the system calls that brought them."""
        return int(self._state[_CALLS])

    def receive(self, slab: Slab, begin: int) -> int:
        """Add datagrams to `slab`; return why it is time to look at those from number `begin` on.

        Come back after a slice of a few ms with `SLICE`, when the slab is `FULL` (call again with another one), `IDLE`
        when nothing came for 50 ms, or with `ERROR` when the socket has an error to tell.
        """
        state = self._state
        state[_PACKETS], state[_BEGIN] = slab.packets, begin
        self._settings[_KEEP_DATA] = slab.keeps_data
        why: int = _receive(  # type: ignore[no-untyped-call]
            self._socket.fileno(), self._staging, self._messages, self._control, self._poll, self._clock, state,
            self._settings, slab.data, slab.starts, slab.length, slab.source, slab.sequence, slab.arrival_ns,
            slab.flags, slab.header,
        )  # fmt: skip
        slab.packets = int(state[_PACKETS])
        return int(why)


def _grows_datagrams(udp: socket.socket) -> bool:
    try:
        udp.setsockopt(_SOL_UDP, UDP_GRO, 1)
    except OSError:  # a kernel before 5.0: plain datagrams then
        return False
    return True
