"""The readout: receive -> write raw | decode -> write rows. No asyncio, no business, three threads.

The main thread processes, one thread receives, the writer has its own. A stop, whatever its cause, ends the receiving;
what is buffered is processed and the directory is sealed.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from daq.errors import ScandaqError, UnexpectedError
from daq.model.packets import Packets
from daq.readout.buffer import PacketBuffer
from daq.readout.control import ControlServer
from daq.readout.plan import LAST_STATUS, Plan
from daq.readout.sources import WAIT_S, Source, open_source
from daq.storage.kernels import load_decoder
from daq.storage.recording import Recording

_LOG = logging.getLogger(__name__)
_LOSSLESS_AHEAD_BYTES = 8 << 20
_JOIN_S = 2.0


class Readout:
    """Runs one plan from start to seal. `status()` may be asked from any thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state = "arming"
        self._error: ScandaqError | None = None
        self._stop_reason: str | None = None
        self._marks: list[str] = []
        self._lock = threading.Lock()
        self._buffer = PacketBuffer(_buffer_bytes(plan))
        self._last_packet_s = 0.0
        self._stopping_since_s: float | None = None
        self._any_packet = False
        self._finished = threading.Event()
        self._recording: Recording | None = None
        self._source: Source | None = None
        self._health: dict[str, int] = {}

    def run(self) -> int:
        """Record until something ends it; return the exit code. The reason is in the status and in the manifest."""
        control = Path(self._plan.control)
        try:
            with closing(ControlServer(control, self._handle)):
                self._run()
        except Exception as why:  # noqa: BLE001 - nobody is above a process: the status says what ended it
            self._fail(why)
            self._state = "failed"
        last = control.with_name(LAST_STATUS)
        try:
            last.write_text(json.dumps(self.status()), encoding="utf-8")
        except OSError as why:
            _LOG.error("%s: %s", last, why.strerror)
        return self._exit_code()

    def status(self) -> dict[str, Any]:
        """Return the state as plain data; keys carry their units."""
        recording = self._recording
        return {
            "state": self._state,
            "error": str(self._error) if self._error else None,
            "exit_code": self._exit_code(),
            "ended_by": self._stop_reason,
            "directory": self._plan.directory,
            "buffer_high_water_bytes": self._buffer.high_water_bytes,
            **(recording.figures() if recording else {}),
            **self._health,
        }

    def request_stop(self) -> None:
        """Stop in order, as an operator would. Safe in a signal handler's thread."""
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

    def _handle(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "stop":
            self._stop("operator")
        elif request["do"] == "mark":
            with self._lock:
                if self._state != "recording":
                    return {"error": f"the readout is {self._state}: there is nothing to put a mark in"}
                self._marks.append(str(request.get("text", "")).encode("utf-8", "replace").decode())
        return self.status()

    def _stop(self, reason: str) -> None:
        with self._lock:
            self._stop_reason = self._stop_reason or reason

    def _run(self) -> None:
        plan = self._plan
        load_decoder(plan.layout, plan.clock)  # before the front end is asked: it may take seconds the first time
        with closing(open_source(plan)) as source:
            self._source = source
            plan.manifest.time["source_health"] = source.health()
            with Recording.start(
                plan.directory, plan.manifest, plan.layout, plan.clock, plan.unit, source.framing,
                stop=plan.stop, store_raw=plan.store_raw, store_rows=plan.store_rows,
            ) as recording:  # fmt: skip
                self._recording = recording
                self._record(recording, source)
                kernel_drops = self._health.get("kernel_drops", 0)
                manifest = recording.seal(self._stop_reason or "end", kernel_drops=kernel_drops)
                self._stop_reason = manifest.ended_by
        self._error = self._error or recording.failure
        self._state = "sealed"
        if plan.hash_segments:
            recording.hash()
            self._state = "hashed"

    def _record(self, recording: Recording, source: Source) -> None:
        """Receive and process until the end or a stop. Whatever goes wrong, the recording can be sealed afterwards."""
        receiver = threading.Thread(target=self._receive, args=(source,), name="receive", daemon=True)
        self._state = "recording"
        self._last_packet_s = time.monotonic()
        receiver.start()
        try:
            self._process(recording)
        except Exception as why:  # noqa: BLE001 - what is written already is to be sealed
            self._fail(why)
        finally:
            self._finished.set()
            receiver.join(_JOIN_S)
        self._health = source.health()
        with self._lock:
            self._state = "sealing"
        self._write_marks(recording)

    def _process(self, recording: Recording) -> None:
        started = time.monotonic()
        next_health = started
        while not self._buffer.drained:
            packets = self._buffer.get(WAIT_S)
            if packets is not None:
                recording.feed(packets)
            self._write_marks(recording)
            if recording.stopped_by is not None:
                self._stop(recording.stopped_by)
            if time.monotonic() >= next_health and self._source is not None:
                self._health = self._source.health()
                next_health = time.monotonic() + 1.0
            self._watch(recording, started)
            if packets is None and self._overdue():
                _LOG.error("the receiving thread hangs: sealing without it")
                break

    def _overdue(self) -> bool:
        """Return True when a stop was asked for so long ago that the receiving thread should have ended."""
        if self._stop_reason is None:
            return False
        self._stopping_since_s = self._stopping_since_s or time.monotonic()
        return time.monotonic() - self._stopping_since_s > _JOIN_S

    def _write_marks(self, recording: Recording) -> None:
        with self._lock:
            texts, self._marks = self._marks, []
        for text in texts:
            recording.operator_mark(text)

    def _watch(self, recording: Recording, started: float) -> None:
        """Stop where the host's clock or the disk says so."""
        if recording.failure is not None:
            self._stop("disk")
        if self._plan.stop.host_s is not None and time.monotonic() - started >= self._plan.stop.host_s:
            self._stop("host")

    def _receive(self, source: Source) -> None:
        """Read until the end or a stop. Never waits for the processing where the sender would lose data."""
        try:
            while self._reading():
                packets = source.read()
                if packets is None:
                    break
                if len(packets):
                    self._hand_over(source, packets)
                    self._last_packet_s = time.monotonic()
                    self._any_packet = True
                elif self._recording is not None and self._recording.all_sources_ended():
                    break
                else:
                    self._watch_silence()
        except Exception as why:  # noqa: BLE001 - a thread has nobody above it, and its end must not pass for the stream's
            self._fail(why)
        finally:
            self._buffer.close()

    def _watch_silence(self) -> None:
        """Stop when nothing has come for too long. Asked after a read in vain: what waits to be read is no silence."""
        silent_s = time.monotonic() - self._last_packet_s
        if silent_s > (self._plan.stall_s if self._any_packet else self._plan.connect_s):
            self._stop("stalled" if self._any_packet else "silent")

    def _hand_over(self, source: Source, packets: Packets) -> None:
        put = self._buffer.put_if_room if source.lossless else self._buffer.put_or_drop
        while not put(packets, wait_s=WAIT_S) and not self._finished.is_set():
            pass

    def _reading(self) -> bool:
        return self._stop_reason is None and not self._finished.is_set()


def _buffer_bytes(plan: Plan) -> int:
    """Return how far reading may run ahead: a lossless sender waits for us, and a stop then stops it at once."""
    return plan.buffer_bytes if plan.source.kind == "udp" else min(plan.buffer_bytes, _LOSSLESS_AHEAD_BYTES)
