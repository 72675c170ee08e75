"""What keeps foreign pages, foreign names and hostile bytes out of the console."""

from __future__ import annotations

import asyncio
import random
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from support_gateway import Clock, room, serving
from websockets.asyncio.client import connect

from daq.errors import UnreachableError
from daq.gateway import connections
from daq.gateway.connections import KEPT_BACK
from daq.gateway.limits import APART_S, BURST, LONGEST_S, PER_S, Limits
from daq.gateway.service import Console
from daq.model.station import Role

ASK = "/api/v1/ask/status"


async def test_every_answer_says_what_the_page_may_load(tmp_path: Path) -> None:
    browser = room(tmp_path).signed_in()

    for path in ("/", "/static/js/main.js", "/api/v1/session", "/nowhere"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert not {name for name in headers if name.startswith("access-control") or name == "server"}
    assert (await browser.get("/api/v1/session")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8650", "127.0.0.1:1", "[::1]:8650", "NM1.example.org", "10.1.2.3"]
)
async def test_names_of_this_host_and_addresses_are_served(tmp_path: Path, host: str) -> None:
    browser = room(tmp_path, names=("nm1.example.org",)).signed_in()

    assert (await browser.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "a b", "localhost:0", "[::1", "nm1@evil.example"]
)
async def test_a_foreign_name_that_leads_here_is_not_served(tmp_path: Path, host: str) -> None:
    browser = room(tmp_path).signed_in()

    answer = await browser.get("/", headers={"Host": host})

    assert (answer.status_code, answer.json()["kind"]) == (421, "AccessError")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"}, {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "file://localhost:8650"},
    ],
)  # fmt: skip
async def test_requests_of_foreign_pages_are_refused_stops_too(tmp_path: Path, headers: dict[str, str]) -> None:
    here = room(tmp_path)
    browser = here.signed_in()

    for path in (ASK, "/api/v1/commands/stop-motion", "/api/v1/session"):
        assert (await browser.post(path, json={}, headers=headers)).status_code == 403
    assert (await browser.delete("/api/v1/session", headers=headers)).status_code == 403
    assert here.desk.done == []


async def test_requests_of_the_page_itself_are_served(tmp_path: Path) -> None:
    browser = room(tmp_path).signed_in()

    answer = await browser.post(
        ASK, json={}, headers={"Origin": "http://localhost:8650", "Sec-Fetch-Site": "same-origin"}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/static/",
        "/static", "/static/js/", "/static/%00", "/static/js/main.js/..%5c..%5capp.py", "/api/v1/ask/",
        "/api/v1/commands/%2e%2e", "/static/" + "a/" * 500,
    ],
)  # fmt: skip
async def test_no_path_leads_out_of_the_pages(tmp_path: Path, path: str) -> None:
    browser = room(tmp_path).signed_in()

    answer = await browser.get(path)

    assert answer.status_code in (404, 405, 307)
    assert "Starlette" not in answer.text


async def test_what_is_not_there_is_told_as_everything_else(tmp_path: Path) -> None:
    browser = room(tmp_path).signed_in()

    answers = [await browser.get("/api/v1/nowhere"), await browser.put("/api/v1/session"),
               await browser.post("/api/v1/ask/prepare", json={})]  # fmt: skip

    assert [answer.status_code for answer in answers] == [404, 405, 404]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


def session_of(scope: Any) -> str | None:
    return next((value.decode() for name, value in scope["headers"] if name == b"cookie"), None)


async def no_pause(_: float) -> None:
    """Let no time pass."""


async def test_one_browser_cannot_take_all_places_and_stopping_is_not_counted() -> None:
    begun, release = [], asyncio.Event()

    async def app(scope: object, *_: object) -> None:
        begun.append(scope)
        await release.wait()

    limits, said = Limits(app, session_of, pause=no_pause), []

    async def ask(path: str, cookie: bytes) -> None:
        async def send(message: dict[str, object]) -> None:
            said.append(message)

        scope = {"type": "http", "path": path, "client": ("a", 1), "headers": [(b"cookie", cookie)]}
        await limits(scope, None, send)

    tasks = [asyncio.create_task(ask("/x", b"one")) for _ in range(20)]
    tasks += [asyncio.create_task(ask("/x", b"two"))]
    tasks += [asyncio.create_task(ask("/api/v1/commands/stop-motion", b"one")) for _ in range(5)]
    while len(begun) < 14:
        await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks)

    assert (len(begun), [each["status"] for each in said if "status" in each]) == (14, [429] * 12)
    assert limits._all == 0


async def test_a_browser_that_asks_without_pause_is_slowed_and_stopping_is_not() -> None:
    clock, served, said = Clock(), [], []

    async def app(scope: dict[str, object], *_: object) -> None:
        served.append(scope["path"])

    async def send(message: dict[str, object]) -> None:
        said.append(message)

    limits = Limits(app, session_of, clock, no_pause)

    async def ask(path: str, times: int) -> int:
        before = len(served)
        for _ in range(times):
            headers = [(b"cookie", b"one")]
            await limits({"type": "http", "path": path, "client": ("a", 1), "headers": headers}, None, send)
        return len(served) - before

    assert await ask("/x", 500) == BURST
    clock.now_s += 0.5
    assert await ask("/x", 500) == PER_S / 2
    assert await ask("/api/v1/commands/stop-motion", 100) == 100
    clock.now_s += 60.0
    assert await ask("/static/js/main.js", 5000) == 10 * BURST - 9
    assert {each["status"] for each in said if "status" in each} == {429}


async def test_the_more_refusals_wait_the_longer_each_does_and_its_connection_makes_room(tmp_path: Path) -> None:
    paused, release = [], asyncio.Event()

    async def pause(seconds: float) -> None:
        paused.append(seconds)
        await release.wait()

    async def app(*_: object) -> None:
        """Serve nothing."""

    async def send(_: object) -> None:
        """Hear nothing."""

    limits = Limits(app, session_of, Clock(), pause)
    scopes = [{"type": "http", "path": "/x", "client": ("a", port), "headers": []} for port in range(1, 901)]
    tasks = [asyncio.create_task(limits(scope, None, send)) for scope in scopes]
    while len(paused) < 900 - 2 * BURST:
        await asyncio.sleep(0)
    held = len(KEPT_BACK)
    release.set()
    await asyncio.gather(*tasks)

    assert (paused[0], paused[9], paused[-1], len(paused)) == (APART_S, 10 * APART_S, LONGEST_S, held)
    assert not KEPT_BACK


async def test_other_cookies_make_no_other_asker_of_a_session(tmp_path: Path) -> None:
    here = room(tmp_path)
    cookie = here.gateway.sessions.begin("keller", Role.TECHNOLOGIST)
    clock, served, said = here.clock, [], []

    async def app(*_: object) -> None:
        served.append(1)

    async def send(message: object) -> None:
        said.append(message)

    limits = Limits(app, here.gateway.number_of, clock, no_pause)
    for number in range(300):
        sent = f"{here.gateway.cookie}={cookie}; other={number}".encode()
        scope = {"type": "http", "path": "/x", "client": ("a", number), "headers": [(b"cookie", sent)]}
        await limits(scope, None, send)

    assert len(served) == BURST


async def test_very_many_browsers_take_no_more_memory() -> None:
    async def app(*_: object) -> None:
        """Serve nothing."""

    limits = Limits(app, session_of)
    for number in range(3000):
        await limits({"type": "http", "path": "/", "client": (str(number), 1), "headers": []}, None, None)

    assert len(limits._askers) == 1000


# Over a real connection


async def raw(url: str, data: bytes) -> bytes:
    """Return what comes back for some bytes."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    answer = b""
    with suppress(OSError):
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(10.0):
            answer = await reader.read(65536)
    writer.close()
    return answer


async def test_hostile_bytes_are_answered_and_nothing_falls_over(tmp_path: Path) -> None:
    chance = random.Random(7)
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    hostile = [
        b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", head + b"X: " + b"a" * 40000 + b"\r\n\r\n",
        b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n", head + b"A: b\r\n" * 8000 + b"\r\n",
        b"\x16\x03\x01" + bytes(200),
        head + b"Content-Length: -1\r\n\r\n", head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
        head + b"Host: evil\r\n\r\n",
        head + b"Cookie: scandaq=" + b"\xff" * 100 + b"\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        *(chance.randbytes(chance.randint(1, 3000)) for _ in range(100)),
    ]  # fmt: skip
    async with serving(tmp_path) as (service, _):
        answers = [await raw(service.url, data) for data in hostile]
        async with httpx.AsyncClient(base_url=service.url) as browser:
            assert (await browser.get("/api/v1/session")).json()["signed_in"] is False

    assert not [answer for answer in answers if b" 500 " in answer[:20] or b"Traceback" in answer]
    assert all(b"\r\nserver:" not in answer.lower() for answer in answers)


async def test_a_head_that_never_ends_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.2)
    monkeypatch.setattr(connections, "_LOOK_S", 0.05)
    async with serving(tmp_path) as (service, _):
        place = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        with suppress(OSError):
            async with asyncio.timeout(5.0):
                for letter in b"GET / HTTP/1.1\r\n" * 100:
                    writer.write(bytes([letter]))
                    await asyncio.sleep(0.01)
                    if reader.at_eof():
                        break
        with suppress(OSError):
            assert await reader.read() == b""
        assert reader.at_eof() or reader.exception() is not None
        writer.close()


async def test_silent_connections_make_room_for_one_that_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 10)
    async with serving(tmp_path) as (service, _):
        place = urlsplit(service.url)
        silent = [await asyncio.open_connection(place.hostname, place.port) for _ in range(15)]
        answer = await raw(service.url, b"GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        for _, writer in silent:
            writer.close()

    assert b" 200 " in answer


async def test_a_port_that_is_taken_is_told_in_words_and_ends_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path) as (service, here):
        site = here.gateway.offer.site
        port = urlsplit(service.url).port
        taken = site.model_copy(update={"console": site.console.model_copy(update={"port": port})})
        with pytest.raises(UnreachableError, match=f"port {port}: "):
            await Console(_with_site(here.gateway.offer, taken)).run()


def _with_site(offer, site):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(offer, site=site)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    made, secret = folder / "nm1.pem", folder / "nm1.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",  # noqa: S607
         "-days", "30", "-keyout", secret, "-out", made, "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return made, secret


async def test_over_tls_the_cookie_is_for_tls_alone_and_plain_text_is_not_served(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    made, secret = certificate
    trusted = ssl.create_default_context(cafile=str(made))
    console = {"names": ("localhost",), "cert_file": made, "key_file": secret, "host": "127.0.0.1"}
    async with serving(tmp_path, **console) as (service, here):
        link = here.gateway.sessions.link("root", Role.SERVICE, 0)
        async with httpx.AsyncClient(base_url=service.url, verify=trusted) as browser:
            answer = await browser.post("/api/v1/session", json={"link": link})
            who = (await browser.get("/api/v1/session")).json()
            cookie = f"{here.gateway.cookie}={browser.cookies[here.gateway.cookie]}"
        live = service.url.replace("https", "wss") + "/live"
        async with connect(live, ssl=trusted, additional_headers={"Cookie": cookie}) as socket:
            assert "news" in await socket.recv()
        plain = await raw(service.url, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with httpx.AsyncClient(base_url=service.url) as stranger:
            with pytest.raises(httpx.ConnectError):
                await stranger.get("/")

    assert service.url.startswith("https://localhost:")
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"]
    assert who["user"] == "root"
    assert b"200" not in plain
