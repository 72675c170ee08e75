"""What a recording that has ended is called, and what people are told where it did not end as it should."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daq.errors import ScandaqError
from daq.model.endwords import plainly
from daq.model.station import Priority
from daq.services.acquisition.progress import DEVICE
from daq.services.alarms import Alarms
from daq.state.acquisition import ENDING, RECORDING, State, Trigger
from daq.storage.listing import load_manifest
from daq.storage.manifest import Manifest

NOT_ASKED_FOR = ("motion lost", "unattended", "disk", "fault")
"""Why a readout ends alone. What it was asked for a moment later does not make it completed."""
_SAFE = "what was recorded until then is safe"


def end_of(state: State, status: Mapping[str, Any], *, steps: int, detail: str) -> tuple[Trigger, str]:
    """Return what has happened to a run in `state` whose readout sealed with `status`, and why.

    `steps`: so many its protocol has; `detail`: why it was asked to end, where it was.
    """
    error, ended_by = status.get("error"), str(status.get("ended_by"))
    alone = f"the recording ended by itself: {plainly(ended_by)}"
    done = sum(bool(step.get("completed")) for step in status.get("steps") or ()) >= steps
    if error:
        return Trigger.READOUT_LOST if state is State.COMPLETING else Trigger.SEALED, str(error)
    if state in RECORDING:
        return Trigger.FOUND_COMPLETED if done else Trigger.SEALED, alone
    if state is State.COMPLETING and ended_by in NOT_ASKED_FOR and not done:
        return Trigger.READOUT_LOST, alone
    return Trigger.SEALED, detail if state in ENDING else alone


def sealed_status(directory: Path) -> dict[str, Any] | None:
    """Return the last status of a readout that sealed and could not say so: what its manifest tells. None: it did not.

    That is so where the runtime directory was removed under it, with which the user's session takes it away.
    """
    try:
        manifest = load_manifest(directory)
    except (ScandaqError, OSError):
        return None
    return ended_status(manifest) if manifest.state == "sealed" else None


def ended_status(manifest: Manifest) -> dict[str, Any]:
    """Return what a readout that has sealed would say of itself, as far as its manifest tells."""
    steps = [step.model_dump(mode="json") for step in manifest.steps or ()]
    return {"state": "sealed", "ended_by": manifest.ended_by, "steps": steps, "step": len(steps), "error": None}


class Bell:
    """Rings for what has happened once: shown until somebody has seen it."""

    def __init__(self, alarms: Alarms, directory: Path) -> None:
        self._alarms, self._directory = alarms, directory

    def readout_lost(self, why: str, *, recorded: bool) -> str:
        """Say that the readout has gone without sealing; return what people are told."""
        text, guidance, details = lost(self._directory, why, recorded=recorded)
        self._ring("readout-lost", text, guidance, details)
        return text

    def recording_failed(self, why: str) -> None:
        """Say that the readout has sealed what it could, and that something went wrong."""
        self._ring(
            "recording-failed", f"the end of the recording went wrong: {why}",
            "look at its pictures before the patient leaves, and tell whoever services the scanner",
            f"`daq listmode verify {self._directory}` tells what is whole",
        )  # fmt: skip

    def too_few(self, why: str, priority: Priority) -> None:
        """Say that a step has too few counts, as long as somebody may repeat it."""
        again = "repeat the view while the patient is there, or note why it is enough"
        self._ring("too-few-counts", why, again, priority=priority)

    def not_handed_over(self, names: str) -> None:
        """Say that a run has ended before everything was confirmed that its protocol wants."""
        guidance = "see to it before the patient leaves; what was recorded is kept, with what was confirmed"
        self._ring("not-handed-over", f"the acquisition ended without: {names}", guidance, priority="medium")

    def _ring(self, name: str, text: str, guidance: str, details: str = "", priority: Priority = "high") -> None:
        self._alarms.raise_(DEVICE, name, priority=priority, text=text, guidance=guidance, details=details)
        self._alarms.clear(DEVICE, name)


def lost(directory: Path | str | None, why: str, *, recorded: bool = True) -> tuple[str, str, str]:
    """Return text, guidance and details of the alarm for a recording that nobody has closed."""
    text = "the program that records has stopped working; nothing is recorded since then"
    if not recorded:
        return text, "nothing had been recorded: prepare it again", why
    guidance = f"{_SAFE}: repeat the view with the patient as he lies, and have whoever services the scanner recover it"
    command = f"daq listmode recover {directory} --out NEW"
    return text, guidance, why if command in why else f"{why}; `{command}` makes a readable copy"
