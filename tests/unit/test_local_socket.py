"""The local socket's path: whose it is, what is replaced, what is left alone."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support_station import Station, Talker, serving

from daq.errors import MissingError, RefusedError, UnreachableError
from daq.model.station import Role
from daq.services.localapi import LocalApi


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control"


@pytest.fixture(autouse=True)
async def _no_client_is_left() -> AsyncIterator[None]:
    yield
    Talker.close_all()
    await asyncio.sleep(0)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def link(path: Path) -> None:
    path.symlink_to("elsewhere")


def there(path: Path) -> bool:
    return path.exists()


def unlink(path: Path) -> None:
    path.unlink()


def read(path: Path) -> str:
    return path.read_text()


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def test_the_socket_is_ours_alone(path: Path) -> None:
    async with serving(path, Station()):
        assert mode(path) == 0o600


async def test_the_socket_of_a_living_daemon_is_refused_and_left_alone(path: Path) -> None:
    async with serving(path, Station()):
        with pytest.raises(RefusedError, match="another daemon serves"):
            async with serving(path, Station()):
                pass

        assert "answer" in await (await Talker.connected(path)).answer("status")


async def test_the_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()

    async with serving(path, Station()):
        assert "answer" in await (await Talker.connected(path)).answer("status")
    assert not there(path)


async def test_what_is_no_socket_is_not_replaced(path: Path) -> None:
    write(path, "precious")

    with pytest.raises(RefusedError, match="is no socket"):
        async with serving(path, Station()):
            pass

    assert read(path) == "precious"


async def test_a_symbolic_link_is_not_followed(path: Path) -> None:
    link(path)

    with pytest.raises(RefusedError, match="is no socket"):
        async with serving(path, Station()):
            pass


async def test_a_path_that_is_too_long_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"at most 107 are possible.*`socket` in the site file"):
        async with serving(tmp_path / ("x" * 100) / "control", Station()):
            pass


async def test_a_group_that_there_is_not_is_named(path: Path) -> None:
    api = LocalApi(path, "no-such-group", Station().command, Station().bus, lambda *_: Role.VIEWER)

    with pytest.raises(MissingError, match="no group 'no-such-group'"):
        await api.run()


async def test_another_daemons_socket_is_not_removed_at_the_end(path: Path) -> None:
    async with serving(path, Station()):
        unlink(path)
        write(path, "")

    assert there(path)


@pytest.mark.slow
@pytest.mark.parametrize("replace", [False, True])
async def test_a_socket_that_lost_its_name_is_made_again_by_running_again(path: Path, *, replace: bool) -> None:
    station = Station()
    api = LocalApi(path, None, station.command, station.bus, lambda *_: Role.SERVICE)
    first = asyncio.create_task(api.run())
    await api.serving()

    unlink(path)
    if replace:
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(path))
        dead.close()
    with pytest.raises(UnreachableError, match="was removed or replaced"):
        async with asyncio.timeout(20.0):
            await first
    second = asyncio.create_task(api.run())
    await api.serving()

    assert "answer" in await (await Talker.connected(path)).answer("status")
    assert station.asked[-1][2].user == pwd.getpwuid(os.geteuid()).pw_name
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
