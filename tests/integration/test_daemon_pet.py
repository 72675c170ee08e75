"""PET through the whole station: simulated singles paired live; bed positions, an injection, a CT handed over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support_daemon import Station, station
from support_handover import RECORD
from support_simulators import simulator

from daq.errors import RefusedError
from daq.storage.kernels import load_decoder
from daq.storage.reader import open_listmode
from device_profiles.load import load_profile

pytestmark = pytest.mark.timeout(240)
ARMED_S = 90.0
"""A readout that finds no compiled kernels makes them first."""
SINGLES = load_profile("singles64")
BED_MM_PER_S = 100.0
MS = 10**9
WINDOW = '[windows.photopeak]\nlower = "425 keV"\nupper = "650 keV"\n'
PAIRS = '[coincidence]\nhalf_window = "3 ns"\ndelay = "500 ns"\ntiming_resolution = "214 ps"\n'
BEDS = """[[steps]]
name = "bed"
repeat = { count = 2, axis = "bed", from = "200 mm", step = "-120 mm", overlap = "25 %", first = "pelvis" }
stop.time = "1 s"
stop.host = "60 s"
"""
ONE = '[[steps]]\nname = "bed"\nstop.time = "1 s"\nstop.host = "60 s"\n'
CT = '[[steps]]\nname = "CT"\nkind = "hand_over"\nhand_over = "ct_attenuation"\n'
LOOK = '[[steps]]\nname = "overlay"\nkind = "hand_over"\nhand_over = "overlay_check"\n'
FRAMES = """[[steps]]
name = "dynamic"
phases = [{ frames = 2, frame = "1 s" }, { frames = 1, frame = "2 s" }]
stop.host = "60 s"
"""
NOW = datetime.now(UTC)
GIVEN = {
    "nuclide": "F-18", "agent": "FDG", "lot": "L1", "assayed_mbq": 300.0,
    "assayed_at": (NOW - timedelta(minutes=60)).isoformat(), "operator": "tech", "route": "intravenous",
}  # fmt: skip


def pet(identity: str, steps: str, *, kind: str = "pet", top: str = "", more: str = "") -> str:
    named = "\n".join(f'{name} = "a test"' for name in ("steps", "windows", "coincidence", *more.split()))
    head = f'schema = "acquisition-protocol/1"\nid = "{identity}"\nversion = 1\ntitle = "Of a test"\n'
    about = f'kind = "{kind}"\nmodality = "pet"\n{top}\n{WINDOW}{PAIRS}'
    return f"{head}{about}{steps}\n[sources]\n{named}\n"


PROTOCOLS = (
    pet("whole-body", BEDS, top='store = { raw = true, singles = "windowed" }', more="store"),
    pet("dynamic", FRAMES, kind="dynamic", top='requirements.administration = "follows"', more="requirements"),
    pet("pet-ct", CT + ONE + LOOK),
)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Yield the address of a simulated ring, and the folder with its calibration."""
    folder = tmp_path_factory.mktemp("calibrations")
    import_module("daq.readout.process")  # on a fresh machine this compiles for longer than a daemon waits
    load_decoder(SINGLES.layout, SINGLES.clock)
    with simulator(
        "pet", "--profile", "singles64", "--activity", "line:F-18,mbq=0.1,length=100", "--detectors",
        "gain_sigma=0.04,offset_sigma_ps=2000", "--loop", 1, "--seed", 5, "--calibration", folder / "ring.toml",
    ) as simulated:  # fmt: skip
        yield str(simulated.ready["udp"]), folder


@pytest.fixture
def daemon(tmp_path: Path, scan: tuple[str, Path]) -> Iterator[Station]:
    url, calibrations = scan
    with station(
        tmp_path, url, scanner='"reference-ring"', calibrations=f'"{calibrations}"', mqtt='{ broker = "none" }',
        instruments=f'{{ ring = {{ profile = "singles64", url = "{url}" }} }}',
        devices='[devices]\nbed = { ability = "bed" }\n',
    ) as made:  # fmt: skip
        made.add(*PROTOCOLS)
        yield made.start()


def events(directory: Path, stream: str) -> list[dict[str, Any]]:
    """Return the data of the events of a stream of the run documents."""
    named = [json.loads(line) for line in (directory / "run.jsonl").read_text().splitlines()]
    documents = [(each["name"], each["doc"]) for each in named]
    streams = {doc["uid"]: doc["name"] for name, doc in documents if name == "descriptor"}
    return [doc["data"] for name, doc in documents if name == "event" and streams[doc["descriptor"]] == stream]


def pairs_in(directory: Path, begin_ps: int, end_ps: int) -> int:
    """Return how many prompts lie within."""
    with open_listmode(directory) as recording:
        batches = recording.batches("coincidences", ["time_ps", "kind"])
        times = [(batch.column("time_ps").to_numpy(), batch.column("kind").to_numpy()) for batch in batches]
    return int(sum(((kind == 0) & (at >= begin_ps) & (at < end_ps)).sum() for at, kind in times))


def verified(daemon: Station, directory: Path) -> bool:
    told = daemon.daq("listmode", "verify", str(directory))
    assert told.returncode == 0, told.stdout + told.stderr
    return "verdict: ok" in told.stdout


def test_a_whole_body_scan_pairs_singles_bed_by_bed_the_pelvis_first(daemon: Station) -> None:
    with daemon.holding():
        run = daemon.prepare("whole-body")
        daemon.becomes("armed", within_s=ARMED_S)
    daemon.simulate("enable", "latch")
    daemon.ask("start")
    daemon.becomes("completed", within_s=60.0)
    directory, manifest = daemon.directory(run), daemon.manifest(run)
    steps = manifest.steps or []

    assert daemon.fates(run) == [("bed 1/2", True), ("bed 2/2", True)]
    assert [step.live_ps for step in steps] == pytest.approx([1000 * MS] * 2, abs=MS)
    first, second = steps
    assert second.begin_ps - (first.end_ps or 0) > 120 / BED_MM_PER_S * 1000 * MS
    plan = (manifest.protocol or {})["plan"]
    assert [(each["positions"]["bed"]["value"], each["overlap_percent"], each["first"]) for each in plan] == [
        (200, None, "pelvis"), (80, 25, None),
    ]  # fmt: skip
    assert daemon.ask("status")["motion"]["axes"]["bed"]["position"] == pytest.approx(80, abs=0.5)
    for step in steps:
        assert pairs_in(directory, step.begin_ps, step.end_ps or 0) > 100
    assert manifest.calibrations["singles"]["identity"] is False
    assert (manifest.processing or {})["pairing"]["delay_ps"] == 500_000
    assert daemon.ledger(run)["sources"]
    assert verified(daemon, directory)


def test_a_dynamic_study_records_before_the_injection_and_marks_it(daemon: Station) -> None:
    with pytest.raises(RefusedError, match="recording begins before the injection"):
        daemon.prepare("dynamic", administration={**GIVEN, "injected_at": (NOW - timedelta(minutes=50)).isoformat()})
    run = daemon.prepare("dynamic", administration=GIVEN)
    daemon.becomes("armed", within_s=ARMED_S)
    daemon.ask("start")
    daemon.recording()
    told = daemon.ask("injected-now")
    daemon.becomes("completed", within_s=60.0)

    assert told["marked"] is True
    with open_listmode(daemon.directory(run)) as recording:
        marks = [mark for batch in recording.batches("marks") for mark in batch.to_pylist()]
    (injection,) = [mark["time_ps"] for mark in marks if mark["kind"] == "injection"]
    (step,) = daemon.manifest(run).steps or []
    assert 0 < injection < (step.end_ps or 0) == 4000 * MS
    kept = json.loads((daemon.directory(run) / "administration.json").read_text())
    assert told["injected_at"][:19] in json.dumps(kept)
    assert verified(daemon, daemon.directory(run))


def test_a_pet_ct_waits_for_the_ct_and_for_the_look_at_the_overlay(daemon: Station, tmp_path: Path) -> None:
    record = tmp_path / "ct.json"
    record.write_text(json.dumps(RECORD))
    run = daemon.prepare("pet-ct")
    daemon.becomes("armed", within_s=ARMED_S)
    with pytest.raises(RefusedError, match="cannot start: first CT"):
        daemon.ask("start")
    wrong = daemon.daq("acquire", "hand-over", "--overlay", "aligned", "--name", "overlay", "--site", str(daemon.site))
    handed = daemon.daq("acquire", "hand-over", str(record), "--json", "--site", str(daemon.site))
    daemon.ask("start")
    waiting = daemon.becomes("waiting", within_s=60.0)
    looked = daemon.daq("acquire", "hand-over", "--overlay", "aligned", "--site", str(daemon.site))
    daemon.becomes("completed", within_s=60.0)

    assert (wrong.returncode, handed.returncode, looked.returncode) == (3, 0, 0), wrong.stderr + handed.stderr
    assert json.loads(handed.stdout)["missing"] == ["overlay"]
    assert waiting["detail"].startswith("all steps are recorded; first overlay")
    (step,) = daemon.manifest(run).steps or []
    assert [each["name"] for each in step.hand_overs] == ["CT", "overlay"]
    assert step.hand_overs[0]["record"]["frame_of_reference_uid"] == RECORD["frame_of_reference_uid"]
    told = events(daemon.directory(run), "hand_overs")
    assert [each["hand_over_name"] for each in told] == ["CT", "overlay"]
    assert verified(daemon, daemon.directory(run))
