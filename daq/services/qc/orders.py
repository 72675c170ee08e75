"""What is to be analysed: an order, and the orders that are owed, each in a file until its result is in the books."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from daq.storage.files import StorageFiles

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """A test, and what it is to be made of: recordings in order, or what was entered, by whom and of when (UTC).

    `source`: serial of one of the register; empty where the recordings say it, or none was used.
    """

    test: str
    recordings: tuple[Path, ...] = ()
    entries: Mapping[str, Any] = field(default_factory=dict)
    performed: str = ""
    by: str = ""
    comment: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        """Return a name for files."""
        told = json.dumps([self.test, [path.name for path in self.recordings], dict(self.entries), self.performed])
        return f"{self.test}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


class Orders:
    """The orders that are owed. A disk that refuses costs the memory of an order over a restart, nothing else."""

    def __init__(self, folder: Path, *, files: StorageFiles | None = None) -> None:
        self._folder, self._files = folder, files or StorageFiles()

    def owe(self, order: Order) -> None:
        """Remember an order durably."""
        told = {**asdict(order), "recordings": [str(path) for path in order.recordings]}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._files.rename_durably(json.dumps(told).encode(), self._file(order))
        except OSError as why:
            _LOG.warning("%s: after a restart %s would not be analysed: %s", self._folder, order.test, why.strerror)

    def drop(self, order: Order) -> None:
        """Forget an order: it was done, or there is nothing to do."""
        try:
            self._file(order).unlink(missing_ok=True)
        except OSError as why:
            _LOG.warning("%s: %s is done, and cannot be forgotten: %s", self._folder, order.test, why.strerror)

    def owed(self) -> list[Order]:
        """Return what is owed; a file that is none is left where it is, and said in the log."""
        found = []
        for file in sorted(self._folder.glob("*.json")):
            try:
                told = json.loads(file.read_bytes())
                found.append(Order(**{**told, "recordings": tuple(map(Path, told["recordings"]))}))
            except (OSError, ValueError, KeyError, TypeError) as why:
                _LOG.warning("%s is no order of an analysis: %s", file, why)
        return found

    def _file(self, order: Order) -> Path:
        return self._folder / f"{order.name}.json"
