"""Every single call of the writer to the file system fails once: nothing acknowledged is lost, and somebody says so."""

from __future__ import annotations

import errno
import functools
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daq.errors import ScandaqError
from daq.storage.files import StorageFiles
from daq.storage.manifest import MANIFEST, Manifest
from daq.storage.reader import open_listmode
from daq.storage.recover import recover
from daq.storage.schemas import arrow_schema
from daq.storage.verify import verify
from daq.storage.writer import ListModeWriter, WriterLimits

SCHEMAS = {
    "singles": arrow_schema("singles", ["time_ps"]),
    "coincidences": arrow_schema("coincidences", ["time_ps", "kind"]),
}
LIMITS = WriterLimits(batch_bytes=8192, segment_bytes=24_576, batch_age_s=60, sync_period_s=60, stall_s=5, seal_s=5)
CALLS = (
    "create", "write_at", "datasync", "sync", "preallocate", "truncate", "close", "rename", "make_directory",
    "sync_directory", "reserve", "remove", "free_bytes",
)  # fmt: skip
ROWS = 2_000
MOST_CALLS = 200


class FailingCall(StorageFiles):
    """Raises `code` in call number `n` to the file system and, if `for_good`, in all later ones."""

    def __init__(self, n: int, code: int, *, for_good: bool) -> None:
        self.n, self.code, self.for_good = n, code, for_good
        self.calls = 0
        self.failed: str | None = None
        self._lock = threading.Lock()

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        return functools.partial(self._call, name, method) if name in CALLS else method

    def _call(self, name: str, method: Any, *arguments: Any) -> Any:
        with self._lock:
            number, self.calls = self.calls, self.calls + 1
        if number == self.n or (self.for_good and number > self.n):
            self.failed = self.failed or name
            if name == "close":
                method(*arguments)
            raise OSError(self.code, os.strerror(self.code))
        return method(*arguments)


def record(directory: Path, files: StorageFiles) -> tuple[dict[Any, int], Manifest | None, ScandaqError | None]:
    """Write two streams over several segments; return acknowledged rows, the sealed manifest, the first error."""
    manifest = Manifest(
        acquisition_id="a", state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[]
    )
    writer = ListModeWriter(directory, manifest, SCHEMAS, files=files, limits=LIMITS)
    error: ScandaqError | None = None
    try:
        writer.open()
    except ScandaqError as why:
        return {}, None, why
    try:
        for first in range(0, ROWS, 500):
            times = np.arange(first, first + 500)
            writer.write("singles", {"time_ps": times})
            writer.write("coincidences", {"time_ps": times[:100], "kind": np.zeros(100, np.uint8)})
            writer.flush()
    except ScandaqError as why:
        error = why
    try:
        sealed = writer.seal()
    except ScandaqError as why:
        return writer.acknowledged, None, error or why
    return writer.acknowledged, sealed, error or writer.failure


def open_files(below: Path) -> list[str]:
    links = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of this very listing
            links.append(str(path.readlink()))
    return [link for link in links if link.startswith(str(below))]


def held_against(directory: Path, acknowledged: dict[Any, int], sealed: Manifest | None) -> None:
    with open_listmode(directory, allow_damaged=True) as run:
        for stream, rows in acknowledged.items():
            if rows:
                times = run.table(stream).column("time_ps").to_numpy()
                assert len(times) >= rows
                if stream == "singles":
                    assert (times == np.arange(len(times))).all()
    if sealed is not None:
        assert verify(directory).verdict == "ok"
        return
    assert verify(directory).verdict != "damaged"
    if verify(directory).verdict == "unsealed" and any(acknowledged.values()):
        recover(directory, directory.with_name("saved"))
        saved = verify(directory.with_name("saved"))
        assert saved.verdict == "ok"
        assert all(saved.rows.get(stream, 0) >= rows for stream, rows in acknowledged.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "for_good"),
    [(errno.EIO, False), (errno.EIO, True), (errno.ENOSPC, False)],
    ids=["EIO", "broken", "ENOSPC"],
)
def test_whichever_call_fails_nothing_acknowledged_is_lost_and_nothing_is_left_open(
    tmp_path: Path, code: int, for_good: bool
) -> None:
    for n in range(MOST_CALLS):
        directory = tmp_path / str(n) / "run"
        directory.parent.mkdir()
        files = FailingCall(n, code, for_good=for_good)

        acknowledged, sealed, error = record(directory, files)

        assert [t.name for t in threading.enumerate() if t.name.startswith("listmode")] == [], n
        assert open_files(tmp_path) == [], (n, files.failed)
        assert sealed is not None or error is not None, (n, files.failed)
        if files.failed is None:
            assert error is None
            assert acknowledged == {"singles": ROWS, "coincidences": ROWS // 5}
            return
        if error is None:
            assert code == errno.ENOSPC or files.failed in ("remove", "sync_directory"), files.failed
            assert acknowledged["singles"] == ROWS
        if (directory / MANIFEST).exists():
            held_against(directory, acknowledged, sealed)
        else:
            assert not any(acknowledged.values())
    pytest.fail("the calls never ended")
