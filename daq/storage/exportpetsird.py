"""Write coincidences as a PETSIRD file: a header from the scanner profile, blocks of at most 100 ms of events.

A block holds the rows, in stored order, whose times lie in its interval; where times go back a block for the earlier
interval follows. Recorded time without events is in the file as blocks without events. Memory stays bounded: the lists
of a block that grow beyond a limit wait on the disk, beside the file.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.errors import RefusedError
from daq.listmode.petsird import (
    END_OF_BLOCKS,
    CoincidencePolicy,
    Exam,
    Header,
    encode_events,
    encode_header,
    varint,
)
from daq.listmode.petsird_events import LEFT_OUT, EventEncoder, TofBins
from daq.listmode.petsird_geometry import detection_bins, geometry
from daq.model.coincidence import PairingRule, Policy
from daq.model.geometry import LIGHT_MM_PER_PS
from daq.model.windows import FWHM_PER_SIGMA
from daq.storage.exportpairs import Columns, PairSource, Survey, Wanted, Written

if TYPE_CHECKING:
    from pathlib import Path

    from daq.storage.exportfile import HashingFile
    from daq.storage.reader import ListMode

BLOCK_MS = 100
_PS_PER_MS = 10**9
_MOST_MS = 0xFFFFFFFF
_SPOOL_BYTES = 32 << 20
_FEW_TOF_BINS = 127
"""TOF bins of a number up to here take one byte; the default width makes no more."""


def write_petsird(run: ListMode, sink: HashingFile, wanted: Wanted, scratch: Path) -> Written:
    """Write the file; lists that do not fit memory wait in the directory `scratch`. Raise `RefusedError`."""
    source = PairSource(run, wanted)
    survey = source.survey()
    tof, edges = _tof_bins(source, survey), _energy_edges(source)
    written = Written(notes=source.notes)
    sink.write(encode_header(_header(run, source, survey, tof, edges, written)))
    encoder = EventEncoder(detection_bins(source.ring, len(edges) - 1), edges, tof)
    origin_ms = min(0, survey.first_ps // _PS_PER_MS)
    if origin_ms:
        written.notes.append(f"times begin before zero: time 0 of the file is {origin_ms} ms of the recording")
    if survey.last_ps // _PS_PER_MS - origin_ms + BLOCK_MS > _MOST_MS:
        raise RefusedError(f"{run.directory}: longer than the 49.7 days that PETSIRD can count")
    blocks = _Blocks(
        sink, written, scratch, _covered_ms(run, survey, origin_ms), with_delayeds=_delayeds(source, survey)
    )
    for columns in source.runs():
        ms = columns["time_ps"] // _PS_PER_MS - origin_ms
        index = ms // BLOCK_MS
        cuts = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
        for start, stop in pairwise(cuts):
            rows = {name: column[start:stop] for name, column in columns.items()}
            blocks.take(int(index[start]), (int(ms[start:stop].min()), int(ms[start:stop].max())), encoder, rows)
    blocks.finish()
    sink.write(END_OF_BLOCKS)
    return written


@dataclass(slots=True)
class _List:
    """A list of events that grows: its bytes and how many events they are."""

    data: SpooledTemporaryFile[bytes]
    number: int = 0


class _Blocks:
    """Puts rows into blocks and writes each block when the next one begins."""

    def __init__(
        self, sink: HashingFile, written: Written, scratch: Path, covered_ms: list[tuple[int, int]], *,
        with_delayeds: bool,
    ) -> None:  # fmt: skip
        self._sink = sink
        self._written = written
        self._scratch = scratch
        self._covered_ms = covered_ms
        self._with_delayeds = with_delayeds
        self._index: int | None = None
        self._done_ms = covered_ms[0][0] if covered_ms else 0
        self._back = 0
        self._lists: list[_List] = []
        self._rows_ms = (0, 0)

    def take(self, index: int, ms: tuple[int, int], encoder: EventEncoder, columns: Columns) -> None:
        """Put rows of block `index`, of the least and greatest time `ms`, behind those that came before."""
        if index != self._index:
            self._back += self._index is not None and index < self._index
            self._close()
            self._index = index
            self._lists = [_List(self._spool()), _List(self._spool())]
            self._rows_ms = ms
        self._rows_ms = (min(ms[0], self._rows_ms[0]), max(ms[1], self._rows_ms[1]))
        encoded = encoder.encode(columns)
        for into, data, number in (
            (self._lists[0], encoded.prompts, encoded.prompt_number),
            (self._lists[1], encoded.delayeds, encoded.delayed_number),
        ):
            into.data.write(data.data)
            into.number += number
        self._written.rows += encoded.prompt_number + encoded.delayed_number
        for cause, rows in zip(LEFT_OUT, encoded.left_out, strict=True):
            self._written.leave_out(cause, rows)

    def finish(self) -> None:
        """Write what is open, and the recorded time behind it."""
        self._close()
        self._fill(_MOST_MS)
        if self._back:
            self._written.notes.append(
                f"times go back {self._back} times: blocks follow that begin before earlier ones"
            )

    def _close(self) -> None:
        if self._index is None:
            return
        start_ms, stop_ms = self._interval(self._index)
        self._fill(start_ms)
        self._write(start_ms, stop_ms, self._lists)
        self._done_ms = max(self._done_ms, stop_ms)
        self._index = None

    def _interval(self, index: int) -> tuple[int, int]:
        """Return the interval of a block, cut where recording began or ended within it and no row lies outside."""
        start_ms, stop_ms = index * BLOCK_MS, (index + 1) * BLOCK_MS
        if not self._covered_ms:
            return start_ms, stop_ms
        begin_ms = min(self._covered_ms[0][0], self._rows_ms[0])
        end_ms = max(self._covered_ms[-1][1], self._rows_ms[1] + 1)
        return max(start_ms, min(begin_ms, stop_ms)), min(stop_ms, max(end_ms, start_ms))

    def _fill(self, until_ms: int) -> None:
        """Write recorded time up to `until_ms` in which nothing came."""
        for begin_ms, end_ms in self._covered_ms:
            start, stop = max(begin_ms, self._done_ms), min(end_ms, until_ms)
            if start < stop:
                self._write(start, stop, [])
                self._done_ms = stop

    def _write(self, start_ms: int, stop_ms: int, lists: list[_List]) -> None:
        numbers = [[varint(made.number)] for made in lists] or [[varint(0)], [varint(0)]]
        before, between, after = encode_events(
            start_ms, stop_ms, numbers[0], numbers[1] if self._with_delayeds else None
        )
        for head, made in zip((before, between), lists or (None, None), strict=True):
            self._sink.write(head)
            if made is not None:
                made.data.seek(0)
                shutil.copyfileobj(made.data, self._sink, 1 << 20)
                made.data.close()
        self._sink.write(after)

    def _spool(self) -> SpooledTemporaryFile[bytes]:
        return SpooledTemporaryFile(_SPOOL_BYTES, dir=str(self._scratch))


def _covered_ms(run: ListMode, survey: Survey, origin_ms: int) -> list[tuple[int, int]]:
    """Return the recorded time as intervals of ms of the file: the steps, else from zero to the latest time seen."""
    steps = [(step.begin_ps, step.end_ps) for step in run.manifest.steps or () if step.end_ps is not None]
    whole = (min(0, survey.first_ps), max(survey.last_ps + 1, run.manifest.duration_ps or 0))
    intervals = [(begin // _PS_PER_MS, -(-end // _PS_PER_MS)) for begin, end in sorted(steps or [whole])]
    return [(begin - origin_ms, end - origin_ms) for begin, end in intervals if end > begin]


def _tof_bins(source: PairSource, survey: Survey) -> TofBins:
    half_ps = source.half_window_ps
    if half_ps is None:
        raise RefusedError(
            "the coincidence window is not recorded; PETSIRD states it: give its half width (--half-window-ps)"
        )
    if not source.has_tof:
        return TofBins(2 * half_ps, 1)
    if survey.widest_tof_ps > half_ps:
        raise RefusedError(
            f"a difference of time of {survey.widest_tof_ps} ps is recorded, more than the half window of {half_ps} ps"
        )
    return TofBins.covering(half_ps, source.wanted.tof_bin_ps or math.ceil((2 * half_ps + 1) / _FEW_TOF_BINS))


def _energy_edges(source: PairSource) -> np.ndarray[Any, np.dtype[np.float32]]:
    window = source.energy_window_kev
    if window is None:
        raise RefusedError("the energy window is not recorded; PETSIRD states it: give it (--energy-window 435:650)")
    if source.wanted.energy_bins > 1 and not source.has_energies:
        raise RefusedError(
            f"{source.wanted.energy_bins} energy bins are wanted; the recording has no energies of pairs"
        )
    return np.linspace(*window, source.wanted.energy_bins + 1).astype(np.float32)


def _header(
    run: ListMode, source: PairSource, survey: Survey, tof: TofBins, edges: Any, written: Written
) -> Header:  # fmt: skip
    ring, pairing = source.ring, source.processing.pairing if source.processing else None
    resolution_ps = ring.coincidence_resolution_ps
    if resolution_ps is None and pairing is not None and pairing.timing_sigma_ps is not None:
        resolution_ps = FWHM_PER_SIGMA * pairing.timing_sigma_ps
    for what, value in (
        ("the resolution of time differences", resolution_ps),
        ("the energy resolution at 511 keV", ring.energy_resolution_at_511),
    ):
        if value is None:
            written.notes.append(f"{what} is not in the scanner profile: the file says NaN")
    nothing = float("nan")
    policy = _policy(pairing)
    return Header(
        model_name=source.model_name,
        geometry=geometry(ring),
        tof_edges_mm=tof.edges_mm,
        tof_resolution_mm=nothing if resolution_ps is None else resolution_ps * LIGHT_MM_PER_PS / 2,
        energy_edges_kev=edges,
        energy_resolution_at_511=ring.energy_resolution_at_511 or nothing,
        prompts=policy,
        delayeds=policy if _delayeds(source, survey) else CoincidencePolicy.NONE,
        efficiency_method=_references(run),
        exam=_exam(run),
    )


def _delayeds(source: PairSource, survey: Survey) -> bool:
    """Return True where delayed coincidences were looked for, found or not."""
    pairing = source.processing.pairing if source.processing else None
    return survey.delayeds > 0 or (pairing is not None and pairing.delay_ps is not None)


def _policy(pairing: PairingRule | None) -> CoincidencePolicy:
    """Return PETSIRD's word for what happens to multiples; `other` where it has none or where it is not known."""
    if pairing is not None and pairing.policy == Policy.TAKE_ALL_GOODS:
        return CoincidencePolicy.MULTIPLES_AS_ALL_COINCIDENCES
    if pairing is not None and pairing.policy == Policy.KILL_ALL:
        return CoincidencePolicy.REJECT_HIGHER_MULTIPLES
    return CoincidencePolicy.OTHER


def _references(run: ListMode) -> str:
    """Return what the file says of efficiencies: none are applied; which calibrations belong to the recording."""
    names = ", ".join(f"{key}: {_said(value)}" for key, value in sorted(run.manifest.calibrations.items()))
    return f"efficiencies are not in this file (1 each); references of the recording: {names or 'none'}"


def _said(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(str(value[key]) for key in ("id", "made_utc", "sha256") if value.get(key))
    return str(value)


def _exam(run: ListMode) -> Exam | None:
    """Return what is known of the examination; None for an imported file, of which not even the date is known."""
    manifest = run.manifest
    start_ns = manifest.time.get("start_utc_ns")
    if manifest.time.get("imported"):
        return None
    return Exam(
        study_utc_ns=_utc_ns(manifest.created_utc),
        start_utc_ns=None if start_ns is None else int(start_ns),
        patient_id=manifest.patient_reference or "",
    )


def _utc_ns(text: str) -> int:
    """Return the time of an ISO 8601 text; 0 for one that a recovery could not save."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return round(moment.timestamp() * 1000) * 10**6
