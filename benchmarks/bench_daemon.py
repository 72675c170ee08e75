"""The daemon: a transition, idleness, how long a command takes to be seen over MQTT while 10 M words/s are recorded.

The blaster, the readout, the daemon and the broker share the cores of one machine, as they would on a small station.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from queue import Queue
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.common import Row
from benchmarks.readoutrun import storage_folder
from daq.services.broker import end_broker, ensure_broker
from daq.state.acquisition import State, Trigger, next_state
from daq.transports.localclient import LocalClient

_RATE = 10e6
_SECONDS = 45
_COMMANDS = 200
_IDLE_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")

_SITE = """schema = "site/0"
station = "bench"
storage = {storage}
state = {state}
protocols = {protocols}
simulated = true
[instruments.ring]
profile = "singles64"
url = "{url}"
[mqtt]
own_port = 0
"""
_PROTOCOL = """schema = "acquisition-protocol/1"
id = "bench"
version = 1
title = "Benchmark"
kind = "pet"
modality = "pet"
[[steps]]
name = "one"
stop.host = "10 min"
expected_rate = "100 kcps"
[sources]
steps = "scandaq: a benchmark"
"""


def run() -> list[Row]:
    """Return the rows."""
    rows = [_transition()]
    with tempfile.TemporaryDirectory(dir=storage_folder(), prefix="bench-daemon-") as folder, _blaster() as url:
        rows += _station(Path(folder).absolute(), url)
    return rows


def _transition() -> Row:
    states = [State.READY, State.PREPARING, State.ARMED, State.ACQUIRING, State.COMPLETING, State.COMPLETED]
    triggers = [Trigger.PREPARE, Trigger.PREPARED, Trigger.START, Trigger.ALL_STEPS_DONE, Trigger.SEALED]
    assert [next_state(a, t) for (a, _), t in zip(pairwise(states), triggers, strict=True)] == states[1:]
    rounds = 100_000
    begin = time.perf_counter()
    for _ in range(rounds):
        for state, trigger in zip(states, triggers, strict=False):
            next_state(state, trigger)
    each_us = (time.perf_counter() - begin) / rounds / len(triggers) * 1e6
    return Row("transition of the state machine", figure=f"{each_us:.2f} us; aim 5 us")


def _station(folder: Path, url: str) -> list[Row]:
    state = Path(tempfile.mkdtemp(prefix="scandaq-bench-"))
    protocols = folder / "protocols"
    protocols.mkdir()
    (protocols / "bench.toml").write_text(_PROTOCOL)
    site = folder / "site.toml"
    places = {"storage": folder / "recordings", "state": state, "protocols": protocols}
    site.write_text(_SITE.format(url=url, **{name: json.dumps(str(path)) for name, path in places.items()}))
    broker = ensure_broker(state, 0)
    command = [sys.executable, "-m", "daq", "serve", "--site", str(site), "--log-level", "warning"]
    daemon = subprocess.Popen(command)
    try:
        _until((state / "control").exists, "the daemon")
        with LocalClient(state / "control") as client, _states(broker.port) as heard:
            time.sleep(2.0)
            idle = _cpu_s(daemon.pid)
            time.sleep(_IDLE_S)
            idle_share = (_cpu_s(daemon.pid) - idle) / _IDLE_S
            rows = [Row("daemon, idle", figure=f"{idle_share:.2%} of a core; aim 1 %")]
            return rows + _commands(client, heard)
    finally:
        daemon.terminate()
        daemon.wait(30)
        end_broker(state)


def _commands(client: LocalClient, heard: Queue[tuple[float, str]]) -> list[Row]:
    client.ask("prepare", {"protocol": "bench", "draft_reason": "benchmark"}, within_s=60)
    _until(lambda: client.ask("status", within_s=60)["state"] == "armed", "the readout")
    client.ask("start", within_s=60)
    time.sleep(3.0)
    before = client.ask("status", within_s=60)
    latencies_ms, answered_ms = [], []
    for number in range(_COMMANDS):
        verb, wanted = ("pause", "paused") if number % 2 == 0 else ("resume", "acquiring")
        while not heard.empty():
            heard.get()
        begin = time.monotonic()
        client.ask(verb, within_s=60)
        answered_ms.append((time.monotonic() - begin) * 1e3)
        while (seen := heard.get(timeout=30))[1] != wanted:
            pass
        latencies_ms.append((seen[0] - begin) * 1e3)
        time.sleep(0.05)
    client.ask("stop", within_s=60)
    _until(lambda: client.ask("status", within_s=60)["state"] == "completed", "the end")
    manifest = json.loads((Path(before["directory"]) / "manifest.json").read_text())
    words = sum(source["received"] for source in manifest["ledger"]["sources"])
    missing = sum(source["gap"] for source in manifest["ledger"]["sources"])
    rate = words / (manifest["duration_ps"] / 1e12)
    p50, p99 = _quantiles(latencies_ms)
    a50, a99 = _quantiles(answered_ms)
    load = f"{rate / 1e6:.1f} M words/s, {missing} missing"
    return [
        Row("command to state on MQTT", figure=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; aim 50 ms ({load})"),
        Row("command to answer, audit line durable", figure=f"p50 {a50:.1f} ms, p99 {a99:.1f} ms"),
    ]


def _quantiles(values: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


@contextmanager
def _states(port: int) -> Iterator[Queue[tuple[float, str]]]:
    """Yield what arrives on the topic of the state, with the moment it came."""
    heard: Queue[tuple[float, str]] = Queue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_connect = lambda *_: client.subscribe("nm/v1/+/state", 1)  # type: ignore[assignment]
    client.on_message = lambda _, __, m: heard.put((time.monotonic(), json.loads(m.payload)["state"]))
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def _blaster() -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.blaster",
        "--seconds",
        str(_SECONDS),
        "--sources",
        "32",
        "--rate",
        str(_RATE),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["udp"])
    finally:
        process.kill()
        process.communicate()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _until(condition: Any, what: str) -> None:
    until_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until_s, f"no {what} after 60 s"
        time.sleep(0.05)
