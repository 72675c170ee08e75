"""From photons to event words: what the converters of an ASIC make of a time and a charge, nominally.

The time-to-analogue converter of a channel runs from the photon to the second clock edge after it. Its fine code grows
linearly with that stretch, 1 to 2 clocks, so the photon came `q` clocks before the coarse time. In charge mode the
charge code grows linearly with the energy; in time-over-threshold mode a second converter does the same with the end
of the signal, whose length grows linearly with the energy. Real converters differ from each other and bend a little,
and so do lengths: that is what calibrations are for.
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
MOST_TOT_CLOCKS = 700
"""Longer signals could not be told from shorter ones: ends are counted modulo 1024 clocks, less 256 for early ones."""


@dataclass(frozen=True, slots=True)
class Nominal:
    """Converters that are all alike. `fine_per_clock`: how much the fine code grows in a clock.

    `tot`: time over threshold, `kev_per_clock` of it, instead of a charge.
    """

    fine_at_zero: float = 100.0
    fine_per_clock: float = 200.0
    code_at_zero: float = 0.0
    kev_per_code: float = 2.0
    integration_clocks: int = 58
    tot: bool = False
    kev_per_clock: float = 5.0


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
    clocks, t_fine = _converted(time_ps / t.CLOCK_PS, nominal)
    if nominal.tot:
        length = np.clip(energy / nominal.kev_per_clock, 0, MOST_TOT_CLOCKS)
        end, e_fine = _converted(time_ps / t.CLOCK_PS + length, nominal)
    else:
        end = clocks + nominal.integration_clocks
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


def _converted(when: npt.NDArray[np.float64], nominal: Nominal) -> tuple[Ints, Ints]:
    """Return the second clock edge after moments in clocks, and the fine code of the stretch up to it."""
    edge = np.ceil(when) + 1
    fine = np.rint(nominal.fine_at_zero + nominal.fine_per_clock * (edge - when))
    return edge.astype(np.int64), fine.astype(np.int64)
