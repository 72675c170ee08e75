"""A WebSocket of the console: of our page, as long as its session, and no way in for hostile messages."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from support_gateway import key, serving
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from daq.gateway.sessions import IDLE_S
from daq.model.station import Role


async def test_a_websocket_lives_as_long_as_its_session_and_is_of_our_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as (service, here):
        cookie = here.gateway.sessions.begin("keller", Role.TECHNOLOGIST, uid=1000)
        place = service.url.replace("http", "ws") + "/live"
        sent = {"Cookie": f"{here.gateway.cookie}={cookie}"}
        with pytest.raises(InvalidStatus) as foreign:
            await connect(place, additional_headers=sent, origin="http://evil.example")
        async with connect(place) as nobody:
            with pytest.raises(ConnectionClosed):
                await nobody.recv()
            assert nobody.close_code == 4401
        async with connect(place, additional_headers=sent, origin=service.url) as socket:
            heard = ""
            async with asyncio.timeout(5.0):
                while '"control"' not in heard:
                    heard = str(await socket.recv())
            here.gateway.sessions.going_on()[0].acted_s -= IDLE_S + 1.0
            async with asyncio.timeout(5.0):
                await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (4401, "nothing was commanded for 12 hours")

    assert foreign.value.response.status_code == 403


async def test_a_long_reason_in_any_language_ends_a_session_and_its_browser_hears_of_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as (service, here):
        cookie = here.gateway.sessions.begin("keller", Role.TECHNOLOGIST, uid=1000)
        sent = {"Cookie": f"{here.gateway.cookie}={cookie}"}
        place = service.url.replace("http", "ws") + "/live"
        async with connect(place, additional_headers=sent) as there, asyncio.timeout(5.0):
            await there.recv()
            here.gateway.sessions.finish(here.gateway.sessions.going_on()[0], "weber has ended it: " + "ä" * 90)
            await there.wait_closed()
        async with connect(place, additional_headers=sent) as later, asyncio.timeout(5.0):
            await later.wait_closed()

    assert (there.close_code, there.close_reason) == (4401, "weber has ended it: " + "ä" * 51)
    assert later.close_code == 4401
    assert "weber has ended it: ä" in str(later.close_reason)


async def test_hostile_messages_on_the_websocket_end_that_socket_alone(tmp_path: Path) -> None:
    chance = random.Random(11)
    async with serving(tmp_path) as (service, here):
        browser = here.gateway.sessions.begin("keller", Role.TECHNOLOGIST, uid=1000)
        sent = {"Cookie": f"{here.gateway.cookie}={browser}"}
        place = service.url.replace("http", "ws") + "/live"
        for message in (
            "[" * 1000,
            "null",
            '{"type": 1}',
            "x" * 70000,
            chance.randbytes(500),
            '{"type":"ack","n":-1e999}',
        ):
            async with connect(place, additional_headers=sent) as socket:
                with suppress(ConnectionClosed):
                    await socket.send(message)
                    async with asyncio.timeout(3.0):
                        await socket.recv()
        async with httpx.AsyncClient(base_url=service.url, cookies={here.gateway.cookie: browser}) as still:
            assert (await still.post("/api/v1/commands/mark", json={"text": "a"}, headers=key())).status_code == 200
