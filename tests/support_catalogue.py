"""Recordings without rows, whose manifests are real, and databases to catalogue them in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from daq.storage.manifest import MANIFEST, Manifest, Segment, dump_manifest

GOLDEN = Path(__file__).parent / "golden" / "listmode-1.0"
WAIT_S = 60.0


def identity(number: int, day: int = 1) -> str:
    return f"202611{day:02d}T{number // 3600 % 24:02d}{number // 60 % 60:02d}{number % 60:02d}Z-{number:06x}"


def manifest(number: int, day: int = 1, **other: Any) -> Manifest:
    name = identity(number, day)
    second = number % 60
    made: dict[str, Any] = {
        "acquisition_id": name, "state": "sealed", "profile": {"id": "siemens-petlink32"}, "profile_sha256": "0" * 64,
        "created_utc": f"2026-11-{day:02d}T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{second:02d}.000+00:00",
        "sealed_utc": f"2026-11-{day:02d}T23:59:{second:02d}.000000+00:00",
        "source": "udp://192.0.2.7:4000", "ended_by": "time", "duration_ps": 10 * 10**12, "station": "one",
        "protocol": {
            "id": "flood", "version": 3, "state": "signed", "steps": 1, "title": "Daily flood", "toml": "x" * 900,
        },
        "steps": [
            {"number": 1, "name": "flood", "begin_ps": 0, "end_ps": 10**13, "ended_by": "time", "completed": True},
        ],
        "segments": [
            Segment(file=f"{stream}-00000.arrows", stream=stream, index=0, schema_message="A" * 200, rows=rows,
                    batches=3, size_bytes=rows * 20)
            for stream, rows in (("singles", 1000 + number), ("marks", 7))
        ],
        **other,
    }  # fmt: skip
    return Manifest.model_validate(made)


def recording(storage: Path, number: int, day: int = 1, **other: Any) -> Path:
    """Make the directory of a recording as the storage has them; its segment files are not there."""
    directory = storage / f"2026-11-{day:02d}" / identity(number, day)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MANIFEST).write_bytes(dump_manifest(manifest(number, day, **other)))
    return directory


def golden(place: Path) -> Path:
    """Copy a real sealed recording."""
    return Path(shutil.copytree(GOLDEN, place))


class PostgreSQL:
    """A server of one's own, reached by a socket of the file system alone."""

    def __init__(self) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not programs:
            if os.environ.get("CI"):
                pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        self._bin = programs[-1].parent
        self._as_user = self._other_user()
        self.folder = Path(tempfile.mkdtemp(prefix="scandaq-pg-"))
        if self._as_user:
            shutil.chown(self.folder, self._as_user)
        command = ["initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "scandaq", "--no-sync", "-E", "UTF8"]
        subprocess.run(self._command(*command), check=True, capture_output=True, timeout=WAIT_S)
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def _other_user() -> str:
        """Return whom to run as: PostgreSQL refuses root."""
        if os.geteuid():
            return ""
        names = {line.split(":")[0] for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines()}
        return "postgres" if "postgres" in names else "nobody"

    def _command(self, program: str, *arguments: str) -> list[str]:
        group = {"nobody": "nogroup"}.get(self._as_user, self._as_user)
        other = [f"--reuid={self._as_user}", f"--regid={group}", "--clear-groups"] if self._as_user else []
        return ["setpriv", "--pdeathsig=QUIT", *other, str(self._bin / program), *arguments]

    @property
    def url(self) -> str:
        return f"postgresql+pg8000://scandaq@/postgres?unix_sock={self.folder}/.s.PGSQL.5432"

    def start(self) -> None:
        options = ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off", "shared_buffers=16MB")
        command = self._command("postgres", "-D", str(self.folder / "data"), *(f"--{option}" for option in options))
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, start_new_session=True
        )
        deadline = time.monotonic() + WAIT_S
        while not self._answers():
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            assert self._process.poll() is None, "PostgreSQL has ended"
            time.sleep(0.05)

    def _answers(self) -> bool:
        import pg8000.dbapi

        try:
            connection = pg8000.dbapi.connect("scandaq", database="postgres", unix_sock=f"{self.folder}/.s.PGSQL.5432")
        except (pg8000.Error, OSError):
            return False
        connection.close()
        return True

    def stop(self) -> None:
        """End the server at once, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(WAIT_S)

    def freeze(self) -> None:
        """Let the server and what serves its connections stand still."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """Return the server's process and its children."""
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        return [parent, *map(int, children)]

    def remove(self) -> None:
        with suppress(ProcessLookupError):
            self.stop()
        shutil.rmtree(self.folder)
