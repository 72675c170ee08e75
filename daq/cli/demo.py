"""`daq demo`: a simulated front end, recorded by the readout, verified. Leaves nothing running."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SECONDS = 10
_READY_S = 60.0
_END_S = 10.0

DEMOS = {
    "pet": (
        "siemens-petlink32",
        ["--mix", "prompt=0.8,delayed=0.2"],
        200_000,
        "PET coincidences, PETLINK 32-bit words",
    ),
    "gamma": ("head-xye64", [], 100_000, "gamma-camera events with position and energy, 64-bit words"),
}
"""Per kind: profile, options of the simulator, events per second, what a person is told."""


def add_parser(nouns: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = nouns.add_parser("demo", help="record ten seconds of a simulated detector and verify the recording")
    parser.add_argument("kind", nargs="?", choices=sorted(DEMOS), default="pet")
    parser.add_argument("--out", metavar="DIR", help="the directory to write; it must not exist or be empty")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Simulate, record, verify; 0 when the recording is whole and the ledger balances."""
    from daq import composition
    from daq.cli.output import grouped, print_json, print_line, print_table, say
    from daq.cli.record import follow
    from daq.readout.plan import parse_source
    from daq.storage.verify import verify
    from device_profiles.load import load_profile

    name, simulator_options, rate, story = DEMOS[options.kind]
    profile = load_profile(name)
    say(f"simulating {story}: {grouped(rate)} per second for {_SECONDS} s")
    with simulator(name, rate, simulator_options) as url:
        plan, runtime = composition.plan_recording(
            profile, source_url=url, source=parse_source(url), stop_texts=["end"],
            out=options.out, storage=None, store_raw=True, stall_s=10.0, simulated=True,
        )  # fmt: skip
        status = follow(plan, runtime, quiet=options.json)
    directory = _shown(Path(plan.directory))
    report = verify(Path(plan.directory))
    ledger = _ledger(Path(plan.directory))
    good = report.verdict == "ok" and ledger["balanced"] is True
    if options.json:
        print_json({"directory": plan.directory, "verdict": report.verdict, "counts": status["counts_live"],
                    "duration_ps": status["duration_ps"], "ledger": ledger, "good": good})  # fmt: skip
        return 0 if good else 6
    sources = ledger["sources"]
    print_table(
        "",
        ["what", "value"],
        [
            ["events", grouped(status["counts_live"]["events"])],
            ["detector time", f"{status['duration_ps'] / 1e12:.3f} s"],
            ["words sent, by the front end's counter", grouped(sum(s["sent"] or 0 for s in sources))],
            ["words missing", grouped(sum(s["gap"] for s in sources))],
            ["words durable", grouped(sum(s["recorded"] for s in sources))],
            ["ledger", "balanced" if ledger["balanced"] else "NOT BALANCED"],
            ["checksums of all batches", report.verdict],
        ],
    )
    print_line()
    print_line(f"The recording is in {directory}. Three commands to try next:")
    print_line(f"  .venv/bin/daq listmode info {directory}")
    print_line(f"  .venv/bin/daq listmode replay {directory}")
    print_line(f"  .venv/bin/daq listmode export {directory} --to parquet --out events.parquet")
    return 0 if good else 6


@contextmanager
def simulator(profile: str, rate: int, options: list[str]) -> Iterator[str]:
    """Run a Poisson simulator as a process of its own and yield its UDP address; end it on every way out."""
    from daq.errors import DeadlineError, UnreachableError

    command = [
        *(sys.executable, "-m", "simulators", "poisson", "--profile", profile),
        *("--rate", str(rate), "--seconds", str(_SECONDS), *options),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(_READY_S, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not watchdog.is_alive():
            raise DeadlineError(f"the simulator was not ready within {_READY_S:g} s")
        watchdog.cancel()
        if not line:
            reason = process.stderr.read().strip() if process.stderr else ""
            raise UnreachableError(f"the simulator did not start: {reason}")
        yield str(json.loads(line)["udp"])
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _ledger(directory: Path) -> dict[str, Any]:
    from daq.storage.listing import load_manifest

    ledger = load_manifest(directory).ledger
    return ledger.model_dump(mode="json") if ledger else {"balanced": None, "sources": []}


def _shown(directory: Path) -> str:
    """Return the path as a person standing here would write it."""
    return str(directory.relative_to(Path.cwd())) if directory.is_relative_to(Path.cwd()) else str(directory)
