"""Replay: a vendor's file or a recording of ours, sent again in its wire format."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, MissingError, RefusedError
from daq.wire.stream import StreamFramer
from simulators.options import add_options as add_shared_options
from simulators.options import instrument, positive, service, source_number
from simulators.serve import Server
from simulators.supply import Chunk, Instrument, Supply

SLICE_BYTES = 4 << 20


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
            from simulators.recorded import RawRecording  # loads what reads list mode, which files do not need

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
            self.preamble = checked_preamble(file.read(self.layout.preamble_bytes), device, path)
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


def checked_preamble(begin: bytes, device: Instrument, path: Path) -> bytes:
    """Return the preamble. Raises `MismatchError` when it is not that of the layout."""
    layout = device.layout
    framer = StreamFramer(layout.word_bytes, layout.preamble_bytes, layout.preamble_begins)
    try:
        rows = framer.feed(begin)
        framer.finish()
    except MismatchError as why:
        raise MismatchError(f"{path}, profile {device.profile}: {why}") from None
    return rows[0][1] if rows else b""
