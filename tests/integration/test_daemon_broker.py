"""A daemon whose broker is absent, dies, freezes, refuses, or remembers another one: the acquisition goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.publish as mqtt
import pytest
from support_daemon import Station, front_end, station
from support_mqtt import Mosquitto, mosquitto, need_mosquitto
from support_protocol_texts import protocol, step
from support_retained import TOPIC, retained

from daq.services.broker import find_broker

_RIGHT = "right"
pytestmark = pytest.mark.system

PROTOCOLS = (
    protocol("two", step("first", stop='stop.time = "1 s"'), step("second", stop='stop.time = "1 s"')),
    protocol("longer", step("first", stop='stop.time = "3 s"'), step("second", stop='stop.time = "3 s"')),
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end() as address:
        yield address


@pytest.fixture
def stationed(tmp_path: Path, url: str) -> Iterator[Callable[..., Station]]:
    """Yield what makes a station with these settings of MQTT."""
    with ExitStack() as stack:

        def make(told: str) -> Station:
            made = stack.enter_context(station(tmp_path, url, mqtt=f"{{ keepalive_s = 2, {told} }}"))
            made.add(*PROTOCOLS)
            return made

        yield make


def whole(daemon: Station, run: str) -> dict[str, Any]:
    """Demand that nothing is missing in the run; return its ledger."""
    assert daemon.fates(run) == [("first", True), ("second", True)]
    return daemon.ledger(run)


def test_a_broker_that_comes_later_hears_the_final_truth(tmp_path: Path, stationed: Callable[..., Station]) -> None:
    broker = Mosquitto(tmp_path)
    daemon = stationed(f'broker = "mqtt://127.0.0.1:{broker.port}"').start()
    run = daemon.acquiring("two")
    daemon.becomes("completed")
    ledger = whole(daemon, run)

    try:
        broker.start()
        said = daemon.on_broker("completed", port=broker.port)
        daemon.until(lambda: f"run/{run}/ledger" in retained(broker.port), "the ledger")
    finally:
        broker.kill()

    assert said["state"]["run"] == run
    assert ledger["balanced"]


def test_a_broker_that_freezes_and_one_that_is_killed_disturb_nothing(
    tmp_path: Path, stationed: Callable[..., Station]
) -> None:
    with mosquitto(tmp_path) as broker:
        daemon = stationed(f'broker = "mqtt://127.0.0.1:{broker.port}"').start()
        run = daemon.acquiring("longer")
        daemon.on_broker("acquiring", port=broker.port)

        broker.send(signal.SIGSTOP)
        daemon.in_step(2)
        broker.send(signal.SIGCONT)
        daemon.until(lambda: retained(broker.port)["state"]["step"] == 2, "the second step on the broker")
        broker.kill()
        broker.start()
        daemon.becomes("completed")

        said = daemon.on_broker("completed", port=broker.port)
        daemon.until(lambda: f"run/{run}/ledger" in retained(broker.port), "the ledger")
        assert said["state"]["run"] == run
        assert retained(broker.port)[f"run/{run}/ledger"]["ledger"] == whole(daemon, run)
        assert said["readings/bed/position"]["quality"] == "good"


def test_the_own_broker_is_started_again_when_it_is_killed(stationed: Callable[..., Station]) -> None:
    daemon = stationed("own_port = 0").start()
    run = daemon.acquiring("two")
    daemon.on_broker("acquiring")
    before = find_broker(daemon.state_folder)
    assert before is not None
    assert before.pid is not None

    os.kill(before.pid, signal.SIGKILL)
    daemon.becomes("completed")

    daemon.truth("completed", run)
    after = find_broker(daemon.state_folder)
    assert after is not None
    assert after.pid != before.pid
    whole(daemon, run)


def test_a_broker_that_refuses_the_password_is_an_alarm_and_no_more(
    tmp_path: Path, stationed: Callable[..., Station]
) -> None:
    words = tmp_path / "passwords"
    tool = Path(need_mosquitto()).with_name("mosquitto_passwd")
    tool = tool if tool.exists() else Path("/usr/bin/mosquitto_passwd")
    subprocess.run([str(tool), "-b", "-c", str(words), "tech", _RIGHT], check=True, capture_output=True)
    words.chmod(0o644)
    (tmp_path / "word").write_text("wrong\n")
    (tmp_path / "word").chmod(0o600)
    with mosquitto(tmp_path, f"password_file {words}", anonymous=False) as broker:
        login = f'user = "tech", password_file = "{tmp_path / "word"}"'
        daemon = stationed(f'broker = "mqtt://127.0.0.1:{broker.port}", {login}').start()
        run = daemon.acquiring("two")
        daemon.becomes("completed")

        whole(daemon, run)
        refusals = [alarm for name, alarm in daemon.alarms().items() if name.startswith("mqtt/")]
        assert any("refuse" in alarm["text"] or "authori" in alarm["text"].lower() for alarm in refusals), refusals
        assert "wrong" not in str(refusals)
        (tmp_path / "word").write_text(f"{_RIGHT}\n")
        said = daemon.on_broker("completed", port=broker.port, user="tech", password=_RIGHT)
        assert said["state"]["run"] == run


def test_what_an_earlier_daemon_left_retained_gives_way_to_the_truth(
    tmp_path: Path, stationed: Callable[..., Station]
) -> None:
    old = '{"seq": 9, "boot": "of-old", "state": "acquiring", "run": "20200101T000000Z-000000", "since_utc": "2020"}'
    with mosquitto(tmp_path) as broker:

        def say(topic: str, payload: str) -> None:
            mqtt.single(TOPIC + topic, payload, qos=1, retain=True, port=broker.port)

        say("state", old)
        say("availability", "offline")
        say("alarm/gone/too-warm", '{"boot": "of-old"}')
        say("readings/gone/voltage", '{"boot": "of-old", "value": 812.0}')
        daemon = stationed(f'broker = "mqtt://127.0.0.1:{broker.port}"').start()

        daemon.on_broker("ready", port=broker.port)
        daemon.until(
            lambda: not {"alarm/gone/too-warm", "readings/gone/voltage"} & retained(broker.port).keys(),
            "what nothing announces any more to be cleared",
        )
        say("availability", "offline")  # its will, which comes late
        say("state", old)
        said = daemon.on_broker("ready", port=broker.port)
        assert said["state"]["run"] is None
        assert daemon.status()["state"] == "ready"
