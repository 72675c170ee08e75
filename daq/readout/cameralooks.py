"""Live figures of gamma-camera heads: images and spectra since the step began, what fades, rates, peaks, dead time.

They may skip rows under load, the file never does. The marks of dead time are read in any case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.events import MARKS
from daq.model.layout import Layout
from daq.model.processing import Processing
from daq.pipeline.framing import FramingRule, Pictures
from daq.pipeline.framingrules import rule_of
from daq.pipeline.peaks import in_middle, peaks_in
from daq.pipeline.stages import Streams
from daq.readout.ratesamples import RateSamples
from daq.readout.snapshotformat import ArraySpec, array

ROOM = ((256, 4), (128, 32))
"""Pixels along a side, and of how many images of all heads and windows together; of more, each has fewer pixels.

To fade two images and to publish them, 20 times a second at 256 pixels, takes 0.7 % of a core where a CRC-32 goes at
4 GB/s (0.12 % at 128 pixels and 10 times); to count an event takes as long as in smaller images.
"""
SMOOTH_PIXELS = ROOM[0][0] ** 2 * ROOM[0][1]
"""Up to so many pixels of all images together they are published twenty times a second, more of them ten times."""
FADES_S = (1.0, 4.0, 10.0)
"""After so long a persistence image has e^-1 of what it had; its rate in a pixel times this is what it tends to."""
_PEAK_FADE_S = FADES_S[-1]
_PEAKS_NS = 1_000_000_000
_TWICE = 2
_DEAD_TIME = MARKS.index("dead_time")


def camera_rule(
    columns: Sequence[str], layout: Layout, processing: Processing, heads: Sequence[int] | None
) -> FramingRule | None:
    """Return what is shown of singles with `columns`; None where they have no positions."""
    if not {"x_mm", "y_mm"} <= set(columns):
        return None
    (largest, _), (side, images) = ROOM
    most = largest
    while True:
        rule = rule_of(layout, processing, most_pixels=most, heads=heads)
        if pixels_of(rule) <= (SMOOTH_PIXELS if most == largest else images * side**2):
            return rule
        most //= 2


def pixels_of(rule: FramingRule) -> int:
    """Return the pixels of all images together."""
    return len(rule.heads) * len(rule.names) * rule.frame.columns * rule.frame.rows


class CameraLooks:
    """Accumulates what `rule` asks for. One thread calls it.

    Images and spectra are of the present step, by time, while it is not paused. What fades and the rates are of all
    events, so that a patient can be positioned between two steps.
    """

    def __init__(self, rule: FramingRule, group: str, *, now_ns: int) -> None:
        """Begin with nothing at the host monotonic time `now_ns`."""
        self.rule, self._group = rule, group
        self._step, self._aside = Pictures(rule), Pictures(rule)
        self._view = 0
        self._paused = self._ending = self._ended = self._aside_used = False
        self._faded_ns = now_ns
        images, spectra = self._step.images, self._step.spectra
        self._images_before, self._spectra_before = images.copy(), spectra.copy()
        self._fading = np.zeros((len(FADES_S), *images.shape), np.float32)
        self._recent = np.zeros(spectra.shape)
        self._fresh, self._fresh_counts = np.zeros(images.shape, np.float32), np.zeros_like(images)
        self._counted_before = _counted(self._step)
        self._counted = np.zeros_like(self._counted_before)
        self._rows = self._seen = 0
        self._rates = RateSamples(now_ns, self._sample())
        self._peaks = np.full((*self._step.inside.shape, 2), np.nan)
        self._peaks_due_ns = now_ns
        self._off = np.zeros(self._step.inside.shape, np.int64)
        self._live_share = np.full(len(rule.heads), np.nan)
        self._not_converted = np.zeros(len(rule.heads), np.uint64)

    @property
    def about(self) -> dict[str, Any]:
        """Return what the arrays mean, as plain data."""
        return about_of(self.rule)

    def specs(self) -> list[ArraySpec]:
        """Return the arrays of the snapshot's group."""
        shown = self.arrays(self._faded_ns)
        return [array(name, self._group, values.dtype, *values.shape) for name, values in shown.items()]

    def view(self, number: int, begin_ps: int, end_ps: int | None, *, paused: bool = False) -> None:
        """Say which step the rows to come belong to: its events are those from `begin_ps` to `end_ps` inclusive.

        With another `number` images and spectra begin anew.
        """
        self._paused = paused
        if number != self._view:
            self._gather()
            self._view, self._ended = number, False
            self._step.begin(begin_ps)
            self._forget()
        self._ending = end_ps is not None
        if end_ps is not None:
            self._step.until(end_ps)

    def see(self, streams: Streams) -> None:
        """Take in the rows of a slice."""
        self._note_marks(streams)
        singles = streams.get("singles", {})
        rows = len(singles.get("time_ps", ()))
        self._rows += rows
        self._seen += rows
        if rows and (self._paused or self._ended):
            self._aside.add(singles)
            self._aside_used = True
        elif rows:
            self._step.add(singles)
        self._ended = self._ended or self._ending

    def skip(self, streams: Streams) -> None:
        """Let the rows of a slice pass; the marks of dead time are read all the same."""
        self._note_marks(streams)
        self._rows += len(streams.get("singles", {}).get("time_ps", ()))
        self._ended = self._ended or self._ending

    def arrays(self, now_ns: int) -> dict[str, npt.NDArray[Any]]:
        """Return all figures, some as views, to be published at host monotonic time `now_ns`."""
        self._fade(max(0, now_ns - self._faded_ns) * 1e-9)
        self._faded_ns = now_ns
        self._gather()
        rates = self._rates_now(now_ns)
        if now_ns >= self._peaks_due_ns:
            self._peaks_due_ns = now_ns + _PEAKS_NS
            self._find_peaks()
        return {
            "view": np.array([self._view], np.uint64),
            "images": self._step.images,
            **({"images_weighted": self._step.weighted} if len(self._step.weighted) else {}),
            "persistence": self._fading,
            "spectra": self._step.spectra,
            "spectra_recent": self._recent,
            "window_counts": self._step.inside,
            "head_rates_per_s": rates[:, -1],
            "window_rates_per_s": rates[:, :-1],
            "peak_kev": self._peaks[..., 0],
            "peak_error_kev": self._peaks[..., 1],
            "live_share": self._live_share,
            "not_converted": self._not_converted,
        }

    def begin_rates(self, now_ns: int) -> None:
        """Have rates be since `now_ns`."""
        self._rates = RateSamples(now_ns, self._sample())

    def fades_from(self, before: CameraLooks) -> None:
        """Let what fades go on from where it was in the figures of before the start; nothing else is taken over."""
        self._fading[...] = before._fading
        self._faded_ns = before._faded_ns

    def beyond(self) -> dict[str, int]:
        """Return the events of the present step that are in no image, for their head or their place."""
        return {
            "camera_head_unknown": self._step.beyond["head_unknown"],
            "camera_outside": int(self._step.outside.sum()),
        }

    @property
    def warnings(self) -> list[str]:
        """Return a sentence for each window whose peak has not lain in its middle half, twice one after the other."""
        return [
            f"head {self.rule.heads[head]}: the peak of {self.rule.windows[at]} is not in the middle half of the window"
            for head, at in np.argwhere(self._off >= _TWICE).tolist()
        ]

    def _note_marks(self, streams: Streams) -> None:
        """Keep the latest share of time in which each head could convert, and sum what it did not."""
        marks: Mapping[str, npt.NDArray[Any]] = streams.get("marks", {})
        for row in np.flatnonzero(np.asarray(marks.get("kind", ())) == _DEAD_TIME).tolist():
            source = int(marks["source"][row])
            if source in self.rule.heads:
                at = self.rule.heads.index(source)
                self._live_share[at] = marks["value2"][row]
                self._not_converted[at] += np.uint64(max(0, int(marks["value"][row])))

    def _fade(self, since_s: float) -> None:
        for at, fade_s in enumerate(FADES_S):
            self._fading[at] *= np.float32(math.exp(-since_s / fade_s))
        self._recent *= math.exp(-since_s / _PEAK_FADE_S)

    def _gather(self) -> None:
        """Put what came since the last time into what fades and what rates are made of."""
        self._take(self._step, self._images_before, self._spectra_before, self._counted_before)
        if self._aside_used:
            nothing = (np.zeros_like(one) for one in (self._images_before, self._spectra_before, self._counted_before))
            self._take(self._aside, *nothing)
            self._aside.begin()
            self._aside_used = False
        self._images_before[...] = self._step.images
        self._spectra_before[...] = self._step.spectra
        self._counted_before[...] = _counted(self._step)

    def _take(self, pictures: Pictures, images: Any, spectra: Any, counted: Any) -> None:
        np.subtract(pictures.images, images, out=self._fresh_counts)
        self._fresh[...] = self._fresh_counts
        self._fading += self._fresh
        self._recent += pictures.spectra - spectra
        self._counted += _counted(pictures) - counted

    def _forget(self) -> None:
        for before in (self._images_before, self._spectra_before, self._counted_before):
            before[...] = 0

    def _sample(self) -> npt.NDArray[np.int64]:
        return np.append(self._counted.ravel(), (self._rows, self._seen))

    def _rates_now(self, now_ns: int) -> npt.NDArray[np.float64]:
        """Return events per second of each head [heads, windows + 1], all in the last place, as if none were skipped.

        NaN where none of the rows that came was looked at.
        """
        rates, _ = self._rates.over_last_second(now_ns, self._sample())
        came, seen = rates[-2:]
        share = seen / came if came > 0 else 1.0
        found: npt.NDArray[np.float64] = rates[:-2].reshape(self._counted.shape)
        return found / share if share > 0 else np.full_like(found, np.nan)

    def _find_peaks(self) -> None:
        """Find peak and its error [heads, images, 2] in the last seconds; NaN where there is none."""
        self._peaks[...] = np.nan
        for head, spectrum in enumerate(self._recent):
            for at, peak in enumerate(peaks_in(spectrum, self.rule.axis, self.rule.windows)):
                good = peak is None or in_middle(peak, self.rule.windows[at])
                self._off[head, at] = 0 if good else self._off[head, at] + 1
                if peak is not None:
                    self._peaks[head, at] = peak.kev, peak.error_kev


def about_of(rule: FramingRule) -> dict[str, Any]:
    """Return what the figures made by a rule mean, as plain data."""
    axis = rule.axis
    return {
        "heads": list(rule.heads),
        "images": list(rule.names),
        "windows": [
            {"name": window.name, "lower_kev": window.lower_kev, "upper_kev": window.upper_kev}
            for window in rule.windows
        ],
        "frame": rule.frame.about,
        "energy": {"low_kev": axis.low_kev, "bin_kev": axis.bin_kev, "bins": axis.bins},
        "fades_s": list(FADES_S),
        "weighted": [list(place) for place in rule.weighted],
    }


def _counted(pictures: Pictures) -> npt.NDArray[np.int64]:
    """Return events by head and window, all of a head in the last column, int64 [heads, windows + 1]."""
    return np.column_stack([pictures.inside, pictures.events]).astype(np.int64)
