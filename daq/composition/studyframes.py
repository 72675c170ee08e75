"""All frames of a head of a series as one picture, side by side, for a browser that shows them one after the other.

Made once and kept beside the small pictures. Rows are from the head of the patient down, as the detector sees them;
grey ends at one count for all frames, so that what grows is seen to grow.
"""

from __future__ import annotations

import json
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.composition.finishingfolder import IMAGES, read_sums
from daq.composition.sheetviews import SheetStyle, head_text, in_field, letters_of, upper_of, view_text, window_text
from daq.errors import FormatError, MissingError, StorageFailedError
from daq.model.framed import Framed
from daq.storage.framedfile import load_framed

_MOST_PIXELS = 8_000_000
"""Of one picture; larger ones have neighbouring pixels added up."""
_MOST_KEPT = 400
_PS_PER_S = 1e12


def frames(directory: Path, name: str, head: int, window: int, kept: Path) -> tuple[Path, dict[str, Any]]:
    """Return the picture of all frames of a head and window of a series, and what is said of them.

    `name`: of the series' file, without its suffix; `head` and `window` count from 0. Raise `MissingError` for what is
    not there, what reading a series raises, `StorageFailedError`.
    """
    source = directory / IMAGES / f"{name}.npz"
    if source.name not in read_sums(directory / IMAGES) or source.is_symlink():
        raise MissingError(f"{directory.name} has no series {name}")
    try:
        stem = f"frames-{directory.name}-{name}-{head}-{window}-{source.stat().st_mtime_ns:x}"
        made, about = kept / f"{stem}.png", kept / f"{stem}.json"
        if not (about.is_file() and made.is_file()):
            kept.mkdir(parents=True, exist_ok=True)
            _forget(kept)
            _make(load_framed(source), head, window, made, about)
        return made, json.loads(about.read_bytes())
    except ValueError:
        raise FormatError(f"the pictures of {directory.name} cannot be read: make them anew") from None
    except OSError as why:
        raise StorageFailedError(f"pictures of {directory.name}: {why.strerror or why}") from None


def _make(series: Framed, head: int, window: int, made: Path, about: Path) -> None:
    from PIL import Image

    if not (0 <= head < len(series.heads) and 0 <= window < max(1, len(series.windows))):
        raise MissingError(f"{series.name} has {len(series.heads)} heads and {len(series.windows)} windows")
    counts = series.counts[head, window]
    parts = np.stack([in_field(series, head, image)[0] for image in counts])
    by = max(1, math.ceil(math.sqrt(parts.size / _MOST_PIXELS)))
    small = _added_up(parts, by)
    upper = max(1.0, upper_of(list(small), SheetStyle(), [None] * len(small)))
    across = max(1, math.ceil(math.sqrt(len(small) * small.shape[1] / small.shape[2])))
    told = _about(series, head, window) | {
        "rows": small.shape[1], "columns": small.shape[2], "across": across, "upper": upper, "added_up": by,
        "counts": [int(each) for each in counts.sum(axis=(1, 2), dtype=np.uint64)],
    }  # fmt: skip
    beside = made.with_name(f".{made.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    Image.fromarray(_mosaic(small, across, upper)).save(beside, format="PNG")
    beside.rename(made)
    beside.write_text(json.dumps(told), encoding="utf-8")
    beside.rename(about)


def _about(series: Framed, head: int, window: int) -> dict[str, Any]:
    slots = series.slots
    turned = series.rotation is not None
    letters = letters_of(series, head)  # those at the sides turn with the heads
    return {
        "view": "" if turned else view_text(series, series.heads[head]), "head": head_text(series, head),
        "window": window_text(series, window), "letters": ["", "", *letters[2:]] if turned else [*letters],
        "begin_s": [float(ps) / _PS_PER_S for ps in slots.begin_ps],
        "end_s": [float(ps) / _PS_PER_S for ps in slots.end_ps],
        "gantry_deg": [None if math.isnan(deg) else float(deg) for deg in slots.gantry_deg] if turned else None,
        "pixel_mm": series.pixels.pixel_mm,
    }  # fmt: skip


def _added_up(parts: npt.NDArray[Any], by: int) -> npt.NDArray[np.int64]:
    """Return frames [frames, rows, columns] with `by` pixels of a side added up; what is left over is cut."""
    rows, columns = (side // by * by for side in parts.shape[1:])
    cut = parts[:, :rows, :columns].astype(np.int64)
    return cut if by == 1 else cut.reshape(len(cut), rows // by, by, columns // by, by).sum(axis=(2, 4))


def _mosaic(small: npt.NDArray[np.int64], across: int, upper: float) -> npt.NDArray[np.uint8]:
    """Return all frames as one grey picture [rows, columns], `across` beside each other, dark where there is most."""
    count, rows, columns = small.shape
    down = math.ceil(count / across)
    page = np.full((down * rows, across * columns), 255, np.uint8)
    for number, image in enumerate(small):
        top, left = number // across * rows, number % across * columns
        shade = 255.0 - 255.0 * np.minimum(image[::-1] / upper, 1.0)  # row 0 of counts is the lowest
        page[top : top + rows, left : left + columns] = shade.round().astype(np.uint8)
    return page


def _forget(kept: Path) -> None:
    """Keep room: the oldest go first."""
    there = sorted(kept.glob("frames-*"), key=lambda path: path.stat().st_mtime)
    for path in there[: max(0, len(there) - 2 * _MOST_KEPT)]:
        path.unlink(missing_ok=True)
