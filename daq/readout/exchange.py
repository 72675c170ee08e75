"""Command and reply on the socket that carries the data: a reply is told from data by a rule, mask and value."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

import numpy as np

from daq.errors import DeadlineError, RefusedError, UsageError
from daq.model.packets import Flag, Packets

_MOST_PENDING = 8


@dataclass(frozen=True, slots=True)
class Match:
    """A datagram is the reply when its bytes from `offset` on, under `mask`, are `value`."""

    offset: int
    mask: bytes
    value: bytes

    def __post_init__(self) -> None:
        """Refuse a rule that cannot be kept."""
        if len(self.mask) != len(self.value) or not self.mask or self.offset < 0:
            raise UsageError(f"match: mask of {len(self.mask)} bytes, value of {len(self.value)}, offset {self.offset}")
        if any(v & ~m & 0xFF for m, v in zip(self.mask, self.value, strict=True)):
            raise UsageError("match: the value has bits outside the mask, nothing can fit")

    def fits(self, datagram: bytes) -> bool:
        """Tell whether `datagram` is the reply."""
        part = datagram[self.offset : self.offset + len(self.mask)]
        return len(part) == len(self.mask) and all(
            byte & m == v for byte, m, v in zip(part, self.mask, self.value, strict=True)
        )


@dataclass(slots=True, eq=False)
class _Pending:
    match: Match
    replies: queue.SimpleQueue[bytes] = field(default_factory=queue.SimpleQueue)
    answered: bool = False
    """A second reply is none: it is left as it is, malformed and counted."""


class Exchanges:
    """Waits for replies among datagrams that break the framing of data. The reply stays in the raw stream, flagged."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []
        self._lock = threading.Lock()

    def expect(self, match: Match) -> _Pending:
        """Look out for a reply from here on; call before the command is sent."""
        with self._lock:
            if len(self._pending) >= _MOST_PENDING:
                raise RefusedError(f"{_MOST_PENDING} exchanges wait for a reply already")
            pending = _Pending(match)
            self._pending.append(pending)
            return pending

    def reply(self, pending: _Pending, deadline_s: float) -> bytes:
        """Return the reply, or raise `DeadlineError`; either way it is no longer looked out for."""
        try:
            return pending.replies.get(timeout=deadline_s)
        except queue.Empty:
            raise DeadlineError(f"the front end did not answer within {deadline_s:g} s") from None
        finally:
            with self._lock:
                self._pending.remove(pending)

    def look_at(self, packets: Packets) -> None:
        """Find replies among malformed packets and flag them `PREAMBLE`: bytes of the protocol that are no words."""
        if not self._pending:
            return
        kept_whole = packets.flags & int(Flag.MALFORMED | Flag.DROPPED) == int(Flag.MALFORMED)
        for index in np.flatnonzero(kept_whole).tolist():
            start = int(packets.offset[index])
            datagram = packets.data[start : start + int(packets.length[index])].tobytes()
            with self._lock:
                found = next((p for p in self._pending if not p.answered and p.match.fits(datagram)), None)
            if found is not None:
                found.answered = True
                packets.flags[index] = int(Flag.PREAMBLE)
                found.replies.put(datagram)
