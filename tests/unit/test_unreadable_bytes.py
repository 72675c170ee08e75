"""A disk that gives an error instead of bytes: that costs the batches there, not the process.

A map that reaches past the end of its file behaves as one over a bad sector: a look there is a SIGBUS. Each test runs
in a process of its own, for without care it dies.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from support_listmode import make_directory, six_batches

from daq.listmode.blocks import PAGE

LONGER = """
import mmap, pathlib, sys
from daq.storage import mapping, segmentreader
directory, size = pathlib.Path(sys.argv[1]), int(sys.argv[2])
real = mapping.map_file
def longer(path):
    pages = real(path)  # what the file had when it was mapped; its end is gone since
    if path.name.startswith("coincidences"):
        with path.open("r+b") as file:
            file.truncate(min(size, path.stat().st_size))
    return pages
mapping.map_file = segmentreader.map_file = longer
"""
VERIFY = """
from daq.storage.verify import verify
report = verify(directory)
print(report.verdict, report.rows["coincidences"])
"""
READ = """
from daq.storage.reader import open_listmode
with open_listmode(directory, allow_damaged=True) as run:
    print("read", run.table("coincidences").num_rows)
"""
RECOVER = """
from daq.storage.recover import recover
recover(directory, directory.with_name("saved"))
from daq.storage.verify import verify
print("saved", verify(directory.with_name("saved")).rows["coincidences"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("use", "said", "manifest"),
    [
        (VERIFY, "damaged 30", True),
        (VERIFY, "damaged 30", False),
        (READ, "read 30", True),
        (RECOVER, "saved 30", True),
        (RECOVER, "saved 30", False),
    ],
)
def test_bytes_that_cannot_be_read_cost_their_batches_alone(
    tmp_path: Path, use: str, said: str, manifest: bool
) -> None:
    made = six_batches()
    directory = make_directory(tmp_path / "run", [made])
    if not manifest:
        (directory / "manifest.json").unlink()
    size = made.messages[3][1] // PAGE * PAGE

    done = subprocess.run(
        [sys.executable, "-c", LONGER + use, str(directory), str(size)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == said
