"""Events of gamma-camera heads between decoding and windows: light to positions and energies, and their corrections.

    amplitudes -> (code - pedestal) * gain -> estimator -> x, y, E -> E / energy(x, y), x + shift_x, y + shift_y

No event is dropped: one whose light is saturated, piled up or gives no position keeps its row, with NaN for position
and energy, so that it lies in no window; it is counted by head and cause. A head that sends positions and energies has
these spread over the steps in which they come, and corrected, only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.camera import MOST_CHANNELS
from daq.model.events import AMPLITUDES
from daq.model.headcalibration import HeadCorrections
from daq.pipeline.headkernels import place
from daq.pipeline.headmaps import correct
from daq.pipeline.headtables import CAUSES, Channels, Maps, index_of
from daq.pipeline.headwatch import ChannelWatch

Columns = dict[str, npt.NDArray[Any]]
Ints = npt.NDArray[np.int64]
OTHERS = "others"
"""Events of heads that are not named, in the counts."""

_MADE = ("x_mm", "y_mm", "energy_kev")


class HeadStage:
    """What events of heads go through, and the counts over all of them. One thread uses it."""

    def __init__(self, heads: Sequence[HeadCorrections], *, reuse: bool = True) -> None:
        """Work out tables. Raises `ProfileError` for corrections that do not fit each other.

        `reuse`: rows are good until the next call only, for they come in the same memory again and again.
        """
        self._numbers = [head.head for head in heads]
        self._index = index_of(heads)
        self._maps = Maps.of(heads)
        self._channels = Channels.of(heads)
        self._watch = ChannelWatch(heads)
        self._counts: Ints = np.zeros((len(heads) + 1, len(CAUSES)), np.int64)
        self._reuse = reuse
        self._room: Columns = {name: np.empty(0, np.float32) for name in _MADE}

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Return events, and those without a position by cause, by head number; other heads where some came."""
        names = [*map(str, self._numbers), OTHERS]
        found = {
            name: dict(zip(CAUSES, row, strict=True)) for name, row in zip(names, self._counts.tolist(), strict=True)
        }
        if not found[OTHERS]["events"]:
            del found[OTHERS]
        for number, channels in self._watch.found.items():
            found[str(number)] |= channels
        return found

    @property
    def warnings(self) -> list[str]:
        """Return what there is to say about channels, a sentence each."""
        return self._watch.sentences()

    def fork(self) -> HeadStage:
        """Return a stage that goes on from here by itself."""
        twin = copy(self)
        twin._counts = self._counts.copy()  # noqa: SLF001 - another of our kind
        twin._watch = deepcopy(self._watch)  # noqa: SLF001 - another of our kind
        twin._room = {name: np.empty(0, np.float32) for name in _MADE}  # noqa: SLF001 - another of our kind
        return twin

    def __call__(self, singles: Mapping[str, npt.NDArray[Any]], ends: Ints, sources: npt.NDArray[np.uint16]) -> Columns:
        """Return the singles with corrected positions and energies, `amplitudes` no more among them.

        `ends` int64 [runs] are the rows after each run, `sources` the source of each: that is the head of rows that
        do not name one. Raises `RefusedError` for rows without positions.
        """
        rows = len(singles["time_ps"])
        made = self._made(rows)
        x_mm, y_mm, kev = (made[name] for name in _MADE)
        heads = singles.get("head")
        if heads is None:
            heads = np.repeat(sources, np.diff(ends, prepend=0)).astype(np.uint8)
        times = np.ascontiguousarray(singles["time_ps"], np.int64)
        if AMPLITUDES in singles:
            self._place(heads, singles[AMPLITUDES], x_mm, y_mm, kev)
            if self._maps.where.any():
                self._correct(heads, times, (x_mm, y_mm, kev), made, np.zeros_like(self._counts))
        else:
            self._correct(heads, times, _positions(singles), made, self._counts)
        kept = {name: values for name, values in singles.items() if name not in (AMPLITUDES, "energy_adc", *_MADE)}
        return {**kept, **made}

    def _correct(self, heads: Any, times: Ints, raw: tuple[Any, Any, Any], made: Columns, counts: Ints) -> None:
        """Fill in what the maps make of raw positions and energies, and count the events."""
        raw_x, raw_y, raw_kev = raw
        x_mm, y_mm, kev = (made[name] for name in _MADE)
        correct(
            heads, self._index, times, raw_x, raw_y, raw_kev, self._maps.steps, self._maps.values, self._maps.where,
            self._maps.frame, x_mm, y_mm, kev, counts,
        )  # fmt: skip

    def _place(self, heads: Any, amplitudes: npt.NDArray[np.uint16], x_mm: Any, y_mm: Any, kev: Any) -> None:
        channels = self._channels
        sent = amplitudes.shape[1]
        for number, used in zip(self._numbers, channels.used, strict=True):
            if not used <= sent <= MOST_CHANNELS:
                raise RefusedError(
                    f"head {number} has {used} sensors; its front end sends {sent} channels, at most {MOST_CHANNELS} "
                    "can be used"
                )
        codes = np.ascontiguousarray(amplitudes, np.uint16)
        if sent < MOST_CHANNELS:
            codes = np.pad(codes, ((0, 0), (0, MOST_CHANNELS - sent)))
        place(
            heads, self._index, codes, channels.channels, channels.limit, channels.plan, channels.rule, channels.points,
            x_mm, y_mm, kev, self._counts,
        )  # fmt: skip
        self._watch.see(heads, codes)

    def _made(self, rows: int) -> Columns:
        if rows > len(self._room["x_mm"]) or not self._reuse:
            size = 2 * rows if self._reuse else rows
            self._room = {name: np.empty(size, np.float32) for name in _MADE}
        return {name: values[:rows] for name, values in self._room.items()}


def _positions(singles: Mapping[str, npt.NDArray[Any]]) -> tuple[Any, Any, Any]:
    """Return x, y and energy as the front end gives them, float32; energies that are codes as they are."""
    if not {"x_mm", "y_mm"} <= set(singles):
        raise RefusedError("the front end gives neither positions nor amplitudes of channels: nothing can be corrected")
    energy = singles.get("energy_kev", singles.get("energy_adc"))
    if energy is None:
        raise RefusedError("the front end gives positions and no energy: heads are corrected in both")
    return (
        np.ascontiguousarray(singles["x_mm"], np.float32), np.ascontiguousarray(singles["y_mm"], np.float32),
        np.ascontiguousarray(energy, np.float32),
    )  # fmt: skip
