"""Attacks on the readout: requests, signals and senders that mean no good, or that nobody thought of."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support_readout import manifest_of, pushing, received
from support_recording import replayed_alike

from daq.errors import RefusedError
from daq.readout.control import ask
from daq.readout.plan import CONTROL
from daq.storage.verify import verify


@pytest.mark.parametrize("monotonic_ns", [0, 2**53, 2**62, 2**63 - 1])
def test_a_mark_at_an_impossible_moment_is_refused_or_noted_and_ends_nothing(tmp_path: Path, monotonic_ns: int) -> None:
    with pushing(tmp_path) as (run, front_end):
        front_end.words()
        received(run, 50)
        with suppress(RefusedError):
            ask(run.folder / CONTROL, {"do": "mark", "text": "then", "monotonic_ns": monotonic_ns})
        front_end.words()
        received(run, 100)
        ask(run.folder / CONTROL, {"do": "stop"})
        code = run.finish()

    assert (code, manifest_of(run).ended_by) == (0, "operator")
    assert verify(run.folder / "run").verdict == "ok"
    replayed_alike(run.folder / "run")


SIGNALLED = """
import signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from support_readout import plan_of
from daq.readout.process import Readout

readout = Readout(plan_of(Path("."), "udp://@127.0.0.1:1"))
signals = 0
def handle(*_):
    global signals
    signals += 1
    readout.request_stop()
signal.signal(signal.SIGALRM, handle)
for attempt in range(20000):
    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + attempt % 30))
    while signals <= attempt:
        readout.stop_by("end")
print("through")
"""


def test_a_signal_that_comes_while_the_readout_stops_by_itself_does_not_hang_it() -> None:
    root = Path(__file__).parent.parent.parent
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALLED], cwd=root, timeout=20.0, capture_output=True, text=True, check=False
    )

    assert (ended.stdout, ended.stderr) == ("through\n", "")
