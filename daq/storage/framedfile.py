"""A series of pictures as a NumPy file: counts and columns as arrays, all else as JSON, `NN-step-name.npz`.

Arrays: `counts` uint32 [heads, windows, slots, rows, columns], `outside` int64 [heads, windows], `slot_...` [slots],
where there are `weighted` uint64 in 1/65536, of a strip `exposure_ps` int64 [rows]; `about`: the JSON text.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from daq.errors import FormatError, MismatchError, MissingError, RefusedError, StorageFailedError, StorageFullError
from daq.model.framed import Beats, Framed, HeadSeen, ImageKind, Pixels, Slots, Strip
from daq.model.geometry import Laterality, PatientOrientation
from daq.model.windows import EnergyWindow
from daq.storage.disk import NO_ROOM

FORMAT = "framed/1"
_COLUMNS = tuple(one.name for one in fields(Slots))


@dataclass(frozen=True, slots=True)
class _About:
    """All of a series but its arrays."""

    name: str
    kind: ImageKind
    steps: tuple[int, ...]
    heads: tuple[HeadSeen, ...]
    windows: tuple[EnergyWindow, ...]
    pixels: Pixels
    orientation: PatientOrientation
    region: str | None
    laterality: Laterality | None
    label: str
    role: str
    strip: Strip | None
    beats: Beats | None
    rotation: str | None
    arc_deg: float | None
    continuous: bool
    ungated: bool
    frame_zero_ps: int | None
    ended_by: str | None
    completed: bool
    notes: tuple[str, ...]
    parts: tuple[str, ...] = ()


_ADAPTER = TypeAdapter(_About)


def file_names(series: Iterable[Framed]) -> list[str]:
    """Return a file name for each series, without its suffix: its place and name in letters that any system takes."""
    return [f"{place:02d}-{_plain(one)}" for place, one in enumerate(series, start=1)]


def save_framed(framed: Framed, file: Path) -> None:
    """Write a series; raise `RefusedError` for a file that exists, `StorageFullError` or `StorageFailedError`."""
    arrays: dict[str, Any] = {f"slot_{name}": getattr(framed.slots, name) for name in _COLUMNS}
    about = {one.name: getattr(framed, one.name) for one in fields(_About)}
    body = {"format": FORMAT, **_ADAPTER.dump_python(_About(**about), mode="json")}
    if framed.weighted is not None:
        arrays["weighted"] = framed.weighted
    if framed.strip is not None:
        arrays["exposure_ps"] = np.array(framed.strip.exposure_ps, np.int64)
    try:
        with file.open("xb") as opened:
            np.savez_compressed(
                opened, about=np.array(json.dumps(body)), counts=framed.counts, outside=framed.outside, **arrays
            )
    except FileExistsError:
        raise RefusedError(f"{file} exists: nothing is written over") from None
    except OSError as why:
        kind = StorageFullError if why.errno in NO_ROOM else StorageFailedError
        raise kind(f"{file}: cannot be written: {why.strerror or why}") from None


def load_framed(file: Path) -> Framed:
    """Return the series in a file; raise `MissingError`, or `FormatError` for one that holds none."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        body = json.loads(str(arrays["about"]))
        found = body.pop("format", None) if isinstance(body, dict) else None
        if found != FORMAT:
            raise FormatError(f"{file}: pictures of format {found}; this build reads {FORMAT}")
        about = _ADAPTER.validate_python(body)
        slots = Slots(**{name: arrays[f"slot_{name}"] for name in _COLUMNS})
        return Framed(
            **{one.name: getattr(about, one.name) for one in fields(_About)}, counts=arrays["counts"], slots=slots,
            outside=arrays["outside"], weighted=arrays.get("weighted"),
        )  # fmt: skip
    except FileNotFoundError:
        raise MissingError(f"{file}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, ValidationError, MismatchError) as why:
        raise FormatError(f"{file}: not a file of framed pictures ({type(why).__name__}: {why})") from None


def _plain(framed: Framed) -> str:
    what = framed.name + (" ungated" if framed.ungated else "") + (" all parts" if framed.parts else "")
    return re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")[:60] or "step"
