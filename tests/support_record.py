"""Recordings by `daq record`, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support_cli import call, left_in, processes_with
from support_readout import until

from daq.errors import ScandaqError
from daq.readout.liveview import LiveView

PROFILE = "siemens-petlink32"


def replay_is_equal(directory: Path) -> None:
    replayed = call("listmode", "replay", directory, "--json")
    assert replayed.json["differences"] == []
    assert replayed.code == 0


def rows_in(directory: Path) -> int:
    """Return the size of the events' segment beyond its first page: whether rows are on the disk."""
    path = directory / "coincidences-00000.arrows"
    return max(path.stat().st_size - 4096, 0) if path.is_file() else 0


@contextmanager
def temporary_folder(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder for temporary files, which must be empty afterwards: no command leaves anything behind.

    Its name is short, because those of sockets in it have 107 bytes at most.
    """
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield folder
    until(lambda: not left_in(folder), f"an empty {folder}: {left_in(folder)}")
    assert processes_with(str(tmp_path)) == []


def attached(temporary: Path, views: list[LiveView]) -> bool:
    """Attach to the readout as soon as it has something to show."""
    for control in temporary.glob("scandaq/*/control"):
        with suppress(ScandaqError):
            views.append(LiveView.attach(control))
    return bool(views)
