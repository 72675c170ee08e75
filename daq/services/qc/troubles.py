"""What the books raise alarms about: the database, the disk, documents that were changed, clocks."""

from __future__ import annotations

from collections.abc import Sequence

from daq.errors import ScandaqError
from daq.model.station import Priority
from daq.services.alarms import Alarms
from daq.services.qc.renewal import Renewed

DEVICE = "qc"
_MOST_NAMED = 3


class Troubles:
    """Alarms of the books; without a station's alarms nobody hears of them."""

    def __init__(self, alarms: Alarms | None) -> None:
        self._alarms = alarms

    def database(self, why: ScandaqError, waiting: int) -> None:
        """Say that the database does not answer."""
        self._say(
            "database", f"{why}; {waiting} documents wait, others are read from the files of the last 400 days",
            "Quality control goes on: results are kept as files. Look at the database of the catalogue; they are "
            "entered when it answers.", latched=False,
        )  # fmt: skip

    def database_answers(self) -> None:
        """Say that it does."""
        self._over("database")

    def disk(self, why: str, unwritten: int) -> None:
        """Say that documents cannot be written."""
        self._say(
            "disk", f"{unwritten} documents of quality control are in memory alone: {why}",
            "Make room on the disk of the state folder, or mend it: they are written as soon as that can be. "
            "Do not restart the daemon before.", latched=False, priority="high",
        )  # fmt: skip

    def disk_takes(self) -> None:
        """Say that they are written."""
        self._over("disk")

    def renewed(self, found: Renewed) -> None:
        """Say which documents are left out, and which were changed."""
        if found.problems:
            self.changed(f"{len(found.problems)} documents are left out: {_few(list(found.problems.values()))}")
        else:
            self._over("documents")
        if found.altered:
            self._say(
                "altered", f"the files of {_few(found.altered)} say something else than before, with a new hash",
                "Their signatures do not hold any more. Find out who changed them. Acknowledge.",
            )  # fmt: skip
            self._over("altered")
        if found.taken:
            self.taken(found.taken)

    def changed(self, text: str) -> None:
        """Say that documents are damaged or were altered."""
        self._say(
            "documents", text,
            "Somebody or a fault of the disk changed it. Bring the file back from a backup and restart the daemon.",
        )  # fmt: skip

    def taken(self, ids: Sequence[str]) -> None:
        """Say that another station's document has the id of one of this station's."""
        self._say(
            "taken", f"another station keeps other documents of the same name: {_few(ids)}",
            "Two stations of one database must have different names in their site files. Acknowledge.",
        )  # fmt: skip
        self._over("taken")

    def clock(self, doubt: str) -> None:
        """Say that a document is dated in the future."""
        self._say(
            "clock", f"a document of quality control is {doubt}",
            "Set the clock of this host, or of what stated the time; strike the result where its time is wrong.",
        )  # fmt: skip
        self._over("clock")

    def _say(self, name: str, text: str, guidance: str, *, latched: bool = True, priority: Priority = "medium") -> None:
        if self._alarms is not None:
            self._alarms.raise_(DEVICE, name, priority=priority, text=text, guidance=guidance, latched=latched)

    def _over(self, name: str) -> None:
        if self._alarms is not None:
            self._alarms.clear(DEVICE, name)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return "; ".join(names[:_MOST_NAMED]) + more
