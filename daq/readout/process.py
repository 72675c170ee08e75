"""The readout: receive -> write raw | decode -> write rows. No asyncio, no business, three threads.

The main thread processes, one thread receives, the writer has its own. A stop, whatever its cause, ends the receiving;
what is buffered is processed and the directory is sealed.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from daq.errors import ScandaqError
from daq.model.packets import Packets
from daq.readout.buffer import PacketBuffer
from daq.readout.control import ControlServer
from daq.readout.plan import Plan
from daq.readout.sources import WAIT_S, Source, open_source
from daq.storage.recording import Recording

_QUIET_AFTER_STOP_S = 0.1


class Readout:
    """Runs one plan from start to seal. `status()` may be asked from any thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state = "arming"
        self._error: ScandaqError | None = None
        self._stop_reason: str | None = None
        self._marks: list[str] = []
        self._lock = threading.Lock()
        self._buffer = PacketBuffer(plan.buffer_bytes)
        self._last_packet_s = 0.0
        self._any_packet = False
        self._at_end = False
        self._finished = threading.Event()
        self._recording: Recording | None = None
        self._source: Source | None = None
        self._health: dict[str, int] = {}

    def run(self) -> int:
        """Record until something ends it; return the exit code. The reason is in the status and in the manifest."""
        server = ControlServer(Path(self._plan.control), self._handle)
        try:
            self._run()
        except ScandaqError as error:
            self._error = error
            self._state = "failed"
        finally:
            _linger_for_the_parent()
            server.close()
        return self._error.exit_code if self._error else 0

    def status(self) -> dict[str, Any]:
        """Return the state as plain data; keys carry their units."""
        recording = self._recording
        return {
            "state": self._state,
            "error": str(self._error) if self._error else None,
            "exit_code": self._error.exit_code if self._error else 0,
            "ended_by": self._stop_reason,
            "directory": self._plan.directory,
            "buffer_high_water_bytes": self._buffer.high_water_bytes,
            **(recording.figures() if recording else {}),
            **self._health,
        }

    def request_stop(self) -> None:
        """Stop in order, as an operator would. Safe in a signal handler's thread."""
        self._stop_reason = self._stop_reason or "operator"

    def _handle(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "stop":
            self._stop("operator")
        elif request["do"] == "mark":
            with self._lock:
                self._marks.append(str(request.get("text", "")))
        return self.status()

    def _stop(self, reason: str) -> None:
        with self._lock:
            self._stop_reason = self._stop_reason or reason

    def _run(self) -> None:
        plan = self._plan
        source = self._source = open_source(plan)
        receiver = threading.Thread(target=self._receive, args=(source,), name="receive", daemon=True)
        try:
            with Recording.start(
                plan.directory, plan.manifest, plan.layout, plan.clock, plan.unit, source.framing,
                stop=plan.stop, store_raw=plan.store_raw, store_rows=plan.store_rows,
            ) as recording:  # fmt: skip
                self._recording = recording
                self._state = "recording"
                self._last_packet_s = time.monotonic()
                receiver.start()
                self._process(recording)
                self._health = source.health()
                self._state = "sealing"
                manifest = recording.seal(self._stop_reason or "end", kernel_drops=self._health.get("kernel_drops", 0))
                self._stop_reason = manifest.ended_by
        finally:
            self._finished.set()
            if receiver.ident is not None:
                receiver.join(2.0)
            source.close()
        self._error = self._error or recording.failure
        self._state = "sealed"
        if plan.hash_segments:
            recording.hash()
            self._state = "hashed"

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

    def _write_marks(self, recording: Recording) -> None:
        with self._lock:
            texts, self._marks = self._marks, []
        for text in texts:
            recording.operator_mark(text)

    def _watch(self, recording: Recording, started: float) -> None:
        """Stop where the host's clock, silence or the disk says so."""
        now = time.monotonic()
        if recording.failure is not None:
            self._stop("disk")
        if self._plan.stop.host_s is not None and now - started >= self._plan.stop.host_s:
            self._stop("host")
        silent_s = now - self._last_packet_s
        if self._at_end or self._plan.source.kind == "file":
            return
        if silent_s > (self._plan.stall_s if self._any_packet else self._plan.connect_s):
            self._stop("stalled" if self._any_packet else "silent")

    def _receive(self, source: Source) -> None:
        """Read until the end or a stop. Never waits for the processing where the sender would lose data."""
        try:
            while self._reading():
                packets = source.read()
                if packets is None:
                    self._at_end = True
                    break
                if len(packets):
                    self._last_packet_s = time.monotonic()
                    self._any_packet = True
                    self._hand_over(source, packets)
                elif self._recording is not None and self._recording.all_sources_ended():
                    self._at_end = True
                    break
        except ScandaqError as error:
            self._error = error
            self._stop("fault")
        finally:
            self._buffer.close()

    def _hand_over(self, source: Source, packets: Packets) -> None:
        if not source.lossless:
            self._buffer.put(packets)
            return
        while self._reading() and not self._buffer.put_if_room(packets, wait_s=WAIT_S):
            pass

    def _reading(self) -> bool:
        return self._stop_reason is None and not self._finished.is_set()


def _linger_for_the_parent() -> None:
    """Answer the last status questions before the socket goes."""
    time.sleep(_QUIET_AFTER_STOP_S)
