"""Rows written live, rows replayed and rows worked out offline from the words that were sent are the same rows.

For several kinds of front ends and several sources at once, for loss, doubles, disorder within and beyond the bound,
cut datagrams, garbage and restarts; wherever the stream was cut into packets, calls, slabs or pieces of a connection.
"""

from __future__ import annotations

import random
import socket
import time
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_offline import Row, offline_rows
from support_readout import free_port, plan_of, running, until
from support_recording import MS, Script, content, fresh_folder, record, replayed_alike
from support_traffic import PROFILES, Piece, Weather, recut, traffic

from daq.listmode.decoder import LayoutDecoder
from daq.model.events import StreamName
from daq.model.order import OrderRule
from daq.model.packets import Packets
from daq.storage.accounts import Accounts, unnumbered
from daq.storage.derive import Derivation
from daq.storage.kernels import load_decoder
from daq.storage.recording import Recording
from daq.storage.slab import Slab
from daq.wire.stream import StreamFramer

STREAMS: frozenset[StreamName] = frozenset({"singles", "coincidences", "marks"})
RULE = OrderRule(max_disorder_ps=3 * MS, max_step_ps=2000 * MS)
STRICT = OrderRule(max_disorder_ps=3 * MS, max_step_ps=10 * MS)
"""By which clocks that begin again, lag or are wild have jumped."""
BAD = Weather(
    loss=0.1, twice=0.1, overtaken=0.5, late=0.1, cut=0.05, junk=0.05, restarts=1, bad_words=0.05, wild=0.01, lag_ms=6.0
)  # fmt: skip

names = st.sampled_from(sorted(PROFILES))
seeds = st.integers(0, 10**9)
rules = st.sampled_from([RULE, STRICT])
shares = st.sampled_from([0.0, 0.05, 0.2])
weathers = st.builds(
    Weather, loss=shares, twice=shares, overtaken=st.sampled_from([0.0, 0.5]), late=shares, cut=shares, junk=shares,
    restarts=st.integers(0, 2), bad_words=shares, wild=st.sampled_from([0.0, 0.03]),
    lag_ms=st.sampled_from([0.0, 2.0, 8.0]),
)  # fmt: skip


@dataclass
class InMemory:
    """A writer that keeps rows by reference, as the real one does until they are on the disk."""

    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    failure: None = None

    def write(self, stream: str, rows: dict[str, Any], **_: Any) -> None:
        self.runs.setdefault(stream, []).append(rows)

    def write_whole(self, *_: Any, **__: Any) -> None:
        """Leave raw packets alone."""

    def rows(self) -> dict[str, list[Row]]:
        """Return the rows of events."""
        found: dict[str, list[Row]] = {}
        for stream in ("singles", "coincidences"):
            for run in self.runs.get(stream, []):
                values = zip(*(np.asarray(column).tolist() for column in run.values()), strict=True)
                found.setdefault(stream, []).extend(dict(zip(run, row, strict=True)) for row in values)
        return {stream: rows for stream, rows in found.items() if rows}


class Slabs:
    """Two slabs that a recording is fed with by turns, each filled anew over what the last one left."""

    _slabs: ClassVar[list[Slab]] = []

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._turn = 0
        while len(self._slabs) < 2:
            self._slabs.append(Slab())

    def feed(self, packets: Packets, start: int, stop: int) -> None:
        """Hand over packets `start` to `stop` in one or two calls, the last of which ends a slab."""
        slab = self._slabs[self._turn % 2]
        slab.clear()
        middle = start + (stop - start) * (self._turn % 3) // 3
        self._turn += 1
        for begin, end in ((start, middle), (middle, stop)):
            first = slab.packets
            for index in range(begin, end):
                slab.append(packets, index)
            self._recording.take(slab, first, slab.packets)
        slab.data[: int(slab.starts[slab.packets])] ^= 0xFF
        self._recording.close(slab, lambda _: None)


@cache
def decoder_of(name: str) -> LayoutDecoder:
    return load_decoder(PROFILES[name].layout, PROFILES[name].clock)


def script(name: str, pieces: list[Piece], *, cuts: frozenset[int] = frozenset(), order: OrderRule | None = RULE,
           flushes: list[int] | None = None) -> Script:  # fmt: skip
    """Return the pieces as a script, in which the host flushes after so many datagrams."""
    size = PROFILES[name].layout.word_bytes
    return Script(
        [piece.datagram(size) for piece in pieces], [10**15 + piece.at_ns for piece in pieces], PROFILES[name], cuts,
        {at: [("flush", None)] for at in flushes or []}, order=order,
    )  # fmt: skip


def live(name: str, pieces: list[Piece], cuts: frozenset[int] = frozenset(), *, order: OrderRule | None = RULE,
         flushes: list[int] | None = None) -> dict[str, list[Row]]:  # fmt: skip
    """Return the rows of a recording that takes the pieces in slabs, cut into calls at `cuts`, and keeps no files."""
    writer, size = InMemory(), PROFILES[name].layout.word_bytes
    derivation = Derivation(decoder_of(name), Accounts("native", size, "word", intervals=256), order=order)
    recording = Recording(writer, derivation, streams=STREAMS | {"raw"}, directory=Path())  # type: ignore[arg-type]
    packets, slabs = script(name, pieces).packets(), Slabs(recording)
    places = {0, len(packets), *(cut for cut in cuts if cut < len(packets)), *(flushes or [])}
    for start, stop in pairwise(sorted(places)):
        if start in (flushes or []):
            recording.flush()
        slabs.feed(packets, start, stop)
    recording.note(derivation.finish("end"))
    return writer.rows()


def stored(folder: Path) -> dict[str, list[Row]]:
    """Return the rows of events in a recording."""
    found = content(folder)
    return {stream: found[stream] for stream in ("singles", "coincidences") if found.get(stream)}


def drawn_cuts(seed: int, count: int) -> frozenset[int]:
    """Return places to cut at: few or many, or every one."""
    rng = random.Random(seed)
    return frozenset(rng.sample(range(count), rng.choice([0, min(3, count), count // 3, count])))


@settings(max_examples=250, deadline=None)
@given(names, seeds, st.integers(1, 4), st.sampled_from([5.0, 40.0]), weathers, rules | st.none())
def test_live_rows_are_those_worked_out_offline(
    name: str, seed: int, sources: int, length_ms: float, weather: Weather, rule: OrderRule | None
) -> None:
    pieces = traffic(name, seed, sources, length_ms, weather)

    assert live(name, pieces, drawn_cuts(seed, len(pieces)), order=rule) == offline_rows(pieces, PROFILES[name], rule)


@settings(max_examples=60, deadline=None)
@given(names, seeds, st.integers(1, 3), weathers, rules)
def test_the_same_words_in_other_packets_and_calls_give_the_same_rows(
    name: str, seed: int, sources: int, weather: Weather, rule: OrderRule
) -> None:
    pieces = traffic(name, seed, sources, 30.0, weather)
    others = recut(pieces, seed)

    assert live(name, others, drawn_cuts(seed, len(others)), order=rule) == live(name, pieces, order=rule)


@settings(max_examples=60, deadline=None)
@given(names, seeds, st.integers(1, 3), weathers, rules, st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_order_begins_anew_where_the_host_flushed(
    name: str, seed: int, sources: int, weather: Weather, rule: OrderRule, places: list[float]
) -> None:
    pieces = traffic(name, seed, sources, 30.0, weather)
    flushes = sorted({int(place * (len(pieces) - 1)) for place in places})

    rows = live(name, pieces, drawn_cuts(seed, len(pieces)), order=rule, flushes=flushes)

    assert rows == offline_rows(pieces, PROFILES[name], rule, flushes)


@settings(max_examples=40, deadline=None)
@given(names, seeds, st.integers(0, 10**9))
def test_one_source_gives_the_same_rows_over_a_connection_cut_at_any_byte(name: str, seed: int, cuts: int) -> None:
    pieces = [p for p in traffic(name, seed, 1, 20.0, Weather(bad_words=0.05)) if p.words]
    profile = PROFILES[name]
    layout, rng, writer = profile.layout, random.Random(cuts), InMemory()
    data = bytes(layout.preamble_bytes) + b"".join(piece.datagram(layout.word_bytes)[16:] for piece in pieces)
    derivation = Derivation(decoder_of(name), Accounts("stream", layout.word_bytes, "word"), order=RULE)
    recording = Recording(writer, derivation, streams=STREAMS, directory=Path())  # type: ignore[arg-type]
    framer = StreamFramer(layout.word_bytes, layout.preamble_bytes)
    slabs = Slabs(recording)

    places = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(rng.choice([0, 3, 60])))})
    for start, stop in pairwise(places):
        packets = unnumbered(framer.feed(data[start:stop]), source=0, arrival_ns=0)
        slabs.feed(packets, 0, len(packets))
    recording.note(derivation.finish("end"))

    assert writer.rows() == offline_rows(pieces, profile, RULE)


@settings(max_examples=25, deadline=None)
@given(names, seeds, st.integers(1, 4), weathers, rules | st.none())
def test_recorded_rows_are_those_worked_out_offline_and_those_replayed(
    name: str, seed: int, sources: int, weather: Weather, rule: OrderRule | None
) -> None:
    pieces = traffic(name, seed, sources, 30.0, weather)
    with fresh_folder() as folder:
        record(folder / "run", script(name, pieces, cuts=drawn_cuts(seed, len(pieces)), order=rule))
        replayed_alike(folder / "run")

        assert stored(folder / "run") == offline_rows(pieces, PROFILES[name], rule)


@settings(max_examples=15, deadline=None)
@given(names, seeds, st.integers(1, 4), weathers, rules, st.floats(0, 1))
def test_rows_that_were_shed_and_rebuilt_are_those_worked_out_offline_and_those_replayed(
    name: str, seed: int, sources: int, weather: Weather, rule: OrderRule, shed_at: float
) -> None:
    pieces = traffic(name, seed, sources, 30.0, weather)
    at = int(shed_at * len(pieces))
    with fresh_folder() as folder:
        record(folder / "run", script(name, pieces, cuts=drawn_cuts(seed, len(pieces)), order=rule), shed_at=[at])
        replayed_alike(folder / "run")

        assert stored(folder / "run") == offline_rows(pieces, PROFILES[name], rule)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_rows_received_over_a_socket_are_those_worked_out_offline_and_those_replayed(name: str, tmp_path: Path) -> None:
    size, port = PROFILES[name].layout.word_bytes, free_port()
    pieces = traffic(name, 7, 4, 400.0, BAD)
    plan = plan_of(
        tmp_path, f"udp://@127.0.0.1:{port}", profile=PROFILES[name], order=RULE, single_step=False, stall_s=20.0
    )
    with running(plan) as run, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front_end:
        until(lambda: run.readout.status()["state"] == "recording", "recording")
        for number, piece in enumerate(pieces):
            front_end.sendto(piece.datagram(size), ("127.0.0.1", port))
            time.sleep(0.002 if number % 100 == 0 else 0.0)
        until(lambda: run.readout.recording.derivation.packets_seen == len(pieces), "all datagrams")
        run.readout.request_stop()
        code = run.finish()

    replayed_alike(tmp_path / "run")
    flushes = [row["value"] for row in content(tmp_path / "run")["marks"] if row["kind"] == "flush"]
    assert code == 0
    assert len(pieces) > 1000
    assert stored(tmp_path / "run") == offline_rows(pieces, PROFILES[name], RULE, flushes)


def test_the_weather_of_these_tests_is_as_bad_as_it_is_said_to_be() -> None:
    pieces = traffic("singles64", 1, 4, 400.0, BAD)
    rows = offline_rows(pieces, PROFILES["singles64"], RULE)["singles"]
    names = [(piece.source, piece.life, piece.first + n) for piece in pieces for n in range(len(piece.words))]
    times = [row["time_ps"] for row in rows]

    assert len({piece.source for piece in pieces if piece.junk is None}) == 4
    assert {piece.life for piece in pieces} == {0, 1}
    assert len(rows) > 1000
    assert 0.05 < sum(row["late"] for row in rows) / len(rows) < 0.8
    assert len(names) - len(set(names)) > 100
    assert sum(piece.cut > 0 for piece in pieces) > 20
    assert sum(piece.junk is not None for piece in pieces) > 20
    assert times != sorted(times)
