"""Sort recorded singles again: another window, delay, policy or scanner, and new coincidences beside old marks.

The rows are those that live pairing would have made, in the same order, for any number of threads and any length of the
slices: each slice is paired by itself (`daq.storage.sortingslices`), and slices are written in their order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from daq.errors import UsageError
from daq.model.coincidence import PairingRule
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow, WindowSet
from daq.pipeline.pairing import Pairer
from daq.storage.files import make_parents
from daq.storage.memory import return_large_blocks
from daq.storage.recordedprocessing import note_processing, recorded_processing
from daq.storage.schemas import arrow_schema
from daq.storage.sortingslices import Paired, Reach, pair_slice, slices_of
from daq.storage.sortingsource import Origin, Singles, find_singles
from daq.storage.writer import ListModeWriter, WriterLimits

if TYPE_CHECKING:
    from pathlib import Path

    from daq.model.events import StreamName
    from daq.storage.manifest import Manifest
    from daq.storage.reader import ListMode

SLICE_ROWS = 1 << 20
"""Singles of a slice: 30 ms or so of a core, some 20 MB."""
MAX_THREADS = 64
_LIMITS = WriterLimits(buffers=8)
"""Coincidences are a fraction of the singles: less memory does. The writer keeps some blocks until others follow."""
COLUMNS = ("time_ps", "detector_a", "detector_b", "tof_ps", "energy_a_kev", "energy_b_kev", "kind")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to sort. `windows` None: the recorded ones; else these, which are worked out anew from the energies."""

    pairing: PairingRule
    windows: tuple[EnergyWindow, ...] | None = None
    threads: int = 1
    slice_rows: int = SLICE_ROWS


@dataclass(slots=True)
class Sorted:
    """What was made: the sealed manifest, where singles came from, how many, and counts by kind and cause."""

    manifest: Manifest
    origin: Origin
    singles: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def sort(
    recording: ListMode, out: Path, wanted: Wanted, *, identity: str, software: dict[str, str],
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Sorted:  # fmt: skip
    """Pair the singles of `recording` again into the new sealed directory `out`, marks copied; return the result.

    `identity` is its acquisition id, `software` what the manifest names beside the recording's own. `progress(done,
    total)` counts singles, `total` None where they are derived from raw. Raise `RefusedError` for a recording that
    cannot be sorted, or not so; `VerificationError` where it is damaged. Then `out` is left unsealed. SHA-256 sums are
    for `hash_segments` to add.
    """
    if not 1 <= wanted.threads <= MAX_THREADS:
        raise UsageError(f"{wanted.threads} threads: from 1 to {MAX_THREADS}")
    singles = find_singles(recording, None if wanted.windows is None else WindowSet(wanted.windows))
    processing = _processing(recording, wanted)
    pairers = _Pairers(processing)
    manifest = _manifest(recording, singles.origin, processing, identity, software)
    return_large_blocks()
    make_parents(out)
    with _writing(out, manifest, recording) as writer:
        made = Sorted(manifest, singles.origin, counts=Counter(pairers.nothing))
        for paired in _in_order(_tasks(singles, pairers, wanted.slice_rows), wanted.threads):
            _write(writer, made, paired)
            progress(made.singles, singles.rows)
        for batch in recording.batches("marks") if "marks" in recording.streams else ():
            writer.write("marks", batch)
        old = recording.manifest
        made.manifest = writer.seal(
            counters={"singles": made.singles, "pairing": dict(made.counts)},
            ended_by=old.ended_by or "end", ledger=old.ledger, words_by_kind=old.words_by_kind,
            duration_ps=old.duration_ps, steps=None if old.steps is None else lambda: list(old.steps or ()),
        )  # fmt: skip
    return made


class _Pairers:
    """Pairers for as many threads as ask; each is used by one at a time."""

    def __init__(self, processing: Processing) -> None:
        if processing.pairing is None:
            raise UsageError("no rule of pairing is given")
        self._rule, self._mask = processing.pairing, processing.pairing_mask
        self.reach = Reach(self._rule.half_window_ps + (self._rule.delay_ps or 0), self._mask)
        self._free: SimpleQueue[Pairer] = SimpleQueue()
        first = self._new()
        self.nothing = first.counts
        """What is counted of no singles: each count zero."""
        self._free.put(first)

    def pair(self, runs: Any, own: int) -> Paired:
        """Pair a slice. A pairer in which something failed is not used again."""
        try:
            pairer = self._free.get_nowait()
        except Empty:
            pairer = self._new()
        paired = pair_slice(runs, own, self.reach, pairer)
        self._free.put(pairer)
        return paired

    def _new(self) -> Pairer:
        return Pairer(self._rule, window_mask=self._mask)


def _tasks(singles: Singles, pairers: _Pairers, slice_rows: int) -> Iterator[Callable[[], Paired]]:
    """Yield the work, slice by slice: of stored singles each slice reads its own rows."""
    if singles.rows is None:
        for runs, own in slices_of(singles.derived(), slice_rows, pairers.reach):
            yield partial(pairers.pair, runs, own)
        return
    for first in range(0, singles.rows, slice_rows):
        yield partial(_read_and_pair, singles, pairers, first, min(slice_rows, singles.rows - first))


def _read_and_pair(singles: Singles, pairers: _Pairers, first: int, own: int) -> Paired:
    return pairers.pair(singles.stored(first), own)


def _in_order(tasks: Iterator[Callable[[], Paired]], threads: int) -> Iterator[Paired]:
    """Do the tasks on threads and yield what they give in their order, few of them ahead."""
    waiting: deque[Future[Paired]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="sort") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write(writer: ListModeWriter, made: Sorted, paired: Paired) -> None:
    made.singles += paired.singles
    made.counts.update(paired.counts)
    for rows in paired.rows:
        writer.write("coincidences", rows)


@contextmanager
def _writing(out: Path, manifest: Manifest, recording: ListMode) -> Iterator[ListModeWriter]:
    """Yield the writer. What is not sealed in the end is left as it is: unsealed, and so never taken for whole."""
    schemas: dict[StreamName, Any] = {"coincidences": arrow_schema("coincidences", list(COLUMNS))}
    if "marks" in recording.streams:
        schemas["marks"] = recording.schema("marks")
    writer = ListModeWriter(out, manifest, schemas, limits=_LIMITS).open()
    try:
        yield writer
    except BaseException:
        with suppress(UsageError):  # sealing had begun
            writer.abandon()
        raise


def _processing(recording: ListMode, wanted: Wanted) -> Processing:
    """Return what is done to the singles, for the new manifest: windows and rule as wanted, none of them stored."""
    recorded = recorded_processing(recording.manifest, recording.directory)
    windows = recorded.windows if wanted.windows is None else wanted.windows
    return Processing(
        calibration=recorded.calibration, windows=windows, pairing=wanted.pairing, ring=recorded.ring, singles="none"
    )


def _manifest(
    recording: ListMode, origin: Origin, processing: Processing, identity: str, software: dict[str, str]
) -> Manifest:
    """Return the manifest of the new directory: the acquisition's own, with what was made of it and how."""
    old = recording.manifest
    changes = {
        "state": "open", "hashed": False, "segments": [], "sealed_utc": None, "acquisition_id": identity,
        "counters": {},
        "software": {**old.software, **{f"sorted_by_{name}": version for name, version in software.items()}},
        "sorted_from": {
            "acquisition_id": old.acquisition_id, "stream": origin,
            "segments": {s.file: s.sha256 or s.crc_chain for s in old.segments if s.stream == origin},
        },
    }  # fmt: skip
    made = old.model_copy(update=changes, deep=True)
    note_processing(made, processing)
    return made
