"""The live picture before the start: what comes while a readout is armed is decoded and looked at, and kept nowhere.

It has a reader, accounts, a decoder's memory and figures of its own, which are thrown away at the start. So nothing of
it can get into the recording: no byte, no count, no loss, no time, no packet that was read and not yet handed on.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np

from daq.listmode.decoder import Decoder
from daq.readout.exchange import Exchanges
from daq.readout.live import Live
from daq.readout.plan import Plan
from daq.readout.presence import STALLED_S
from daq.readout.ratesamples import RateSamples
from daq.readout.receive import ERROR, FULL, SLICE
from daq.readout.sources import Datagrams
from daq.readout.streams import StreamSource
from daq.storage.accounts import Accounts
from daq.storage.derive import Derivation
from daq.storage.slab import Slab

LOOKED_BYTES = 512 << 10
"""Of a turn so many bytes are looked at; of more, headers alone are read, so that it is known how much passed."""
_MOST_UNSEEN = 4
"""Slabs of 4096 headers in a turn. What comes beyond them waits in the socket's buffer, or is dropped by the kernel."""
_LOG = logging.getLogger(__name__)


class Preview:
    """Looks at what a source sends before the start. One thread calls `turn`; any may ask for `figures`."""

    def __init__(self, plan: Plan, source: Datagrams, decoder: Decoder, live: Live, exchanges: Exchanges) -> None:
        """Make everything ready. Pairs are not made: they need an order of time, and wait for it."""
        self._reader = source.apart()
        self._live, self._exchanges = live, exchanges
        self._seen, self._unseen = Slab(data_bytes=LOOKED_BYTES), Slab(data_bytes=1)
        processing = plan.processing.model_copy(update={"pairing": None})
        self._derivation = Derivation(
            decoder, Accounts.of(plan.layout, source.framing, plan.unit), processing=processing,
            feet_first=plan.manifest.feet_first,
        )  # fmt: skip
        self._heard_s: float | None = None
        self._words = RateSamples(time.monotonic_ns(), np.zeros(2, np.int64))
        self.share = 1.0
        """Which part of the words that were sent in the last second was looked at."""
        live.position()

    def turn(self) -> None:
        """Look at what has come since the last turn, without waiting for more. Raises what decoding raises."""
        self._reader.ask(heard=self._heard_s is not None)
        slab = self._seen
        slab.clear()
        why = self._read(slab)
        if slab.packets:
            self._heard_s = time.monotonic()
            self._look(slab)
        for _ in range(_MOST_UNSEEN):
            if why != FULL:
                break
            self._unseen.clear()
            self._unseen.keeps_data = False
            why = self._read(self._unseen)
            self._derivation.account(self._unseen.view(0, self._unseen.packets))
        self.share = self._looked_share()

    def figures(self) -> dict[str, Any]:
        """Return what the status says: whether anything comes, what there is to be said of it, how much is seen."""
        heard_s = self._heard_s
        quiet = heard_s is None or time.monotonic() - heard_s > STALLED_S
        return {
            "state": "silent" if quiet else "live", "looked_share": round(self.share, 3),
            "warnings": [*self._live.warnings_before, *self._derivation.warnings],
        }  # fmt: skip

    def _read(self, slab: Slab) -> int:
        """Read what lies there; return why it ended."""
        while (why := self._reader.receive(slab, slab.packets)) == SLICE:
            pass
        if why == ERROR:
            self._reader.clear_error()
        return why

    def _look(self, slab: Slab) -> None:
        packets = slab.view(0, slab.packets)
        self._exchanges.look_at(packets)
        derivation = self._derivation
        derivation.rows(derivation.account(packets), shed=True)
        self._live.see_before(derivation.decoded, derivation.carry.counts, derivation.latest_ps)

    def _looked_share(self) -> float:
        figures = self._derivation.accounts.figures
        offered = figures.received - figures.dropped
        sums = np.array([offered.sum(), (figures.received + figures.gap).sum()], np.int64)
        (looked, sent), _ = self._words.over_last_second(time.monotonic_ns(), sums)
        return float(looked / sent) if sent > 0 and 0 < looked < sent else 1.0


def flows_before_start(plan: Plan, *, heads: bool) -> bool:
    """Return True where data flow before our start, which then only decides from when on they are recorded.

    That is of front ends that push, of those that were set up when we armed, and of heads of cameras: they convert
    whether or not anybody records, and stream to whoever asked them. Others are asked at the start.
    """
    return all(each.listen for each in plan.sources) or plan.datagram_framing == "petsys-gbe" or heads


def preview_of(
    plan: Plan, source: Datagrams | StreamSource, decoder: Decoder, live: Live, exchanges: Exchanges
) -> Preview | None:
    """Return the preview where the plan has one; None where nothing comes before the start, or it cannot be made."""
    if plan.start_at_once or not plan.preview or not isinstance(source, Datagrams):
        return None
    if not flows_before_start(plan, heads=live.has_heads):
        return None
    try:
        return Preview(plan, source, decoder, live, exchanges)
    except Exception:  # noqa: BLE001 - a recording does without
        _LOG.exception("no live picture before the start")
        live.show_nothing()
        return None
