"""What the disk under a storage folder can do: room, kind of file system, direct writing, durable rate.

Measured with the writer's own calls: a file of 64 MiB in blocks of 4 MiB, made durable every 16 MiB, then removed.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daq.model.host import HostFinding, Verdict
from daq.storage.files import StorageFiles, aligned_buffer
from daq.storage.space import KEPT_FREE_BYTES

BLOCK_BYTES = 4 << 20
SYNC_BYTES = 16 << 20
PROBE_BYTES = 64 << 20
MOST_S = 5.0
"""A disk so slow that the probe takes longer is judged by what it wrote until then."""
WANT_FREE_S = 600.0
SLOW_SYNC_MS = 250.0
_STATE_BYTES = 1.05
"""What raw data take on the disk for each byte of words: columns of each packet, padding."""
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs")
_VOLATILE = ("tmpfs", "ramfs")


@dataclass(frozen=True, slots=True)
class DiskProbe:
    """How the disk took the probe. Rates are durable ones, syncs included; `trouble` says why nothing was written."""

    written_bytes: int = 0
    seconds: float = 0.0
    direct: bool = False
    worst_sync_ms: float = 0.0
    worst_write_ms: float = 0.0
    trouble: str = ""

    @property
    def rate_bytes_per_s(self) -> float:
        """Return durable bytes per second."""
        return self.written_bytes / self.seconds if self.seconds else 0.0


def existing_parent(path: Path) -> Path:
    """Return `path` or its nearest parent that exists."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())


def probe_disk(folder: Path, *, files: StorageFiles | None = None) -> DiskProbe:
    """Write, sync and remove a file in `folder`. Never raises for the disk: `trouble` has its words."""
    files = files or StorageFiles()
    path = folder / f".scandaq-doctor-{secrets.token_hex(4)}"
    try:
        return _probed(files, path)
    except OSError as why:
        return DiskProbe(trouble=why.strerror or str(why))
    finally:
        with suppress(OSError):
            files.remove(path)


def _probed(files: StorageFiles, path: Path) -> DiskProbe:
    buffer = aligned_buffer(BLOCK_BYTES)
    buffer[:] = os.urandom(BLOCK_BYTES)  # nothing that a compressing disk could shorten
    handle = files.create(path)
    writes, syncs, written = [0.0], [0.0], 0
    try:
        began = time.perf_counter()
        while written < PROBE_BYTES and time.perf_counter() - began < MOST_S:
            writes.append(_timed_ms(lambda at=written: files.write_at(handle, at, buffer)))
            written += BLOCK_BYTES
            if written % SYNC_BYTES == 0:
                syncs.append(_timed_ms(lambda: files.datasync(handle)))
        syncs.append(_timed_ms(lambda: files.sync(handle)))
        seconds = time.perf_counter() - began
    finally:
        files.close(handle)
    return DiskProbe(written, seconds, handle.direct, max(syncs), max(writes))


def _timed_ms(call: object) -> float:
    began = time.perf_counter()
    call()  # type: ignore[operator]
    return (time.perf_counter() - began) * 1000


def disk_findings(
    storage: Path, rate_bytes_per_s: float, *, measure: bool = True, root: Path = Path("/"),
    files: StorageFiles | None = None,
) -> list[HostFinding]:  # fmt: skip
    """Return what the disk of `storage`, which need not exist yet, does at a rate of raw bytes."""
    files = files or StorageFiles()
    folder = existing_parent(storage)
    findings = [_free(files, folder, rate_bytes_per_s), _file_system(folder, root)]
    if not measure:
        return findings
    probe = probe_disk(folder, files=files)
    if probe.trouble:
        return [*findings, _unwritable(folder, probe.trouble)]
    return [*findings, _direct(probe), _rate(probe, rate_bytes_per_s), _sync(probe)]


def _free(files: StorageFiles, folder: Path, rate_bytes_per_s: float) -> HostFinding:
    mend = "free room there, or record elsewhere with --storage"
    try:
        free = files.free_bytes(folder)
    except OSError as why:
        value = why.strerror or str(why)
        return HostFinding("storage_free", f"room at {folder}", value, "to be read", "bad", mend, impossible=True)
    need = int(WANT_FREE_S * rate_bytes_per_s * _STATE_BYTES)
    none = free < KEPT_FREE_BYTES
    verdict: Verdict = "bad" if none else "good" if free >= need else "limits"
    held_s = max(0, free - KEPT_FREE_BYTES) / (rate_bytes_per_s * _STATE_BYTES)
    return HostFinding(
        "storage_free",
        f"room at {folder}",
        f"{free / 1e9:.1f} GB, {held_s / 60:.0f} min of raw data",
        f"{need / 1e9:.0f} GB, {WANT_FREE_S / 60:.0f} min",
        verdict,
        "" if verdict == "good" else mend,
        {"path": str(folder), "free_bytes": free, "wanted_bytes": need, "holds_s": round(held_s)},
        impossible=none,
    )


def _file_system(folder: Path, root: Path) -> HostFinding:
    kind = file_system_of(folder, root)
    mend = ""
    if kind in _VOLATILE:
        mend = "this is memory: recordings are gone with the power; use a disk"
    elif kind in _NETWORK:
        mend = "record on a local disk and copy afterwards: a network's pause is a pause of the writer"
    return HostFinding(
        "storage_filesystem", "file system", kind or "unknown", "a local disk", "limits" if mend else "good", mend,
        {"filesystem": kind or None},
    )  # fmt: skip


def file_system_of(folder: Path, root: Path = Path("/")) -> str:
    """Return the type of the file system that `folder` is on; empty where the mount table does not tell."""
    try:
        lines = (root / "proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for fields in (line.split() for line in lines):
        place = Path(fields[1].replace("\\040", " "))
        if folder.absolute().is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), fields[2]
    return kind


def _unwritable(folder: Path, trouble: str) -> HostFinding:
    mend = f"let this user write to {folder}, or record elsewhere with --storage"
    return HostFinding("storage_write", f"writing to {folder}", trouble, "possible", "bad", mend, impossible=True)


def _direct(probe: DiskProbe) -> HostFinding:
    value = "works" if probe.direct else "refused by the file system"
    mend = (
        "" if probe.direct else "ext4, xfs and btrfs take it; buffered writing costs five to thirty times the CPU time"
    )
    return HostFinding(
        "storage_direct", "O_DIRECT", value, "works", "good" if probe.direct else "limits", mend,
        {"works": probe.direct},
    )  # fmt: skip


def _rate(probe: DiskProbe, rate_bytes_per_s: float) -> HostFinding:
    need = rate_bytes_per_s * _STATE_BYTES
    rate = probe.rate_bytes_per_s
    verdict: Verdict = "good" if rate >= 2 * need else "limits" if rate >= need else "bad"
    return HostFinding(
        "storage_rate",
        "durable writing",
        f"{rate / 1e6:.0f} MB/s",
        f"{2 * need / 1e6:.0f} MB/s, twice the raw data",
        verdict,
        "" if verdict == "good" else "a faster disk, nothing else writing to it, or a lower rate",
        {
            "bytes_per_s": round(rate), "needed_bytes_per_s": round(need), "written_bytes": probe.written_bytes,
            "worst_write_ms": round(probe.worst_write_ms, 3),
        },
    )  # fmt: skip


def _sync(probe: DiskProbe) -> HostFinding:
    slow = probe.worst_sync_ms > SLOW_SYNC_MS
    return HostFinding(
        "storage_sync",
        "slowest sync of it",
        f"{probe.worst_sync_ms:.1f} ms",
        f"{SLOW_SYNC_MS:.0f} ms, the cadence of syncs",
        "limits" if slow else "good",
        "what was acknowledged stays behind by as much; a disk with power-loss protection syncs in a millisecond"
        if slow
        else "",
        {"worst_sync_ms": round(probe.worst_sync_ms, 3)},
    )
