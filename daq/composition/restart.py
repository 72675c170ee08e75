"""What a daemon that has just started does about the acquisition that the one before it left under way."""

from __future__ import annotations

import asyncio
import logging

from daq.composition.runs import Planner
from daq.errors import ScandaqError
from daq.model.station import DAEMON
from daq.services.acquisition.found import Found, axes_moved, look
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.run import Run
from daq.services.audit import Audit
from daq.services.station import Station
from daq.state.acquisition import ACTIVE

_LOG = logging.getLogger(__name__)


async def take_over(planner: Planner, station: Station, machine: Machine, audit: Audit) -> None:
    """Go on with the run that the journal speaks of, or say how it ended; announce the state in any case."""
    before = machine.state
    await planner.file_left_behind(machine.entry.run if before in ACTIVE else None)
    if before not in ACTIVE:
        await planner.say_again(machine.entry)
        machine.announce()
        return
    run = await planner.found(machine.entry)
    if axes_moved(machine.entry, run.protocol):
        station.lose_motion(f"the daemon of {run.identity} ended while axes moved")
    found = await _look(machine, run)
    if found.alive and await _adopted(station, run):
        _LOG.info("%s found again: %s", run.identity, machine.state)
    else:
        found = await _look(machine, run)
        await planner.found_ended(run, found)
        _LOG.info("%s had ended: %s", run.identity, found.detail)
    audit.note(DAEMON, "found", run.identity, result="done", old=str(before), new=str(machine.state))


async def _look(machine: Machine, run: Run) -> Found:
    return await asyncio.to_thread(look, machine.entry, steps=len(run.protocol.steps))


async def _adopted(station: Station, run: Run) -> bool:
    try:
        await station.take_over(run)
    except ScandaqError as why:  # it ended while we looked; its manifest tells how
        _LOG.info("%s ended while it was looked for: %s", run.identity, why)
        return False
    return True
