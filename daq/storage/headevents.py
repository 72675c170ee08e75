"""Events of one gamma-camera head of a recording, with other corrections than those it was recorded with.

Where there is a raw stream they are decoded anew, so that light comes back, too; else stored singles are taken, as long
as nothing was done to them.

Words that hold positions and energies in steps put events onto a comb: here they are spread over the steps as they are
where they are recorded with corrections, event for event alike, and without any corrections, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, RefusedError
from daq.model.events import AMPLITUDES
from daq.model.headcalibration import HeadCorrections, steps_of
from daq.model.processing import Processing
from daq.storage.accounts import Accounts
from daq.storage.derive import Derivation
from daq.storage.kernels import load_decoder
from daq.storage.rawpackets import raw_packets
from daq.storage.recordedprocessing import recorded_processing
from daq.storage.replaying import recorded_facts

if TYPE_CHECKING:
    from daq.storage.reader import ListMode

_NAMES = ("x_mm", "y_mm", "energy_kev")


@dataclass(frozen=True, slots=True, eq=False)
class HeadEvents:
    """Some events of a head: float32 arrays of one length; NaN where light gave no position."""

    x_mm: npt.NDArray[np.float32]
    y_mm: npt.NDArray[np.float32]
    energy_kev: npt.NDArray[np.float32]


def head_events(recording: ListMode, corrections: HeadCorrections) -> Iterator[HeadEvents]:
    """Yield the events of the head that `corrections` are of, corrected by them and by nothing else.

    Raises `MismatchError` for a recording without positions, `RefusedError` for one that has no raw stream and was
    corrected already.
    """
    number = corrections.head
    corrections = corrections.model_copy(update={"steps": steps_of(recorded_facts(recording).layout)})
    if "raw" in recording.streams:
        for columns in _decoded(recording, Processing(heads=(corrections,))):
            yield from _of_head(columns, number)
        return
    _require_plain(recording)
    from daq.pipeline.heads import HeadStage

    stage = HeadStage([corrections], reuse=False)
    names = [*_NAMES, "time_ps", "head"]
    for columns in recording.numpy("singles", [name for name in names if name in recording.schema("singles").names]):
        rows = len(columns["time_ps"])
        yield from _of_head({**columns, **stage(columns, np.array([rows]), np.zeros(1, np.uint16))}, number)


def head_amplitudes(recording: ListMode, number: int) -> Iterator[npt.NDArray[np.uint16]]:
    """Yield the codes of a head's channels as the front end sent them, uint16 [events, channels].

    Raises `MismatchError` for a front end that sends none, `RefusedError` without a raw stream.
    """
    if "raw" not in recording.streams:
        raise RefusedError(f"{recording.directory}: codes of channels are in the raw stream, and it has none")
    for columns in _decoded(recording, Processing()):
        if AMPLITUDES not in columns:
            raise MismatchError(
                f"{recording.directory}: {recording.manifest.profile.get('id')} sends no codes of channels"
            )
        yield columns[AMPLITUDES][columns["head"] == number] if "head" in columns else columns[AMPLITUDES]


def _decoded(recording: ListMode, processing: Processing) -> Iterator[dict[str, npt.NDArray[Any]]]:
    facts = recorded_facts(recording)
    derivation = Derivation(
        load_decoder(facts.layout, facts.clock), Accounts.of(facts.layout, facts.framing, facts.layout.unit),
        imported=facts.imported, processing=processing,
    )  # fmt: skip
    for packets in raw_packets(recording):
        yield from derivation.rows(derivation.account(packets)).get("singles", ())


def _of_head(columns: dict[str, npt.NDArray[Any]], number: int) -> Iterator[HeadEvents]:
    if not set(_NAMES) <= set(columns):
        raise MismatchError(f"these singles have {', '.join(sorted(columns))}; positions and energies are needed")
    mine = columns["head"] == number if "head" in columns else np.ones(len(columns["x_mm"]), bool)
    if mine.any():
        yield HeadEvents(*(np.asarray(columns[name][mine], np.float32) for name in _NAMES))


def _require_plain(recording: ListMode) -> None:
    where = recording.directory
    if "singles" not in recording.streams:
        raise MismatchError(f"{where}: it holds neither raw nor singles")
    used = [one.id for head in recorded_processing(recording.manifest, where).heads for one in head.used]
    if used:
        raise RefusedError(
            f"{where}: recorded without the raw stream and already corrected by {', '.join(used)}: what the head "
            "itself gave is not known any more"
        )
