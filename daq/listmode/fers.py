"""The decoder of FERS-5200 events: runs of whole events in, singles, marks and counts out. It has the interface of
`Decoder`.

    time       = time stamp * 8 ns; of a hit, that of the time reference plus the time of arrival in units of 0.5 ns; in
                 common stop, counted from the window before the reference (Janus subtracts it from the window as well)
    amplitudes = codes of the channels, uint16 [events, 64]; a channel that an event does not hold has 0

A board counts all its triggers and gives each event the number of its own; Janus, CAEN's program, counts lost triggers
by the same rule, of events with amplitudes alone. What is missing between two events triggered while the board was
busy: these photons are told by `dead_time` marks, one for each second of the source's own time, with the share of
triggers that gave events. Without triggers the board never was busy. A jump by more triggers than there were clocks in
between is a broken number and no dead time: it is counted. A source that sends lists of hits, counts or waveforms says
nothing about its dead time, and gets no such mark.

Source of all bits: CAEN FERSlib in `djanloo/pyferslib` 6a3359e, `src/FERS_readout.c`; of lost triggers and
of common stop: CAEN Janus as kept in `rlalik/janus-5202` 3db8b0c, `src/JanusC.c`.
"""  # noqa: D205 - one sentence

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daq.listmode.codegen import CAUSES
from daq.listmode.columns import NUMPY_TYPES
from daq.listmode.decoder import Carry, Columns, Decoded, GrowingDecoder, first_rows
from daq.listmode.fers_kernel import STATE_COLUMNS, decode_events
from daq.listmode.fers_old import as_new, is_old
from daq.model import fers as f
from daq.model.camera import MOST_CHANNELS
from daq.model.events import AMPLITUDES, STREAMS, StreamName
from daq.model.layout import Clock, Fers, Layout
from daq.model.packets import Packets

TRIGGERS_LOST, TRIGGER_ID_JUMPS = "triggers_lost", "trigger_id_jumps"
"""Counters after those of kinds and causes: photons that triggered and gave no event; numbers of triggers that went
back, or ahead by more than the clock allows."""

_GAINS = {"high": 0, "low": 1, "auto": 2}
_CODES = f.AMPLITUDE_MASK + 1
_MOST_AMPLITUDE = (1 << 16) - 1
_LEAST_EVENT_WORDS = f.HEADER_WORDS + 3
"""Words of an event that holds a mask and no channel."""


class FersDecoder(GrowingDecoder):
    """Decodes runs of whole events, each run of one protocol and of the packet's source."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        counters = (*f.KINDS, *CAUSES, TRIGGERS_LOST, TRIGGER_ID_JUMPS)
        super().__init__(layout, clock, counters=counters, word_bytes=f.WORD_BYTES, state_columns=STATE_COLUMNS)
        settings = layout.fers or Fers()
        self._timing = settings.events == "timing"
        self._high, self._low = amplitude_tables(settings)
        self._facts = np.array(
            [
                self._timing, _GAINS[settings.gain], settings.high_gain_to_adc, settings.channel_counts,
                settings.common_stop_window_ps,
            ], np.int64,
        )  # fmt: skip

    def buffers(self, words: int) -> dict[StreamName, Columns]:
        """Return arrays that hold the rows of events of `words` words of 32 bits in all."""
        rows = {"singles": words if self._timing else words // _LEAST_EVENT_WORDS + 1, "marks": words}
        return {
            stream: {name: _column(stream, name, rows[stream]) for name in names}
            for stream, names in self.columns.items()
        }

    def decode_into(self, packets: Packets, carry: Carry, buffers: dict[StreamName, Columns]) -> Decoded:
        """Do as `decode`, the rows being views on `buffers`, which hold at least as many words as `packets`."""
        self._make_room(packets, carry)
        if is_old(packets):
            packets = as_new(packets)
        ends, told = np.empty((len(packets), 4), np.int64), np.empty(len(packets), np.int64)
        singles, marks = decode_events(
            packets.data, packets.offset, packets.length, packets.source, carry.state, carry.zero, carry.counts,
            ends, told, self.clock.shared, self._facts, self._high, self._low,
            *self._singles(buffers["singles"]), *buffers["marks"].values(),
        )  # fmt: skip
        return Decoded(first_rows(buffers, {"singles": int(singles), "marks": int(marks)}), ends, told)

    def _singles(self, columns: Columns) -> tuple[npt.NDArray[Any], ...]:
        """Return all columns that the kernel may fill, empty where it does not."""
        none = np.empty(0, np.uint16)
        if self._timing:
            detector, energy = columns["detector"], columns["energy_adc"]
            return columns["time_ps"], np.empty(0, np.uint8), np.empty((0, f.CHANNELS), np.uint16), detector, energy
        return columns["time_ps"], columns["head"], columns[AMPLITUDES], np.empty(0, np.uint32), none


def amplitude_tables(settings: Fers) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Return the amplitude of each code of the high and of the low gain, uint16 [16384] each, at most 65535.

    With the gain `low` codes of the high gain become what the low gain would have given, else the other way round.
    """
    codes = np.arange(_CODES)
    ratio, high, low = settings.low_gain_ratio, settings.high_pedestal_adc, settings.low_pedestal_adc
    if settings.gain == "low":
        return _amplitudes(low + (codes - high) / ratio), _amplitudes(codes)
    return _amplitudes(codes), _amplitudes(high + ratio * (codes - low))


def _amplitudes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    rounded: npt.NDArray[np.uint16] = np.rint(np.clip(values, 0, _MOST_AMPLITUDE)).astype(np.uint16)
    return rounded


def _column(stream: StreamName, name: str, rows: int) -> npt.NDArray[Any]:
    if name == AMPLITUDES:
        return np.empty((rows, MOST_CHANNELS), np.uint16)
    return np.empty(rows, NUMPY_TYPES[STREAMS[stream][name].type])
