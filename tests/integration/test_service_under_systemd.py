"""The daemon as a service: whatever ends it, the readout goes on, and the next daemon finds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support_cli import Done, command, done
from support_systemd import PlayedSystemd, Unit

from daq.errors import DeadlineError, UnreachableError
from daq.transports.localclient import ask_once

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging" / "systemd" / "scandaq.service"
DAEMON = Path(__file__).with_name("small_daemon.py")
SITE = 'schema = "site/0"\nstation = "test"\nstorage = "recordings"\n'


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[PlayedSystemd]:
    (tmp_path / "site.toml").write_text(SITE)
    places = {
        "PYTHONPATH": str(ROOT), "SCANDAQ_SITE": str(tmp_path / "site.toml"), "XDG_RUNTIME_DIR": str(tmp_path),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
    }  # fmt: skip
    played = PlayedSystemd(
        [sys.executable, str(DAEMON), str(tmp_path)], Unit.read(UNIT), tmp_path, places, faster=10.0,
        stop_post=command("stop-motion", "--after-exit"),
    )  # fmt: skip
    try:
        yield played
    finally:
        played.close()
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(readout(tmp_path), signal.SIGKILL)


def readout(state: Path) -> int:
    return int((state / "readout.pid").read_text())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def status(systemd: PlayedSystemd) -> dict[str, object]:
    return ask_once(systemd.folder / "control", "status", within_s=10.0)


def tell(systemd: PlayedSystemd, verb: str) -> None:
    """Ask for what the daemon may not survive."""
    with suppress(DeadlineError, UnreachableError):
        ask_once(systemd.folder / "control", verb, within_s=0.5)


def test_ready_is_said_when_requests_are_taken_and_by_the_main_process_alone(systemd: PlayedSystemd) -> None:
    systemd.start()

    assert status(systemd)["pid"] == systemd.main_pid
    said = systemd.said()
    assert said[said.index("READY=1") + 1] == f"STATUS=readout {readout(systemd.folder)}"
    assert {pid for pid, _ in systemd.messages} == {systemd.main_pid}
    environment = Path(f"/proc/{readout(systemd.folder)}/environ").read_bytes()
    assert b"NOTIFY_SOCKET" not in environment
    assert b"WATCHDOG" not in environment


def test_a_stop_ends_the_daemon_in_order_and_leaves_the_readout(systemd: PlayedSystemd) -> None:
    systemd.start()
    pid = readout(systemd.folder)

    ended = systemd.stop()

    assert (ended.result, ended.status) == ("success", 0)
    assert not systemd.restart_if_due(ended)
    assert "STOPPING=1" in systemd.said()
    assert is_alive(pid)
    assert not (systemd.folder / "control").exists()
    assert "the daemon has ended (result: success)\nhigh voltage is left as it is\n" in systemd.log
    systemd.start()
    assert status(systemd)["readout"] == pid


def test_a_second_signal_changes_nothing(systemd: PlayedSystemd) -> None:
    systemd.start()

    os.kill(systemd.main_pid, signal.SIGTERM)
    with suppress(ProcessLookupError):
        os.kill(systemd.main_pid, signal.SIGTERM)
    ended = systemd.stop()

    assert (ended.result, ended.status) == ("success", 0)


def test_a_killed_daemon_is_replaced_and_the_readout_is_found_again(systemd: PlayedSystemd) -> None:
    systemd.start()
    pid, first = readout(systemd.folder), systemd.main_pid

    os.kill(first, signal.SIGKILL)
    ended = systemd.wait()
    left = (systemd.folder / "control").exists()

    assert (ended.result, ended.status) == ("signal", signal.SIGKILL)
    assert left
    assert systemd.restart_if_due(ended)
    assert systemd.main_pid != first
    assert status(systemd)["readout"] == pid
    assert "the daemon has ended (result: signal)" in systemd.log


def test_a_loop_that_hangs_is_ended_with_the_stacks_in_the_log_and_no_core(systemd: PlayedSystemd) -> None:
    systemd.start()
    pid = readout(systemd.folder)

    tell(systemd, "hang")
    ended = systemd.wait()

    assert (ended.result, ended.status) == ("watchdog", signal.SIGABRT)
    assert "Fatal Python error: Aborted" in systemd.log
    assert 'small_daemon.py", line' in systemd.log
    assert not list(systemd.folder.glob("core*"))
    assert systemd.restart_if_due(ended)
    assert status(systemd)["readout"] == pid


def test_a_daemon_that_has_lost_its_poller_is_not_fed_and_says_which(systemd: PlayedSystemd) -> None:
    systemd.start()

    tell(systemd, "lose-poller")
    ended = systemd.wait()

    assert ended.result == "watchdog"
    assert any(line.startswith("STATUS=not alive: HV poller silent for") for line in systemd.said())


def test_a_daemon_that_is_well_is_not_ended(systemd: PlayedSystemd) -> None:
    systemd.start()
    ending = threading.Timer(3 * systemd.unit.seconds("WatchdogSec") / systemd.faster, systemd.stop)
    ending.start()

    ended = systemd.wait()
    ending.join()

    assert ended.result == "success"
    assert ended.took_s > 2 * systemd.unit.seconds("WatchdogSec") / systemd.faster


@pytest.mark.parametrize(
    ("verb", "said"),
    [("never-end", "tasks that do not end: never-ending"), ("block-thread", "threads that do not end: loop_0")],
)
def test_what_never_ends_is_named_and_left_behind(systemd: PlayedSystemd, verb: str, said: str) -> None:
    systemd.start()
    tell(systemd, verb)

    ended = systemd.stop()

    assert (ended.result, ended.status) == ("success", 0)
    assert said in systemd.log


def test_a_second_daemon_is_refused_and_not_tried_again(systemd: PlayedSystemd) -> None:
    systemd.start()

    environment = {**os.environ, **systemd.environment}
    second = subprocess.run(systemd.command, capture_output=True, text=True, timeout=60.0, check=False, env=environment)

    assert second.returncode == 3
    assert second.returncode in systemd.unit.numbers("RestartPreventExitStatus")
    assert second.stderr.startswith(f"daq: this station has a daemon already (process {systemd.main_pid}, since ")
    assert status(systemd)["pid"] == systemd.main_pid


def test_who_watches_hears_of_a_restart_and_goes_on(systemd: PlayedSystemd) -> None:
    systemd.start()
    watching = subprocess.Popen(
        command("acquire", "watch", "--socket", systemd.folder / "control", "--within", "6"), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    time.sleep(1.0)

    os.kill(systemd.main_pid, signal.SIGKILL)
    systemd.restart_if_due(systemd.wait())
    watched: Done = done(watching)

    assert watched.code == 7
    assert "the daemon is gone" in watched.err
    assert "the daemon is back" in watched.err
