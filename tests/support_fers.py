"""FERS-5200 events made and read word by word with plain integers, apart from the code they are held against."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from daq.model.layout import Layout
from daq.model.packets import Flag, Packets
from daq.storage.accounts import Accounts, unnumbered
from daq.storage.derive import _words
from daq.wire.framers import framer_of
from device_profiles.load import load_profile
from device_profiles.schema import InstrumentProfile

PROFILE = "caen-fers-a5202"


@dataclass(frozen=True)
class Event:
    """One event; `words` are its payload."""

    qualifier: int
    trigger_id: int
    ticks: int
    words: Sequence[int] = field(default_factory=tuple)

    def new(self, says: int | None = None) -> bytes:
        """Return the bytes of the new protocol; `says`: the number of words that it claims instead of its own."""
        size = len(self.words) if says is None else says
        head = struct.pack("<II", 0x82000000, self.qualifier << 24 | size)
        head += struct.pack("<QQ", self.trigger_id, self.ticks)
        return head + b"".join(struct.pack("<I", word) for word in self.words) + b"\x00\x00\x00\xf1"

    def old(self) -> bytes:
        """Return the bytes of the old protocol."""
        body = b"".join(struct.pack(">I", word) for word in self.words)
        pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
        head = b"\x81" + bytes(7) + struct.pack(">IBBH", 0, self.qualifier, 0, len(self.words))
        head += struct.pack(">QQ", self.trigger_id, self.ticks)
        return (
            head
            + b"".join(b"\0" + piece.ljust(7, b"\0") for piece in pieces)
            + struct.pack(">BBHI", 0xC0, 0, 0, len(pieces))
        )


def amplitudes(channels: dict[int, tuple[int, int]], *, both: bool, relative: int | None = None) -> list[int]:
    """Return the payload of an event of `channels`: (high, low) codes, or half-words as they are sent and nothing."""
    mask = 0
    for channel in channels:
        mask += 2**channel
    words = [] if relative is None else [relative]
    words += [mask // 2**32, mask % 2**32]
    ordered = [channels[channel] for channel in sorted(channels)]
    if both:
        return words + [high + low * 2**16 for high, low in ordered]
    halves = [half for half, _ in ordered]
    if len(halves) % 2:
        halves.append(0)
    return words + [halves[at] + halves[at + 1] * 2**16 for at in range(0, len(halves), 2)]


def spectrum(trigger_id: int, ticks: int, code: int = 100) -> Event:
    """Return an event of all channels, channel c with the code `code + c` of the high gain."""
    return Event(1, trigger_id, ticks, amplitudes({c: (code + c, 0) for c in range(64)}, both=False))


def any_event(rng: random.Random, trigger_id: int, ticks: int) -> Event:
    """Return an event of any kind."""
    channels = rng.sample(range(64), rng.randint(0, 64))
    kind = rng.choice(("one", "both", "spect-timing", "timing", "counting", "service", "start", "test", "wave"))
    codes = {c: (rng.randrange(1 << 14), rng.randrange(1 << 14)) for c in channels}
    hits = [rng.choice(channels or [0]) << 25 | rng.randrange(1 << 25) for _ in range(rng.randint(0, 20))]
    counts = [c << 24 | rng.randrange(1 << 24) for c in channels]
    relative = rng.choice((None, rng.randrange(1 << 32)))
    flag = 0 if relative is None else 0x80
    made = {
        "one": Event(flag | 1, trigger_id, ticks, amplitudes(codes, both=False, relative=relative)),
        "both": Event(flag | 0x11, trigger_id, ticks, amplitudes(codes, both=True, relative=relative)),
        "spect-timing": Event(
            flag | 0x13, trigger_id, ticks, [*amplitudes(codes, both=True, relative=relative), 1 << 31 | 5, *hits]
        ),
        "timing": Event(0x02, trigger_id, ticks, [rng.randrange(16), *hits]),
        "counting": Event(flag | 4, trigger_id, ticks, [*([] if relative is None else [relative]), *counts]),
        "service": Event(
            0x2F, 0, ticks, [1 << 24 | 3 << 12 | 2560, 540_000, 10, 975 | 1 << 26, 5 | 120 << 16, *counts]
        ),
        "start": Event(0x0F, 0, ticks, [7]),
        "test": Event(0xFF, trigger_id, ticks, [1, 2, 3, 4]),
        "wave": Event(0x08, trigger_id, ticks, [rng.randrange(1 << 32) for _ in range(40)]),
    }
    return made[kind]


@lru_cache(maxsize=64)
def profile(**settings: object) -> InstrumentProfile:
    """Return the shipped profile with other settings of `layout.fers`."""
    made = load_profile(PROFILE)
    kinds = dict(made.layout.kinds)
    if settings.get("events") == "timing":
        for name in ("spectroscopy", "spectroscopy_timing", "timing"):
            yields = "single" if name == "timing" else "nothing"
            kinds[name] = kinds[name].model_copy(update={"yields": yields})
    fers = made.layout.fers
    assert fers is not None
    fers = type(fers).model_validate({**fers.model_dump(), **settings})
    layout = made.layout.model_copy(update={"fers": fers, "kinds": kinds})
    return made.model_copy(update={"layout": layout})


def framed(layout: Layout, stream: bytes, cuts: Iterable[int] = ()) -> list[tuple[int, bytes]]:
    """Return the rows of a stream that comes cut at these bytes."""
    framer = framer_of(layout)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(stream)}), len(stream)]
    rows: list[tuple[int, bytes]] = []
    for begin, end in itertools.pairwise(edges):
        rows += framer.feed(stream[begin:end])
    return rows + framer.finish()


def packets_of(rows: list[tuple[int, bytes]], source: int = 0) -> Packets:
    """Return rows as packets of one source."""
    return unnumbered(rows, source=source, arrival_ns=0)


def words_of(layout: Layout, stream: bytes, source: int = 0) -> tuple[Packets, Accounts]:
    """Return the runs of whole events of a stream, and the accounts that found them."""
    accounts = Accounts.of(layout, "stream", "event")
    return _words(accounts.account(packets_of(framed(layout, stream), source))), accounts


def good_bytes(rows: list[tuple[int, bytes]]) -> bytes:
    """Return the bytes of whole events."""
    return b"".join(data for flags, data in rows if not flags)


def broken_stretches(rows: list[tuple[int, bytes]]) -> list[bytes]:
    """Return the stretches that are no event."""
    return [data for flags, data in rows if flags & Flag.MALFORMED]


def codes_of(table: np.ndarray) -> list[list[int]]:
    """Return amplitudes as plain integers."""
    return [[int(value) for value in row] for row in table]
