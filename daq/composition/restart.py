"""What a daemon that has just started does about the acquisition that the one before it left under way."""

from __future__ import annotations

import asyncio
import logging

from daq.composition.runs import Planner
from daq.errors import ScandaqError
from daq.model.station import DAEMON
from daq.services.acquisition.found import Found, axes_moved, look, power_was_cut
from daq.services.acquisition.journal import Entry
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.run import Run
from daq.services.audit import Audit
from daq.services.station import Station
from daq.state.acquisition import ACTIVE, IDLE, State, Trigger

_LOG = logging.getLogger(__name__)
_TRIES = 3
_LIVES = "the station's program was restarted, and the program that records does not answer"
_SILENT = Found(trigger=Trigger.READOUT_LOST, detail=_LIVES, unsealed=True)


async def take_over(planner: Planner, station: Station, machine: Machine, audit: Audit) -> None:
    """Go on with the run that the journal speaks of, or say how it ended; announce the state in any case."""
    before = machine.state
    await planner.file_left_behind(machine.entry.run if before in ACTIVE else None)
    if before not in ACTIVE:
        await planner.say_again(machine.entry)
        if before in IDLE and before is not State.READY:
            station.look_back(await _ended_before(planner, machine.entry))
        machine.announce()
        return
    try:
        run = await planner.found(machine.entry)
    except Exception as why:  # noqa: BLE001 - whatever the journal holds, the daemon has to come
        _LOG.exception("the journal's run %s cannot be followed", machine.entry.run)
        await planner.cannot_follow(machine.entry, str(why) if isinstance(why, ScandaqError) else type(why).__name__)
        audit.note(DAEMON, "found", machine.entry.run or "", result="failed", old=str(before), new=str(machine.state))
        return
    if axes_moved(machine.entry, run.protocol):
        station.lose_motion("the station's program ended while axes moved")
    elif power_was_cut(machine.entry):
        station.lose_motion("the station's computer was switched off or restarted during an acquisition")
    found, tries = await _look(machine, run), _TRIES
    while found.alive and tries and not (adopted := await _adopted(station, run)):
        found, tries = await _look(machine, run), tries - 1
    if found.alive and adopted:
        _LOG.info("%s found again: %s", run.identity, machine.state)
    else:
        await planner.found_ended(run, found if not found.alive else _SILENT)
        _LOG.info("%s had ended: %s", run.identity, found.detail)
    audit.note(DAEMON, "found", run.identity, result="done", old=str(before), new=str(machine.state))


async def _ended_before(planner: Planner, entry: Entry) -> Run | None:
    try:
        return await asyncio.to_thread(planner.ended_before, entry)
    except Exception:  # noqa: BLE001 - whatever the journal holds, the daemon has to come
        _LOG.exception("the journal's run %s, which had ended, cannot be looked at", entry.run)
        return None


async def _look(machine: Machine, run: Run) -> Found:
    return await asyncio.to_thread(look, machine.entry, steps=len(run.protocol.steps))


async def _adopted(station: Station, run: Run) -> bool:
    try:
        await station.take_over(run)
    except ScandaqError as why:  # it ended while we looked; its manifest tells how
        _LOG.info("%s cannot be followed, perhaps it has just ended: %s", run.identity, why)
        await run.leave()
        return False
    return True
