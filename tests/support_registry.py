"""Runtime directories for tests: where they are, and one that is held as by a readout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypedDict

import pytest

from daq.readout import registry
from daq.readout.registry import hold, runtime_directory


class Who(TypedDict):
    acquisition_id: str
    directory: str


WHO: Who = {"acquisition_id": "run-1", "directory": "/data/run-1"}


def only_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the runtime directories of a test are, and nowhere else."""
    (tmp_path / "session").mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "session"))
    place = tmp_path / "session" / "scandaq"
    monkeypatch.setattr(registry, "_places", lambda: [place])
    return place


@contextmanager
def held_runtime() -> Iterator[tuple[Path, BinaryIO]]:
    """Yield a runtime directory, its lock held by this process as by a readout."""
    runtime = runtime_directory()
    with hold(runtime, **WHO) as lock:
        yield runtime, lock
