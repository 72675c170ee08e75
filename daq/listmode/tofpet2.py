"""The decoder of TOFPET2 frames: runs of whole frames in, singles and counts out. It has the interface of `Decoder`.

    clocks = frame id * 1024 + TCoarse, frame ids unfolded
    time   = clocks - q - t0, q (clocks) solving TFine = a0 + a1 q + a2 q^2 for the TAC of the channel

Source of both: PETsys `sw_daq_tofpet2` 194662e, `RawReader.cpp` and `ProcessHit.cpp`. Without a table the converters
are nominal: TFine grows by 200 in a clock, as the vendor's calibration assumes to begin with
(`process_tdc_calibration.cpp`, `nominalM`), and is 100 at q = 0, which is our choice and drops out of every difference
of times. Real converters differ from that by some 100 ps; a calibrated one is good to some 30 ps.

Energy is a code: EFine in charge mode; in time-over-threshold mode the time from one threshold to the other in units of
1/32 clock (156.25 ps). Which code is how many keV is what a calibration of detectors says, later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import float64, int64, types, uint64

from daq.listmode.codegen import CAUSES
from daq.listmode.decoder import Carry, Columns, Decoded, GrowingDecoder, first_rows
from daq.listmode.loads import load_u64_little
from daq.model import tofpet2 as t
from daq.model.events import StreamName
from daq.model.kernel import kernel, spliced
from daq.model.layout import Clock, Layout
from daq.model.order import NEVER_PS
from daq.model.tofpet2_rules import channels_of

NOMINAL_A0, NOMINAL_A1 = 100, 200
TOT_PER_CLOCK = 32
"""Units of the time over threshold in one clock: 1279 clocks, the longest there is, fit 16 bits."""
NOT_CALIBRATED = "not_calibrated"
"""Singles of converters that the table does not name: their time is nominal. A counter only where there is a table."""

_load: Any = load_u64_little
_UNIT_CHANNELS = t.MOST_CHIPS * t.CHANNELS_PER_CHIP
_UNITS = t.MOST_PORTS * t.MOST_SLAVES
_MOST_CODE = (1 << 16) - 1
_ROUND_TICKS = t.FRAME_CLOCKS << t.FRAME_ID_BITS
_CAUSE_OUT_OF_RANGE = 1 + CAUSES.index("out_of_range")
_CALIBRATION = 1 + len(CAUSES)


class Tofpet2Decoder(GrowingDecoder):
    """Decodes runs of whole frames, all of the run of the packet's source."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        table = layout.tofpet2.tdc if layout.tofpet2 else ()
        counters = (*layout.kinds, *CAUSES, *((NOT_CALIBRATED,) if table else ()))
        super().__init__(layout, clock, counters=counters, word_bytes=t.WORD_BYTES)
        self._place_of_unit, self._detectors = _detector_table(layout)
        self._tdc = _tdc_table(table, self._place_of_unit)
        self._tot = layout.tofpet2 is not None and layout.tofpet2.energy == "tot"

    def decode_into(self, packets: Any, carry: Carry, buffers: dict[StreamName, Columns]) -> Decoded:
        """Do as `decode`, the rows being views on `buffers`, which hold at least as many words as `packets`."""
        self._make_room(packets, carry)
        singles = buffers["singles"]
        ends, told = np.empty((len(packets), 4), np.int64), np.empty(len(packets), np.int64)
        rows = decode_frames(
            packets.data, packets.offset, packets.length, packets.source,
            carry.state, carry.zero, carry.counts, ends, told,
            self._place_of_unit, self._detectors, self._tdc, self.clock.shared, self._tot,
            singles["time_ps"], singles["detector"], singles["energy_adc"],
        )  # fmt: skip
        return Decoded(first_rows(buffers, {"singles": int(rows), "marks": 0}), ends, told)


def _detector_table(layout: Layout) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where the channels of each unit begin, -1 for one that is not named, and their detectors, -1 for none."""
    channels = channels_of(layout)
    units = sorted({channel // _UNIT_CHANNELS for channel in channels})
    place_of_unit = np.full(_UNITS, -1, np.int64)
    detectors = np.full(max(len(units), 1) * _UNIT_CHANNELS, -1, np.int64)
    for index, unit in enumerate(units):
        place_of_unit[unit] = index * _UNIT_CHANNELS
    for channel, detector in channels.items():
        unit, place = divmod(channel, _UNIT_CHANNELS)
        detectors[place_of_unit[unit] + place] = detector
    return place_of_unit, detectors


def _tdc_table(rows: Any, place_of_unit: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return t0, a0, a1, a2 as float64 [channels, TACs, branches, 4], zero where no row is; empty without rows."""
    if not rows:
        return np.empty((0, t.TACS, 2, 4))
    units = int(place_of_unit.max()) // _UNIT_CHANNELS + 1
    table = np.zeros((max(units, 1) * _UNIT_CHANNELS, t.TACS, 2, 4))
    for channel, tac, branch, *values in rows:
        unit, place = divmod(channel, _UNIT_CHANNELS)
        if unit < _UNITS and place_of_unit[unit] >= 0:
            table[place_of_unit[unit] + place, tac, int(branch == "E")] = values
    return table


@spliced
def _before_edge_ps(tdc: Any, place: Any, tac: Any, branch: Any, fine: Any) -> Any:
    """Return by how many ps an event lies before the clock edge; and whether the converter is calibrated: 1, 0, or -1.

    -1: it is, and cannot give this code.
    """
    if place < len(tdc):
        t0, a0 = tdc[place, tac, branch, 0], tdc[place, tac, branch, 1]
        a1, a2 = tdc[place, tac, branch, 2], tdc[place, tac, branch, 3]
        if a1 != 0.0:
            q = (fine - a0) / a1
            if a2 != 0.0:
                square = a1 * a1 - 4.0 * (a0 - fine) * a2
                if square < 0.0:
                    return int64(0), int64(-1)
                q = (np.sqrt(square) - a1) / (2.0 * a2)
            return int64(np.rint((q + t0) * t.CLOCK_PS)), int64(1)
    return (fine - NOMINAL_A0) * (t.CLOCK_PS // NOMINAL_A1), int64(0)


@spliced
def _energy(word: Any, tot: Any, tdc: Any, place: Any, tac: Any, before_ps: Any) -> Any:
    """Return the energy code of an event."""
    fine = int64((word + uint64(t.FINE_OFFSET)) & uint64(t.CODE_MASK))
    if not tot:
        return fine
    clocks = int64(word >> uint64(t.E_COARSE_SHIFT) & uint64(t.CODE_MASK)) - int64(
        word >> uint64(t.T_COARSE_SHIFT) & uint64(t.CODE_MASK)
    )
    if clocks < t.E_COARSE_FOLD:
        clocks += t.FRAME_CLOCKS
    end_ps, _ = _before_edge_ps(tdc, place, tac, 1, fine)
    return min(max(((clocks * t.CLOCK_PS + before_ps - end_ps) * TOT_PER_CLOCK) // t.CLOCK_PS, 0), _MOST_CODE)


def _frozen(kind: Any) -> Any:
    return types.Array(kind, 1, "C", readonly=True)


@kernel(
    types.int64(
        _frozen(types.uint8), _frozen(types.int64), _frozen(types.int64), _frozen(types.uint16),
        types.int64[:, ::1], types.int64[:, ::1], types.int64[:, ::1], types.int64[:, ::1],
        types.int64[::1], types.int64[::1], types.int64[::1], float64[:, :, :, ::1], types.boolean, types.boolean,
        types.int64[::1], types.uint32[::1], types.uint16[::1],
    )
)  # fmt: skip
def decode_frames(  # noqa: PLR0915, C901 - one loop, for its speed
    data: Any, offset: Any, length: Any, source: Any, state: Any, zero: Any, counts: Any, ends: Any, told: Any,
    place_of_unit: Any, detectors: Any, tdc: Any, shared: Any, tot: Any,
    time_ps: Any, detector: Any, energy: Any,
) -> Any:  # fmt: skip
    """Decode runs of whole frames; return the rows. The others are those of `Carry` and `Decoded`."""
    row = uint64(0)
    for packet in range(len(offset)):
        s = int64(source[packet])
        d = 0 if shared else s
        at, end = int64(offset[packet]), int64(offset[packet]) + int64(length[packet])
        latest = state[s, 2]
        good, out, plain = 0, 0, 0
        told[packet] = NEVER_PS
        while at + t.HEADER_BYTES <= end:
            head = _load(data, at)
            count = min(
                int64(_load(data, at + t.WORD_BYTES) & uint64(t.EVENTS_MASK)),
                (end - at) // t.WORD_BYTES - t.HEADER_WORDS,
            )
            at += t.HEADER_BYTES
            ticks = int64(head & uint64(t.FRAME_ID_MASK)) * t.FRAME_CLOCKS
            if state[s, 0] or zero[d, 2]:
                near = state[s, 1] if state[s, 0] else zero[d, 3]
                ticks = near + ((ticks - near + _ROUND_TICKS // 2) & (_ROUND_TICKS - 1)) - _ROUND_TICKS // 2
            state[s, 0], state[s, 1] = 2, ticks
            if not zero[d, 2] or ticks > zero[d, 3]:
                zero[d, 2], zero[d, 3] = 1, ticks
            if not zero[d, 0]:
                zero[d, 0], zero[d, 1] = 1, ticks
            base_ps = (ticks - zero[d, 1]) * t.CLOCK_PS
            told[packet] = max(told[packet], base_ps)
            for _ in range(count):
                word = _load(data, at)
                at += t.WORD_BYTES
                channel = int64(word >> uint64(t.CHANNEL_SHIFT))
                place = place_of_unit[channel // _UNIT_CHANNELS]
                place = place + channel % _UNIT_CHANNELS if place >= 0 else int64(-1)
                if place < 0 or detectors[place] < 0:
                    out += 1
                    continue
                tac = int64(word >> uint64(t.TAC_SHIFT) & uint64(t.TAC_MASK))
                fine = int64((word >> uint64(t.T_FINE_SHIFT)) + uint64(t.FINE_OFFSET) & uint64(t.CODE_MASK))
                before_ps, calibrated = _before_edge_ps(tdc, place, tac, 0, fine)
                if calibrated < 0:
                    out += 1
                    continue
                coarse = int64(word >> uint64(t.T_COARSE_SHIFT) & uint64(t.CODE_MASK))
                when = base_ps + coarse * t.CLOCK_PS - before_ps
                time_ps[row] = when
                detector[row] = detectors[place]
                energy[row] = _energy(word, tot, tdc, place, tac, before_ps)
                row += uint64(1)
                good += 1
                plain += 1 - calibrated
                latest = max(latest, when)
        latest = max(latest, told[packet])
        state[s, 2] = latest
        counts[s, 0] += good
        counts[s, _CAUSE_OUT_OF_RANGE] += out
        if len(tdc):
            counts[s, _CALIBRATION] += plain
        ends[packet, 0], ends[packet, 1], ends[packet, 2], ends[packet, 3] = row, 0, 0, latest
    return int64(row)
