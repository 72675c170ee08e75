"""Commands over MQTT: who may, what comes through, what is answered, and what a hostile client cannot do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from support_mqtt import (
    Ear,
    Station,
    asking,
    certificates,
    listening,
    mosquitto,
    response_properties,
    soon,
    station,
    until,
)

from daq.errors import TransitionRefusedError
from daq.model.station import Actor, Role
from daq.model.verbs import checked

pytestmark = pytest.mark.system
CONNECT, PUBLISH, SUBSCRIBE = 1, 3, 8
ROLES = {"tech": Role.TECHNOLOGIST, "qc": Role.QC}


class Daemon:
    """Takes commands as the daemon does: checks verb, arguments and role; `prepare` takes as long as it is told."""

    def __init__(self) -> None:
        self.done: list[tuple[str, dict[str, object], Actor]] = []
        self.refused: list[tuple[str, str, str]] = []
        self.go = asyncio.Event()

    async def command(self, verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        checked(verb, args, actor)
        if verb == "prepare":
            await self.go.wait()
        if verb == "resume":
            raise TransitionRefusedError("cannot resume while ready; possible: prepare")
        if verb == "pause":
            raise ZeroDivisionError
        self.done.append((verb, args, actor))
        return {"state": "acquiring"}

    def note(self, actor: Actor, verb: str, reason: str) -> None:
        self.refused.append((actor.user, verb, reason))

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _, _ in self.done]


@asynccontextmanager
async def commanded(folder: Path, **more: Any) -> AsyncIterator[tuple[Station, Ear, Daemon]]:
    """Run a broker, a station that takes commands, and a client."""
    daemon = Daemon()
    settings: dict[str, Any] = {"commands": ("prepare", "start", "pause", "resume"), "trust_users": True, **more}
    with mosquitto(folder) as broker:
        async with (
            station(
                broker.port, command=daemon.command, role_of=lambda user: ROLES.get(user, Role.VIEWER),
                on_refusal=daemon.note, **settings,
            ) as here,
            listening(broker.port, five=settings.get("protocol") != "3.1.1") as ear,
        ):  # fmt: skip
            await here.connected()
            yield here, ear, daemon


async def ask(ear: Ear, verb: str, payload: bytes, user: str = "tech", **more: Any) -> None:
    await ear.client.publish(f"nm/v1/cam1/cmd/{user}/{verb}", payload, qos=1, **more)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_command_is_accepted_carried_out_and_answered(tmp_path: Path, protocol: str) -> None:
    async with commanded(tmp_path, protocol=protocol) as (here, ear, daemon):
        await ask(ear, "start", asking("a1", reason="patient ready"))
        done = await ear.hears("nm/v1/cam1/reply/tech/a1", lambda said: said["result"] == "done")
        results = [said["result"] for said in ear.objects("nm/v1/cam1/reply/tech/a1")]

    assert results == ["accepted", "done"]
    assert daemon.done == [("start", {"reason": "patient ready"}, Actor("tech", "mqtt", Role.TECHNOLOGIST))]
    assert (done["id"], done["verb"], done["boot"]) == ("a1", "start", here.mqtt.boot)


async def test_what_the_daemon_refuses_is_answered_with_its_reason(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (_, ear, _daemon):
        await ask(ear, "resume", asking("a1"))
        refused = await ear.hears("nm/v1/cam1/reply/tech/a1", lambda said: said["result"] == "refused")
        await ask(ear, "pause", asking("a2"))
        broken = await ear.hears("nm/v1/cam1/reply/tech/a2", lambda said: said["result"] == "refused")

    assert (refused["error"], refused["reason"]) == (
        "TransitionRefusedError", "cannot resume while ready; possible: prepare",
    )  # fmt: skip
    assert broken["error"] == "UnexpectedError"


async def test_a_viewer_may_not_start_and_may_stop(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (_, ear, daemon):
        await ask(ear, "start", asking("v1"), user="visitor")
        refused = await ear.hears("nm/v1/cam1/reply/visitor/v1", lambda said: said["result"] == "refused")
        await ask(ear, "stop", asking("v2"), user="visitor")
        await ear.hears("nm/v1/cam1/reply/visitor/v2", lambda said: said["result"] == "done")

    assert refused["error"] == "AccessError"
    assert daemon.verbs == ["stop"]


async def test_where_nobody_vouches_for_users_everybody_is_a_viewer(tmp_path: Path) -> None:
    async with commanded(tmp_path, trust_users=None) as (_, ear, daemon):
        await ask(ear, "start", asking("a1"))
        refused = await ear.hears("nm/v1/cam1/reply/tech/a1", lambda said: said["result"] == "refused")
        await ask(ear, "stop-motion", b"")
        await until(lambda: daemon.verbs == ["stop-motion"])

    assert "viewer" in refused["reason"]


async def test_without_a_list_of_verbs_nothing_is_taken_not_even_a_stop(tmp_path: Path) -> None:
    async with commanded(tmp_path, commands=()) as (here, ear, daemon):
        await ask(ear, "stop", asking("a1"))
        here.state("ready")
        await ear.hears("nm/v1/cam1/state")
        await asyncio.sleep(0.2)

    assert daemon.done == []
    assert not [message for message in ear.messages if "/reply/" in message.topic.value]


async def test_stopping_waits_for_no_other_command(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (_, ear, daemon):
        for number in range(12):
            await ask(ear, "prepare", asking(f"p{number}", protocol="bone"))
        await ask(ear, "stop", asking("s1"))
        await ear.hears("nm/v1/cam1/reply/tech/s1", lambda said: said["result"] == "done")
        waiting = list(daemon.verbs)
        daemon.go.set()
        await until(lambda: daemon.verbs.count("prepare") == 8)

    assert waiting == ["stop"]


async def test_expired_doubled_and_far_commands_are_refused(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (_, ear, daemon):
        await ask(ear, "start", asking("late", expires=soon(-2)))
        late = await ear.hears("nm/v1/cam1/reply/tech/late", lambda said: said["result"] == "refused")
        await ask(ear, "start", asking("far", expires=soon(3600)))
        far = await ear.hears("nm/v1/cam1/reply/tech/far", lambda said: said["result"] == "refused")
        await ask(ear, "start", asking("once"))
        await ear.hears("nm/v1/cam1/reply/tech/once", lambda said: said["result"] == "done")
        await ask(ear, "start", asking("once"))
        twice = await ear.hears("nm/v1/cam1/reply/tech/once", lambda said: said["result"] == "refused")

    assert "expired" in late["reason"]
    assert "this host's clock" in late["reason"]
    assert "limit 60 s" in far["reason"]
    assert "used before" in twice["reason"]
    assert daemon.verbs == ["start"]
    assert [reason.split()[0] for _, _, reason in daemon.refused] == ["expired", "expires", "the"]


async def test_a_stop_comes_through_late_doubled_and_badly_written(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (_, ear, daemon):
        for payload in (
            asking("s", expires=soon(-600)),
            asking("s"),
            b"",
            b"{now!}",
            b"\xff\xfe",
            b"[1]",
            b'{"args": 3}',
        ):
            await ask(ear, "stop", payload, user="visitor")
        await until(lambda: len(daemon.done) == 7)

    assert {verb for verb, args, _ in daemon.done if args == {}} == {"stop"}


async def test_a_retained_command_is_refused_at_every_connect(tmp_path: Path) -> None:
    daemon = Daemon()
    with mosquitto(tmp_path) as broker:
        async with listening(broker.port) as ear:
            await ask(ear, "start", asking("kept"), retain=True)
            await ask(ear, "stop", asking("kept2"), retain=True)
            for _ in range(2):
                async with station(
                    broker.port, command=daemon.command, role_of=ROLES.get, trust_users=True, commands=("start",)
                ):
                    await until(lambda: len(ear.objects("nm/v1/cam1/reply/tech/kept")) >= 1)
                    await until(lambda: len(ear.objects("nm/v1/cam1/reply/tech/kept2")) >= 1)
                    ear.messages.clear()

    assert daemon.done == []


HOSTILE = {
    "no json": b"start please",
    "not utf-8": b'{"id": "\xff"}',
    "an array": b"[]",
    "deep": b'{"id":"x","args":' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}",
    "deeper": b"[" * 16_000,
    "large": b'{"id":"x","args":{"a":"' + b"a" * 17_000 + b'"}}',
    "nan": b'{"id":"x","expires":"2026-11-22T00:00:00Z","args":{"a":NaN}}',
    "infinite": b'{"id":"x","expires":"2026-11-22T00:00:00Z","args":{"a":1e999}}',
    "huge": b'{"id":"x","expires":"2026-11-22T00:00:00Z","args":{"a":' + b"9" * 5000 + b"}}",
    "key twice": b'{"id":"x","id":"y","expires":"2026-11-22T00:00:00Z"}',
    "unknown key": b'{"id":"x","expires":"2026-11-22T00:00:00Z","sudo":true}',
    "surrogate": b'{"id":"x","expires":"\\ud800"}',
    "id of levels": b'{"id":"../../state","expires":"2026-11-22T00:00:00Z"}',
    "id too long": json.dumps({"id": "x" * 65, "expires": "2026-11-22T00:00:00Z"}).encode(),
    "id a number": b'{"id":1,"expires":"2026-11-22T00:00:00Z"}',
    "no time": b'{"id":"x"}',
    "time a number": b'{"id":"x","expires":1790000000}',
    "time without zone": b'{"id":"x","expires":"2099-11-22T00:00:00"}',
    "time of another kind": b'{"id":"x","expires":"tomorrow"}',
    "year 10000": b'{"id":"x","expires":"10000-01-01T00:00:00Z"}',
    "args an array": b'{"id":"x","expires":"2099-11-22T00:00:00Z","args":[]}',
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_commands_are_refused_in_words(tmp_path: Path, payload: bytes) -> None:
    async with commanded(tmp_path) as (here, ear, daemon):
        await ask(ear, "start", payload)
        await until(lambda: here.mqtt.figures.commands["refused"] == 1)
        await ask(ear, "start", asking("good"))
        await ear.hears("nm/v1/cam1/reply/tech/good", lambda said: said["result"] == "done")

        assert here.mqtt.figures.reconnects == 0
    assert daemon.verbs == ["start"]
    assert len(daemon.refused[0][2]) < 400
    assert "Traceback" not in daemon.refused[0][2]


async def test_identity_does_not_come_over_mqtt(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (_, ear, daemon):
        await ask(ear, "prepare", asking("p", protocol="bone", patient={"name": "Doe^Jane"}))
        refused = await ear.hears("nm/v1/cam1/reply/tech/p", lambda said: said["result"] == "refused")

    assert "nothing about a patient" in refused["reason"]
    assert "Doe" not in json.dumps([refused, daemon.refused])
    assert daemon.done == []


async def test_a_flood_of_refused_commands_is_ignored_after_a_while_and_stops_come_through(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (here, ear, daemon):
        for _ in range(400):
            await ask(ear, "start", b"junk")
        await ask(ear, "stop", b"")
        await until(lambda: daemon.verbs == ["stop"])

        assert here.mqtt.figures.commands["ignored"] > 200
        assert len(daemon.refused) < 100
        assert here.mqtt.figures.connected


async def test_a_request_of_mqtt_5_is_answered_on_its_topic_with_its_correlation(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (_, ear, _daemon):
        topic = "nm/v1/cam1/reply/tech/mine"
        await ask(ear, "start", asking("a1"), properties=response_properties(topic, b"\x00\x07"))
        await ear.hears(topic, lambda said: said["result"] == "done")
        answers = [message for message in ear.messages if message.topic.value == topic]

    assert [answer.properties.CorrelationData for answer in answers] == [b"\x00\x07", b"\x00\x07"]  # type: ignore[union-attr]


async def test_a_response_topic_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (here, ear, _daemon):
        here.state("ready")
        await ear.hears("nm/v1/cam1/state")
        for number, topic in enumerate(("nm/v1/cam1/state", "nm/v1/cam1/reply/qc/x", "nm/v1/cam1/reply/tech/")):
            await ask(ear, "start", asking(f"a{number}"), properties=response_properties(topic, b"x"))
            said = await ear.hears(f"nm/v1/cam1/reply/tech/a{number}", lambda said: said["result"] == "accepted")
            assert "must begin with nm/v1/cam1/reply/tech/" in said["reason"]
            await ear.hears(f"nm/v1/cam1/reply/tech/a{number}", lambda said: said["result"] == "done")

    assert {said.get("state") for said in ear.objects("nm/v1/cam1/state")} == {"ready"}
    assert ear.of("nm/v1/cam1/reply/qc/x") == []


async def test_commands_sent_while_the_daemon_was_away_are_not_carried_out(tmp_path: Path) -> None:
    daemon = Daemon()
    with mosquitto(tmp_path) as broker:
        async with listening(broker.port) as ear:
            settings: dict[str, Any] = {"commands": ("start",), "trust_users": True}
            async with station(broker.port, command=daemon.command, role_of=ROLES.get, **settings) as here:
                await here.connected()
            await ask(ear, "start", asking("away"))
            async with station(broker.port, command=daemon.command, role_of=ROLES.get, **settings) as here:
                await here.connected()
                await ask(ear, "start", asking("here"))
                await ear.hears("nm/v1/cam1/reply/tech/here", lambda said: said["result"] == "done")

    assert len(daemon.done) == 1


async def test_the_broker_lets_nobody_command_in_anothers_name(tmp_path: Path) -> None:
    """Mutual TLS: the certificate is the user, and the access list ties the topic to the user."""
    made = certificates(tmp_path / "certs", "localhost", "station", "tech", "qc")
    rules = tmp_path / "acl"
    rules.write_text(
        "user station\ntopic readwrite nm/v1/cam1/#\n\n"
        "pattern write nm/v1/+/cmd/%u/#\npattern read nm/v1/+/reply/%u/#\npattern read nm/v1/+/state\n"
    )
    rules.chmod(0o700)
    tls = (f"cafile {made}/ca.crt", f"certfile {made}/localhost.crt", f"keyfile {made}/localhost.key",
           "require_certificate true", "use_identity_as_username true")  # fmt: skip
    daemon = Daemon()

    def login(user: str) -> dict[str, Any]:
        files = aiomqtt.TLSParameters(str(made / "ca.crt"), str(made / f"{user}.crt"), str(made / f"{user}.key"))
        return {"tls_params": files, "host": "localhost"}

    with mosquitto(tmp_path, f"acl_file {rules}", anonymous=False, listener=tls) as broker:
        async with (
            station(
                broker.port, broker=f"mqtts://localhost:{broker.port}", ca_file=made / "ca.crt",
                cert_file=made / "station.crt", key_file=made / "station.key", commands=("start",),
                command=daemon.command, role_of=ROLES.__getitem__,
            ) as here,
            listening(broker.port, **login("tech")) as tech,
            listening(broker.port, **login("qc")) as qc,
        ):  # fmt: skip
            await here.connected()
            await ask(tech, "start", asking("forged"), user="qc")
            await ask(tech, "start", asking("own"), user="tech")
            await tech.hears("nm/v1/cam1/reply/tech/own", lambda said: said["result"] == "done")
            await ask(qc, "start", asking("mine"), user="qc")
            await qc.hears("nm/v1/cam1/reply/qc/mine", lambda said: said["result"] == "done")

            assert here.mqtt.figures.refused == 0

    assert [actor for _, _, actor in daemon.done] == [
        Actor("tech", "mqtt", Role.TECHNOLOGIST), Actor("qc", "mqtt", Role.QC),
    ]  # fmt: skip
    assert not any("/reply/qc/" in message.topic.value for message in tech.messages)


async def test_a_right_to_hear_commands_that_is_missing_is_said(tmp_path: Path) -> None:
    """mosquitto grants every subscription and filters later: here the broker is one that refuses."""
    daemon = Daemon()
    async with refusing_broker() as port, station(
        port, protocol="3.1.1", command=daemon.command, role_of=ROLES.get, commands=("start",)
    ) as here:  # fmt: skip
        await until(lambda: "refused" in here.board.raised)

        assert "refuses to let us hear nm/v1/cam1/cmd/+/+" in here.board.raised["refused"]


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the kind of the next packet of MQTT and its body."""
    kind = (await reader.readexactly(1))[0] >> 4
    length = shift = 0
    byte = 0x80
    while byte & 0x80:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
    return kind, await reader.readexactly(length)


@asynccontextmanager
async def refusing_broker() -> AsyncIterator[int]:
    """Serve MQTT 3.1.1 as far as is needed: take connections, refuse subscriptions, acknowledge publishes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                kind, body = await read_packet(reader)
                if kind == CONNECT:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind == SUBSCRIBE:
                    writer.write(b"\x90\x03" + body[:2] + b"\x80")
                elif kind == PUBLISH:
                    at = 2 + int.from_bytes(body[:2], "big")
                    writer.write(b"\x40\x02" + body[at : at + 2])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
