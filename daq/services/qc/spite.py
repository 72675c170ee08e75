"""Use in spite of quality control: who allowed it, of which test, why; open until somebody else has signed it off.

An allowance holds for a test as it stood when a person gave it, and for so many hours: with another result of that
test, or service or damage that touches it, it lapses, too. What was acquired in spite of a requirement at the set-up
card alone is noted too, and allows nothing further. Every screen says what is open, every file bears it.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daq.errors import AccessError, FormatError, MissingError, RefusedError, StorageFailedError
from daq.model.console.qc_verbs import QcAllow, QcSignOff
from daq.model.station import Actor, utc_now
from daq.qc.schedule import Due
from daq.services.qc.handlers import Handlers
from daq.storage.files import StorageFiles

FILE = "qc-in-spite.json"
SCHEMA = "qc-in-spite/1"
QC = "qc"
"""Name by which all that is missing is overridden at once."""
_MOST = 500
_MOST_TOLD = 50


@dataclass(frozen=True, slots=True)
class Spite:
    """Something that was used in spite of quality control.

    `test` is empty, and `run` an acquisition, where it was overridden at the set-up card for that one alone. `result`:
    the newest of the test then. `stood`: what spoke against it, in words; `event`: the time of service or damage, where
    it was that. `until_utc`: when an allowance lapses by itself; empty of an acquisition.
    """

    id: str
    by: str
    at_utc: str
    reason: str
    test: str = ""
    title: str = ""
    result: str = ""
    stood: str = ""
    run: str = ""
    signed_by: str = ""
    signed_utc: str = ""
    comment: str = ""
    event: str = ""
    until_utc: str = ""

    def holds(self, now: datetime) -> bool:
        """Return whether its time is not over."""
        return not self.until_utc or now < datetime.fromisoformat(self.until_utc)

    @property
    def words(self) -> str:
        """Return what files bear of it."""
        return f"{self.reason} (allowed by {self.by}, {self.at_utc})"


class InSpite:
    """Knows what is allowed. `due` tells where a test stands; `alone`: whoever allowed it may sign it off.

    `hours`: so long an allowance holds.
    """

    def __init__(
        self, folder: Path, due: Callable[[str], Awaitable[Sequence[Due]]], *, alone: bool = False, hours: float = 24.0,
        changed: Callable[[], None] = lambda: None, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._hours, self._clock = hours, clock
        self._file, self._due, self._alone, self._changed = folder / FILE, due, alone, changed
        self._turn = asyncio.Lock()
        self.problem = ""
        """Why what was kept is not known; the file is kept beside the new one, for a person to look at."""
        try:
            self._all = _read(self._file)
        except FormatError as why:
            self._all = []
            aside = self._file.with_suffix(".damaged")
            self._file.replace(aside)
            self.problem = f"{why}; it was put aside as {aside.name}"

    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {"qc-allow": self._allow, "qc-allowed": self._told, "qc-sign-off": self._sign_off}

    @property
    def open(self) -> tuple[Spite, ...]:
        """Return what nobody has signed off, the newest first."""
        return tuple(each for each in reversed(self._all) if not each.signed_by)

    def allows(self, due: Due) -> str | None:
        """Return why a test does not stand in the way as it stands now, in the words for files; None where it does."""
        given = self._given(due)
        return None if given is None else given.words

    def _given(self, due: Due) -> Spite | None:
        stands, now = (due.test, _result(due), _event(due)), self._clock()
        return next(
            (each for each in self.open if (each.test, each.result, each.event) == stands and each.holds(now)), None
        )

    async def note(self, run: str, overrides: Mapping[str, str], names: Sequence[str], actor: Actor) -> None:
        """Take note of an acquisition that was prepared with overrides; `names`: those that are of quality control.

        What rests on an allowance is noted by that, and not again.
        """
        rests = {each.test for each in self.open if overrides.get(each.test, "").startswith(each.words)}
        those = [name for name in overrides if name == QC or (name in names and name not in rests)]
        if not those:
            return
        what = "" if those == [QC] else ", ".join(name for name in those if name != QC)
        told = "; ".join(dict.fromkeys(overrides[name] for name in those))
        await self._add(Spite(_new_id(), actor.user, utc_now(), told, run=run, title=what))

    async def _allow(self, request: QcAllow, actor: Actor) -> dict[str, Any]:
        _require_person(actor)
        (due,) = await self._due(request.test)
        if not due.asked and due.state != "failed":
            raise RefusedError(f"{request.test} stands in nobody's way: {due.words}")
        if (given := self._given(due)) is not None:
            raise RefusedError(
                f"{request.test} is allowed already, until {given.until_utc or 'its next result'}; it is open until "
                "somebody has signed it off"
            )
        until = (self._clock() + timedelta(hours=self._hours)).astimezone(UTC)
        made = Spite(
            _new_id(), actor.user, utc_now(), request.reason.strip(), request.test, due.title, _result(due), due.words,
            event=_event(due), until_utc=until.isoformat(timespec="seconds"),
        )  # fmt: skip
        await self._add(made)
        return asdict(made)

    async def _told(self, _: Any, actor: Actor) -> dict[str, Any]:
        still = self.open
        told = [{**asdict(each), "own": each.by == actor.user and not self._alone} for each in still[:_MOST_TOLD]]
        return {"open": told, "count": len(still), "hours": self._hours}

    async def _sign_off(self, request: QcSignOff, actor: Actor) -> dict[str, Any]:
        _require_person(actor)
        async with self._turn:
            found = {each.id: each for each in self._all}
            wrong = [name for name in request.ids if name not in found]
            if wrong:
                raise MissingError(f"nothing was allowed under {', '.join(wrong)}")
            own = [name for name in request.ids if found[name].by == actor.user]
            if own and not self._alone:
                raise RefusedError(
                    f"{actor.user} allowed it and cannot sign it off as well; somebody else does, or the site file "
                    "allows it ([qc] one_person_may_approve)"
                )
            now = utc_now()
            signed = {
                name: replace(found[name], signed_by=actor.user, signed_utc=now, comment=request.comment)
                for name in request.ids if not found[name].signed_by
            }  # fmt: skip
            await self._keep([signed.get(each.id, each) for each in self._all])
        return {"signed": sorted(signed), "count": len(self.open)}

    async def _add(self, made: Spite) -> None:
        async with self._turn:
            await self._keep(_bounded([*self._all, made]))

    async def _keep(self, told: list[Spite]) -> None:
        await asyncio.to_thread(_write, self._file, told)
        self._all = told
        self._changed()


def _bounded(told: list[Spite]) -> list[Spite]:
    """Return the newest: what was signed off goes first, then acquisitions, whose files bear it themselves."""
    while len(told) > _MOST:
        told.remove(min(told, key=lambda each: (not each.signed_by, not each.run, each.at_utc)))
    return told


def _result(due: Due) -> str:
    return "" if due.newest is None else due.newest.id


def _event(due: Due) -> str:
    """Return the event after which a test is to be done, by its time; empty where there is none."""
    return "" if due.state != "after-service" or due.next_due is None else due.next_due.isoformat()


def _new_id() -> str:
    return f"spite-{uuid.uuid4().hex[:12]}"


def _require_person(actor: Actor) -> None:
    if actor.uid is None and actor.origin != "console":
        raise AccessError("that is for a person on the station's own host, where the kernel says who asks, or at its "
                          "console")  # fmt: skip


def _read(file: Path) -> list[Spite]:
    """Return what is kept. Raise `FormatError` for a file that cannot be understood."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        read = [Spite(**{name: str(value) for name, value in each.items()}) for each in told["used"]]
        for each in read:
            each.holds(datetime.now(UTC))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as why:
        raise FormatError(f"{file}: what was used in spite of quality control cannot be read: {why}") from None
    return read


def _write(file: Path, told: Sequence[Spite]) -> None:
    content = json.dumps({"schema": SCHEMA, "used": [asdict(each) for each in told]}, indent=1)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        StorageFiles().rename_durably(content.encode(), file)
    except OSError as why:
        raise StorageFailedError(f"{file}: {why.strerror or why}") from None
