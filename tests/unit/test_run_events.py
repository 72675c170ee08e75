"""Which announcements become events, how often, and what happens when their shape changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_documents import RUN, Named, check_run, progress, reading, status

from daq.model.datakey import dtype_of, key_name, limits_of
from daq.model.rundocument import RunComposer
from daq.model.runevents import Happening, Pace, progress_event, reading_event, status_event, unix_time
from daq.model.station import Reading

INFINITY = float("inf")


def happening(value: float | str | bool | None, *, every_s: float = 1.0) -> Happening:
    return Happening("s", {}, {"v": value}, every_s=every_s)


def values(found: list[Happening]) -> list[Any]:
    return [what.values["v"] for what in found]


def test_what_changes_too_often_waits_and_the_newest_takes_its_place() -> None:
    pace = Pace()
    pace.offer(happening(1), "a")
    assert values(list(pace.due(10.0))) == [1]
    pace.offer(happening(2), "a")
    pace.offer(happening(3), "a")

    assert list(pace.due(10.9)) == []
    assert values(list(pace.due(11.0))) == [3]


def test_what_does_not_change_makes_no_event() -> None:
    pace = Pace()
    pace.offer(happening(1), "a")
    list(pace.due(10.0))
    pace.offer(happening(1), "a")

    assert list(pace.due(INFINITY)) == []


def test_what_changed_and_changed_back_before_its_turn_makes_no_event() -> None:
    pace = Pace()
    pace.offer(happening(1), "a")
    list(pace.due(10.0))
    pace.offer(happening(2), "a")
    pace.offer(happening(1), "a")

    assert list(pace.due(INFINITY)) == []


def test_one_subject_does_not_wait_for_another() -> None:
    pace = Pace()
    pace.offer(happening(1), "a")
    list(pace.due(10.0))
    pace.offer(happening(2), "a")
    pace.offer(happening(5), "b")

    assert values(list(pace.due(10.1))) == [5]


def test_more_subjects_than_a_run_may_have_are_left_out_and_counted() -> None:
    pace = Pace()
    for number in range(5003):
        pace.offer(happening(1), str(number))

    assert (len(list(pace.due(0.0))), pace.left_out) == (5000, 3)


def test_a_reading_that_goes_bad_does_not_wait_a_second() -> None:
    good = reading_event(reading(812.0), None, lambda *_: "s")
    bad = reading_event(reading(None, quality="comm_fail"), good, lambda *_: "s")

    assert (good.every_s, bad.every_s) == (0.1, 0.1)
    assert reading_event(reading(813.0), good, lambda *_: "s").every_s == 0.9


def test_a_missing_value_keeps_the_type_it_had() -> None:
    text = reading_event(reading("on"), None, lambda *_: "s")

    assert reading_event(reading(None), text, lambda *_: "s").keys["hv1_voltage"].dtype == "string"
    assert reading_event(reading(None), None, lambda *_: "s").keys["hv1_voltage"].dtype == "number"


def test_dead_time_is_there_once_something_measured_it() -> None:
    before = progress_event(progress(1.0), None)
    measured = progress_event(progress(2.0, dead_time_pct=3.0), before)
    after = progress_event(progress(3.0), measured)

    assert "dead_time_pct" not in before.values
    assert (measured.values["dead_time_pct"], after.values["dead_time_pct"]) == (3.0, None)


def test_limits_are_sorted_into_those_of_the_event_model() -> None:
    given_limits = {
        "low": 1,
        "warning_high": 5.0,
        "max": 9.0,
        "control_min": 0.0,
        "other": 3.0,
        "alarm_low": float("nan"),
    }

    assert limits_of(given_limits) == {
        "alarm": {"low": 1.0, "high": 9.0},
        "warning": {"low": None, "high": 5.0},
        "control": {"low": 0.0, "high": None},
    }


def test_what_a_device_may_reach_at_most_is_an_alarm_limit_where_no_other_is_named() -> None:
    assert limits_of({"minimum": 0.0, "maximum": 900.0}) == {"alarm": {"low": 0.0, "high": 900.0}}
    assert limits_of({"alarm_high": 800.0, "minimum": 0.0, "maximum": 900.0}) == {"alarm": {"low": 0.0, "high": 800.0}}


def test_whole_and_broken_numbers_are_of_one_type() -> None:
    assert [dtype_of(value) for value in (1, 1.5, True, "x", None)] == ["number", "number", "boolean", "string", None]


def test_names_are_keys_everywhere() -> None:
    assert [key_name("hv 1", "v/mon."), key_name("°"), key_name("a.b", "c")] == ["hv_1_v_mon", "unnamed", "a_b_c"]


def test_a_time_that_is_none_is_none() -> None:
    assert unix_time("2026-11-22T14:05:07.123Z") == 1795356307.123
    assert unix_time("yesterday") is None


def test_the_state_names_the_start_of_the_daemon_that_said_it() -> None:
    assert status_event(status("paused"), "boot-1").values["boot"] == "boot-1"


NAMES = st.sampled_from(["a", "b_c", "a_b", "c", "progress", "2", "é"])
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3)
READINGS = st.builds(
    Reading,
    device=NAMES,
    name=NAMES,
    value=VALUES,
    unit=st.sampled_from(["", "V", "mV"]),
    quality=st.sampled_from(["good", "stale", "comm_fail"]),
    read_utc=st.sampled_from(["2026-11-22T14:05:07Z", "never"]),
    limits=st.dictionaries(st.sampled_from(["low", "high", "warning_max", "?"]), st.floats()),
)
ACTIONS = st.lists(
    READINGS | st.builds(progress, st.floats(0, 9), dead_time_pct=st.none() | st.floats(0, 9)) | st.just("restart"),
    max_size=60,
)


@pytest.mark.slow
@given(ACTIONS)
def test_whatever_is_said_and_however_often_the_daemon_restarts_the_run_is_valid(actions: list[Any]) -> None:
    composer, pace = RunComposer(RUN, boot="0"), Pace()
    documents: list[Named] = [composer.start({}, 0.0)]
    for moment, action in enumerate(actions):
        match action:
            case Reading(device=device, name=name):
                pace.offer(reading_event(action, pace.last(device, name), lambda d, n: f"{d}/{n}"), device, name)
            case "restart":
                composer, pace = RunComposer(RUN, boot=str(moment)), Pace()
                for document in documents:
                    composer.restore(*document)
            case _:
                pace.offer(progress_event(action, pace.last("progress")), "progress")
        for what in pace.due(INFINITY):
            documents += composer.event(what.stream, what.keys, what.values, float(moment))
    documents.append(composer.stop("success", "", 99.0))

    check_run(documents)


def test_a_reading_that_changes_its_unit_over_and_over_is_left_out_in_the_end() -> None:
    composer = RunComposer(RUN)
    made = []
    for number in range(20):
        what = reading_event(Reading("d", "n", 1.0, f"u{number}", "good", ""), None, lambda *_: "s")
        made += composer.event(what.stream, what.keys, what.values, 0.0)

    assert [document["name"] for name, document in made if name == "descriptor"][-1] == "d_n_8"
    assert composer.left_out == 12


@pytest.mark.slow
@given(
    st.dictionaries(st.text(), st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
)
def test_damaged_documents_are_passed_over(document: dict[str, Any]) -> None:
    for name in ("start", "descriptor", "event", "stream_datum", "other"):
        RunComposer(RUN).restore(name, document)


def test_documents_of_the_wrong_shape_are_passed_over() -> None:
    composer = RunComposer(RUN)

    composer.restore("descriptor", {"name": "x", "uid": "y", "data_keys": {"a": 5, "b": {"units": [1], "dtype": None}}})
    composer.restore("event", {"descriptor": "y", "seq_num": "many"})
    composer.restore("stream_datum", {"stream_resource": "z", "descriptor": "y", "seq_nums": 5})

    assert composer.stop("success", "", 0.0)[1]["num_events"] == {"x": 0}
