"""Save what is whole of a damaged or unsealed list-mode directory into a new, sealed one. The original stays untouched.

Good batches are copied with their bodies byte for byte and numbered anew; what is lost is listed in the new manifest by
file, byte range and row range of the original.
"""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING

from daq.errors import RefusedError, StorageFailedError, StorageFullError
from daq.storage.files import StorageFiles, partial_path
from daq.storage.manifest import MANIFEST, Manifest, RecordedStep, dump_manifest
from daq.storage.patientfile import ADMINISTRATION_FILE, PATIENT_FILE
from daq.storage.reader import open_listmode
from daq.storage.recoverymanifest import Loss, recovered_manifest
from daq.storage.steps import steps_of
from daq.storage.streamcopy import StreamCopy, any_schema
from daq.storage.verify import Examined, examine
from daq.storage.walk import Damage

if TYPE_CHECKING:
    from pathlib import Path

    from daq.storage.listing import SegmentFile
    from daq.storage.scan import SegmentScan

_BESIDE = ("run.jsonl", "images", PATIENT_FILE, ADMINISTRATION_FILE)
"""What lies beside the segments and goes with them, with the rights that it has."""


def recover(directory: Path, out: Path) -> Manifest:
    """Write what is whole of `directory` to the new directory `out` and return its manifest.

    Without a readable manifest a new one is made of what the segments tell; what cannot be known stays empty or None.
    Raise `RefusedError` when `out` exists or when nothing is wrong with the original, `MissingError`, `FormatError`,
    `StorageFullError`, `StorageFailedError`.
    """
    partial = partial_path(out, "a recovery is written to a new directory")
    if out.parent.resolve().is_relative_to(directory.resolve()):
        raise RefusedError(f"{out} lies in the directory to recover, which stays as it is")
    found = examine(directory)
    if _is_whole(found):
        raise RefusedError(f"{directory} is sealed and whole: there is nothing to recover")
    try:
        return _write(found, partial, out)
    except OSError as why:
        kind = StorageFullError if why.errno in (errno.ENOSPC, errno.EDQUOT) else StorageFailedError
        raise kind(f"{out}: {why.strerror or why} while writing; nothing is left of it") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_whole(found: Examined) -> bool:
    manifest = found.manifest
    return (
        manifest is not None
        and manifest.state != "open"
        and not found.problems
        and all(scan is not None and scan.sealed and not scan.damages for scan in found.scans)
    )


def _write(found: Examined, partial: Path, out: Path) -> Manifest:
    files = StorageFiles()
    files.make_directory(partial)
    streams, losses = _copy_streams(found, partial)
    batches = sum(segment.batches for stream in streams for segment in stream.segments)
    if not batches and (losses or not streams):
        raise RefusedError(f"{found.directory}: nothing in it can be recovered")
    manifest = recovered_manifest(found, streams, losses)
    for path in (found.directory / name for name in _BESIDE):
        if path.is_file():
            shutil.copy2(path, partial)
        elif path.is_dir():
            shutil.copytree(path, partial / path.name)
    files.rename_durably(dump_manifest(manifest), partial / MANIFEST)
    if manifest.steps is None and (steps := _steps(partial, streams, losses)) is not None:
        manifest = manifest.model_copy(update={"steps": steps})
        files.rename_durably(dump_manifest(manifest), partial / MANIFEST)
    partial.rename(out)
    files.sync_directory(out.parent)
    return manifest


def _steps(partial: Path, streams: list[StreamCopy], losses: list[Loss]) -> list[RecordedStep] | None:
    """Return the steps that the saved marks tell; None where marks are missing before others that are left."""
    marks, packets = (_unbroken(stream, streams, losses) for stream in ("marks", "raw"))
    if marks < sum(stream.rows for stream in streams if stream.name == "marks"):
        return None
    with open_listmode(partial, allow_damaged=True) as saved:  # what cannot be read back only tells less
        return steps_of(saved, packets=packets)


def _unbroken(name: str, streams: list[StreamCopy], losses: list[Loss]) -> int:
    """Return how many rows of a stream were saved before the first that is lost."""
    saved = sum(stream.rows for stream in streams if stream.name == name)
    lost = [loss["first_row"] or 0 for loss in losses if loss.get("stream") == name and loss.get("rows_lost")]
    return min([saved, *lost])


def _copy_streams(found: Examined, partial: Path) -> tuple[list[StreamCopy], list[Loss]]:
    streams: dict[str, StreamCopy] = {}
    losses: list[Loss] = [{"file": MANIFEST, "reason": why} for why in found.problems]
    for file, scan in zip(found.files, found.scans, strict=True):
        if scan is None:
            if file.is_promised:
                losses.append(_loss(file, Damage(0, 0, "the file is not there", _expected_rows(file))))
            continue
        losses += [_loss(file, damage) for damage in _damages(scan)]
        stream = streams.setdefault(file.stream, StreamCopy(file.stream, any_schema(found, file.stream)))
        if stream.schema is None:
            reason = f"no schema of stream {file.stream} is left"
            losses.append(_loss(file, Damage(0, scan.size, reason, (file.first_row, None))))
        else:
            losses += [_loss(file, damage) for damage in stream.copy(scan, partial)]
    return list(streams.values()), losses


def _damages(scan: SegmentScan) -> list[Damage]:
    """Return the damages and, where bytes follow the last whole batch of an unsealed file, those too."""
    damages = list(scan.damages)
    if scan.tail is not None and scan.tail.end > scan.tail.start:
        next_row = scan.batches[-1].stop_row if scan.batches else None
        rows = None if scan.tail.reason == "zeros" else (next_row, None)
        damages.append(Damage(scan.tail.start, scan.tail.end, f"not sealed: {scan.tail.reason}", rows))
    return damages


def _loss(file: SegmentFile, damage: Damage) -> Loss:
    first, stop = damage.rows if damage.rows is not None else (None, None)
    return {
        "file": file.path.name,
        "stream": file.stream,
        "start_byte": damage.start,
        "stop_byte": damage.end,
        "rows_lost": damage.rows is not None,
        "first_row": first,
        "stop_row": stop,
        "reason": damage.reason,
    }


def _expected_rows(file: SegmentFile) -> tuple[int | None, int | None] | None:
    if file.expected is None:
        return None
    return file.first_row, None if file.first_row is None else file.first_row + file.expected.rows
