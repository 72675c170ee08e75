"""Has tests analysed by a process of its own, one at a time, and enters what came of it into the books.

An analysis is owed from the moment a test is prepared: that stands in a file, so that a daemon that is started again
does what the one before it did not come to. Nothing here costs a recording anything; what fails is an alarm that says
how to do it by hand.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daq.errors import ScandaqError, StorageFailedError, UnexpectedError
from daq.model.qc.documents import Document, QcResult, new_identity
from daq.model.qc.figures import Findings
from daq.model.station import DAEMON, utc_now
from daq.services.audit import Audit
from daq.services.childprocess import ended
from daq.services.qc.abilities import Books
from daq.services.qc.evidence import evidence_from
from daq.services.qc.orders import Order, Orders
from daq.services.qc.ringing import Ringing

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 32
_LATEST = 50

Command = Callable[[Path, Path], Sequence[str]]
"""Gives the command that does the job of a file and writes its evidence into the other one."""
JobOf = Callable[[Order], Awaitable[Mapping[str, Any]]]
"""Makes the job of an order, as plain data: with limits, reference, earlier results of now."""


class Analysing:
    """Analyses what is ordered. `done` and `failed` count; `now` is what is analysed at the moment.

    `folder` holds what is owed and what processes are given. A process that takes longer than `within_s` is killed.
    `announce` is called when a result was entered. `simulated`: what is entered by hand here is none of a real machine.
    """

    def __init__(
        self, command: Command, job_of: JobOf, books: Books, ringing: Ringing, audit: Audit, folder: Path,
        *, station: str, scanner: str, simulated: bool = False, within_s: float = 900.0,
        announce: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.orders = Orders(folder / "owed")
        self.done = self.failed = 0
        self.now: Order | None = None
        self._command, self._job_of, self._books = command, job_of, books
        self._ringing, self._audit, self._work = ringing, audit, folder / "work"
        self._station, self._scanner, self._simulated = station, scanner, simulated
        self._within_s, self._announce = within_s, announce
        self._waiting: deque[Order] = deque()
        self._wanted = asyncio.Event()
        self._serial = 0

    def put(self, order: Order) -> None:
        """Have a test analysed when its turn comes; return at once. One that waits already is not put twice."""
        if order == self.now or order in self._waiting:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._fail(order, f"{_MOST_WAITING} others wait for their analysis already")
            return
        self._waiting.append(order)
        self._wanted.set()

    async def give_up(self, order: Order, why: str) -> None:
        """Owe an analysis no more that cannot be done: an alarm says why, and how it is done by hand."""
        await asyncio.to_thread(self.orders.drop, order)
        self._fail(order, why)

    def is_owed(self, test: str) -> bool:
        """Return True while recordings of a test are analysed, or wait for it."""
        return any(order.test == test for order in (*self._waiting, *([self.now] if self.now else [])))

    async def run(self) -> None:
        """Analyse one test after the other until cancelled; then end the process under way, which loses nothing."""
        while True:
            while not self._waiting:
                self._wanted.clear()
                await self._wanted.wait()
            self.now = self._waiting.popleft()
            try:
                await self.analyse(self.now)
            except ScandaqError as why:
                self._fail(self.now, str(why))
            finally:
                self.now = None

    async def analyse(self, order: Order) -> Document:
        """Analyse a test now and return its result, entered into the books; the one that is there already as it is.

        Raise what reading recordings and entering raises, `DeadlineError`, `UnexpectedError` for a process that died.
        """
        there = await self._entered(order)
        if there is None:
            told, evidence = await self._analysed(order)
            there = await self._enter(told, evidence, order)
        await asyncio.to_thread(self.orders.drop, order)
        self.done += 1
        return there

    async def _entered(self, order: Order) -> Document | None:
        """Return the result that was made of these recordings before, unless it was struck out."""
        wanted = sorted(path.name for path in order.recordings)
        if not wanted:
            return None
        for kept in await self._books.results(order.test, limit=_LATEST):
            if kept.struck is None and sorted(str(each.get("id")) for each in kept.result.acquisitions) == wanted:
                return kept.document
        return None

    async def _analysed(self, order: Order) -> tuple[dict[str, Any], bytes]:
        """Return what the process found, and its evidence."""
        job = await self._job_of(order)
        self._serial += 1
        file = self._work / f"{order.test}-{self._serial}.json"
        evidence = file.with_suffix(".npz")
        try:
            await asyncio.to_thread(_write, file, job)
            said = await ended(self._command(file, evidence), within_s=self._within_s, name=f"analysing-{order.test}")
            if said.errors:
                _LOG.warning("analysis of %s: %s", order.test, said.errors)
            told = json.loads(said.answer) if said.code == 0 else None
            if not isinstance(told, dict):
                raise UnexpectedError(said.why)
            return told, await asyncio.to_thread(evidence.read_bytes)
        except ValueError:
            raise UnexpectedError("its process did not say a result") from None
        except OSError as why:
            raise StorageFailedError(f"{file}: {why.strerror or why}") from None
        finally:
            for left in (file, evidence):
                with suppress(OSError):
                    left.unlink(missing_ok=True)

    async def _enter(self, told: Mapping[str, Any], evidence: bytes, order: Order) -> Document:
        """Enter a result into the books, its pictures first."""
        result = QcResult.from_body(told["result"])
        at_utc, entered_utc = _utc(str(told["at_utc"])), utc_now()
        made_of = {"acquisitions": [dict(each) for each in result.acquisitions], "entries": dict(result.entries)}
        identity = new_identity(order.test, at_utc, {**made_of, "entered_utc": entered_utc})
        pictures, curves = await asyncio.to_thread(evidence_from, evidence, hashlib.sha256(evidence).hexdigest())
        body = result.to_body()
        if pictures or curves:
            found = Findings(pictures=pictures, curves=curves)
            body["evidence_sha256"] = await self._books.put_evidence(identity, at_utc, found)
        simulated = bool(told["simulated"]) or (self._simulated and not order.recordings)  # these say it themselves
        document = Document(
            identity, "result", at_utc, entered_utc, str(told["by"]) or DAEMON.user, body, about=order.test,
            station=self._station, scanner=self._scanner, simulated=simulated,
        )  # fmt: skip
        await self._books.put(document)
        self._audit.note(DAEMON, "qc-result", order.test, result="done", new=f"{identity} {result.level}")
        self._ringing.judged(identity, result)
        self._announce()
        return document

    def _fail(self, order: Order, why: str) -> None:
        self.failed += 1
        self._audit.note(DAEMON, "qc-result", order.test, result="failed", error=why)
        self._ringing.not_analysed(order, why)


def _write(file: Path, job: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(job), encoding="utf-8")


def _utc(text: str) -> str:
    """Return a time as documents have it: UTC, milliseconds, Z."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
