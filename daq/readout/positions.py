"""Where axes are, as somebody tells it while data flow: taken at once by any thread, written between two slices."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from daq.errors import RefusedError
from daq.model.axissample import AxisSample
from daq.storage.hostmarks import AxisPlace

if TYPE_CHECKING:
    from daq.readout.hosttime import HostTime
    from daq.storage.recording import Recording

MOST_WAITING = 4096
"""Samples: a minute of three axes at 20 Hz."""
_MOST_APART_NS = 60 * 10**9
"""How far the moment of a sample may be from now: beyond it the clock is another one."""
_PS_PER_S = 1e12


class Positions:
    """Samples between whoever tells them and the processing thread, which makes marks of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[AxisSample] = []
        self._open = False
        self._newest_ns: int | None = None
        self.refused = 0
        """Samples that were not taken, because too many waited."""

    def open(self) -> None:
        """Take samples from here on."""
        with self._lock:
            self._open = True

    def add(self, samples: Sequence[AxisSample]) -> None:
        """Take samples; raise `RefusedError` where nothing is being recorded, or too many wait: then none is taken."""
        now_ns = time.monotonic_ns()
        for sample in samples:
            if abs(sample.monotonic_ns - now_ns) > _MOST_APART_NS:
                raise RefusedError(
                    f"{sample.axis} at {sample.monotonic_ns} ns: this host's monotonic clock is at {now_ns} ns, and at "
                    f"most {_MOST_APART_NS // 10**9} s may lie between"
                )
        with self._lock:
            if not self._open:
                raise RefusedError("nothing is being recorded: positions of axes cannot be noted")
            if len(self._waiting) + len(samples) > MOST_WAITING:
                self.refused += len(samples)
                raise RefusedError(f"{len(self._waiting)} positions wait already, at most {MOST_WAITING} do")
            self._waiting += samples
            self._newest_ns = max((sample.monotonic_ns for sample in samples), default=self._newest_ns)

    def figures(
        self, recording: Recording | None, host_time: HostTime, *, without: Sequence[int] = ()
    ) -> dict[str, float | int | None]:
        """Return what the status says: samples that were not taken, and how far axes are ahead of the data.

        `without`: sources that are silent, for which nobody waits. Any thread may ask.
        """
        newest_ns, ahead_s = self._newest_ns, None
        if recording is not None and newest_ns is not None:
            told_ps = host_time.time_ps(newest_ns) if host_time.knows else None
            heard_ps = recording.derivation.heard_by_all_ps(without=without)
            if told_ps is not None and heard_ps is not None:
                ahead_s = round(max(0, told_ps - heard_ps) / _PS_PER_S, 3)
        return {"positions_refused": self.refused, "axes_ahead_s": ahead_s}

    def note(self, recording: Recording, host_time: HostTime) -> None:
        """Write what waits, each at the detector time of its moment. For the processing thread.

        Before the detector has told a time they go on waiting for it, unless they become too many.
        """
        if len(self._waiting) > (0 if host_time.knows or not self._open else MOST_WAITING // 2):
            self._write(recording, host_time)

    def _write(self, recording: Recording, host_time: HostTime) -> None:
        with self._lock:
            samples, self._waiting = self._waiting, []
        places = []
        for sample in samples:
            try:
                time_ps = host_time.time_ps(sample.monotonic_ns)
            except RefusedError:  # the detector's own clock is at the end of what an integer can hold
                self.refused += 1
                continue
            now_ps = recording.derivation.latest_ps if time_ps is None else time_ps
            places.append(AxisPlace(sample.axis, now_ps, sample.position, sample.moving))
        recording.note(recording.derivation.positions(places))

    def close(self, recording: Recording, host_time: HostTime) -> None:
        """Take no more, and write what waits."""
        with self._lock:
            self._open = False
        self.note(recording, host_time)
