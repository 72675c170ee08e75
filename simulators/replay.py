"""Replay: a vendor's file or a recording of ours, sent again in its wire format."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import ipc

from daq.errors import FormatError, MismatchError, MissingError, RefusedError
from daq.model.layout import Layout
from daq.model.packets import NOT_DECODED, Flag
from daq.wire.stream import StreamFramer
from simulators.options import add_options as add_shared_options
from simulators.options import instrument, positive, service, source_number
from simulators.serve import Server
from simulators.supply import Chunk, Instrument, Supply

SLICE_BYTES = 4 << 20
RAW_SEGMENTS = "raw-*.arrows"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `replay`."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the vendor's file, or a list-mode directory with raw data"
    )
    add_shared_options(parser)
    parser.add_argument(
        "--source-id", type=source_number, metavar="N", help="source number (default 0, or as recorded)"
    )
    parser.add_argument(
        "--repeat",
        type=positive,
        default=1,
        metavar="N",
        help="the words N times in one run; word numbers go on counting",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve the recording. Raises `MissingError`, `MismatchError`, `FormatError`, `RefusedError`."""
    device = instrument(arguments.profile)
    supply = recording(arguments.file, device, source=arguments.source_id, repeat=arguments.repeat)
    return Server(device, supply, service("replay", arguments)).serve()


def recording(path: Path, device: Instrument, *, source: int | None, repeat: int) -> Supply:
    """Return what `path` holds: a list-mode directory or a vendor's file."""
    if not path.exists():
        raise MissingError(f"{path}: no such file or directory")
    try:
        if path.is_dir():
            return RawRecording(path, device, source, repeat)
        return FileRecording(path, device, source or 0, repeat)
    except OSError as why:
        raise RefusedError(f"{path}: {why.strerror or why}") from None


class FileRecording:
    """A vendor's file: the preamble, then words."""

    def __init__(self, path: Path, device: Instrument, source: int, repeat: int) -> None:
        self.layout, self.clock = device.layout, device.clock
        self.sources: tuple[int, ...] = (source,)
        self._path, self._repeat = path, repeat
        size = path.stat().st_size
        with path.open("rb") as file:
            self.preamble = _checked_preamble(file.read(self.layout.preamble_bytes), self.layout, path)
        whole = (size - len(self.preamble)) // self.layout.word_bytes * self.layout.word_bytes
        if whole == 0:
            raise MismatchError(
                f"{path}: {size} bytes hold no word of {self.layout.word_bytes} bytes after the preamble"
            )
        self._data: npt.NDArray[np.uint8] = np.memmap(path, np.uint8, "r", len(self.preamble), (whole,))
        with path.open("rb") as file:
            file.seek(len(self.preamble) + whole)
            self.tail = file.read(self.layout.word_bytes - 1)
        self.size_bytes = whole * repeat

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the words in slices of about 4 MiB."""
        step = SLICE_BYTES // self.layout.word_bytes * self.layout.word_bytes
        for _ in range(self._repeat):
            for at in range(0, len(self._data), step):
                yield [Chunk(self.sources[0], self._data[at : at + step], rewinds=at == 0)]

    def described(self) -> dict[str, Any]:
        """Return the file and what of it is no word."""
        return {
            "file": str(self._path),
            "repeat": self._repeat,
            "preamble_bytes": len(self.preamble),
            "tail_bytes": len(self.tail),
        }


class RawRecording:
    """The raw stream of a list-mode directory: the words that were decoded, in the order they were received."""

    tail = b""

    def __init__(self, path: Path, device: Instrument, source: int | None, repeat: int) -> None:
        self.layout, self.clock = device.layout, device.clock
        self._path, self._repeat = path, repeat
        self._segments = sorted(path.glob(RAW_SEGMENTS))
        if not self._segments:
            raise MissingError(f"{path}: no {RAW_SEGMENTS}; only a recording with raw data can be replayed")
        recorded, self.preamble, size = self._survey()
        if size == 0:
            raise MismatchError(f"{path}: the raw stream holds no words")
        if source is not None and len(recorded) > 1:
            raise RefusedError(f"--source-id {source}: {path} has {len(recorded)} sources, {recorded}")
        self._renamed = {recorded[0]: source} if source is not None else {}
        self.sources = tuple(self._renamed.get(number, number) for number in recorded)
        self.size_bytes = size * repeat

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the words batch by batch, per source."""
        for _ in range(self._repeat):
            begun: set[int] = set()
            for batch in self._batches():
                rows = _rows(batch, self.layout)
                sources = list(dict.fromkeys(source for source, _ in rows))
                chunks = []
                for source in sources:
                    words = np.concatenate([data for number, data in rows if number == source])
                    chunks.append(Chunk(self._renamed.get(source, source), words, rewinds=source not in begun))
                    begun.add(source)
                yield chunks

    def described(self) -> dict[str, Any]:
        """Return the directory."""
        return {
            "file": str(self._path),
            "repeat": self._repeat,
            "preamble_bytes": len(self.preamble),
            "tail_bytes": 0,
        }

    def _survey(self) -> tuple[list[int], bytes, int]:
        """Return the sources, the preamble (or one made from the layout) and the bytes of words."""
        sources: dict[int, None] = {}
        preamble, size = b"", 0
        for batch in self._batches():
            for source, data in _rows(batch, self.layout):
                sources.setdefault(source)
                size += len(data)
            flags = batch.column("flags").to_numpy()
            for row in np.flatnonzero(flags & int(Flag.PREAMBLE)):
                preamble = preamble or batch.column("data")[int(row)].as_py()
        if self.layout.preamble_bytes and not preamble:
            begin = self.layout.preamble_begins[0].encode("ascii") if self.layout.preamble_begins else b""
            preamble = begin.ljust(self.layout.preamble_bytes, b"\0")
        return list(sources), _checked_preamble(preamble, self.layout, self._path), size

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for segment in self._segments:
            try:
                with pa.memory_map(str(segment)) as file, ipc.open_stream(file) as reader:
                    yield from reader
            except (pa.ArrowException, OSError) as why:
                raise FormatError(f"{segment}: {why}; daq listmode recover may help") from None


def _rows(batch: pa.RecordBatch, layout: Layout) -> list[tuple[int, npt.NDArray[np.uint8]]]:
    """Return source and whole words of the rows that decoders take."""
    try:
        flags = batch.column("flags").to_numpy()
        sources = batch.column("source").to_numpy()
        data = batch.column("data")
    except KeyError as why:
        raise FormatError(f"the raw stream has no column {why}") from None
    offsets = np.frombuffer(data.buffers()[1], np.int64)[data.offset : data.offset + len(data) + 1]
    values = data.buffers()[2]
    content = np.frombuffer(values, np.uint8) if values is not None else np.zeros(0, np.uint8)
    rows = []
    for row in np.flatnonzero((flags & int(NOT_DECODED)) == 0).tolist():
        begin = int(offsets[row])
        whole = (int(offsets[row + 1]) - begin) // layout.word_bytes * layout.word_bytes
        if whole:
            rows.append((int(sources[row]), content[begin : begin + whole]))
    return rows


def _checked_preamble(begin: bytes, layout: Layout, path: Path) -> bytes:
    """Return the preamble. Raises `MismatchError` when it is not that of the layout."""
    framer = StreamFramer(layout.word_bytes, layout.preamble_bytes, layout.preamble_begins)
    try:
        rows = framer.feed(begin)
        framer.finish()
    except MismatchError as why:
        raise MismatchError(f"{path}: {why}") from None
    return rows[0][1] if rows else b""
