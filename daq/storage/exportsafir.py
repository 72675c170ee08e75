"""Write coincidences in SAFIR's 64-bit list mode, which STIR reads: 32 bytes of signature, then little-endian words.

A coincidence is ring A, ring B (8 bits each), detector A, detector B (16 each), layer A, layer B (4 each), 6 bits
reserved, 1 delayed, 1 of 0; a time word is 48 bits of ms, 15 reserved, 1 of 1 (UCL/STIR,
src/include/stir/listmode/CListRecordSAFIR.h). Times are therefore cut to ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.model.events import DELAYED
from daq.model.scanner import Ring, are_virtual, place
from daq.storage.exportpairs import Columns, PairSource, Wanted, Written

if TYPE_CHECKING:
    from daq.storage.exportfile import HashingFile
    from daq.storage.reader import ListMode

SIGNATURE = b"SAFIR CListModeData".ljust(32, b"\0")
_PS_PER_MS = 10**9
_MOST_RINGS, _MOST_DETECTORS, _MOST_LAYERS = 1 << 8, 1 << 16, 1 << 4
_DELAYED_BIT, _TIME_BIT = np.uint64(62), np.uint64(63)

Words = npt.NDArray[np.uint64]


def write_safir(run: ListMode, sink: HashingFile, wanted: Wanted) -> Written:
    """Write the file. Raise `RefusedError` where its numbers do not fit the format, or times are below zero."""
    source = PairSource(run, wanted)
    ring = source.ring
    for what, number, most in (
        ("rings", ring.rings, _MOST_RINGS),
        ("detectors in a ring", ring.detectors_per_ring, _MOST_DETECTORS),
        ("layers", ring.layers, _MOST_LAYERS),
    ):
        if number > most:
            raise RefusedError(f"{number} {what}: SAFIR's list mode counts at most {most}")
    written = Written(
        notes=[*source.notes, "times are cut to ms, energies and differences of time are not in the file"]
    )
    sink.write(SIGNATURE)
    last_ms = -1
    for columns in source.runs():
        gaps = are_virtual(ring, columns["detector_a"]) | are_virtual(ring, columns["detector_b"])
        written.leave_out("no crystal", int(np.count_nonzero(gaps)))
        kept = {name: column[~gaps] for name, column in columns.items()}
        ms = kept["time_ps"] // _PS_PER_MS
        if len(ms) and int(ms.min()) < 0:
            raise RefusedError(f"{run.directory}: a time of {int(ms.min())} ms; SAFIR's list mode has none below zero")
        sink.write(_with_times(_events(ring, kept), ms, last_ms).astype("<u8").data)
        written.rows += len(ms)
        last_ms = int(ms[-1]) if len(ms) else last_ms
    return written


def _events(ring: Ring, columns: Columns) -> Words:
    words = np.zeros(len(columns["kind"]), np.uint64)
    for detector, shifts in ((columns["detector_a"], (0, 16, 48)), (columns["detector_b"], (8, 32, 52))):
        at = place(ring, detector)
        for numbers, shift in zip((at.ring, at.crystal, at.layer), shifts, strict=True):
            words |= numbers.astype(np.uint64) << np.uint64(shift)
    words |= (columns["kind"] == DELAYED).astype(np.uint64) << _DELAYED_BIT
    return words


def _with_times(events: Words, ms: npt.NDArray[np.int64], last_ms: int) -> Words:
    """Return the events with a time word before each that comes at another ms than the one before."""
    changes = np.flatnonzero(np.diff(ms, prepend=last_ms))
    words: Words = np.insert(events, changes, ms[changes].astype(np.uint64) | np.uint64(1) << _TIME_BIT)
    return words
