"""An instrument that answers from a recording of `daq profile record`, in the test's own time."""

from __future__ import annotations

from collections import defaultdict

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.session import Session
from daq.errors import DeadlineError
from daq.model.control import ControlProfile
from daq.model.controlrecord import ControlRecord, Exchanged
from daq.wire.control.codecs import codec_of


class ReplayLink:
    """A `Link` that knows requests by their bytes: each gets the answers that it got then, in turn, the last one again.

    Made for protocols whose requests bear no number. What was never asked is not answered.
    """

    def __init__(self, record: ControlRecord) -> None:
        self.connection = self.dropped_bytes = 0
        self.is_open = False
        self.now_s = 0.0
        self.unknown: list[bytes] = []
        self._answers: dict[bytes, list[list[bytes]]] = defaultdict(list)
        self._coming: list[bytes] = []
        for line in record.lines:
            if isinstance(line, Exchanged):
                self._answers[bytes.fromhex(line.sent)].append([bytes.fromhex(part) for part in line.got])

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def open(self, within_s: float) -> None:
        del within_s
        self.is_open, self.connection = True, self.connection + 1

    async def close(self) -> None:
        self.is_open = False

    async def write(self, data: bytes, within_s: float) -> None:
        del within_s
        answers = self._answers.get(data)
        if answers is None:
            self.unknown.append(data)
            return
        self._coming += answers.pop(0) if len(answers) > 1 else answers[0]

    async def read(self, within_s: float) -> bytes:
        if not self._coming:
            self.now_s += within_s
            raise DeadlineError("nothing came")
        return self._coming.pop(0)

    def waiting(self) -> bytes:
        return b""


def replayed(profile: ControlProfile, record: ControlRecord) -> tuple[Instrument, ReplayLink]:
    """Return the recorded instrument as it answered then."""
    link = ReplayLink(record)
    session = Session("it", profile, link, codec_of(profile), variables=record.head.variables,
                      clock=link.clock, sleep=link.sleep)  # fmt: skip
    return Instrument(session), link
