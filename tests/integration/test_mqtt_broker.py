"""The station's own broker: found again, ours alone, gone and back; mosquitto, and amqtt where there is none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_mqtt import LONG_S, Mosquitto, asking, listening, need_mosquitto, station, until

from daq.errors import DeadlineError, RefusedError, UnreachableError
from daq.model.station import Actor, Description, Role, RunDocument
from daq.services import broker as own
from daq.services.broker import OwnBroker, end_broker, ensure_broker, find_broker
from daq.services.brokerproof import LOCK

pytestmark = pytest.mark.system
KINDS = ["mosquitto", "amqtt"]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """Return a state folder whose broker is ended afterwards."""
    yield tmp_path / "state"
    end_broker(tmp_path / "state")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let only one kind of broker be found."""
    if request.param == "amqtt":
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.setattr(own, "_SBIN", "/nowhere")
    else:
        need_mosquitto()
    return str(request.param)


def gone(pid: int) -> bool:
    """Return True for no process, and for one that has ended and that nobody asked for its result yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_it_is_started_once_and_found_again(state: Path, kind: str) -> None:
    first = ensure_broker(state, 0)
    second = ensure_broker(state, 0)

    assert first == second == find_broker(state)
    assert (first.kind, first.protocol) == (kind, {"mosquitto": "5", "amqtt": "3.1.1"}[kind])
    assert f"own broker: {kind} at mqtt://127.0.0.1:{first.port}, MQTT {first.protocol}" in str(first)


def test_it_outlives_who_started_it_in_a_session_of_its_own(state: Path, kind: str) -> None:
    script = f"from daq.services.broker import *; print(ensure_broker(Path({str(state)!r}), 0).pid)"
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    pid = int(started.stdout)
    found = ensure_broker(state, 0)

    assert found.pid == pid
    assert os.getsid(pid) not in (0, os.getsid(0))
    assert found.kind in KINDS
    assert kind in KINDS


def test_it_ends_when_told_and_there_is_nothing_to_end_twice(state: Path, kind: str) -> None:
    broker = ensure_broker(state, 0)

    assert broker.kind == kind
    assert end_broker(state)
    assert find_broker(state) is None
    assert not end_broker(state)


def test_a_killed_one_is_started_again_at_the_same_port(state: Path, kind: str) -> None:
    first = ensure_broker(state, 0)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    second = ensure_broker(state, 0)

    assert second.pid != first.pid
    assert (second.port, second.kind) == (first.port, kind)


def test_it_listens_on_loopback_only(state: Path) -> None:
    broker = ensure_broker(state, 0)
    listeners = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
    at = [
        line.split()[1]
        for line in listeners
        if line.split()[3:4] == ["0A"] and line.split()[1].endswith(f":{broker.port:04X}")
    ]

    assert at == [f"0100007F:{broker.port:04X}"]


def test_a_port_of_somebody_else_is_refused_and_they_are_left_alone(state: Path, tmp_path: Path) -> None:
    other = Mosquitto(tmp_path)
    other.start()
    try:
        with pytest.raises(UnreachableError, match=f"port {other.port} of 127.0.0.1 is taken by another program"):
            ensure_broker(state, other.port)

        assert find_broker(state) is None
        assert not end_broker(state)
        assert other._process is not None
        assert other._process.poll() is None
    finally:
        other.kill()


def test_a_port_where_something_else_listens_is_refused(state: Path) -> None:
    need_mosquitto()
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(UnreachableError, match="taken"):
        ensure_broker(state, other.getsockname()[1])


def test_a_stale_lock_with_the_number_of_a_living_process_is_not_believed(state: Path) -> None:
    (state / "broker").mkdir(parents=True)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (state / "broker" / LOCK).write_text(
            f'{{"host":"127.0.0.1","port":1,"protocol":"5","kind":"mosquitto","pid":{bystander.pid}}}'
        )

        assert find_broker(state) is None
        assert not end_broker(state)
        assert ensure_broker(state, 0).pid != bystander.pid
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait(LONG_S)


def test_a_wrong_number_beside_a_living_broker_is_corrected_before_anything_is_ended(state: Path) -> None:
    broker = ensure_broker(state, 0)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        lock = state / "broker" / LOCK
        lock.write_text(lock.read_text().replace(f'"pid": {broker.pid}', f'"pid": {bystander.pid}'))

        assert find_broker(state) == broker
        assert end_broker(state)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait(LONG_S)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"port": "x"}', b"\xff"])
def test_a_lock_that_says_nothing_is_waited_for_and_ended_by_who_holds_it(state: Path, text: bytes) -> None:
    broker = ensure_broker(state, 0)
    (state / "broker" / LOCK).write_bytes(text)
    found = find_broker(state)

    assert found is not None
    assert found.pid is None or found.pid == broker.pid
    assert end_broker(state)
    assert broker.pid is not None
    assert gone(broker.pid)


def test_another_port_in_the_site_file_moves_it(state: Path) -> None:
    first = ensure_broker(state, 0)
    wanted = own.free_port()
    second = ensure_broker(state, wanted)

    assert second.port == wanted != first.port
    assert first.pid is not None
    assert gone(first.pid)


def test_many_at_once_get_one_broker(state: Path) -> None:
    found: list[OwnBroker] = []
    threads = [threading.Thread(target=lambda: found.append(ensure_broker(state, 0))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)

    assert len(found) == 6
    assert len(set(found)) == 1


def test_a_frozen_one_is_ended_in_time(state: Path) -> None:
    broker = ensure_broker(state, 0)
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    begun_s = time.monotonic()

    assert end_broker(state)
    assert time.monotonic() - begun_s < 3 * LONG_S
    assert gone(broker.pid)


def test_a_frozen_one_is_said_to_be_so_and_not_replaced(state: Path) -> None:
    broker = ensure_broker(state, 0)
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)

    with pytest.raises(DeadlineError, match=f"process {broker.pid}.*does not answer within 2 s"):
        ensure_broker(state, 0)
    os.kill(broker.pid, signal.SIGCONT)
    assert ensure_broker(state, 0) == broker


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    with pytest.raises(RefusedError, match="Not a directory"):
        ensure_broker(tmp_path / "state", 0)


async def test_the_station_finds_its_own_broker_again_after_it_was_killed(state: Path) -> None:
    async with station(0, broker="own", own_broker=lambda: ensure_broker(state, 0)) as here:
        here.state("ready")
        await here.connected()
        broker = find_broker(state)
        assert broker is not None
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: here.mqtt.figures.reconnects == 1)
        async with listening(broker.port) as ear:
            await ear.hears("nm/v1/cam1/state", lambda said: said["state"] == "ready")


async def test_everything_works_on_amqtt_with_3_1_1(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(own, "_SBIN", "/nowhere")
    asked: list[Actor] = []

    async def command(verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        asked.append(actor)
        return {"verb": verb, "args": args}

    broker = ensure_broker(state, 0)
    async with listening(broker.port, five=False) as ear:
        async with station(
            0, broker="own", own_broker=lambda: ensure_broker(state, 0), command=command,
            role_of=lambda _: Role.SERVICE, commands=("start",),
        ) as here:  # fmt: skip
            here.bus.announce(Description("s", "cam1", {"scandaq": "1"}))
            here.state("ready")
            here.reading()
            here.bus.announce(RunDocument("r1", "start", {"uid": "u"}))
            await ear.hears("nm/v1/cam1/availability", lambda said: said == "online")
            await ear.hears("nm/v1/cam1/readings/hv/vmon")
            await ear.hears("nm/v1/cam1/run/r1/document")
            await ear.client.publish("nm/v1/cam1/cmd/tech/stop", asking("s1"), qos=1)
            await ear.hears("nm/v1/cam1/reply/tech/s1", lambda said: said["result"] == "done")
            await ear.client.publish("nm/v1/cam1/availability", b"offline", qos=1, retain=True)
            await until(lambda: ear.of("nm/v1/cam1/availability")[-1] == b"online")
        await ear.hears("nm/v1/cam1/availability", lambda said: said == "offline")

    assert asked == [Actor("tech", "mqtt", Role.VIEWER)]
    assert here.mqtt.figures.reconnects == 0
