"""What a recording of a PET ring gives its tests: sums over coincidences, spectra and rates of singles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.composition.qc.ringframes import Frame
from daq.errors import RefusedError
from daq.model.processing import Processing
from daq.qc.pet.kernels import count_energies
from daq.qc.pet.ringmap import Floats, Ints, RingMap, ring_map
from daq.qc.pet.tally import PairTally, TimeTally
from daq.storage.exportpairs import recorded
from daq.storage.reader import ListMode, open_listmode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daq.model.scanner import Ring

BIN_KEV = 2.5
BINS = 400
MOST_SINGLES = 20_000_000
SLICES = 64
BACKGROUND = "background"
_ENERGIES = (("detector_a", "energy_a_kev"), ("detector_b", "energy_b_kev"))
Columns = dict[str, npt.NDArray[Any]]


@dataclass(slots=True, eq=False)
class Spectra:
    """Counts by group (blocks, or detector numbers) and energy, int64 [groups, bins] of `bin_width` about k times it.

    `unit`: keV, or `codes` where nothing was calibrated. `of`: what they are of.
    """

    counts: Ints
    bin_width: float
    unit: str
    of: str

    @property
    def axis(self) -> Floats:
        """Return the middles of the bins."""
        return np.asarray(np.arange(self.counts.shape[1]) * self.bin_width)


@dataclass(slots=True, eq=False)
class Singles:
    """Rates by detector number, float64 [size]: of all singles, and of those in a window that pairs.

    `counts`, `looked_at`: of the singles that were looked at, among all `of`.
    """

    cps: Floats
    window_cps: Floats
    counts: Ints
    looked_at: int
    of: int


@dataclass(slots=True, eq=False)
class Scan:
    """All of a step. `times`, `singles`, `spectra` None: not recorded."""

    frame: Frame
    pairs: PairTally
    times: TimeTally | None = None
    singles: Singles | None = None
    spectra: Spectra | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Return how long it lasted."""
        return self.frame.seconds


def background_and_blank(frames: Sequence[Frame]) -> tuple[Frame | None, Frame]:
    """Return the step named `background`, None where there is none, and the last one that is not."""
    blanks = [frame for frame in frames if frame.name != BACKGROUND]
    if not blanks:
        raise RefusedError("the recordings have a background alone: no step with the source")
    return next((frame for frame in frames if frame.name == BACKGROUND), None), blanks[-1]


def pairs_alone(frame: Frame, of: RingMap) -> PairTally:
    """Return the counts of a step."""
    tally = PairTally(of)
    for part in frame.pairs.runs():
        tally.add(part["detector_a"], part["detector_b"], part["kind"])
    return tally


def scanned(
    frame: Frame, of: RingMap, *, radius_mm: float, most_singles: int = MOST_SINGLES, group: npt.NDArray[np.int32],
) -> Scan:  # fmt: skip
    """Return all of a step, looked at once; energies in groups by detector number."""
    scan = Scan(frame, PairTally(of))
    if frame.pairs.has_tof:
        scan.times = TimeTally(of, _reach_ps(frame), radius_mm)
    singles = read_singles(frame, of, most=most_singles, group=group)
    if singles is not None:
        scan.singles, scan.spectra = singles
    elif frame.pairs.has_energies:
        scan.spectra = _new(group, energy_unit(frame), "coincidences")
    for part in frame.pairs.runs():
        _take(scan, part, group, of_pairs=singles is None)
    return scan


def _take(scan: Scan, part: Columns, group: npt.NDArray[np.int32], *, of_pairs: bool) -> None:
    scan.pairs.add(part["detector_a"], part["detector_b"], part["kind"])
    if scan.times is not None:
        scan.times.add(part["detector_a"], part["detector_b"], part["kind"], part["tof_ps"])
    if of_pairs and scan.spectra is not None:
        for detector, energy in _ENERGIES:
            _add(scan.spectra, part[detector], part[energy], group)


def read_singles(
    frame: Frame, of: RingMap, *, most: int, group: npt.NDArray[np.int32], bin_width: float | None = None
) -> tuple[Singles, Spectra | None] | None:
    """Return rates and spectra of a step's stored singles; None where none are stored with their detector.

    Of more than `most` singles, 64 pieces spread evenly over the step are looked at, and rates are those of all by the
    share that each detector has of them.
    """
    with open_listmode(frame.directory) as run:
        if "singles" not in run.streams or "detector" not in run.schema("singles").names:
            return None
        names = [name for name in ("detector", "energy_kev", "energy_adc", "windows") if _has(run, name)]
        energy = next((name for name in names if name.startswith("energy")), None)
        unit = energy_unit(frame) if energy == "energy_kev" else "codes"
        spectra = _new(group, unit, "singles", bin_width) if energy else None
        first, stop = _rows(run, frame)
        mask = _pairing_mask(run) if "windows" in names else 0
        counts, inside = (np.zeros(of.size, np.int64) for _ in range(2))
        for batch in _pieces(run, names, first, stop, most):
            detector = batch["detector"]
            counts += np.bincount(detector, minlength=of.size)[: of.size]
            chosen = detector[(batch["windows"] & mask) > 0] if mask else detector
            inside += np.bincount(chosen, minlength=of.size)[: of.size]
            if spectra is not None and energy is not None:
                _add(spectra, detector, batch[energy], group)
    seen = int(counts.sum())
    scale = (stop - first) / seen / frame.seconds if seen else 0.0
    rates = [each.astype(np.float64) * scale for each in (counts, inside)]
    return Singles(rates[0], rates[1], counts, seen, stop - first), spectra


def pair_spectra(frame: Frame, spectra: Spectra, group: npt.NDArray[np.int32]) -> None:
    """Add the energies of both photons of every pair."""
    for part in frame.pairs.runs():
        for detector, energy in _ENERGIES:
            _add(spectra, part[detector], part[energy], group)


def has_codes(frame: Frame) -> bool:
    """Return True where singles are stored with raw codes in place of energies."""
    with open_listmode(frame.directory) as run:
        return "singles" in run.streams and _has(run, "energy_adc") and not _has(run, "energy_kev")


def highest_code(frame: Frame) -> float:
    """Return the highest energy among a million of a step's singles or pairs, as it was recorded; 1 where none is."""
    with open_listmode(frame.directory) as run:
        names = [name for name in ("energy_adc", "energy_kev") if "singles" in run.streams and _has(run, name)]
        if names:
            first, stop = _rows(run, frame)
            return max(
                (float(part[names[0]].max()) for part in _pieces(run, names[:1], first, stop, 1 << 20)), default=1.0
            )
    part = next(iter(frame.pairs.runs()), None)
    return max(float(part["energy_a_kev"].max()), 1.0) if part is not None and frame.pairs.has_energies else 1.0


def energy_unit(frame: Frame) -> str:
    """Return `keV`, or `codes` where the column of energies holds ADC codes, for nothing was calibrated."""
    processing = frame.pairs.processing
    calibration = processing.calibration if processing else None
    return "codes" if calibration is not None and calibration.identity else "keV"


def ring_tables(ring: Ring) -> tuple[RingMap, npt.NDArray[np.int32]]:
    """Return the tables of a ring, and each detector number as a group of its own: -1 where no crystal is."""
    of = ring_map(ring)
    return of, np.where(of.real, np.arange(of.size), -1).astype(np.int32)


def _new(group: npt.NDArray[np.int32], unit: str, of: str, bin_width: float | None = None) -> Spectra:
    return Spectra(np.zeros((int(group.max()) + 1, BINS), np.int64), bin_width or BIN_KEV, unit, of)


def _add(spectra: Spectra, detector: Any, energy: Any, group: npt.NDArray[np.int32]) -> None:
    count_energies(
        np.ascontiguousarray(detector, np.uint32), np.ascontiguousarray(energy, np.float32), group, spectra.bin_width,
        spectra.counts,
    )  # fmt: skip


def _has(run: ListMode, name: str) -> bool:
    return name in run.schema("singles").names


def _reach_ps(frame: Frame) -> float:
    """Return the half width of the window, or of the differences that there are."""
    return float(frame.pairs.half_window_ps or max(frame.pairs.survey().widest_tof_ps, 1)) + 1.0


def _pairing_mask(run: ListMode) -> int:
    processing = recorded(run, "processing", Processing)
    return processing.pairing_mask if processing else 0


def _rows(run: ListMode, frame: Frame) -> tuple[int, int]:
    """Return the first row of a step and the one after its last, by halving: rows lie in the order of time."""
    rows = run.rows("singles")
    span = frame.pairs.span_ps
    if span is None:
        return 0, rows
    return _first_at(run, rows, span[0]), _first_at(run, rows, span[1] + 1)


def _first_at(run: ListMode, rows: int, time_ps: int) -> int:
    low, high = 0, rows
    while low < high:
        middle = (low + high) // 2
        (batch,) = run.batches("singles", ["time_ps"], start_row=middle, stop_row=middle + 1)
        low, high = (middle + 1, high) if batch.column("time_ps")[0].as_py() < time_ps else (low, middle)
    return low


def _pieces(run: ListMode, names: list[str], first: int, stop: int, most: int) -> Iterator[Columns]:
    pieces = SLICES if stop - first > most else 1
    for piece in range(pieces):
        begin = first + (stop - first) * piece // pieces
        end = min(begin + most // pieces, stop) if pieces > 1 else stop
        for batch in run.batches("singles", names, start_row=begin, stop_row=end):
            yield {name: batch.column(name).to_numpy() for name in names}
