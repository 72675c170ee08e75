"""Tiled, which is not ours, reads the documents of a run, by the program of the how-to page.

It needs an environment of its own, of a hundred packages: set SCANDAQ_TILED to its interpreter, or wait for pip.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support_documents import RUN, Recorder, progress, reading, status
from support_pages import ROOT, blocks

from daq.storage.listing import load_manifest
from daq.storage.manifest import Manifest

PAGE = (ROOT / "docs" / "how-to" / "put-runs-into-tiled.md").read_text(encoding="utf-8")
INSTALL_S = 900.0
READ_S = 120.0


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment that has Tiled, made as the page says."""
    if os.environ.get("SCANDAQ_TILED"):
        return Path(os.environ["SCANDAQ_TILED"])
    folder = tmp_path_factory.mktemp("tiled")
    install = next(block.text for block in blocks(PAGE) if "pip install" in block.text).replace(
        "python3", sys.executable
    )
    subprocess.run(["/bin/bash", "-ec", install], cwd=folder, check=True, timeout=INSTALL_S)
    return folder / "tiled" / "bin" / "python"


async def recorded(directory: Path) -> Manifest:
    """Copy the frozen sample to `directory` and put the documents of a run beside it."""
    shutil.copytree(ROOT / "tests" / "golden" / "listmode-1.0", directory)
    manifest, recorder = load_manifest(directory), Recorder()
    with recorder.run(directory) as run:
        run.open()
        recorder.say(status("acquiring"), reading(813.0), progress(0.5))
        run.step(1, "ANT", "begin")
        recorder.say(reading(None, quality="comm_fail"))
        run.step(1, "ANT", "end", ended_by="events", recorded_events=24)
        run.files(manifest)
        await run.close("success", "events")
    return manifest


@pytest.mark.soak
@pytest.mark.timeout(INSTALL_S + READ_S)
def test_tiled_serves_events_and_list_mode_rows(tmp_path: Path, tiled: Path) -> None:
    manifest = asyncio.run(recorded(tmp_path / "run"))
    (program,) = [block for block in blocks(PAGE) if block.about == "into_tiled.py"]
    (tmp_path / "into_tiled.py").write_text(program.text)

    done = subprocess.run(
        [str(tiled), "-W", "ignore", "into_tiled.py", "run"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, timeout=READ_S, check=False,
    )  # fmt: skip

    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{RUN} success\n")
    rows = {(f"listmode_{segment.stream}", str(segment.rows)) for segment in manifest.segments}
    assert set(re.findall(r"^(listmode_\w+) (\d+) rows of", done.stdout, re.MULTILINE)) == rows
    assert re.search(r"hv1_voltage +\(time\) float64 .*813\.0 nan", done.stdout)
    assert re.search(r"step_boundary +\(time\) .*'begin' 'end'", done.stdout)
