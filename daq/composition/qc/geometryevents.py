"""Events of heads as analyses of geometry take them: positions in mm, of one step, in one window, fine as they came.

Where nothing corrected them, words that hold positions in steps put them onto a comb; they are spread over the steps as
they are for calibrations (`daq.storage.headevents`), or bars as wide as a few steps would beat with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, MissingError, RefusedError
from daq.model.headcalibration import HeadCorrections, steps_of
from daq.qc.fields import FieldOfView, picture
from daq.storage.reader import open_listmode
from daq.storage.recordedlayout import recorded_layout
from daq.storage.recordedprocessing import recorded_processing

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.windows import EnergyWindow
    from daq.storage.reader import ListMode

_NEEDED = ("time_ps", "x_mm", "y_mm", "energy_kev", "head", "windows")
Stage = Callable[[dict[str, Any], Any, Any], Mapping[str, Any]]
_LIT = 0.1
_BEYOND_MM = 20.0


@dataclass(frozen=True, slots=True)
class Exposure:
    """One step of one recording."""

    directory: Path
    name: str
    begin_ps: int | None
    end_ps: int | None
    windows: tuple[EnergyWindow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Some events: head numbers, mm, keV (NaN where unknown) and bits of windows, arrays of one length."""

    head: npt.NDArray[np.uint8]
    x_mm: npt.NDArray[np.float32]
    y_mm: npt.NDArray[np.float32]
    kev: npt.NDArray[np.float32]
    bits: npt.NDArray[np.uint16] | None

    def inside(self, window: EnergyWindow, place: int | None) -> npt.NDArray[np.bool_]:
        """Return which lie in a window; `place`: of the recorded ones, by whose bit it is told."""
        if place is not None and self.bits is not None:
            return np.asarray((self.bits >> np.uint16(place)) & 1 == 1)
        return np.asarray((self.kev >= window.lower_kev) & (self.kev < window.upper_kev))


def exposures(material: Material) -> list[Exposure]:
    """Return the steps of all recordings, in order. Raise `MissingError` where there is none."""
    found = []
    for directory in material.recordings:
        with open_listmode(directory) as recording:
            windows = recorded_processing(recording.manifest, directory).windows
            steps = recording.manifest.steps or []
            found += [Exposure(directory, step.name, step.begin_ps, step.end_ps, windows) for step in steps]
            if not steps:
                found.append(Exposure(directory, "", None, None, windows))
    if not found:
        raise MissingError(f"test {material.name}: it needs a recording")
    return found


def events(exposure: Exposure) -> Iterator[Spots]:
    """Yield the events of a step. Raises `MismatchError` for a recording without positions."""
    with open_listmode(exposure.directory) as recording:
        if "singles" not in recording.streams:
            raise MissingError(f"{exposure.directory}: no singles were stored; `daq listmode replay --out` makes them")
        stored = recording.schema("singles").names
        if not {"x_mm", "y_mm"} <= set(stored):
            raise MismatchError(f"{exposure.directory}: its singles have no positions: {', '.join(stored)}")
        names = [name for name in _NEEDED if name in stored]
        stop = None if exposure.end_ps is None else exposure.end_ps + 1
        stage = _spreading(recording)
        for batch in recording.batches("singles", names, start_ps=exposure.begin_ps, stop_ps=stop):
            columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in names}
            yield _spots(_between(columns, exposure), stage)


def pictures(
    material: Material, exposure: Exposure, windows: Sequence[tuple[EnergyWindow, int | None]], pixel_mm: float
) -> dict[int, npt.NDArray[np.int64]]:
    """Return by head the pictures [windows, rows, columns] of a step, a little larger than its field of view.

    A head with less than a tenth of the counts of the brightest saw no source and is left out.
    """
    made: dict[int, npt.NDArray[np.int64]] = {}
    for head in material.scanner.heads:
        rows, columns = (2 * math.ceil((size / 2 + _BEYOND_MM) / pixel_mm) for size in (head.height_mm, head.width_mm))
        made[head.number] = np.zeros((len(windows), rows, columns), np.int64)
    for spots in events(exposure):
        for number, into in made.items():
            mine = spots.head == number
            for at, (window, place) in enumerate(windows):
                chosen = mine & spots.inside(window, place)
                into[at] += picture(
                    spots.x_mm[chosen], spots.y_mm[chosen], rows=into.shape[1], columns=into.shape[2], pixel_mm=pixel_mm
                )
    most = max((int(each.sum()) for each in made.values()), default=0)
    if most == 0:
        raise RefusedError(f"{exposure.directory}: step {exposure.name!r} holds no event of a head in the window")
    return {number: each for number, each in made.items() if each.sum() > _LIT * most}


def chosen_window(material: Material, exposure: Exposure, nuclide: str | None) -> tuple[EnergyWindow, int | None]:
    """Return the window that a test names, else the first recorded, else the usual one of the nuclide."""
    from daq.model.window_sets import photopeaks

    wanted = material.test.parameters.get("window")
    names = [window.name for window in exposure.windows]
    if wanted is not None and str(wanted) not in names:
        raise MissingError(f"{exposure.directory}: it has no window {wanted!r}; there are {', '.join(names) or 'none'}")
    if names:
        place = 0 if wanted is None else names.index(str(wanted))
        return exposure.windows[place], place
    return photopeaks(nuclide or "Tc-99m")[0].window, None


def fields(material: Material) -> dict[int, FieldOfView]:
    """Return the useful field of view of each head by its number."""
    return {head.number: FieldOfView(head.width_mm, head.height_mm) for head in material.scanner.heads}


def _between(columns: dict[str, npt.NDArray[Any]], exposure: Exposure) -> dict[str, npt.NDArray[Any]]:
    """Return the rows of a step: batches are chosen whole."""
    times = columns["time_ps"]
    inside = np.ones(len(times), bool)
    if exposure.begin_ps is not None:
        inside &= times >= exposure.begin_ps
    if exposure.end_ps is not None:
        inside &= times <= exposure.end_ps
    return columns if inside.all() else {name: column[inside] for name, column in columns.items()}


def _spreading(recording: ListMode) -> Stage | None:
    """Return what spreads events over the steps of words; None where they were corrected, or have no steps."""
    from daq.pipeline.heads import HeadStage

    if any(head.used for head in recorded_processing(recording.manifest, recording.directory).heads):
        return None
    layout, _ = recorded_layout(recording.manifest, recording.directory)
    steps = steps_of(layout)
    if steps[0] <= 0.0:
        return None
    heads = {int(head["number"]) for head in (recording.manifest.scanner or {}).get("heads", ())} or {0}
    made = [HeadCorrections(head=number).model_copy(update={"steps": steps}) for number in sorted(heads)]
    return HeadStage(made, reuse=False)


def _spots(columns: dict[str, npt.NDArray[Any]], stage: Stage | None) -> Spots:
    rows = len(columns["time_ps"])
    head = columns.get("head", np.zeros(rows, np.uint8))
    kev = columns.get("energy_kev", np.full(rows, np.nan, np.float32))
    moved: Mapping[str, Any] = columns
    if stage is not None:
        given = {name: columns[name] for name in ("time_ps", "x_mm", "y_mm")} | {"head": head, "energy_kev": kev}
        moved = stage(given, np.array([rows]), np.zeros(1, np.uint16))
    return Spots(head, moved["x_mm"], moved["y_mm"], kev, columns.get("windows"))
