"""Write coincidences or singles as trees of GATE: `Coincidences` (prompts), `delay` (delayeds) or `Singles`.

Branch names and units are GATE's: s, MeV, mm. Number 1 of a coincidence is the detector that was hit first. The volumes
are those of a cylindrical PET scanner: an rsector is a module's place around the ring, a module its place along the
axis, a crystal counts around the ring fastest. `sourcePos` is NaN: what only a simulation can know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.listmode.petsird_geometry import crystal_positions
from daq.model.events import DELAYED
from daq.model.scanner import Ring, are_virtual, place, positions_mm
from daq.storage.exportpairs import Columns, PairSource, Wanted, Written, rows_of, scanner_of, step_span_ps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daq.storage.reader import ListMode

PROMPT_TREE, DELAYED_TREE, SINGLES_TREE = "Coincidences", "delay", "Singles"
_BASKET_ROWS = 1 << 18
_PS_PER_S = 1e12
_KEV_PER_MEV = 1e3

Branches = dict[str, npt.NDArray[Any]]


def write_root(run: ListMode, path: Path, wanted: Wanted, stream: str) -> Written:
    """Write the file `path`, which must not exist. Raise `RefusedError` and its kinds."""
    import uproot

    written = Written()
    if stream == "singles":
        trees, runs = (SINGLES_TREE,), _singles(run, wanted, written)
    elif stream == "coincidences":
        source = PairSource(run, wanted)
        written.notes += [*source.notes, *_time_notes(run, source)]
        trees, runs = (PROMPT_TREE, DELAYED_TREE), _coincidences(source, written)  # type: ignore[assignment]
    else:
        raise RefusedError(f"stream {stream}: a GATE file holds coincidences or singles")
    with uproot.create(str(path), compression=uproot.ZLIB(1)) as file:
        made: dict[str, Any] = {}
        for name, branches in _baskets(runs):
            if name not in made:
                made[name] = file.mktree(name, {branch: values.dtype for branch, values in branches.items()})
            made[name].extend(branches)
            written.rows += len(next(iter(branches.values())))
        if not made:
            raise RefusedError(f"{run.directory}: nothing to export as {' or '.join(trees)}")
    return written


def _baskets(runs: Iterator[tuple[str, Branches]]) -> Iterator[tuple[str, Branches]]:
    """Join runs of a tree to baskets of about `_BASKET_ROWS` rows."""
    waiting: dict[str, list[Branches]] = {}
    for name, branches in runs:
        held = waiting.setdefault(name, [])
        held.append(branches)
        if sum(len(next(iter(each.values()))) for each in held) >= _BASKET_ROWS:
            yield name, _joined(waiting.pop(name))
    for name, held in waiting.items():
        yield name, _joined(held)


def _joined(held: list[Branches]) -> Branches:
    return {branch: np.concatenate([each[branch] for each in held]) for branch in held[0]}


def _coincidences(source: PairSource, written: Written) -> Iterator[tuple[str, Branches]]:
    for columns in source.runs():
        gaps = are_virtual(source.ring, columns["detector_a"]) | are_virtual(source.ring, columns["detector_b"])
        written.leave_out("no crystal", int(np.count_nonzero(gaps)))
        delayed = columns["kind"] == DELAYED
        for name, rows in ((PROMPT_TREE, ~delayed & ~gaps), (DELAYED_TREE, delayed & ~gaps)):
            if np.any(rows):
                yield name, _pairs(source.ring, {key: column[rows] for key, column in columns.items()})


def _pairs(ring: Ring, columns: Columns) -> Branches:
    tof_ps = columns.get("tof_ps", np.zeros(len(columns["time_ps"]), np.int32))
    later_first = tof_ps < 0  # b was hit before a
    first_s = columns["time_ps"] / _PS_PER_S
    branches: Branches = {
        "runID": np.zeros(len(first_s), np.int32),
        "time1": first_s,
        "time2": (columns["time_ps"] + np.abs(tof_ps).astype(np.int64)) / _PS_PER_S,
    }
    for side, (one, other) in (("1", ("a", "b")), ("2", ("b", "a"))):
        detector = np.where(later_first, columns[f"detector_{other}"], columns[f"detector_{one}"])
        if f"energy_{one}_kev" in columns and f"energy_{other}_kev" in columns:
            energy = np.where(later_first, columns[f"energy_{other}_kev"], columns[f"energy_{one}_kev"])
            branches[f"energy{side}"] = (energy / _KEV_PER_MEV).astype(np.float32)
        branches |= _volumes(ring, detector, side)
    return branches


def _singles(run: ListMode, wanted: Wanted, written: Written) -> Iterator[tuple[str, Branches]]:
    ring, _ = scanner_of(run, wanted)
    there = run.schema("singles").names
    if "detector" not in there:
        raise RefusedError(f"{run.directory}: its singles have no detector number")
    names = [name for name in ("time_ps", "detector", "energy_kev") if name in there]
    for columns in rows_of(run, "singles", names, step_span_ps(run, wanted)):
        real = ~are_virtual(ring, columns["detector"])
        written.leave_out("no crystal", int(np.count_nonzero(~real)))
        branches: Branches = {
            "runID": np.zeros(int(np.count_nonzero(real)), np.int32),
            "time": columns["time_ps"][real] / _PS_PER_S,
        }
        if "energy_kev" in columns:
            branches["energy"] = (columns["energy_kev"][real] / _KEV_PER_MEV).astype(np.float32)
        if np.any(real):
            yield SINGLES_TREE, branches | _volumes(ring, columns["detector"][real], "")


def _volumes(ring: Ring, detector: npt.NDArray[np.uint32], side: str) -> Branches:
    """Return where a detector is: volumes by number, and the place of its crystal."""
    at = place(ring, detector)
    real = crystal_positions(ring)
    rank = np.zeros(ring.module_detectors, np.int64)
    rank[real] = np.arange(len(real))
    numbers = {
        "gantryID": np.zeros(len(detector)),
        "rsectorID": at.crystal // ring.module_detectors,
        "moduleID": at.ring // ring.module_rings,
        "submoduleID": np.zeros(len(detector)),
        "crystalID": (at.ring % ring.module_rings) * len(real) + rank[at.crystal % ring.module_detectors],
        "layerID": at.layer,
    }
    branches: Branches = {f"{name}{side}": values.astype(np.int32) for name, values in numbers.items()}
    for axis, place_mm in zip("XYZ", positions_mm(ring, detector).T, strict=True):
        branches[f"globalPos{axis}{side}"] = np.ascontiguousarray(place_mm, np.float32)
        branches[f"sourcePos{axis}{side}"] = np.full(len(detector), np.nan, np.float32)
    return branches


def _time_notes(run: ListMode, source: PairSource) -> list[str]:
    notes = []
    if not source.has_tof:
        notes.append("no differences of time are recorded: time1 and time2 are the same")
    if not source.has_energies:
        notes.append("no energies of pairs are recorded: there are no branches energy1 and energy2")
    return notes
