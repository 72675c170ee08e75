"""Axes through the whole station: where they were stands in the recording; what does not move as it should is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, short_heads, sweep

from daq.storage.reader import open_listmode

MS = 10**9
PROTOCOLS = (
    protocol("bed", sweep("whole body", end_mm=15, speed="300 mm/min"), kind="whole_body"),
    protocol(
        "rotation",
        '[[steps]]\nname = "turn"\nregion = "head"\nstop.host = "60 s"\n'
        'sweep = { axis = "gantry", from = "0 deg", to = "6 deg", speed = "3 deg/s", views = 3 }\n',
        kind="spect",
    ),
    protocol(
        "turns",
        '[[steps]]\nname = "stop"\nregion = "head"\nstop.time = "0.5 s"\nstop.host = "60 s"\nrepeat = { count = 2,'
        ' axis = "gantry", from = "0 deg", step = "3 deg", also = { front_radius = ["52 mm", "56 mm"] } }\n',
        kind="spect",
    ),
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    devices = '[devices]\ntable = { ability = "bed", axis = "bed" }\n' + "".join(
        f'{name} = {{ ability = "axis" }}\n' for name in ("gantry", "front_radius")
    )
    folder = tmp_path_factory.mktemp("motion")
    with (
        front_end() as url,
        station(
            folder, url, devices=devices, mqtt='{ broker = "none" }', finish="false", scanner=short_heads(folder)
        ) as made,
    ):
        made.add(*PROTOCOLS)
        yield made.start()


def armed(daemon: Station, name: str) -> str:
    """Prepare with a hand on the enable, latch it; return the run."""
    daemon.simulate("enable", "release")
    with daemon.holding():
        run = daemon.armed(name)
    daemon.simulate("enable", "latch")
    return run


def positions(directory: Path, axis: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return time in ps, place and whether it moved, of all position marks of an axis."""
    with open_listmode(directory) as recording:
        found = [
            batch.filter(pc.and_(pc.equal(batch["kind"], "position"), pc.equal(batch["text"], axis)))
            for batch in recording.batches("marks", ["time_ps", "kind", "value", "value2", "text"])
        ]
    columns = [[batch[name].to_numpy() for batch in found] for name in ("time_ps", "value2", "value")]
    times_ps, places, moving = (np.concatenate(column) for column in columns)
    return times_ps, places, moving


@pytest.mark.parametrize(
    ("name", "axis", "end", "speed"), [("bed", "bed", 15.0, 5.0), ("rotation", "gantry", 6.0, 3.0)]
)
def test_a_sweep_by_the_axis_of_the_profile_is_told_at_every_look_and_stands_where_it_ended(
    daemon: Station, name: str, axis: str, end: float, speed: float
) -> None:
    run = armed(daemon, name)
    daemon.ask("start")
    daemon.becomes("completed", within_s=30.0)
    daemon.ask("acknowledge")
    [whole] = daemon.manifest(run).steps or []
    times_ps, places, moving = positions(daemon.directory(run), axis)
    inside = (times_ps >= whole.begin_ps) & (times_ps <= (whole.end_ps or 0))

    assert whole.completed
    assert whole.ended_by == "end of the sweep"
    assert list(places[[0, -1]]) == [0.0, end]
    assert list(moving[[0, -1]]) == [0, 0]
    assert np.all(np.diff(times_ps) >= 0)
    assert np.count_nonzero(moving) > 20  # 2 s and more, twenty looks a second
    assert np.all(inside | (moving == 0))  # where it stood was told before the first photon, too
    on_the_way = (moving == 1) & (places > end / 10)  # a busy host takes the first photons late
    assert np.median(np.diff(times_ps[on_the_way])) < 200 * MS
    line = np.polyfit(times_ps[on_the_way] / 1e12, places[on_the_way], 1)
    assert line[0] == pytest.approx(speed, rel=0.2)
    with open_listmode(daemon.directory(run)) as recording:
        last_ps = int(recording.table("singles", ["time_ps"])["time_ps"][-1].as_py())
    assert min(whole.end_ps or 0, last_ps) >= times_ps[-1]  # what was on its way as it arrived is recorded, too


def test_steps_begin_where_axes_stand_and_the_way_there_is_told_too(daemon: Station) -> None:
    run = armed(daemon, "turns")
    daemon.ask("start")
    daemon.becomes("completed", within_s=30.0)
    daemon.ask("acknowledge")
    first, second = daemon.manifest(run).steps or []
    times_ps, places, moving = positions(daemon.directory(run), "gantry")

    before = times_ps <= second.begin_ps
    assert (places[before][-1], moving[before][-1]) == (3.0, 0)
    assert np.any((moving == 1) & (times_ps > (first.end_ps or 0)) & (times_ps < second.begin_ps))
    assert set(places[times_ps < (first.end_ps or 0)]) == {0.0}
    beds = positions(daemon.directory(run), "bed")[1]
    assert len(beds) == 2  # before each step, though it never moved
    radius_ps, radii, drawn = positions(daemon.directory(run), "front_radius")
    assert list(radii[drawn == 0][[0, -1]]) == [52.0, 56.0]
    between = times_ps > (first.end_ps or 0)
    assert max(radius_ps[drawn == 1]) < min(times_ps[(moving == 1) & between])  # drawn back before it turned


def test_a_bed_that_stalls_in_mid_sweep_interrupts_the_view_with_the_place_where_it_stands(daemon: Station) -> None:
    run = armed(daemon, "bed")
    daemon.simulate("table", "block-at", 7.0)
    daemon.ask("start")
    ended = daemon.becomes("interrupted", within_s=30.0)

    assert re.search(r"table stands at 7 mm for 1.* s, told to go to 15", ended["detail"]), ended["detail"]
    _, places, moving = positions(daemon.directory(run), "bed")
    assert (places[-1], moving[-1]) == (pytest.approx(7.0), 0)
    assert daemon.manifest(run).ended_by == "motion lost"
    assert daemon.fates(run) == [("whole body", False)]
    assert "home" in daemon.status()["motion"]["needed"]
