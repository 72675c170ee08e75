"""The status over MQTT while the broker does what brokers do: not be there, come back, freeze, refuse."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from support_mqtt import AT, LONG_S, Mosquitto, listening, mosquitto, station, until

from daq.model.station import Alarm, Progress, RunDocument, StationStatus
from daq.services.bus import Bus
from daq.services.status_mqtt.outbox import Outbox

pytestmark = pytest.mark.system
STATE, AVAILABILITY = "nm/v1/cam1/state", "nm/v1/cam1/availability"


async def test_what_is_announced_arrives_with_number_time_and_boot(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here, listening(broker.port) as ear:
            here.state("ready")
            said = await ear.hears(STATE, lambda said: said["state"] == "ready")
            here.state("preparing")
            later = await ear.hears(STATE, lambda said: said["state"] == "preparing")

    assert said["boot"] == later["boot"] == here.mqtt.boot
    assert later["seq"] > said["seq"] > 0
    assert said["ts"].endswith("Z")


async def test_a_client_that_comes_later_finds_everything_retained(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here:
            here.state("ready")
            here.reading()
            await until(lambda: here.mqtt.figures.acknowledged >= 3)
            async with listening(broker.port) as ear:
                await ear.hears(AVAILABILITY)
                await ear.hears(STATE)
                reading = await ear.hears("nm/v1/cam1/readings/hv/vmon")

    assert all(message.retain for message in ear.messages)
    assert (reading["value"], reading["unit"], reading["quality"]) == (812.4, "V", "good")


async def test_a_broker_that_comes_later_is_found_and_told_everything(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    async with station(broker.port) as here:
        here.state("acquiring", run="r1")
        here.bus.announce(RunDocument("r1", "start", {"uid": "u1"}))
        await until(lambda: here.mqtt.figures.failed_connects >= 2)
        try:
            broker.start()
            async with listening(broker.port) as ear:
                await ear.hears(AVAILABILITY, lambda said: said == "online")
                await ear.hears(STATE, lambda said: said["state"] == "acquiring")
                await here.connected()
                await until(lambda: len(here.mqtt._announcer.outbox) == 0 and not here.mqtt.figures.under_way)
        finally:
            broker.kill()

    assert here.mqtt.figures.dropped_documents == 0


async def test_after_a_restart_of_the_broker_everything_is_there_again(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here:
            here.state("ready")
            here.reading()
            here.bus.announce(Alarm("bed", "pad", "high", "pad hit", "free the patient", AT))
            await here.connected()
            await until(lambda: not here.mqtt.figures.under_way)
            broker.kill()
            here.state("acquiring")
            for number in range(5):
                here.bus.announce(RunDocument("r1", "event", {"seq_num": number}))
            here.bus.announce(Alarm("bed", "pad", "high", "pad hit", "", AT, active=False, acknowledged_by="lee"))
            await until(lambda: not here.mqtt.figures.connected)
            broker.start()
            async with listening(broker.port) as ear:
                await ear.hears(AVAILABILITY, lambda said: said == "online")
                await ear.hears(STATE, lambda said: said["state"] == "acquiring")
                await ear.hears("nm/v1/cam1/readings/hv/vmon")
                await until(lambda: not len(here.mqtt._announcer.outbox) and not here.mqtt.figures.under_way)

    assert here.mqtt.figures.reconnects == 1
    assert ear.objects("nm/v1/cam1/alarm/bed/pad") == []


async def test_documents_of_an_outage_arrive_in_order_and_whole(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    topic = "nm/v1/cam1/run/r1/document"
    try:
        async with station(broker.port) as here:
            await here.connected()
            broker.kill()
            await until(lambda: not here.mqtt.figures.connected)
            before = here.mqtt.figures.acknowledged
            for number in range(300):
                here.bus.announce(RunDocument("r1", "event", {"seq_num": number}))
            broker.start()
            async with listening(broker.port) as ear:
                await until(lambda: here.mqtt.figures.acknowledged >= before + 300)
                here.bus.announce(RunDocument("r1", "stop", {}))
                await ear.hears(topic, lambda said: said["name"] == "stop")
    finally:
        broker.kill()

    numbers = [said["document"].get("seq_num") for said in ear.objects(topic)]
    assert numbers == [*range(300 - len(numbers) + 1, 300), None]
    assert here.mqtt.figures.dropped_documents == 0


async def test_a_frozen_broker_is_noticed_and_told_the_newest_when_it_thaws(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here:
            here.state("ready")
            await here.connected()
            await until(lambda: not here.mqtt.figures.under_way)
            broker.send(signal.SIGSTOP)
            for number in range(2000):
                here.state("acquiring", step=number)
                here.reading(value=float(number))
            await until(lambda: not here.mqtt.figures.connected, "it is noticed")
            waiting = len(here.mqtt._announcer.outbox)
            here.state("completed")
            broker.send(signal.SIGCONT)
            async with listening(broker.port) as ear:
                await ear.hears(STATE, lambda said: said["state"] == "completed")
                await ear.hears(AVAILABILITY, lambda said: said == "online")
                await here.connected()
                await asyncio.sleep(0.5)

    assert waiting < 10
    assert ear.of(AVAILABILITY)[-1] in (b"online", b"offline")  # offline: the goodbye, after the end
    assert ear.objects(STATE)[-1]["state"] == "completed"


async def test_a_broker_frozen_before_the_connect_is_given_up_in_time(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        broker.send(signal.SIGSTOP)
        async with station(broker.port) as here:
            await until(lambda: here.mqtt.figures.failed_connects >= 1)
            broker.send(signal.SIGCONT)
            await here.connected()


async def test_one_who_listens_and_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with station(silent.getsockname()[1]) as here:
            await until(lambda: here.mqtt.figures.failed_connects >= 1)

            assert "did not answer" in here.mqtt._why_not


async def test_garbage_instead_of_a_broker_is_an_error_and_no_end() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(random.Random(4).randbytes(5000))
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server, station(server.sockets[0].getsockname()[1]) as here:
        await until(lambda: here.mqtt.figures.failed_connects >= 3)

        assert not here.task.done()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_message_too_large_for_the_broker_holds_up_no_other(tmp_path: Path, protocol: Any) -> None:
    with mosquitto(tmp_path, "max_packet_size 20000") as broker:
        async with station(broker.port, protocol=protocol) as here, listening(broker.port) as ear:
            here.bus.announce(RunDocument("r1", "start", {"text": "x" * 30_000}))
            here.bus.announce(RunDocument("r1", "stop", {"uid": "u"}))
            await ear.hears("nm/v1/cam1/run/r1/document", lambda said: said["name"] == "stop")
            here.state("ready")
            await ear.hears(STATE, lambda said: said["state"] == "ready")

            assert here.mqtt.figures.too_large >= 1
            assert "nm/v1/cam1/run/r1/document" in here.board.ever["message-too-large"]


@pytest.mark.parametrize("other_id", ["scandaq-test", "scandaq-elsewhere"])
async def test_another_daemon_for_the_same_scanner_is_noticed(tmp_path: Path, other_id: str) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as one:
            one.state("ready")
            await until(lambda: one.mqtt.figures.acknowledged >= 2)
            async with station(broker.port, client_id=other_id) as other:
                other.state("ready")
                await until(lambda: "taken-over" in {**one.board.raised, **other.board.raised})
            await one.connected()

    assert one.mqtt.figures.taken_over + other.mqtt.figures.taken_over >= 1


async def test_a_new_start_of_the_daemon_is_not_another_daemon(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        for _ in range(3):
            async with station(broker.port) as here, listening(broker.port) as ear:
                here.state("ready")
                await ear.hears(STATE, lambda said, boot=here.mqtt.boot: said["boot"] == boot)
            assert here.mqtt.figures.taken_over == 0


async def test_the_late_will_of_another_instance_is_contradicted(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        will = aiomqtt.Will(AVAILABILITY, "offline", qos=1, retain=True)
        async with (
            aiomqtt.Client("127.0.0.1", broker.port, identifier="hung-7f3a", will=will) as old,
            station(broker.port) as here,
            listening(broker.port) as ear,
        ):
            await ear.hears(AVAILABILITY, lambda said: said == "online")
            wire = old._client.socket()
            assert isinstance(wire, socket.socket)
            wire.shutdown(socket.SHUT_RDWR)
            await ear.hears(AVAILABILITY, lambda said: said == "offline")
            await until(lambda: ear.of(AVAILABILITY)[-1] == b"online")

            assert here.mqtt.figures.offline_contradicted == 1
            with pytest.raises(aiomqtt.MqttError):
                await anext(aiter(old.messages))


async def test_the_end_is_announced_and_what_waits_is_sent_before(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with listening(broker.port) as ear:
            async with station(broker.port) as here:
                await here.connected()
                here.bus.announce(Progress("r1", 1.0, 1, 1))
                await ear.hears("nm/v1/cam1/run/r1/progress")
                here.bus.announce(Progress("r1", 2.0, 1, 1))
                here.state("completed")
            await ear.hears(AVAILABILITY, lambda said: said == "offline")

    assert ear.objects("nm/v1/cam1/run/r1/progress")[-1]["elapsed_s"] == 2.0
    assert ear.messages[-1].payload == b"offline"
    assert ear.of(AVAILABILITY).count(b"offline") == 1


async def test_an_end_that_the_broker_does_not_take_leaves_the_last_will(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here:
            await here.connected()
            broker.send(signal.SIGSTOP)
        broker.send(signal.SIGCONT)
        async with listening(broker.port) as ear:
            await ear.hears(AVAILABILITY, lambda said: said == "offline")


DAEMON = """
import asyncio, sys
from daq.model.station import StationStatus, utc_now
from daq.services.bus import Bus
from daq.services.status_mqtt import MqttSettings, StatusMqtt

async def main():
    bus = Bus()
    bus.announce(StationStatus(sys.argv[2], utc_now()))
    await StatusMqtt(MqttSettings(sys.argv[1], "scandaq-test", keepalive_s=2), "cam1", bus).run()

asyncio.run(main())
"""


async def test_a_daemon_that_is_killed_is_offline_and_one_that_follows_is_online(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        async with listening(broker.port) as ear:
            for state in ("acquiring", "interrupted"):
                daemon = await asyncio.create_subprocess_exec(sys.executable, "-c", DAEMON, url, state)
                try:
                    said = await ear.hears(STATE, lambda said, state=state: said["state"] == state)
                    await until(lambda: ear.of(AVAILABILITY)[-1:] == [b"online"])
                finally:
                    daemon.kill()
                    await daemon.wait()
                await until(lambda: ear.of(AVAILABILITY)[-1] == b"offline")

    assert len({said["boot"] for said in ear.objects(STATE)}) == 2
    assert said["state"] == "interrupted"


async def test_documents_that_find_no_room_are_counted_and_said(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    async with station(broker.port, outbox=Outbox(most_documents=10)) as here:
        for number in range(25):
            here.bus.announce(RunDocument("r1", "event", {"seq_num": number}))
        await until(lambda: "documents-dropped" in here.board.raised)

        assert here.mqtt.figures.dropped_documents == 15


async def test_a_broker_that_stays_away_is_an_alarm_until_it_comes(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    async with station(broker.port) as here:
        await until(lambda: "broker-lost" in here.board.raised, within_s=30)
        try:
            broker.start()
            await until(lambda: "broker-lost" not in here.board.raised, within_s=30)
        finally:
            broker.kill()


async def test_cancelled_at_any_moment_it_ends_in_time(tmp_path: Path) -> None:
    moments = random.Random(7)
    with mosquitto(tmp_path) as broker:
        for _ in range(60):
            async with station(broker.port) as here:
                here.state("ready")
                await asyncio.sleep(moments.uniform(0.0, 0.03))
                begun_s = time.monotonic()
            assert here.task.cancelled()
            assert time.monotonic() - begun_s < LONG_S


async def test_cancelled_while_the_broker_goes_it_ends_in_time(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    for _ in range(10):
        broker.start()
        try:
            async with station(broker.port) as here:
                await here.connected()
                broker.kill()
        finally:
            broker.kill()
        assert here.task.cancelled()


async def test_a_listener_on_the_bus_is_not_held_up_by_a_broker_that_is_gone(tmp_path: Path) -> None:
    bus = Bus()
    async with station(Mosquitto(tmp_path).port, bus=bus) as here:
        await until(lambda: here.mqtt.figures.failed_connects >= 1)
        for number in range(50_000):
            bus.announce(StationStatus("acquiring", AT, step=number))

        assert len(here.mqtt._announcer.outbox) < 10
        assert here.mqtt._announcer.outbox.superseded >= 49_000


async def test_progress_comes_at_most_twice_a_second_and_the_newest_last(tmp_path: Path) -> None:
    topic = "nm/v1/cam1/run/r1/progress"
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here, listening(broker.port) as ear:
            await here.connected()
            begun_s = time.monotonic()
            for number in range(150):
                here.bus.announce(Progress("r1", float(number), 1, 1))
                await asyncio.sleep(0.01)
            took_s = time.monotonic() - begun_s
            await ear.hears(topic, lambda said: said["elapsed_s"] == 149.0)

    assert len(ear.of(topic)) <= took_s / 0.5 + 2


async def test_values_that_json_cannot_write_are_null(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with station(broker.port) as here, listening(broker.port) as ear:
            here.reading("imon", float("nan"))
            here.bus.announce(RunDocument("r1", "start", {"thing": object()}))
            said = await ear.hears("nm/v1/cam1/readings/hv/imon")

            assert said["value"] is None
            assert here.mqtt.figures.unpublishable == 1
            assert b"NaN" not in json.dumps(said).encode()
