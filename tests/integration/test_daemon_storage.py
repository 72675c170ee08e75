"""A daemon whose disks are full, read-only or gone. Needs root: a file system of its own is mounted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_disk import fill, mounted, run
from support_protocol_texts import protocol, step

from daq.errors import RefusedError

pytestmark = pytest.mark.system

PROTOCOLS = (
    protocol(
        "short", step("first", stop='stop.time = "1 s"'), more='expected_rate = "1 kcps"', sources=("expected_rate",)
    ),
    protocol("still", step("view"), more='expected_rate = "1 kcps"', sources=("expected_rate",)),
    protocol(
        "two", step("first", stop='stop.time = "6 s"'), step("second", stop='stop.time = "2 s"'),
        more='expected_rate = "1 kcps"', sources=("expected_rate",),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end() as address:
        yield address


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system with room for a recording and for what must stay free."""
    with mounted(tmp_path, 128 << 20) as place:
        yield place


@pytest.fixture
def recording_there(tmp_path: Path, url: str, disk: Path) -> Iterator[Station]:
    """Yield a daemon that records on the small disk, its state elsewhere."""
    with station(tmp_path, url, storage=f'"{disk / "storage"}"') as made:
        made.storage = disk / "storage"
        made.add(*PROTOCOLS)
        yield made.start()
        made.clear_away()


@pytest.fixture
def state_there(tmp_path: Path, url: str, disk: Path) -> Iterator[Station]:
    """Yield a daemon that keeps its state on the small disk, and records elsewhere."""
    with station(tmp_path, url, state=f'"{disk / "state"}"') as made:
        made.state_folder = disk / "state"
        made.add(*PROTOCOLS)
        yield made.start()
        made.clear_away()


def test_a_disk_that_fills_up_ends_the_recording_as_interrupted_and_the_daemon_goes_on(
    recording_there: Station, disk: Path
) -> None:
    daemon = recording_there
    run_id = daemon.acquiring("still")
    ballast = fill(disk)

    said = daemon.truth("interrupted", run_id)

    assert "No space left" in said["state"]["detail"] or "full" in said["state"]["detail"]
    assert daemon.manifest(run_id).ended_by == "disk"
    assert daemon.fates(run_id) == [("view", False)]
    daemon.catalogued(run_id, "interrupted")
    with pytest.raises(RefusedError, match="must stay free"):
        daemon.prepare("still")
    ballast.unlink()
    again = daemon.acquiring("short")
    daemon.truth("completed", again)
    assert daemon.ledger(again)
    assert daemon.daq("audit", "verify", "--site", str(daemon.site)).returncode == 0


def test_a_storage_that_is_read_only_is_refused_in_words_and_taken_again_when_it_is_not(
    recording_there: Station, disk: Path
) -> None:
    daemon = recording_there
    run("mount", "-o", "remount,ro", str(disk))

    with pytest.raises(RefusedError, match=f"{daemon.storage}.* read-only file system"):
        daemon.prepare("still")

    assert daemon.status()["state"] == "ready"
    run("mount", "-o", "remount,rw", str(disk))
    daemon.armed("still")


def test_a_storage_that_goes_away_in_a_recording_interrupts_it_and_what_was_durable_comes_back_with_it(
    tmp_path: Path, url: str
) -> None:
    with station(tmp_path, url) as daemon:
        daemon.add(*PROTOCOLS)
        daemon.start()
        run_id = daemon.acquiring("still")
        gone = daemon.storage.rename(tmp_path / "gone")
        daemon.ask("stop")

        said = daemon.truth("interrupted", run_id)

        assert said["state"]["state"] == "interrupted"
        assert "No such file" in daemon.alarms()["acquisition/readout-lost"]["details"]
        gone.rename(daemon.storage)
        out = tmp_path / "recovered"
        done = daemon.daq("listmode", "recover", str(daemon.directory(run_id)), "--out", str(out))
        assert done.returncode == 0, done.stderr
        assert daemon.daq("listmode", "verify", str(out)).returncode == 0
        daemon.armed("still")


def test_a_full_state_folder_is_an_alarm_and_what_could_not_be_written_follows_when_there_is_room(
    state_there: Station, disk: Path
) -> None:
    daemon = state_there
    run_id = daemon.armed("two")
    ballast = fill(disk)
    daemon.ask("start")

    daemon.until(
        lambda: {"daemon/journal", "audit/storage"} <= daemon.alarms().keys(), "alarms", lambda: str(daemon.alarms())
    )
    daemon.restart()
    assert "daemon/journal" in daemon.alarms()
    daemon.truth("completed", run_id)

    assert daemon.fates(run_id) == [("first", True), ("second", True)]
    assert daemon.ledger(run_id)
    ballast.unlink()
    # Lines of the first daemon that still waited went to its log; which did hangs on what fits into the last block.
    waited = {("found", "done"), ("serve", "done")}
    daemon.until(lambda: waited <= set(results(daemon)[-4:]), "the audit lines", lambda: str(results(daemon)))
    daemon.until(lambda: not any(alarm["active"] for alarm in daemon.alarms().values()), "the end of alarms")
    assert daemon.daq("audit", "verify", "--site", str(daemon.site)).returncode == 0
    daemon.ask("acknowledge")
    assert daemon.restart().status()["state"] == "ready"


def results(daemon: Station) -> list[tuple[str, str]]:
    return [(line["verb"], line["result"]) for line in daemon.audit_lines()]
