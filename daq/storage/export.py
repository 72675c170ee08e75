"""Write one stream of a list-mode directory to a single file that other programs read. Memory stays bounded.

`arrow` is an Arrow IPC file (Feather version 2), `parquet` the compact archive, `raw` the front end's own bytes;
`petsird`, `root` (GATE's trees) and `safir` are for programs that know scanners. The file appears under its name only
when it is complete and synced; its SHA-256 lies beside it, as `sha256sum` writes it.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from daq.errors import RefusedError, StorageFailedError, StorageFullError, UsageError, VerificationError
from daq.storage.exportarrow import write_arrow, write_parquet
from daq.storage.exportfile import HashingFile, new_paths, sha256_of, sha256_path, write_sha256
from daq.storage.exportpairs import Wanted, Written
from daq.storage.rawexport import write_raw
from daq.storage.reader import ListMode, open_listmode

if TYPE_CHECKING:
    from pathlib import Path

Format = Literal["arrow", "parquet", "raw", "petsird", "root", "safir"]
EVENT_STREAMS = ("singles", "coincidences")
SCANNER_FORMATS = ("petsird", "root", "safir")
"""Formats for programs that know scanners: made of sealed recordings only."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    `missing` says what of the recording is not in the file, `left_out` how many rows were left out and why, `notes`
    what its reader must know.
    """

    file: Path
    to: Format
    stream: str
    rows: int
    size_bytes: int
    sha256: str
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: dict[str, int] = field(default_factory=dict)


def export(
    directory: Path, out: Path, *, to: Format, stream: str | None = None, allow_damaged: bool = False,
    wanted: Wanted | None = None,
) -> Exported:  # fmt: skip
    """Write a stream of `directory` to the new file `out`, and its SHA-256 to `out` with `.sha256` appended.

    `stream` is by default the one of events, coincidences where a format has pairs, or `raw` for raw bytes. `wanted` is
    what a scanner's format needs and the recording does not say. Raise `RefusedError` when `out` exists, the stream is
    not there, the format cannot be made of it, or the recording is not sealed or the stream is damaged and
    `allow_damaged` is not given; `UsageError` when there are two event streams to choose from; `StorageFullError`,
    `StorageFailedError`.
    """
    partial = new_paths(out)
    with open_listmode(directory, allow_damaged=allow_damaged) as run:
        chosen = _choose(run, to, stream)
        _require_sealed(run, to, allow_damaged=allow_damaged)
        try:
            written, size, digest = _write(run, partial, to, chosen, wanted or Wanted())
            write_sha256(out, digest)
            partial.rename(out)
        except VerificationError as why:
            raise RefusedError(f"{why}; --allow-damaged exports what is whole") from None
        except OSError as why:
            full = why.errno in (errno.ENOSPC, errno.EDQUOT)
            kind = StorageFullError if full else StorageFailedError
            raise kind(f"{out}: {why.strerror or why} while writing; nothing is left of it") from None
        finally:
            partial.unlink(missing_ok=True)
            if not out.exists():
                sha256_path(out).unlink(missing_ok=True)
        return Exported(
            out, to, chosen, written.rows, size, digest, _missing(run, chosen), tuple(written.notes), written.left_out
        )


def _require_sealed(run: ListMode, to: Format, *, allow_damaged: bool) -> None:
    if run.manifest.state != "open":
        return
    if to in SCANNER_FORMATS:
        raise RefusedError(f"{run.directory} is not sealed: {to} is made of sealed recordings only; recover it first")
    if not allow_damaged:
        raise RefusedError(
            f"{run.directory} is not sealed: recover it first, or allow what is missing (--allow-damaged)"
        )


def _choose(run: ListMode, to: Format, stream: str | None) -> str:
    if to in ("petsird", "safir"):
        if stream not in (None, "coincidences"):
            raise UsageError(f"--stream {stream}: {to} is made of coincidences")
        return "coincidences"
    if to == "raw":
        if stream not in (None, "raw"):
            raise UsageError(f"--stream {stream}: the front end's bytes are in the stream raw alone")
        if "raw" not in run.streams:
            raise RefusedError(f"{run.directory}: recorded without the raw stream, its bytes are not there to export")
        return "raw"
    if stream is not None:
        if stream not in run.streams:
            raise RefusedError(f"{run.directory}: no stream {stream}; it has {', '.join(run.streams)}")
        return stream
    return _stream_of_events(run, to)


def _stream_of_events(run: ListMode, to: Format) -> str:
    events = [name for name in EVENT_STREAMS if name in run.streams]
    if to == "root" and "coincidences" in events:
        return "coincidences"
    if len(events) != 1:
        which = " and ".join(events) or "no stream of events"
        raise UsageError(f"{run.directory} has {which}: say which with --stream ({', '.join(run.streams)})")
    return events[0]


def _write(run: ListMode, partial: Path, to: Format, stream: str, wanted: Wanted) -> tuple[Written, int, str]:
    """Write and sync the file; return what is in it, its size in bytes and its SHA-256."""
    if to == "root":
        from daq.storage.exportroot import write_root

        written = write_root(run, partial, wanted, stream)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        return written, *sha256_of(partial)
    with partial.open("xb") as file:
        sink = HashingFile(file)
        written = _write_through(run, sink, to, stream, wanted, partial)
        file.flush()
        os.fsync(file.fileno())
    return written, sink.written, sink.hexdigest()


def _write_through(
    run: ListMode, sink: HashingFile, to: Format, stream: str, wanted: Wanted, partial: Path
) -> Written:  # fmt: skip
    if to == "raw":
        rows, notes = write_raw(run, sink)
        return Written(rows, notes=notes)
    if to == "petsird":
        from daq.storage.exportpetsird import write_petsird

        return write_petsird(run, sink, wanted, partial.parent)
    if to == "safir":
        from daq.storage.exportsafir import write_safir

        return write_safir(run, sink, wanted)
    return write_arrow(run, sink, stream) if to == "arrow" else write_parquet(run, sink, stream)


def _missing(run: ListMode, stream: str) -> tuple[str, ...]:
    missing = [f"{name}: {damage}" for name, damages in run.damages.items() for damage in damages]
    if run.manifest.state == "open":
        missing.append("the recording is not sealed: what follows the last whole batch is not exported")
    losses = (loss for loss in run.manifest.losses if loss.get("stream", stream) == stream and loss.get("rows_lost"))
    missing += [f"lost before the recovery: {loss.get('file')}: {loss.get('reason')}" for loss in losses]
    return tuple(missing)
