"""What is kept of a run beside its list mode: the run documents, the ledger on the bus, the line in the catalogue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daq.errors import ScandaqError
from daq.model.station import DAEMON, Announcement, RunLedger, StationStatus
from daq.model.windowchange import WindowChange
from daq.services.acquisition.papers import Papers
from daq.services.acquisition.progress import DEVICE
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bus import Bus
from daq.services.rundocuments import RunDocuments
from daq.state.acquisition import RECORDING, State
from daq.storage.listing import load_manifest

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest

_LOG = logging.getLogger(__name__)
_APPEARS_S = 30.0
_LAST_S = 1.0
_LOOK_S = 0.25
_EXIT: dict[State, Literal["success", "abort", "fail"]] = {
    State.COMPLETED: "success",
    State.ABORTED: "abort",
    State.INTERRUPTED: "fail",
    State.FAULT: "fail",
}


class Records:
    """Keeps the records of one run. `begin` or `resume` first, `end` when the recording is sealed or lost."""

    def __init__(
        self, bus: Bus, alarms: Alarms, audit: Audit, *, identity: str, directory: Path, fields: Mapping[str, Any],
        papers: Papers, begun: Callable[[], None], changed: Sequence[WindowChange] = (),
    ) -> None:  # fmt: skip
        """`fields` go into the start document; `begun` is called once the recording's directory is there.

        `changed`: energy windows that are others from the beginning than the protocol says.
        """
        self._changed = changed
        self._begun = begun
        self.papers = papers
        self._filing: asyncio.Task[bool] | None = None
        self._bus, self._alarms, self._audit = bus, alarms, audit
        self._identity, self._directory = identity, directory
        self._documents = RunDocuments(directory, bus, identity, fields, trouble=self._trouble)
        self._listening = ExitStack()
        self._step = 0
        self._name = ""

    def begin(self) -> None:
        """Begin the documents; their file appears when the recording does."""
        self._documents.open()
        self.windows(self._changed)
        self._listen()

    def windows(self, changes: Sequence[WindowChange]) -> None:
        """Note energy windows that are others in this exam than its protocol says."""
        for change in changes:
            self._documents.window(change)

    async def resume(self, step: int) -> None:
        """Go on with the documents after a restart, in step `step`."""
        self._step = step
        try:
            await self._documents.resume()
        except ScandaqError as why:
            self._trouble(str(why))
        self._listen()

    async def end(self, outcome: State, detail: str) -> Manifest | None:
        """Say the ledger, name the files, end the documents; return the manifest where there is one."""
        self._listening.close()
        if await self._file_papers(_LAST_S):
            await asyncio.to_thread(self.papers.drop)
        manifest = await self.manifest()
        if manifest is not None:
            if manifest.ledger is not None:
                self._bus.announce(RunLedger(self._identity, manifest.ledger.model_dump(mode="json")))
            self._documents.files(manifest)
        try:
            if self._step:
                self._documents.step(self._step, self._name, "end", ended_by=str(outcome))
            sha256 = await self._documents.close(
                _EXIT.get(outcome, "fail"), f"{outcome}: {detail}" if detail else str(outcome)
            )
        except ScandaqError as why:
            self._trouble(str(why))
            return manifest
        self._audit.note(DAEMON, "run-documents", self._identity, result="done", new=sha256)
        return manifest

    async def detach(self) -> None:
        """Leave the run as it is: the next daemon resumes it."""
        self._listening.close()
        if self._filing is not None:
            self._filing.cancel()
        try:
            await self._documents.detach()
        except ScandaqError as why:
            _LOG.warning("%s: %s", self._identity, why)

    @property
    def documents(self) -> RunDocuments:
        """Return the run documents, for those who count them."""
        return self._documents

    async def manifest(self) -> Manifest | None:
        """Return the manifest as it is on disk now; None where nothing was recorded, or it cannot be read."""
        try:
            return await asyncio.to_thread(load_manifest, self._directory)
        except ScandaqError as why:
            _LOG.info("%s: %s", self._identity, why)
            return None

    async def _file_papers(self, within_s: float) -> bool:
        """Move patient and administration beside the recording, whose directory appears a moment after its start.

        Return False where it is there and does not take them: they must be kept where they wait.
        """
        until_s = time.monotonic() + within_s
        try:
            while not await asyncio.to_thread(self.papers.file):
                if time.monotonic() > until_s:
                    return True
                await asyncio.sleep(_LOOK_S)
            self._begun()
        except (ScandaqError, OSError) as why:
            _LOG.error("%s: the private files could not be moved: %s", self._identity, type(why).__name__)
            self._alarms.raise_(
                DEVICE, "papers", priority="medium", latched=True,
                text="the patient's name and what was given could not be stored beside the recording",
                guidance="they are kept at the station, nothing is lost; tell whoever services the scanner",
                details=f"{self._identity}: kept in the state folder; mend the storage, then restart the daemon",
            )  # fmt: skip
            return False
        return True

    def _listen(self) -> None:
        identity = self.papers.patient.identity if self.papers.patient is not None else None
        self._audit.keep_out(identity)  # until the next run: people speak of who was there
        self._listening.enter_context(self._bus.listening(self._heard, replay=True))

    def _heard(self, said: Announcement) -> None:
        self._documents.heard(said)
        if isinstance(said, StationStatus) and said.state in RECORDING and self._filing is None:
            self._filing = asyncio.create_task(self._file_papers(_APPEARS_S), name=f"papers-{self._identity}")
        if isinstance(said, StationStatus) and said.run == self._identity and said.step > self._step:
            if self._step:
                self._documents.step(self._step, self._name, "end", ended_by="next step")
            self._step, self._name = said.step, said.step_name
            self._documents.step(said.step, said.step_name, "begin")

    def _trouble(self, text: str | None) -> None:
        if text is None:
            self._alarms.clear(DEVICE, "run-documents")
            return
        self._alarms.raise_(
            DEVICE, "run-documents", priority="low", text="the log of this acquisition cannot be written",
            guidance="go on: what is recorded is safe. Tell whoever services the scanner",
            latched=False, details=f"run.jsonl, which tells what happened beside the photons: {text}",
        )  # fmt: skip
