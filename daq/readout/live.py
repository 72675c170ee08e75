"""What a running readout shows: live figures, its status and its ledger, published side by side in one snapshot."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.pipeline.stages import Streams
from daq.readout.cameralooks import SMOOTH_PIXELS, pixels_of
from daq.readout.closing import Closing
from daq.readout.lookdeclaration import PHASES, Declaration
from daq.readout.looks import GROUP, Looks
from daq.readout.ratesamples import Counts
from daq.readout.snapshot import SnapshotWriter
from daq.readout.snapshotformat import array, text
from daq.readout.studylooks import GROUP as STUDY
from daq.readout.studylooks import StudyLooks

FIGURES_PERIOD_NS = 100_000_000
SMOOTH_PERIOD_NS = 50_000_000
"""Of figures with pictures by which a patient is positioned, where these are few enough (`SMOOTH_PIXELS`)."""
STUDY_PERIOD_NS = 500_000_000
LEDGER_PERIOD_NS = 1_000_000_000
MOST_STATUS_BYTES = 256 << 10
MOST_LEDGER_BYTES = 32 << 20
"""65536 sources fit. Memory is taken for what is written, not for what is declared."""
NOTHING, POSITIONING, COUNTING, ASIDE = range(len(PHASES))
_OF_RECORDING = frozenset({
    "counts", "latest_ps", "images", "images_weighted", "spectra", "window_counts", "not_converted", "probe_counts",
})  # fmt: skip
"""What is zero before the start, whatever comes: nothing of it is recorded."""
_RATES = ("rates_per_s", "head_rates_per_s", "window_rates_per_s")


class Live(Closing):
    """Looks at rows and publishes what it saw. One thread calls it; any may call `snapshot.duplicate`."""

    def __init__(self, declaration: Declaration, *, about: Mapping[str, Any] | None = None) -> None:
        """Lay out the snapshot: before data flow. `about` is JSON for readers, e.g. the acquisition's identity."""
        self._declaration = declaration
        self._looks = Looks(declaration, now_ns=time.monotonic_ns())
        self._before: Looks | None = None
        self._phase = NOTHING
        self._study = None if declaration.study is None else StudyLooks(declaration.study)
        self.snapshot = SnapshotWriter(
            [
                *self._looks.specs(),
                array("phase", GROUP, "u8", 1),
                *(() if self._study is None else self._study.specs()),
                text("status", "status", most_bytes=MOST_STATUS_BYTES),
                text("ledger", "ledger", most_bytes=MOST_LEDGER_BYTES),
            ],
            about={**(about or {}), "looks": declaration.about},
        )
        self.period_ns = _period_ns(declaration)
        self._figures_due_ns = self._status_due_ns = 0
        self._ledger_due_ns = 0
        self._study_due_ns = 0

    @property
    def has_heads(self) -> bool:
        """True where there are pictures of gamma-camera heads."""
        return self._declaration.camera is not None

    def position(self) -> None:
        """Show from here on what comes before the start."""
        self._before = Looks(self._declaration, now_ns=time.monotonic_ns())
        self._phase = POSITIONING

    def show_nothing(self) -> None:
        """Show no more of what comes before the start."""
        self._before, self._phase = None, NOTHING

    def see_before(self, streams: Streams, counts: Counts, latest_ps: int) -> None:
        """Take in rows of before the start."""
        if self._before is not None:
            self._before.see(streams, counts, latest_ps)

    @property
    def warnings_before(self) -> list[str]:
        """Return what a person should know of what comes before the start: of peaks beside their windows."""
        before = self._before
        return before.camera.warnings if before is not None and before.camera else []

    def tick_before(self, now_ns: int, status: Callable[[], Mapping[str, Any]], *, share: float = 1.0) -> None:
        """Publish figures and status of before the start that are due; `share` of what was sent was looked at."""
        if now_ns >= self._figures_due_ns:
            self._figures_due_ns = _next(self._figures_due_ns, now_ns, self.period_ns)
            shown = (self._before or self._looks).arrays(now_ns)
            rates = {name: shown[name] / share for name in _RATES if name in shown}
            none = {name: np.zeros_like(each) for name, each in shown.items() if name in _OF_RECORDING}
            self._publish_figures({**shown, **rates, **none}, now_ns)
        if now_ns >= self._status_due_ns:
            self._status_due_ns = _next(self._status_due_ns, now_ns, FIGURES_PERIOD_NS)
            self._publish_text("status", json.dumps(status()), now_ns)

    def begin(self) -> None:
        """Begin afresh, for the start: of what was shown before nothing stays but what fades in the pictures."""
        self._looks.begin(time.monotonic_ns(), self._before)
        self._before, self._phase = None, COUNTING

    def note_marks(self, columns: Mapping[str, Any]) -> None:
        """Take in marks as they are written, before the rows of the slice that they came with."""
        if self._study is not None:
            self._study.note_marks(columns)

    def view(self, number: int, begin_ps: int, end_ps: int | None, *, paused: bool = False) -> None:
        """Say which step the rows to come belong to; its images are of events from `begin_ps` to `end_ps` inclusive."""
        self._phase = COUNTING if end_ps is None and not paused else ASIDE
        if self._looks.camera:
            self._looks.camera.view(number, begin_ps, end_ps, paused=paused)

    def see(self, streams: Streams, counts: Counts, latest_ps: int) -> None:
        """Take in the rows of a slice, with the decoder's counts [sources, counters] and latest time."""
        self._looks.see(streams, counts, latest_ps)
        if self._study is not None:
            self._study.see(streams)

    def skip(self, streams: Streams, counts: Counts, latest_ps: int) -> None:
        """Let the rows of a slice pass unseen, for lack of time; they are counted as skipped."""
        self._looks.skip(streams, counts, latest_ps)
        if self._study is not None:
            self._study.skip(streams)

    @property
    def warnings(self) -> list[str]:
        """Return what a person should know of what was looked at, a sentence each."""
        of_study = self._study.warning if self._study is not None else None
        return [*(self._looks.camera.warnings if self._looks.camera else []), *([of_study] if of_study else [])]

    def looked(self) -> dict[str, int]:
        """Return how many rows were seen and skipped, for the status."""
        return self._looks.looked()

    def tick(self, now_ns: int, status: Callable[[], Mapping[str, Any]], ledger: Callable[[], str]) -> None:
        """Publish what is due at host monotonic time `now_ns`.

        That is status every 0.1 s, figures as often or twice as often, the pictures of a study every 0.5 s, the ledger
        every 1 s. `ledger` returns JSON. Call it with every slice, and when nothing comes.
        """
        if now_ns >= self._figures_due_ns:
            self._figures_due_ns = _next(self._figures_due_ns, now_ns, self.period_ns)
            self._publish_figures(self._looks.arrays(now_ns), now_ns)
        if now_ns >= self._status_due_ns:
            self._status_due_ns = _next(self._status_due_ns, now_ns, FIGURES_PERIOD_NS)
            self._publish_text("status", json.dumps(status()), now_ns)
        if self._study is not None and now_ns >= self._study_due_ns:
            self._study_due_ns = _next(self._study_due_ns, now_ns, STUDY_PERIOD_NS)
            self.snapshot.publish(STUDY, self._study.values(), now_ns=now_ns)
        if now_ns >= self._ledger_due_ns:
            self._ledger_due_ns = _next(self._ledger_due_ns, now_ns, LEDGER_PERIOD_NS)
            self._publish_text("ledger", ledger(), now_ns)

    def due_s(self, now_ns: int) -> float:
        """Return in how many seconds figures are due; 0 when they are."""
        return max(0, self._figures_due_ns - now_ns) * 1e-9

    def finish(self, status: Mapping[str, Any], ledger: str) -> None:
        """Publish everything a last time and say that nothing more will come."""
        self._figures_due_ns = self._status_due_ns = self._ledger_due_ns = self._study_due_ns = 0
        if self._study is not None:
            self._study.complete()
        self.tick(time.monotonic_ns(), lambda: status, lambda: ledger)
        self.snapshot.close()

    def close(self) -> None:
        """Say that nothing more will come; what was published stays."""
        self.snapshot.close()

    def _publish_figures(self, arrays: Mapping[str, npt.NDArray[Any]], now_ns: int) -> None:
        self.snapshot.publish(GROUP, {**arrays, "phase": np.array([self._phase], np.uint64)}, now_ns=now_ns)

    def _publish_text(self, name: str, content: str, now_ns: int) -> None:
        """Publish JSON, or in its place why it is missing: a text that does not fit must not end a recording."""
        try:
            self.snapshot.publish(name, {name: content}, now_ns=now_ns)
        except RefusedError as why:
            self.snapshot.publish(name, {name: json.dumps({"omitted": str(why)})}, now_ns=now_ns)


def _period_ns(declaration: Declaration) -> int:
    """Return how often figures are published."""
    camera = declaration.camera
    return SMOOTH_PERIOD_NS if camera is not None and pixels_of(camera) <= SMOOTH_PIXELS else FIGURES_PERIOD_NS


def _next(due_ns: int, now_ns: int, period_ns: int) -> int:
    """Return when something is due again: a period after it was due, to keep its rate, unless that has passed."""
    return due_ns + period_ns if now_ns < due_ns + period_ns else now_ns + period_ns
