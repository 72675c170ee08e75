"""Figures for Prometheus: what the station says on the bus, and what others let themselves be asked.

Nothing is computed until somebody asks: a listener keeps the newest of each subject, a scrape turns it into samples in
the server's thread.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import daq
from daq.errors import DeadlineError, UsageError
from daq.services.bus import Bus
from daq.services.metricfamilies import Said, families
from daq.services.metricsserver import MetricsServer

_LOG = logging.getLogger(__name__)
_TICK_S = 0.5
_STOP_S = 5.0
_LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_MOST_LABELLED = 50
_NAME = re.compile(r"^scandaq_[a-z][a-z0-9_]*(?<!_total)$")

Figures = float | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """A figure that is asked for at every scrape. `read` is called in the server's thread and must not wait.

    It returns a number, numbers by the value of `label` (a fixed, small set; beyond 50 the rest is left out), or None
    where there is nothing to say. A counter's `name` is given without `_total`.
    """

    name: str
    text: str
    read: Callable[[], Figures | None]
    label: str = ""
    is_counter: bool = False


class Metrics:
    """Serves the metrics of a station at `http://127.0.0.1:<port>/metrics` while `run` runs.

    `port` 0 takes a free one; `address` tells which. A figure that cannot be read is left out and counted.
    """

    def __init__(self, bus: Bus, port: int, asked: Iterable[Asked] = ()) -> None:
        self._bus = bus
        self._port = port
        self._asked: dict[str, Asked] = {}
        self.ask(*asked)
        self._said = Said()
        self._server: MetricsServer | None = None
        self._refused_before = self._unread = self._left_out = 0
        self._registry = CollectorRegistry()
        self._registry.register(_Collected(self._collect))
        self._lag = Histogram(
            "scandaq_loop_lag_seconds", "How late the daemon's loop turns.", buckets=_LAG_S, registry=self._registry
        )
        ProcessCollector(registry=self._registry)

    @property
    def port(self) -> int | None:
        """Return the port that is served; None while none is."""
        return self._server.port if self._server is not None else None

    def ask(self, *asked: Asked) -> None:
        """Add figures. Raise `UsageError` for a name that Prometheus or its users would not take, or that is taken."""
        for figure in asked:
            if not _NAME.match(figure.name) or figure.name in self._asked:
                raise UsageError(
                    f"metric {figure.name!r}: not a name scandaq_..., in lower case, without _total; or taken"
                )
            self._asked[figure.name] = figure

    async def run(self) -> None:
        """Serve until cancelled. Raise `RefusedError` where the port cannot be had."""
        server = self._server = MetricsServer(self._port, self.render)
        try:
            with self._bus.listening(self._said.heard, replay=True):
                server.start()
                _LOG.info("metrics at http://127.0.0.1:%d/metrics", server.port)
                await self._measure_lag()
        finally:
            self._refused_before += server.refused
            self._server = None
            self._stopping = asyncio.create_task(asyncio.to_thread(server.stop), name="stop-metrics")
            await self._stopped(server)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics and their content type: OpenMetrics where it is accepted, else Prometheus' text."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    async def _stopped(self, server: MetricsServer) -> None:
        done, _ = await asyncio.wait([self._stopping], timeout=_STOP_S)
        if not done:
            raise DeadlineError(f"the metrics at port {server.port} did not end within {_STOP_S:g} s")
        await self._stopping

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self._lag.observe(max(loop.time() - due_s, 0.0))

    def _collect(self) -> Iterator[Metric]:
        version = GaugeMetricFamily("scandaq_build_info", "1; the version is in the label.", labels=["version"])
        version.add_metric([daq.__version__], 1)
        yield version
        yield from families(self._said)
        for asked in tuple(self._asked.values()):
            metric = self._ask(asked)
            if metric is not None:
                yield metric
        yield from self._of_ourselves()

    def _ask(self, asked: Asked) -> Metric | None:
        try:
            figures = asked.read()
            found = figures if isinstance(figures, Mapping) or figures is None else {"": float(figures)}
            pairs = [(str(key), float(value)) for key, value in (found or {}).items()]
        except Exception:  # noqa: BLE001 - a figure of somebody else's must not take the others with it
            self._unread += 1
            _LOG.debug("the figure %s cannot be read", asked.name, exc_info=True)
            return None
        if not pairs:
            return None
        self._left_out += max(len(pairs) - _MOST_LABELLED, 0)
        labels = [asked.label] if asked.label else []
        metric: CounterMetricFamily | GaugeMetricFamily
        if asked.is_counter:
            metric = CounterMetricFamily(asked.name, asked.text, labels=labels)
        else:
            metric = GaugeMetricFamily(asked.name, asked.text, labels=labels)
        for key, value in pairs[:_MOST_LABELLED]:
            metric.add_metric([key] if asked.label else [], value)
        return metric

    def _of_ourselves(self) -> Iterator[Metric]:
        refused = self._refused_before + (self._server.refused if self._server else 0)
        own = {
            "scandaq_bus_listener_failures": ("Announcements that a listener failed on.", self._bus.failures),
            "scandaq_metrics_unread": ("Figures that could not be read at a scrape.", self._unread),
            "scandaq_metrics_left_out_labels": ("Label values beyond the most of a metric.", self._left_out),
            "scandaq_metrics_refused_connections": ("Connections that found too many others.", refused),
        }
        for name, (text, value) in own.items():
            yield CounterMetricFamily(name, text, value)


class _Collected(Collector):
    """What the registry asks."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()

    def describe(self) -> Iterator[Metric]:
        """Return nothing, so that registering reads nothing."""
        return iter(())
