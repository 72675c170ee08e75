"""Import a file in a front end's wire format into a list-mode directory, with bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from daq.errors import MismatchError, MissingError, RefusedError
from daq.listmode.codegen import CAUSES
from daq.model.layout import Clock, Layout
from daq.model.stop import StopCondition
from daq.storage.accounting import unnumbered
from daq.storage.kernels import load_decoder
from daq.storage.manifest import Manifest
from daq.storage.recording import Recording, stream_schemas
from daq.storage.space import estimate_bytes, require_space
from daq.wire.stream import StreamFramer

READ_BYTES = 1 << 20
_LOOK_BYTES = 1 << 20
_UNFIT_FRACTION = 0.1
"""A file of whose first MiB more than a tenth fits no kind of word is taken for another format's."""


def import_file(
    path: Path, out: Path, manifest: Manifest, layout: Layout, clock: Clock, *,
    stop: StopCondition | None = None, store_raw: bool = True, force: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:  # fmt: skip
    """Write the words of `path` to the list-mode directory `out`; return its sealed manifest.

    `progress(done, total)` is called with bytes. Raises `MissingError`, `MismatchError` when file and profile do not
    fit (unless `force`), `StorageFullError` before anything is written when the room does not suffice.
    """
    total = _size_of(path)
    with _opened(path) as file:
        _look(path, _read(file, min(total, layout.preamble_bytes + _LOOK_BYTES)), layout, clock, force=force)
        file.seek(0)
        words = total // layout.word_bytes
        schemas = stream_schemas(load_decoder(layout, clock), store_raw=store_raw)
        require_space(out, estimate_bytes(words, word_bytes=layout.word_bytes, schemas=schemas))
        with Recording.start(
            out, manifest, layout, clock, "word", "stream", stop=stop, store_raw=store_raw, imported=True
        ) as recording:
            framer = StreamFramer(layout.word_bytes, layout.preamble_bytes, layout.preamble_begins)
            for rows, done in _rows(file, framer):
                recording.feed(unnumbered(rows, source=0, arrival_ns=0))
                progress(done, total)
                if recording.failure is not None:
                    break
            sealed = recording.seal("end")
    if recording.failure is not None:
        raise recording.failure
    recording.hash()
    return sealed


def _rows(file: BinaryIO, framer: StreamFramer) -> Iterator[tuple[list[tuple[int, bytes]], int]]:
    done = 0
    while chunk := _read(file, READ_BYTES):
        done += len(chunk)
        yield framer.feed(chunk), done
    yield framer.finish(), done


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as why:
        raise RefusedError(f"{path}: {why.strerror}") from None


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as why:
        raise RefusedError(f"{file.name}: {why.strerror} while reading, at byte {file.tell()}") from None


def _size_of(path: Path) -> int:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except OSError as why:
        raise RefusedError(f"{path}: {why.strerror}") from None
    if not path.is_file():
        raise RefusedError(f"{path}: not a regular file")
    if size == 0:
        raise RefusedError(f"{path}: the file is empty (0 bytes)")
    return size


def _look(path: Path, head: bytes, layout: Layout, clock: Clock, *, force: bool) -> None:
    """Refuse a file whose first MiB does not look like this layout."""
    framer = StreamFramer(layout.word_bytes, layout.preamble_bytes, layout.preamble_begins)
    try:
        rows = [row for row in framer.feed(head) if row[0] == 0]
        if len(head) < layout.preamble_bytes:
            framer.finish()
    except MismatchError as why:
        raise MismatchError(f"{path}: {why}") from None
    decoder = load_decoder(layout, clock)
    carry = decoder.start(imported=True)
    decoder.decode(unnumbered(rows, source=0, arrival_ns=time.monotonic_ns()), carry)
    words = int(carry.counts.sum())
    if not words and not force:
        raise MismatchError(
            f"{path}: {len(head)} bytes hold no word of {layout.word_bytes} bytes after {layout.preamble_bytes} bytes "
            f"of preamble; --force imports all the same"
        )
    unfit = int(sum(carry.counts[:, decoder.counters.index(cause)].sum() for cause in CAUSES))
    if words and unfit > _UNFIT_FRACTION * words and not force:
        raise MismatchError(
            f"{path}: {unfit} of the first {words} words fit no kind of the profile ({100 * unfit / words:.0f} %, "
            f"limit {100 * _UNFIT_FRACTION:.0f} %): another format, byte order or profile? --force imports all the same"
        )
