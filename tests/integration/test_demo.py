"""`daq demo`: it shows what it promises, verifies itself, and leaves nothing behind but the recording."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_cli import call, daq, done, left_in, processes_with, started
from support_readout import until

from daq.cli import demo
from daq.storage.listing import load_manifest
from daq.storage.verify import verify


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    yield folder
    assert left_in(folder) == []
    assert processes_with(str(tmp_path)) == []


def test_the_demo_as_a_person_runs_it(tmp_path: Path, temporary: Path) -> None:
    shown = daq("demo", "pet", cwd=tmp_path, temporary=temporary)

    assert shown.code == 0, shown.err
    (directory,) = (tmp_path / "recordings").glob("*/*")
    manifest = load_manifest(directory)
    assert manifest.ledger is not None
    assert verify(directory).verdict == "ok"
    assert (manifest.state, manifest.ended_by, manifest.simulated) == ("sealed", "end", True)
    assert manifest.ledger.sources[0].basis == "counter"
    assert f"{manifest.ledger.sources[0].recorded:,}" in shown.out
    assert f"{sum(s.rows for s in manifest.segments if s.stream == 'coincidences'):,}" in shown.out
    assert str(directory.relative_to(tmp_path)) in shown.out
    assert "balanced" in shown.out
    assert "NOT BALANCED" not in shown.out
    assert shown.out.count(".venv/bin/daq listmode") == 3


@pytest.mark.parametrize("kind", sorted(demo.DEMOS))
def test_every_demo_is_good(kind: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(temporary))
    monkeypatch.setattr(demo, "_SECONDS", 1)

    shown = call("demo", kind, "--out", tmp_path / "run", "--json")

    assert shown.code == 0, shown.err
    assert set(shown.json) == {"directory", "verdict", "counts", "duration_ps", "ledger", "good"}
    assert (shown.json["good"], shown.json["verdict"]) == (True, "ok")
    rows = {"singles": 0, "coincidences": 0}
    for segment in load_manifest(tmp_path / "run").segments:
        rows[segment.stream] = rows.get(segment.stream, 0) + segment.rows
    assert shown.json["counts"]["events"] == rows["singles"] + rows["coincidences"] > 50_000
    assert 0.9e12 < shown.json["duration_ps"] < 1.1e12


def test_a_demo_that_cannot_write_is_refused_and_ends_its_simulator(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("data")

    shown = daq("demo", "--out", tmp_path / "run", temporary=temporary)

    assert shown.code == 3
    assert "never written over" in shown.err


def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, temporary: Path) -> None:
    with started("demo", "--out", tmp_path / "run", temporary=temporary) as process:
        until(lambda: bool(list(temporary.glob("scandaq/*/control"))), "the readout")
        simulators = [pid for pid in processes_with("-m\0simulators") if _parent_of(pid) == process.pid]
        assert len(simulators) == 1
        process.send_signal(signal.SIGINT)
        shown = done(process)

    assert shown.code == 0, shown.err
    assert load_manifest(tmp_path / "run").ended_by == "operator"
    assert not Path(f"/proc/{simulators[0]}").exists()


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
