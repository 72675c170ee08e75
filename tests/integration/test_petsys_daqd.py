"""The vendor's unmodified `daqd` and `write_raw` take data from our front end: same frames, same words.

SCANDAQ_PETSYS_DAQD names a folder with the two programs; root is needed for a network with the front end's address.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daq.model import tofpet2 as t
from simulators.petsys.encoding import Words, encode
from simulators.petsys.loop import Content, Loop, State
from simulators.petsys.singles import poisson_singles

ROOT = Path(__file__).parents[2]
RAW_HEADER_WORDS = 8
SPEED = 0.05
"""So slow that daqd's socket buffer, which it leaves as it is, outlasts 0.2 s without a turn on a busy machine."""
ASICS = 16


@pytest.fixture(scope="module")
def programs() -> Path:
    folder = os.environ.get("SCANDAQ_PETSYS_DAQD")
    if not folder:
        pytest.skip(
            "the vendor's daqd is built by hand (docs/how-to/check-with-the-vendors-daqd.md): set SCANDAQ_PETSYS_DAQD"
        )
    if os.geteuid() != 0:
        pytest.skip("the vendor's daqd has one fixed address, for which root makes a network namespace: run as root")
    return Path(folder)


def frames_of(path: Path) -> dict[int, Words]:
    """Return the events of the frames in a `.rawf`, by frame id; marks of lost stretches are left out."""
    words = np.fromfile(path, "<u8")
    assert int(words[0]) & 0xFFFFFFFF == t.CLOCK_HZ
    frames: dict[int, Words] = {}
    at = RAW_HEADER_WORDS
    while at < len(words):
        first, second = int(words[at]), int(words[at + 1])
        size = first >> t.SIZE_SHIFT & t.SIZE_MASK
        if not second >> t.LOST_SHIFT & t.LOST_MASK:
            assert first & t.FRAME_ID_MASK not in frames
            frames[first & t.FRAME_ID_MASK] = words[at + t.HEADER_WORDS : at + size]
        at += size
    assert at == len(words)
    return frames


def recorded(programs: Path, output: Path, last_frame: int, *options: object) -> dict[str, Any]:
    """Let daqd and write_raw take data up to a frame; return what they and the simulator say."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "support_daqd.py", programs, output, str(last_frame), "--"]
        + [str(option) for option in (*options, "--asics", ASICS, "--speed", SPEED, "--seed", 5)],
        capture_output=True, text=True, cwd=ROOT, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("rate", "seconds"), [(20_000.0, 0.5), (1_000_000.0, 0.5), (4_000_000.0, 0.1)])
def test_the_vendors_readout_writes_every_event_that_the_front_end_sent(
    programs: Path, tmp_path: Path, rate: float, seconds: float
) -> None:
    frames = round(seconds * t.CLOCK_HZ / t.FRAME_CLOCKS)

    said = recorded(programs, tmp_path, frames, "--rate", rate, "--seconds", seconds)
    truth, written = said["truth"], said["write_raw"]
    singles = poisson_singles(rate, ASICS * t.CHANNELS_PER_CHIP, frames * t.FRAME_PS, 5)
    sent: Loop = Content(encode(singles, 0), 0, 183, 5).loop(State((1 << ASICS) - 1))
    found = frames_of(tmp_path / "run.rawf")

    assert written["frames_lost"] == 0, "daqd was too slow; more idle cores or a lower SPEED help"
    assert truth["complete"]
    assert written["events"] == truth["events"] == sum(map(len, found.values())) == len(singles.time_ps)
    for frame in range(frames):
        np.testing.assert_array_equal(found.get(frame, []), sent.events_between(frame, frame + 1))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_vendors_readout_misses_the_frames_that_the_front_end_lost_and_no_others(
    programs: Path, tmp_path: Path
) -> None:
    seconds = 0.3
    frames = round(seconds * t.CLOCK_HZ / t.FRAME_CLOCKS)
    faults = ("--fault", f"loss:share=0.01,from_s=0.01,until_s={seconds}")

    said = recorded(programs, tmp_path, frames + 100, "--rate", 1e6, "--seconds", seconds, *faults)

    injected, written = said["truth"]["injected"], said["write_raw"]
    assert injected["loss_frames"] > 500
    assert written["frames_lost"] == injected["loss_frames"]
    assert written["events"] == said["truth"]["events"] - injected["loss_events"]
