"""What systemd is told, and that nothing is told where it is not there."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daq.services.watchdog import LoopTicker, Pulse, Watchdog
from daq.transports.sdnotify import Notify


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(tmp_path / "notify"))
        ours.settimeout(5.0)
        yield ours


def address_of(manager: socket.socket) -> str:
    return str(manager.getsockname())


def heard(manager: socket.socket) -> list[str]:
    """Return the lines of all messages that have come."""
    lines = []
    manager.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            lines += manager.recv(4096).decode().split("\n")
    return lines


def test_systemd_is_told_in_its_words(manager: socket.socket) -> None:
    notify = Notify(address_of(manager))

    notify.ready("acquires")
    notify.status("two steps to go")
    notify.reloading()
    notify.alive()
    notify.extend(2.5)
    notify.stopping()

    lines = heard(manager)
    moment_us = int(lines.pop(4).removeprefix("MONOTONIC_USEC="))
    assert lines == [
        "READY=1", "STATUS=acquires", "STATUS=two steps to go", "RELOADING=1", "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=2500000", "STOPPING=1",
    ]  # fmt: skip
    assert 0 <= time.monotonic_ns() // 1000 - moment_us < 60e6
    notify.close()


def test_an_abstract_name_is_known(tmp_path: Path) -> None:
    name = f"scandaq-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind("\0" + name)
        notify = Notify("@" + name)
        notify.ready()
        assert ours.recv(100) == b"READY=1"
        notify.close()


def test_without_systemd_nothing_is_sent() -> None:
    notify = Notify.from_environment({})

    notify.ready("x")
    notify.alive()

    assert (notify.heard, notify.watchdog_s, notify.lost) == (False, None, 0)


def test_the_environment_is_taken_so_that_processes_we_start_are_not_taken_for_us(manager: socket.socket) -> None:
    environment = {
        "NOTIFY_SOCKET": address_of(manager), "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid()), "A": "b",
    }  # fmt: skip

    notify = Notify.from_environment(environment)

    assert environment == {"A": "b"}
    assert (notify.heard, notify.watchdog_s) == (True, 10.0)


@pytest.mark.parametrize(
    "environment",
    [
        {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "soon"}, {},
    ],
)  # fmt: skip
def test_a_watchdog_that_is_not_ours_is_not_fed(environment: dict[str, str]) -> None:
    assert Notify.from_environment({"NOTIFY_SOCKET": "/nowhere", **environment}).watchdog_s is None


def test_an_unknown_kind_of_address_is_said_and_not_used(caplog: pytest.LogCaptureFixture) -> None:
    assert not Notify.from_environment({"NOTIFY_SOCKET": "vsock:2:1234"}).heard
    assert "vsock:2:1234" in caplog.text


def test_a_manager_that_has_gone_or_does_not_read_keeps_nobody_waiting(
    manager: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone, full = Notify(str(tmp_path / "nobody")), Notify(address_of(manager))

    gone.ready()
    for _ in range(10_000):
        full.alive()

    assert gone.lost == 1
    assert full.lost > 0
    assert "cannot be told READY=1" in caplog.text
    assert len([record for record in caplog.records if "WATCHDOG" in record.message]) == 1
    full.close()
    gone.close()


def test_a_status_is_one_line_of_bounded_length(manager: socket.socket) -> None:
    notify = Notify(address_of(manager))

    notify.status("a\nREADY=1\0\x1b[0m" + "x" * 1000)

    (line,) = heard(manager)
    assert line.startswith("STATUS=a READY=1  [0mxxx")
    assert len(line) == 307
    notify.close()


def test_the_watchdog_is_fed_only_while_everybody_is_heard_of(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    pulse = Pulse("HV poller", most_s=0.05)
    notify = Notify(address_of(manager), watchdog_s=1.0)
    watchdog = Watchdog(notify, {"poller": pulse})

    watchdog.look()
    fed = heard(manager)
    time.sleep(0.06)
    watchdog.look()
    starved = heard(manager)
    pulse.beat()
    watchdog.look()

    assert fed == ["WATCHDOG=1"]
    assert len(starved) == 1
    assert starved[0].startswith("STATUS=not alive: HV poller silent for 0.")
    assert heard(manager) == ["STATUS=alive again", "WATCHDOG=1"]
    assert "the watchdog is not fed: HV poller silent" in caplog.text
    notify.close()


def test_who_rests_on_purpose_is_not_missed() -> None:
    pulse = Pulse("writer", most_s=0.01)

    pulse.hold()
    time.sleep(0.02)
    resting = pulse()
    pulse.beat()
    time.sleep(0.02)

    assert resting is None
    assert pulse() is not None


def test_a_check_that_fails_itself_is_a_reason_not_to_feed(manager: socket.socket) -> None:
    def broken() -> str | None:
        raise ZeroDivisionError("x")

    notify = Notify(address_of(manager), watchdog_s=1.0)
    watchdog = Watchdog(notify, {"writer": broken})

    watchdog.look()

    assert watchdog.wrong == ("writer cannot be checked: ZeroDivisionError: x",)
    assert "WATCHDOG=1" not in heard(manager)
    notify.close()


async def test_the_watchdog_is_fed_several_times_within_its_time(manager: socket.socket) -> None:
    notify = Notify(address_of(manager), watchdog_s=0.2)
    task = asyncio.create_task(Watchdog(notify, {}).run())

    await asyncio.sleep(0.5)
    task.cancel()

    assert heard(manager).count("WATCHDOG=1") >= 4
    notify.close()


@pytest.mark.slow
async def test_a_loop_that_hangs_is_measured() -> None:
    ticker = LoopTicker()
    task = asyncio.create_task(ticker.run())
    await asyncio.sleep(0.3)

    time.sleep(0.6)  # noqa: ASYNC251 - what must not be done, to see that it is seen
    await asyncio.sleep(0.05)
    worst_s = ticker.take_worst()
    task.cancel()

    assert worst_s > 0.2
    assert ticker.take_worst() == 0.0
