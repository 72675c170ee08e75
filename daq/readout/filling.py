"""From a source into slabs, handed over in slices. It never waits where a sender would lose data."""

from __future__ import annotations

import time
from collections.abc import Callable

from daq.model.packets import Packets
from daq.readout.receive import ERROR, FULL
from daq.readout.ring import Ring, Slice
from daq.readout.sources import Datagrams
from daq.readout.streams import StreamSource
from daq.storage.slab import DATA_BYTES, Slab

MOST_AGE_NS = 250_000_000
"""A slab is closed, which sends it to the disk, when its first packet is so old."""
_WAIT_S = 0.05


class Filler:
    """Fills slabs from one source. `reading` is asked between reads; `idle` is told of reads in vain."""

    def __init__(self, ring: Ring, reading: Callable[[], bool], idle: Callable[[], bool]) -> None:
        """`idle` returns True when everything that could come has come."""
        self._ring = ring
        self._reading = reading
        self._idle = idle
        self._slab: Slab | None = None
        self._begin = 0
        self.last_packet_s = time.monotonic()
        self.any_packet = False

    def run(self, source: Datagrams | StreamSource) -> None:
        """Read until the end, a stop, or an error, which is raised; what was read is handed over in any case."""
        try:
            if isinstance(source, Datagrams):
                self._datagrams(source)
            else:
                self._stream(source)
        finally:
            self._hand_over(closed=True)
            self._ring.end()
            source.ended()

    def _datagrams(self, source: Datagrams) -> None:
        while self._reading():
            source.ask(heard=self.any_packet)
            slab = self._slab or self._next_for_datagrams()
            if slab is None:
                continue
            before = slab.packets
            why = source.receive(slab, self._begin)
            if why == ERROR:
                source.clear_error()
            if slab.packets > before:
                self._heard()
            elif why not in (FULL, ERROR) and self._idle():
                break
            self._hand_over(closed=why == FULL or self._too_old(slab) or (not slab.keeps_data and self._ring.has_free))

    def _next_for_datagrams(self) -> Slab | None:
        """Return a slab; where none is free one for headers alone; None after a wait without either."""
        self._begin = 0
        self._slab = self._ring.take(0.0) or self._ring.take_for_headers() or self._ring.take(_WAIT_S)
        return self._slab

    def _stream(self, source: StreamSource) -> None:
        if self._reading():
            source.begin()  # not before: what lies in the sockets of several would not be of one time
        while self._reading():
            packets = source.read()
            if packets is None:
                break
            if len(packets):
                self._heard()
                self._copy(packets)
            elif self._idle():
                break
            slab = self._slab
            self._hand_over(closed=slab is not None and self._too_old(slab))
        self._copy(source.finish())

    def _copy(self, packets: Packets) -> None:
        """Copy packets of a stream, whose sender waits while there is no room."""
        for index in range(len(packets)):
            if self._slab is not None and not self._slab.room_for(int(packets.length[index])):
                self._hand_over(closed=True)
            if int(packets.length[index]) > DATA_BYTES:
                self._slab, self._begin = Slab(data_bytes=int(packets.length[index])), 0
            while self._slab is None:
                self._slab, self._begin = self._ring.take(_WAIT_S), 0
                if self._slab is None and not self._reading():
                    return
            self._slab.append(packets, index)

    def _heard(self) -> None:
        self.last_packet_s = time.monotonic()
        self.any_packet = True

    def _too_old(self, slab: Slab) -> bool:
        return slab.packets > 0 and time.monotonic_ns() - int(slab.arrival_ns[0]) > MOST_AGE_NS

    def _hand_over(self, *, closed: bool) -> None:
        slab = self._slab
        if slab is None or (slab.packets == self._begin and not closed):
            return
        self._ring.put(Slice(slab, self._begin, slab.packets, closed))
        self._begin = slab.packets
        if closed:
            self._slab = None
            self._begin = 0
