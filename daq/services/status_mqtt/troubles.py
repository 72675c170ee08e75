"""What goes wrong with the status itself: said once in the log, shown as an alarm, taken back when it is over."""

from __future__ import annotations

import logging
from typing import Protocol

from daq.model.station import Alarm, Priority

_LOG = logging.getLogger(__name__)
DEVICE = "mqtt"

LOST = "broker-lost"
REFUSED = "refused"
TAKEN_OVER = "taken-over"
TOO_LARGE = "message-too-large"
DROPPED = "documents-dropped"

_GUIDANCE = {
    LOST: "go on: acquisitions are recorded; displays elsewhere show nothing new. Tell whoever services the scanner",
    REFUSED: "go on: acquisitions are recorded; displays elsewhere show nothing. Tell whoever services the scanner",
    TAKEN_OVER: "go on: acquisitions are recorded; displays elsewhere may be wrong. Tell whoever services the scanner",
    TOO_LARGE: "go on: nothing is lost, all of it is beside the recording",
    DROPPED: "go on: nothing is lost, all of it is beside the recording",
}
_DETAILS = {
    LOST: "look after the broker, its address and the network",
    REFUSED: "the broker's access list must let this user write nm/v1/<scanner>/# and read its commands",
    TAKEN_OVER: "two daemons run for one scanner, or two stations have the same client_id: end one, or name it anew",
    TOO_LARGE: "raise max_packet_size of the broker; the whole document is in the recording's directory",
    DROPPED: "every document of the run is in run.jsonl in the recording's directory",
}


class AlarmBoard(Protocol):
    """Where alarms are raised; `daq.services.alarms.Alarms` is one."""

    def raise_(
        self, device: str, name: str, *, priority: Priority, text: str, guidance: str, latched: bool = True,
        details: str = "",
    ) -> Alarm:  # fmt: skip
        """Say that there is cause for an alarm."""
        ...

    def clear(self, device: str, name: str) -> None:
        """Say that the cause is gone."""
        ...


class Troubles:
    """Says each trouble once while it lasts. Without alarms it is in the log only."""

    def __init__(self, alarms: AlarmBoard | None = None) -> None:
        self._alarms = alarms
        self._present: set[str] = set()

    def come(self, name: str, text: str) -> None:
        """Say that something is wrong; again only after it was over."""
        if name in self._present:
            return
        self._present.add(name)
        _LOG.warning("MQTT: %s", text)
        if self._alarms is not None:
            self._alarms.raise_(
                DEVICE, name, priority="low", text=text, guidance=_GUIDANCE[name], latched=False, details=_DETAILS[name]
            )  # fmt: skip

    def gone(self, *names: str) -> None:
        """Say that it is over."""
        for name in self._present & set(names):
            self._present.discard(name)
            _LOG.info("MQTT: %s is over", name)
            if self._alarms is not None:
                self._alarms.clear(DEVICE, name)
