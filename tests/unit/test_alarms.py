"""Alarms: raised, shown, latched, acknowledged, kept over a restart; never a flood."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support_alarms import ANNA, HOT, Station

from daq.errors import MissingError, UsageError
from daq.model.station import Actor, Alarm


@pytest.fixture
def station() -> Station:
    return Station()


def test_an_alarm_is_announced_at_once_with_what_to_do(station: Station) -> None:
    station.hot()

    (alarm,) = station.said
    assert (alarm.device, alarm.name, alarm.priority, alarm.active, alarm.acknowledged_by) == (
        "head-1", "temperature", "medium", True, None,
    )  # fmt: skip
    assert (alarm.text, alarm.guidance) == tuple(HOT.values())


@pytest.mark.parametrize(
    "wrong", [{"priority": "urgent"}, {"text": " "}, {"guidance": ""}, {"device": ""}, {"name": "\t"}]
)
def test_an_alarm_without_priority_text_or_guidance_is_a_fault_of_the_program(
    station: Station, wrong: dict[str, str]
) -> None:
    whole: dict[str, Any] = {"device": "head-1", "name": "x", "priority": "low", **HOT, **wrong}

    with pytest.raises(UsageError, match="alarm"):
        station.alarms.raise_(whole.pop("device"), whole.pop("name"), **whole)
    assert station.alarms.active() == []


def test_a_latched_alarm_stays_after_its_cause_until_somebody_has_seen_it(station: Station) -> None:
    station.hot()
    station.cold()
    assert station.shown() == [("temperature", False, None)]

    station.alarms.acknowledge("head-1", "temperature", ANNA)

    assert station.shown() == []
    assert not station.said[-1].shown


def test_an_acknowledged_alarm_stays_until_its_cause_is_gone(station: Station) -> None:
    station.hot()
    station.alarms.acknowledge("head-1", "temperature", ANNA)
    assert station.shown() == [("temperature", True, "anna")]

    station.cold()

    assert station.shown() == []


def test_an_alarm_that_does_not_latch_goes_with_its_cause(station: Station) -> None:
    station.hot(latched=False)

    station.cold()

    assert station.shown() == []


def test_nothing_is_acknowledged_that_is_not_shown(station: Station) -> None:
    with pytest.raises(MissingError, match="no alarm 'temperature' of 'head-1'"):
        station.alarms.acknowledge("head-1", "temperature", ANNA)
    station.hot(latched=False)
    station.cold()
    with pytest.raises(MissingError):
        station.alarms.acknowledge("head-1", "temperature", ANNA)


def test_acknowledging_twice_keeps_the_first_name(station: Station) -> None:
    station.hot()

    station.alarms.acknowledge("head-1", "temperature", ANNA)
    alarm = station.alarms.acknowledge("head-1", "temperature", Actor("otto", "console"))

    assert alarm.acknowledged_by == "anna"


def test_clearing_what_was_never_raised_says_nothing(station: Station) -> None:
    station.cold()

    assert station.said == []


def test_the_newest_text_wins_and_the_same_text_says_nothing_new(station: Station) -> None:
    station.hot()
    station.hot()
    station.later(2)
    station.hot(text="22 degC, limit 20 degC")

    assert [alarm.text for alarm in station.said] == [HOT["text"], "22 degC, limit 20 degC"]
    assert station.said[0].since_utc == station.said[1].since_utc


def test_text_cannot_reach_a_terminal_and_is_bounded(station: Station) -> None:
    alarm = station.hot(text="\x1b[2J" + "x" * 5000, guidance="a\nb")

    assert alarm.text.startswith("?[2Jx")
    assert len(alarm.text) == 300
    assert alarm.guidance == "a b"


def test_a_higher_priority_is_said_at_once_and_needs_a_new_acknowledgement(station: Station) -> None:
    station.hot("low")
    station.alarms.acknowledge("head-1", "temperature", ANNA)
    station.hot("low", text="warmer")
    assert station.shown() == [("temperature", True, "anna")]

    station.hot("high")

    assert station.shown() == [("temperature", True, None)]
    assert station.said[-1].priority == "high"


def test_a_cause_that_comes_back_needs_a_new_acknowledgement(station: Station) -> None:
    station.hot()
    station.alarms.acknowledge("head-1", "temperature", ANNA)
    station.cold()
    station.later(2)
    station.later(2)

    station.hot()

    assert station.shown() == [("temperature", True, None)]
    assert station.said[-1].active


def test_a_flapping_cause_is_counted_and_does_not_flood(station: Station) -> None:
    for _ in range(100):
        station.hot()
        station.cold()
        station.now_s += 0.02
        station.alarms.flush()

    assert len(station.said) <= 4
    assert station.alarms.came("head-1", "temperature") == 100
    station.hot()
    station.later(2)
    assert station.said[-1].text == f"{HOT['text']} (came 101 times in 60 s)"
    assert station.said[-1].active


def test_what_was_deferred_is_said_when_the_quiet_time_ends_newest_state_only(station: Station) -> None:
    station.hot()
    station.hot(text="one")
    station.hot(text="two")
    assert len(station.said) == 1

    wait_s = station.alarms.flush()
    station.later(1.0)

    assert 0 < wait_s <= 1.0
    assert [alarm.text for alarm in station.said] == [HOT["text"], "two"]
    assert station.alarms.deferred == 1


def test_the_count_of_comings_ends_with_its_time(station: Station) -> None:
    for _ in range(5):
        station.hot()
        station.cold()
    station.alarms.acknowledge("head-1", "temperature", ANNA)
    station.later(61)

    station.hot()

    assert station.said[-1].text == HOT["text"]


def test_what_is_shown_is_sorted_by_importance(station: Station) -> None:
    for name, priority in (("a", "low"), ("b", "high"), ("c", "medium"), ("d", "high")):
        station.alarms.raise_("x", name, priority=priority, text="t", guidance="g")  # type: ignore[arg-type]
    station.alarms.acknowledge("x", "b", ANNA)

    assert [alarm.name for alarm in station.alarms.active()] == ["d", "b", "c", "a"]


def test_there_is_always_room_for_what_is_more_important() -> None:
    station = Station(most=3)
    for number in range(3):
        station.alarms.raise_("x", f"low-{number}", priority="low", text="t", guidance="g")

    station.alarms.raise_("x", "low-3", priority="low", text="t", guidance="g")
    station.alarms.raise_("x", "high", priority="high", text="t", guidance="g")

    assert station.alarms.active()[0].name == "high"
    assert len(station.alarms.active()) == 3
    assert station.alarms.dropped == 2
    kept = {record.name for record in station.bus.newest() if isinstance(record, Alarm)}
    assert kept == {alarm.name for alarm in station.alarms.active()}


class Model(RuleBasedStateMachine):
    """What is shown is what the words say: cause still there, or latched and not acknowledged."""

    keys = st.sampled_from(["a", "b"])

    def __init__(self) -> None:
        super().__init__()
        self.station = Station()
        self.cause: dict[str, bool] = {}
        self.seen: dict[str, bool] = {}
        self.latched: dict[str, bool] = {}

    def expected(self) -> set[str]:
        return {name for name in self.cause if self.cause[name] or (self.latched[name] and not self.seen[name])}

    @rule(name=keys, latched=st.booleans())
    def raised(self, name: str, *, latched: bool) -> None:
        if not self.cause.get(name):
            self.seen[name] = False
        self.cause[name], self.latched[name] = True, latched
        self.station.alarms.raise_("x", name, priority="low", text="t", guidance="g", latched=latched)

    @rule(name=keys)
    def cleared(self, name: str) -> None:
        if name in self.cause:
            self.cause[name] = False
        self.station.alarms.clear("x", name)

    @precondition(lambda self: self.expected())
    @rule(data=st.data())
    def acknowledged(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.expected())))
        self.seen[name] = True
        self.station.alarms.acknowledge("x", name, ANNA)

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.station.later(seconds)

    @invariant()
    def shows_what_it_should(self) -> None:
        assert {alarm.name for alarm in self.station.alarms.active()} == self.expected()

    def teardown(self) -> None:
        """At the end of the quiet time everybody has heard the truth."""
        self.station.later(5)
        heard = {alarm.name: alarm for alarm in self.station.said}
        assert {name for name, alarm in heard.items() if alarm.shown} == self.expected()
        assert {alarm.name for alarm in self.station.bus.newest() if isinstance(alarm, Alarm)} == self.expected()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
