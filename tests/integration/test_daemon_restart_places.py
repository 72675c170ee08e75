"""A daemon that is killed in a view that stands: the next one goes on where axes stand, and interrupts it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step

ASIDE = protocol("aside", step("side", 'set.gantry = "-8 deg"', view="ANT"))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Station]:
    with front_end() as url, station(tmp_path, url) as made:
        made.add(ASIDE)
        yield made.start()


def test_a_view_goes_on_where_axes_kept_their_place_and_is_interrupted_where_they_did_not(daemon: Station) -> None:
    with daemon.holding():
        run = daemon.prepare("aside")
        daemon.becomes("armed")
    daemon.ask("start")
    daemon.recording()

    daemon.restart().truth("acquiring", run)
    motion = daemon.status()["motion"]
    assert (motion["axes"]["gantry"]["position"], motion["reference"]) == (-8.0, "confirmed")
    assert "acquisition/place-unknown" not in daemon.alarms()

    daemon.kill()
    (daemon.state_folder / "simulated-axes.json").unlink()  # somebody turned it back, and nobody was there to see it
    daemon.start().truth("interrupted", run)

    said = daemon.status()
    assert said["detail"].startswith("gantry is at -10.0 deg and should be at -8.0 deg; that was found when")
    assert said["motion"]["reference"] == "lost"
    assert daemon.manifest(run).ended_by == "motion lost"
    assert daemon.alarms()["motion/motion-lost"]["active"]
