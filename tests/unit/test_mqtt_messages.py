"""What is in a message, and that the schemas, the AsyncAPI document and Home Assistant's say the same."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from daq.errors import RefusedError
from daq.model.station import (
    Alarm,
    Announcement,
    Description,
    Progress,
    Reading,
    RunDocument,
    RunLedger,
    StationStatus,
)
from daq.model.topics import Topics
from daq.model.units import UNITS
from daq.services.bus import Bus
from daq.services.status_mqtt import asyncapi
from daq.services.status_mqtt.announcer import MOST_LEDGERS, Announcer
from daq.services.status_mqtt.homeassistant import UNITS_OF_CLASS, HomeAssistant, object_id, written
from daq.services.status_mqtt.messages import KINDS, encoded, outgoing
from daq.services.status_mqtt.outbox import Lane, Outbox
from daq.services.status_mqtt.schema import schemas
from daq.services.status_mqtt.settings import Figures
from daq.services.status_mqtt.suspects import Suspects
from daq.services.status_mqtt.troubles import LOST, Troubles

ROOT = Path(__file__).parents[2]
AT = "2026-11-22T14:05:07.123Z"
AT_NS = 1_795_356_307_123_999_999
TOPICS = Topics("cam1")
ALARM = Alarm("bed", "pad", "high", "pad hit", "free the patient", AT)


def announcer(bus: Bus | None = None, outbox: Outbox | None = None) -> Announcer:
    return Announcer(TOPICS, bus or Bus(), Figures(), outbox)


def bytes_of(said: Announcement) -> bytes:
    return encoded(outgoing(TOPICS, said, 7, AT_NS), "b")


def test_every_kind_of_announcement_has_a_topic_and_a_message() -> None:
    assert set(KINDS) == set(get_args(Announcement))


def test_a_message_begins_with_number_time_and_boot() -> None:
    message = bytes_of(StationStatus("ready", AT, possible=("prepare",)))

    assert message.startswith(b'{"seq":7,"ts":"2026-11-22T14:05:07.123Z","boot":"b","state":"ready"')
    assert json.loads(message)["possible"] == ["prepare"]


def test_an_alarm_that_is_over_is_an_empty_message() -> None:
    over = dataclasses.replace(ALARM, active=False, acknowledged_by="lee")

    assert bytes_of(ALARM) != b""
    assert bytes_of(over) == b""
    assert bytes_of(dataclasses.replace(ALARM, active=False)) != b""


@pytest.mark.parametrize(
    ("value", "expected"),
    [(float("nan"), None), (float("inf"), None), (np.float64(1.5), 1.5), (np.int32(7), 7), (True, True), ("x", "x")],
)
def test_numbers_that_json_does_not_know_are_null_and_those_of_numpy_plain(value: Any, expected: object) -> None:
    assert json.loads(bytes_of(Reading("hv", "v", value, "V", "good", AT)))["value"] == expected


def test_numbers_are_made_fit_at_any_depth() -> None:
    ledger = {"sources": [{"rate": float("-inf"), "more": (1, float("nan"))}]}

    assert json.loads(bytes_of(RunLedger("r", ledger)))["ledger"] == {"sources": [{"rate": None, "more": [1, None]}]}


@pytest.mark.parametrize(
    "content",
    [{"a": object()}, {"a": {1, 2}}, {(1, 2): 3}, {"a": iter([])}, {"a": (n for n in [1])}],
    ids=["object", "set", "key", "iterator", "generator"],
)
def test_what_is_no_data_is_refused(content: dict[Any, Any]) -> None:
    with pytest.raises(RefusedError, match="cannot be written as JSON"):
        bytes_of(RunDocument("r", "start", content))


def test_what_refers_to_itself_is_refused() -> None:
    content: dict[str, Any] = {}
    content["self"] = content

    with pytest.raises(RefusedError, match="cannot be written as JSON"):
        bytes_of(RunDocument("r", "start", content))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
READINGS = st.builds(
    Reading, TEXT, TEXT, st.one_of(st.floats(), st.integers(), TEXT, st.booleans(), st.none()), TEXT,
    st.sampled_from(["good", "stale", "out_of_limits", "comm_fail"]), st.just(AT), st.dictionaries(TEXT, st.floats()),
)  # fmt: skip


@given(READINGS)
def test_no_reading_fails_to_be_published_or_breaks_its_schema(reading: Reading) -> None:
    voice = announcer()
    voice.hear(reading)
    message = voice.outbox.next()

    assert (message is None) == (not reading.device or not reading.name)
    if message is not None:
        payload = json.loads(encoded(message, voice.boot))
        limits = payload["limits"].values()
        schema = schemas()["reading"]
        assert list(Draft202012Validator(schema).iter_errors(payload)) == [] or None in limits


# Schemas


@pytest.mark.parametrize("name", ["state", "reading", "progress"])
def test_what_goes_into_tables_is_flat(name: str) -> None:
    """Telegraf takes objects of scalars; an array of objects is lost there."""
    for key, schema in schemas()[name]["properties"].items():
        below = schema.get("additionalProperties") if schema.get("type") == "object" else schema.get("items", schema)
        assert isinstance(below, dict), key
        assert below["type"] not in ("object", "array"), key


def test_every_schema_is_one_and_allows_nothing_it_does_not_name() -> None:
    for schema in schemas().values():
        Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False


def test_nothing_in_any_message_is_about_a_patient() -> None:
    text = json.dumps({name: list(schema["properties"]) for name, schema in schemas().items()})

    assert "patient" not in text
    assert "administration" not in text


@pytest.mark.skipif(
    not (ROOT / "docs" / "reference" / "asyncapi.json").exists(),
    reason="no documentation beside these tests: not a checkout",
)
def test_the_kept_document_is_what_the_code_says() -> None:
    kept = (ROOT / "docs" / "reference" / "asyncapi.json").read_text(encoding="utf-8")

    assert kept == asyncapi.text(), "python -m daq.services.status_mqtt.asyncapi > docs/reference/asyncapi.json"


# The announcer


def test_a_birth_says_what_holds_and_then_that_we_are_there() -> None:
    bus = Bus()
    for said in (Reading("hv", "v", 1, "V", "good", AT), StationStatus("ready", AT), ALARM, Description("s", "c", {})):
        bus.announce(said)
    voice = announcer(bus)
    voice.birth()
    order = []
    while (message := voice.outbox.next()) is not None:
        order.append((message.topic.removeprefix("nm/v1/cam1/"), message.retain))

    assert order == [
        ("state", True), ("alarm/bed/pad", True), ("describe", True), ("availability", True), ("readings/hv/v", True),
    ]  # fmt: skip


def test_a_name_that_fits_no_topic_is_counted_and_harms_nothing() -> None:
    bus = Bus()
    voice = announcer(bus)
    with bus.listening(voice.hear):
        bus.announce(Reading("", "v", 1, "V", "good", AT))
        bus.announce(Reading("hv", "v" * 300, 1, "V", "good", AT))
        bus.announce(StationStatus("ready", AT))

    assert voice._figures.unpublishable == 2
    assert bus.failures == 0
    assert len(voice.outbox) == 1


def test_numbers_only_ever_grow() -> None:
    voice = announcer()
    for name in "abcdef":
        voice.hear(Reading("hv", name, 1, "V", "good", AT))
    seqs = [message.seq for message in iter(voice.outbox.next, None)]

    assert seqs == sorted(set(seqs))


def test_the_ledger_of_the_eleventh_run_clears_that_of_the_first() -> None:
    voice = announcer()
    voice.found_ledgers(TOPICS.ledger(f"r{run:02}") for run in range(3))
    for run in range(3, 3 + MOST_LEDGERS):
        voice.hear(RunLedger(f"r{run:02}", {}))
    cleared = [message.topic for message in iter(voice.outbox.next, None) if message.content == b""]

    assert cleared == [TOPICS.ledger(f"r{run:02}") for run in range(3)]


def test_an_outbox_that_is_given_is_used_even_while_empty() -> None:
    outbox = Outbox()

    assert announcer(outbox=outbox).outbox is outbox


# Suspects and troubles


def test_a_large_message_that_ended_two_connections_is_held_and_smaller_ones_are_not() -> None:
    suspects = Suspects()
    large, small = outgoing(TOPICS, RunDocument("r", "start", {}), 1, 0), outgoing(TOPICS, ALARM, 2, 0)
    once = [suspects.lost([(small, 100), (large, 9000)]), suspects.holds(large.topic, 9000)][1]
    suspects.lost([(large, 9000)])

    assert not once
    assert suspects.holds(large.topic, 9000)
    assert suspects.holds(large.topic, 20_000)
    assert not suspects.holds(large.topic, 8999)
    assert not suspects.holds(small.topic, 100)


def test_a_message_that_got_through_is_no_suspect_and_small_ones_never_are() -> None:
    suspects = Suspects()
    large, small = outgoing(TOPICS, RunDocument("r", "start", {}), 1, 0), outgoing(TOPICS, ALARM, 2, 0)
    for _ in range(5):
        suspects.lost([(small, 4000)])
        suspects.lost([(large, 9000)])
        suspects.cleared(large.topic)
    suspects.lost([])

    assert not suspects.holds(large.topic, 9000)
    assert not suspects.holds(small.topic, 4000)


def test_a_trouble_is_said_once_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for _ in range(3):
        troubles.come(LOST, "no broker")
    troubles.gone(LOST)
    troubles.gone(LOST)
    troubles.come(LOST, "no broker")

    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["MQTT: no broker"] * 2


# Home Assistant


def discovered(*readings: Reading) -> dict[str, Any]:
    home = HomeAssistant(announcer(), "cam1")
    for reading in (Description("s", "cam1", {"scandaq": "0.4.0"}), *readings):
        home.hear(reading)
    return home.config()


def test_home_assistant_can_look_and_do_nothing() -> None:
    config = discovered(Reading("hv", "vmon", 1.0, "V", "good", AT), Reading("door", "shut", True, "", "good", AT))

    assert {one["platform"] for one in config["components"].values()} == {"sensor", "binary_sensor"}
    assert "command" not in json.dumps(config)
    assert config["device"]["identifiers"] == ["scandaq-cam1"]
    assert config["origin"]["name"] == "scandaq"


@pytest.mark.parametrize("unit", [*UNITS, "", "A", "furlong"])
def test_a_device_class_comes_only_with_a_unit_it_knows(unit: str) -> None:
    reading = discovered(Reading("x", "y", 1.0, unit, "good", AT))["components"]["reading-x-y"]
    device_class, theirs = reading.get("device_class"), reading.get("unit_of_measurement")

    assert device_class is None or theirs in UNITS_OF_CLASS[device_class]
    assert reading["state_class"] == "measurement"
    assert theirs != ""


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("V", ("V", "voltage")), ("degC", ("°C", "temperature")), ("K", ("K", None)), ("uA", ("µA", None)),
     ("kV", ("kV", None)), ("mm", ("mm", "distance")), ("cps", ("cps", None)), ("1", ("", None))],
)  # fmt: skip
def test_units_are_written_as_home_assistant_writes_them(unit: str, expected: tuple[str, str | None]) -> None:
    assert written(unit) == expected


def test_every_component_has_an_id_of_its_own_and_says_when_it_is_not_there() -> None:
    config = discovered(
        Reading("hv", "vmon", 1.0, "V", "good", AT), Reading("hv", "v/mon", 1.0, "V", "good", AT),
        Reading("text", "status", "ok", "", "good", AT), Reading("new", "unknown", None, "", "comm_fail", AT),
    )  # fmt: skip
    components = config["components"].values()

    assert len({one["unique_id"] for one in components}) == len(components)
    assert all(("availability" in one) != ("availability_topic" in one) for one in components)
    assert [key for key in config["components"] if "unknown" in key] == []
    assert "state_class" not in config["components"]["reading-text-status"]


def test_how_sound_the_wire_of_a_controller_is_is_no_measurement_but_a_diagnosis() -> None:
    config = discovered(
        Reading("supply", "wire", "sound", "", "good", AT), Reading("supply", "wire_lost", 0, "1", "good", AT),
        Reading("supply", "voltage", 1.0, "V", "good", AT),
    )  # fmt: skip

    categories = {key: one.get("entity_category") for key, one in config["components"].items() if "supply" in key}
    assert categories == {
        "reading-supply-wire": "diagnostic", "reading-supply-wire_lost": "diagnostic", "reading-supply-voltage": None,
    }  # fmt: skip


def test_a_reading_that_is_not_fresh_is_not_there_for_home_assistant() -> None:
    reading = discovered(Reading("hv", "vmon", 1.0, "V", "good", AT))["components"]["reading-hv-vmon"]

    assert reading["availability_mode"] == "all"
    assert "'good', 'out_of_limits'" in reading["availability"][1]["value_template"]
    assert reading["availability"][1]["topic"] == reading["state_topic"] == "nm/v1/cam1/readings/hv/vmon"


def test_the_discovery_message_is_not_said_for_every_reading() -> None:
    voice = announcer()
    home = HomeAssistant(voice, "cam1")
    for number in range(500):
        home.hear(Reading("hv", "vmon", float(number), "V", "good", AT))

    assert len(voice.outbox) == 1
    assert voice.outbox.superseded == 0
    assert next(iter(voice.outbox._newest[Lane.NORMAL])) == f"homeassistant/device/{object_id('cam1')}/config"


def test_progress_is_followed_over_all_runs() -> None:
    topics = {one["state_topic"] for one in discovered()["components"].values()}

    assert "nm/v1/cam1/run/+/progress" in topics
    assert Progress in KINDS


def test_a_bus_listener_needs_no_loop() -> None:
    """Whoever announces may do so before the loop runs."""
    voice = announcer()
    voice.hear(StationStatus("ready", AT))

    async def woken() -> bool:
        return voice.wake.is_set()

    assert asyncio.run(woken())
