"""The metrics: what is said becomes samples that Prometheus reads, named as its users expect, bounded in number."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from support_documents import RUN, progress, reading, status
from support_pages import ROOT

from daq.devices.instruments.talk import Tally
from daq.errors import UsageError
from daq.model.station import Alarm, Announcement, Priority, Progress, Reading
from daq.services.bus import Bus
from daq.services.controllerhealth import ControllerHealth
from daq.services.metricfamilies import MOST_ALARMS, MOST_READINGS, Said, families
from daq.services.metrics import Asked, Metrics
from daq.services.metricsources import document_figures, mqtt_figures, readout_figures
from daq.services.readings import Readings
from daq.services.rundocuments import RunDocuments
from daq.services.status_mqtt.settings import Figures
from daq.state.acquisition import State

PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

READOUT = {
    "state": "recording", "buffer_used": 0.25, "buffer_bytes": 1 << 28, "buffer_high_water_bytes": 1 << 20,
    "disk_sync_last_ms": 3.5, "disk_sync_max_ms": 40.0, "words_received": 1000, "words_missing": 1,
    "words_recorded": 998, "datagrams": 10, "kernel_drops": 0, "socket_buffer_bytes": 1 << 22, "rows_held": 5,
    "silent_s": 0.0, "stalled": False, "cpu_s": {"MainThread": 1.5, "receive": 0.5},
}  # fmt: skip


def alarm(name: str = "trip", *, priority: Priority = "high", active: bool = True, by: str | None = None) -> Alarm:
    return Alarm("hv1", name, priority, "text", "guidance", "2026-11-22T14:05:07Z", active, True, by)


def samples(*said: Announcement) -> Samples:
    kept = Said()
    for announcement in said:
        kept.heard(announcement)
    return {(s.name, tuple(s.labels.items())): s.value for family in families(kept) for s in family.samples}


def full_metrics() -> Metrics:
    """Return metrics in which everything has something to say."""
    documents = RunDocuments(Path("nowhere"), Bus(), RUN, {}, trouble=print)
    asked = [*readout_figures(lambda: READOUT), *mqtt_figures(Figures()), *document_figures(lambda: documents)]
    supply: Any = SimpleNamespace(session=SimpleNamespace(tally=Tally(exchanges=7), suspect=""))
    metrics = Metrics(
        Bus(), 0, [*asked, *ControllerHealth({"supply": supply}, Bus()).figures(), *Readings({}, Bus()).figures()]
    )
    metrics._said.heard(status("acquiring"))
    rates = {"rates_cps": {"singles": 9.0}, "randoms_fraction": 0.25}
    metrics._said.heard(progress(10.0, dead_time_pct=1.5, fraction=0.5, remaining_s=10.0, **rates))
    metrics._said.heard(reading(812.0))
    metrics._said.heard(alarm())
    return metrics


def text_of(metrics: Metrics) -> str:
    return metrics.render("")[0].decode()


def test_the_state_is_one_of_all_and_only_one() -> None:
    found = {
        dict(labels)["state"]: value
        for (name, labels), value in samples(status("paused")).items()
        if "state" in dict(labels)
    }

    assert {state for state, value in found.items() if value == 1} == {"paused"}
    assert set(found) == {str(state) for state in State}


def test_progress_becomes_counters_and_ratios() -> None:
    found = samples(status("acquiring"), progress(10.0, dead_time_pct=1.5, recorded_events=7, missing_words=2))

    assert found["scandaq_run_elapsed_seconds", ()] == 10.0
    assert found["scandaq_run_step_counts_total", (("counter", "events"),)] == 1000
    assert found["scandaq_run_dead_time_ratio", ()] == pytest.approx(0.015)
    assert found["scandaq_run_recorded_events_total", ()] == 7
    assert found["scandaq_run_missing_words_total", ()] == 2
    assert ("scandaq_run_step_done_ratio", ()) not in found


def test_a_run_that_is_over_is_not_shown_any_more() -> None:
    found = samples(progress(10.0, run="before"), status("ready"))

    assert not any(name.startswith("scandaq_run_") for name, _ in found)


def test_a_reading_has_device_name_and_unit() -> None:
    found = samples(reading(812.0))

    assert found["scandaq_reading_value", (("device", "hv1"), ("name", "voltage"), ("unit", "V"))] == 812.0
    assert found["scandaq_reading_good", (("device", "hv1"), ("name", "voltage"))] == 1


@pytest.mark.parametrize("bad", [reading(812.0, quality="stale"), reading(None, quality="comm_fail"), reading("on")])
def test_a_reading_that_is_stale_or_no_number_has_no_value(bad: Reading) -> None:
    assert not any(name == "scandaq_reading_value" for name, _ in samples(bad))


def test_a_reading_out_of_its_limits_is_shown_and_not_good() -> None:
    found = samples(replace(reading(900.0, quality="out_of_limits"), level="alarm"))

    assert {name: value for (name, _), value in found.items() if name.startswith("scandaq_reading")} == {
        "scandaq_reading_good": 0.0, "scandaq_reading_value": 900.0, "scandaq_reading_level": 2.0,
    }  # fmt: skip


def test_alarms_are_counted_by_priority() -> None:
    found = samples(
        alarm("a"),
        alarm("b", by="tech"),
        alarm("c", priority="low"),
        alarm("c", priority="low", active=False, by="tech"),
    )

    assert found["scandaq_alarms_shown", (("priority", "high"),)] == 2
    assert found["scandaq_alarms_unacknowledged", (("priority", "high"),)] == 1
    assert found["scandaq_alarms_shown", (("priority", "low"),)] == 0
    assert found["scandaq_alarms_raised_total", (("priority", "low"),)] == 1


def test_an_alarm_said_again_is_not_raised_again() -> None:
    found = samples(alarm(), alarm(by="tech"), alarm(active=False), alarm())

    assert found["scandaq_alarms_raised_total", (("priority", "high"),)] == 2


def test_what_has_more_names_than_anything_should_is_left_out_and_counted() -> None:
    readings = [reading(1.0, name=str(number)) for number in range(MOST_READINGS + 5)]
    alarms = [alarm(str(number)) for number in range(MOST_ALARMS + 7)]
    counters = Progress(RUN, 1.0, 1, 1, counts={str(number): 1 for number in range(1000)})

    found = samples(status("acquiring"), counters, *readings, *alarms)

    assert sum(name == "scandaq_reading_value" for name, _ in found) == MOST_READINGS
    assert found["scandaq_metrics_left_out_total", ()] == 12
    assert sum(name == "scandaq_run_step_counts_total" for name, _ in found) == 32


def test_the_readout_is_asked_and_times_are_seconds() -> None:
    text = text_of(Metrics(Bus(), 0, readout_figures(lambda: READOUT)))

    assert "scandaq_readout_buffer_used_ratio 0.25" in text
    assert "scandaq_readout_disk_sync_longest_seconds 0.04" in text
    assert 'scandaq_readout_cpu_seconds_total{thread="receive"} 0.5' in text


def test_without_a_readout_nothing_is_said_of_one() -> None:
    assert "scandaq_readout" not in text_of(Metrics(Bus(), 0, readout_figures(lambda: None)))


def test_a_figure_that_cannot_be_read_does_not_take_the_others_with_it() -> None:
    broken = Asked("scandaq_broken", "Broken.", lambda: 1 / 0)
    whole = Asked("scandaq_whole", "Whole.", lambda: 5)

    text = text_of(Metrics(Bus(), 0, [broken, whole]))

    assert "scandaq_whole 5.0" in text
    assert "scandaq_broken" not in text
    assert "scandaq_metrics_unread_total 1.0" in text


def test_a_figure_with_too_many_label_values_is_cut_and_says_so() -> None:
    many = Asked("scandaq_many", "Many.", lambda: {str(number): number for number in range(70)}, "which")

    text = text_of(Metrics(Bus(), 0, [many]))

    assert text.count("scandaq_many{") == 50
    assert "scandaq_metrics_left_out_labels_total 20.0" in text


@pytest.mark.parametrize("name", ["scandaq_Upper", "other_name", "scandaq_count_total", "scandaq_", "scandaq_a-b"])
def test_names_that_prometheus_would_not_take_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(name))):
        Metrics(Bus(), 0, [Asked(name, "Text.", lambda: 1)])


def test_a_name_is_taken_once() -> None:
    with pytest.raises(UsageError, match="taken"):
        Metrics(Bus(), 0, [Asked("scandaq_a", "Text.", lambda: 1)] * 2)


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=20), st.floats())
def test_whatever_devices_are_called_the_text_can_be_parsed(device: str, name: str, unit: str, value: float) -> None:
    metrics = Metrics(Bus(), 0)
    metrics._said.heard(Reading(device, name, value, unit, "good", ""))

    (found,) = [family for family in parse(text_of(metrics)) if family.name == "scandaq_reading_value"]

    assert found.samples[0].labels["name"] == name[:100]


def test_both_formats_can_be_parsed_and_hold_the_same() -> None:
    metrics = full_metrics()
    plain = {family.name for family in parse(text_of(metrics)) if family.name.startswith("scandaq_")}
    page, content_type = metrics.render("application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    opened = {family.name for family in parse_openmetrics(page.decode()) if family.name.startswith("scandaq_")}
    assert {name.removesuffix("_created") for name in plain} == opened


ABBREVIATED = re.compile(
    r"_(ms|us|ns|s|secs?|mins?|minutes|hours|days|(milli|micro|nano)seconds|[kmg]i?b|(kilo|mega)bytes|percent|pct|k?hz|cps|bits)(_|$)"
)


def lint(text: str) -> list[str]:
    """Return what `promtool check metrics` and Prometheus' page on names would object to."""
    complaints = [
        f"{name}: counter without _total" for name in re.findall(r"^# TYPE (\S+) counter$", text, re.MULTILINE)
        if not name.endswith("_total")
    ]  # fmt: skip
    for family in parse(text):
        labels = {label for sample in family.samples for label in sample.labels}
        broken = {
            "no help": not family.documentation,
            "not snake case": not re.fullmatch(r"[a-z][a-z0-9_]*", family.name),
            "_total and no counter": family.type != "counter" and family.name.endswith("_total"),
            "part of a histogram": family.type != "histogram" and family.name.endswith(("_count", "_sum", "_bucket")),
            "names its type": re.search(r"_(gauge|counter|histogram|summary)(_|$)", family.name) is not None,
            "no base unit": ABBREVIATED.search(family.name) is not None,
            "reserved label": family.type != "histogram" and "le" in labels,
            "label not snake case": any(not re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in labels),
        }
        complaints += [f"{family.name}: {rule}" for rule, is_broken in broken.items() if is_broken]
    return complaints


def test_every_metric_keeps_the_rules_of_prometheus() -> None:
    text = text_of(full_metrics())

    assert len(list(parse(text))) > 60
    assert lint(text) == []


def test_the_rules_do_find_what_breaks_them() -> None:
    text = """
# TYPE scandaq_wait_ms gauge
scandaq_wait_ms{Le="1"} 1
# TYPE scandaq_x_count counter
scandaq_x_count 1
# TYPE scandaq_gauge_total gauge
scandaq_gauge_total{le="1"} 1
"""

    assert set(lint(text)) == {
        "scandaq_wait_ms: no base unit",
        "scandaq_wait_ms: label not snake case",
        "scandaq_wait_ms: no help",
        "scandaq_x_count: counter without _total",
        "scandaq_x_count: part of a histogram",
        "scandaq_x_count: no help",
        "scandaq_gauge_total: _total and no counter",
        "scandaq_gauge_total: names its type",
        "scandaq_gauge_total: reserved label",
        "scandaq_gauge_total: no help",
    }


def test_every_metric_is_on_the_page_and_every_metric_of_the_page_exists() -> None:
    exposed = {sample.name for family in parse(text_of(full_metrics())) for sample in family.samples}
    made = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed if not name.endswith("_created")}
    made = {name for name in made if name.startswith("scandaq_")}
    named = set(re.findall(r"`(scandaq_[a-z_]+)", PAGE))

    assert made - named == set()
    assert named - made == set()


async def test_what_the_bus_heard_before_is_there_from_the_start() -> None:
    bus = Bus()
    bus.announce(status("armed"))
    metrics = Metrics(bus, 0)
    running = asyncio.create_task(metrics.run(), name="metrics")
    async with asyncio.timeout(10):
        while metrics.port is None:
            await asyncio.sleep(0.01)

    assert 'scandaq_station_state{state="armed"} 1.0' in text_of(metrics)

    running.cancel()
    await asyncio.wait([running])
    assert metrics.port is None
