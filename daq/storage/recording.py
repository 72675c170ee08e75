"""One acquisition being written: packets in, a sealed directory with its ledger out. Live and at import alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from daq.errors import ScandaqError
from daq.model.events import PROMPT, StreamName
from daq.model.layout import Clock, Layout
from daq.model.ledger import Ledger
from daq.model.order import OrderRule
from daq.model.packets import Packets
from daq.model.processing import Processing
from daq.model.stop import StopCondition
from daq.storage.accounts import Accounted, Accounts, Framing
from daq.storage.derive import Derivation, Rows
from daq.storage.derivedmarks import SHED_PAIRS
from daq.storage.files import make_parents
from daq.storage.flow import Counts, total
from daq.storage.handing import Handing
from daq.storage.hashing import hash_segments
from daq.storage.hostclock import clock_health
from daq.storage.kernels import load_decoder
from daq.storage.leftpairs import LeftPairs
from daq.storage.manifest import Manifest, RecordedStep
from daq.storage.memory import return_large_blocks
from daq.storage.owed import Owed, grown
from daq.storage.rebuild import Rebuild
from daq.storage.recordedprocessing import note_processing
from daq.storage.slab import Slab
from daq.storage.steps import StepList
from daq.storage.streams import stream_schemas
from daq.storage.writer import ListModeWriter


class Recording:
    """Accounts for packets, writes them, derives their rows and writes those. Call from one thread."""

    def __init__(
        self, writer: ListModeWriter, derivation: Derivation, *, streams: frozenset[StreamName], directory: Path,
        stop: str = "", processing: Processing | None = None,
    ) -> None:  # fmt: skip
        """Use `start`."""
        self._writer = writer
        self.derivation = derivation
        self.steps = StepList(stop)
        self._words = 0
        self._store_raw = "raw" in streams
        self._stored = streams
        self._store_rows = bool(streams - {"raw", "marks"})
        self._pairs = processing is not None and processing.pairing is not None
        self._directory = directory
        self._sealing = False
        self._handing = Handing(writer, directory)
        self._owed = Owed()
        self._hard_pressed: Callable[[], bool] | None = None
        self._left: LeftPairs | None = None
        self._rebuild: Rebuild | None = None
        self._shed: dict[int, int] = {}
        self._shedding = False
        self._marks_to: Callable[[Mapping[str, Any]], None] | None = None

    @classmethod
    def start(
        cls, directory: str | Path, manifest: Manifest, layout: Layout, clock: Clock,
        unit: Literal["word", "event", "frame"], framing: Framing, *,
        stop: StopCondition | None = None, store_raw: bool = True, store_rows: bool = True, imported: bool = False,
        order: OrderRule | None = None, step_name: str = "", moving: bool = False,
        processing: Processing | None = None, marks_to: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Self:  # fmt: skip
        """Compile the decoder, open the directory and return the recording, ready for packets of its first step.

        `imported`: the data are a file's; time zero is tick 0 and the host's clock has no say. `moving`: axes move
        during the first step. `marks_to` is shown each run of marks, as columns, when it is written.
        """
        return_large_blocks()
        decoder = load_decoder(layout, clock)
        derivation = Derivation(
            decoder, Accounts.of(layout, framing, unit), imported=imported, stop=stop, order=order,
            processing=processing, feet_first=manifest.feet_first,
            utc_of=lambda arrival_ns: time.time_ns() - time.monotonic_ns() + arrival_ns,
        )  # fmt: skip
        manifest.time.update(
            tick_ps=clock.tick_ps, precision_ps=clock.precision_ps, imported=imported, framing=framing,
            start_utc_ns=time.time_ns(), start_monotonic_ns=time.monotonic_ns(), host_clock=clock_health(),
            order=order.model_dump(mode="json") if order else None,
        )  # fmt: skip
        note_processing(manifest, processing or Processing())
        make_parents(Path(directory))
        schemas = stream_schemas(
            decoder.columns, store_raw=store_raw, store_rows=store_rows, late=order is not None, processing=processing
        )
        writer = ListModeWriter(Path(directory), manifest, schemas)
        recording = cls(
            writer.open(), derivation, streams=frozenset(schemas), directory=Path(directory), stop=manifest.stop,
            processing=processing,
        )  # fmt: skip
        recording._marks_to = marks_to
        recording.note(derivation.start(step_name, moving=moving))
        return recording

    @property
    def failure(self) -> ScandaqError | None:
        """Return what ended the writing, None while all is well."""
        return self._handing.failure

    @property
    def stopped_by(self) -> str | None:
        """Return the limit that was reached, None before."""
        stopped = self.derivation.stopped  # once: another thread may ask while the next step begins
        return stopped.by if stopped else None

    def all_sources_ended(self) -> bool:
        """Return True when every source that came has said that it ended."""
        return self.derivation.accounts.all_ended()

    def feed(self, packets: Packets) -> None:
        """Account for, write and derive a run of packets."""
        if not len(packets):
            return
        accounted, words, _ = self._account(packets)
        counts = _named("source", words)
        if self._store_raw:
            self._handing.write("raw", accounted.packets, counts)
            self._owed.owe(words, {"raw": self._handing.rows["raw"]})
        self._derive(accounted, words, {} if self._store_raw else counts)

    def take(self, slab: Slab, begin: int, end: int) -> Packets:
        """Account for packets of a slab and derive their rows; the slab itself is written by `close`.

        Return the packets with their final flags.
        """
        accounted, words, losses = self._account(slab.view(begin, end))
        slab.flags[begin:end] = accounted.packets.flags
        counts = _named("source", words)
        for source, count in words.items():
            slab.words[source] = slab.words.get(source, 0) + count
        slab.counts = total([slab.counts, counts])
        slab.losses = total([slab.losses, losses])
        slab.taken = end
        self._derive(accounted, words, {} if self._store_raw else counts)
        return accounted.packets

    def close(self, slab: Slab, release: Callable[[Slab], None]) -> None:
        """Hand a full slab to the writer, which gives it back by `release`, when its last packets were taken."""
        give = partial(release, slab)
        if self._store_raw and slab.packets:
            self._handing.rows["raw"] = self._handing.rows.get("raw", 0) + slab.packets
            self._owed.owe(slab.words, {"raw": self._handing.rows["raw"]})
        if not self._store_raw or not slab.packets or self.failure is not None:
            give()
            return
        try:
            self._writer.write_whole("raw", slab.close(), slab.memory, give, counts=slab.counts, losses=slab.losses)
        except ScandaqError as failure:
            self._handing.fail(failure)
            give()

    def save(self, slab: Slab) -> None:
        """Write a copy of the packets of a slab that were taken, when something keeps it from being closed."""
        if self._store_raw and slab.taken:
            self._handing.write("raw", slab.kept(slab.taken), slab.counts)
            self._owed.owe(slab.words, {"raw": self._handing.rows["raw"]})

    def note(self, rows: Rows) -> None:
        """Write rows that the derivation gave of its own: a host's mark, what a flush released."""
        self._write_rows(rows, {})

    def flush(self) -> None:
        """Release what waits for its turn in time, because every source is silent."""
        if self._rebuild is not None:
            self._rebuild.flushed(self.derivation.packets_seen)
        self.note(self.derivation.flush())

    def shed_when(self, pressed: Callable[[], bool], *, hard: Callable[[], bool] | None = None) -> None:
        """Shed rows rather than wait for the disk while `pressed()`; without this, wait.

        Where pairs can be made later of stored singles they alone are shed, until it is `hard`, too; where raw is not
        stored, words are left out only while it is.
        """
        self._handing.pressed, self._hard_pressed = pressed, hard or pressed

    @property
    def to_rebuild(self) -> bool:
        """True when rows were shed that can be made of what is stored."""
        return self._rebuild is not None or self._left is not None

    def rebuild(self, goes_on: Callable[[], bool]) -> bool:
        """Derive after all what was shed, as long as `goes_on()`; return True when nothing is missing any more.

        To be called after the last packet. Rows left out are in raw or can be made of the singles, and `replay` and
        `sort` do that.
        """
        if not self.to_rebuild:
            return True
        self._handing.pressed = None
        try:
            return self._rebuild_rows(goes_on) and self._rebuild_pairs(goes_on)
        except ScandaqError as failure:
            self._handing.fail(failure)
            return False

    def _rebuild_rows(self, goes_on: Callable[[], bool]) -> bool:
        """Derive from raw what was shed of all events."""
        rebuild = self._rebuild
        if rebuild is None:
            return True
        if not self._handing.all_durable(goes_on):
            return False
        for rows in rebuild.rows(self._directory, self.derivation.packets_seen):
            if not goes_on() or self.failure is not None:
                return False
            self._write_rows(rows, {})
        rebuild.hand_back(self.derivation)
        self._rebuild = None
        return True

    def _rebuild_pairs(self, goes_on: Callable[[], bool]) -> bool:
        """Make of the stored singles the pairs that were shed."""
        left = self._left
        if left is None:
            return True
        if not self._handing.all_durable(goes_on):
            return False
        for rows in left.rows(self._directory, self._handing.rows.get("singles", 0)):
            if not goes_on() or self.failure is not None:
                return False
            self._write_rows(rows, {})
        self.derivation.take_pairs_back(left.stage)
        self._left = None
        return True

    def figures(self) -> dict[str, Any]:
        """Return live figures as plain data: counts live and recorded, words, time."""
        derivation = self.derivation
        accounts = derivation.accounts
        return {
            "counts_live": derivation.counts,
            "counts_recorded": self._counts_recorded(),
            "rows_recorded": {str(stream): rows for stream, rows in self._writer.acknowledged.items()},
            "words_received": int(accounts.received.sum()),
            "words_missing": int(accounts.gap.sum()),
            "words_recorded": self._owed.durable_words,
            "rows_held": derivation.held_rows,
            "rows_shed_to_rebuild": self.to_rebuild,
            "disk_sync_last_ms": round(1e3 * self._writer.sync_last_s, 3),
            "disk_sync_max_ms": round(1e3 * self._writer.sync_max_s, 3),
            "duration_ps": derivation.latest_ps,
            "paused": derivation.paused,
            **({"processed": derivation.processed} if derivation.processed else {}),
        }

    def seal(self, ended_by: str, *, kernel_drops: int = 0) -> Manifest:
        """Write the stop mark if the data brought none, seal the directory and return its manifest.

        A limit that the last step reached is why it ended where nothing but the `end` of the data is named.
        Raise the failure when the disk does not even take that, `DeadlineError` when it takes too long.
        """
        self._sealing = True
        self._handing.pressed = None
        self._write_rows(self.derivation.finish(ended_by), {})
        self._owed.released(self._handing.rows, None)
        stopped = self.derivation.stopped
        return self._writer.seal(
            ended_by=stopped.by if stopped and ended_by == "end" else ended_by,
            ledger=lambda: self._ledger(kernel_drops),
            words_by_kind=self.derivation.words_by_kind,
            duration_ps=self.derivation.latest_ps,
            time={
                "zero_ticks": self.derivation.zero_ticks,
                "host_clock_at_end": clock_health(),
                "rows_left_to_replay": self.to_rebuild,
            },
            counters=self.derivation.processed,
            steps=self._steps_at_end,
        )

    def hash(self) -> None:
        """Add SHA-256 of every segment to the manifest, at low priority."""
        hash_segments(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._sealing:
            with suppress(ScandaqError):  # there is a first error already, or an interruption, and it is on its way up
                self.seal("operator" if kind is KeyboardInterrupt else "fault")

    def _account(self, packets: Packets) -> tuple[Accounted, dict[int, int], Counts]:
        """Return the accounted packets, the words per source that came with them and were not dropped, and the losses.

        A gap that is filled late counts against the gaps found with the same packets.
        """
        self._decide_to_shed()  # before these packets are in the accounts: what is rebuilt begins with them
        accounts = self.derivation.accounts
        before = accounts.figures
        accounted = self.derivation.account(packets)
        after = accounts.figures
        numbers = after.source
        words = grown(numbers, before.received - before.dropped, after.received - after.dropped)
        self._words += sum(words.values())
        gaps, dropped = grown(numbers, before.gap, after.gap), grown(numbers, before.dropped, after.dropped)
        return accounted, words, {**_named("gap", gaps), **_named("ring_full", dropped)}

    def _derive(self, accounted: Accounted, words: dict[int, int], counts: dict[str, int]) -> None:
        if self._shedding and not self._store_raw:
            self._leave_out(accounted, words)
            return
        self._write_rows(self.derivation.rows(accounted, shed=self._shedding or not self._store_rows), counts)
        if not self._store_raw:
            self._owed.hold(words, self.derivation.newest)
            self._owed.released(self._handing.rows, self.derivation.released)
        self._owed.settle(self._writer.acknowledged)

    def _ledger(self, kernel_drops: int) -> Ledger:
        """Return the ledger of what is durable. The disk thread asks while the recording waits for its seal."""
        self._owed.settle(self._writer.acknowledged)
        ledger = self.derivation.ledger(durable=self._owed.durable, kernel_drops=kernel_drops)
        for entry in ledger.sources:
            shed = self._shed.get(entry.source, 0)
            entry.shed += shed
            entry.disk -= shed
        return ledger

    def _steps_at_end(self) -> list[RecordedStep]:
        """Return the steps; of a recording that the disk ended, those alone are completed that it has all of."""
        if self.failure is None:
            return list(self.steps.entries)
        self._owed.settle(self._writer.acknowledged)
        return self.steps.durable(self._owed.durable_words)

    def _counts_recorded(self) -> dict[str, int]:
        """Return the durable events, by the names that a stop condition knows."""
        rows = self._writer.acknowledged
        prompts = self._writer.acknowledged_counts.get("coincidences", {}).get("prompts", 0)
        singles, pairs = rows.get("singles", 0), rows.get("coincidences", 0)
        return {
            "events": singles if self._pairs else singles + pairs,
            "singles": singles, "prompts": prompts, "delayeds": pairs - prompts, "coincidences": pairs,
        }  # fmt: skip

    def _write_rows(self, rows: Rows, counts: dict[str, int]) -> None:
        """Write runs of rows; `counts` go with the last one, so that they are durable when all are."""
        for marks in rows.get("marks", ()):
            self.steps.see_columns(marks, due=self._words)
            if self._marks_to is not None:
                self._marks_to(marks)
        runs = [(stream, run) for stream, columns in rows.items() if stream in self._stored for run in columns]
        for index, (stream, run) in enumerate(runs):
            with_last = counts if index == len(runs) - 1 else {}
            prompts = {"prompts": int(np.count_nonzero(run["kind"] == PROMPT))} if stream == "coincidences" else {}
            self._handing.write(stream, run, {**with_last, **prompts})

    def _decide_to_shed(self) -> None:
        """Begin to shed under pressure, pairs first; where raw is not stored, which is a loss, only when it is hard."""
        asked = self._handing.pressed
        pressed = asked is not None and self._store_rows and asked()
        if pressed and self._left is None and not self._shedding:
            self._shed_pairs()
        waits = self._left is not None or not self._store_raw
        hard = pressed and self._hard_pressed is not None and (not waits or self._hard_pressed())
        if hard and not self._shedding:
            self._shedding = True
            self._write_rows(self.derivation.mark("shed", text="begin"), {})
            self._rebuild = Rebuild(self.derivation) if self._store_raw else None
        elif self._shedding and not hard and not self._store_raw:
            self._shedding = False
            self._write_rows(self.derivation.mark("shed", text="end"), {})

    def _shed_pairs(self) -> None:
        """Make no more pairs, where they can be made of stored singles later."""
        if not self._pairs or not {"singles", "coincidences"} <= self._stored:
            return
        self._write_rows(self.derivation.mark("shed", text=SHED_PAIRS), {})
        stage = self.derivation.part_with_pairs()
        if stage is not None:
            self._left = LeftPairs(stage, self._handing.rows.get("singles", 0))

    def _leave_out(self, accounted: Accounted, words: dict[int, int]) -> None:
        """Count words that are lost because they could be neither stored raw nor decoded in time."""
        self.derivation.skip(accounted)
        self._words -= sum(words.values())
        for source, count in words.items():
            self._shed[source] = self._shed.get(source, 0) + count


def _named(name: str, by_source: dict[int, int]) -> Counts:
    return {f"{name}:{source}": count for source, count in by_source.items()}
