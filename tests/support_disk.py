"""A small file system of its own: ext4 in a file, mounted on a loop device. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE_BYTES = 24 << 20


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def unavailable() -> str:
    """Return why no file system can be mounted here, or nothing."""
    if os.geteuid() != 0:
        return "only root may mount a disk that fills up: run as root"
    missing = [tool for tool in ("mkfs.ext4", "mount", "umount") if shutil.which(tool) is None]
    return f"not installed: {', '.join(missing)}: apt-get install e2fsprogs mount" if missing else ""


@contextmanager
def mounted(tmp_path: Path, size_bytes: int = SIZE_BYTES) -> Iterator[Path]:
    """Yield a freshly mounted file system, of 24 MiB; nothing stays mounted. Where that cannot be: skip, in CI fail."""
    why = unavailable()
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(size_bytes)
    place.mkdir()
    run("mkfs.ext4", "-q", "-m", "0", str(image))
    command = (str(shutil.which("mount")), "-o", "loop", str(image), str(place))
    mount = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    if mount.returncode and not os.environ.get("CI"):
        pytest.skip(
            f"this machine lets not even root mount (a container?), run on one that does: {mount.stderr.strip()}"
        )
    assert mount.returncode == 0, mount.stderr
    try:
        yield place
    finally:
        run("umount", "--lazy", str(place))  # also where a test that failed still has a file open


def fill(place: Path) -> Path:
    """Fill a file system to the last block; return the file that does it."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 4096):
            with pytest.raises(OSError, match="No space left"):
                write_until_refused(file.fileno(), size)
    return ballast


def write_until_refused(fd: int, size: int) -> None:
    while True:
        os.write(fd, bytes(size))
        os.fsync(fd)
