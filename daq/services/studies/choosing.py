"""Of views that were taken twice, which acquisition counts: a person says so; both are kept, and so is every choice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from daq.errors import MissingError, RefusedError, ScandaqError
from daq.model.console.acquire_verbs import ChooseTaking
from daq.model.station import Actor, utc_now
from daq.model.study import reference_of
from daq.services.catalogue.entry import Acquisition
from daq.services.catalogue.service import Catalogue
from daq.services.worker import Worker
from daq.storage.listing import load_manifest
from daq.storage.remarks import COUNTS, Remark, add_remark

_READ_S = 20.0


class Choosing:
    """Carries out `choose-taking`. `changed` hears that studies are to be looked at again."""

    def __init__(self, catalogue: Catalogue, changed: Callable[[], None]) -> None:
        self._catalogue, self._changed = catalogue, changed
        self._worker = Worker("choosing", threads=1, waiting=8)

    @property
    def handlers(self) -> dict[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]:
        """Return who carries out which verb."""
        return {"choose-taking": self._choose}

    def close(self) -> None:
        """Let the thread end."""
        self._worker.close()

    async def _choose(self, asked: ChooseTaking, actor: Actor) -> dict[str, Any]:
        rows = await self._catalogue.study(asked.run)
        others = await self._worker.call_within(_READ_S, _note, rows, asked, actor)
        self._changed()
        return {"counts": asked.run, "instead_of": others}


def _note(rows: Sequence[Acquisition], asked: ChooseTaking, actor: Actor) -> list[str]:
    """Remark that it counts; return those that do not. Raise `RefusedError` where nothing was taken twice."""
    repeats: dict[str, str | None] = {}
    folders = {row.id: Path(row.directory) for row in rows}
    for name, folder in folders.items():
        try:
            told = reference_of(load_manifest(folder).study)
        except ScandaqError:
            continue
        repeats[name] = None if told is None else told.repeats
    if asked.run not in repeats:
        raise MissingError(f"there is no acquisition {asked.run!r} that can be read")
    others = [name for name, of in repeats.items() if of == asked.run]
    others += [of for of in (repeats[asked.run],) if of in repeats]
    if not others:
        raise RefusedError(f"{asked.run}: its views were taken once, there is nothing to choose")
    at_utc = utc_now()
    why = asked.reason or "chosen of two takings"
    add_remark(folders[asked.run], Remark(COUNTS, why, actor.user, at_utc, None, at_utc, None))
    return others
