"""`daq demo`: it shows what it promises, verifies itself, and leaves nothing behind but the recording."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_cli import call, daq, done, left_in, processes_with, started
from support_readout import until

from daq.cli import demo
from daq.storage.framed import framed_in
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode
from daq.storage.verify import verify


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "tmp"
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
    assert (manifest.state, manifest.ended_by, manifest.simulated) == ("sealed", "all steps done", True)
    assert manifest.protocol is not None
    assert (manifest.protocol["id"], len(manifest.steps or ())) == ("demo-pet-ring", 2)
    assert [line.split()[2:3] for line in shown.err.splitlines() if "MQTT" in line][-1] == ["completed,"]
    assert f"{manifest.ledger.sources[0].recorded:,}" in shown.out
    assert f"{sum(s.rows for s in manifest.segments if s.stream == 'coincidences'):,}" in shown.out
    assert str(directory.relative_to(tmp_path)) in shown.out
    assert "balanced" in shown.out
    assert "NOT BALANCED" not in shown.out
    assert shown.out.count("  daq listmode") == 3


@pytest.mark.parametrize("kind", sorted(demo.DEMOS))
def test_every_demo_is_good(kind: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(temporary))

    shown = call("demo", kind, "--out", tmp_path / "run", "--json")

    assert shown.code == 0, shown.err
    assert set(shown.json) == {"directory", "state", "verdict", "counts", "duration_ps", "ledger", "good", "pictures"}
    pictures = [f"{tmp_path}/run/images/{name}.png" for name in ("heads", "spectra")]
    assert shown.json["pictures"] == (pictures if kind == "gamma" else [])
    assert all(Path(picture).stat().st_size > 10_000 for picture in shown.json["pictures"])
    assert (shown.json["good"], shown.json["verdict"]) == (True, "ok")
    if kind == "gamma":
        with open_listmode(tmp_path / "run") as recording:
            (view,) = framed_in(recording, most_pixels=32)
        assert [str(head.view) for head in view.heads] == ["ANT", "POST"]
    rows = {"singles": 0, "coincidences": 0}
    for segment in load_manifest(tmp_path / "run").segments:
        rows[segment.stream] = rows.get(segment.stream, 0) + segment.rows
    assert shown.json["counts"]["events"] == rows["singles"] + rows["coincidences"] > 50_000
    assert shown.json["duration_ps"] > 3e12
    assert shown.json["state"] == "completed"


def test_a_demo_that_cannot_write_is_refused_and_ends_its_simulator(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("data")

    shown = daq("demo", "--out", tmp_path / "run", temporary=temporary)

    assert shown.code == 3
    assert "never written over" in shown.err


def test_an_interrupted_demo_stops_in_order_and_leaves_nothing_running(tmp_path: Path, temporary: Path) -> None:
    with started("demo", "--out", tmp_path / "run", temporary=temporary) as process:
        until(lambda: bool(list(temporary.glob("scandaq/*/control"))), "the readout")
        process.send_signal(signal.SIGINT)
        shown = done(process)

    assert shown.code == 6, shown.err
    manifest = load_manifest(tmp_path / "run")
    assert manifest.ended_by is not None
    assert manifest.ended_by.startswith("stopped by ")
    assert manifest.ended_by.endswith(": interrupted")


def test_a_demo_that_is_interrupted_while_it_prepares_leaves_nothing_at_all(tmp_path: Path, temporary: Path) -> None:
    with started("demo", "--out", tmp_path / "run", temporary=temporary) as process:
        assert process.stderr is not None
        until(lambda: "the daemon serves" in process.stderr.readline(), "the daemon")
        process.send_signal(signal.SIGINT)
        shown = done(process)

    assert shown.code in (3, 6, 130), shown.err
    assert "Traceback" not in shown.err
    assert left_in(tmp_path / "run") == [] or load_manifest(tmp_path / "run").state == "sealed"


def test_a_demo_refuses_to_take_the_place_of_a_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda _: True)

    shown = call("demo", "--out", tmp_path / "run")

    assert (shown.code, "mount point" in shown.err) == (3, True)
