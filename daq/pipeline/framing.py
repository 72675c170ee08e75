"""Static images and spectra from list mode: one function of the rows, the same live and at replay, pixel for pixel.

An event is in the pixel of its corrected position, in the image of each of its windows. What is counted are whole
events, and beside them, where a uniformity map exists, weights in whole 1/65536. Nothing depends on the order of rows
or on how they were cut into calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.framed import Pixels
from daq.model.headcalibration import Grid, HeadCorrections
from daq.model.windows import EnergyWindow
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.framingkernels import NO_HEAD, NO_MAP, ONE, add_events

Columns = Mapping[str, npt.NDArray[Any]]
Counts = npt.NDArray[np.uint64]

FIRST_PS, LAST_PS = -(1 << 63), (1 << 63) - 1
"""All times."""
EVERY_EVENT = "all"
"""The name of the only image of a recording without energy windows."""
MOST_PIXELS = 1 << 26
MOST_WEIGHT = 1e6


@dataclass(frozen=True, slots=True)
class FramingRule:
    """What images and spectra are made: of which heads (numbers), in which windows (bit i of `windows` is the i-th).

    Without windows there is one image of all events, `EVERY_EVENT`. `uniformity` is by head number and window name.
    """

    frame: Pixels
    heads: tuple[int, ...]
    windows: tuple[EnergyWindow, ...]
    axis: EnergyAxis
    uniformity: Mapping[tuple[int, str], Grid] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pixels = len(self.heads) * len(self.names) * self.frame.columns * self.frame.rows
        if not 0 < pixels <= MOST_PIXELS:
            raise RefusedError(f"images: {pixels} pixels in all; possible are 1 to {MOST_PIXELS}")
        if len(set(self.heads)) != len(self.heads) or not all(0 <= head < NO_HEAD for head in self.heads):
            raise RefusedError(f"images: heads {self.heads}; each is named once, by a number from 0 to {NO_HEAD - 1}")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the images of a head."""
        return tuple(window.name for window in self.windows) or (EVERY_EVENT,)

    @property
    def weighted(self) -> tuple[tuple[int, int], ...]:
        """Return the places (head, window) of the images that have weights, too."""
        places = [(head, name) for head in self.heads for name in self.names]
        return tuple(divmod(i, len(self.names)) for i, place in enumerate(places) if place in self.uniformity)


def uniformity_of(corrections: Sequence[HeadCorrections]) -> dict[tuple[int, str], Grid]:
    """Return the uniformity maps of heads by head number and window name."""
    return {(one.head, name): grid for one in corrections for name, grid in one.uniformity.items()}


class Pictures:
    """Images and spectra as they grow. Add rows, or `begin` anew; one thread uses it.

    `images` uint64 [heads, windows, rows, columns]; `weighted` uint64 [maps, rows, columns], in 1/65536 counts, in the
    order of `rule.weighted`; `inside` uint64 [heads, windows]: events in a window, wherever they are.
    """

    def __init__(self, rule: FramingRule) -> None:
        """Begin with nothing; raise `RefusedError` for a map with a weight that is below 0 or above 10^6."""
        self.rule = rule
        frame, heads, windows = rule.frame, len(rule.heads), len(rule.names)
        self.images: Counts = np.zeros((heads, windows, frame.rows, frame.columns), np.uint64)
        self.weighted: Counts = np.zeros((len(rule.weighted), frame.rows, frame.columns), np.uint64)
        self._spectra: Counts = np.zeros((heads, rule.axis.bins + 3), np.uint64)
        self.inside: Counts = np.zeros((heads, windows), np.uint64)
        self._beyond: Counts = np.zeros(2, np.uint64)
        self._span_ps = (FIRST_PS, LAST_PS)
        self._frame = np.array([frame.x0_mm, frame.y0_mm, 1.0 / frame.pixel_mm])
        self._axis = np.array([rule.axis.low_kev, 1.0 / rule.axis.bin_kev])
        self._place = np.full(256, NO_HEAD, np.uint8)
        self._place[list(rule.heads)] = np.arange(heads)
        self._map_of = np.full((heads, windows), NO_MAP, np.int32)
        for number, at in enumerate(rule.weighted):
            self._map_of[at] = number
        self._maps, self._values = _tables(rule)

    @property
    def spectra(self) -> Counts:
        """Return the spectra of the heads, uint64 [heads, bins], a view."""
        return self._spectra[:, 1:-2]

    @property
    def events(self) -> Counts:
        """Return the events of each head within the times, uint64 [heads]."""
        total: Counts = self._spectra.sum(axis=1) if self.rule.windows else self.inside[:, 0].copy()
        return total

    @property
    def outside(self) -> Counts:
        """Return the events in a window that are outside of the image, uint64 [heads, windows]."""
        found: Counts = self.inside - self.images.sum(axis=(2, 3))
        return found

    @property
    def beyond(self) -> dict[str, int]:
        """Return what is in no image and no spectrum: events of heads that are not named, of other times."""
        return {"head_unknown": int(self._beyond[0]), "time_outside": int(self._beyond[1])}

    def begin(self, begin_ps: int = FIRST_PS, end_ps: int = LAST_PS) -> None:
        """Forget all, and count events of these times, both ends included."""
        for counts in (self.images, self.weighted, self._spectra, self.inside, self._beyond):
            counts[...] = 0
        self._span_ps = (begin_ps, end_ps)

    def until(self, end_ps: int) -> None:
        """Count no events of later times from here on."""
        self._span_ps = (self._span_ps[0], end_ps)

    def during(self, begin_ps: int, end_ps: int) -> None:
        """Count events of these times from here on, both ends included, beside those that are counted."""
        self._span_ps = (begin_ps, end_ps)

    def add(self, singles: Columns) -> None:
        """Count rows: `time_ps`, `x_mm`, `y_mm` and, where there are, `energy_kev`, `head`, `windows`, each [n]."""
        add_events(
            _plain(singles, "time_ps", np.int64), _plain(singles, "x_mm", np.float32),
            _plain(singles, "y_mm", np.float32), _plain(singles, "energy_kev", np.float32),
            _plain(singles, "head", np.uint8), _plain(singles, "windows" if self.rule.windows else "", np.uint16),
            *self._span_ps, self._frame, self._place, self._axis, self._map_of, self._maps, self._values,
            self.images, self.weighted, self._spectra, self.inside, self._beyond,
        )  # fmt: skip

    def image(self, head: int, window: int, *, weighted: bool = False) -> npt.NDArray[np.float64]:
        """Return one image by place, float64 [rows, columns] in counts; weighted where it has weights."""
        number = int(self._map_of[head, window])
        found = self.weighted[number] if weighted and number != NO_MAP else self.images[head, window]
        plain: npt.NDArray[np.float64] = found.astype(np.float64)
        return plain / ONE if weighted and number != NO_MAP else plain


def pictures_of(
    parts: Iterable[Columns], rule: FramingRule, *, spans_ps: Sequence[tuple[int, int]] = ((FIRST_PS, LAST_PS),)
) -> Pictures:
    """Return images and spectra of list-mode rows in whatever parts, of the times in any of `spans_ps`.

    Spans do not overlap; both ends of each are included.
    """
    pictures = Pictures(rule)
    for singles in parts:
        for span_ps in spans_ps:
            pictures.during(*span_ps)
            pictures.add(singles)
    return pictures


def _plain(singles: Columns, name: str, kind: type[np.generic]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(singles[name], kind) if name in singles else np.empty(0, kind)


def _tables(rule: FramingRule) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Return the maps as the kernel wants them: what `bilinear` is told of each [maps, 6], all values in a row."""
    about: list[tuple[float, ...]] = []
    values: list[npt.NDArray[np.float32]] = []
    for head, window in rule.weighted:
        place = (rule.heads[head], rule.names[window])
        grid = rule.uniformity[place]
        found = grid.values()
        if not (found.min() >= 0 and found.max() <= MOST_WEIGHT):
            raise RefusedError(
                f"uniformity of head {place[0]}, window {place[1]!r}: weights {found.min():g} to {found.max():g}; "
                f"possible are 0 to {MOST_WEIGHT:g}"
            )
        first = sum(map(len, values))
        about.append((grid.x0_mm, grid.y0_mm, 1.0 / grid.pitch_mm, grid.rows, grid.columns, first))
        values.append(found.ravel())
    return np.array(about, np.float64).reshape(-1, 6), np.concatenate([np.empty(0, np.float32), *values])
