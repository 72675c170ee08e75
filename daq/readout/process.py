"""The readout: receive -> account and write raw -> decode, order, write rows. No asyncio, no business.

The main thread processes, one thread receives, the writer has its own, the control socket too. A stop, whatever its
cause, ends the receiving; what is buffered is processed and the directory is sealed.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from daq.errors import RefusedError, ScandaqError, UnexpectedError, VerificationError
from daq.listmode.decoder import Decoder
from daq.model.ledger import Ledger
from daq.readout.armed import Armed
from daq.readout.commands import Commands
from daq.readout.control import ControlServer
from daq.readout.exchange import Exchanges
from daq.readout.filling import Filler
from daq.readout.hosttime import HostTime
from daq.readout.live import Live
from daq.readout.opening import open_source
from daq.readout.plan import LAST_STATUS, Plan
from daq.readout.positions import Positions
from daq.readout.preview import preview_of
from daq.readout.provision import buffer_bytes, declared, load_writing, raise_priority, rows_waiting
from daq.readout.requests import Requests
from daq.readout.ring import Empty, Ring, Slice
from daq.readout.sources import Datagrams
from daq.readout.stepping import Stepping
from daq.readout.streams import StreamSource
from daq.readout.watch import Watch
from daq.storage.kernels import load_decoder, load_path
from daq.storage.recording import Recording
from daq.storage.slab import Slab
from daq.storage.steps import MOTION_LOST, UNATTENDED

_LOG = logging.getLogger(__name__)
_WAIT_S = 0.05
_JOIN_S = 1.0
_SWITCH_S = 0.0005
_TOO_BUSY_TO_LOOK = 0.25
_PRESSED, _HARD_PRESSED, _NEARLY_FULL = 0.5, 0.65, 0.85
"""Rows are shed when so much of the ring is in use; where pairs are shed first, the other rows at the second; without
raw, where words are lost by it, at the third."""


class Readout:
    """Runs one plan from arming to sealing. `status()` may be asked from any thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state = "arming"
        self._error: ScandaqError | None = None
        self._stop_reason: str | None = None
        self._lock = threading.Lock()
        self.commands = Commands()
        self.positions = Positions()
        self.exchanges = Exchanges()
        self._started = threading.Event()
        self._finished = threading.Event()
        self._released = False
        self._stopping_since_s: float | None = None
        self._recording: Recording | None = None
        self._live: Live | None = None
        self._armed: Armed | None = None
        self.source: Datagrams | StreamSource | None = None
        self._ring: Ring | None = None
        self._watch = Watch(plan)
        self.stepping = Stepping(plan, lambda condition: self._watch.step(condition.host_s))
        self.host_time = HostTime()
        self._health: dict[str, int] = {}
        self._counters: tuple[str, ...] = ()
        self._cpu_s: dict[str, float] = {}
        self._stops_asked = 0
        self._ledger: Ledger | None = None
        self._unwritten: Slab | None = None
        if plan.start_at_once:
            self._started.set()

    def run(self) -> int:
        """Record until something ends it; return the exit code. The reason is in the status and in the manifest."""
        control = Path(self._plan.control)
        sys.setswitchinterval(_SWITCH_S)
        if self._plan.attend_s is not None:
            self.stepping.attendance.attend(self._plan.attend_s)
        try:
            with closing(ControlServer(control, Requests(self).handle)):
                self._run()
        except Exception as why:  # noqa: BLE001 - nobody is above a process: the status says what ended it
            self._fail(why)
            self._state = "failed"
        gc.unfreeze()
        self.stepping.attendance.close()
        self._finish_live()
        last = control.with_name(LAST_STATUS)
        try:
            last.write_text(json.dumps(self.status()), encoding="utf-8")
        except OSError as why:
            _LOG.error("%s: %s", last, why.strerror)
        return self._exit_code()

    def in_short(self) -> dict[str, Any]:
        """Return of the status what tells whether all is well, and where it is."""
        return {
            "state": self._state,
            "error": str(self._error) if self._error else None,
            "exit_code": self._exit_code(),
            "ended_by": self._stop_reason,
            **self.stepping.figures(self._recording),
        }

    def status(self) -> dict[str, Any]:
        """Return the state as plain data; keys carry their units."""
        recording = self._recording
        steps = recording.steps.entries if recording else ()
        return {**self._status(), "steps": [step.model_dump() for step in steps]}

    def _status(self) -> dict[str, Any]:
        """Return the status but for the steps, of which there may be many."""
        recording, ring, armed = self._recording, self._ring, self._armed
        return {
            **self.in_short(),
            "directory": self._plan.directory,
            "acquisition_id": self._plan.manifest.acquisition_id,
            "pid": os.getpid(),
            "buffer_bytes": ring.limit_bytes if ring else 0,
            "buffer_used": round(ring.used, 3) if ring else 0.0,
            "buffer_high_water_bytes": ring.high_water_bytes if ring else 0,
            "warnings": self._watch.warnings,
            "preview": armed.figures() if armed else None,
            **self._watch.figures(self._state),
            **self._watch.of_sources(recording, self.source),
            **(recording.figures() if recording else {}),
            **self.positions.figures(recording, self.host_time, without=self._watch.presence.silent()),
            "frames_wait_cps": recording.derivation.frames_wait_cps if recording else None,
            "counts_to_go": self.stepping.counts_to_go(recording),
            **self._health,
            "cpu_s": self._cpu_s,
        }

    def request_stop(self) -> None:
        """Stop in order, as an operator would. Takes no lock, not even an event's: it may run in a signal handler."""
        self._stops_asked += 1
        self._stop_reason = self._stop_reason or "operator"

    def _exit_code(self) -> int:
        return self._error.exit_code if self._error else 0

    def _fail(self, why: Exception) -> None:
        """Keep the first error, in words, and end the recording. Called in the `except` of any thread."""
        if not isinstance(why, ScandaqError):
            _LOG.exception("unexpected")
            why = UnexpectedError(f"unexpected {type(why).__name__} in the readout: {why}")
        with self._lock:
            self._error = self._error or why
            self._stop_reason = self._stop_reason or "fault"

    def start(self) -> None:
        """Begin to record, when armed."""
        if self._state not in ("arming", "armed") or self._released:
            raise RefusedError(f"the readout is {self._state}: it has started already")
        self.stepping.require_watched()
        self._started.set()

    def release(self) -> None:
        """End while armed, without a recording: nothing is left, and the front end is free for another readout."""
        with self._lock:
            if self._state != "armed" or self._started.is_set():
                raise RefusedError(f"the readout is {self._state}: only one that waits for its start can be let go")
            self._released = True
        self.stop_by("released")

    def stop_by(self, reason: str, *, asked: bool = False) -> None:
        """Stop in order. The first reason counts; who has `asked` while rows are rebuilt wants it sealed."""
        with self._lock:
            self._stops_asked += asked
            self._stop_reason = self._stop_reason or reason
        self._started.set()

    @property
    def recording(self) -> Recording:
        """Return the recording; raise `RefusedError` while there is none."""
        if self._recording is None:
            raise RefusedError(f"the readout is {self._state}: nothing is being recorded")
        return self._recording

    @property
    def live(self) -> Live:
        """Return the live figures; raise `RefusedError` before they are there."""
        if self._live is None:
            raise RefusedError(f"the readout is {self._state}: there is nothing to show yet")
        return self._live

    def _run(self) -> None:
        plan = self._plan
        decoder = load_decoder(plan.layout, plan.clock)  # before the front end is asked: it may take seconds
        self._counters = decoder.counters
        load_path(plan.layout, plan.datagram_framing, plan.processing)
        load_writing()
        self._ring = Ring(buffer_bytes(plan))
        about = {"acquisition_id": plan.manifest.acquisition_id, "directory": plan.directory}
        self._live = Live(declared(plan, decoder), about=about)
        with closing(open_source(plan)) as source:
            self.source = source
            plan.manifest.time["source_health"] = source.health()
            self._watch.armed(source)
            self._wait_for_start(source, decoder, self._live)
            if self._released:
                self._state = "released"
                return
            if isinstance(source, Datagrams) and not plan.start_at_once:
                self._watch.drained = source.drain()
            self._live.begin()
            with Recording.start(
                plan.directory, plan.manifest, plan.layout, plan.clock, plan.unit, source.framing,
                stop=plan.stop, store_raw=plan.store_raw, store_rows=plan.store_rows, order=plan.order,
                step_name=plan.step_name, moving=plan.moving, processing=plan.processing,
                marks_to=self._live.note_marks,
            ) as recording:  # fmt: skip
                recording.derivation.reserve(rows_waiting(plan))
                self._recording = recording
                self._record(recording, source, self._ring)
                self._complete(recording)
                kernel_drops = self._health.get("kernel_drops", 0)
                manifest = recording.seal(self._reason(recording), kernel_drops=kernel_drops)
                self._stop_reason, self._ledger = manifest.ended_by, manifest.ledger
                if manifest.ledger is not None and manifest.ledger.balanced is False:
                    self._fail(VerificationError(f"{plan.directory}: the ledger does not balance; see `listmode info`"))
        self._error = self._error or recording.failure
        self._state = "sealed"
        if plan.hash_segments:
            recording.hash()
            self._state = "hashed"

    def _wait_for_start(self, source: Datagrams | StreamSource, decoder: Decoder, live: Live) -> None:
        """Be armed; what this made for what comes meanwhile is gone when it returns."""
        self._armed = Armed(live, self._status, preview_of(self._plan, source, decoder, live, self.exchanges))
        gc.collect()
        gc.freeze()
        self._state = "armed"
        self._armed.wait(self._started, self._given_up)
        self._armed = None

    def _given_up(self) -> bool:
        """Return True where it is not to wait for its start any more."""
        if self.stepping.unattended_armed():
            self.stop_by(UNATTENDED)
        return self._stop_reason is not None

    def _reason(self, recording: Recording) -> str:
        """Return what ended the acquisition: lost motion before all, then what ended the last step."""
        lost = recording.derivation.motion_was_lost and self._stop_reason != "fault"
        if lost or (self.stepping.ends_with_step and recording.stopped_by is not None):
            return MOTION_LOST if lost else str(recording.stopped_by)
        return self._stop_reason or "end"

    def _publish(self, recording: Recording) -> None:
        """Publish the live figures that are due."""
        drops = self._health.get("kernel_drops", 0)
        self.live.tick(
            time.monotonic_ns(), self._status, lambda: recording.derivation.ledger(kernel_drops=drops).model_dump_json()
        )

    def _finish_live(self) -> None:
        """Publish the last figures; a reader keeps them."""
        if self._live is not None:
            ledger = self._ledger or (self._recording.derivation.ledger() if self._recording else None)
            self._live.finish(self._status(), ledger.model_dump_json() if ledger else "null")

    def _record(self, recording: Recording, source: Datagrams | StreamSource, ring: Ring) -> None:
        """Receive and process until the end or a stop. Whatever goes wrong, the recording can be sealed afterwards."""
        filler = Filler(ring, self._reading, self._idle)
        self._watch.started(filler, time.monotonic())
        receiver = threading.Thread(target=self._receive, args=(filler, source), name="receive", daemon=True)
        if isinstance(source, Datagrams):
            hard = _HARD_PRESSED if self._plan.store_raw else _NEARLY_FULL
            recording.shed_when(lambda: ring.used > _PRESSED, hard=lambda: ring.used > hard)
        self._state = "recording"
        self.positions.open()
        self.commands.open()
        receiver.start()
        try:
            self._process(recording, source, ring)
        except Exception as why:  # noqa: BLE001 - what is written already is to be sealed
            self._fail(why)
        finally:
            self._finished.set()
            receiver.join(_JOIN_S)
            if self._unwritten is not None:
                recording.save(self._unwritten)
        self._health = source.health()
        self._watch.look_for(recording, source, self._counters)
        if source.lost:
            self._plan.manifest.time["lost_sources"] = {str(number): why for number, why in source.lost.items()}
        with self._lock:
            self._state = "sealing"
        self.commands.close("the readout is sealing: nothing can be noted any more")
        self.positions.close(recording, self.host_time)

    def _process(self, recording: Recording, source: Datagrams | StreamSource, ring: Ring) -> None:
        while True:
            try:
                part = ring.get(min(_WAIT_S, self.live.due_s(time.monotonic_ns())))
            except Empty:
                part = None
                if self._overdue():
                    _LOG.error("the receiving thread hangs: sealing without it")
                    break
            else:
                if part is None:
                    break
                self._take(recording, part, ring)
            self.positions.note(recording, self.host_time)  # before commands: a step begins where axes were said to be
            self.commands.serve()
            self._between(recording, source)

    def _take(self, recording: Recording, part: Slice, ring: Ring) -> None:
        self._unwritten = part.slab
        if part.end > part.begin:
            self.exchanges.look_at(part.slab.view(part.begin, part.end))
            packets = recording.take(part.slab, part.begin, part.end)
            self._watch.saw(packets)
            derivation = recording.derivation
            for step in recording.steps.entries[-1:]:
                self.live.view(step.number, step.begin_ps, step.end_ps, paused=derivation.paused)
            look = self.live.skip if ring.used > _TOO_BUSY_TO_LOOK else self.live.see
            look(derivation.decoded, derivation.carry.counts, derivation.latest_ps)
            self.host_time.saw(int(packets.arrival_ns[-1]), derivation.heard_ps)
        if part.closed:
            self._unwritten = None
            recording.close(part.slab, ring.give)

    def _between(self, recording: Recording, source: Datagrams | StreamSource) -> None:
        """Do what the time asks for: stop, flush, look at the health."""
        why = self.stepping.why_to_stop(recording) if self._stop_reason is None else None
        if why is not None:
            self.stop_by(why)
        if recording.failure is not None:
            self.stop_by("disk")
        if recording.stopped_by is None and self._watch.host_limit_reached():
            recording.note(recording.derivation.stop_now("host"))
        if self._watch.flush_due(recording.derivation.held_rows):
            recording.flush()
        if self._watch.health_due():
            self._health = source.health()
            self._cpu_s = self._watch.cpu_s()
        if self._watch.presence.due():
            self._watch.look_for(recording, source, self._counters)
            for why in self.live.warnings:
                self._watch.warn(why)
        self._publish(recording)

    def _complete(self, recording: Recording) -> None:
        """Derive what was shed. A stop that is asked for meanwhile leaves it to a replay."""
        if not recording.to_rebuild:
            return
        before = self._stops_asked
        self._state = "completing"
        if not recording.rebuild(lambda: self._stops_asked == before):
            _LOG.warning("rows that were shed are left to `daq listmode replay`")
        self._state = "sealing"

    def _receive(self, filler: Filler, source: Datagrams | StreamSource) -> None:
        """Receive: the thread, from beginning to end."""
        try:
            raise_priority(self._plan.receive.priority)
            filler.run(source)
        except Exception as why:  # noqa: BLE001 - a thread has nobody above it, and its end must not pass for the stream's
            self._fail(why)

    def _idle(self) -> bool:
        """Look at a read in vain: stop when nothing has come for too long; return True when all have ended."""
        why = self._watch.silence()
        if why is not None:
            self.stop_by(why)
        if self._recording is None or not self.stepping.ends_with_step:
            return False
        heard = len(self._recording.derivation.accounts.source_numbers)
        return heard >= len(self._plan.sources) and self._recording.all_sources_ended()

    def _reading(self) -> bool:
        return self._stop_reason is None and not self._finished.is_set()

    def _overdue(self) -> bool:
        """Return True when a stop was asked for so long ago that the receiving thread should have ended."""
        if self._stop_reason is None:
            return False
        self._stopping_since_s = self._stopping_since_s or time.monotonic()
        return time.monotonic() - self._stopping_since_s > _JOIN_S
