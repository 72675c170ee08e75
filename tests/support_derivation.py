"""Words, packets and derivations of them, for tests."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from daq.listmode.decoder import LayoutDecoder
from daq.model.events import MARKS
from daq.model.layout import Clock, Layout
from daq.model.order import OrderRule
from daq.model.packets import Packets
from daq.model.stop import StopCondition, parse_stop
from daq.storage.accounts import Accounts, Framing
from daq.storage.derive import Derivation
from daq.storage.kernels import load_decoder
from daq.wire.native import Header, encode
from daq.wire.native_batch import packets_of
from device_profiles.load import load_profile

DECODERS: dict[str, LayoutDecoder] = {}
Row = dict[str, Any]
MS = 10**9
SHORT_CLOCK = Layout.model_validate_json("""{
 "word_bits": 16, "byte_order": "little",
 "kinds": {"single": {"yields": "single", "fields": {
   "time": {"bits": "15:8", "unit": "tick", "to": "time"},
   "energy": {"bits": "7:0", "unit": "adc", "to": "energy_adc"}}}}
}""")


def decoder_of(name: str) -> LayoutDecoder:
    if name == "short shared clock":
        return load_decoder(SHORT_CLOCK, Clock(tick_ps="1", precision_ps=1, reset_at_start=True, shared=True))
    if name not in DECODERS:
        profile = load_profile(name.removesuffix(" with clocks of their own"))
        clock = profile.clock
        if name.endswith("own"):
            clock = Clock.model_validate({**clock.model_dump(), "shared": False, "start_ticks": None})
        DECODERS[name] = load_decoder(profile.layout, clock)
    return DECODERS[name]


def derivation(
    name: str = "siemens-petlink32",
    *stop: str,
    framing: Framing = "native",
    imported: bool = False,
    order: OrderRule | None = None,
) -> Derivation:
    decoder = decoder_of(name)
    condition: StopCondition = parse_stop(list(stop))
    return Derivation(
        decoder,
        Accounts(framing, decoder.layout.word_bytes, "word"),
        imported=imported,
        stop=condition,
        order=order,
        utc_of=lambda arrival_ns: 10**18 + arrival_ns,
    )


def received(datagrams: list[bytes], arrival_ns: list[int], word_bytes: int = 4) -> Packets:
    lengths = np.array([len(datagram) for datagram in datagrams], np.int64)
    data = np.frombuffer(b"".join(datagrams) or b"-", np.uint8)
    return packets_of(data, np.cumsum(lengths) - lengths, lengths, np.array(arrival_ns, np.int64), word_bytes)


def part(packets: Packets, start: int, stop: int) -> Packets:
    cut = slice(start, stop)
    return Packets(
        packets.data, packets.offset[cut], packets.length[cut], packets.source[cut], packets.sequence[cut],
        packets.arrival_ns[cut], packets.flags[cut], packets.header[cut],
    )  # fmt: skip


def rows_of(derived: Derivation, packets: Packets, cuts: list[int]) -> dict[str, list[Row]]:
    """Return the rows of each stream when the packets are cut into calls at `cuts`."""
    found: dict[str, list[Row]] = {}
    for start, stop in pairwise(sorted({0, len(packets), *(cut for cut in cuts if cut < len(packets))})):
        for stream, runs in derived.rows(derived.account(part(packets, start, stop))).items():
            for run in runs:
                columns = [np.asarray(column).tolist() for column in run.values()]
                rows = [dict(zip(run, values, strict=True)) for values in zip(*columns, strict=True)]
                found.setdefault(stream, []).extend(_readable(stream, row) for row in rows)
    return found


def _readable(stream: str, row: Row) -> Row:
    if stream == "marks":
        row["kind"] = MARKS[row["kind"]]
        row["value2"] = None if np.isnan(row["value2"]) else row["value2"]
    return row


def marks_of(rows: dict[str, list[Row]], *kinds: str) -> list[Row]:
    return [row for row in rows.get("marks", []) if row["kind"] in kinds]


def prompt(address: int) -> int:
    return 0x4000_0000 | address


def time_word(ms: int) -> int:
    return 0x8000_0000 | ms


def packet(first: int, words: list[int], *, source: int = 0, flags: int = 0, cut: int = 0, size: int = 4) -> bytes:
    payload = b"".join(word.to_bytes(size, "little") for word in words)
    whole = encode(Header(source, flags, len(words), first), payload)
    return whole[: len(whole) - cut]


def single(ticks: int, energy: int) -> int:
    return ticks % (1 << 24) | energy << 24


def epoch(number: int) -> int:
    return 1 << 63 | number


cuts = st.lists(st.integers(0, 30), max_size=8)
