"""Small pictures of acquisitions for lists: each head of the first series, made once and kept beside the catalogue."""

from __future__ import annotations

import os
from pathlib import Path

from daq.composition.finishingfolder import IMAGES, read_sums
from daq.errors import MissingError, StorageFailedError

THUMBNAIL = "thumbnail.png"
_SIDE = 96
_MOST_HEADS = 4
_MOST_KEPT = 2000
_GAP = 4


def thumbnail(directory: Path, kept: Path) -> Path:
    """Return the small picture of an acquisition in the folder `kept`, made where it is not there or is old.

    Raise `MissingError` where nothing was pictured, what reading a series raises, `StorageFailedError`.
    """
    first = next((name for name in sorted(read_sums(directory / IMAGES)) if name.endswith(".npz")), None)
    if first is None:
        raise MissingError(f"{directory.name}: nothing of it was pictured")
    source = directory / IMAGES / first
    try:
        made = kept / f"{directory.name}-{source.stat().st_mtime_ns:x}.png"
        if not made.is_file():
            kept.mkdir(parents=True, exist_ok=True)
            _forget(kept)
            _draw(source, made)
    except OSError as why:
        raise StorageFailedError(f"{kept}: {why.strerror or why}") from None
    return made


def _draw(source: Path, made: Path) -> None:
    from PIL import Image

    from daq.composition.sheetviews import SheetStyle, prepared, upper_of
    from daq.storage.drawing import PAPER, picture_of
    from daq.storage.framedfile import load_framed

    series, style = load_framed(source), SheetStyle()
    pictures = []
    for place in range(min(len(series.heads), _MOST_HEADS)):
        one = prepared(series, place, series.counts[place, 0].sum(axis=0), style, _SIDE)
        zoom = max(1, _SIDE // max(one.image.shape))
        pictures.append(picture_of(one.shown(style, upper_of([one.image], style, [None]), _SIDE), zoom))
    width = sum(each.width for each in pictures) + _GAP * (len(pictures) - 1)
    page = Image.new("RGB", (max(1, width), max((each.height for each in pictures), default=1)), PAPER)
    left = 0
    for each in pictures:
        page.paste(each, (left, 0))
        left += each.width + _GAP
    beside = made.with_name(f".{made.name}.{os.getpid()}.tmp")
    page.save(beside, format="PNG")
    beside.rename(made)


def _forget(kept: Path) -> None:
    """Take out the oldest where there are too many: they are made again when they are looked at."""
    found = sorted(kept.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    for path in found[: max(0, len(found) - _MOST_KEPT + 1)]:
        path.unlink(missing_ok=True)
