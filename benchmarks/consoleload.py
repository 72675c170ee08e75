"""Consoles that look, browsers that ask without end and a hand that stops, each a process: of `bench_consoles`.

`python -m benchmarks.consoleload look URL SECONDS`, `... flood URL SECONDS BROWSERS`, `... stop URL TIMES`: each reads
links to sign in from its input, one a line, and says one line of JSON at the end.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import re
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import websockets

_WANT = {"type": "want", "what": ["scope", "spectrum", "rates"], "size": 256, "hz": 20}
_ASKED = ("status", "describe", "alarms", "controllers", "worklist", "studies", "audit-lines", "log-lines", "protocols")
"""What the screens of a console ask for."""
_AT_ONCE = 64
"""Connections of a browser that asks without end."""
_PAUSE_S = 0.1


async def signed_in(url: str) -> httpx.AsyncClient:
    """Return a browser that is signed in by the next link of the input."""
    link = sys.stdin.readline().strip().partition("#link=")[2]
    browser = httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=60.0)
    (await browser.post("/api/v1/session", json={"link": link})).raise_for_status()
    return browser


async def look(url: str, seconds: float) -> dict[str, Any]:
    """Look at live pictures for so long, as a console does that shows two heads."""
    browser = await signed_in(url)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    frames = 0
    place = f"{url.replace('http', 'ws', 1)}/live"
    async with websockets.connect(
        place, max_size=None, compression=None, additional_headers={"Cookie": cookies}
    ) as socket:
        await socket.send(json.dumps(_WANT))
        print(json.dumps({"connected": True}), flush=True)
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            told = await asyncio.wait_for(socket.recv(), 10.0)
            if isinstance(told, bytes):
                frames += 1
                await socket.send(json.dumps({"type": "ack", "seq": int.from_bytes(told[8:12], "little")}))
    await browser.aclose()
    return {"frames": frames, "seconds": seconds}


class Flood(asyncio.Protocol):
    """One connection that asks again as soon as it was answered, and connects again where it was thrown out."""

    def __init__(self, requests: list[bytes], counts: collections.Counter[int], until_s: float) -> None:
        self._requests, self._counts, self._until_s = requests, counts, until_s
        self._number, self._heard = 0, b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Count what was answered, and ask again."""
        self._heard += data
        head, found, rest = self._heard.partition(b"\r\n\r\n")
        size = int((re.search(rb"(?i)content-length: (\d+)", head) or [0, b"0"])[1])
        if found and len(rest) >= size:
            self._counts[int(head[9:12])] += 1
            self._heard = b""
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        self.ended.set_result(None)

    def _ask(self) -> None:
        if time.monotonic() > self._until_s:
            self._transport.close()
            return
        self._number += 1
        self._transport.write(self._requests[self._number % len(self._requests)])


async def flood(url: str, seconds: float, browsers: int) -> dict[str, Any]:
    """Ask for so long, from each browser over so many connections as fast as answers come."""
    counts: collections.Counter[int] = collections.Counter()
    place = urlsplit(url)
    until_s = time.monotonic() + seconds

    async def ask(requests: list[bytes]) -> None:
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError):
                _, made = await asyncio.get_running_loop().create_connection(
                    lambda: Flood(requests, counts, until_s), place.hostname, place.port
                )
                await made.ended
            counts[0] += 1

    made = [_requests(await signed_in(url), place.netloc) for _ in range(browsers)]
    print(json.dumps({"connected": True}), flush=True)
    await asyncio.gather(*(ask(requests) for requests in made for _ in range(_AT_ONCE)))
    return {"seconds": seconds, "answers": {str(status): count for status, count in counts.items()}}


def _requests(browser: httpx.AsyncClient, host: str) -> list[bytes]:
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    told = f"Host: {host}\r\nCookie: {cookies}\r\nContent-Type: application/json\r\nContent-Length: 2"
    head = f"HTTP/1.1\r\n{told}\r\n\r\n{{}}"
    return [f"POST /api/v1/ask/{verb} {head}".encode() for verb in _ASKED]


async def stop(url: str, times: int) -> dict[str, Any]:
    """Stop all motion so many times; return how long each took until it was answered, in ms."""
    browser = await signed_in(url)
    took_ms = []
    for _ in range(times):
        began = time.perf_counter()
        (await browser.post("/api/v1/commands/stop-motion", json={})).raise_for_status()
        took_ms.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(_PAUSE_S)
    await browser.aclose()
    return {"took_ms": took_ms}


if __name__ == "__main__":
    what, place, *numbers = sys.argv[1:]
    does: dict[str, Any] = {"look": look, "flood": flood, "stop": stop}
    print(json.dumps(asyncio.run(does[what](place, *(int(each) for each in numbers)))), flush=True)
