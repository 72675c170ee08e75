"""What the station says, as metrics: names and units after Prometheus' conventions, every label from a bounded set."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from daq.model.runevents import unix_time
from daq.model.station import Alarm, Announcement, Level, Priority, Progress, Reading, StationStatus
from daq.state.acquisition import State

MOST_READINGS = 1000
MOST_ALARMS = 1000
MOST_COUNTERS = 32
_MOST_LABEL = 100
_FRESH = ("good", "out_of_limits")
_LEVELS: dict[Level, float] = {"": 0.0, "warning": 1.0, "alarm": 2.0}
_PRIORITIES: tuple[Priority, ...] = get_args(Priority)


@dataclass(slots=True)
class Said:
    """The newest of what was said, taken in by the loop and read by the server's threads.

    `left_out` counts what belonged to readings or alarms beyond the most that are kept.
    """

    status: StationStatus | None = None
    progress: Progress | None = None
    readings: dict[tuple[str, str], Reading] = field(default_factory=dict)
    alarms: dict[tuple[str, str], Alarm] = field(default_factory=dict)
    raised: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def heard(self, announcement: Announcement) -> None:
        """Keep an announcement. A listener of the bus."""
        with self.lock:
            match announcement:
                case StationStatus():
                    self.status = announcement
                case Progress():
                    self.progress = announcement
                case Reading(device=device, name=name):
                    self._reading((device, name), announcement)
                case Alarm(device=device, name=name):
                    self._alarm((device, name), announcement)
                case _:
                    pass

    def _reading(self, key: tuple[str, str], reading: Reading) -> None:
        if key in self.readings or len(self.readings) < MOST_READINGS:
            self.readings[key] = reading
        else:
            self.left_out += 1

    def _alarm(self, key: tuple[str, str], alarm: Alarm) -> None:
        before = self.alarms.get(key)
        if alarm.active and not (before and before.active):
            self.raised[alarm.priority] += 1
        if not alarm.shown:
            self.alarms.pop(key, None)
        elif before or len(self.alarms) < MOST_ALARMS:
            self.alarms[key] = alarm
        else:
            self.left_out += 1


def families(said: Said) -> Iterator[Metric]:
    """Yield the metrics of all that was said."""
    with said.lock:
        status, progress = said.status, said.progress
        readings, alarms = list(said.readings.values()), list(said.alarms.values())
        raised, left_out = dict(said.raised), said.left_out
    if status is not None:
        yield from _station(status)
        if progress is not None and progress.run == status.run:
            yield from _run(progress)
    yield from _readings(readings)
    yield from _alarms(alarms, raised)
    text = "Readings and alarms that were left out here because there are too many, each time they were said."
    yield _counter("scandaq_metrics_left_out", text, left_out)


def _station(status: StationStatus) -> Iterator[Metric]:
    state = GaugeMetricFamily("scandaq_station_state", "1 for the state that the station is in.", labels=["state"])
    for name in State:
        state.add_metric([str(name)], float(name == status.state))
    yield state
    since_s = unix_time(status.since_utc)
    if since_s is not None:
        text = "When this state was entered, Unix time."
        yield GaugeMetricFamily("scandaq_station_state_since_timestamp_seconds", text, since_s)
    yield GaugeMetricFamily("scandaq_station_moving", "1 while axes move.", float(status.moving))
    yield GaugeMetricFamily("scandaq_station_simulated", "1 where nothing is measured.", float(status.simulated))


def _run(run: Progress) -> Iterator[Metric]:
    """Yield what is known of the run under way. Its counters begin anew with it, those of a step with the step."""
    yield GaugeMetricFamily("scandaq_run_elapsed_seconds", "Detector time since the run began.", run.elapsed_s)
    yield GaugeMetricFamily("scandaq_run_step", "Number of the step, from 1; 0 before the first.", run.step)
    yield GaugeMetricFamily("scandaq_run_steps", "Steps of the protocol.", run.steps)
    counts = CounterMetricFamily("scandaq_run_step_counts", "Counts of this step, by counter.", labels=["counter"])
    for name, count in list(run.counts.items())[:MOST_COUNTERS]:
        counts.add_metric([name[:_MOST_LABEL]], count)
    yield counts
    yield _counter("scandaq_run_recorded_events", "Events that are durable on disk.", run.recorded_events)
    yield _counter("scandaq_run_missing_words", "Words of the front end that did not arrive.", run.missing_words)
    yield _counter("scandaq_run_dropped_datagrams", "Datagrams that the kernel dropped.", run.dropped)
    yield GaugeMetricFamily("scandaq_run_events_per_second", "Rate of events, lately.", run.rate_cps)
    rates = GaugeMetricFamily(
        "scandaq_run_counts_per_second", "Rates of singles, prompts and delayeds, lately.", labels=["counter"]
    )
    for name, rate in list(run.rates_cps.items())[:MOST_COUNTERS]:
        rates.add_metric([name[:_MOST_LABEL]], rate)
    yield rates
    if run.randoms_fraction is not None:
        yield GaugeMetricFamily("scandaq_run_randoms_ratio", "Delayeds over prompts, lately.", run.randoms_fraction)
    yield GaugeMetricFamily("scandaq_run_file_size_bytes", "Size of the recording.", run.file_bytes)
    if run.dead_time_pct is not None:
        yield GaugeMetricFamily("scandaq_run_dead_time_ratio", "Share of dead time, 0 to 1.", run.dead_time_pct / 100)
    if run.fraction is not None:
        yield GaugeMetricFamily("scandaq_run_step_done_ratio", "Share of the step that is done, 0 to 1.", run.fraction)
    if run.remaining_s is not None:
        yield GaugeMetricFamily(
            "scandaq_run_step_remaining_seconds", "Time that the step still takes.", run.remaining_s
        )


def _readings(readings: list[Reading]) -> Iterator[Metric]:
    """Yield the readings that are numbers or truths. A stale value is left out, never shown as if it were good."""
    text = "Last value read from a device, in the unit of the label; absent while it cannot be read."
    value = GaugeMetricFamily("scandaq_reading_value", text, labels=["device", "name", "unit"])
    text = "1 while a reading is fresh and within its limits."
    good = GaugeMetricFamily("scandaq_reading_good", text, labels=["device", "name"])
    text = "0 while a fresh reading is within its limits, 1 beyond a warning limit, 2 beyond an alarm limit."
    level = GaugeMetricFamily("scandaq_reading_level", text, labels=["device", "name"])
    for reading in readings:
        names = [reading.device[:_MOST_LABEL], reading.name[:_MOST_LABEL]]
        good.add_metric(names, float(reading.quality == "good"))
        if reading.quality in _FRESH and isinstance(reading.value, bool | int | float):
            value.add_metric([*names, reading.unit[:_MOST_LABEL]], float(reading.value))
            level.add_metric(names, _LEVELS[reading.level])
    yield value
    yield good
    yield level


def _alarms(alarms: list[Alarm], raised: dict[str, int]) -> Iterator[Metric]:
    shown = GaugeMetricFamily("scandaq_alarms_shown", "Alarms that are not over, by priority.", labels=["priority"])
    text = "Alarms that nobody has acknowledged, by priority."
    unseen = GaugeMetricFamily("scandaq_alarms_unacknowledged", text, labels=["priority"])
    total = CounterMetricFamily("scandaq_alarms_raised", "Alarms that came, by priority.", labels=["priority"])
    for priority in _PRIORITIES:
        those = [alarm for alarm in alarms if alarm.priority == priority]
        shown.add_metric([priority], len(those))
        unseen.add_metric([priority], sum(alarm.acknowledged_by is None for alarm in those))
        total.add_metric([priority], raised.get(priority, 0))
    yield from (shown, unseen, total)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)
