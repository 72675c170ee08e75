"""What the product's accounting makes of a sequence of datagrams, in the words of the simulators' truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from daq.model.ledger import Ledger
from daq.model.packets import Packets
from daq.storage.accounts import Accounts, unnumbered
from daq.storage.derive import Derivation
from daq.storage.kernels import load_decoder
from daq.wire.native_batch import packets_of, unframed_packets_of
from daq.wire.stream import StreamFramer
from simulators.faults.recorder import Framing
from simulators.supply import Instrument

FIGURES = ("source", "basis", "sent", "gap", "received", "malformed", "duplicates")


def found(ledger: dict[str, Any]) -> dict[str, Any]:
    """Return what a ledger (as JSON) says, in the form of `expected` in the truth."""
    sources = [{**s, "duplicates": s["beside"]["duplicates"]} for s in ledger["sources"]]
    return {
        "sources": [{key: source[key] for key in FIGURES} for source in sources],
        "foreign": ledger["socket"]["foreign"],
        "balanced": ledger["balanced"],
    }


def ledger_of(instrument: Instrument, framing: Framing, arrived: Sequence[bytes], *, at_once: int = 512) -> Ledger:
    """Return the ledger of a receiver that got `arrived`, `at_once` datagrams or pieces at a time."""
    layout = instrument.layout
    derivation = Derivation(load_decoder(layout, instrument.clock), Accounts(framing, layout.word_bytes, "word"))
    framer = StreamFramer(layout.word_bytes)
    for at in range(0, len(arrived), at_once):
        together = arrived[at : at + at_once]
        _feed(derivation, _packets(framing, together, layout.word_bytes, framer))
    if framing == "stream":
        _feed(derivation, unnumbered(framer.finish(), source=0, arrival_ns=0))
    return derivation.ledger()


def _feed(derivation: Derivation, packets: Packets) -> None:
    if len(packets):
        derivation.rows(derivation.account(packets))


def _packets(framing: Framing, arrived: Sequence[bytes], word_bytes: int, framer: StreamFramer) -> Packets:
    if framing == "stream":
        return unnumbered(framer.feed(b"".join(arrived)), source=0, arrival_ns=0)
    length = np.array([len(datagram) for datagram in arrived], np.int64)
    data = np.frombuffer(b"".join(arrived) + b"\0", np.uint8)
    parse = packets_of if framing == "native" else unframed_packets_of
    return parse(data, np.cumsum(length) - length, length, np.zeros(len(length), np.int64), word_bytes)
