"""Pages of the documentation as things to run: their fenced blocks, and their commands executed for real."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```([a-z]+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WAIT_S = 60.0
END_S = 10.0
PORT_IN_PAGES = "4000"

VOLATILE = (
    re.compile(r"^  (started|sealed|size) "),
    re.compile(r"^  (raw|marks) +[0-9,]+$"),
    re.compile(r"^(marks|raw): "),
)
"""Lines whose digits depend on the clock or on how the network cut the words into packets."""


@dataclass(frozen=True)
class Block:
    """A fenced block: `language`, the word after it (a file name, `simulator`, `varies`, or nothing), its text."""

    language: str
    about: str
    text: str


@dataclass(frozen=True)
class Step:
    """A command of a console block with the output that the page shows for it."""

    command: str
    shown: tuple[str, ...]
    about: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [Block(*(part or "" for part in found.groups())) for found in FENCE.finditer(page)]


def steps(block: Block) -> list[Step]:
    """Return the commands of a console block, each with the lines below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return [Step(command, tuple(shown), block.about) for command, shown in found]


def commands(page: str) -> Iterator[str]:
    """Yield every command line of a page's console and shell blocks."""
    for block in blocks(page):
        if block.language == "console":
            yield from (step.command for step in steps(block))
        elif block.language == "sh":
            joined = block.text.replace("\\\n", " ")
            yield from (line for line in joined.splitlines() if line.strip() and not line.startswith("#"))


def free_port() -> int:
    """Return a port that is free for both TCP and UDP."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


def environment() -> dict[str, str]:
    """Return an environment in which `daq` and `python` are those of the running interpreter."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "120"}


class Reader:
    """Somebody who follows a page in a folder of their own: writes its files, runs its commands."""

    def __init__(self, folder: Path, page: Path) -> None:
        self.folder = folder
        self.page = re.sub(rf"\b{PORT_IN_PAGES}\b", str(free_port()), page.read_text(encoding="utf-8"))
        self.transcript: list[tuple[Step, str, int]] = []
        self.ended: list[int | None] = []

    def follow(self, *, stop: bool = False) -> None:
        """Do everything the page says, in order; `ended` then holds the simulators' exit codes, None: had to be killed.

        `stop`: they do not end by themselves; SIGTERM ends them, and a daemon, the last one first.

        Raise `AssertionError` where a simulator does not start.
        """
        running: list[subprocess.Popen[str]] = []
        try:
            for block in blocks(self.page):
                if block.language in ("toml", "python") and block.about:
                    with (self.folder / block.about).open("a", encoding="utf-8") as file:
                        file.write(block.text + "\n")
                elif block.about == "simulator":
                    running.append(self._start(steps(block)[0]))
                elif block.about == "daemon":
                    running.append(self._serve(steps(block)[0]))
                elif block.language == "console":
                    self.transcript += [self._run(step) for step in steps(block)]
            if stop:
                self.ended = [_stopped(process) for process in reversed(running)]
            else:
                self.ended = [_end_of(process) for process in running]
        finally:
            for process in running:
                process.kill()
                process.communicate()

    def _start(self, step: Step) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            shlex.split(step.command), cwd=self.folder, env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        line = process.stdout.readline() if process.stdout else ""
        self.transcript.append((step, line, 0))
        assert line.startswith('{"ready": true'), line
        return process

    def _serve(self, step: Step) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            shlex.split(step.command), cwd=self.folder, env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        said = ""
        for line in process.stderr or ():
            said += line
            if "serves at" in line:
                return process
        raise AssertionError(said)

    def _run(self, step: Step) -> tuple[Step, str, int]:
        done = subprocess.run(
            ["/bin/bash", "-c", step.command], cwd=self.folder, env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        return step, done.stdout, done.returncode


def _stopped(process: subprocess.Popen[str]) -> int | None:
    process.terminate()
    return _end_of(process)


def _end_of(process: subprocess.Popen[str]) -> int | None:
    try:
        return process.wait(END_S)
    except subprocess.TimeoutExpired:
        return None


def masked(line: str, *, everything: bool) -> str:
    """Return the line with digits, hex digests and widths of columns made alike where they may vary."""
    if everything or any(pattern.match(line) for pattern in VOLATILE):
        line = re.sub(r"\b[0-9a-f]{8,64}\b", "H", line)
        line = re.sub(r"[0-9][0-9,.]*", "0", line)
    return re.sub(r" +", " ", re.sub(r"-{2,}", "-", line)).strip()


def missing_lines(step: Step, printed: str) -> list[str]:
    """Return the lines that the page shows and the command did not print, in this order; `...` stands for any lines.

    A shown line that ends in `...` need only begin so. Without `...` every printed line must be shown.
    """
    everything = step.about == "varies"
    actual = [masked(line, everything=everything) for line in printed.splitlines()]
    missing, at, skipping = [], 0, False
    for line in step.shown:
        if line.strip() == "...":
            skipping = True
            continue
        wanted = masked(line.removesuffix("..."), everything=everything)
        last = len(actual) if skipping else min(at + 1, len(actual))
        found = next((i for i in range(at, last) if _fits(actual[i], wanted, prefix=line.endswith("..."))), None)
        if found is None:
            missing.append(line)
        else:
            at, skipping = found + 1, False
    return missing if missing or skipping else [f"(not on the page) {line}" for line in actual[at:]]


def _fits(actual: str, wanted: str, *, prefix: bool) -> bool:
    return actual.startswith(wanted) if prefix else actual == wanted
