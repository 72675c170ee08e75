"""The command line as a person or a program uses it: a process, its exit code, what it says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daq.cli.main import main

WAIT_S = 60.0
PETLINK_WORDS = 20 * 51


@dataclass(frozen=True)
class Done:
    """A finished command. Whatever happened, nobody is shown a traceback."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.out))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "daq", *map(str, arguments)]


def done(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=WAIT_S)
    assert "Traceback" not in err, err
    return Done(process.returncode, out, err)


def call(*arguments: object) -> Done:
    """Run `daq` within this process, which is fast and says everything but how it starts."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def daq(*arguments: object, cwd: Path | None = None, temporary: Path | None = None) -> Done:
    """Run `daq` to its end; `temporary` is its folder for temporary files and runtime directories."""
    with started(*arguments, cwd=cwd, temporary=temporary) as process:
        return done(process)


@contextmanager
def started(
    *arguments: object, cwd: Path | None = None, temporary: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run `daq` in a session of its own, so that signals of tests reach it alone; kill what is left."""
    folders = {"TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(temporary)} if temporary else {}
    environment = {**os.environ, **folders}
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def left_in(folder: Path) -> list[Path]:
    """Return what commands have left in their folder for temporary files and runtime directories."""
    return [path for path in folder.rglob("*") if path != folder / "scandaq"]


def processes_with(text: str) -> list[int]:
    """Return the processes whose command line holds `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in line:
                found.append(int(entry.name))
    return found


def petlink_file(path: Path, *, milliseconds: int = 20, each: int = 50) -> bytes:
    """Write and return PETLINK words: every millisecond a time word, then prompts, every fifth a delayed."""
    words = []
    for ms in range(milliseconds):
        words.append(0x8000_0000 | ms)
        words += [(0 if n % 5 == 4 else 0x4000_0000) | (ms * each + n) for n in range(each)]
    data = b"".join(word.to_bytes(4, "little") for word in words)
    path.write_bytes(data)
    return data
