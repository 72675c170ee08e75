"""The energies of what was recorded, each head by itself, as a page: whether the peak lay in its window."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from daq.storage.drawing import PAPER
from daq.storage.drawingspectrum import Marked, Spectrum, spectrum_panel
from daq.storage.reader import open_listmode
from daq.storage.recordedprocessing import recorded_processing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daq.storage.reader import ListMode

_BINS = 512
_MOST_EVENTS = 20_000_000
"""More are not read: the shape is known by then."""
_MOST_HEADS = 8
_SHARE = 99.9
_BEYOND = 1.15


@dataclass(slots=True)
class _Sums:
    """Counts per bin by head, up to `top_kev`."""

    top_kev: float
    heads: dict[int, npt.NDArray[np.int64]] = field(default_factory=dict)
    events: int = 0

    def add(self, energies: npt.NDArray[Any], heads: npt.NDArray[Any] | None) -> None:
        """Count events; those beyond the end of the axis are in no bin."""
        for head in [0] if heads is None else np.unique(heads)[:_MOST_HEADS].tolist():
            mine = energies if heads is None else energies[heads == head]
            found = np.histogram(mine, bins=_BINS, range=(0.0, self.top_kev))[0]
            self.heads[head] = self.heads.get(head, np.zeros(_BINS, np.int64)) + found
        self.events += len(energies)


def spectrum_page(directory: Path) -> Image.Image | None:
    """Return the spectra of a recording, below each other; None where it has no energies. Raise what reading raises."""
    with open_listmode(directory, allow_damaged=True) as recording:
        names = recording.schema("singles").names if "singles" in recording.streams else []
        if "energy_kev" not in names:
            return None
        windows = recorded_processing(recording.manifest, directory).windows
        least_kev = 1.05 * max((each.upper_kev for each in windows), default=1.0)
        sums = _summed(recording, least_kev, has_heads="head" in names)
    if sums is None:
        return None
    marked = [Marked(each.name, each.lower_kev, each.upper_kev) for each in windows]
    width_kev = sums.top_kev / _BINS
    kev = (np.arange(_BINS) + 0.5) * width_kev
    of = "all events" if sums.events < _MOST_EVENTS else f"the first {sums.events:,} events"
    panels = []
    for head, counts in sorted(sums.heads.items()):
        peak_kev = float(kev[int(np.argmax(counts))])
        words = (
            f"head {head}: {int(counts.sum()):,} counts of {of}; most at {peak_kev:.1f} keV, {width_kev:.3g} keV a bin"
        )
        panels.append(spectrum_panel(Spectrum(kev, counts, [words], marked)))
    return _below(panels)


def _summed(recording: ListMode, least_kev: float, *, has_heads: bool) -> _Sums | None:
    """Return the counts on an axis up to `least_kev` at least, so that every window is on it; None without events."""
    sums: _Sums | None = None
    for energies, heads in _parts(recording, has_heads=has_heads):
        if not len(energies):
            continue
        if sums is None:
            sums = _Sums(max(least_kev, float(np.percentile(energies, _SHARE)) * _BEYOND))
        sums.add(energies, heads)
        if sums.events >= _MOST_EVENTS:
            break
    return sums


def _parts(
    recording: ListMode, *, has_heads: bool
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any] | None]]:  # fmt: skip
    columns = ["energy_kev", "head"] if has_heads else ["energy_kev"]
    for batch in recording.batches("singles", columns):
        energies = np.asarray(batch.column("energy_kev").to_numpy(zero_copy_only=False), np.float64)
        known = np.isfinite(energies)
        heads = np.asarray(batch.column("head").to_numpy(zero_copy_only=False)) if has_heads else None
        yield energies[known], None if heads is None else heads[known]


def _below(panels: list[Image.Image]) -> Image.Image:
    page = Image.new("RGB", (max(each.width for each in panels), sum(each.height for each in panels)), PAPER)
    top = 0
    for each in panels:
        page.paste(each, (0, top))
        top += each.height
    return page
