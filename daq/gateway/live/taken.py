"""Small pictures of the views of an exam, as its readout had counted them: kept on disk.

A browser that is loaded again, and a daemon that is started again, still show what was taken. Nobody is named by them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.composition.fronts import Offer
from daq.errors import MissingError, ScandaqError
from daq.gateway.live.parts import made
from daq.gateway.live.viewer import Viewer
from daq.gateway.live.wants import Want
from daq.model.station import Actor
from daq.state.acquisition import IDLE

_LOG = logging.getLogger(__name__)
_ACTOR = Actor("console", "daemon")
FOLDER = "views"
LOOK_S = 1.0
SIDE = 128
_MOST_RUNS = 8
_STILL = ("static", "qc_flood")
"""Kinds of which one picture of all counts says what was taken."""
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PICTURE = re.compile(r"([0-9]{1,4})-([0-9]{1,3})\.png")


class Taken:
    """Looks at the readout once a second while a run is under way, and once more when it has ended."""

    def __init__(self, offer: Offer) -> None:
        """Keep pictures in the state folder of the station."""
        self._offer, self._viewer = offer, Viewer(offer)
        self._folder = offer.site.state_folder / FOLDER
        self._kinds: tuple[str, list[str]] = ("", [])
        self._seen: tuple[Any, ...] = ()
        self._over = ""

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                except (ScandaqError, OSError) as why:
                    _LOG.warning("no small pictures of views: %s", why)
                await asyncio.sleep(LOOK_S)
        finally:
            self._viewer.close()

    async def look(self) -> None:
        """Keep a picture of the present step where its counts have changed."""
        status = await self._offer.command("status", {}, _ACTOR)
        run, state = str(status["run"] or ""), str(status["state"])
        if not run or (state in IDLE and self._over == run):
            return
        self._over = run if state in IDLE else ""
        await self._viewer.follow()
        if self._viewer.run != run:
            return
        kept = await asyncio.to_thread(self._keep, run, await self._kinds_of(run))
        if kept and state != "acquiring":
            self._offer.revisions.changed(FOLDER)

    async def _kinds_of(self, run: str) -> list[str]:
        if self._kinds[0] != run:
            told: Any = await self._offer.command("acquisition", {}, _ACTOR)
            steps = (told["acquisition"] or {}).get("steps", ())
            self._kinds = run, [str(step["kind"]) for step in steps]
        return self._kinds[1]

    def _keep(self, run: str, kinds: list[str]) -> bool:
        """Write the pictures of the step that the readout counts; return whether there was something new."""
        given, _ = self._viewer.read(frozenset({"counts"}), study=False)
        part = None if given is None else made("counts", Want(size=SIDE), given)
        if part is None:
            return False
        step = int(part.about["step"])
        images = [each.values for each in part.arrays]
        seen = (run, step, *(int(each.sum()) for each in images))
        if not 0 < step <= len(kinds) or kinds[step - 1] not in _STILL or seen == self._seen:
            return False
        folder = self._folder / run
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True)
            self._forget()
        for number, image in enumerate(images):
            _write(folder / f"{step}-{number}.png", image)
        self._seen = seen
        return True

    def _forget(self) -> None:
        """Take out the oldest: of what has ended, its study has better ones."""
        runs = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in runs[: max(0, len(runs) - _MOST_RUNS)]:
            shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, image: npt.NDArray[Any]) -> None:
    from PIL import Image

    most = max(float(image.max(initial=0)), 1.0)
    shown = (255.0 - image * (255.0 / most)).astype(np.uint8)  # as on film: what counts most is black
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    Image.fromarray(shown).save(beside, format="PNG")
    beside.replace(path)


def listed(state: Path, run: str) -> dict[str, Mapping[str, int]]:
    """Return what there is of a run: by step the number of pictures, and what changes when one does."""
    found: dict[str, dict[str, int]] = {}
    folder = state / FOLDER / run
    for path in sorted(folder.iterdir()) if _RUN.fullmatch(run) and folder.is_dir() else ():
        if (name := _PICTURE.fullmatch(path.name)) is not None:
            step = found.setdefault(name[1], {"pictures": 0, "changed": 0})
            step["pictures"] += 1
            step["changed"] = max(step["changed"], path.stat().st_mtime_ns // 1_000_000)
    return dict(found)


def picture(state: Path, run: str, name: str) -> bytes:
    """Return a picture, whole: its file is another one with each look. Raise `MissingError` for what is none."""
    path = state / FOLDER / run / name
    try:
        if _RUN.fullmatch(run) and _PICTURE.fullmatch(name) and path.is_file() and not path.is_symlink():
            return path.read_bytes()
    except FileNotFoundError:
        pass  # the oldest are taken out
    raise MissingError("there is no such picture of a view")
