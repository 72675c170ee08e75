"""Which tests are due, by the calendar of the site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import UsageError
from daq.model.qc.figures import Level
from daq.model.qc.limits import After, Every, QcTest
from daq.qc.schedule import Done, Due, Event, due, due_list, period_after, period_start

BERLIN = ZoneInfo("Europe/Berlin")
EVERY: tuple[Every, ...] = ("day", "week", "month", "quarter", "half-year", "year")
ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "Asia/Kolkata", "UTC", "America/Havana")
instants = st.datetimes(datetime(2001, 1, 1), datetime(2019, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from([ZoneInfo(name) for name in ZONES])


def a_test(every: Every | None = "day", *, after: tuple[After, ...] = (), blocking: bool = False) -> QcTest:
    return QcTest(title="Flood", analysis="flood", every=every, after=after, blocking=blocking)


def at(day: int, hour: int = 8, month: int = 3) -> datetime:
    return datetime(2021, month, day, hour, tzinfo=BERLIN)


def done(when: datetime, level: Level = Level.IN_LIMITS, name: str = "r1", *, struck: bool = False) -> Done:
    return Done(name, when, level, struck)


def stands(test: QcTest, *results: Done, now: datetime, events: tuple[Event, ...] = ()) -> Due:
    return due("flood", test, results, events, now=now, zone=BERLIN)


@pytest.mark.parametrize(
    ("every", "performed", "now", "state"),
    [
        ("day", at(9, 23), at(9, 23), "valid"),
        ("day", at(9, 7), at(10, 0), "due"),
        ("day", at(9, 7), at(10, 23), "due"),
        ("day", at(9, 7), at(11, 0), "overdue"),
        ("week", at(8), at(14, 23), "valid"),
        ("week", at(14, 23), at(15, 0), "due"),
        ("week", at(14, 23), at(22, 0), "overdue"),
        ("month", at(31), at(1, month=4), "due"),
        ("month", at(1), at(31), "valid"),
        ("quarter", at(1, month=1), at(31, 23), "valid"),
        ("quarter", at(1, month=1), at(1, 0, month=4), "due"),
        ("half-year", at(1, month=1), at(30, month=6), "valid"),
        ("half-year", at(1, month=1), at(1, month=7), "due"),
        ("year", at(1, month=1), at(31, month=12), "valid"),
    ],
)
def test_a_test_is_due_when_the_next_period_begins_and_overdue_when_one_was_left_out(
    every: Every, performed: datetime, now: datetime, state: str
) -> None:
    assert stands(a_test(every), done(performed), now=now).state == state


def test_the_day_is_that_of_the_site_and_not_of_utc() -> None:
    late = datetime(2021, 3, 9, 23, 30, tzinfo=UTC)
    assert stands(a_test(), done(late), now=at(10, 20)).state == "valid"
    assert due("f", a_test(), [done(late)], (), now=at(10, 20), zone=UTC).state == "due"


def test_the_day_on_which_clocks_are_changed_is_as_long_as_it_is() -> None:
    assert period_after(at(28, 1), "day", BERLIN) - period_start(at(28, 1), "day", BERLIN) == timedelta(hours=23)
    autumn = datetime(2021, 10, 31, 12, tzinfo=BERLIN)
    assert period_after(autumn, "day", BERLIN) - period_start(autumn, "day", BERLIN) == timedelta(hours=25)


def test_a_test_never_done_is_said_and_blocks_where_it_is_a_blocking_one() -> None:
    found = stands(a_test(blocking=True), now=at(9))
    assert (found.state, found.blocks, found.next_due, found.newest) == ("never", True, None, None)


def test_a_blocking_test_of_every_day_blocks_as_soon_as_it_is_due_others_when_they_are_overdue() -> None:
    assert stands(a_test(blocking=True), done(at(9)), now=at(10)).blocks
    assert not stands(a_test("week", blocking=True), done(at(9)), now=at(16)).blocks
    assert stands(a_test("week", blocking=True), done(at(9)), now=at(23)).blocks
    assert not stands(a_test(blocking=False), done(at(9)), now=at(23)).blocks


def test_a_test_on_demand_is_never_asked_for_and_blocks_nobody_until_it_fails() -> None:
    never = stands(a_test(None, blocking=True), now=at(9))
    assert (never.state, never.asked, never.blocks) == ("never", False, False)
    failed = stands(a_test(None, blocking=True), done(at(1), Level.SUSPENSION), now=at(9))
    assert (failed.state, failed.asked, failed.blocks) == ("failed", True, True)
    assert stands(a_test(None), done(at(1)), now=at(1, month=12)).state == "valid"


def test_a_failed_test_stays_failed_until_a_newer_one_says_something() -> None:
    failed = done(at(9, 7), Level.SUSPENSION)
    poor = done(at(9, 9), Level.NOT_EVALUABLE, "r2")
    assert stands(a_test(), failed, poor, now=at(9, 10)).state == "failed"
    assert stands(a_test(), failed, poor, done(at(9, 10), name="r3"), now=at(9, 10)).state == "valid"


def test_a_test_beyond_its_action_level_is_done() -> None:
    assert stands(a_test(), done(at(9, 7), Level.ACTION), now=at(9)).state == "valid"


def test_a_test_that_says_nothing_is_not_done() -> None:
    found = stands(a_test(), done(at(9), name="old"), done(at(10), Level.NOT_EVALUABLE, "poor"), now=at(10))
    assert found.state == "due"
    assert found.ignored == ("result poor of 2021-03-10 08:00 +0100 is not evaluable and does not count as done",)


def test_a_result_that_was_struck_out_does_not_count() -> None:
    assert stands(a_test(), done(at(9), struck=True), now=at(9)).state == "never"


def test_a_result_from_the_future_is_named_and_does_not_count() -> None:
    found = stands(a_test(), done(at(8), name="true"), done(at(12), name="wrong"), now=at(9))
    assert found.state == "due"
    assert "wrong of 2021-03-12 08:00 +0100 lies in the future" in found.ignored[0]


def test_after_an_event_what_was_found_before_no_longer_counts() -> None:
    test = a_test("month", after=("service",))
    event = (Event("service", at(9, 12)),)
    before, since = done(at(9, 8)), done(at(9, 13), name="r2")
    found = stands(test, before, now=at(9, 14), events=event)
    assert (found.state, found.next_due) == ("after-service", at(9, 12))
    assert stands(test, before, since, now=at(9, 14), events=event).state == "valid"
    assert stands(test, before, now=at(9, 11), events=event).state == "valid"


def test_an_event_touches_the_tests_that_it_names_or_else_those_done_after_its_kind() -> None:
    named = (Event("damage", at(9, 12), ("flood",)),)
    others = (Event("damage", at(9, 12), ("cor",)),)
    assert stands(a_test("month"), done(at(9)), now=at(9, 14), events=named).state == "after-service"
    assert stands(a_test("month", after=("damage",)), done(at(9)), now=at(9, 14), events=others).state == "valid"
    unnamed = (Event("damage", at(9, 12)),)
    assert stands(a_test("month"), done(at(9)), now=at(9, 14), events=unnamed).state == "valid"
    assert stands(a_test("month", after=("damage",)), done(at(9)), now=at(9, 14), events=unnamed).state == (
        "after-service"
    )


def test_what_blocks_stands_first_and_what_nobody_asks_for_last() -> None:
    tests = {
        "a-valid": a_test(), "b-demand": a_test(None), "c-due": a_test("week"), "d-block": a_test(blocking=True),
        "e-failed": a_test(),
    }  # fmt: skip
    results = {"a-valid": [done(at(16))], "c-due": [done(at(9))], "e-failed": [done(at(16), Level.SUSPENSION)]}
    found = due_list(tests, results, (), now=at(16, 9), zone=BERLIN)
    assert [one.test for one in found] == ["d-block", "e-failed", "c-due", "b-demand", "a-valid"]


def test_a_time_without_its_zone_is_refused() -> None:
    naive = datetime(2021, 3, 9, 8)  # noqa: DTZ001
    with pytest.raises(UsageError, match="2021-03-09T08:00:00, has no time zone"):
        stands(a_test(), done(naive), now=at(9))


@given(instants, st.sampled_from(EVERY), zones)
def test_every_instant_lies_in_its_period_and_periods_follow_each_other(
    when: datetime, every: Every, zone: ZoneInfo
) -> None:
    start, after = period_start(when, every, zone), period_after(when, every, zone)
    assert start <= when < after
    assert period_start(after, every, zone) == after
    assert period_start(after - timedelta(microseconds=1), every, zone) == start


@given(instants, st.sampled_from(EVERY), zones, st.lists(st.integers(0, 800), min_size=2, max_size=5))
def test_without_new_results_a_test_only_ever_gets_more_due(
    when: datetime, every: Every, zone: ZoneInfo, days: list[int]
) -> None:
    order = ("valid", "due", "overdue")
    found = [
        due("f", a_test(every), [done(when)], (), now=when + timedelta(days=n), zone=zone).state for n in sorted(days)
    ]
    assert [order.index(state) for state in found] == sorted(order.index(state) for state in found)


@given(st.lists(st.tuples(instants, st.sampled_from(list(Level)), st.booleans()), max_size=6), instants)
def test_the_order_in_which_results_come_changes_nothing(
    rows: list[tuple[datetime, Level, bool]], now: datetime
) -> None:
    results = [done(when, level, f"r{n}", struck=struck) for n, (when, level, struck) in enumerate(rows)]
    turned = results[::-1]
    one, other = (due("f", a_test("month"), each, (), now=now, zone=BERLIN) for each in (results, turned))
    assert (one.state, one.next_due) == (other.state, other.next_due)
    assert one.newest is None or one.newest.performed <= now


HEADS = frozenset({"head 0", "head 1"})


def of_head(when: datetime, number: int, name: str) -> Done:
    return Done(name, when, Level.IN_LIMITS, says=frozenset({f"head {number}"}))


def test_a_test_of_one_head_at_a_time_is_done_when_it_was_done_of_each() -> None:
    first = of_head(at(9), 0, "r1")

    def stands_with(*results: Done, now: datetime) -> Due:
        return due("flood", a_test("week"), results, (), now=now, zone=BERLIN, heads=HEADS)

    alone = stands_with(first, now=at(9, 9))
    assert (alone.state, alone.asked, alone.words) == ("never", True, "every week; never done of head 1")
    both = stands_with(first, of_head(at(9, 10), 1, "r2"), now=at(9, 11))
    assert (both.state, both.newest) == ("valid", first)
    later = stands_with(first, of_head(at(9, 10), 1, "r2"), of_head(at(16), 1, "r3"), now=at(16, 9))
    assert (later.state, later.newest) == ("due", first)
    assert later.words.endswith("in limits (head 0)")


def test_a_result_of_all_heads_or_of_none_needs_no_other() -> None:
    together = Done("r1", at(9), Level.IN_LIMITS, says=HEADS)
    for one in (together, done(at(9))):
        found = due("flood", a_test("week"), (one,), (), now=at(9, 9), zone=BERLIN, heads=HEADS)
        assert (found.state, found.newest) == ("valid", one)
