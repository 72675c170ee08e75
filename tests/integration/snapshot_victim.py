"""A writer of snapshots to be killed: publishes at full speed; each publication consists of its own number."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

import numpy as np

from daq.readout.snapshot import SnapshotWriter
from daq.readout.snapshotformat import array, text

LENGTH = 50_000


def values(number: int) -> dict[str, Any]:
    return {"a": np.full(LENGTH, number, "u8"), "b": np.full(3, number, "i4"), "t": f"number {number}"}


def main(peer: int, what: str, publications: int) -> None:
    writer = SnapshotWriter(
        [array("a", "g", "u8", LENGTH), array("b", "g", "i4", 3), text("t", "g", most_bytes=40)], about={"by": "victim"}
    )
    writer.publish("g", values(1))
    with socket.socket(fileno=peer) as parent:
        socket.send_fds(parent, [b"{}\n"], [writer.duplicate()])
        parent.recv(1)
    number = 2
    while number <= publications:
        number = writer.publish("g", values(number)) + 1
    if what == "dies in the middle":
        group = writer._directory.groups["g"]
        slot = group.slots[number % 2]
        writer._words[slot // 8] = number
        writer._bytes[slot + 128 : slot + 128 + 4 * LENGTH] = 0xAA
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "closes":
        writer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
