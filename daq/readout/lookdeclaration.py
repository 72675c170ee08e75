"""Which live figures a front end can give, and over which ranges: decided once, before data flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daq.model.events import StreamName
from daq.model.layout import DetectorNumber, Layout, Target
from daq.model.processing import Processing
from daq.model.scanner import Ring
from daq.pipeline.framing import FramingRule
from daq.readout.cameralooks import about_of, camera_rule
from daq.readout.pairdeclaration import RingLook, declare_ring
from daq.readout.probelooks import ProbeRule, probe_rule
from daq.readout.studydeclaration import StudyLook

MOST_BINS = 1024
MOST_DETECTOR_BINS = 262_144
SOURCE_ROWS = 1024
DEFAULT_ENERGY_KEV = (0.0, 1024.0)
"""The range where a calibration, not the layout, gives the energy."""
HIGHEST_ENERGY_KEV = 2048.0
LOOKED = (
    "singles_seen", "singles_skipped", "coincidences_seen", "coincidences_skipped", "sources",
    "energy_below", "energy_above", "energy_not_a_number", "detectors_beyond",
    "camera_head_unknown", "camera_outside",
    "modules_nowhere", "pairs_nowhere", "tof_outside",
)  # fmt: skip
"""Names of the elements of the array `looked`. The first four are rows; `sources` is how many there were."""

PHASES = ("nothing", "positioning", "counting", "aside")
"""What figures are of, by the number in the array `phase`: armed, and nothing is looked at before the start; armed, and
what comes is shown, and recorded nowhere; recorded, and it counts; recorded, outside of any step or paused."""


@dataclass(frozen=True, slots=True)
class Axis:
    """`bins` equal bins from `low` up to, not including, `high`."""

    low: float
    high: float
    bins: int

    @property
    def per_unit(self) -> float:
        """Return bins per unit."""
        return self.bins / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class EnergyLook:
    """The histogram of singles' energies, `column` being `energy_kev` or `energy_adc`.

    Of `energy_adc`, `1 << shift` codes share a bin.
    """

    column: str
    axis: Axis
    shift: int = 0


@dataclass(frozen=True, slots=True)
class DetectorLook:
    """The map of counts per detector number, from `columns` of `stream`.

    `fold` numbers, a power of two, share a bin: number n is in bin `n // fold`.
    """

    stream: StreamName
    columns: tuple[str, ...]
    detectors: int
    fold: int

    @property
    def bins(self) -> int:
        """Return the length of the map."""
        return -(-self.detectors // self.fold)


@dataclass(frozen=True, slots=True)
class Declaration:
    """The figures of one acquisition. A figure that the columns do not give is None.

    Sources 0 to `source_rows` - 1 have a row of their own in counts and rates; the row after them is the sum of all
    others.
    """

    counters: tuple[str, ...]
    energy: EnergyLook | None
    detectors: DetectorLook | None
    ring: RingLook | None = None
    camera: FramingRule | None = None
    probe: ProbeRule | None = None
    source_rows: int = SOURCE_ROWS
    study: StudyLook | None = None

    @property
    def about(self) -> dict[str, Any]:
        """Return the declaration as plain data, for readers of the figures."""
        return {
            "counters": list(self.counters),
            "looked": list(LOOKED),
            "phases": list(PHASES),
            "sources": {"own_rows": self.source_rows, "last_row": f"sources {self.source_rows} and above, summed"},
            "energy": self.energy and {"column": self.energy.column, **_plain(self.energy.axis)},
            "detectors": self.detectors and {
                "stream": self.detectors.stream, "columns": list(self.detectors.columns),
                "detectors": self.detectors.detectors, "fold": self.detectors.fold,
            },
            "ring": self.ring and self.ring.about,
            "camera": self.camera and about_of(self.camera),
            "probe": self.probe and self.probe.about,
            "study": self.study and self.study.about,
        }  # fmt: skip


def declare(
    columns: Mapping[StreamName, Sequence[str]],
    counters: Sequence[str],
    layout: Layout,
    *,
    detectors: int | None = None,
    ring: Ring | None = None,
    half_window_ps: int | None = None,
    source_rows: int = SOURCE_ROWS,
    processing: Processing | None = None,
    heads: Sequence[int] | None = None,
) -> Declaration:
    """Return the figures that `columns` per stream, as they are after calibration, windowing and pairing, can give.

    `counters` names the columns of `Carry.counts`. `detectors` is how many numbers the scanner has; by default as many
    as the layout can express. `ring` is where they are; `half_window_ps` how far apart in time a pair can be. `heads`
    are the numbers of gamma-camera heads, by default those of `processing` or of the layout.
    """
    singles = columns.get("singles", ())
    return Declaration(
        tuple(counters),
        _energy(singles, layout),
        _detectors(columns, layout, detectors),
        declare_ring(columns, ring, half_window_ps=half_window_ps),
        camera_rule(singles, layout, processing or Processing(), heads),
        probe_rule(singles, layout, processing or Processing()),
        source_rows,
    )


def _energy(singles: Sequence[str], layout: Layout) -> EnergyLook | None:
    if "energy_kev" in singles:
        axis = _axis(layout, "energy_kev", DEFAULT_ENERGY_KEV, MOST_BINS)
        if axis.high > HIGHEST_ENERGY_KEV:
            axis = Axis(0.0, HIGHEST_ENERGY_KEV, MOST_BINS)
        return EnergyLook("energy_kev", axis)
    if "energy_adc" in singles:
        width = max((field.width for field in layout.fields_to("energy_adc")), default=16)
        shift = max(width - MOST_BINS.bit_length() + 1, 0)
        return EnergyLook("energy_adc", Axis(0.0, float(1 << width), 1 << (width - shift)), shift)
    return None


def _detectors(
    columns: Mapping[StreamName, Sequence[str]], layout: Layout, detectors: int | None
) -> DetectorLook | None:
    """Return the map of singles, or of coincidences where singles have no detector: each photon is counted once."""
    wanted: tuple[tuple[StreamName, tuple[str, ...]], ...] = (
        ("singles", ("detector",)),
        ("coincidences", ("detector_a", "detector_b")),
    )
    for stream, names in wanted:
        if set(names) <= set(columns.get(stream, ())):
            count = detectors or max((_count(number) for number in _numbers(layout)), default=MOST_DETECTOR_BINS)
            fold = 1
            while -(-count // fold) > MOST_DETECTOR_BINS:
                fold *= 2
            return DetectorLook(stream, names, count, fold)
    return None


def _axis(layout: Layout, target: Target, default: tuple[float, float], most_bins: int) -> Axis:
    """Return an axis over all values that the layout's fields can have.

    It begins half a code below the lowest: no value then lies on the border of two bins, where rounding would decide.
    """
    fields = layout.fields_to(target)
    if not fields:
        return Axis(*default, most_bins)
    edges = [edge for field in fields for edge in field.edges]
    return Axis(min(edges), max(edges), min(most_bins, max(1 << field.width for field in fields)))


def _numbers(layout: Layout) -> Iterator[DetectorNumber]:
    for kind in layout.kinds.values():
        for number in (kind.detector, kind.detector_a, kind.detector_b):
            if number is not None:
                yield number


def _count(number: DetectorNumber) -> int:
    return number.count if number.lookup is None else max(number.lookup, default=0) + 1


def _plain(axis: Axis) -> dict[str, float | int]:
    return {"low": axis.low, "high": axis.high, "bins": axis.bins}
