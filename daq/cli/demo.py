"""`daq demo`: a station on simulators: front end, daemon, broker, a protocol of two steps, watched over MQTT, verified.

Leaves nothing running.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.transports.localclient import LocalClient

_ASK_S = 60.0
_RUN_S = 120.0
_STOPS = 10
_MOST_TIMES = 100
_STOP_AGAIN_S = 0.1
_OF_THEIR_OWN = ("study", "qc", "console")
_REASON = "demonstration on a simulator"


@dataclass(frozen=True, slots=True)
class Demo:
    """One demonstration: the simulator and its options, what it simulates, and what is done with it."""

    simulator: str
    options: tuple[str, ...]
    profile: str
    protocol: str
    story: str
    scanner: str | None = None
    next_command: str = "{daq} listmode export {directory} --to parquet --out events.parquet"
    pictures: bool = False
    """Whether images and spectra are drawn of it."""
    devices: str = ""
    """Tables of the site file: without a gantry nobody knew what heads faced."""


DEMOS = {
    "pet": Demo(
        "pet",
        (
            "--loop", "1", "--kev-per-adc", "1", "--detectors", "photofraction=0.6",
            "--activity", "point:F-18,mbq=0.2,x=60,y=40,z=0",
        ),
        "singles64",
        "demo-pet-ring",
        "a ring of PET detectors and a point source of 0.2 MBq F-18; singles are paired by software",
        scanner="reference-ring",
        next_command="{daq} listmode export {directory} --to petsird --out scan.petsird",
    ),
    "petlink": Demo(
        "poisson",
        ("--rate", "200000", "--mix", "prompt=0.8,delayed=0.2"),
        "siemens-petlink32",
        "demo-pet-two-steps",
        "PET coincidences paired by the front end, PETLINK 32-bit words: 200,000 per second",
    ),
    "gamma": Demo(
        "camera",
        (
            "--collimator", "LEHR", "--activity", "spots:Tc-99m,mbq=3000",
            "--medium", "radius=140,length=400,mu=0.0154,compton=1",
        ),
        "head-xye64",
        "demo-planar-static",
        "two heads of a gamma camera with LEHR collimators, hot spots of Tc-99m in water between them",
        scanner="dual-head",
        devices='[devices.gantry]\nability = "axis"\n',
        next_command="{daq} listmode picture {directory} --out picture.png --colours hot",
        pictures=True,
    ),
}  # fmt: skip


def add_parser(nouns: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = nouns.add_parser(
        "demo", help="run a protocol of two steps on a simulated station and verify the recording"
    )
    parser.add_argument("kind", nargs="?", choices=sorted([*DEMOS, *_OF_THEIR_OWN]), default="pet")
    parser.add_argument(
        "protocol",
        nargs="?",
        help="of a study: its protocol (default bone-whole-body); of a console: camera, pet or probe",
    )
    parser.add_argument(
        "--times", type=int, metavar="N", help="of a study: so many times as fast, 1 to 100 (default 1)"
    )
    parser.add_argument("--port", type=int, metavar="N", help="of a console: its port; 0 takes a free one")
    parser.add_argument("--seconds", type=float, metavar="S", help="of a console: serve so long; default until Ctrl-C")
    parser.add_argument("--out", metavar="DIR", help="the directory to write; it must not exist or be empty")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def _require_sense(options: argparse.Namespace) -> None:
    """Refuse what is asked of a study and is none, and a factor that no study is made faster by."""
    from daq.errors import UsageError

    if options.kind != "console" and (options.port is not None or options.seconds is not None):
        raise UsageError("--port and --seconds are of the console: `daq demo console`")
    if options.kind == "console" and options.protocol in (None, "camera", "pet", "probe"):
        return
    if options.kind != "study" and (options.protocol is not None or options.times is not None):
        said = "--times" if options.protocol is None else options.protocol
        raise UsageError(f"{said} is of studies: `daq demo study`; `daq demo {options.kind}` has a protocol of its own")
    if options.times is not None and not 1 <= options.times <= _MOST_TIMES:
        raise UsageError(f"--times {options.times}: possible are 1 to {_MOST_TIMES}")


def _run_own(options: argparse.Namespace) -> int:
    if options.kind == "study":
        from daq.cli.demostudy import run_study

        options.times = options.times or 1
        return run_study(options)
    if options.kind == "console":
        from daq.cli.democonsole import run_console

        return run_console(options)
    from daq.cli.demoqc import run_qc

    return run_qc(options)


def run(options: argparse.Namespace) -> int:
    """Simulate, serve, acquire, verify; 0 when the recording is whole and the ledger balances."""
    from daq import composition
    from daq.cli.output import say
    from daq.errors import RefusedError
    from daq.storage.verify import verify

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is ended on the way out
    _require_sense(options)
    if options.kind in _OF_THEIR_OWN:
        return _run_own(options)
    demo = DEMOS[options.kind]
    out = composition.output_directory(options.out, None, "demo").resolve() if options.out else None
    if out is not None and out.is_mount():
        raise RefusedError(f"{out} is a mount point, which a recording cannot become: name a directory in it")
    storage = out.absolute().with_name(f".{out.name}.station") if out else Path("recordings").absolute()
    say(f"simulating {demo.story}")
    if not _compiled_before():
        say("the first start compiles what is fast later: a minute or two without a word")
    try:
        status = _acquire(demo, storage, say)
        directory = Path(status["directory"])
        if out is not None:
            if out.exists():
                out.rmdir()
            directory = directory.rename(out)
    finally:
        if out is not None:
            shutil.rmtree(storage, ignore_errors=True)
    pictures = _draw(directory) if demo.pictures else []
    report = verify(directory)
    ledger, counts, duration_ps = _told(directory)
    good = report.verdict == "ok" and ledger["balanced"] is True and status["state"] == "completed"
    _print(
        options, _shown(directory), status["state"], report.verdict, counts, duration_ps, ledger, pictures, good=good
    )
    return 0 if good else 6


def _draw(directory: Path) -> list[Path]:
    """Draw images and spectra into the recording's folder `images`, which is no part of what is sealed."""
    from daq.composition.pictures import Style, picture, spectra
    from daq.storage.pictures import pictures_in
    from daq.storage.reader import open_listmode

    folder = directory / "images"
    folder.mkdir(exist_ok=True)
    with open_listmode(directory) as recording:
        recorded, manifest = pictures_in(recording), recording.manifest
    files = [folder / "heads.png", folder / "spectra.png"]
    for file, drawn in zip(files, (picture(recorded, manifest, Style()), spectra(recorded, manifest)), strict=True):
        drawn.save(file)
    return files


def _compiled_before() -> bool:
    """Return True where a start before this one has left compiled code."""
    from daq.model.kernel import writable_cache

    cache = writable_cache()
    return cache is not None and any(cache.iterdir())


def _acquire(demo: Demo, storage: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the protocol on a station of its own and return the station's last status."""
    from daq.cli.demostation import simulator, station, watching
    from daq.errors import RefusedError
    from daq.transports.localclient import LocalClient

    with (
        simulator(demo.simulator, demo.profile, demo.options, demo.scanner) as url,
        station(demo.profile, url, storage, demo.scanner, more=demo.devices) as served,
    ):
        say(f"the daemon serves {served.socket}; its broker is at mqtt://127.0.0.1:{served.broker_port}")
        with watching(served.broker_port, say), LocalClient(served.socket) as client:
            try:
                # Only asked for where singles come as codes; the simulator is told that one of them is one keV.
                overrides = {"energy-calibration": _REASON}
                asked = {"protocol": demo.protocol, "draft_reason": _REASON, "overrides": overrides}
                client.ask("prepare", asked, within_s=_ASK_S)
                _follow(client, "preparing")
                if client.ask("status", within_s=_ASK_S)["state"] == "armed":
                    client.ask("start", within_s=_ASK_S)
                    _follow(client)
            except KeyboardInterrupt:
                say("stopping: what is buffered is written and the recording sealed")
                _stop(client)
            status = client.ask("status", within_s=_ASK_S)
            if not status["directory"] or not Path(status["directory"]).is_dir():
                raise RefusedError("the demonstration was interrupted before anything was recorded")
            _await_checksums(Path(status["directory"]))
            return status


def _stop(client: LocalClient) -> None:
    """Stop the acquisition, if one is under way; a preparation that was asked for comes first."""
    from daq.errors import TransitionRefusedError

    for _ in range(_STOPS):
        try:
            client.ask("stop", {"reason": "interrupted"}, within_s=_ASK_S)
        except TransitionRefusedError:  # not begun yet, or at its end
            time.sleep(_STOP_AGAIN_S)
        else:
            break
    _follow(client)


def _await_checksums(directory: Path) -> None:
    """Return when the readout has written the checksums of the files, its last act."""
    from daq.errors import DeadlineError
    from daq.storage.listing import load_manifest

    until_s = time.monotonic() + _RUN_S
    while not load_manifest(directory).hashed:
        if time.monotonic() > until_s:
            raise DeadlineError(f"{directory}: no checksums after {_RUN_S:g} s")
        time.sleep(0.05)


def _follow(client: LocalClient, *only: str) -> None:
    """Return when the state is none of `only`, or, without any, when no acquisition is under way any more."""
    from daq.errors import DeadlineError
    from daq.state.acquisition import ACTIVE

    until_s = time.monotonic() + _RUN_S
    while (state := client.ask("status", within_s=_ASK_S)["state"]) in (only or ACTIVE):
        if time.monotonic() > until_s:
            raise DeadlineError(f"the demonstration is still {state} after {_RUN_S:g} s")
        time.sleep(0.1)


def _print(
    options: argparse.Namespace, directory: str, state: str, verdict: str, counts: dict[str, int], duration_ps: int,
    ledger: dict[str, Any], pictures: list[Path], *, good: bool,
) -> None:  # fmt: skip
    from daq.cli.output import grouped, print_json, print_line, print_table

    if options.json:
        print_json({"directory": str(Path(directory).absolute()), "state": state, "verdict": verdict, "counts": counts,
                    "duration_ps": duration_ps, "ledger": ledger, "good": good,
                    "pictures": [str(picture.absolute()) for picture in pictures]})  # fmt: skip
        return
    sources = ledger["sources"]
    print_table(
        "",
        ["what", "value"],
        [
            ["acquisition", state],
            *([kind, grouped(counts[kind])] for kind in ("events", "prompts", "delayeds") if counts[kind]),
            ["detector time", f"{duration_ps / 1e12:.3f} s"],
            ["words sent, by the front end's numbers", grouped(sum(s["sent"] or 0 for s in sources))],
            ["words missing", grouped(sum(s["gap"] for s in sources))],
            ["words durable", grouped(sum(s["recorded"] for s in sources))],
            ["ledger", "balanced" if ledger["balanced"] else "NOT BALANCED"],
            ["checksums of all batches", verdict],
        ],
    )
    print_line()
    for picture in pictures:
        print_line(f"Drawn: {_shown(picture)}")
    print_line(f"The recording is in {directory}. Three commands to try next:")
    daq = _command()
    print_line(f"  {daq} listmode info {directory}")
    print_line(f"  {daq} listmode replay {directory}")
    print_line(f"  {DEMOS[options.kind].next_command.format(daq=daq, directory=directory)}")


def _command() -> str:
    """Return how this program is called from here: by its name where the shell finds it, else by its path."""
    found, called = shutil.which("daq"), Path(sys.argv[0])
    if called.name != "daq" or (found is not None and Path(found).resolve() == called.resolve()):
        return "daq"
    return _shown(called.absolute())


def _told(directory: Path) -> tuple[dict[str, Any], dict[str, int], int]:
    """Return the ledger, the rows of events and the detector time that the manifest states."""
    from daq.storage.reader import open_listmode

    rows = {"singles": 0, "prompts": 0, "delayeds": 0, "coincidences": 0}
    with open_listmode(directory) as recording:
        manifest = recording.manifest
        for segment in manifest.segments:
            if segment.stream in ("singles", "coincidences"):
                rows[segment.stream] += segment.rows
        if "coincidences" in recording.streams:
            for columns in recording.numpy("coincidences", ["kind"]):
                rows["delayeds"] += int(columns["kind"].sum())
    rows["prompts"] = rows["coincidences"] - rows["delayeds"]
    ledger = manifest.ledger.model_dump(mode="json") if manifest.ledger else {"balanced": None, "sources": []}
    return ledger, {"events": rows["singles"] + rows["coincidences"], **rows}, manifest.duration_ps or 0


def _shown(directory: Path) -> str:
    """Return the path as a person standing here would write it."""
    return str(directory.relative_to(Path.cwd())) if directory.is_relative_to(Path.cwd()) else str(directory)
