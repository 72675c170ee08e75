"""The raw stream of a list-mode directory as a supply of words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import FormatError, MismatchError, RefusedError
from daq.model.layout import Layout
from daq.model.packets import Flag
from daq.storage.accounts import Accounts
from daq.storage.rawpackets import packets_from_raw
from daq.storage.reader import ListMode, open_listmode
from simulators.events import preamble_of
from simulators.supply import Chunk, Instrument

Bytes = npt.NDArray[np.uint8]
ROWS_AT_ONCE = 4096


class RawRecording:
    """The words that were decoded, each once, in the order in which they came."""

    tail = b""

    def __init__(self, path: Path, device: Instrument, source: int | None, repeat: int) -> None:
        self.layout, self.clock = device.layout, device.clock
        self._path, self._repeat = path, repeat
        self._recording = open_listmode(path)
        _check_profile(self._recording, device)
        recorded: dict[int, int] = {}
        for words in self._words():
            for number, data in words:
                recorded[number] = recorded.get(number, 0) + len(data)
        if not recorded:
            raise MismatchError(f"{path}: the raw stream holds no words")
        if source is not None and len(recorded) > 1:
            raise RefusedError(f"--source-id {source}: {path} has {len(recorded)} sources, {sorted(recorded)}")
        self._renamed = {number: number if source is None else source for number in recorded}
        self.sources: tuple[int, ...] = tuple(self._renamed.values())
        self.preamble = self._recorded_preamble() or preamble_of(self.layout)
        self.size_bytes = sum(recorded.values()) * repeat

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the words of some thousand packets at a time, per source."""
        for _ in range(self._repeat):
            begun: set[int] = set()
            for words in self._words():
                chunks = []
                for number in dict.fromkeys(number for number, _ in words):
                    joined = np.concatenate([data for owner, data in words if owner == number])
                    chunks.append(Chunk(self._renamed[number], joined, rewinds=number not in begun))
                    begun.add(number)
                yield chunks

    def described(self) -> dict[str, Any]:
        """Return the directory."""
        return {
            "file": str(self._path),
            "repeat": self._repeat,
            "preamble_bytes": len(self.preamble),
            "tail_bytes": len(self.tail),
        }

    def _words(self) -> Iterator[list[tuple[int, Bytes]]]:
        """Yield sources and runs of new words, as accounting found them when they were recorded."""
        accounts = Accounts(self._recording.manifest.time["framing"], self.layout.word_bytes, "word")
        for batch in self._recording.batches("raw"):
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                accounted = accounts.account(packets_from_raw(batch.slice(start, ROWS_AT_ONCE)))
                packets = accounted.packets
                yield [
                    (int(packets.source[row]), packets.data[offset : offset + size])
                    for row, offset, size in accounted.runs()
                ]

    def _recorded_preamble(self) -> bytes:
        for batch in self._recording.batches("raw", ["flags", "data"], stop_row=1):
            flags = batch.column("flags").to_pylist()
            if flags and flags[0] & Flag.PREAMBLE:
                return bytes(batch.column("data")[0].as_py())
        return b""


def _check_profile(recording: ListMode, device: Instrument) -> None:
    """Refuse a recording of another layout, and one without raw data."""
    if "raw" not in recording.streams:
        raise RefusedError(f"{recording.directory}: recorded without the raw stream, nothing to replay")
    profile = recording.manifest.profile
    try:
        layout = Layout.model_validate_json(json.dumps(profile["layout"]))
    except (KeyError, ValueError) as why:
        raise FormatError(f"{recording.directory}: the manifest holds no layout ({why})") from None
    if layout != device.layout:
        raise MismatchError(
            f"{recording.directory} was recorded with profile {profile.get('id')};"
            f" its layout is not that of {device.profile}"
        )
