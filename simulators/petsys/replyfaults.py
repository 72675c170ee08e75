"""Replies that come late, twice, for another command or never, and ASICs that do not answer as they should."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from daq.wire.petsys import MAX_SERIAL, Reply, encode_reply
from daq.wire.petsys_config import AsicStatus
from simulators.faults.board import FaultBoard
from simulators.faults.network import Fault

_ASIC = {"asic-acknowledge": AsicStatus.BAD_ACKNOWLEDGE, "asic-checksum": AsicStatus.BAD_CHECKSUM}


class ReplyFaults:
    """Draws for each reply; `counts` says what happened."""

    def __init__(self, board: FaultBoard) -> None:
        self.counts: Counter[str] = Counter()
        self._board = board
        self._rngs: dict[int, np.random.Generator] = {}

    def asic_status(self) -> AsicStatus:
        """Return what the next command to an ASIC is answered with; OK: what it deserves."""
        for kind, status in _ASIC.items():
            if self._hit(kind):
                return status
        return AsicStatus.OK

    def sent(self, reply: Reply) -> list[tuple[float, bytes]]:
        """Return datagrams with the seconds after which they go."""
        if not self._board.active:
            return [(0.0, encode_reply(reply))]
        if self._hit("reply-lost"):
            return []
        if self._hit("reply-other"):
            reply = replace(reply, serial=reply.serial + 1 & MAX_SERIAL)
        late = self._hit("reply-late")
        after_s = (late.spec.for_s or 0.0) if late else 0.0
        return [(after_s, encode_reply(reply))] * (2 if self._hit("reply-twice") else 1)

    def _hit(self, kind: str) -> Fault | None:
        if not self._board.active:
            return None
        for fault in self._board.faults("udp"):
            if fault.spec.kind == kind:
                rng = self._rngs.setdefault(fault.number, np.random.default_rng([self._board.seed, fault.number]))
                if rng.random() < (fault.spec.share or 0.0):
                    self.counts[kind] += 1
                    return fault
        return None
