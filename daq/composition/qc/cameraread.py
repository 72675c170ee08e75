"""What analyses of a camera read of a recording: pictures of each head, spectra of its field, how long it counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.errors import MissingError, RefusedError
from daq.model.framed import Framed, HeadSeen, ImageKind
from daq.qc.fields import FieldOfView, Floats
from daq.qc.spectra import Spectrum, spectrum
from daq.storage.framed import framed_in
from daq.storage.manifestfacts import recorded_protocol
from daq.storage.reader import open_listmode
from daq.storage.recordedprocessing import recorded_processing

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.protocol import AcquisitionProtocol
    from daq.storage.manifest import Manifest
    from daq.storage.reader import ListMode

UPPER_KEV = 600.0
_FAINT = 0.1
"""A head with less than that share of the counts of the brightest one looks at no source."""
_PS_PER_S = 1e12
_ONE = 65_536.0


@dataclass(frozen=True, slots=True, eq=False)
class HeadPicture:
    """What one head saw in one window. `weighted` is None where no uniformity map was recorded for it."""

    head: HeadSeen
    window: str
    counts: Floats
    weighted: Floats | None
    pixel_mm: float
    seconds: float
    field: FieldOfView
    seen: Spectrum | None = None
    """Of what lies in the useful field of view; None where it was not asked for, or nothing lies there."""

    @property
    def subject(self) -> str:
        """Return how figures name it."""
        return f"head {self.head.number}"

    @property
    def rate_cps(self) -> float | None:
        """Return the counts in the useful field of view per second; None where nothing was counted in any time."""
        rows, columns = self.counts.shape
        inside = self.field.pixels(rows, columns, self.pixel_mm)
        return float(self.counts[inside].sum()) / self.seconds if self.seconds > 0.0 else None

    @property
    def in_field(self) -> float:
        """Return the counts in the useful field of view."""
        rows, columns = self.counts.shape
        return float(self.counts[self.field.pixels(rows, columns, self.pixel_mm)].sum())


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One recording: its pictures, one for each head and window that was asked for, and what is said of it."""

    directory: Path
    manifest: Manifest
    protocol: AcquisitionProtocol | None
    framed: Framed
    pictures: tuple[HeadPicture, ...]
    dark: tuple[int, ...] = ()
    """Heads that should have seen the source and did not."""

    @property
    def collimator(self) -> str | None:
        """Return the collimator that was recorded with."""
        name = self.manifest.calibrations.get("collimator")
        return None if name is None else str(name)

    @property
    def bare(self) -> bool:
        """Return True where it was taken with a point source and without a collimator, as far as it says."""
        terms = self.protocol.qc if self.protocol else None
        return self.collimator is None and (terms is None or terms.source == "point")


def seen_in(
    directory: Path, *, kind: ImageKind = ImageKind.STATIC, window: str | None = None, every_window: bool = False,
    spectra: bool = True, every_head: bool = False,
) -> Seen:  # fmt: skip
    """Return what a recording holds of the first series of a kind, of its first window or the one that is named.

    Raises `MissingError` for one without such a series or window, `RefusedError` for heads whose size nobody knows,
    and what reading raises.
    """
    with open_listmode(directory) as recording:
        framed = _series(recording, kind)
        manifest, protocol = recording.manifest, recorded_protocol(recording.manifest, directory)
        windows = _windows(framed, directory, window, every_window=every_window)
        heads = tuple(range(len(framed.heads))) if every_head else _lit(framed, windows[0], protocol)
        fields = {place: _field(framed.heads[place], directory) for place in heads}
        found = _spectra(recording, framed, fields) if spectra else {}
        pictures = tuple(
            _picture(framed, place, at, fields[place], found.get(place)) for place in heads for at in windows
        )
    return Seen(directory, manifest, protocol, framed, pictures, _dark(framed, heads, protocol))


def nuclide_of(material: Material, seen: Seen) -> str | None:
    """Return the nuclide of the source: the test's, else the register's, else the protocol's; None: nobody says."""
    said = material.test.parameters.get("nuclide") or material.source.get("nuclide")
    return str(said) if said else (seen.protocol.radionuclide if seen.protocol else None)


def window_of(material: Material) -> str | None:
    """Return the window that the test names."""
    said = material.test.parameters.get("window")
    return str(said) if said else None


def _series(recording: ListMode, kind: ImageKind) -> Framed:
    weights = any(head.uniformity for head in recorded_processing(recording.manifest, recording.directory).heads)
    found = [each for each in framed_in(recording, weighted=weights) if each.kind is kind]
    if not found:
        raise MissingError(f"{recording.directory}: it holds no {kind.lower()} picture")
    return max(found, key=lambda each: int(each.counts.sum(dtype=np.uint64)))


def _windows(framed: Framed, directory: Path, name: str | None, *, every_window: bool) -> tuple[int, ...]:
    names = [window.name for window in framed.windows]
    if name is not None and name not in names:
        raise MissingError(f"{directory}: it has no window {name!r}; there are {', '.join(names) or 'none'}")
    if every_window:
        return tuple(range(framed.counts.shape[1]))
    return (names.index(name) if name is not None else 0,)


def _lit(framed: Framed, window: int, protocol: AcquisitionProtocol | None) -> tuple[int, ...]:
    """Return the places of the heads that saw the source: at most as many as the protocol is for, the brightest."""
    counts = framed.counts[:, window].sum(axis=(1, 2, 3), dtype=np.float64)
    wanted = protocol.file.instrument.heads if protocol else None
    order = np.argsort(-counts, kind="stable")[: wanted or len(counts)]
    return tuple(sorted(int(place) for place in order if counts[place] > _FAINT * counts.max()))


def _dark(framed: Framed, lit: Sequence[int], protocol: AcquisitionProtocol | None) -> tuple[int, ...]:
    wanted = (protocol.file.instrument.heads if protocol else None) or len(framed.heads)
    if len(lit) >= min(wanted, len(framed.heads)):
        return ()
    return tuple(head.number for place, head in enumerate(framed.heads) if place not in lit)


def _field(head: HeadSeen, directory: Path) -> FieldOfView:
    if head.width_mm is None or head.height_mm is None:
        raise RefusedError(f"{directory}: it does not say how large the field of view of head {head.number} is")
    return FieldOfView(head.width_mm, head.height_mm)


def _picture(framed: Framed, place: int, at: int, field: FieldOfView, found: Spectrum | None) -> HeadPicture:
    head = framed.heads[place]
    counts = framed.counts[place, at].sum(axis=0, dtype=np.float64)
    weights = None if framed.weighted is None else framed.weighted[place, at].sum(axis=0, dtype=np.float64) / _ONE
    seconds = float(framed.slots.live_ps.sum()) / _PS_PER_S * head.live_share
    name = framed.windows[at].name if framed.windows else "all"
    weights = weights if weights is not None and not np.array_equal(weights, counts) else None
    return HeadPicture(head, name, counts, weights, framed.pixels.pixel_mm, seconds, field, found)


def _spectra(recording: ListMode, framed: Framed, fields: dict[int, FieldOfView]) -> dict[int, Spectrum]:
    """Return the spectra of fields of view by the head's place, of the steps of a series; none without energies."""
    stored = recording.schema("singles").names
    if "energy_kev" not in stored:
        return {}
    spans = [(step.begin_ps, step.end_ps) for step in recording.manifest.steps or () if step.number in framed.steps]
    found = {place: spectrum(np.empty(0), upper_kev=UPPER_KEV) for place in fields}
    names = [name for name in ("time_ps", "x_mm", "y_mm", "energy_kev", "head") if name in stored]
    for columns in recording.numpy("singles", names):
        for place, rows in _of_heads(columns, framed, fields, spans):
            found[place].counts[:] += spectrum(columns["energy_kev"][rows], upper_kev=UPPER_KEV).counts
    return {place: each for place, each in found.items() if each.counts.any()}


def _of_heads(
    columns: dict[str, Any], framed: Framed, fields: dict[int, FieldOfView], spans: Sequence[tuple[int, int | None]]
) -> Iterator[tuple[int, Any]]:
    times = columns["time_ps"]
    within = np.zeros(len(times), bool)
    for begin, end in spans:
        within |= (times >= begin) & (times <= (np.iinfo(np.int64).max if end is None else end))
    for place, field in fields.items():
        mine = columns["head"] == framed.heads[place].number if "head" in columns else True
        yield place, within & mine & field.holds(columns["x_mm"], columns["y_mm"])
