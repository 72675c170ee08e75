"""What series of pictures are made of the steps of a recording: their kind, pixels, slots and windows, before any data.

A series is all steps that come of one entry of the protocol; each static view is one of its own. With a gate a SPECT
entry gives two: the gated projections, and those of all beats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from daq.errors import MismatchError, RefusedError
from daq.model.framed import ImageKind, Pixels, head_first
from daq.model.geometry import PatientOrientation, View
from daq.model.headcalibration import Grid
from daq.model.protocol import Gate, Image, Phase, ProtocolKind, Step
from daq.model.windows import EnergyWindow

MOST_CELLS = 1 << 28
"""Pixels of all pictures of a series together: 1 GiB of counts."""
DEFAULT_VIEWS = 60
"""Projections of a continuous rotation whose protocol does not say how many."""
BYTES = 4
"""Of a count."""


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """A head of the scanner; its field of view is None where no scanner is known."""

    number: int
    name: str = ""
    angle_deg: float | None = None
    width_mm: float | None = None
    height_mm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is known of an acquisition before it begins, and what is asked of its pictures.

    `windows` in the order of their bits, none: every event. `field_pixels`: where a step says nothing of its picture.
    `code_mm`: the steps of x and y that words come in, over which events are spread; 0 where that is done already.
    `frames`, `gate`: in place of the steps' own. `weighted`: weights of `uniformity`, by head number and window name.
    `latency_ms`: by trigger, from the beat to the time of its word, as far as it is known.
    `turns`: the scanner has an axis that turns its heads, so that they face nothing known until it is told where it is.
    """

    heads: tuple[HeadFacts, ...]
    field_pixels: Pixels
    steps: tuple[Step, ...] = ()
    windows: tuple[EnergyWindow, ...] = ()
    orientation: PatientOrientation = PatientOrientation.HFS
    uniformity: Mapping[tuple[int, str], Grid] = field(default_factory=dict)
    code_mm: tuple[float, float] = (0.0, 0.0)
    frames: tuple[Phase, ...] = ()
    gate: Gate | None = None
    most_pixels: int | None = None
    most_cells: int = MOST_CELLS
    weighted: bool = False
    turns: bool = False
    latency_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRule:
    """What one series is made of. `slots` are those that are planned; `views` of them times `bins` of a beat.

    `usable_mm`: lowest and highest y on the detector that count, of a sweep.
    """

    name: str
    key: str
    kind: ImageKind
    pixels: Pixels
    slots: int
    setup: Setup
    step: Step | None = None
    views: int = 1
    bins: int = 1
    phases: tuple[Phase, ...] = ()
    gate: Gate | None = None
    continuous: bool = False
    ungated: bool = False
    windows: tuple[EnergyWindow, ...] = ()
    bits: tuple[int, ...] = (0,)
    usable_mm: tuple[float, float] = (-math.inf, math.inf)
    shown: tuple[View, ...] = ()

    @property
    def cells(self) -> int:
        """Return the pixels of all its pictures together."""
        size = self.pixels.rows * self.pixels.columns
        return len(self.setup.heads) * max(len(self.windows), 1) * self.slots * size

    @property
    def turned(self) -> bool:
        """Return True where pictures are turned round, so that they are head up."""
        return not head_first(self.setup.orientation)


def rules_of(setup: Setup, step: Step | None, name: str, *, lasts_ps: int | None = None) -> list[SeriesRule]:
    """Return what is made of a step, `step` by the protocol or None. `lasts_ps`: how long it did, where it has ended.

    Raises `RefusedError` for more pixels than `setup.most_cells`, in words that say what would be fewer, and for frames
    or a gate asked of what moves.
    """
    _require_sense(setup, step)
    kind, gate = _kind(setup, step), None if setup.frames else setup.gate or (step.gate if step else None)
    windows, bits = _windows(setup, step)
    plain = SeriesRule(
        name=_series_name(step, name, kind), key=_key(step, name, kind), kind=kind, setup=setup, step=step, slots=1,
        pixels=_pixels(setup, step, kind), windows=windows, bits=bits, shown=step.views if step else (),
        usable_mm=_usable(setup, kind),
    )  # fmt: skip
    if kind is ImageKind.DYNAMIC:
        phases = setup.frames or (step.phases if step else ())
        return [_checked(replace(plain, phases=phases, slots=_frames(phases, lasts_ps)))]
    if kind in (ImageKind.STATIC, ImageKind.WHOLE_BODY):
        return [_checked(plain)]
    views = _views(setup, step) if kind is ImageKind.TOMO else 1
    plain = replace(plain, views=views, slots=views, continuous=bool(step and step.sweep))
    if gate is None:
        return [_checked(plain)]
    of_beats = ImageKind.GATED_TOMO if kind is ImageKind.TOMO else ImageKind.GATED
    gated = replace(plain, kind=of_beats, gate=gate, bins=gate.bins, slots=views * gate.bins)
    if kind is not ImageKind.TOMO:
        return [_checked(gated)]
    return [_checked(gated), _checked(replace(plain, ungated=True))]


def _checked(rule: SeriesRule) -> SeriesRule:
    pixels, heads, windows = rule.pixels, len(rule.setup.heads), max(len(rule.windows), 1)
    if not 0 < rule.cells <= rule.setup.most_cells:
        what = {ImageKind.DYNAMIC: "frames"}.get(rule.kind, "pictures")
        raise RefusedError(
            f"{rule.name}: {rule.slots:,} {what} of {pixels.columns} x {pixels.rows} pixels, {heads} heads, {windows} "
            f"windows need {rule.cells * BYTES / 1e9:.2f} GB; at most {rule.setup.most_cells * BYTES / 1e9:.2f} GB are "
            f"taken: fewer {what}, or fewer pixels a side"
        )
    return rule


def _require_sense(setup: Setup, step: Step | None) -> None:
    """Refuse to cut what moves into other frames, and a sweep of the bed into beats."""
    if step is None:
        return
    sweeps = step.sweep is not None and step.kind is ProtocolKind.WHOLE_BODY
    if setup.frames and (sweeps or step.kind is ProtocolKind.SPECT):
        raise RefusedError(f"step {step.name!r}: axes move in it or between its views, so it has no other frames")
    if setup.gate is not None and sweeps:
        raise RefusedError(f"step {step.name!r}: the bed moves in it, so it is not gated")


def _kind(setup: Setup, step: Step | None) -> ImageKind:
    if setup.frames:
        return ImageKind.DYNAMIC
    kind = step.kind if step else ProtocolKind.STATIC
    if kind is ProtocolKind.SPECT:
        return ImageKind.TOMO
    if kind is ProtocolKind.WHOLE_BODY and step is not None and step.sweep is not None:
        return ImageKind.WHOLE_BODY
    if setup.gate is not None or (step is not None and step.gate is not None):
        return ImageKind.GATED
    return ImageKind.DYNAMIC if step is not None and step.phases else ImageKind.STATIC


def _key(step: Step | None, name: str, kind: ImageKind) -> str:
    """Return what the steps of one series share: of projections their entry, of all others nothing but the name."""
    return step.key if step is not None and kind is ImageKind.TOMO else f"{step.key if step else ''} {name}"


def _series_name(step: Step | None, name: str, kind: ImageKind) -> str:
    is_repeated = step is not None and kind is ImageKind.TOMO and step.sweep is None and "/" in name
    return name.rpartition(" ")[0] if is_repeated else name


def _frames(phases: Sequence[Phase], lasts_ps: int | None) -> int:
    """Return how many frames are planned, or how many began in the time that there was; one at least."""
    if lasts_ps is None:
        return sum(phase.frames for phase in phases)
    begun, left_ps = 0, lasts_ps
    for phase in phases:
        frames = min(phase.frames, max(0, -(-left_ps // phase.frame_ps)))
        begun, left_ps = begun + frames, left_ps - frames * phase.frame_ps
    return max(1, begun)


def _views(setup: Setup, step: Step | None) -> int:
    if step is None:
        return 1
    if step.sweep is not None:
        return step.sweep.views or DEFAULT_VIEWS
    return sum(other.key == step.key for other in setup.steps) or 1


def _windows(setup: Setup, step: Step | None) -> tuple[tuple[EnergyWindow, ...], tuple[int, ...]]:
    """Return the windows of a step, all where it names none of those that there are, and their bits."""
    if not setup.windows:
        return (), (0,)
    wanted = set(step.windows) if step else set()
    chosen = [(window, bit) for bit, window in enumerate(setup.windows) if window.name in wanted]
    chosen = chosen or [(window, bit) for bit, window in enumerate(setup.windows)]
    return tuple(window for window, _ in chosen), tuple(bit for _, bit in chosen)


def _usable(setup: Setup, kind: ImageKind) -> tuple[float, float]:
    if kind is not ImageKind.WHOLE_BODY:
        return -math.inf, math.inf
    heights = [head.height_mm for head in setup.heads if head.height_mm is not None]
    if len(heights) < len(setup.heads):
        raise MismatchError("a strip needs the usable length of every head, and no scanner profile says it")
    return -min(heights) / 2, min(heights) / 2


def _pixels(setup: Setup, step: Step | None, kind: ImageKind) -> Pixels:
    """Return the pixels of a step: square, the field as wide as the matrix at zoom 1."""
    image = step.image if step else None
    widths = [head.width_mm for head in setup.heads if head.width_mm is not None]
    heights = [head.height_mm for head in setup.heads if head.height_mm is not None]
    if image is None or not widths or not heights:
        plain = setup.field_pixels
        return plain if kind is not ImageKind.WHOLE_BODY else _strip(setup, step, plain.pixel_mm, plain.columns, None)
    sides = [max(widths) / image.columns]
    if kind is not ImageKind.WHOLE_BODY:
        sides.append(max(heights) / image.rows)
    columns, rows, pixel_mm = _fewer(image, max(sides) / image.zoom, setup.most_pixels)
    if kind is ImageKind.WHOLE_BODY:
        return _strip(setup, step, pixel_mm, columns, rows)
    return Pixels(-columns * pixel_mm / 2, -rows * pixel_mm / 2, pixel_mm, columns, rows)


def _fewer(image: Image, pixel_mm: float, most: int | None) -> tuple[int, int, float]:
    """Return columns, rows and the pixel of a matrix whose pixels are put together until no side has more than most."""
    together = 1 if most is None else math.ceil(max(image.columns, image.rows) / most)
    return math.ceil(image.columns / together), math.ceil(image.rows / together), pixel_mm * together


def _strip(setup: Setup, step: Step | None, pixel_mm: float, columns: int, rows: int | None) -> Pixels:
    """Return the pixels of a strip: its middle is the middle of the sweep, without rows all that a head sees of it."""
    if step is None or step.sweep is None:
        raise MismatchError("a strip is made of a sweep")
    begin, end = step.sweep.begin, step.sweep.end
    middle = (begin + end) / 2 * (-1 if head_first(setup.orientation) else 1)
    heights: Sequence[float] = [head.height_mm for head in setup.heads if head.height_mm is not None]
    whole = math.ceil((abs(end - begin) + min(heights, default=0.0)) / pixel_mm)
    count = whole if rows is None else min(rows, whole)
    return Pixels(-columns * pixel_mm / 2, middle - count * pixel_mm / 2, pixel_mm, columns, count)
