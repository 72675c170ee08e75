"""Hand the memory of a snapshot over the control socket: one JSON line, with the descriptor attached."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daq.errors import DeadlineError, RefusedError, UnreachableError
from daq.readout.snapshotreader import SnapshotReader

REQUEST = b'{"do": "snapshot"}\n'
_MOST_LINE_BYTES = 64 * 1024
_MOST_DESCRIPTORS = 8
_CHUNK_BYTES = 4096


def send_descriptor(client: socket.socket, fd: int, answer: Mapping[str, Any]) -> None:
    """Send `answer` as one line of JSON, a copy of `fd` attached to its first byte. `fd` stays ours to close."""
    line = json.dumps(answer).encode() + b"\n"
    sent = socket.send_fds(client, [line], [fd])
    if sent < len(line):  # to send nothing fails, too, where the client has read all and gone
        client.sendall(line[sent:])


def receive_snapshot(path: Path, *, deadline_s: float = 5.0) -> SnapshotReader:
    """Return the snapshot of the readout whose control socket is at `path`.

    Raises `UnreachableError` or `DeadlineError` when nobody answers, `RefusedError` with the readout's words when it
    has none to give, `FormatError` when what came is no snapshot.
    """
    descriptors: list[int] = []
    try:
        answer = json.loads(_exchange(path, deadline_s, descriptors))
        if not isinstance(answer, dict) or not descriptors:
            why = answer.get("error") if isinstance(answer, dict) else None
            raise RefusedError(f"the readout at {path} gives no snapshot: {why or 'its answer carries no descriptor'}")
        return SnapshotReader(descriptors.pop(0))
    except TimeoutError:
        raise DeadlineError(f"the readout at {path} did not answer within {deadline_s:g} s") from None
    except (OSError, ValueError) as why:
        raise UnreachableError(f"no readout answers at {path} ({why})") from None
    finally:
        for fd in descriptors:
            with contextlib.suppress(OSError):
                os.close(fd)


def _exchange(path: Path, deadline_s: float, descriptors: list[int]) -> bytes:
    """Return the line that answers a request for the snapshot; what came with it is added to `descriptors`."""
    deadline = time.monotonic() + deadline_s
    line = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(deadline_s)
        client.connect(str(path))
        client.sendall(REQUEST)
        while not line.endswith(b"\n") and len(line) <= _MOST_LINE_BYTES:
            client.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = _receive(client, descriptors)
            if not chunk:
                break
            line += chunk
    return line


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
