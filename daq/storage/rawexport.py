"""The front end's own bytes again, from the raw stream: preamble and words, as a file of the vendor's format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast, get_args

import numpy as np

from daq.model.packets import Flag, Packets
from daq.storage.accounts import Accounts, Framing
from daq.storage.rawpackets import packets_from_raw
from daq.storage.recordedlayout import recorded_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daq.storage.exportfile import HashingFile
    from daq.storage.reader import ListMode

_NOT_THE_STREAM = int(Flag.DUPLICATE | Flag.DROPPED)


@dataclass(slots=True)
class _Survey:
    """What the raw stream consists of."""

    sources: set[int] = field(default_factory=set)
    numbered: bool = False
    preamble_of: int | None = None
    dropped: int = 0


def write_raw(run: ListMode, sink: HashingFile) -> tuple[int, list[str]]:
    """Write the bytes; return how many raw rows gave some, and notes on what their reader must know.

    A single TCP or file source comes back byte for byte. Else only whole words that had not come before are written, in
    order of arrival, behind the preamble; where none was recorded, the profile's first one is made. Raise
    `FormatError` when a profile is needed and the manifest has none that is sound.
    """
    survey = _survey(run)
    notes = []
    if len(survey.sources) > 1:
        notes.append(f"{len(survey.sources)} sources are joined in the order their packets arrived")
    if survey.dropped:
        notes.append(f"{survey.dropped} packets are recorded without their words")
    framing = _framing(run, survey)
    as_it_came = framing == "stream" and len(survey.sources) <= 1
    layout = None if as_it_came and survey.preamble_of is not None else recorded_layout(run.manifest, run.directory)[0]
    if survey.preamble_of is None and layout is not None and layout.preamble_bytes:
        begin = layout.preamble_begins[0].encode("ascii") if layout.preamble_begins else b""
        sink.write(begin.ljust(layout.preamble_bytes, b"\0"))
        notes.append(f"no preamble was recorded; {layout.preamble_bytes} bytes beginning with {begin!r} were made")
    accounts = None
    if not as_it_came and layout is not None:
        accounts = Accounts.of(layout, framing, layout.unit)
    return _copy(run, sink, survey, accounts), notes


def _survey(run: ListMode) -> _Survey:
    found = _Survey()
    for batch in run.batches("raw", ["source", "sequence", "flags"]):
        flags = batch.column("flags").to_numpy()
        sources = batch.column("source").to_numpy()
        good = (flags & int(Flag.MALFORMED)) == 0
        found.sources.update(np.unique(sources[good]).tolist())
        found.numbered |= batch.column("sequence").null_count < batch.num_rows
        found.dropped += int(np.count_nonzero(flags & int(Flag.DROPPED)))
        preambles = np.flatnonzero(flags & int(Flag.PREAMBLE))
        if found.preamble_of is None and len(preambles):
            found.preamble_of = int(sources[preambles[0]])
    return found


def _framing(run: ListMode, survey: _Survey) -> Framing:
    """Return how the packets were numbered, as the manifest says, else as they look."""
    stated = run.manifest.time.get("framing")
    for framing in get_args(Framing):
        if stated == framing:
            return cast("Framing", framing)
    return "native" if survey.numbered else "stream"


def _copy(run: ListMode, sink: HashingFile, survey: _Survey, accounts: Accounts | None) -> int:
    rows = 0
    for batch in run.batches("raw"):
        if not batch.num_rows:
            continue
        packets = packets_from_raw(batch)
        runs = _preambles(packets, survey.preamble_of)
        runs += _rows(packets, survey) if accounts is None else _new_words(packets, accounts)
        for start, stop in _joined(sorted(runs)):
            sink.write(packets.data[start:stop])
        rows += len({row for row, _, _ in runs})
    return rows


def _joined(runs: list[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """Yield stretches `[start, stop)` of bytes, runs that touch each other as one."""
    start = stop = 0
    for _, begin, size in runs:
        if begin != stop:
            if stop > start:
                yield start, stop
            start = begin
        stop = begin + size
    if stop > start:
        yield start, stop


def _preambles(packets: Packets, source: int | None) -> list[tuple[int, int, int]]:
    """Return (row, offset, bytes) of the preamble of the source that sent the first one."""
    wanted = (packets.flags & int(Flag.PREAMBLE) != 0) & (packets.source == source)
    return [(row, int(packets.offset[row]), int(packets.length[row])) for row in np.flatnonzero(wanted).tolist()]


def _rows(packets: Packets, survey: _Survey) -> list[tuple[int, int, int]]:
    """Return every row that belongs to the stream, whole; what is malformed in it as well."""
    left_out = _NOT_THE_STREAM | int(Flag.PREAMBLE)
    its = np.isin(packets.source, list(survey.sources))
    wanted = np.flatnonzero(((packets.flags & left_out) == 0) & its & (packets.length > 0))
    return [(row, int(packets.offset[row]), int(packets.length[row])) for row in wanted.tolist()]


def _new_words(packets: Packets, accounts: Accounts) -> list[tuple[int, int, int]]:
    """Return the runs of whole words that had not come before."""
    return [found for found in accounts.account(packets).runs() if found[2]]
