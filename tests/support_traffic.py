"""What front ends of several kinds send, and what a bad network makes of it: datagrams in the order of their arrival.

Every datagram knows which words it carries, of which life of its source, and how many of them arrived.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from daq.wire.native import Header, NativeFlag, encode
from device_profiles.load import load_profile
from device_profiles.schema import InstrumentProfile

PROFILES: dict[str, InstrumentProfile] = {
    name: load_profile(name) for name in ("singles64", "head-xye64", "safir64", "siemens-petlink32")
}
GARBAGE = (b"", b"SN", b"not a packet at all", bytes(40))
RESTARTS_UNSAID_AFTER = 64
"""Packets of a life after which a start packet alone tells that another life begins."""


@dataclass(frozen=True)
class Piece:
    """A datagram. `life`: how often its source had begun anew. `cut`: bytes that were cut off. `junk`: no datagram."""

    at_ns: int
    source: int = 0
    life: int = 0
    first: int = 0
    words: tuple[int, ...] = ()
    flags: int = 0
    cut: int = 0
    junk: bytes | None = None

    def arrived(self, word_bytes: int) -> int:
        """Return how many words came whole."""
        return len(self.words) - -(-self.cut // word_bytes)

    def datagram(self, word_bytes: int) -> bytes:
        if self.junk is not None:
            return self.junk
        payload = b"".join(word.to_bytes(word_bytes, "little") for word in self.words)
        whole = encode(Header(self.source, self.flags, len(self.words), self.first), payload)
        return whole[: len(whole) - self.cut]


@dataclass(frozen=True)
class Weather:
    """How bad it is. Shares of packets, times in ms."""

    loss: float = 0.0
    twice: float = 0.0
    overtaken: float = 0.0
    late: float = 0.0
    cut: float = 0.0
    junk: float = 0.0
    restarts: int = 0
    bad_words: float = 0.0
    wild: float = 0.0
    """Share of packets with a wild time, from a few ms to a minute off."""
    lag_ms: float = 0.0
    """Delay of one source against the others."""


class FrontEnd:
    """One source: makes words of events at random times, and packs them."""

    def __init__(self, name: str, rng: random.Random, source: int, weather: Weather) -> None:
        self._name, self._rng, self._source, self._weather = name, rng, source, weather
        self._word_bytes = PROFILES[name].layout.word_bytes
        self._coarse: int | None = None

    def life(self, number: int, begin_ms: float, end_ms: float, base_ms: float) -> list[Piece]:
        """Return what arrives of one life, by time; its clock says `base_ms` at the beginning."""
        rng, now_ms = self._rng, begin_ms
        first = rng.choice([0, 0, 1 << 40]) if number == 0 else 0
        pieces = [Piece(_ns(begin_ms), self._source, number, first, (), int(NativeFlag.START))]
        self._coarse = None
        while now_ms < end_ms:
            words: list[int] = []
            off_ms = rng.choice([5.0, 30.0, 60_000.0, -30.0]) if rng.random() < self._weather.wild else 0.0
            for _ in range(rng.choice([1, 1, 2, 5])):
                now_ms += rng.expovariate(2.0)
                words += self._event(max(0.0, base_ms + now_ms - begin_ms + off_ms))
            pieces.append(Piece(_ns(now_ms), self._source, number, first, tuple(words)))
            first += len(words)
            if rng.random() < 0.1:
                pieces.append(Piece(_ns(now_ms), self._source, number, first, (), int(NativeFlag.HEARTBEAT)))
        arrived = sorted((one for piece in pieces for one in self._fate(piece)), key=lambda piece: piece.at_ns)
        if len([one for one in arrived if one.words]) < RESTARTS_UNSAID_AFTER or rng.random() < 0.5:
            arrived.append(Piece(arrived[-1].at_ns, self._source, number, first, (), int(NativeFlag.END)))
        return arrived

    def _fate(self, piece: Piece) -> Iterable[Piece]:
        """Yield what arrives of a packet: nothing, itself, earlier or later than its neighbours, or more than once."""
        rng, weather = self._rng, self._weather
        if piece.flags & NativeFlag.START:
            yield piece
            return
        if rng.random() < weather.loss:
            return
        for _ in range(1 + (rng.random() < weather.twice)):
            delay_ms = rng.uniform(0.2, 1.5) if rng.random() < weather.overtaken else 0.1
            delay_ms += rng.uniform(2.0, 12.0) if rng.random() < weather.late else 0.0
            cut = (
                rng.randint(1, self._word_bytes * len(piece.words)) if rng.random() < weather.cut and piece.words else 0
            )
            yield replace(piece, at_ns=piece.at_ns + _ns(delay_ms), cut=cut)

    def _event(self, ms: float) -> list[int]:
        """Return the words of one event, after that of the time where one is due."""
        make = {
            "singles64": self._single, "head-xye64": self._position, "safir64": self._line,
            "siemens-petlink32": self._bin,
        }  # fmt: skip
        words = make[self._name](ms)
        if self._rng.random() < self._weather.bad_words:
            words.append({"head-xye64": 0, "safir64": 5 << 16 | 5 << 32}.get(self._name, words[-1]))
        return words

    def _single(self, ms: float) -> list[int]:
        ticks, rng = int(ms * 40_960_000), self._rng
        epoch, within = (ticks >> 24) % (1 << 34), ticks % (1 << 24)
        return [*self._time(epoch, 1 << 63 | epoch), within | rng.getrandbits(12) << 24 | rng.getrandbits(14) << 36]

    def _position(self, ms: float) -> list[int]:
        return [1 << 62 | self._rng.getrandbits(2) << 60 | int(1000 * ms) % (1 << 30) << 30 | self._rng.getrandbits(30)]

    def _line(self, ms: float) -> list[int]:
        rng = self._rng
        ends = rng.sample(range(200), 2)
        line = rng.getrandbits(1) << 62 | ends[0] << 16 | ends[1] << 32 | rng.getrandbits(16)
        return [*self._time(int(ms), 1 << 63 | int(ms)), line]

    def _bin(self, ms: float) -> list[int]:
        kind = self._rng.getrandbits(1) << 30
        return [*self._time(int(ms), 0x8000_0000 | int(ms) % (1 << 29)), kind | self._rng.getrandbits(29)]

    def _time(self, coarse: int, word: int) -> list[int]:
        """Return the time word where it is news, and now and then besides."""
        news = coarse != self._coarse or self._rng.random() < 0.2
        self._coarse = coarse
        return [word] if news else []


def traffic(name: str, seed: int, sources: int, length_ms: float, weather: Weather) -> list[Piece]:
    """Return what arrives of `sources` front ends within about `length_ms`, in the order of arrival."""
    rng = random.Random(seed)
    base_ms = rng.choice([0.0, 3.0, 1073_735.0 if name == "head-xye64" else 40.0])
    arrived: list[Piece] = []
    for source in rng.sample(range(40), sources):
        front_end = FrontEnd(name, rng, source, weather)
        lag_ms = rng.uniform(0.0, weather.lag_ms)
        moments = sorted([0.0, *(rng.uniform(0.2, 0.9) * length_ms for _ in range(weather.restarts)), length_ms])
        earliest_ns = 0
        for number, begin_ms in enumerate(moments[:-1]):
            clock_ms = base_ms if number == 0 else 0.0
            life = front_end.life(number, begin_ms, moments[number + 1], clock_ms)
            late = [replace(piece, at_ns=max(piece.at_ns + _ns(lag_ms), earliest_ns)) for piece in life]
            earliest_ns = late[-1].at_ns
            arrived += late
    arrived.sort(key=lambda piece: piece.at_ns)
    junk = [Piece(piece.at_ns, junk=rng.choice(GARBAGE)) for piece in arrived if rng.random() < weather.junk]
    return sorted([*arrived, *junk], key=lambda piece: piece.at_ns)


def recut(pieces: list[Piece], seed: int) -> list[Piece]:
    """Return the same words in other packets: some cut in two, some put together with the one before."""
    rng, out = random.Random(seed), list[Piece]()
    for piece in pieces:
        at = (
            rng.randint(1, len(piece.words) - 1) if len(piece.words) > 1 and rng.random() < 0.5 and not piece.cut else 0
        )
        head, tail = (
            replace(piece, words=piece.words[:at]),
            replace(piece, first=piece.first + at, words=piece.words[at:]),
        )
        parts = [head, tail] if at else [piece]
        if out and rng.random() < 0.7 and _continues(out[-1], parts[0]):
            before = out.pop()
            parts[0] = replace(before, words=before.words + parts[0].words)
        out += parts
    return out


def _continues(before: Piece, piece: Piece) -> bool:
    plain = not (before.flags or piece.flags or before.cut or piece.cut or before.junk or piece.junk)
    mine, its = (before.source, before.life, before.first + len(before.words)), (piece.source, piece.life, piece.first)
    return plain and bool(before.words and piece.words) and mine == its and before.junk is None and piece.junk is None


def _ns(ms: float) -> int:
    return int(ms * 1e6)
