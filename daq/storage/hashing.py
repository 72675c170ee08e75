"""SHA-256 of sealed segments, made after the recording at low priority: the manifest's second revision."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import threading
from typing import TYPE_CHECKING

from daq.errors import MissingError, RefusedError, StorageFailedError, VerificationError
from daq.storage.files import StorageFiles
from daq.storage.listing import list_segments, load_manifest
from daq.storage.manifest import MANIFEST, Manifest, Segment, dump_manifest

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
_NICE = 10
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_WHO_PROCESS = 1
_IOPRIO_IDLE = 3 << 13


def hash_segments(directory: Path, *, files: StorageFiles | None = None) -> Manifest:
    """Hash every segment, write the manifest durably with `hashed: true`, and return it. May be called again.

    Works in a thread of low CPU and disk priority, so that the next recording is not disturbed. Raise `MissingError`,
    `RefusedError` for a directory that is not sealed, `FormatError` for a manifest that cannot be believed,
    `VerificationError` when a segment has not its size.
    """
    job = _Job(directory, files or StorageFiles())
    thread = threading.Thread(target=job.run, name="listmode-hash", daemon=True)
    thread.start()
    thread.join()
    if job.error is not None:
        raise job.error
    return job.manifest


class _Job:
    def __init__(self, directory: Path, files: StorageFiles) -> None:
        self._directory = directory
        self._files = files
        self.error: Exception | None = None
        self.manifest = self._read()

    def run(self) -> None:
        lower_priority()
        try:
            hashed = [self._hash(segment) for segment in self.manifest.segments]
            self.manifest = self.manifest.model_copy(update={"segments": hashed, "hashed": True})
            self._files.rename_durably(dump_manifest(self.manifest), self._directory / MANIFEST)
        except FileNotFoundError as why:
            self.error = MissingError(f"{why.filename}: named in the manifest, but not there")
        except OSError as why:
            self.error = StorageFailedError(f"{why.filename or self._directory}: {why.strerror} while hashing")
        except Exception as why:  # noqa: BLE001 - a thread has nobody above it: `hash_segments` raises it
            self.error = why

    def _read(self) -> Manifest:
        manifest = load_manifest(self._directory)
        list_segments(self._directory, manifest)  # refuses names that lead elsewhere
        if manifest.state == "open":
            raise RefusedError(f"{self._directory}: still open, only sealed recordings are hashed")
        return manifest

    def _hash(self, segment: Segment) -> Segment:
        path = self._directory / segment.file
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        size = 0
        with path.open("rb", buffering=0) as file:
            while done := file.readinto(buffer):
                digest.update(buffer[:done])
                os.posix_fadvise(file.fileno(), size, done, os.POSIX_FADV_DONTNEED)
                size += done
        if size != segment.size_bytes:
            raise VerificationError(f"{path}: {size} bytes, the manifest says {segment.size_bytes}")
        return segment.model_copy(update={"sha256": digest.hexdigest()})


def lower_priority() -> None:
    """Lower this thread's priorities as far as the system allows; threads it starts have them, too, on Linux."""
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, _IOPRIO_WHO_PROCESS, thread, _IOPRIO_IDLE)
