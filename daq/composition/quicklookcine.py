"""Moving pictures: the views of a rotation, the slots of a beat, the frames of a dynamic study, one after the other."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from daq.composition.sheetheart import facing_slots, over_beat
from daq.composition.sheetviews import SheetStyle, letters_of, live_ps, prepared, uppers_by_time
from daq.model.framed import Framed, ImageKind
from daq.pipeline.tomography import angles_deg
from daq.storage.drawing import INK, LINE, MARGIN, PAPER, WARNING, font, picture_of

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest

MOVING = (ImageKind.GATED, ImageKind.TOMO, ImageKind.GATED_TOMO, ImageKind.DYNAMIC)
_SIDE = 256
_MOST_FRAMES = 128
_FASTEST_MS = 40
_BEAT_MS = 1000.0
_TOMO_MS = 90
_DYNAMIC_MS = 150
_SMALL = 13
_PS_PER_S = 1e12


@dataclass(frozen=True, slots=True, eq=False)
class _Reel:
    """Images [heads, frames, rows, columns], live seconds and angles [heads, frames], words, and the time of each."""

    images: npt.NDArray[np.uint64]
    live_s: npt.NDArray[np.float64]
    words: Sequence[str]
    angles: npt.NDArray[np.float64] | None
    each_ms: int


def cine(series: Framed, manifest: Manifest, style: SheetStyle | None = None) -> bytes | None:
    """Return a GIF of all heads side by side that begins anew at its end; None of a series that does not move.

    It is of the first window; colours mean the same counts a second in all frames. A gated rotation shows the beat in
    the views that face the heart, of a head that never does in all of them. Of more than 128 views some are shown, of
    more frames neighbours are added up.
    """
    if series.kind not in MOVING or len(series.slots) < 2:  # noqa: PLR2004 - one picture does not move
        return None
    reel = _beat(series) if series.kind in (ImageKind.GATED, ImageKind.GATED_TOMO) else _course(series)
    frames = list(_drawn(series, manifest, style or SheetStyle(), reel))
    made = io.BytesIO()
    frames[0].save(
        made, format="GIF", save_all=True, append_images=frames[1:], duration=reel.each_ms, loop=0, disposal=1,
        optimize=False,
    )  # fmt: skip
    return made.getvalue()


def _beat(series: Framed) -> _Reel:
    every = np.arange(len(series.slots))
    facing = [(place, facing_slots(series, place)) for place in range(len(series.heads))]
    heads = [over_beat(series, place, 0, slots if slots.size else every) for place, slots in facing]
    images, live_s = (np.stack(each) for each in zip(*heads, strict=True))
    slots = images.shape[1]
    whole_ms = series.beats.mean_ms if series.beats is not None and series.beats.mean_ms else _BEAT_MS
    words = [f"slot {number + 1} of {slots}" for number in range(slots)]
    return _Reel(images, live_s, words, None, max(_FASTEST_MS, round(whole_ms / slots)))


def _course(series: Framed) -> _Reel:
    by = max(1, math.ceil(len(series.slots) / _MOST_FRAMES))
    firsts = range(0, len(series.slots), by)
    turns = series.kind is ImageKind.TOMO
    shown = [np.arange(at, at + 1 if turns else min(at + by, len(series.slots))) for at in firsts]
    images = np.stack([series.counts[:, 0, slots].sum(axis=1, dtype=np.uint64) for slots in shown], axis=1)
    heads = range(len(series.heads))
    live_s = np.array([[live_ps(series, place, slots) / _PS_PER_S for slots in shown] for place in heads])
    if turns:
        words = [f"view {int(series.slots.view[at]) + 1}" for at in firsts]
        return _Reel(images, live_s, words, angles_deg(series)[:, ::by], _TOMO_MS)
    begin_s = (series.slots.begin_ps - series.slots.begin_ps[0]) / _PS_PER_S
    return _Reel(images, live_s, [f"{begin_s[at]:.4g} s" for at in firsts], None, _DYNAMIC_MS)


def _drawn(series: Framed, manifest: Manifest, style: SheetStyle, reel: _Reel) -> Iterator[Image.Image]:
    heads = range(len(series.heads))
    made = [[prepared(series, place, image, style, _SIDE) for image in reel.images[place]] for place in heads]
    upper = [uppers_by_time(made[place], reel.live_s[place].tolist(), style) for place in heads]
    zoom = max(1, _SIDE // max(made[0][0].image.shape))
    high, wide = (side * zoom for side in made[0][0].image.shape)
    for number, word in enumerate(reel.words):
        frame = Image.new("RGB", (len(heads) * (wide + 2 * MARGIN), high + MARGIN + 3 * LINE), PAPER)
        draw = ImageDraw.Draw(frame)
        for place in heads:
            left = place * (wide + 2 * MARGIN) + MARGIN
            shown = made[place][number].shown(style, upper[place][number], _SIDE)
            frame.paste(picture_of(shown, zoom), (left, MARGIN))
            _words(draw, series, place, None if reel.angles is None else float(reel.angles[place, number]),
                   (left, wide, high))  # fmt: skip
        draw.text((MARGIN, MARGIN + high + LINE + 4), f"{series.name}: {word}; not for diagnosis", INK, font(_SMALL))
        if manifest.simulated:
            draw.text((4, 2), "SIMULATED", WARNING, font(_SMALL))
        yield frame


def _words(
    draw: ImageDraw.ImageDraw, series: Framed, place: int, at_deg: float | None, box: tuple[int, int, int]
) -> None:
    """Write the letters around a head's picture and what it is below; `box` is its left edge, width and height."""
    left, wide, high = box
    sides = ((left - 16, MARGIN + high // 2), (left + wide + 16, MARGIN + high // 2), (left + wide // 2, 18))
    for letter, at in zip(letters_of(series, place, at_deg), sides, strict=False):
        draw.text(at, letter, INK, font(_SMALL + 2), anchor="mm")
    turned = "" if at_deg is None or math.isnan(at_deg) else f", {at_deg:.0f} deg"
    draw.text((left, MARGIN + high + 4), f"head {series.heads[place].number}{turned}", INK, font(_SMALL))
