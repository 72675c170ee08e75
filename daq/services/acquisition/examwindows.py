"""Energy windows of the exam that is armed: moved by hand, or with the photopeak as the live spectrum shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from daq.errors import MissingError, RefusedError, ScandaqError, TransitionRefusedError
from daq.model.console.window_verbs import EnergyWindow, Repeak
from daq.model.repeaking import HeadPeak, Shift, recentred, require_within, shift_of
from daq.model.station import Actor
from daq.model.windowchange import Allowed, WindowChange, WindowEdges, line_of, named, require_changeable
from daq.model.windows import EnergyWindow as Window
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.peaks import peaks_in
from daq.readout.liveview import LiveView
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.run import Run
from daq.state.acquisition import IDLE, State

_ATTACH_S = 2.0
_SPECTRA = "spectra_recent"
_ARMED_S = 60.0
_LOOK_S = 0.05
_VERIFIED = (
    "On a patient the peak is only looked at: scatter pulls it low. To move the window, measure it on a source, before "
    "the patient lies down"
)


class Planning(Protocol):
    """Makes another plan for a run: `daq.composition.runs.Planner`."""

    def allowed(self, run: Run) -> Allowed:
        """Return how far windows may be moved."""
        ...

    async def moved(
        self, run: Run, windows: Sequence[WindowEdges], actor: Actor, reason: str
    ) -> tuple[WindowChange, ...]:
        """Have it acquired with these windows; return all that are others than the protocol says."""
        ...


class ExamWindows:
    """Carries out `energy-window` and `repeak`. `run` gives the newest, `control` the socket of its readout."""

    def __init__(
        self, run: Callable[[], Run | None], machine: Machine, planning: Planning, control: Callable[[], Path | None],
        changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._run, self._machine, self._planning = run, machine, planning
        self._control, self._changed = control, changed

    @property
    def handlers(self) -> dict[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]:
        """Return who carries out which verb."""
        return {"energy-window": self._move, "repeak": self._repeak}

    async def _move(self, request: EnergyWindow, actor: Actor) -> dict[str, Any]:
        run = self._armed(request.run)
        return await self._moved(run, request.windows, actor, request.reason)

    async def _repeak(self, request: Repeak, actor: Actor) -> dict[str, Any]:
        run = self._armed(request.run)
        require_changeable(run.protocol)
        signed = named(run.protocol, request.window)
        line_kev = line_of(run.protocol, signed)
        if line_kev is None:
            raise RefusedError(f"window {signed.name} is about no photopeak: there is nothing to measure")
        heads = await asyncio.to_thread(self._measured, signed.name, run.protocol.windows.windows)
        shift, allowed = shift_of(heads, line_kev), self._planning.allowed(run)
        require_within(shift, heads, allowed)
        answer = _told(signed.name, heads, shift, allowed)
        if not request.source:
            return {**answer, "recentred": False, "said": f"{_found(shift)}. {_VERIFIED}", "state": self._state}
        wanted = recentred(signed, shift)
        now = run.protocol.windows.windows[run.protocol.windows.bit(signed.name)]
        if not shift.is_sure or (wanted.lower_kev, wanted.upper_kev) == (now.lower_kev, now.upper_kev):
            return {**answer, "recentred": False, "said": f"{_found(shift)}. The window stays", "state": self._state}
        why = f"peak measured on a source: {shift.kev:+.2f} ± {shift.error_kev:.2f} keV off {line_kev:g} keV"
        done = await self._moved(run, [wanted], actor, f"{request.reason}; {why}" if request.reason else why)
        said = f"{_found(shift)}. The window is now {wanted.lower_kev:.1f} to {wanted.upper_kev:.1f} keV in this exam"
        return {**answer, **done, "recentred": True, "said": said}

    async def _moved(self, run: Run, windows: Sequence[WindowEdges], actor: Actor, reason: str) -> dict[str, Any]:
        changes = await self._planning.moved(run, windows, actor, reason)
        self._changed()
        await self._armed_again(run)
        self._changed()
        return {
            "run": run.identity,
            "windows": [
                {"name": each.name, "lower_kev": each.lower_kev, "upper_kev": each.upper_kev}
                for each in run.protocol.windows.windows
            ],
            "changes": [{**each.to_json(), "sentence": each.sentence} for each in changes],
            "state": self._state,
        }  # fmt: skip

    async def _armed_again(self, run: Run) -> None:
        """Wait until it is armed; raise why it is not."""
        for _ in range(round(_ARMED_S / _LOOK_S)):
            if self._machine.state is not State.PREPARING:
                break
            await asyncio.sleep(_LOOK_S)
        if self._machine.state is not State.ARMED or self._machine.entry.run != run.identity:
            why = self._machine.entry.detail or f"it is {self._machine.state}"
            raise RefusedError(f"the exam is not armed with the other window: {why}")

    def _armed(self, identity: str | None) -> Run:
        """Return the run that is armed; refuse in words where another one is, or none."""
        run, state = self._run(), self._machine.state
        if run is None or state in IDLE:
            raise TransitionRefusedError("no exam is armed: prepare one first; then its energy window can be set")
        if identity is not None and identity != run.identity:
            raise RefusedError(f"{identity} is not the exam that the station has now; load the page again")
        if state is not State.ARMED:
            raise TransitionRefusedError(
                f"the energy window stays as it is while the exam is {state}: it is set before the start. The whole "
                "spectrum is recorded, so pictures can be made with another window afterwards; to acquire with "
                "another one, finish or abort first"
            )
        return run

    def _measured(self, window: str, windows: Sequence[Window]) -> list[HeadPeak]:
        """Return the peaks of the last seconds. Raises `RefusedError` where nothing is seen before the start."""
        control = self._control()
        try:
            if control is None:
                raise MissingError("no readout is there")
            with LiveView.attach(control, deadline_s=_ATTACH_S) as view:
                camera = view.about["looks"]["camera"]
                figures = {} if camera is None else view.some([_SPECTRA])
        except ScandaqError as why:
            raise RefusedError(f"no live spectrum can be read now: {why}") from None
        if camera is None or _SPECTRA not in figures:
            raise RefusedError("this front end shows no spectrum of its heads before the start")
        if figures["state"] != "live":
            raise RefusedError(
                "the live spectrum stands still: what it shows is not of now. Wait a moment; if it stays so, abort and "
                "prepare again"
            )
        return peaks_of(camera, figures[_SPECTRA], window, windows)

    @property
    def _state(self) -> str:
        return str(self._machine.state)


def peaks_of(camera: Mapping[str, Any], spectra: Any, window: str, windows: Sequence[Window]) -> list[HeadPeak]:
    """Return the peak of `window` of each head in `spectra` [heads, bins], by what the readout says of its figures."""
    energy = camera["energy"]
    axis = EnergyAxis(energy["low_kev"], energy["bin_kev"], energy["bins"])
    at = [each.name for each in windows].index(window)
    inside = (axis.centres_kev >= windows[at].lower_kev) & (axis.centres_kev < windows[at].upper_kev)
    found = []
    for place, head in enumerate(camera["heads"]):
        peak, counts = peaks_in(spectra[place], axis, windows)[at], int(spectra[place][inside].sum())
        found.append(HeadPeak(head, counts, *(() if peak is None else (peak.kev, peak.error_kev))))
    return found


def _told(window: str, heads: Sequence[HeadPeak], shift: Shift, allowed: Allowed) -> dict[str, Any]:
    return {
        "window": window, "line_kev": shift.line_kev, "shift_kev": round(shift.kev, 3),
        "error_kev": round(shift.error_kev, 3), "shift_percent": round(shift.percent, 3),
        "limit_kev": round(shift.line_kev * allowed.limit_percent / 100.0, 3), "limit_percent": allowed.limit_percent,
        "limit_source": allowed.source,
        "heads": [
            {"head": each.head, "counts": each.counts, "kev": each.kev, "error_kev": each.error_kev,
             "shift_kev": None if each.kev is None else each.kev - shift.line_kev}
            for each in heads
        ],
    }  # fmt: skip


def _found(shift: Shift) -> str:
    where = f"{shift.kev:+.2f} ± {shift.error_kev:.2f} keV off {shift.line_kev:g} keV"
    return f"The photopeak is {where}" if shift.is_sure else f"The photopeak is in its place: {where}"
