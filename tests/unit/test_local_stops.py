"""Stops through the local socket: a place is kept for them, and they are finished when the daemon ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support_station import Station, Talker, serving

from daq.transports.localconnection import Limits


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control"


@pytest.fixture(autouse=True)
async def _no_client_is_left() -> AsyncIterator[None]:
    yield
    Talker.close_all()
    await asyncio.sleep(0)


async def test_what_stops_something_is_served_when_every_other_place_is_taken(path: Path) -> None:
    station = Station()
    limits = Limits(most_clients=3, most_per_user=3, most_urgent=2, spared_s=0.1, idle_urgent_s=5.0)
    async with serving(path, station, limits=limits):
        holders = [await Talker.connected(path) for _ in range(3)]
        idlers = [await Talker.connected(path) for _ in range(2)]
        await asyncio.sleep(0.2)

        refused = await (await Talker.connected(path)).answer("status")
        urgent = await Talker.connected(path)
        stopped = await urgent.answer("stop-motion")
        holders[0].close()
        await asyncio.sleep(0.1)
        again = await (await Talker.connected(path)).answer("status")

        assert refused["kind"] == "BusyError"
        assert stopped["answer"]["stopped"]["ok"] is True
        assert "answer" in again
        assert "needed by others" in (await idlers[0].hear())["error"]
        assert "answer" in await idlers[1].answer("stop-motion")


async def test_a_place_for_stops_that_was_just_taken_is_spared(path: Path) -> None:
    limits = Limits(most_clients=1, most_per_user=1, most_urgent=1, spared_s=60.0)
    async with serving(path, Station(), limits=limits) as api:
        clients = [await Talker.connected(path) for _ in range(3)]
        turned_away = await clients[2].hear()

        assert turned_away["kind"] == "BusyError"
        assert api.figures()["turned_away"] == 1
        assert "answer" in await clients[1].answer("stop-motion")


async def test_a_stop_under_way_keeps_its_place(path: Path) -> None:
    station = Station()
    limits = Limits(most_clients=1, most_per_user=1, most_urgent=1, spared_s=0.0)

    async def slow(verb: str, args: dict[str, object], actor: object) -> dict[str, object]:
        del verb, args, actor
        await station.blocked.wait()
        return {}

    station.command = slow  # type: ignore[method-assign]
    async with serving(path, station, limits=limits):
        _, stopping = [await Talker.connected(path) for _ in range(2)]
        stopping.ask("stop")
        await asyncio.sleep(0.1)
        late = await (await Talker.connected(path)).hear()
        station.blocked.set()

        assert late["kind"] == "BusyError"
        assert (await stopping.hear())["answer"] == {}


async def test_when_the_daemon_ends_stops_are_finished_and_others_are_told(path: Path) -> None:
    station = Station()
    async with serving(path, station):
        client = await Talker.connected(path)
        client.ask("block", id=1)
        await asyncio.sleep(0.1)
    answer = await client.hear()

    assert (answer["id"], answer["kind"]) == (1, "UnreachableError")
    assert "ended before block was done" in answer["error"]
