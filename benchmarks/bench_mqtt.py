"""From an announcement to another client: latency, throughput, and what a listener costs whoever announces."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiomqtt

from benchmarks.common import Row
from daq.model.station import Reading, RunDocument, StationStatus
from daq.services.bus import Bus
from daq.services.status_mqtt import MqttSettings, StatusMqtt
from daq.services.status_mqtt.outbox import Outbox
from daq.transports.mqtt_probe import answers, free_port

AT = "2026-11-22T14:05:07.123Z"
MESSAGES = 300
BURST = 20_000
NODELAY = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
LIMIT_MS = 50.0


def run() -> list[Row]:
    """Return the rows of the table."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        return [Row("MQTT", "mosquitto is not installed")]
    rows = []
    for nodelay in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            port, broker = _broker(found, Path(folder), nodelay=nodelay)
            try:
                rows += asyncio.run(_measure(port, nodelay=nodelay))
            finally:
                broker.kill()
                broker.wait()
    return [*rows, asyncio.run(_listener())]


def _broker(mosquitto: str, folder: Path, *, nodelay: bool) -> tuple[int, subprocess.Popen[bytes]]:
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", f"set_tcp_nodelay {str(nodelay).lower()}",
             "max_queued_messages 0", "connection_messages false", "log_type error", "user root"]  # fmt: skip
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    broker = subprocess.Popen([mosquitto, "-c", str(folder / "mosquitto.conf")])
    deadline = time.monotonic() + 10.0
    while not answers("127.0.0.1", port, within_s=0.5):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return port, broker


async def _measure(port: int, *, nodelay: bool) -> list[Row]:
    bus = Bus()
    outbox = Outbox(most_documents=2 * BURST)
    status = StatusMqtt(MqttSettings(f"mqtt://127.0.0.1:{port}", "bench"), "cam1", bus, outbox=outbox)
    task = asyncio.create_task(status.run())
    try:
        async with aiomqtt.Client(
            "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, socket_options=NODELAY if nodelay else None
        ) as other:
            await other.subscribe("nm/v1/cam1/#", qos=1)
            await _until(lambda: status.figures.connected)
            rows = [await _latency(bus, other, nodelay=nodelay)]
            if nodelay:
                rows.append(await _throughput(bus, status))
            return rows
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _latency(bus: Bus, other: aiomqtt.Client, *, nodelay: bool) -> Row:
    """Announce one state after the other, each when the one before has arrived."""
    took_ms = []
    messages = aiter(other.messages)
    for number in range(MESSAGES if nodelay else MESSAGES // 5):
        await asyncio.sleep(0.003)
        begun = time.perf_counter()
        bus.announce(StationStatus("acquiring", AT, step=number))
        wanted = f'"step":{number},'.encode()
        async with asyncio.timeout(10.0):
            while wanted not in bytes((await anext(messages)).payload):
                pass
        took_ms.append(1000 * (time.perf_counter() - begun))
    p99 = statistics.quantiles(took_ms, n=100)[98]
    figure = f"p50 {statistics.median(took_ms):.2f} ms, p99 {p99:.2f} ms, longest {max(took_ms):.2f} ms"
    if not nodelay:
        return Row("MQTT latency, broker and reader without NODELAY", figure)
    return Row("MQTT announce -> another client, 50 ms / p99", figure, LIMIT_MS / p99, 1.0, 10.0)


async def _throughput(bus: Bus, status: StatusMqtt) -> Row:
    """Announce documents at once and wait until the broker has acknowledged all."""
    before, begun = status.figures.acknowledged, time.perf_counter()
    for number in range(BURST):
        bus.announce(RunDocument("r1", "event", {"seq_num": number, "data": {"rate": 12.5}}))
    await _until(lambda: status.figures.acknowledged >= before + BURST)
    rate = BURST / (time.perf_counter() - begun)
    return Row("MQTT outbox, documents acknowledged", f"{rate:,.0f}/s (QoS 1, another client listens in this process)")


async def _listener() -> Row:
    """Announce with nobody to send to: what the bus waits for."""
    bus = Bus()
    status = StatusMqtt(MqttSettings("mqtt://127.0.0.1:1", "bench"), "cam1", bus)
    readings = [Reading("hv", f"v{number}", 1.0, "V", "good", AT) for number in range(50)]
    states = [StationStatus("acquiring", AT, step=number) for number in range(50)]
    spent = []
    with bus.listening(status._announcer.hear):  # noqa: SLF001 - what the bus calls
        for _ in range(200):
            begun = time.perf_counter()
            for said in (*readings, *states):
                bus.announce(said)
            spent.append((time.perf_counter() - begun) / 100)
    with_us, alone_us = 1e6 * statistics.median(spent), 1e6 * _alone(readings, states)
    return Row("MQTT listener on the bus", f"{with_us - alone_us:.1f} us a call (bus alone {alone_us:.1f} us)")


def _alone(*said: list[Reading] | list[StationStatus]) -> float:
    bus, spent = Bus(), []
    for _ in range(200):
        begun = time.perf_counter()
        for records in said:
            for record in records:
                bus.announce(record)
        spent.append((time.perf_counter() - begun) / 100)
    return statistics.median(spent)


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(60.0):
        while not happened():  # noqa: ASYNC110 - counters, not events
            await asyncio.sleep(0.001)
