"""Moving pictures: the views of a rotation, the slots of a beat, the frames of a dynamic study, one after the other."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from daq.composition.sheetheart import over_beat
from daq.composition.sheetviews import SheetStyle, letters_of, prepared, upper_of
from daq.model.framed import Framed, ImageKind
from daq.pipeline.tomography import angles_deg
from daq.storage.drawing import INK, LINE, MARGIN, PAPER, WARNING, font, picture_of

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest

MOVING = (ImageKind.GATED, ImageKind.TOMO, ImageKind.GATED_TOMO, ImageKind.DYNAMIC)
_SIDE = 256
_MOST_FRAMES = 128
_FASTEST_MS = 40
_TOMO_MS = 90
_DYNAMIC_MS = 150
_SMALL = 13
_PS_PER_S = 1e12


def cine(series: Framed, manifest: Manifest, style: SheetStyle | None = None) -> bytes | None:
    """Return a GIF of all heads side by side that begins anew at its end; None of a series that does not move.

    It is of the first window. Colours are the same in all frames. A gated rotation shows the beat, all views added up.
    """
    if series.kind not in MOVING or len(series.slots) < 2:  # noqa: PLR2004 - one picture does not move
        return None
    images, words, angles, each_ms = _frames(series)
    style = style or SheetStyle()
    frames = list(_drawn(series, manifest, style, images, words, angles))
    made = io.BytesIO()
    frames[0].save(
        made,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=each_ms,
        loop=0,
        disposal=1,
        optimize=False,
    )
    return made.getvalue()


def _frames(
    series: Framed,
) -> tuple[npt.NDArray[np.uint64], list[str], npt.NDArray[np.float64] | None, int]:
    """Return images [heads, frames, rows, columns], words for each, angles [heads, frames], how long each is shown."""
    if series.kind in (ImageKind.GATED, ImageKind.GATED_TOMO):
        images = np.stack([over_beat(series, place, 0)[0] for place in range(len(series.heads))])
        slots = images.shape[1]
        whole_ms = series.beats.mean_ms if series.beats is not None and series.beats.mean_ms else 1000.0
        words = [f"slot {number + 1} of {slots}" for number in range(slots)]
        return images, words, None, max(_FASTEST_MS, round(whole_ms / slots))
    by = max(1, math.ceil(len(series.slots) / _MOST_FRAMES))
    firsts = range(0, len(series.slots), by)
    images = np.stack([series.counts[:, 0, at : at + by].sum(axis=1, dtype=np.uint64) for at in firsts], axis=1)
    if series.kind is ImageKind.TOMO:
        words = [f"view {int(series.slots.view[at]) + 1}" for at in firsts]
        return images, words, angles_deg(series)[:, ::by], _TOMO_MS
    begin_s = (series.slots.begin_ps - series.slots.begin_ps[0]) / _PS_PER_S
    return images, [f"{begin_s[at]:.4g} s" for at in firsts], None, _DYNAMIC_MS


def _drawn(
    series: Framed, manifest: Manifest, style: SheetStyle, images: npt.NDArray[np.uint64], words: Sequence[str],
    angles: npt.NDArray[np.float64] | None,
) -> Iterator[Image.Image]:  # fmt: skip
    heads = len(series.heads)
    made = [[prepared(series, place, image, style, _SIDE) for image in images[place]] for place in range(heads)]
    upper = [upper_of([one.image for one in mine], style, [one.masked for one in mine]) for mine in made]
    zoom = max(1, _SIDE // max(made[0][0].image.shape))
    high, wide = (side * zoom for side in made[0][0].image.shape)
    for number, word in enumerate(words):
        frame = Image.new("RGB", (heads * (wide + 2 * MARGIN), high + MARGIN + 3 * LINE), PAPER)
        draw = ImageDraw.Draw(frame)
        for place in range(heads):
            left, one = place * (wide + 2 * MARGIN) + MARGIN, made[place][number]
            at_deg = None if angles is None else float(angles[place, number])
            letters = letters_of(series, place, at_deg)
            frame.paste(picture_of(one.shown(style, upper[place], _SIDE), zoom), (left, MARGIN))
            sides = ((left - 16, MARGIN + high // 2), (left + wide + 16, MARGIN + high // 2), (left + wide // 2, 18))
            for letter, at in zip(letters, sides, strict=False):
                draw.text(at, letter, INK, font(_SMALL + 2), anchor="mm")
            turned = "" if at_deg is None or math.isnan(at_deg) else f", {at_deg:.0f} deg"
            draw.text((left, MARGIN + high + 4), f"head {series.heads[place].number}{turned}", INK, font(_SMALL))
        draw.text((MARGIN, MARGIN + high + LINE + 4), f"{series.name}: {word}; not for diagnosis", INK, font(_SMALL))
        if manifest.simulated:
            draw.text((4, 2), "SIMULATED", WARNING, font(_SMALL))
        yield frame
