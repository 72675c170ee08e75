"""What can be asked of a derivation at any time: counts, warnings, times, the ledger. Asking changes nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from daq.listmode.decoder import Carry
from daq.model.ledger import Ledger
from daq.model.order import Moment
from daq.pipeline.order import Order
from daq.pipeline.stages import Stages
from daq.pipeline.stopping import StopCounter
from daq.storage.accounts import Accounts
from daq.storage.decoding import Decoding

_PS_PER_S = 1e12


class Figures:
    """Figures of one path from packets to rows; `Derivation` makes and moves what they are read from."""

    accounts: Accounts
    _decoding: Decoding
    _carry: Carry
    _counter: StopCounter
    _stages: Stages
    _order: Order | None
    _back_ps: int
    """By how much the detector's clock went back at most; 0 as long as it did not."""

    @property
    def counts(self) -> dict[str, int]:
        """Return the live counters a stop condition can name, of the present step.

        Pairs that are made here are counted when they are released, and are no part of `events`.
        """
        return {**self._counter.counts, **self._stages.pair_counts}

    @property
    def frames_wait(self) -> bool:
        """True until the frames of a step begin that wait for something."""
        return self._counter.waits

    @property
    def frames_wait_cps(self) -> float | None:
        """Return the rate that is compared with what the frames of the step wait for; None where they wait for none."""
        return self._counter.waits_cps

    @property
    def processed(self) -> dict[str, Any]:
        """Return what the processing counted over the whole acquisition; empty where there is none."""
        return self._stages.counters

    @property
    def warnings(self) -> list[str]:
        """Return what a person should know of the detector, a sentence each."""
        if not self._back_ps:
            return self._stages.warnings
        back = (
            f"the clock of the detector went back by {self._back_ps / _PS_PER_S:,.1f} s: did a front end start anew? "
            "Steps, frames and axes are told by the clock before; stop, and begin another recording"
        )
        return [*self._stages.warnings, back]

    @property
    def words_by_kind(self) -> dict[str, int]:
        """Return decoded words per kind, over all sources, and undecodable ones per cause."""
        total = self._carry.counts.sum(axis=0)
        return {name: int(count) for name, count in zip(self._decoding.decoder.counters, total, strict=True)}

    @property
    def carry(self) -> Carry:
        """Return what decoding carries: counts per source and kind, times. To be looked at only."""
        return self._carry

    @property
    def held_rows(self) -> int:
        """Return the rows that wait for their turn in time."""
        order = self._order  # once: another thread may ask while shedding begins
        return order.held_rows if order else 0

    @property
    def newest(self) -> Moment:
        """Return the newest moment among the rows pushed into the order; those not yet released are no newer."""
        return self._order.newest if self._order else (0, 0)

    @property
    def released(self) -> Moment | None:
        """Return the moment before which every row has been released, None when there is none that waits."""
        if self._order is None:
            return None
        ordered = self._order.released if self._order.held_rows else None
        waits_ps = self._stages.pairs_wait_from_ps
        if waits_ps is None:
            return ordered
        beginnings, newest_ps = self._order.newest
        pairs = (beginnings - (waits_ps > newest_ps), waits_ps)
        return pairs if ordered is None else min(ordered, pairs)

    @property
    def latest_ps(self) -> int:
        """Return the detector's time, ps from time zero: the latest of clocks that can be believed; 0 before any.

        Where no row has been counted yet it is the latest of all.
        """
        now_ps = self._counter.now_ps
        if now_ps is not None:
            return now_ps
        return int(self._carry.state[:, 2].max()) if len(self._carry.state) else 0

    @property
    def heard_ps(self) -> int | None:
        """Return the detector's time as rows alone tell it, ps from time zero; None before any.

        Moments of axes come of the host's clock: compared with them, that clock would be compared with itself.
        """
        now_ps = self._counter.heard_ps
        return now_ps if now_ps is not None else int(self._carry.state[:, 2].max(initial=0)) or None

    def heard_by_all_ps(self, *, without: Collection[int] = ()) -> int | None:
        """Return up to when every source that told a time has been heard, ps from time zero, `without` some of them.

        None where there is none. The others may be further on.
        """
        state = self._carry.state
        heard = [int(row[2]) for source, row in enumerate(state) if row[0] and source not in without]
        return min(heard, default=None)

    @property
    def zero_ticks(self) -> list[int | None]:
        """Return the tick of time zero per clock domain; None where no timed word came."""
        return [int(ticks) if known else None for known, ticks, *_ in self._carry.zero.tolist()]

    def ledger(self, *, durable: dict[int, int] | None = None, kernel_drops: int = 0) -> Ledger:
        """Return the ledger so far; `durable` words per source as in `Accounts.ledger`."""
        ledger = self.accounts.ledger(
            self._carry.counts, self._decoding.decoder.counters, durable=durable, kernel_drops=kernel_drops
        )
        if self._order is not None:
            late = self._order.late + self._order.set_aside
            for entry in ledger.sources:
                entry.beside.late = int(late[entry.source]) if entry.source < len(late) else 0
        excluded = self._stages.excluded
        for entry in ledger.sources:
            entry.beside.excluded = int(excluded[entry.source]) if entry.source < len(excluded) else 0
        return ledger
