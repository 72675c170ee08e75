"""Import a file in a front end's wire format into a list-mode directory, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from daq.errors import MismatchError, MissingError, RefusedError
from daq.listmode.codegen import CAUSES
from daq.listmode.columns import decoded_columns
from daq.model import fers
from daq.model.layout import Clock, Layout
from daq.model.order import OrderRule
from daq.model.packets import Flag
from daq.model.processing import Processing
from daq.model.stop import StopCondition
from daq.storage.accounts import unnumbered
from daq.storage.kernels import load_decoder
from daq.storage.manifest import Manifest
from daq.storage.recording import Recording
from daq.storage.space import estimate_bytes, require_space
from daq.storage.streams import stream_schemas
from daq.wire.framers import Framer, framer_of

READ_BYTES = 1 << 20
_LOOK_BYTES = 1 << 20
_UNFIT_FRACTION = 0.1
"""A file of whose first MiB more than a tenth fits no kind of word is taken for another format's."""
_TIMELESS_WORDS = 100_000
"""So many words without a time word are not this format's, where time words carry the time."""
_FORCE = "--force imports all the same"


def import_file(
    path: Path, out: Path, manifest: Manifest, layout: Layout, clock: Clock, *,
    stop: StopCondition | None = None, store_raw: bool = True, force: bool = False,
    foreign: Mapping[str, Sequence[str]] = MappingProxyType({}), order: OrderRule | None = None,
    processing: Processing | None = None, source: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:  # fmt: skip
    """Write the words of `path` to the list-mode directory `out`; return its sealed manifest.

    They are those of the source with this number. `progress(done, total)` is called with bytes. `foreign` maps ids of
    other profiles to what their files begin with: a file that begins so is theirs. Raises `MissingError`,
    `MismatchError` when file and profile do not fit (unless `force`), `RefusedError` for amplitudes without the heads
    that they are of, `StorageFullError` before anything is written when the room does not suffice.
    """
    if layout.decoder not in (None, "fers"):
        raise MismatchError(f"{path}: no file of what the decoder {layout.decoder} takes is known")
    total = _size_of(path)
    with _opened(path) as file:
        _look(path, _read(file, min(total, layout.preamble_bytes + _LOOK_BYTES)), layout, clock, foreign, force=force)
        file.seek(0)
        schemas = stream_schemas(
            decoded_columns(layout), store_raw=store_raw, late=order is not None, processing=processing
        )
        unit = _unit_bytes(layout)
        require_space(out, estimate_bytes(total // unit, word_bytes=unit, schemas=schemas))
        with Recording.start(
            out,
            manifest,
            layout,
            clock,
            layout.unit,
            "stream",
            stop=stop,
            store_raw=store_raw,
            imported=True,
            order=order,
            processing=processing,
        ) as recording:
            for rows, done in _rows(file, framer_of(layout)):
                recording.feed(unnumbered(rows, source=source, arrival_ns=0))
                progress(done, total)
                if recording.failure is not None:
                    break
            sealed = recording.seal("end")
    if recording.failure is not None:
        raise recording.failure
    recording.hash()
    return sealed


def _rows(file: BinaryIO, framer: Framer) -> Iterator[tuple[list[tuple[int, bytes]], int]]:
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


def _look(
    path: Path, head: bytes, layout: Layout, clock: Clock, foreign: Mapping[str, Sequence[str]], *, force: bool
) -> None:
    """Refuse a file whose first MiB does not look like this layout. `force` lets pass what can be decoded at all."""
    framer = framer_of(layout)
    try:
        every = framer.feed(head)
        rows = [row for row in every if row[0] == 0]
        if len(head) < layout.preamble_bytes:
            framer.finish()
    except MismatchError as why:
        raise MismatchError(f"{path}: {why}") from None
    if force:
        return
    for profile, begins in foreign.items():
        for text in begins:
            if head.startswith(text.encode("ascii")):
                raise MismatchError(f"{path} begins with {text!r}: profile {profile} is for that; {_FORCE}")
    decoder = load_decoder(layout, clock)
    carry = decoder.start(imported=True)
    decoder.decode(unnumbered(rows, source=0, arrival_ns=0), carry)
    counts = dict(zip(decoder.counters, carry.counts.sum(axis=0).tolist(), strict=True))
    broken_bytes = sum(len(data) for flags, data in every if flags & Flag.MALFORMED)
    if why_unfit := _why_broken(broken_bytes, layout, len(head)) or _why_unfit(counts, layout, len(head)):
        raise MismatchError(f"{path}: {why_unfit}: another format, byte order or profile? {_FORCE}")


def _unit_bytes(layout: Layout) -> int:
    """Return the least bytes of the wire that can give a row."""
    spectroscopy = layout.fers is not None and layout.fers.events == "spectroscopy"
    return fers.HEADER_BYTES if spectroscopy else layout.word_bytes


def _why_broken(broken_bytes: int, layout: Layout, looked_bytes: int) -> str | None:
    if broken_bytes <= _UNFIT_FRACTION * looked_bytes:
        return None
    share = f"{100 * broken_bytes / looked_bytes:.0f} %, limit {100 * _UNFIT_FRACTION:.0f} %"
    return f"{broken_bytes} of the first {looked_bytes} bytes are no {layout.unit}s of the profile ({share})"


def _why_unfit(counts: Mapping[str, int], layout: Layout, looked_bytes: int) -> str | None:
    words = sum(counts[name] for name in (*layout.kinds, *CAUSES))
    unfit = sum(counts[cause] for cause in CAUSES)
    if not words:
        return (
            f"{looked_bytes} bytes hold no word of {layout.word_bytes} bytes after {layout.preamble_bytes} bytes of "
            f"preamble"
            if layout.unit == "word"
            else f"{looked_bytes} bytes hold no {layout.unit}"
        )
    if unfit > _UNFIT_FRACTION * words:
        share = f"{100 * unfit / words:.0f} %, limit {100 * _UNFIT_FRACTION:.0f} %"
        return f"{unfit} of the first {words} words fit no kind of the profile ({share})"
    times = sum(counts[name] for name, kind in layout.kinds.items() if kind.yields == "time")
    if layout.carries_time and not times and words >= _TIMELESS_WORDS:
        return f"no time word among the first {words} words, limit {_TIMELESS_WORDS}"
    return None
