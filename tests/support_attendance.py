"""A process that starts a readout of several steps and watches over it as the daemon does, to be killed or stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support_simulators import ROOT

from daq.storage.manifest import RecordedStep

WITHIN_S = 2.0
"""For how long each word is good, as the daemon's."""
NEVER_S = 60.0
"""For those who must not be missed by a slow machine."""
_PROGRAM = """
import json, sys, threading, time
from daq import composition
from daq.errors import ScandaqError
from device_profiles.load import load_profile

url, out, within_s, told = sys.argv[1:]
told = json.loads(told)
plan, runtime = composition.plan_recording(
    load_profile("siemens-petlink32"), sources=[url], stop_texts=[told["stop"]], out=out,
    storage=None, store_raw=True, stall_s=60.0, simulated=True,
)
plan = plan.model_copy(update={"start_at_once": False, "single_step": False, "hash_segments": False, **told["plan"]})
readout = composition.start_readout(plan, runtime)


def attend():
    while True:
        try:
            readout.attend(float(within_s))
        except ScandaqError:
            pass
        time.sleep(min(float(within_s) / 10, 0.5))


def until(condition):
    deadline = time.monotonic() + 30.0
    while not condition(readout.status()):
        assert time.monotonic() < deadline, readout.status()
        time.sleep(0.01)


until(lambda status: status["state"] == "armed")
threading.Thread(target=attend, daemon=True).start()
until(lambda status: status["attended"])
for what, *more in told["does"]:
    if what == "start":
        readout.start()
        until(lambda status: status.get("words_recorded", 0) > 0)
    elif what == "ended":
        until(lambda status: status["step_ended_by"] is not None)
    elif what == "step":
        limits, options = more
        readout.step(*limits, **options)
    elif what == "stop":
        readout.stop(by="operator")
    else:
        getattr(readout, what)()
print("ready", flush=True)
time.sleep(60.0)
"""


@contextmanager
def watching(
    url: str, out: Path, does: list[list[Any]], *, stop: str = "time=300ms", within_s: float = WITHIN_S, **plan: Any
) -> Iterator[subprocess.Popen[str]]:
    """Yield the process once it has done all that is told in `does`; `plan` are changes to the readout's plan."""
    told = {"stop": stop, "does": does, "plan": plan}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, url, str(out), str(within_s), json.dumps(told)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", process.communicate(timeout=20.0)[1]
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def fates(steps: list[RecordedStep] | None) -> list[tuple[str, bool, str | None, bool]]:
    """Return name, moving, what ended it and whether it is completed, of each step."""
    return [(step.name, step.moving, step.ended_by, step.completed) for step in steps or ()]
