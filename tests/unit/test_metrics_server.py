"""The server of the metrics: on loopback, bounded, ended within its deadline, unmoved by strange clients."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import socket
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from daq.errors import RefusedError
from daq.services import metricsserver
from daq.services.bus import Bus
from daq.services.metrics import Metrics
from daq.services.metricsserver import MetricsServer

DEADLINE_S = 20.0


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    served = MetricsServer(0, lambda accept: (b"page\n", accept or "text/plain"))
    served.start()
    yield served
    served.stop()


def get(port: int, path: str = "/metrics", *, method: str = "GET") -> tuple[int, bytes, str]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.request(method, path, headers={"Accept": "text/plain"})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Content-Type", "")


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)


def drip(client: socket.socket) -> None:
    """Send a byte now and then until hung up on."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        client.sendall(b"G")
        time.sleep(0.02)


def test_the_page_is_served_on_loopback(server: MetricsServer) -> None:
    assert get(server.port) == (200, b"page\n", "text/plain")
    assert server.server_address[0] == "127.0.0.1"


def test_nothing_else_is_there(server: MetricsServer) -> None:
    assert get(server.port, "/etc/passwd")[0] == 404
    assert get(server.port, method="POST")[0] == 501
    assert get(server.port, method="HEAD")[:2] == (200, b"")


def test_a_port_that_is_taken_is_said_with_what_to_change(server: MetricsServer) -> None:
    with pytest.raises(RefusedError, match=rf"127\.0\.0\.1:{server.port}: Address already in use; set metrics\.port"):
        MetricsServer(server.port, lambda _: (b"", ""))


def test_clients_beyond_the_most_are_hung_up_on_and_counted(server: MetricsServer) -> None:
    with contextlib.ExitStack() as open_ones:
        held = [open_ones.enter_context(connect(server.port)) for _ in range(8)]
        with connect(server.port) as ninth:
            assert ninth.recv(1) == b""

        assert (server.refused, len(held)) == (1, 8)


def test_who_takes_too_long_is_hung_up_on(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte at a time, so that it is never idle."""
    monkeypatch.setattr(metricsserver, "_LONGEST_S", 0.2)
    with connect(server.port) as slow, pytest.raises(ConnectionError):
        drip(slow)
    assert get(server.port)[0] == 200


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x00" * 100_000 + b"\n",
        b"GET\n\n",
        b"\xff\xfe /metrics HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1000,
    ],
)
def test_strange_requests_are_answered_or_hung_up_on_without_a_word_in_the_log(
    server: MetricsServer, hostile: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(server.port) as strange, contextlib.suppress(OSError):  # reset, or no longer connected
        strange.sendall(hostile)
        strange.shutdown(socket.SHUT_WR)
        while strange.recv(65536):
            pass

    assert get(server.port)[0] == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_client_that_hangs_up_at_once_is_no_matter(server: MetricsServer, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        connect(server.port).close()

    assert get(server.port)[0] == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_page_that_cannot_be_made_is_logged_and_the_next_one_served(caplog: pytest.LogCaptureFixture) -> None:
    pages = iter([ZeroDivisionError("no page"), b"page\n"])

    def render(_: str) -> tuple[bytes, str]:
        page = next(pages)
        if isinstance(page, Exception):
            raise page
        return page, "text/plain"

    server = MetricsServer(0, render)
    server.start()
    try:
        with pytest.raises(http.client.RemoteDisconnected):
            get(server.port)
        assert get(server.port)[1] == b"page\n"
    finally:
        server.stop()

    assert "no page" in caplog.text


@pytest.mark.slow
async def test_metrics_are_served_while_they_run_and_the_port_is_free_afterwards() -> None:
    metrics = Metrics(Bus(), 0)
    running = asyncio.create_task(metrics.run(), name="metrics")
    async with asyncio.timeout(DEADLINE_S):
        while metrics.port is None:
            await asyncio.sleep(0.01)
    port = metrics.port
    await asyncio.sleep(0.6)

    status, page, _ = await asyncio.to_thread(get, port)

    families = {family.name: family for family in parse(page.decode())}
    assert status == 200
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "scandaq_build_info"} <= set(families)
    lags = {sample.name: sample.value for sample in families["scandaq_loop_lag_seconds"].samples if not sample.labels}
    assert lags["scandaq_loop_lag_seconds_count"] >= 1
    running.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait([running])
    assert running.cancelled()
    MetricsServer(port, lambda _: (b"", "")).stop()


async def test_a_client_that_never_reads_does_not_keep_the_daemon_from_ending() -> None:
    metrics = Metrics(Bus(), 0)
    running = asyncio.create_task(metrics.run(), name="metrics")
    async with asyncio.timeout(DEADLINE_S):
        while metrics.port is None:
            await asyncio.sleep(0.01)
        with connect(metrics.port) as silent:
            silent.sendall(b"GET /metrics HTTP/1.0\r\n")
            running.cancel()
            await asyncio.wait([running])

    assert running.cancelled()


async def test_two_stations_with_one_port_are_told_apart(server: MetricsServer) -> None:
    with pytest.raises(RefusedError, match="Address already in use"):
        await Metrics(Bus(), server.port).run()
