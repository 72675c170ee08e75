"""What stays on the broker: cleared when nothing announces it any more; what Home Assistant is told, and not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support_mqtt import AT, Mosquitto, listening, mosquitto, station, until

from daq.model.station import Alarm, Description, QcStatus, RunLedger

pytestmark = pytest.mark.system
CONFIG = "homeassistant/device/scandaq-cam1/config"


def described(*devices: str) -> Description:
    return Description("s", "cam1", {"scandaq": "0.4.0"}, devices={key: {} for key in devices})


async def test_readings_of_a_device_that_is_gone_are_cleared(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here:
            here.reading("vmon", 800.0, device="old/hv")
            here.reading("vmon", 812.0, device="hv")
            here.reading("vmon", 812.0, device="slow")
            here.bus.announce(described("old/hv", "hv", "slow"))
            await until(lambda: here.mqtt.figures.acknowledged >= 5)
        async with station(broker.port) as here, listening(broker.port) as ear:
            here.reading("vmon", 812.5, device="hv")
            here.bus.announce(described("hv", "slow"))
            await ear.hears("nm/v1/cam1/readings/old%2Fhv/vmon", lambda said: said == "")
            await until(lambda: not here.mqtt.figures.under_way)
        async with listening(broker.port, "nm/v1/cam1/readings/#") as ear:
            await ear.hears("nm/v1/cam1/readings/slow/vmon")
            await ear.hears("nm/v1/cam1/readings/hv/vmon")

    assert {message.topic.value.split("/")[4] for message in ear.messages} == {"hv", "slow"}


async def test_without_a_description_no_reading_is_cleared(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here:
            here.reading()
            await until(lambda: here.mqtt.figures.acknowledged >= 2)
        async with station(broker.port) as here:
            here.bus.announce(Alarm("bed", "pad", "high", "pad hit", "", AT))
            await until(lambda: here.mqtt._sweep is not None and here.mqtt._sweep.done)
            async with listening(broker.port) as ear:
                await ear.hears("nm/v1/cam1/readings/hv/vmon")


async def test_alarms_of_a_daemon_that_died_are_cleared_and_living_ones_are_not(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with listening(broker.port) as ear:
            for name in ("stall", "pad"):
                await ear.client.publish(f"nm/v1/cam1/alarm/bed/{name}", b'{"text":"of before"}', qos=1, retain=True)
            async with station(broker.port) as here:
                here.bus.announce(Alarm("bed", "pad", "high", "pad hit", "free the patient", AT))
                await ear.hears("nm/v1/cam1/alarm/bed/stall", lambda said: said == "")
                here.bus.announce(Alarm("bed", "pad", "high", "", "", AT, active=False, acknowledged_by="lee"))
                await ear.hears("nm/v1/cam1/alarm/bed/pad", lambda said: said == "")

    assert ear.of("nm/v1/cam1/alarm/bed/pad").count(b"") == 1


async def test_tests_of_quality_control_that_are_done_no_more_are_cleared(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with listening(broker.port) as ear:
            for test in ("flood", "bars"):
                await ear.client.publish(f"nm/v1/cam1/qc/{test}", b'{"text":"of before"}', qos=1, retain=True)
            async with station(broker.port) as here:
                here.bus.announce(QcStatus("flood", "Flood", "due", "", None, None, None, False, "due today"))
                await ear.hears("nm/v1/cam1/qc/bars", lambda said: said == "")
                await ear.hears("nm/v1/cam1/qc/flood", lambda said: said["text"] == "due today")

    assert b"" not in ear.of("nm/v1/cam1/qc/flood")


async def test_ten_ledgers_stay(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here:
            for run in range(8):
                here.bus.announce(RunLedger(f"2026-{run:03}", {"balanced": True}))
            await until(lambda: here.mqtt.figures.acknowledged >= 9)
        async with station(broker.port) as here:
            for run in range(8, 14):
                here.bus.announce(RunLedger(f"2026-{run:03}", {"balanced": True}))
            await until(lambda: here.mqtt._sweep is not None and here.mqtt._sweep.done)
            await until(lambda: not here.mqtt.figures.under_way and not len(here.mqtt._announcer.outbox))
        async with listening(broker.port, "nm/v1/cam1/run/+/ledger") as ear:
            await ear.hears("nm/v1/cam1/run/2026-013/ledger")
            await until(lambda: len(ear.messages) >= 10)

    assert sorted(message.topic.value.split("/")[4] for message in ear.messages) == [
        f"2026-{run:03}" for run in range(4, 14)
    ]


async def test_a_sweep_that_may_not_look_leaves_everything(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic write nm/v1/cam1/#\ntopic read nm/v1/cam1/availability\n")
    rules.chmod(0o700)
    with mosquitto(tmp_path, f"acl_file {rules}") as broker:
        async with station(broker.port) as here:
            here.state("ready")
            await until(lambda: here.mqtt._sweep is not None and here.mqtt._sweep.done)

            assert here.mqtt.figures.refused == 0
            assert here.mqtt.figures.reconnects == 0


async def test_home_assistant_is_told_when_switched_on_and_forgets_when_switched_off(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with listening(broker.port, "homeassistant/#") as ear:
            async with station(broker.port, home_assistant=True) as here:
                here.bus.announce(described("hv"))
                here.reading()
                config = await ear.hears(CONFIG, lambda said: "reading-hv-vmon" in said["components"])
            ear.messages.clear()
            async with station(broker.port):
                await ear.hears(CONFIG, lambda said: said == "")
        async with listening(broker.port, "homeassistant/#") as later:
            await later.client.publish("homeassistant/end", b"", qos=1)
            await later.hears("homeassistant/end")

    assert config["components"]["reading-hv-vmon"]["device_class"] == "voltage"
    assert CONFIG not in [message.topic.value for message in later.messages]
    assert "command_topic" not in json.dumps(config)


async def test_nothing_is_said_to_home_assistant_by_default(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    try:
        async with listening(broker.port, "homeassistant/#") as ear, station(broker.port) as here:
            here.reading()
            await until(lambda: here.mqtt._sweep is not None and here.mqtt._sweep.done)
    finally:
        broker.kill()

    assert ear.messages == []
