"""The file that an export makes: it grows under another name, and its SHA-256 lies beside it."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

from daq.storage.files import partial_path

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK_BYTES = 1 << 20


class HashingFile(io.RawIOBase):
    """A file to write to, front to back, that knows the SHA-256 of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._digest = hashlib.sha256()
        self.written = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: object) -> int:
        """Write all of `data`, any buffer; return its size in bytes. Raise `OSError`."""
        view = memoryview(data)  # type: ignore[arg-type]
        self._file.write(view)
        self._digest.update(view)
        self.written += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.written

    def hexdigest(self) -> str:
        """Return the SHA-256 so far, in hex."""
        return self._digest.hexdigest()


def sha256_path(out: Path) -> Path:
    """Return the name of the file with the SHA-256 of `out`."""
    return out.with_name(out.name + ".sha256")


def new_paths(out: Path) -> Path:
    """Return the name under which `out` grows. Raise `RefusedError` where it or its SHA-256 is there already."""
    why_new = "an export never overwrites a file"
    partial = partial_path(out, why_new)
    partial_path(sha256_path(out), why_new)
    return partial


def write_sha256(out: Path, digest: str) -> None:
    """Write what `sha256sum --check` reads beside `out`. Raise `OSError`."""
    with sha256_path(out).open("x", encoding="utf-8") as file:
        file.write(f"{digest}  {out.name}\n")


def sha256_of(path: Path) -> tuple[int, str]:
    """Return size in bytes and SHA-256 of a file, read in pieces. Raise `OSError`."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()
