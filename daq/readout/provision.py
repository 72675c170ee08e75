"""What a readout provides before data flow: live figures, memory, the priority of a thread."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import numpy as np
import pyarrow as pa

from daq.listmode.decoder import Decoder
from daq.readout.lookdeclaration import Declaration, declare
from daq.readout.plan import Plan
from daq.readout.studydeclaration import study_look
from daq.storage.streams import processed_columns

_LOG = logging.getLogger(__name__)
_LOSSLESS_AHEAD_BYTES = 32 << 20
_MOST_RESERVED_ROWS = 1 << 22


def declared(plan: Plan, decoder: Decoder) -> Declaration:
    """Return the live figures that this recording can give."""
    pairing = plan.processing.pairing
    columns = processed_columns(decoder.columns, plan.processing)
    study = study_look(columns.get("singles", ()), plan.manifest, plan.layout, plan.processing, plan.directory)
    plain = declare(
        columns, decoder.counters, plan.layout,
        ring=plan.processing.modules_of, half_window_ps=pairing.half_window_ps if pairing else None,
        processing=plan.processing, heads=[head["number"] for head in (plan.manifest.scanner or {}).get("heads", ())],
    )  # fmt: skip
    return replace(plain, study=study)


def buffer_bytes(plan: Plan) -> int:
    """Return how far reading may run ahead: a lossless sender waits for us, and a stop then stops it at once."""
    return plan.buffer_bytes if plan.sources[0].kind == "udp" else min(plan.buffer_bytes, _LOSSLESS_AHEAD_BYTES)


def rows_waiting(plan: Plan) -> int:
    """Return about how many rows wait for their turn in time at the rate that the plan expects."""
    if plan.order is None or not plan.store_rows:
        return 0
    return min(int(plan.receive.rate_words_per_s * plan.order.max_disorder_ps * 1e-12), _MOST_RESERVED_ROWS)


def load_writing() -> None:
    """Have loaded before data flow what the first rows that are written load.

    pyarrow looks for pandas with the first array that it makes, and imports it where it is installed: that takes a
    third of a second, during which nobody would take from the socket.
    """
    pa.array(np.zeros(1))


def raise_priority(priority: int) -> None:
    """Let the calling thread go before others, if asked to and allowed."""
    if priority <= 0:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as why:
        _LOG.warning("no real-time priority %d for the receiving thread: %s", priority, why.strerror)
