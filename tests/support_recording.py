"""Recordings made packet by packet in the test's own thread, with everything the host may do to them in between."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from daq.composition import new_manifest
from daq.model.layout import Layout
from daq.model.order import OrderRule
from daq.model.packets import Packets
from daq.model.processing import Processing
from daq.model.stop import parse_stop
from daq.readout.ring import Ring
from daq.storage import recording as recording_module
from daq.storage.accounts import Accounts
from daq.storage.derive import Derivation, Rows
from daq.storage.manifest import Manifest
from daq.storage.reader import open_listmode
from daq.storage.recording import Recording
from daq.storage.replaying import Comparison, compare
from daq.storage.writer import ListModeWriter, WriterLimits
from daq.wire.native import Header, NativeFlag, encode
from daq.wire.native_batch import packets_of
from device_profiles.load import load_profile
from device_profiles.schema import InstrumentProfile

SINGLES = load_profile("singles64")
PETLINK = load_profile("siemens-petlink32")
MS = 10**9
TICKS_PER_MS = 40_960_000
EPOCH_TICKS = 1 << 24
RULE = OrderRule(max_disorder_ps=3 * MS, max_step_ps=10_000 * MS)
LIMITS = WriterLimits(batch_bytes=1 << 16, buffers=4, batch_age_s=0.05, sync_period_s=0.01)
_RINGS: list[Ring] = []

Action = tuple[str, Any]
"""What the host does: its name and what it needs."""


@dataclass(frozen=True)
class Script:
    """Packets, where they are cut into calls, and what the host does before packet number so and so."""

    datagrams: list[bytes]
    arrivals_ns: list[int]
    profile: InstrumentProfile = SINGLES
    cuts: frozenset[int] = frozenset()
    actions: dict[int, list[Action]] = field(default_factory=dict)
    stop: str = "end"
    order: OrderRule | None = RULE
    store_raw: bool = True
    processing: Processing | None = None

    def packets(self) -> Packets:
        lengths = np.array([len(datagram) for datagram in self.datagrams], np.int64)
        data = np.frombuffer(b"".join(self.datagrams) or b"-", np.uint8)
        arrivals = np.array(self.arrivals_ns, np.int64)
        return packets_of(data, np.cumsum(lengths) - lengths, lengths, arrivals, self.profile.layout.word_bytes)


@contextmanager
def recorder(folder: Path, script: Script) -> Iterator[Recording]:
    """Yield a recording that is about to begin, sealed afterwards if nobody did."""
    profile = script.profile
    manifest = new_manifest(profile, identity="run", source="test", stop=script.stop, simulated=True)
    with (
        mock.patch.object(recording_module, "ListModeWriter", partial(ListModeWriter, limits=LIMITS)),
        mock.patch.object(recording_module.Accounts, "of", _small_accounts),
        Recording.start(
            folder, manifest, profile.layout, profile.clock, profile.counting_unit, "native",
            stop=parse_stop([script.stop]), store_raw=script.store_raw, order=script.order,
            processing=script.processing,
        ) as recording,
    ):  # fmt: skip
        yield recording


def _small_accounts(layout: Layout, framing: Any, unit: Any) -> Accounts:
    return Accounts(framing, layout.word_bytes, unit, intervals=64, layout=layout)


def record(folder: Path, script: Script, *, shed_at: Sequence[int] = ()) -> Manifest:
    """Record the script; where there are numbers in `shed_at`, shed from one to the next, the last without an end."""
    packets = script.packets()
    places = {0, len(packets), *shed_at, *script.actions, *script.cuts}
    now = 0
    with recorder(folder, script) as recording:
        if shed_at:
            recording.shed_when(lambda: sum(now >= at for at in shed_at) % 2 == 1)
        feeder = Feeder(recording)
        for start, stop in pairwise(sorted(at for at in places if at <= len(packets))):
            now = start
            act(recording, script.actions.get(start, []))
            feeder.feed(packets, start, stop)
        now = len(packets)
        act(recording, script.actions.get(len(packets), []))
        feeder.close()
        if recording.to_rebuild:
            assert recording.rebuild(lambda: True)
        return recording.seal("operator")


class Feeder:
    """Hands packets to a recording in slabs, as the readout does."""

    def __init__(self, recording: Recording) -> None:
        if not _RINGS:
            _RINGS.append(Ring(0))
        self._ring = _RINGS[0]
        self._recording = recording
        self._slab = self._take()

    def feed(self, packets: Packets, start: int, stop: int) -> None:
        """Feed packets `start` to `stop` in one call; every third call ends a slab."""
        begin = self._slab.packets
        for index in range(start, stop):
            self._slab.append(packets, index)
        self._recording.take(self._slab, begin, self._slab.packets)
        if stop % 3 == 0:
            self.close()
            self._slab = self._take()

    def close(self) -> None:
        self._recording.close(self._slab, self._ring.give)

    def _take(self) -> Any:
        slab = self._ring.take(10.0)
        assert slab is not None
        return slab


def act(recording: Recording, actions: Iterable[Action]) -> None:
    """Do to the recording what the host may do."""
    derivation = recording.derivation
    for name, what in actions:
        if name == "flush":
            recording.flush()
        elif name == "mark":
            text, time_ps = what
            recording.note(derivation.mark("operator", text=text, time_ps=time_ps))
        elif name in ("step", "moving step"):
            recording.note(_stepped(derivation, what, moving=name != "step"))
        elif name == "named step":
            called, stop = what
            condition = parse_stop([stop])
            recording.note(derivation.step(condition, f"{called}: {condition}"))
        else:
            others: dict[str, Callable[[], Rows]] = {
                "stop": lambda: derivation.stop_now(what),  # noqa: B023 - called at once
                "whole": lambda: derivation.stop_now("arrived", whole=True),
                "lose": lambda: derivation.motion_lost("the bed stands still"),
                "positions": lambda: derivation.positions(what),  # noqa: B023 - called at once
                "pause": derivation.pause,
                "resume": derivation.resume,
            }
            recording.note(others[name]())


def _stepped(derivation: Derivation, what: str, *, moving: bool) -> Rows:
    condition = parse_stop([what])
    return derivation.step(condition, f"{'a sweep' if moving else 'a step'}: {condition}", moving=moving)


def content(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of a recording but the raw ones; UTC, which no two recordings share, is left out."""
    with open_listmode(folder) as recording:
        found = {
            str(stream): [row for batch in recording.batches(stream) for row in batch.to_pylist()]
            for stream in recording.streams
            if stream != "raw"
        }
    for row in found["marks"]:
        row["value2"] = None if math.isnan(row["value2"]) else row["value2"]
        if row["kind"] == "clock":
            row["value"] = 0
    return found


def replayed_alike(folder: Path) -> Comparison:
    """Replay, and fail with the differences if there are any."""
    with open_listmode(folder) as recording:
        comparison = compare(recording)
    assert comparison.differences == []
    return comparison


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """Yield a folder of its own for an example of a property."""
    with tempfile.TemporaryDirectory(prefix="scandaq-test-") as folder:
        yield Path(folder)


def single(time_ps: int, energy: int) -> list[int]:
    """Return an epoch word and a single of that time (on whole ticks)."""
    ticks = time_ps * 128 // 3125
    epoch, within = divmod(ticks, EPOCH_TICKS)
    return [1 << 63 | epoch, within | energy << 24]


def packet(source: int, first: int, words: list[int], *, flags: int = 0, size: int = 8) -> bytes:
    payload = b"".join(word.to_bytes(size, "little") for word in words)
    return encode(Header(source, flags, len(words), first), payload)


@st.composite
def streams(draw: st.DrawFn, *, jumps: bool = False) -> tuple[list[bytes], list[int]]:
    """Return datagrams of three sources with arrival times: disorder, gaps, doubles, restarts, ends and garbage.

    `jumps`: some events lie far in the future, and some come too late.
    """
    datagrams: list[bytes] = []
    arrivals: list[int] = []
    position = dict.fromkeys(range(3), 0)
    now_ms, energy = 0, 0
    for _ in range(draw(st.integers(1, 25))):
        source = draw(st.integers(0, 2))
        flags = draw(st.sampled_from([0] * 12 + [NativeFlag.START, NativeFlag.HEARTBEAT, NativeFlag.END]))
        now_ms += draw(st.sampled_from([0, 1, 1, 2, 300]))
        words: list[int] = []
        for _ in range(draw(st.integers(0, 4)) if flags not in (2, 4) else 0):
            energy = (energy + 1) % 4000
            behind = draw(st.sampled_from([0, 0, 1, 2, 4] if jumps else [0, 0, 1, 2]))
            ahead = draw(st.sampled_from([0] * 9 + [50_000])) if jumps else 0
            words += single(max(0, now_ms - behind + ahead) * MS, energy)
        first = 0 if flags == NativeFlag.START else position[source] + draw(st.sampled_from([0, 0, 0, 0, 3]))
        position[source] = first + len(words)
        for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2]))):
            datagrams.append(packet(source, first, words, flags=int(flags)))
            arrivals.append(10**15 + now_ms * 10**6 + len(arrivals))
        if draw(st.integers(0, 15)) == 0:
            datagrams.append(b"not a packet")
            arrivals.append(arrivals[-1])
    return datagrams, arrivals


@st.composite
def actions(draw: st.DrawFn, *names: str) -> dict[int, list[Action]]:
    """Return what the host does before which packet."""
    done: dict[int, list[Action]] = {}
    for at in draw(st.lists(st.integers(0, 30), max_size=6)):
        name = draw(st.sampled_from(names))
        what: Any = None
        if name == "mark":
            what = (draw(st.sampled_from(["", "patient moved", "a: b"])), draw(st.none() | st.integers(0, 10**12)))
        elif name in ("step", "moving step"):
            what = draw(st.sampled_from(["end", "singles=3", "time=5ms", "events=2,host=9s"]))
        elif name == "stop":
            what = draw(st.sampled_from(["host", "operator"]))
        done.setdefault(at, []).append((name, what))
    return done
