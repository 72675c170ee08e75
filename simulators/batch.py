"""Many datagrams per system call: `sendmmsg` of Linux, without the GIL."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import time

import numpy as np
import numpy.typing as npt

from simulators.plan import Plan

BATCH = 64
_IP_RECVERR = 11
_NOBUFS_PAUSE_S = 0.001

_IOVEC = np.dtype([("base", "u8"), ("length", "u8")])
_MMSGHDR = np.dtype(
    [
        ("name", "u8"), ("namelen", "u4"), ("pad0", "u4"), ("iov", "u8"), ("iovlen", "u8"),
        ("control", "u8"), ("controllen", "u8"), ("flags", "i4"), ("pad1", "u4"), ("sent", "u4"), ("pad2", "u4"),
    ]
)  # fmt: skip
"""`struct iovec` and `struct mmsghdr` of 64-bit Linux."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]


class PeerGoneError(Exception):
    """The receiver went away in the middle of a run."""


def report_errors(udp: socket.socket) -> None:
    """Let the kernel tell this unconnected socket when nobody listens at the peer's port."""
    udp.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def forget_errors(udp: socket.socket) -> None:
    """Drop errors that belong to a peer of before."""
    while True:
        try:
            udp.recvmsg(0, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            break
    udp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def refused_by(udp: socket.socket) -> set[tuple[str, int]]:
    """Return where nobody listened to what was sent, as far as the kernel was told since the last call."""
    peers: set[tuple[str, int]] = set()
    while True:
        try:
            _, _, _, peer = udp.recvmsg(0, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            return peers
        peers.add((str(peer[0]), int(peer[1])))


def places_of(plan: Plan) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the addresses and lengths of a plan's datagrams in the order of sending; the plan keeps their memory."""
    count = len(plan.order.part)
    address, length = np.zeros(count, np.uint64), np.zeros(count, np.int64)
    for index, part in enumerate(plan.parts):
        rows = np.flatnonzero(plan.order.part == index)
        block = part.datagrams
        if block is None:
            continue
        packets = plan.order.packet[rows]
        address[rows] = block.buffer.ctypes.data + packets * block.buffer.strides[0]
        length[rows] = block.length[packets]
    return address, length


class BatchSender:
    """Sends datagrams that lie anywhere in memory to one peer (an IPv4 address); the caller keeps the memory.

    `address` and `length` [n], or [n, k] where each datagram is put together from k pieces.
    """

    def __init__(
        self,
        udp: socket.socket,
        peer: tuple[str, int],
        address: npt.NDArray[np.uint64],
        length: npt.NDArray[np.int64],
    ) -> None:
        self._udp = udp
        packed = struct.pack("=H", socket.AF_INET) + struct.pack("!H", peer[1]) + socket.inet_aton(peer[0]) + bytes(8)
        self._address = np.frombuffer(packed, np.uint8)
        count, pieces = len(address), address.shape[1] if address.ndim > 1 else 1
        self._vectors = np.zeros(address.shape, _IOVEC)
        self._vectors["base"], self._vectors["length"] = address, length
        self._headers = np.zeros(count, _MMSGHDR)
        self._headers["name"], self._headers["namelen"] = self._address.ctypes.data, len(packed)
        self._headers["iov"] = self._vectors.ctypes.data + np.arange(count) * (pieces * _IOVEC.itemsize)
        self._headers["iovlen"] = pieces

    def send(self, begin: int, stop: int) -> int:
        """Send datagrams `begin` to `stop` and return how many left; raise `PeerGoneError` when nobody listens."""
        place = self._headers.ctypes.data + begin * _MMSGHDR.itemsize
        sent = _LIBC.sendmmsg(self._udp.fileno(), place, min(stop - begin, BATCH), 0)
        if sent >= 0:
            return int(sent)
        code = ctypes.get_errno()
        if code == errno.ECONNREFUSED:
            raise PeerGoneError("nobody listens at its port any more")
        if code not in (errno.ENOBUFS, errno.EAGAIN, errno.EINTR):
            raise PeerGoneError(os.strerror(code))
        time.sleep(_NOBUFS_PAUSE_S)
        return 0
