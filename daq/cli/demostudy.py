"""`daq demo study`: a protocol on a simulated camera with a simulated patient, in time-lapse, and its pictures."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from daq.cli.demopatients import Patient
    from daq.model.protocol import AcquisitionProtocol

PROFILE = "head-xye64"
_SCANNER = "dual-head"
_AT_RIGHT_ANGLE = "dual-head-cardiac"
_USUAL = "bone-whole-body"
_REASON = "demonstration on a simulator"
_SECONDS = 3600.0
_FINISH_S = 300.0
_STEP_S = 30.0
_SPEEDS = ("max_speed_mm_per_s", "max_speed_deg_per_s", "max_overtravel_mm", "max_overtravel_deg")
_FASTEST = 12.0
"""Axes of the example scanner go at most so many times their speed: a gantry turns 36 degrees a second then."""
_RADIUS = "_radius"
_NEAR_MM, _AROUND_MM = 150.0, 240.0
"""From the axis to the collimator: beside the simulated body, and around its arms."""
_LEFT_MBQ = 10.0
"""In the syringe, of 500 MBq."""
_HALF_LIFE_AGO = timedelta(minutes=10)


def run_study(options: argparse.Namespace) -> int:
    """Acquire a protocol on simulators; 0 where it is whole and its verdict is not bad."""
    from daq import composition
    from daq.cli.output import say
    from daq.storage.verify import verify

    out = composition.output_directory(options.out, None, "study").resolve()
    storage = out.with_name(f".{out.name}.station")
    say(f"simulating {options.protocol or _USUAL} on two heads of a gamma camera, {options.times} times as fast")
    try:
        status = _acquired((options.protocol or _USUAL), options.times, storage, say)
        directory = Path(status["directory"])
        if out.exists():
            out.rmdir()
        directory = directory.rename(out)
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    report = verify(directory)
    verdict = _verdict(directory)
    good = status["state"] == "completed" and report.verdict == "ok" and verdict.get("grade") != "bad"
    _print(options, directory, status, report.verdict, verdict, good=good)
    return 0 if good else 6


def _acquired(name: str, times: int, storage: Path, say: Any) -> dict[str, Any]:
    """Run the protocol on a station of its own and return the station's last status."""
    from acquisition_protocols.load import load_protocol
    from daq.cli.demopatients import collimator_of, patient_of
    from daq.cli.demostation import simulated, station, watching
    from daq.cli.technologist import Technologist
    from daq.transports.localclient import LocalClient
    from device_profiles.scanners import load_scanner

    with _folder() as folder:
        protocol = load_protocol(_protocol_file(folder, name, times)).protocol
        times = protocol.file.time_lapse or 1
        scanner = scanner_file(folder, _scanner_of(protocol), times, _radius_mm(protocol))
        patient = patient_of(protocol)
        profile = load_scanner(scanner)
        seen, collimator = patient.options(times, protocol, profile), collimator_of(protocol, profile)
        with (
            simulated("camera", PROFILE, seen, str(scanner), seconds=f"{_SECONDS:g}") as ready,
            station(
                PROFILE, str(ready["udp"]), storage, str(scanner),
                more=devices(scanner, ready["endpoints"].get("motion")), protocols=folder / "protocols",
            ) as served,
            watching(served.broker_port, say),
            LocalClient(served.socket) as client,
        ):  # fmt: skip
            person = Technologist(client, say, reason=_REASON)
            if patient.bolus:
                person.inject = partial(_injected, str(ready["endpoints"]["motion"]))
            if collimator in protocol.requirements.collimators:
                person.mount(collimator)
            status = person.acquire(_asked(protocol, person, patient, collimator), within_s=_within_s(protocol))
            _await_pictures(Path(status["directory"]), say)
            return status


def _injected(motion: str) -> None:
    """Tell the simulator that its patient is injected now."""
    from daq.transports.datagram import send_datagram

    place = urlsplit(motion)
    said = {"axis": "injection", "monotonic_ns": time.monotonic_ns(), "position": 0.0, "target": 1e9, "speed": 1.0}
    send_datagram(str(place.hostname), int(place.port or 0), json.dumps(said).encode())


def _asked(protocol: AcquisitionProtocol, person: Any, patient: Patient, collimator: str) -> dict[str, Any]:
    """Return what is asked for: everything that a simulated station lacks is overridden."""
    needs = protocol.requirements
    names = [*(need.name for need in (*needs.qc, *needs.calibrations)), "energy-calibration"]
    names += ["collimator"] if needs.collimators and collimator not in needs.collimators else []
    asked: dict[str, Any] = {
        "protocol": protocol.id, "draft_reason": _REASON, "overrides": dict.fromkeys(names, _REASON),
        "patient": {"name": "SIM^Demonstration", "patient_id": "SIM-0001"},
    }  # fmt: skip
    if needs.administration != "none":
        asked["administration"] = administration_of(protocol, patient)
        person.injected = "injected_at" in asked["administration"]
        person.left = None if person.injected else f"{_LEFT_MBQ:g} MBq"
    return asked


def administration_of(protocol: AcquisitionProtocol, patient: Patient) -> dict[str, Any]:
    """Return the record of a simulated administration, injected in time for the first step that asks for it."""
    now = datetime.now(UTC)
    window_s = next((step.after_injection_s for step in protocol.steps if step.after_injection_s), None)
    ago = timedelta(seconds=sum(window_s) / 2) if window_s else _HALF_LIFE_AGO
    route, site = patient.given
    record: dict[str, Any] = {
        "nuclide": protocol.radionuclide or "Tc-99m", "agent": "simulated", "lot": "SIM-1", "assayed_mbq": 500.0,
        "assayed_at": (now - ago - timedelta(minutes=5)).isoformat(), "operator": "simulated", "route": route,
        "site": site, "side": "not applicable" if route == "oral" else "left", "pregnancy": "not applicable",
        "breast_feeding": "not applicable", "weight_kg": 70.0, "height_m": 1.75,
    }  # fmt: skip
    if protocol.requirements.administration == "before_start":
        record |= {"injected_at": (now - ago).isoformat(), "residual_mbq": _LEFT_MBQ, "residual_at": now.isoformat()}
    return record


def _within_s(protocol: AcquisitionProtocol) -> float:
    """Return how long the demonstration may take: every step with its way, and a good while more."""
    lasts_s = 0.0
    for step in protocol.steps:
        own_s = (step.stop.duration_ps or step.stop.host_ps or 0) / 1e12
        lasts_s += (step.sweep.duration_s if step.sweep is not None else own_s) + _STEP_S
    return lasts_s + _FINISH_S


@contextmanager
def _folder() -> Iterator[Path]:
    from daq.cli.demostation import short_place

    with tempfile.TemporaryDirectory(prefix="scandaq-study-", dir=short_place()) as name:
        yield Path(name)


def _protocol_file(folder: Path, name: str, times: int) -> Path:
    """Write the protocol into the site's folder, so many times as fast as it is; return its path."""
    text = protocol_text(name, times)
    path = folder / "protocols" / f"{tomllib.loads(text)['id']}.toml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return path


def protocol_text(name: str, times: int) -> str:
    """Return a protocol, so many times as fast as it is, its bed moved as a person would move it."""
    from acquisition_protocols.load import protocol_path, read
    from daq.cli.demopatients import beds_mm_of

    text = read(protocol_path(name)).decode()
    said = tomllib.loads(text)
    head, mark, rest = text.partition("\n[")
    head = re.sub(r"(?m)^time_lapse *=.*$", "", head)
    if (times := times * int(said.get("time_lapse", 1))) > 1:
        head = f"{head}\ntime_lapse = {times}\n"
    return _with_bed(head + mark + rest, beds_mm_of(said["id"]))


def _with_bed(text: str, beds_mm: Mapping[str, float]) -> str:
    """Let each step that says a region, and no place of the bed, bring it under the heads, as a person would."""
    steps = text.split("\n[[steps]]\n")
    for number, step in enumerate(steps[1:], start=1):
        found = re.search(r'(?m)^region = "(\w+)"$', step)
        if found is not None and found[1] in beds_mm and not re.search(r"(?m)^set\.bed\b", step):
            steps[number] = f'set.bed = "{beds_mm[found[1]]:g} mm"\n{step}'
    return "\n[[steps]]\n".join(steps)


def _radius_mm(protocol: AcquisitionProtocol) -> float:
    """Return where heads stand that a person would bring near the patient by hand: farther away where they turn."""
    from daq.model.protocol import ProtocolKind

    turns = any(step.kind is ProtocolKind.SPECT for step in protocol.steps)
    sets = any(axis.endswith(_RADIUS) for step in protocol.steps for axis in step.positions)
    return _AROUND_MM if turns and not sets else _NEAR_MM


def _scanner_of(protocol: AcquisitionProtocol) -> str:
    """Return the example scanner whose heads stand as far apart as the protocol wants them."""
    from daq.model.geometry import TURN_DEG

    apart = protocol.file.instrument.head_separation
    return _AT_RIGHT_ANGLE if apart is not None and apart.value == TURN_DEG / 4 else _SCANNER


def scanner_file(folder: Path, name: str, times: int, radius_mm: float) -> Path:
    """Write the scanner, its axes faster where time is, its heads no nearer than the patient is; return its path."""
    from device_profiles.scanners import scanner_path
    from device_profiles.tomltext import toml_text

    tables = tomllib.loads(scanner_path(name).read_text(encoding="utf-8"))
    for kind in ("rotary", "linear"):
        for called, axis in tables["axes"][kind].items():
            axis.update({key: axis[key] * min(times, _FASTEST) for key in _SPEEDS if key in axis})
            if called.endswith(_RADIUS):
                axis["min_mm"] = radius_mm
    path = folder / f"{name}.toml"
    path.write_text(toml_text(tables), encoding="utf-8")
    return path


def devices(scanner: Path, motion: str | None) -> str:
    """Return the tables of a site file that say what there is to move, whom to tell of it, and what to ask."""
    from device_profiles.scanners import load_scanner

    axes = load_scanner(scanner).axes
    told = "" if motion is None else f"\nurl = {json.dumps(motion)}"
    lines = [f"[devices.{name}]\nability = \"{'bed' if name == 'bed' else 'axis'}\"{told}"
             for name in (*axes.rotary, *axes.linear)]  # fmt: skip
    lines += [f'[devices.{name}]\nability = "{name}"' for name in ("collimator", "gate_trigger")]
    return "\n".join(lines) + "\n"


def _await_pictures(directory: Path, say: Any) -> None:
    """Return when the daemon has made the pictures of the study; say so where it takes too long."""
    until_s = time.monotonic() + _FINISH_S
    while not (directory / "images" / "verdict.json").exists():
        if time.monotonic() > until_s:
            say(f"no pictures after {_FINISH_S:g} s; `daq study finish` makes them later")
            return
        time.sleep(0.1)


def _verdict(directory: Path) -> dict[str, Any]:
    path = directory / "images" / "verdict.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _print(
    options: argparse.Namespace, directory: Path, status: dict[str, Any], checked: str, verdict: dict[str, Any], *,
    good: bool,
) -> None:  # fmt: skip
    from daq.cli.output import print_json, print_line, print_table

    files = sorted(str(path) for path in (directory / "images").glob("*"))
    if options.json:
        print_json({"directory": str(directory), "state": status["state"], "files": checked, "verdict": verdict,
                    "pictures": files, "good": good})  # fmt: skip
        return
    rows = [["acquisition", status["state"]], ["checksums of all batches", checked],
            ["verdict", str(verdict.get("grade", "none"))]]  # fmt: skip
    print_table("", ["what", "value"], rows)
    for sentence in verdict.get("sentences", ()):
        print_line(sentence)
    for file in files:
        print_line(file)
