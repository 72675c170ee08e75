"""Pull the plug at any instant: what was acknowledged is there. Without the syncs the same test finds losses.

The writer runs for real while a recorder notes every write, sync, truncation and change of a name. A power cut is then
replayed: of what no sync has confirmed, any subset of 4 KiB blocks, sizes and names may have reached the disk. (A
`kill -9` proves nothing of this kind, because the page cache survives it.)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from daq.errors import FormatError
from daq.listmode.blocks import END_OF_STREAM, PAGE, Message, chain, read_message
from daq.model.events import STREAMS, StreamName
from daq.storage.disk import Acknowledged
from daq.storage.files import Handle, StorageFiles
from daq.storage.manifest import MANIFEST, Manifest, parse_manifest
from daq.storage.schemas import arrow_schema
from daq.storage.segment import segment_name
from daq.storage.writer import ListModeWriter, WriterLimits

CUTS = int(os.environ.get("SCANDAQ_POWER_CUTS", "250"))
LIMITS = WriterLimits(
    batch_bytes=24 << 10, batch_age_s=0.01, sync_period_s=0.004, segment_bytes=150 << 10, queue_bytes=64 << 10
)
SCHEMAS = {
    "singles": arrow_schema("singles", ["time_ps", "detector", "late"]),
    "marks": arrow_schema("marks", list(STREAMS["marks"])),
}
News = dict[StreamName, Acknowledged]
Image = dict[str, bytes]


NEVER = 1 << 60


@dataclass
class Step:
    """One write of `data` at `place`, or, without data, a truncation to `place`; `begun` and `done` are times."""

    begun: int
    place: int
    data: bytes | None
    done: int = NEVER


@dataclass
class Inode:
    """A file, whatever its name: what was done to it, and its syncs as (returned, begun)."""

    steps: list[Step] = field(default_factory=list)
    syncs: list[tuple[int, int]] = field(default_factory=list)


class Recorder(StorageFiles):
    """Real files, and a note of each operation. `without` names a sync that is neither done nor noted."""

    def __init__(self, without: str = "") -> None:
        self.without = without
        self.now = 0
        self.inodes: dict[str, Inode] = {}
        self.names: list[tuple[int, str, Inode | None]] = []
        self.name_syncs: list[tuple[int, int]] = []
        self.acknowledged: list[tuple[int, News]] = []
        self.opened = 0
        self._lock = threading.Lock()

    def tick(self) -> int:
        with self._lock:
            self.now += 1
            return self.now

    def create(self, path: Path) -> Handle:
        handle = super().create(path)
        self.inodes[path.name] = Inode()
        self.names.append((self.tick(), path.name, self.inodes[path.name]))
        return handle

    def write_at(self, handle: Handle, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        step = Step(self.tick(), offset, bytes(buffer))
        self.inodes[handle.path.name].steps.append(step)
        super().write_at(handle, offset, buffer)
        step.done = self.tick()

    def truncate(self, handle: Handle, size: int) -> None:
        step = Step(self.tick(), size, None)
        self.inodes[handle.path.name].steps.append(step)
        super().truncate(handle, size)
        step.done = self.tick()

    def datasync(self, handle: Handle) -> None:
        self._note_sync("datasync", self.inodes[handle.path.name].syncs, lambda: super(Recorder, self).datasync(handle))

    def sync(self, handle: Handle) -> None:
        self._note_sync("sync", self.inodes[handle.path.name].syncs, lambda: super(Recorder, self).sync(handle))

    def sync_directory(self, path: Path) -> None:
        self._note_sync("sync_directory", self.name_syncs, lambda: super(Recorder, self).sync_directory(path))

    def _note_sync(self, kind: str, where: list[tuple[int, int]], step: Callable[[], None]) -> None:
        """A sync confirms, from the moment it returns, what was done before it began."""
        if kind == self.without:
            return
        begun = self.tick()
        step()
        where.append((self.tick(), begun))

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        inode = self.inodes[new.name] = self.inodes.pop(old.name)
        now = self.tick()
        self.names += [(now, new.name, inode), (now, old.name, None)]

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.names.append((self.tick(), path.name, None))

    def note(self, news: News) -> None:
        self.acknowledged.append((self.tick(), news))


def confirmed(syncs: list[tuple[int, int]], now: int) -> int:
    """Return the operation up to which everything is on the disk at `now`."""
    return max((begun for done, begun in syncs if done <= now), default=0)


def content_after_cut(inode: Inode, now: int, share: float, rng: np.random.Generator) -> bytes:
    """Return a file's bytes after a cut at `now`: unconfirmed blocks and sizes survive with probability `share`."""
    safe = confirmed(inode.syncs, now)
    content = bytearray()
    for step in sorted(inode.steps, key=lambda step: step.begun):
        if step.begun > now:
            break
        place, data, is_safe = step.place, step.data, step.done < safe
        if data is None:
            if is_safe or rng.random() < share:
                del content[place:]
            continue
        end = place + len(data)
        if is_safe:
            content.extend(bytes(max(0, end - len(content))))
            content[place:end] = data
            continue
        reached = end if rng.random() < share else place + int(rng.integers(0, len(data) + 1))
        content.extend(bytes(max(0, reached - len(content))) if rng.random() < share else b"")
        for start in range(place, end, PAGE):
            stop = min(start + PAGE, end, len(content))
            if start < stop and rng.random() < share:
                content[start:stop] = data[start - place : stop - place]
    return bytes(content)


def after_power_cut(record: Recorder, now: int, rng: np.random.Generator) -> Image:
    """Return the directory as it may be found after a cut at operation `now`: name -> bytes."""
    share = float(rng.choice([0.0, 0.3, 0.7, 1.0]))
    safe = confirmed(record.name_syncs, now)
    names: dict[str, Inode] = {}
    for at, name, inode in record.names:
        if at > now or (at >= safe and rng.random() >= share):
            continue
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode
    return {name: content_after_cut(inode, now, share, rng) for name, inode in names.items()}


def messages(data: bytes) -> tuple[list[Message], bytes]:
    found, at, view = [], 0, memoryview(data)
    while isinstance(message := read_message(view, at), Message):
        found.append(message)
        at = message.end
    return found, data[at:]


def lost(image: Image, promised: News) -> list[str]:
    """Return in words what was promised and is not in `image`."""
    problems = []
    for stream, state in promised.items():
        rows = 0
        for index in range(state.segment + 1):
            found, _ = messages(image.get(segment_name(stream, index), b""))
            batches = [m.facts for m in found if not m.is_schema]
            if any(facts["first_row"] != rows + sum(f["rows"] for f in batches[:i]) for i, facts in enumerate(batches)):
                problems.append(f"{stream} {index}: rows are not consecutive")
            rows += sum(facts["rows"] for facts in batches)
        end = found[-1].end if found else 0
        if rows < state.rows or len(batches) < state.batches or end < state.bytes:
            problems.append(f"{stream}: {rows} rows of {state.rows}, {end} bytes of {state.bytes} acknowledged")
    return problems


def manifest_problems(image: Image, *, opened: bool) -> list[str]:
    """Return what is wrong with the manifest, and with the segments if it says that they are sealed."""
    if MANIFEST not in image:
        return ["no manifest"] if opened else []
    try:
        manifest = parse_manifest(image[MANIFEST], MANIFEST)
    except FormatError as why:
        return [str(why)]
    if manifest.state != "sealed":
        return []
    problems = []
    for segment in manifest.segments:
        data = image.get(segment.file, b"")
        found, tail = messages(data)
        so_far = 0
        for message in found:
            so_far = chain(so_far, message.crc32)
        if (len(data), tail, f"{so_far:08x}") != (segment.size_bytes, END_OF_STREAM, segment.crc_chain):
            problems.append(f"{segment.file}: sealed, but {len(data)} of {segment.size_bytes} bytes, tail {tail[:8]!r}")
    return problems


def record_a_run(directory: Path, without: str = "") -> Recorder:
    record = Recorder(without)
    manifest = Manifest(
        acquisition_id="cut", state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[]
    )
    writer = ListModeWriter(
        directory, manifest, SCHEMAS, files=record, limits=LIMITS, on_acknowledged=record.note
    ).open()  # fmt: skip
    record.opened = record.now
    rng = np.random.default_rng(7)
    first = 0
    for _ in range(90):
        rows = int(rng.integers(1, 1500))
        number = np.arange(first, first + rows)
        writer.write("singles", {"time_ps": number, "detector": number.astype(np.uint32), "late": number % 2 == 0})
        mark = {"time_ps": [first], "kind": ["clock"], "source": [0], "value": [0], "value2": [0.0], "text": ["t"]}
        writer.write("marks", mark)
        first += rows
        time.sleep(0.001)
    writer.seal()
    return record


def problems_after_cuts(record: Recorder, cuts: int) -> list[str]:
    rng = np.random.default_rng(11)
    problems = []
    for now in rng.integers(0, record.now + 1, cuts).tolist():
        image = after_power_cut(record, now, rng)
        promised: News = {}
        for at, news in record.acknowledged:
            if at <= now:
                promised |= news
        found = lost(image, promised) + manifest_problems(image, opened=now >= record.opened)
        problems += [f"cut at {now} of {record.now}: {problem}" for problem in found]
    return problems


def test_nothing_acknowledged_is_lost_by_a_power_cut(tmp_path: Path) -> None:
    record = record_a_run(tmp_path / "run")

    assert len(record.acknowledged) > 20
    assert max(news["singles"].segment for _, news in record.acknowledged if "singles" in news) >= 3
    assert problems_after_cuts(record, CUTS) == []


@pytest.mark.parametrize("without", ["datasync", "sync", "sync_directory"])
def test_the_power_cut_finds_losses_when_a_sync_is_missing(tmp_path: Path, without: str) -> None:
    record = record_a_run(tmp_path / "run", without)

    assert problems_after_cuts(record, CUTS)


def test_the_replay_of_a_finished_run_is_the_directory(tmp_path: Path) -> None:
    record = record_a_run(tmp_path / "run")

    image = after_power_cut(record, record.now, np.random.default_rng(3))

    on_disk = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert image == on_disk
