"""The frames of a PET test: every step of its recordings, with its coincidences and the activity that was in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.events import DELAYED, PROMPT
from daq.model.nuclide_table import nuclide
from daq.model.qc.entered import moment, quantity
from daq.storage.exportpairs import PairSource, Wanted
from daq.storage.reader import ListMode, open_listmode

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.nuclides import Nuclide
    from daq.model.scanner import Ring

_PS_PER_S = 1e12
_NS_PER_S = 1e9
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Frame:
    """One step of a recording. Times are seconds; `start_s` since 1970, UTC."""

    name: str
    directory: Path
    step: int | None
    start_s: float
    seconds: float
    pairs: PairSource

    def prompts(self) -> Iterator[Columns]:
        """Yield runs of prompts."""
        return self._of_kind(PROMPT)

    def delayeds(self) -> Iterator[Columns]:
        """Yield runs of delayeds."""
        return self._of_kind(DELAYED)

    def first_prompts(self, most: int) -> Columns:
        """Return the first prompts, `most` of them or all."""
        parts: list[Columns] = []
        for part in self.prompts():
            parts.append(part)
            if sum(len(each["time_ps"]) for each in parts) >= most:
                break
        if not parts:
            raise RefusedError(f"{self.name}: no prompts")
        return {name: np.concatenate([each[name] for each in parts])[:most] for name in parts[0]}

    @property
    def has_delayeds(self) -> bool:
        """Return True where the recording was made with a delayed window."""
        processing = self.pairs.processing
        if processing is not None and processing.pairing is not None:
            return processing.pairing.delay_ps is not None
        return any(len(part["time_ps"]) for part in self.delayeds())

    def _of_kind(self, kind: int) -> Iterator[Columns]:
        for part in self.pairs.runs():
            chosen = part["kind"] == kind
            if chosen.any():
                yield {name: column[chosen] for name, column in part.items()}


def frames_of(material: Material) -> list[Frame]:
    """Return the frames in the order of time. Raises `RefusedError` where there is none, or no coincidences in one.

    Recordings stay open as long as their frames are held.
    """
    made = [frame for directory in material.recordings for frame in _frames(directory, material)]
    if not made:
        raise RefusedError(f"{material.name}: no recording has a step that ended")
    return sorted(made, key=lambda frame: frame.start_s)


def ring_of(frames: list[Frame]) -> Ring:
    """Return the ring of the frames; raise `RefusedError` where they are of different ones."""
    ring = frames[0].pairs.ring
    other = next((frame for frame in frames if frame.pairs.ring != ring), None)
    if other is not None:
        raise RefusedError(f"{other.directory} is of another ring than {frames[0].directory}")
    return ring


@dataclass(frozen=True, slots=True)
class Filled:
    """What a phantom was filled with: MBq of a nuclide at a time, seconds since 1970, UTC."""

    nuclide: Nuclide
    mbq: float
    at_s: float

    def mean_mbq(self, frame: Frame) -> float:
        """Return the mean activity during a frame."""
        begin = frame.start_s - self.at_s
        decays = self.nuclide.decays_between(self.mbq * 1e6, begin, begin + frame.seconds)
        return decays / frame.seconds / 1e6


def filled(material: Material, frames: list[Frame]) -> Filled:
    """Return the activity: as entered (`activity`, `assayed`), else that of the source register.

    Raises `RefusedError` where neither says it, or not of which nuclide.
    """
    name = material.test.parameters.get("nuclide") or material.source.get("nuclide")
    if not isinstance(name, str):
        raise RefusedError("the nuclide of the source is not known: neither the test nor the source register says it")
    if "activity" in material.entries:
        at = moment(material.entries, "assayed")
        return Filled(nuclide(name), quantity(material.entries, "activity", "MBq"), at.timestamp())
    mbq = material.source.get("activity_mbq")
    if not isinstance(mbq, int | float) or not mbq > 0:
        raise RefusedError(
            "the activity is not known: enter `activity` and `assayed`, or name a source of the register"
        )
    return Filled(nuclide(name), float(mbq), frames[0].start_s)


def _frames(directory: Path, material: Material) -> Iterator[Frame]:
    run = open_listmode(directory)
    scanner = material.scanner if material.scanner.ring is not None else None
    start_s = float(run.manifest.time.get("start_utc_ns", 0)) / _NS_PER_S
    steps = run.manifest.steps
    if not steps:
        yield _whole(run, directory, start_s, PairSource(run, Wanted(scanner=scanner)))
        return
    for step in steps:
        if step.end_ps is None:
            continue
        seconds = (step.end_ps - step.begin_ps - step.paused_ps) / _PS_PER_S
        pairs = PairSource(run, Wanted(scanner=scanner, step=step.number))
        if seconds > 0:
            yield Frame(step.name, directory, step.number, start_s + step.begin_ps / _PS_PER_S, seconds, pairs)


def _whole(run: ListMode, directory: Path, start_s: float, pairs: PairSource) -> Frame:
    duration_ps = run.manifest.duration_ps
    if not duration_ps:
        raise RefusedError(f"{directory}: how long it was recorded is not known")
    return Frame(directory.name, directory, None, start_s, duration_ps / _PS_PER_S, pairs)
