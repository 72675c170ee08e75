"""Brokers that tests start, and clients that listen to them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from daq.model.station import Alarm, Priority, Reading, StationStatus
from daq.services.bus import Bus
from daq.services.status_mqtt import MqttSettings, StatusMqtt
from daq.transports.mqtt_probe import answers, free_port

LONG_S = 20.0
AT = "2026-11-22T14:05:07.123Z"
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")


def need_mosquitto() -> str:
    """Return the path of mosquitto; without it fail in CI, skip elsewhere."""
    if MOSQUITTO is None:
        if os.environ.get("CI"):
            pytest.fail("mosquitto is missing: apt-get install mosquitto")
        pytest.skip("mosquitto is missing: apt-get install mosquitto")
    return MOSQUITTO


class Mosquitto:
    """A mosquitto of a test, on a port of its own."""

    def __init__(self, folder: Path, *lines: str, anonymous: bool = True, listener: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self._config = folder / "test-mosquitto.conf"
        self._log = folder / "test-mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        text = [
            f"listener {self.port} 127.0.0.1",
            *listener,
            f"allow_anonymous {str(anonymous).lower()}",
            "set_tcp_nodelay true",
            "log_dest stderr",
            *(["user root"] if os.geteuid() == 0 else []),
            *lines,
        ]
        self._config.write_text("\n".join(text) + "\n")

    def start(self, *, probe: bool = True) -> None:
        log = self._log.open("ab")
        self._process = subprocess.Popen([need_mosquitto(), "-c", str(self._config)], stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + LONG_S
        while time.monotonic() < deadline:
            if self._listens(probe=probe):
                return
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.02)
        pytest.fail("mosquitto does not answer")

    def _listens(self, *, probe: bool) -> bool:
        if probe:
            return answers("127.0.0.1", self.port, within_s=1.0)
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(LONG_S)
            self._process = None


@contextmanager
def mosquitto(folder: Path, *lines: str, anonymous: bool = True, listener: tuple[str, ...] = ()) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, *lines, anonymous=anonymous, listener=listener)
    try:
        broker.start(probe=not listener)
        yield broker
    finally:
        broker.kill()


@dataclass
class Ear:
    """What a client heard: topic, payload, retained; the newest last."""

    client: aiomqtt.Client
    messages: list[aiomqtt.Message] = field(default_factory=list)

    def of(self, topic: str) -> list[bytes]:
        return [bytes(message.payload) for message in self.messages if message.topic.value == topic]

    def objects(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.of(topic) if payload]

    async def hears(self, topic: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """Wait for a message on the topic that fits (parsed where it is JSON); return it."""
        found: list[Any] = []

        def heard() -> bool:
            found[:] = [one for one in map(parsed, self.of(topic)) if fits(one)]
            return bool(found)

        await until(heard, f"{topic}; heard {[(m.topic.value, m.payload) for m in self.messages][-8:]}")
        return found[-1]


def parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode()


async def until(happened: Callable[[], bool], what: str = "", within_s: float = LONG_S) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, f"did not happen within {within_s} s: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(port: int, topic: str = "nm/v1/#", *, five: bool = True, **more: Any) -> AsyncIterator[Ear]:
    """Be another client that listens."""
    protocol = aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311
    client = aiomqtt.Client(
        more.pop("host", "127.0.0.1"), port, protocol=protocol,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)], **more,
    )  # fmt: skip
    async with client:
        ear = Ear(client)

        async def listen() -> None:
            async for message in client.messages:
                ear.messages.append(message)

        task = asyncio.create_task(listen())
        try:
            await client.subscribe(topic, qos=1)
            yield ear
        finally:
            task.cancel()
            await asyncio.wait([task])


class Board:
    """Keeps alarms."""

    def __init__(self) -> None:
        self.raised: dict[str, str] = {}
        self.ever: dict[str, str] = {}

    def raise_(
        self, device: str, name: str, *, priority: Priority, text: str, guidance: str, latched: bool = True,
        details: str = "",
    ) -> Alarm:  # fmt: skip
        self.raised[name] = self.ever[name] = text
        return Alarm(device, name, priority, text, guidance, AT, latched=latched)

    def clear(self, device: str, name: str) -> None:
        self.raised.pop(name, None)


@dataclass
class Station:
    """A bus and what publishes it."""

    bus: Bus
    mqtt: StatusMqtt
    board: Board
    task: asyncio.Task[None]

    def state(self, state: str = "ready", **more: Any) -> None:
        self.bus.announce(StationStatus(state, AT, **more))

    def reading(self, name: str = "vmon", value: Any = 812.4, device: str = "hv") -> None:
        self.bus.announce(Reading(device, name, value, "V", "good", AT))

    async def connected(self) -> None:
        await until(lambda: self.mqtt.figures.connected, f"connected; {self.mqtt.figures} {self.board.ever}")

    async def end(self) -> None:
        """Cancel it as a daemon does, and wait."""
        self.task.cancel()
        done, _ = await asyncio.wait([self.task], timeout=LONG_S)
        assert done, "it does not end"
        if not self.task.cancelled():
            await self.task


@asynccontextmanager
async def station(port: int, **more: Any) -> AsyncIterator[Station]:
    """Run the status of a station for a while. Settings and the arguments of `StatusMqtt` are told apart by name."""
    service = {
        key: more.pop(key) for key in ("command", "role_of", "on_refusal", "outbox", "own_broker") if key in more
    }
    scanner, settle_s, bus = more.pop("scanner", "cam1"), more.pop("settle_s", 0.2), more.pop("bus", None) or Bus()
    settings = MqttSettings(
        **{"broker": f"mqtt://127.0.0.1:{port}", "client_id": "scandaq-test", "keepalive_s": 2, **more}
    )
    board = Board()
    mqtt = StatusMqtt(settings, scanner, bus, alarms=board, settle_s=settle_s, **service)
    task = asyncio.create_task(mqtt.run(), name="station")
    made = Station(bus, mqtt, board, task)
    await asyncio.sleep(0)  # it listens now
    async with AsyncExitStack() as stack:
        stack.push_async_callback(made.end)
        yield made


def soon(seconds: float = 20.0) -> str:
    """Return a time that many seconds from now, as commands have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def asking(identifier: str = "1", *, expires: str | None = None, **args: Any) -> bytes:
    """Return a command."""
    return json.dumps({"id": identifier, "expires": expires or soon(), "args": args}).encode()


def response_properties(topic: str, correlation: bytes) -> Properties:
    """Return the properties of a request of MQTT 5."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = topic
    properties.CorrelationData = correlation
    return properties


def certificates(folder: Path, *names: str, ca: str = "ca") -> Path:
    """Make an authority and certificates signed by it, for `localhost` and each name; return the folder."""
    folder.mkdir(exist_ok=True)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)  # noqa: S607

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.crt", "-days", "2",
            "-subj", f"/CN=Test {ca}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    for name in names:
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")  # fmt: skip
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial",
                "-out", f"{name}.crt", "-days", "2", "-extfile", "names")  # fmt: skip
    for key in folder.glob("*.key"):
        key.chmod(0o600)
    return folder
