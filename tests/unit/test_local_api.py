"""The local socket of a station: whoever talks to it, and however, it stays there for the next one."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import random
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from support_station import QUICK, Station, Talker, progress, serving

from daq.model.station import Role
from daq.services import localsession
from daq.services.users import Users
from daq.wire.jsonlines import MOST_REQUEST_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control"


def there(path: Path) -> bool:
    return path.exists()


@pytest.fixture(autouse=True)
async def _no_client_is_left() -> AsyncIterator[None]:
    yield
    Talker.close_all()
    await asyncio.sleep(0)


@pytest.fixture
async def station(path: Path) -> AsyncIterator[Station]:
    made = Station()
    async with serving(path, made, limits=QUICK):
        yield made


async def test_a_request_is_answered_and_the_kernel_tells_who_asked(path: Path, station: Station) -> None:
    client = await Talker.connected(path)

    answer = await client.answer("prepare", id="a", protocol="demo")

    assert (answer["id"], answer["answer"]["state"]) == ("a", "preparing")
    (verb, args, actor) = station.asked[0]
    assert (verb, args) == ("prepare", {"protocol": "demo"})
    assert (actor.user, actor.uid, actor.pid) == (pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getpid())
    assert (actor.origin, actor.role) == ("local", Role.TECHNOLOGIST)


async def test_a_refusal_tells_class_and_exit_code(path: Path, station: Station) -> None:
    client = await Talker.connected(path)

    answer = await client.answer("explode")

    assert answer == {
        "id": 1, "error": "cannot explode while ready; possible: prepare", "exit_code": 3,
        "kind": "TransitionRefusedError",
    }  # fmt: skip


async def test_an_unexpected_fault_is_answered_and_logged_without_the_values(
    path: Path, station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    client = await Talker.connected(path)

    answer = await client.answer("boom")

    assert (answer["kind"], answer["exit_code"]) == ("UnexpectedError", 1)
    assert "Doe^John" not in json.dumps(answer) + caplog.text
    assert "support_station.py" in caplog.text
    assert (await client.answer("status"))["answer"]["state"] == "ready"


@pytest.mark.parametrize(("verb", "kind"), [("large", "RefusedError"), ("no-json", "UnexpectedError")])
async def test_an_answer_that_cannot_be_sent_is_a_refusal(path: Path, station: Station, verb: str, kind: str) -> None:
    client = await Talker.connected(path)

    assert (await client.answer(verb))["kind"] == kind
    assert "answer" in await client.answer("status")


async def test_answers_overtake_each_other(path: Path, station: Station) -> None:
    client = await Talker.connected(path)

    client.ask("block", id=1)
    client.ask("status", id=2)
    first = await client.hear()
    station.blocked.set()
    second = await client.hear()

    assert (first["id"], second["id"], second["answer"]) == (2, 1, {"was": "blocked"})


async def test_too_many_requests_of_one_client_are_refused_but_for_stops(path: Path, station: Station) -> None:
    client = await Talker.connected(path)

    for number in range(9):
        client.ask("block", id=number)
    refused = await client.hear()
    station.run = "run"
    stopped = await client.answer("stop", id="stop")
    station.blocked.set()
    others = [await client.hear() for _ in range(8)]

    assert (refused["id"], refused["kind"]) == (8, "BusyError")
    assert stopped["answer"]["state"] == "completing"
    assert sorted(other["id"] for other in others) == list(range(8))


async def test_a_command_goes_on_when_its_client_has_left(path: Path, station: Station) -> None:
    client = await Talker.connected(path)
    client.ask("block")
    await asyncio.sleep(0.1)

    client.close()
    await asyncio.sleep(0.1)
    station.blocked.set()
    other = await Talker.connected(path)

    assert (await other.answer("status"))["answer"]["state"] == "ready"
    assert [asked[0] for asked in station.asked] == ["block", "status"]


async def test_a_client_may_close_its_direction_and_still_hears_every_answer(path: Path, station: Station) -> None:
    client = await Talker.connected(path)

    client.say(b'{"id": 1, "do": "block"}\n{"id": 2, "do": "status"}')
    client.writer.write_eof()
    first = await client.hear()
    station.blocked.set()
    second = await client.hear()

    assert (first["id"], second["id"]) == (2, 1)
    assert await client.hear() == {}


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"{}\n", b"[1]\n", b'{"do": ["status"]}\n', b"\xff\n", b"[" * 60_000 + b"\n", b"1" * 5000 + b"\n",
        b'{"do": "status", "do": "stop"}\n', b'{"do": "status", "args": {"a": NaN}}\n', b"GET / HTTP/1.1\r\n",
        b'{"do": "status", "uid": 0}\n', b'{"do": "watch", "args": {"kinds": ["everything"]}}\n',
        b'{"do": "watch", "args": {"kinds": []}}\n', b'{"do": "watch", "args": {"subjects": ["status"]}}\n',
    ],
)  # fmt: skip
async def test_nonsense_is_answered_by_a_sentence_and_the_next_request_is_served(
    path: Path, station: Station, line: bytes
) -> None:
    client = await Talker.connected(path)

    client.say(line)
    answer = await client.hear()

    assert (answer["exit_code"], answer["kind"]) == (2, "UsageError")
    assert "answer" in await client.answer("status")


async def test_a_line_that_is_too_long_ends_the_connection_in_words(path: Path, station: Station) -> None:
    client = await Talker.connected(path)

    client.say(b"x" * MOST_REQUEST_BYTES)
    answer = await client.hear()

    assert "at most 65536 bytes" in answer["error"]
    assert await client.hung_up()


async def test_a_line_of_the_greatest_length_is_served(path: Path, station: Station) -> None:
    client = await Talker.connected(path)
    line = b'{"do": "start", "args": {"a": "' + b"x" * (MOST_REQUEST_BYTES - 36) + b'"}}\n'
    assert len(line) == MOST_REQUEST_BYTES - 1

    client.say(line)

    assert "answer" in await client.hear()


async def test_who_never_ends_a_line_is_hung_up_on(path: Path, station: Station) -> None:
    client = await Talker.connected(path)

    async def drip() -> None:
        while True:
            client.say(b" ")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    answer = await client.hear()
    dripping.cancel()

    assert "a line takes at most 0.3 s" in answer["error"]


@pytest.mark.slow
async def test_who_says_nothing_is_hung_up_on_but_not_while_something_is_under_way(
    path: Path, station: Station
) -> None:
    silent, waiting = await Talker.connected(path), await Talker.connected(path)
    waiting.ask("block")

    answer = await silent.hear()
    await asyncio.sleep(0.7)
    station.blocked.set()

    assert "nothing was asked for" in answer["error"]
    assert (await waiting.hear())["answer"] == {"was": "blocked"}


@pytest.mark.slow
async def test_who_never_reads_is_hung_up_on_and_nobody_waits_for_that(path: Path, station: Station) -> None:
    async with serving(path.with_name("other"), station, limits=QUICK) as api:
        never = socket.socket(socket.AF_UNIX)
        never.connect(str(path.with_name("other")))
        never.sendall(b'{"do": "watch"}\n')
        client = await Talker.connected(path.with_name("other"))
        longest_s = 0.0

        for number in range(60):
            for _ in range(200):
                station.bus.announce(progress(elapsed_s=float(number), counts={"events" * 10: number}))
            before_s = time.monotonic()
            assert "answer" in await client.answer("status")
            longest_s = max(longest_s, time.monotonic() - before_s)
            await asyncio.sleep(0.02)

        assert api.figures()["hung_up"] == 1
        assert api.figures()["clients"] == 1
        assert longest_s < 5.0
        never.close()


async def test_a_slow_reader_of_a_watch_hears_the_newest_in_the_end(path: Path, station: Station) -> None:
    client = await Talker.connected(path)
    assert (await client.answer("watch", kinds=["progress"]))["answer"]["watching"] == ["progress"]

    for number in range(20_000):
        station.bus.announce(progress(elapsed_s=float(number)))
        if number % 2000 == 0:
            await asyncio.sleep(0)
    heard = [await client.hear()]
    while heard[-1]["event"] != "progress" or heard[-1]["data"]["elapsed_s"] < 19_999:
        heard.append(await client.hear())

    assert heard[-1]["skipped"] > 10_000
    assert len(heard) + heard[-1]["skipped"] == 20_000
    assert [line["seq"] for line in heard] == list(range(1, len(heard) + 1))


async def test_a_watch_begins_with_what_holds_now_and_ends_with_the_daemon(path: Path) -> None:
    station = Station()
    async with serving(path, station):
        client = await Talker.connected(path)
        begun = await client.answer("watch")
        first = await client.hear()
        station.become("armed")
        second = await client.hear()
        again = await client.answer("watch", id=2)
    last = await client.hear()

    assert begun["answer"]["daemon"]["pid"] == os.getpid()
    assert (first["event"], first["data"]["state"], second["data"]["state"]) == ("status", "ready", "armed")
    assert (again["id"], again["kind"]) == (2, "UsageError")
    assert (last["event"], last["data"]["why"]) == ("end", "the daemon ends")
    assert await client.hear() == {}
    assert not there(path)


async def test_a_watcher_who_has_left_is_forgotten(path: Path, station: Station) -> None:
    client = await Talker.connected(path)
    await client.answer("watch")
    listening = len(station.bus._listeners)

    client.close()
    await asyncio.sleep(0.1)
    station.become("armed")
    await asyncio.sleep(0.1)

    assert (listening, len(station.bus._listeners)) == (1, 0)


async def test_a_flood_of_lines_leaves_others_their_turn(path: Path, station: Station) -> None:
    flooding, client = await Talker.connected(path), await Talker.connected(path)
    flooding.say(b"{}\n" * 80_000)
    answers = 0

    async with asyncio.timeout(20.0):
        for _ in range(20):
            answers += "answer" in await client.answer("status")

    assert answers == 20


async def test_a_command_that_takes_too_long_is_said_to_go_on(
    path: Path, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localsession, "_LONGEST_S", 0.05)
    client = await Talker.connected(path)

    answer = await client.answer("block")

    assert (answer["kind"], answer["exit_code"]) == ("DeadlineError", 7)
    assert "goes on" in answer["error"]
    station.blocked.set()


@pytest.mark.slow
async def test_hostile_clients_at_random_leave_the_station_as_it_was(path: Path, station: Station) -> None:
    source = random.Random(20261122)
    pieces = [
        b'{"id": 1, "do": "status"}\n', b'{"do": "watch"}\n', b'{"do": ', b"\n", b"\xff\xfe", b"[" * 5000,
        b"x" * 70_000,
        b'{"do": "start", "args": {"a": ' + b"[" * 50 + b"]" * 50 + b"}}\n", b"\0" * 100,
    ]  # fmt: skip
    for _ in range(60):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        with suppress(OSError):
            client.connect(str(path))
            for piece in source.choices(pieces, k=source.randint(0, 6)):
                client.send(piece)
                await asyncio.sleep(source.choice((0, 0, 0.01)))
        if source.random() < 0.5:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    await asyncio.sleep(0.5)

    other = await Talker.connected(path)

    assert (await other.answer("status"))["answer"]["state"] == "ready"


async def test_a_user_without_a_name_has_a_number() -> None:
    users = Users()

    assert await users.name_of(4_000_000_000, within_s=5.0) == "uid-4000000000"


async def test_a_directory_server_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    real = pwd.getpwuid
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: time.sleep(0.5) or real(uid))
    users = Users()

    late = await users.name_of(0, within_s=0.05)
    await asyncio.sleep(0.6)
    there = await users.name_of(0, within_s=0.05)

    assert (late, there) == ("uid-0", "root")
