"""Write coincidences as a PETSIRD file: a header from the scanner profile, blocks of at most 100 ms of events.

A block holds the rows, in stored order, whose times lie in its interval; where times go back a block for the earlier
interval follows. Recorded time without events is in the file as blocks without events; singles per module, where they
were counted all the time, come before the events. Memory stays bounded: the lists of a block that grow beyond a limit
wait on the disk, beside the file.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from daq.errors import RefusedError
from daq.listmode.petsird import END_OF_BLOCKS, encode_header, encode_singles
from daq.listmode.petsird_events import EventEncoder
from daq.listmode.petsird_geometry import detection_bins
from daq.storage.exportblocks import BLOCK_MS, MOST_MS, Blocks
from daq.storage.exportheader import energy_edges, has_delayeds, header_of, tof_bins
from daq.storage.exportpairs import PairSource, Survey, Wanted, Written
from daq.storage.exportsingles import covers, singles_per_module

if TYPE_CHECKING:
    from pathlib import Path

    from daq.storage.exportfile import HashingFile
    from daq.storage.reader import ListMode

_PS_PER_MS = 10**9


def write_petsird(run: ListMode, sink: HashingFile, wanted: Wanted, scratch: Path) -> Written:
    """Write the file; lists that do not fit memory wait in the directory `scratch`. Raise `RefusedError`."""
    source = PairSource(run, wanted)
    survey = source.survey()
    tof, edges = tof_bins(source, survey), energy_edges(source)
    written = Written(notes=source.notes)
    origin_ms = min(0, survey.first_ps // _PS_PER_MS)
    covered_ms = _covered_ms(run, source, survey, origin_ms)
    if covered_ms and covered_ms[-1][1] + BLOCK_MS > MOST_MS:
        raise RefusedError(f"{run.directory}: longer than the 49.7 days that PETSIRD can count")
    if origin_ms:
        written.notes.append(f"times begin before zero: time 0 of the file is {origin_ms} ms of the recording")
    modules = source.ring.detectors_per_ring // source.ring.module_detectors
    modules *= source.ring.rings // source.ring.module_rings
    singles = bool(covered_ms) and covers(run, modules, origin_ms, covered_ms[-1][1] + origin_ms)
    sink.write(encode_header(header_of(run, source, survey, tof, edges, written, singles=singles)))
    if singles:
        for counted in singles_per_module(run, modules, origin_ms):
            interval = counted.start_ms - origin_ms, counted.stop_ms - origin_ms
            sink.write(encode_singles(*interval, counted.per_module.tolist()))
    encoder = EventEncoder(detection_bins(source.ring, len(edges) - 1), edges, tof)
    blocks = Blocks(sink, written, scratch, covered_ms, with_delayeds=has_delayeds(source, survey))
    for columns in source.runs():
        ms = columns["time_ps"] // _PS_PER_MS - origin_ms
        index = ms // BLOCK_MS
        cuts = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
        for start, stop in pairwise(cuts):
            rows = {name: column[start:stop] for name, column in columns.items()}
            blocks.take(int(index[start]), (int(ms[start:stop].min()), int(ms[start:stop].max())), encoder, rows)
    blocks.finish()
    sink.write(END_OF_BLOCKS)
    return written


def _covered_ms(run: ListMode, source: PairSource, survey: Survey, origin_ms: int) -> list[tuple[int, int]]:
    """Return the recorded time as intervals of ms of the file: the steps, else from zero to the latest time seen."""
    steps = [(step.begin_ps, step.end_ps) for step in run.manifest.steps or () if step.end_ps is not None]
    if source.span_ps is not None:
        steps = [source.span_ps]
    whole = (min(0, survey.first_ps), max(survey.last_ps + 1, run.manifest.duration_ps or 0))
    intervals = [(begin // _PS_PER_MS, -(-end // _PS_PER_MS)) for begin, end in sorted(steps or [whole])]
    return [(begin - origin_ms, end - origin_ms) for begin, end in intervals if end > begin]
