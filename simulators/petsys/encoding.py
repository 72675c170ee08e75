"""From photons to event words: what the converters of an ASIC make of a time and a charge, nominally.

The time-to-analogue converter of a channel runs from the photon to the second clock edge after it. Its fine code grows
linearly with that stretch, 1 to 2 clocks, so the photon came `q` clocks before the coarse time. The charge code grows
linearly with the energy. Real converters differ from each other and bend a little: that is what calibrations are for.
Meaning of the codes: PETsys `sw_daq_tofpet2` 194662e, `src/base/ProcessHit.cpp`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.model import tofpet2 as t
from daq.wire.petsys import Event, encode_events
from simulators.petsys.singles import Singles

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Nominal:
    """Converters that are all alike. `fine_per_clock`: how much the fine code grows in a clock."""

    fine_at_zero: float = 100.0
    fine_per_clock: float = 200.0
    code_at_zero: float = 0.0
    kev_per_code: float = 2.0
    integration_clocks: int = 58


NOMINAL = Nominal()


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Event words in the order of their frames: `frame` int64 [n] ascending, below `frames`; `words` uint64 [n]."""

    frame: Ints
    words: Words
    frames: int


def encode(singles: Singles, source: int, nominal: Nominal = NOMINAL) -> Events:
    """Return the events of singles in the unit `source`; their detectors are its channels, from 0 on.

    What comes so late that its frame is behind the last one begins the next round.
    """
    frames = singles.length_ps // t.FRAME_PS
    pieces = [_piece(singles, at, source, nominal) for at in range(0, len(singles.time_ps), PIECE)]
    frame = np.concatenate([np.zeros(0, np.int64), *(piece[0] for piece in pieces)])
    words = np.concatenate([np.zeros(0, np.uint64), *(piece[1] for piece in pieces)])
    return in_order(frame % max(frames, 1), words, frames)


def in_order(frame: Ints, words: Words, frames: int) -> Events:
    """Return events sorted by frame, and in a frame by coarse time as chips send them."""
    key = frame << 10 | (words >> np.uint64(t.T_COARSE_SHIFT) & np.uint64(t.CODE_MASK)).astype(np.int64)
    order = np.argsort(key, kind="stable")
    return Events(frame[order], words[order], frames)


def _piece(singles: Singles, at: int, source: int, nominal: Nominal) -> tuple[Ints, Words]:
    time_ps = singles.time_ps[at : at + PIECE]
    detector = singles.detector[at : at + PIECE]
    energy = singles.energy_kev[at : at + PIECE]
    clocks = -(-time_ps // t.CLOCK_PS) + 1
    q = clocks - time_ps / t.CLOCK_PS
    end = clocks + nominal.integration_clocks
    t_fine = np.rint(nominal.fine_at_zero + nominal.fine_per_clock * q).astype(np.int64)
    e_fine = np.rint(nominal.code_at_zero + energy / nominal.kev_per_code).astype(np.int64)
    event = Event(
        channel=source * t.MOST_CHIPS * t.CHANNELS_PER_CHIP + detector,
        tac=np.arange(at, at + len(time_ps)) % t.TACS,
        t_coarse=clocks % t.FRAME_CLOCKS,
        e_coarse=end % t.FRAME_CLOCKS,
        t_fine=t_fine,
        e_fine=np.clip(e_fine, 0, t.CODE_MASK),
    )
    return clocks // t.FRAME_CLOCKS, encode_events(event)
