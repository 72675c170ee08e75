"""Pictures made of recorded events otherwise, written into a new folder: what a person asks for, in words and files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition.sorting import window_of
from daq.errors import MissingError, RefusedError, StorageFailedError, UsageError
from daq.model.protocol import Phase
from daq.model.quantity import TIME, parse_quantity
from daq.storage.files import partial_path
from daq.storage.remarks import corrected

if TYPE_CHECKING:
    from daq.model.framed import Framed
    from daq.model.windows import EnergyWindow
    from daq.storage.manifest import Manifest

_RUN = re.compile(r"(?P<frames>[1-9][0-9]{0,4})\s*x\s*(?P<each>\S.*)")
_FOLDER_MODE = 0o700
SHEET = "contact-sheet.png"

Told = Callable[[float | None, str], None]
"""Hears how far the work is, from 0 to 1, and what it is at."""


@dataclass(frozen=True, slots=True)
class Anew:
    """How pictures are to be made; what is not said is as it was acquired."""

    step: int | None = None
    windows: tuple[EnergyWindow, ...] | None = None
    frames: tuple[Phase, ...] = ()
    pixels: int | None = None


def phases_of(text: str | None) -> tuple[Phase, ...]:
    """Return the runs of frames of `60x2s,20x30s`; none for None. Raise `UsageError`."""
    phases = []
    for part in (text or "").split(",") if text is not None else ():
        found = _RUN.fullmatch(part.strip())
        if found is None:
            raise UsageError(f'frames {text!r}: write runs of NUMBERxTIME, e.g. "60x2s,20x30s"')
        try:
            phases.append(Phase(int(found["frames"]), parse_quantity(found["each"], TIME).ps))
        except RefusedError as why:
            raise UsageError(f"frames {text!r}: {found['each']} {why}") from None
    return tuple(phases)


def windows_of(texts: Sequence[str]) -> tuple[EnergyWindow, ...] | None:
    """Return the windows of `NAME=LOW-HIGH keV`; None where none is asked for. Raise `UsageError`."""
    return tuple(window_of(text) for text in texts) or None


def reframe(directory: Path, out: Path, anew: Anew, told: Told = lambda _share, _text: None) -> list[dict[str, Any]]:
    """Make pictures anew and write them into the new folder `out`, with a page of all; return what is said of each.

    Raises `RefusedError` where the folder exists, the recording is open, or windows lie outside of what was recorded;
    what framing raises; `StorageFailedError`. Nothing is left where it fails.
    """
    from daq.storage.framed import framed_in
    from daq.storage.reader import open_listmode

    partial = partial_path(out, "pictures are never written into a folder that is there")
    told(None, "Reads the recorded events")
    with open_listmode(directory) as recording:
        recording.manifest = manifest = corrected(recording.manifest, directory)
        if manifest.state == "open":
            raise RefusedError(f"{directory.name} is still open: pictures are made of what is sealed")
        series = framed_in(
            recording, step=anew.step, windows=anew.windows, frames=anew.frames or None, most_pixels=anew.pixels
        )
    if not series:
        raise MissingError(f"{directory.name}: nothing of it can be framed")
    try:
        partial.mkdir(mode=_FOLDER_MODE)
        files = _write(partial, series, manifest, told)
        partial.rename(out)
    except OSError as why:
        raise StorageFailedError(f"{out}: {why.strerror or why}; nothing is left of it") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [{"file": name, **_about(one)} for name, one in zip(files, series, strict=True)]


def _write(folder: Path, series: Sequence[Framed], manifest: Manifest, told: Told) -> list[str]:
    from daq.composition.sheet import contact_sheet
    from daq.storage.framedfile import file_names, save_framed

    names = [f"{name}.npz" for name in file_names(series)]
    for number, (name, one) in enumerate(zip(names, series, strict=True)):
        told(number / (len(names) + 1), f"Writes {name}")
        save_framed(one, folder / name)
    told(len(names) / (len(names) + 1), "Draws the pictures")
    contact_sheet(series, manifest).save(folder / SHEET)
    return names


def _about(one: Framed) -> dict[str, Any]:
    return {
        "name": one.name, "kind": str(one.kind).lower(), "frames": len(one.slots), "rows": one.pixels.rows,
        "columns": one.pixels.columns, "pixel_mm": one.pixels.pixel_mm, "counts": int(one.counts.sum(dtype="uint64")),
        "windows": [f"{each.name} {each.lower_kev:g}-{each.upper_kev:g} keV" for each in one.windows],
        "notes": list(one.notes),
    }  # fmt: skip
