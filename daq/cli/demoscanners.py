"""The scanners of `daq demo console pet` and `daq demo console probe`: simulator, protocols, calibration."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.cli.demoworklist import Comer

KINDS = ("camera", "pet", "probe")
_SIGNED = "scandaq: approved for simulated patients"
_SECONDS = f"{24 * 3600}"
_RING, _PROBE = "singles64", "redpitaya-mcpha"
_BEDS = '[devices.bed]\nability = "bed"\n'
_PET = (
    "--loop", "4", "--activity", "line:F-18,mbq=0.15,length=150,x=-20,y=10", "--activity",
    "point:F-18,mbq=0.06,x=90,y=50,z=20", "--medium", "radius=100,length=400,mu=0.0096,compton=1",
    "--detectors", "photofraction=0.6,gain_sigma=0.03,offset_sigma_ps=300",
)  # fmt: skip
_KEV_PER_BIN = 0.25
_SEARCH = (0.02, 0.1, 0.6, 2.4, 2.4, 1.1, 0.05, 0.2, 1.6, 1.6, 0.3, 0.04)
"""How much of a node a probe sees that is moved over tissue, 5 s each; again and again."""
_SEARCH_S, _SEARCHES = 5, 300
_NODES = 2
_MADE = "2026-01-01T00:00:00Z"


_PETWB, _DYNAMIC, _SENTINEL = "PET whole body, seven beds", "PET dynamic, one bed", "Sentinel node, probe"
PROPOSED = {
    "pet": {"99SIM:PETWB": "demo-pet-whole-body", "99SIM:PETDYN": "f18-dynamic", "emergency": "demo-pet-whole-body"},
    "probe": {"99SIM:SLNP": "sentinel-node-probe", "emergency": "sentinel-node-probe"},
}
"""Which protocol the site file of a kind proposes for a procedure."""


def comers(kind: str) -> tuple[Comer, ...]:
    """Return who comes today."""
    from daq.cli.demoworklist import Comer

    if kind == "probe":
        given: dict[str, Any] = {"agent": "Tc-99m nanocolloid", "dose": "40 MBq"}
        return (
            Comer("SIM^Nadia", "1966-07-30", "F", 5, "SLNP", _SENTINEL, "", **given),
            Comer("SIM^Olga", "1979-10-11", "F", 90, "SLNP", _SENTINEL, "", **given),
        )
    given = {"modality": "PT", "nuclide": "F-18", "dose": "250 MBq"}
    return (
        Comer("SIM^Pavel", "1952-04-18", "M", 5, "PETWB", _PETWB, "", "F-18 FDG", "diabetic", **given),
        Comer("SIM^Quirin", "1969-09-02", "M", 40, "PETWB", _PETWB, "", "F-18 FDG", **given),
        Comer("SIM^Rosa", "1981-12-24", "F", 75, "PETDYN", _DYNAMIC, "", "F-18 FDG", **given),
    )


@dataclass(frozen=True, slots=True)
class Scanner:
    """What stands in the place of a scanner: its profiles, the address of its simulator, what its site has."""

    profile: str
    url: str
    scanner: str
    devices: str
    protocols: Path
    calibrations: Path


@contextmanager
def scanner_of(kind: str, folder: Path, times: int) -> Iterator[Scanner]:
    """Run the simulator of a kind while the context lasts; everything it needs is written into `folder`."""
    calibrations = folder / "calibrations"
    calibrations.mkdir()
    with (_ring if kind == "pet" else _probe)(folder, calibrations, times) as scanner:
        yield scanner


@contextmanager
def _ring(folder: Path, calibrations: Path, times: int) -> Iterator[Scanner]:
    from daq.cli.demoservice import board_and_supply, with_lifecycle, with_supply
    from daq.cli.demostation import simulated

    options = (*_PET, "--calibration", str(calibrations / "ring.toml"))
    simulator = simulated("pet", _RING, options, "reference-ring", seconds=_SECONDS)
    with simulator as ready, board_and_supply() as instruments:
        protocols = _signed(folder, {"demo-pet-whole-body": _seven_beds, "f18-dynamic": _of_this_ring}, times)
        with_lifecycle(calibrations)
        scanner, devices = str(with_supply("reference-ring", folder)), f"{instruments}{_BEDS}"
        yield Scanner(_RING, str(ready["udp"]), scanner, devices, protocols, calibrations)


@contextmanager
def _probe(folder: Path, calibrations: Path, times: int) -> Iterator[Scanner]:
    from daq.cli.demostation import process_of

    _write_gain(calibrations)
    moves = ",".join(
        f"{_SEARCH_S * (turn * len(_SEARCH) + at)}:{part:g}"
        for turn in range(_SEARCHES)
        for at, part in enumerate(_SEARCH)
    )  # fmt: skip
    options = ("--cps", "900", "--background-cps", "6", "--kev-per-bin", f"{_KEV_PER_BIN:g}", "--moves", moves)
    with process_of([_PROBE, *options]) as ready:
        protocols = _signed(folder, {"sentinel-node-probe": _numbered}, times)
        yield Scanner(_PROBE, str(ready["endpoints"]["mcpha"]), "gamma-probe", "", protocols, calibrations)


def _signed(folder: Path, changes: Mapping[str, Callable[[str], str]], times: int) -> Path:
    """Write the site's own protocols, so many times as fast, each as its change makes it; sign them."""
    from acquisition_protocols.load import load_protocol, protocol_path, read
    from acquisition_protocols.signing import sign

    made = folder / "protocols"
    made.mkdir()
    for name, change in changes.items():
        text = change(read(protocol_path(name)).decode())
        if times > 1:
            text = re.sub(r"(?m)^(kind = .*)$", rf"\1\ntime_lapse = {times}", text, count=1)
        (made / f"{name}.toml").write_text(text, encoding="utf-8")
        loaded = load_protocol(name, [made])
        sign(loaded.path, loaded.protocol.id, loaded.sha256, by="scandaq", meaning=_SIGNED)
    return made


def _seven_beds(text: str) -> str:
    """Let a whole body have seven bed positions of a minute each."""
    text = text.replace("two short bed positions", "seven bed positions of a minute")
    return text.replace("count = 2", "count = 7").replace('"3 s"', '"60 s"').replace('"20 s"', '"90 s"')


def _of_this_ring(text: str) -> str:
    """Take what nothing simulated has out of a protocol, and have its window fit a wide ring."""
    text = _without_needs(text)
    return text.replace('half_window = "2.25 ns"', 'half_window = "3 ns"')


def _without_needs(text: str) -> str:
    """Take out what a simulated station has not: past tests, calibrations, a dose calibrator."""
    text = re.sub(r"(?ms)^\[requirements\]\n.*?(?=^\[)", "", text)
    return re.sub(r'(?m)^"?requirements(\.\w+"?)? = ".*"\n', "", text)


def _numbered(text: str) -> str:
    """Give the nodes numbers: each is counted in vivo and ex vivo, then the bed once."""
    head, *steps = _without_needs(text).split("[[steps]]")
    *steps, rest = steps
    bed, mark, sources = rest.partition("[sources]")
    background, inside, outside = steps
    nodes = [
        step.replace('name = "node ', f'name = "node {number} ') for number in range(1, _NODES + 1)
        for step in (inside, outside)
    ]  # fmt: skip
    return "[[steps]]".join([head, background, *nodes, bed]) + mark + sources


def _write_gain(folder: Path) -> None:
    """Write the calibration of energies of a board whose bins are all as wide, which only a simulated one's are."""
    table = f"detector,kev_per_adc,pedestal_adc\n0,{_KEV_PER_BIN:g},0\n"
    (folder / "probe.csv").write_text(table, encoding="utf-8")
    digest = hashlib.sha256(table.encode()).hexdigest()
    head = {"schema": "calibration-file/1", "id": "probe", "instrument": _PROBE, "made_utc": _MADE,
            "method": "what the simulator is told: no measurement", "table": "probe.csv",
            "table_sha256": digest}  # fmt: skip
    lines = [f'{key} = "{value}"\n' for key, value in head.items()]
    (folder / "probe.toml").write_text("".join(lines), encoding="utf-8")
