"""The one who looks at the readout for all browsers: attached to the snapshot of the run under way, or of the last."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from daq.composition.fronts import Offer
from daq.composition.liveheads import LiveHeads, live_heads
from daq.errors import ScandaqError
from daq.gateway.live.parts import NEEDED, Given
from daq.gateway.live.wants import What
from daq.model.station import Actor
from daq.readout.liveview import LiveView
from daq.readout.plan import PLAN

_LOG = logging.getLogger(__name__)
_ATTACH_S = 2.0
_ACTOR = Actor("console", "daemon")
GROUPS = ("looks", "study")
NOTHING: dict[str, Any] = {"sequence": 0, "state": "none", "age_s": None}


class Viewer:
    """Attached to one snapshot at a time. `number` counts them; of each, `run` and what its manifest says of heads.

    A snapshot is kept when its readout ended or was killed, until another run has one. One coroutine at a time calls
    `follow`. A thread that reads meanwhile has the snapshot that it began with: its memory is given back with the last
    who looks at it.
    """

    def __init__(self, offer: Offer) -> None:
        """Begin with nothing."""
        self._offer = offer
        self._path: Path | None = None
        self._view: LiveView | None = None
        self._heads: LiveHeads | None = None
        self._step_name = ""
        self._gantry_deg: float | None = None
        self.number = 0
        self.run: str | None = None
        self.problem = ""
        """Why the readout under way is not looked at; empty where it is."""
        self.failures = 0

    async def follow(self) -> None:
        """Take note of where the station is; attach where another readout has begun."""
        status = await self._offer.command("status", {}, _ACTOR)
        self._step_name = str(status["step_name"])
        axes: Any = (status.get("motion") or {}).get("axes") or {}  # type: ignore[attr-defined]
        self._gantry_deg = (axes.get("gantry") or {}).get("position")
        path = self._offer.readout()
        if path is None or path == self._path:
            return
        try:
            view, heads = await asyncio.to_thread(_attached, path)
        except ScandaqError as why:
            self.failures += 1
            self.problem = str(why)
            _LOG.debug("no live figures yet from %s: %s", path, why)
            return
        self.problem = ""
        self._view, self._heads, self._path = view, heads, path
        self.run, self.number = str(view.about["acquisition_id"]), self.number + 1

    def published(self) -> tuple[int, ...]:
        """Return what changes with each publication and with each snapshot: cheap enough to be asked all the time."""
        view = self._view
        return (self.number, *(view.sequence(group) for group in GROUPS)) if view is not None else (self.number,)

    def fresh(self) -> dict[str, dict[str, Any]]:
        """Return how fresh each group is: `sequence`, `state` none, live, stale or closed, and `age_s`."""
        view = self._view
        if view is None:
            return dict.fromkeys(GROUPS, NOTHING)
        try:
            return {group: view.fresh(group) if view.has(group) else NOTHING for group in GROUPS}
        except ScandaqError as why:  # written over in each of many tries, or damaged
            self.failures += 1
            _LOG.warning("live figures cannot be read: %s", why)
            return {group: {**NOTHING, "state": "stale"} for group in GROUPS}

    def read(self, whats: frozenset[What], *, study: bool) -> tuple[Given | None, dict[str, Any] | None]:
        """Return what parts of these kinds are made of, and the study where it is wanted; called in a thread.

        Raises `DeadlineError` where the readout wrote over what was read each time.
        """
        view, heads = self._view, self._heads
        if view is None or heads is None:
            return None, None
        names = [name for what in sorted(whats) for name in NEEDED.get(what, ())]
        given = None
        if names:
            figures = view.some(dict.fromkeys(names))
            given = Given(view.about["looks"], figures, heads, self._step_name, self._gantry_deg)
        return given, view.study() if study else None

    @property
    def heads(self) -> LiveHeads | None:
        """Return what is known of the heads."""
        return self._heads

    def close(self) -> None:
        """Give the memory back."""
        self._view = None


def _attached(path: Path) -> tuple[LiveView, LiveHeads]:
    view = LiveView.attach(path, deadline_s=_ATTACH_S)
    try:
        return view, live_heads(Path(view.about["directory"]), path.parent / PLAN)
    except BaseException:
        view.close()
        raise
