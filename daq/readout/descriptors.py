"""Ask a readout for its snapshot over the control socket: one JSON line, with the descriptor of the memory attached."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import time
from pathlib import Path

from daq.errors import DeadlineError, RefusedError, UnreachableError
from daq.model.refusal import error_of
from daq.readout.protocol import refused
from daq.readout.snapshotreader import SnapshotReader

REQUEST = b'{"do": "snapshot"}\n'
_MOST_LINE_BYTES = 16 << 20
_MOST_DESCRIPTORS = 8
_CHUNK_BYTES = 65_536


def receive_snapshot(path: Path, *, deadline_s: float = 5.0) -> SnapshotReader:
    """Return the snapshot of the readout whose control socket is at `path`.

    Raises `UnreachableError` or `DeadlineError` when nobody answers, what the readout raised when it refuses,
    `RefusedError` when it answers without a descriptor, and `FormatError` when what came is no snapshot.
    """
    descriptors: list[int] = []
    try:
        answer = json.loads(_exchange(path, deadline_s, descriptors))
        if isinstance(answer, dict) and refused(answer):
            raise error_of(answer)
        if not descriptors:
            raise RefusedError(f"the readout at {path} gives no snapshot: its answer carries no descriptor")
        return SnapshotReader(descriptors.pop(0))
    except BlockingIOError:
        raise DeadlineError(f"the readout at {path} does not answer: too many are waiting for it already") from None
    except TimeoutError:
        raise DeadlineError(f"the readout at {path} did not answer within {deadline_s:g} s") from None
    except (OSError, ValueError) as why:
        raise UnreachableError(f"no readout answers at {path} ({why})") from None
    finally:
        for fd in descriptors:
            os.close(fd)


def _exchange(path: Path, deadline_s: float, descriptors: list[int]) -> bytes:
    """Return the line that answers a request for the snapshot; what came with it is added to `descriptors`."""
    deadline = time.monotonic() + deadline_s
    line = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(deadline_s)
        client.connect(str(path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # turned away: it was said why
            client.sendall(REQUEST)
        while not line.endswith(b"\n") and len(line) <= _MOST_LINE_BYTES:
            client.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = _receive(client, descriptors)
            if not chunk:
                break
            line += chunk
    return bytes(line)


def _receive(client: socket.socket, descriptors: list[int]) -> bytes:
    """Return the next bytes; descriptors are closed on exec, which `socket.recv_fds` of Python 3.11 leaves out."""
    room = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
    chunk, extra, _, _ = client.recvmsg(_CHUNK_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received = array.array("i")
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
            descriptors.extend(received)
    return chunk
