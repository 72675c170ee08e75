"""Events of a FERS-5200 board with 64 channels: cut, accounted for, decoded. CPU time of one thread.

NumPy decodes the same events knowing that all have one size, which no stream says. Results are compared before any time
is printed.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import Row, interleaved
from daq.model import fers as f
from daq.storage.accounts import Accounts, unnumbered
from daq.storage.derive import _words
from daq.storage.kernels import load_decoder
from daq.wire.fers_events import spectroscopy_events
from daq.wire.framers import framer_of
from device_profiles.load import load_profile

EVENTS = 1 << 15
CHUNK_BYTES = 1 << 16
TARGET_PER_S = 2e6


def run() -> list[Row]:
    """Return the rows of the table."""
    return [*events(both=False), *events(both=True)]


def events(*, both: bool) -> list[Row]:
    """Events of one gain (164 bytes), or of both (292 bytes) of which the high one is believed."""
    profile = load_profile("caen-fers-a5202")
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 8000, (2, EVENTS, f.CHANNELS)).astype(np.uint16)
    number = np.arange(EVENTS)
    made = spectroscopy_events(number, number * 1250, codes[0], codes[1] if both else None)
    stream = made.tobytes()
    framer = framer_of(profile.layout)
    rows = framer.feed(stream)
    packets = unnumbered(rows, source=0, arrival_ns=0)
    words = _words(Accounts.of(profile.layout, "stream", "event").account(packets))
    decoder = load_decoder(profile.layout, profile.clock)
    buffers = decoder.buffers(decoder.words_of(words))
    table = np.frombuffer(stream, "<u4").reshape(EVENTS, -1)
    by_numpy = np.empty((EVENTS, f.CHANNELS), np.uint16), np.empty(EVENTS, np.int64)

    def with_numpy() -> None:
        by_numpy[1][:] = (table[:, 4].astype(np.int64) | table[:, 5].astype(np.int64) << 32) * f.CLOCK_PS
        by_numpy[0][:] = (table[:, 8:-1] if both else table[:, 8:-1].view("<u2")) & f.AMPLITUDE_MASK

    def cut() -> None:
        fresh = framer_of(profile.layout)
        for at in range(0, len(stream), CHUNK_BYTES):
            fresh.feed(stream[at : at + CHUNK_BYTES])

    accounts = Accounts.of(profile.layout, "stream", "event")
    median = interleaved(
        {
            "decode": lambda: decoder.decode_into(words, decoder.start(imported=False), buffers),
            "numpy": with_numpy, "cut": cut, "account": lambda: accounts.account(packets), "memcpy": made.copy,
        }
    )  # fmt: skip
    decoded = decoder.decode_into(words, decoder.start(imported=False), buffers).streams["singles"]
    if not (np.array_equal(decoded["amplitudes"], by_numpy[0]) and np.array_equal(decoded["time_ps"], by_numpy[1])):
        raise AssertionError("the decoders disagree")
    rate = {who: EVENTS / seconds for who, seconds in median.items()}
    title = f"FERS events, {'both gains' if both else 'one gain'}"
    together = 1 / sum(1 / rate[step] for step in ("cut", "account", "decode"))
    decode, numpy, memcpy = (rate[who] / 1e6 for who in ("decode", "numpy", "memcpy"))
    return [
        Row(f"{title}, decoded / {TARGET_PER_S / 1e6:g} M/s", f"{decode:.1f} Mevents/s", rate["decode"] / TARGET_PER_S,
            1.0, 5.0),
        Row(f"{title}, decoded / NumPy of one size", f"{decode:.1f} / {numpy:.1f} Mevents/s", decode / numpy, 0.7, 1.0),
        Row(f"{title}, cut, accounted for, decoded", f"{together / 1e6:.1f} Mevents/s (memcpy {memcpy:.0f})"),
    ]  # fmt: skip
