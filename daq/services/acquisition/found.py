"""After a restart: what has become of the acquisition that the journal speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daq.errors import ScandaqError
from daq.model.endwords import plainly
from daq.model.protocol import AcquisitionProtocol
from daq.services.acquisition.journal import Entry, machine_boot
from daq.services.acquisition.outcome import NOT_ASKED_FOR
from daq.services.acquisition.reaching import targets_of
from daq.state.acquisition import State, Trigger
from daq.storage.listing import load_manifest
from daq.storage.manifest import MANIFEST


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. `alive`: the readout runs. Else `trigger` and `detail` say how it ended."""

    alive: bool = False
    trigger: Trigger | None = None
    detail: str = ""
    unsealed: bool = False
    why: str = ""
    """What only an engineer needs to know of it."""


def look(entry: Entry, *, steps: int) -> Found:
    """Return what became of the run of an entry, which has `steps` steps and was under way.

    Looks at the lock of the readout's runtime directory and at the manifest; waits for nothing.
    """
    from daq.readout import registry

    if entry.runtime and registry.held(Path(entry.runtime)):
        return Found(alive=True, detail="found again after a restart of the daemon")
    return _ended(entry, steps)


def _ended(entry: Entry, steps: int) -> Found:
    off = "the station's computer was switched off or restarted"
    restart = off if power_was_cut(entry) else "the station's program was restarted"
    if entry.directory is None or (entry.step == 0 and not _exists(Path(entry.directory))):
        return Found(trigger=Trigger.FOUND_NOTHING, detail=f"{restart}: nothing had been recorded")
    if not _exists(Path(entry.directory)):
        where = "the recording is not there or cannot be read: look for the disk that it is on"
        return Found(trigger=Trigger.READOUT_LOST, detail=f"{restart}, and {where}", unsealed=True)
    try:
        manifest = load_manifest(Path(entry.directory))
    except (ScandaqError, OSError) as why:
        detail = f"{restart}, and the recording cannot be read"
        return Found(trigger=Trigger.FOUND_INTERRUPTED, detail=detail, unsealed=True, why=str(why))
    if manifest.state == "open":
        return Found(
            trigger=Trigger.READOUT_LOST,
            detail=f"{restart}, and the program that records had stopped working",
            unsealed=True,
        )
    done = sum(step.completed for step in manifest.steps or ())
    how = f"the recording was closed meanwhile ({plainly(manifest.ended_by)}); {done} of {steps} views are whole"
    if done == steps or (entry.state is State.COMPLETING and manifest.ended_by not in NOT_ASKED_FOR):
        return Found(trigger=Trigger.FOUND_COMPLETED, detail=f"{restart}: {how}")
    return Found(trigger=Trigger.FOUND_INTERRUPTED, detail=f"{restart}: {how}")


def _exists(directory: Path) -> bool:
    try:
        return (directory / MANIFEST).exists()
    except OSError:  # a storage that is gone, or not ours to look into
        return False


def axes_moved(entry: Entry, protocol: AcquisitionProtocol) -> bool:
    """Return True where axes may have moved when the daemon that wrote the entry ended: nobody saw where they went."""
    if entry.state is State.PREPARING:
        return bool(targets_of(protocol.steps[0]))
    if entry.state in (State.ARMED, State.WAITING, State.PAUSED):
        return False
    return entry.moving or entry.state is State.POSITIONING


def power_was_cut(entry: Entry) -> bool:
    """Return True where the machine itself was off since the entry: what it knew of axes and patient is not so now."""
    now = machine_boot()
    return bool(now and entry.machine_boot) and entry.machine_boot != now


def reconciled(entry: Entry, status: dict[str, object]) -> dict[str, object]:
    """Return what the journal must be changed to where the daemon fell between doing and noting.

    `status` is that of the readout, which is alive. It decides: it has the photons.
    """
    told = status.get("step")
    step = told if isinstance(told, int) else entry.step
    paused = bool(status.get("paused"))
    state = entry.state
    if status.get("state") != "recording":
        return {}
    if state in (State.PREPARING, State.ARMED):
        state = State.ACQUIRING
    if state in (State.ACQUIRING, State.POSITIONING, State.WAITING) and step > entry.step:
        state = State.ACQUIRING
    if state in (State.ACQUIRING, State.PAUSED):
        state = State.PAUSED if paused else state
    changes: dict[str, object] = {}
    if state is not entry.state:
        changes["state"] = state
    if step != entry.step:
        changes["step"] = step
    return changes
